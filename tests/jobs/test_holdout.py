"""A mixture and its splits by the command line: near-duplicates of what is held out are not in the mixture."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from mixtures import records, words

from jobs.cli import main
from mixer.audit import audit

RECIPE = {
    "name": "held", "version": "1.0.0", "seed": 3, "corpus": "corpus", "unit": "docs",
    "policy": {"kind": "proportional"}, "budget": 60, "shard_bytes": 20_000,
    "edit": {"pii.email": {"replace": "|||EMAIL|||"}},
    "holdout": {"validation": {"share": 0.3, "by": {"use": "minhash@1", "preset": "14x8", "verify": 0.8}}},
    "sources": {name: {"shards": f"{name}/*.jsonl", "about": {"license": "CC0-1.0"}} for name in ("web", "wiki")},
}
FAMILIES = 40


def write_corpus(folder: Path) -> None:
    """Families of one to three texts of which one word in 120 is another, spread over sources."""
    lines: dict[str, list[str]] = {"web": [], "wiki": []}
    for family in range(FAMILIES):
        for number in range(1 + family % 3):
            text = words(family, 120).split()
            text[40 + number] = f"member{number}"
            text[80] = "ann.lee@mail.host.org" if family % 2 else text[80]
            record = {"id": f"{family}-{number}", "source": "x", "text": " ".join(text)}
            lines["wiki" if (family + number) % 3 else "web"].append(json.dumps(record))
    for name, each in lines.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "0.jsonl").write_text("\n".join(each) + "\n")


@pytest.fixture(scope="module")
def made(spark, tmp_path_factory) -> Path:
    """A folder with the mixture `out` and that of its split `validation`."""
    folder = tmp_path_factory.mktemp("held")
    write_corpus(folder / "corpus")
    (folder / "recipe.yaml").write_text(json.dumps(RECIPE))
    for out, *options in (("out",), ("validation", "--split", "validation")):
        assert main(["run", str(folder / "recipe.yaml"), "--work", str(folder / "work"), "--out", str(folder / out),
                     "--quiet", *options]) == 0
    return folder


def families(out: Path) -> list[int]:
    return [int(json.loads(line)["id"].split("-")[0]) for _, line in records(out)]


def test_nothing_of_the_mixture_is_like_what_is_held_out(made):
    mixed, held = families(made / "out"), families(made / "validation")
    assert not set(mixed) & set(held)
    assert 4 < len(set(held)) < 20 and any(held.count(family) > 1 for family in held)
    whole = [family for family in range(FAMILIES) for _ in range(1 + family % 3)]
    assert sorted(held) == [family for family in whole if family in held]  # all of a family, each once
    assert len(mixed) == RECIPE["budget"] and set(mixed) <= set(whole) - set(held)


def test_both_are_audited_and_say_what_they_are(made):
    for name, split in (("out", None), ("validation", "validation")):
        assert [check.name for check in audit(str(made / name)) if not check.ok] == []
        part = json.loads((made / name / "manifest.json").read_bytes())["mixture"]
        lock = json.loads((made / name / "recipe.lock").read_bytes())
        assert part["split"] == split == lock.get("split")
        assert part["recipe"] == json.loads((made / "out" / "manifest.json").read_bytes())["mixture"]["recipe"]
        assert [each["method"] for each in lock["clusters"]] == ["minhash@1", "id@1"]
        dropped = sum(count["held_out"][0]["docs"] for count in part["sources"])
        others = sum(count["not_held_out"]["docs"] for count in part["sources"])
        assert (dropped, others)[split is not None] > 0 and (dropped, others)[split is None] == 0
        assert part["totals"]["edited"]["docs"] == sum(b'"replaced":' in line for _, line in records(made / name)) > 0


def test_a_mixture_that_says_it_is_of_another_split_fails(made, tmp_path):
    for name, split in (("out", "validation"), ("validation", None)):
        folder = tmp_path / name
        folder.mkdir()
        for each in (made / name).iterdir():
            (folder / each.name).symlink_to(each)
        (folder / "manifest.json").unlink()
        whole = json.loads((made / name / "manifest.json").read_bytes())
        whole["mixture"]["split"] = split
        (folder / "manifest.json").write_text(json.dumps(whole))
        assert {"digest", "recipe", "lock"} <= {check.name for check in audit(str(folder)) if not check.ok}


def test_explain_and_messages_name_the_split(made, capsys, monkeypatch):
    monkeypatch.chdir(made)
    held = next(json.loads(line) for _, line in records(made / "validation"))
    asked = ["x", held["id"], "--work", "work"]
    assert main(["explain", "recipe.yaml", *asked]) == 0
    said = capsys.readouterr().out
    assert "out: held out validation" in said and "split validation: holds it out" in said
    assert main(["explain", "recipe.yaml", *asked, "--split", "validation"]) == 0
    assert "in: 1 copy" in capsys.readouterr().out
    assert main(["plan", "recipe.yaml", "--work", "work", "--split", "validation", "--quiet"]) == 0
    assert "solera build recipe.yaml --work work --split validation --out DIR" in capsys.readouterr().out
    assert main(["plan", "recipe.yaml", "--work", "work", "--split", "validaton"]) == 2
    assert "no split 'validaton'; did you mean validation?" in capsys.readouterr().err
    edited = next(json.loads(line) for _, line in records(made / "out") if b'"replaced":' in line)
    assert main(["explain", "recipe.yaml", "x", edited["id"], "--work", "work"]) == 0
    said = capsys.readouterr().out
    assert "[-ann.lee@mail.host.org-]{+|||EMAIL|||+}" in said and "with other words for 1 span" in said
    assert os.path.exists("work")
