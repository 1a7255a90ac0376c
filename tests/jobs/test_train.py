"""`solera train`: a model from what a recipe selects, the same each time, told from what is held out, and used."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
from plan_cases import recipe_text

from jobs import cli

GOOD = ["The", "river", "rose", "slowly", "in", "spring", "and", "the", "old", "mill", "by", "the", "bridge", "stood"]
BAD = ["buy", "cheap", "click", "here", "best", "price", "offer", "sale", "now", "free", "shipping", "login", "cart"]


@pytest.fixture
def place(tmp_path, write_shard, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choose = random.Random(3)
    for name, words in (("wiki", GOOD), ("web", BAD)):
        write_shard(f"corpus/{name}/0.jsonl.zst", [" ".join(choose.choices(words, k=20)) + f" {number}"
                                                   for number in range(150)], source=name)
    (tmp_path / "recipe.yaml").write_bytes(recipe_text(
        {"web": {"shards": "web/*.zst"}, "wiki": {"shards": "wiki/*.zst"}}, policy={"kind": "proportional"},
        unit="docs", keep={"words.count": {"min": 5}}, corpus="corpus"))
    return tmp_path


def said(capsys, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_classifier_is_trained_reported_and_used(place, spark, capsys):
    sides = ("--positive", "wiki", "--negative", "web")
    code, out, err = said(capsys, "train", "recipe.yaml", *sides, "--out", "edu.bin", "--set", "buckets=1_000")
    assert code == 0, err
    assert "accuracy 100.0%" in out and "AUC 1.0000" in out and "quality.positive" in out
    sha256 = hashlib.sha256((place / "edu.bin").read_bytes()).hexdigest()
    assert f"sha256 {sha256}" in out
    card = json.loads((place / "edu.bin.json").read_text())
    assert card["sha256"] == sha256 and card["settings"]["buckets"] == 1000
    assert {label: each["trained"] + each["held_out"] for label, each in card["documents"].items()} == {
        "positive": 150, "negative": 150}
    assert card["evaluation"]["documents"] == sum(each["held_out"] for each in card["documents"].values()) > 10
    assert sum(each["count"] for each in card["evaluation"]["calibration"]) == card["evaluation"]["documents"]
    # The same again, to the byte; and in a recipe it tells the one from the other.
    assert said(capsys, "train", "recipe.yaml", *sides, "--out", "again.bin", "--set", "buckets=1000")[0] == 0
    assert (place / "again.bin").read_bytes() == (place / "edu.bin").read_bytes()
    (place / "use.yaml").write_bytes(recipe_text(
        {"web": {"shards": "web/*.zst"}, "wiki": {"shards": "wiki/*.zst"}}, policy={"kind": "proportional"},
        unit="docs", corpus="corpus", taggers={"edu": {"use": "fasttext@1", "model": "edu.bin", "sha256": sha256}},
        keep={"edu.positive": {"min": 0.5}}))
    code, out, _ = said(capsys, "run", "use.yaml", "--out", "mixture", "--json")
    counts = {each["source"]: each["kept"]["docs"] for each in json.loads(out)["plan"]["counts"]}
    assert counts == {"web": 0, "wiki": 150}


def test_a_trigram_model_is_trained_without_negatives_and_used(place, spark, capsys):
    code, out, err = said(capsys, "train", "recipe.yaml", "--positive", "wiki", "--kind", "ngram", "--out", "w.ngram",
                          "--held-out", "0.3")
    assert code == 0, err
    assert "thirds of the positive documents held out" in out and "perplexity@1" in out
    card = json.loads((place / "w.ngram.json").read_text())
    assert card["documents"]["positive"]["held_out"] > 20 and card["thirds"][0] <= card["thirds"][1]
    (place / "use.yaml").write_bytes(recipe_text(
        {"web": {"shards": "web/*.zst"}, "wiki": {"shards": "wiki/*.zst"}}, policy={"kind": "proportional"},
        unit="docs", corpus="corpus", taggers={"wiki": {"use": "perplexity@1", "model": "w.ngram"}},
        keep={"wiki.known": {"min": 0.5}}))
    code, out, _ = said(capsys, "tag", "use.yaml", "--sample", "300", "--json")
    (known,) = [each for each in json.loads(out)["columns"] if each["column"] == "wiki.known"]
    assert known["lowest"] < 0.5 < known["highest"]


@pytest.mark.parametrize(("arguments", "says"), [
    (["--positive", "wikki", "--negative", "web"], "wikki: the recipe has no source of this name; it has web, wiki"),
    (["--positive", "wiki", "--negative", "web,wiki"], "wiki: is named as positive and as negative"),
    (["--positive", "wiki"], "--negative: a classifier needs"),
    (["--positive", "wiki", "--negative", "web", "--set", "epoch=3"], "no setting of this name; it has dimensions"),
    (["--positive", "wiki", "--negative", "web", "--set", "epochs=many"], "not a whole number; the default is 5"),
    (["--positive", "wiki", "--negative", "web", "--set", "epochs"], "not KEY=VALUE"),
])
def test_what_is_refused_before_anything_starts(place, capsys, arguments, says):
    code, _, err = said(capsys, "train", "recipe.yaml", "--out", "m.bin", *arguments)
    assert code == 2 and says in err
    assert not (place / "m.bin").exists() and not (place / "m.bin.json").exists()
    assert not list(place.rglob("*.parquet"))


def test_a_model_is_not_written_over(place, capsys):
    (place / "m.bin").write_bytes(b"another")
    code, _, err = said(capsys, "train", "recipe.yaml", "--positive", "wiki", "--negative", "web", "--out", "m.bin")
    assert code == 2 and "m.bin: is there already" in err
