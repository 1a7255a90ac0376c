"""What is in a reference is not in the mixture, and everything says so: plan, losses, explain, manifest and audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mixtures import Made, records, words

from jobs.cli import main
from mixer.audit import audit
from mixer.errors import BadInput
from mixer.recipe_parser import parse

SECOND = """\
name: second
version: 1.0.0
seed: 2
corpus: ../corpus
unit: docs
policy: {kind: proportional}
dedup: [{use: text@1}]
keep: {words.count: {min: 5}}
sources: {web: {shards: web/*.jsonl}}
"""
FIRST = SECOND.replace("name: second", "name: first").replace("web/*.jsonl", "web/0.jsonl")
REFERENCE = """\
reference:
  published: {corpus: ../first/out, shards: data/*.jsonl.zst}
  questions: {shards: bench/*.jsonl}
"""


@pytest.fixture(scope="module")
def second(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A mixture of one shard, and a second one of two shards, compared with the first and with some questions."""
    folder = tmp_path_factory.mktemp("references")
    for shard, numbers in (("web/0", range(0, 20)), ("web/1", range(10, 40)), ("bench/q", range(35, 60))):
        file = folder / "corpus" / f"{shard}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps({"id": f"{shard}-{number}", "source": "pages", "text": words(number, 30)})
                                + "\n" for number in numbers))
    for name, text in (("first", FIRST), ("second", SECOND + REFERENCE)):
        (folder / name).mkdir()
        (folder / name / "recipe.yaml").write_text(text)
        assert main(["run", str(folder / name / "recipe.yaml"), "--work", str(folder / "work"), "--out",
                     str(folder / name / "out"), "--quiet"]) == 0
    return Made(folder / "second/recipe.yaml", folder / "corpus", folder / "work", folder / "second/out")


def test_nothing_of_a_reference_comes_again(second: Made) -> None:
    """Not even under the identity that it had: the published documents are the same ones here."""
    ids = {json.loads(line)["id"] for _, line in records(second.out)}
    assert ids == {f"web/1-{number}" for number in range(20, 35)}
    part = second.manifest["mixture"]
    assert [(each["source"], each["lost_to"], each["docs"]) for each in part["dedup"]["losses"]] == [
        ("web", "published", 30), ("web", "questions", 5)]
    assert part["dedup"]["references"] == [{"reference": "published", "shards": 1, "docs": 20},
                                           {"reference": "questions", "shards": 1, "docs": 25}]
    assert [count["source"] for count in part["sources"]] == ["web"] and part["sources"][0]["read"]["docs"] == 50
    shards = json.loads((second.out / "recipe.lock").read_text())["shards"]
    measured = {shard["path"]: len(shard["sidecars"]) for shard in shards}
    assert measured == {"@published/data/00000.jsonl.zst": 2, "bench/q.jsonl": 2, "web/0.jsonl": 3, "web/1.jsonl": 3}
    assert [check for check in audit(str(second.out), second.manifest["digest"]) if not check.ok] == []


def test_people_are_told(second: Made, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(second.recipe), "--work", str(second.work)]
    assert main(["plan", *arguments, "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "compared with published (20 documents in 1 shard) and questions (25 documents in 1 shard)" in said
    assert main(["explain", *arguments[:1], "pages", "web/1-36", *arguments[1:]]) == 0
    assert "lost to pages bench/q-36 (bench/q.jsonl row 1" in capsys.readouterr().out
    assert main(["explain", *arguments[:1], "pages", "bench/q-36", *arguments[1:]]) == 0
    assert "out: of the reference questions, which is only compared with" in capsys.readouterr().out


@pytest.mark.parametrize(("change", "said"), [
    (lambda part: part["dedup"]["references"].pop(), "by the lock it was"),
    (lambda part: part["dedup"]["references"][0].update(docs=21), "by the lock it was"),
    (lambda part: part["dedup"]["losses"][0].update(lost_to="moon"), "one of these is not the recipe's"),
    (lambda part: part["dedup"]["losses"][0].update(source="published"), "one of these is not the recipe's"),
])
def test_an_audit_sees_what_was_changed(second: Made, change: object, said: str) -> None:
    whole = (second.out / "manifest.json").read_bytes()
    try:
        second.retold(change)  # type: ignore[arg-type]
        failures = [line for check in audit(str(second.out)) for line in check.failures]
        assert any(said in line for line in failures)
    finally:
        (second.out / "manifest.json").write_bytes(whole)


def test_other_commands_leave_references_out(second: Made, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(second.recipe), "--work", str(second.work)]
    assert main(["plan", *arguments, "--sweep", "words.count", "--quiet", "--json"]) == 0
    assert "bench" not in capsys.readouterr().out
    assert main(["tag", *arguments, "--sample", "10", "--quiet"]) == 0
    assert main(["export", *arguments, "--to", str(second.work / "exported"), "--experiment", "x", "--quiet"]) == 0
    assert {path.name for path in (second.work / "exported").rglob("*.gz")} == {"0.jsonl.gz", "1.jsonl.gz"} or \
        {path.name for path in (second.work / "exported").rglob("*.jsonl*")} == {"0.jsonl", "1.jsonl"}


def test_a_reference_that_is_not_there_is_told(second: Made, tmp_path: Path) -> None:
    from mixer.corpus import find

    text = SECOND + "reference: {old: {corpus: nowhere, shards: '*.jsonl'}}\n"
    with pytest.raises(BadInput, match=r"reference\.old\.shards: '\*\.jsonl' matches no file below .*/nowhere"):
        find(parse(text.encode(), "r.yaml"), str(second.recipe), str(tmp_path))
