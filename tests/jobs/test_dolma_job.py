"""Export and import as commands, from tagging to a mixture."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
import zstandard
from conftest import WriteShard

from jobs.cli import main

RECIPE = """\
name: imports
version: 1.0.0
seed: 1
corpus: documents
unit: docs
policy: {{kind: proportional}}
dedup: [{{use: text@1}}]
keep: {keep}
sources:
  web: {{shards: web/*}}
"""
TEXTS = ["one 😀 three", "two", "", "one 😀 three", "four five"]


@pytest.fixture
def folder(tmp_path: Path, write_shard: WriteShard, spark: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tagged shards, one with a line that is no document, and a recipe that needs words alone."""
    monkeypatch.chdir(tmp_path)
    lines = [{"id": f"a{number}", "text": text} for number, text in enumerate(TEXTS)]
    write_shard("documents/web/0.jsonl.gz", [*lines[:2], b'{"id": "bad"}', *lines[2:]])
    write_shard("documents/web/1.jsonl.zst", [{"id": "b0", "text": "six seven eight"}])
    recipe(tmp_path)
    assert run("tag") == 0
    return tmp_path


def recipe(folder: Path, keep: str = "{words.count: {min: 1}}") -> None:
    (folder / "recipe.yaml").write_text(RECIPE.format(keep=keep))


def run(command: str, *more: str) -> int:
    bad = ["--max-bad-share", "0.5"] if command in ("tag", "run") else []
    return main([command, "recipe.yaml", "--quiet", *bad, *more])


def error_of(capsys: pytest.CaptureFixture[str], command: str, *more: str) -> str:
    capsys.readouterr()
    assert run(command, *more) == 2
    return capsys.readouterr().err


def put(folder: Path, experiment: str, shard: str, lines: list[dict[str, object]]) -> Path:
    path = folder / "attributes" / experiment / shard
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return path


def read(path: Path) -> list[dict[str, dict[str, list[list[float]]]]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_from_our_columns_to_a_mixture_by_their_attributes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dedup") == 0
    said = error_of(capsys, "export", "--to", ".", "--experiment", "ours", "--plan")
    assert "this recipe has not been planned" in said and "run `solera plan recipe.yaml`" in said
    assert run("plan") == 0
    capsys.readouterr()
    assert run("export", "--to", ".", "--experiment", "ours", "--plan", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["shards"] == 2 and said["documents"] == 6 and said["left_out"] == ["text_hash.key"]
    assert ["ours__words__count", "words.count"] in said["attributes"]
    lines = read(folder / "attributes/ours/web/0.jsonl.gz")
    assert [line["id"] for line in lines] == ["a0", "a1", "bad", "a2", "a3", "a4"]
    assert [line["attributes"]["ours__words__count"] for line in lines] == [
        [[0, 11, 3]], [[0, 3, 1]], [], [[0, 0, 0]], [[0, 11, 3]], [[0, 9, 2]]]
    copies = [line["attributes"]["ours__plan__copies"] for line in lines]
    lost = [line["attributes"]["ours__dedup__text"] for line in lines]
    assert sorted(copies[number] == [[0, 11, 1]] for number in (0, 4)) == [False, True]
    assert [bool(each) for each in lost] == [number in (0, 4) and copies[number] == [[0, 11, 0]] for number in range(6)]

    recipe(folder, "{dolma.ours.ours__words__count.score: {min: 2}, dolma.ours.ours__plan__copies.score: {min: 1}}")
    said = error_of(capsys, "plan")
    assert "dolma.ours@2 is missing or out of date for 2 of 2 shards" in said
    assert "run `solera import recipe.yaml --from DIR --experiment ours`" in said
    assert run("import", "--from", ".", "--experiment", "ours", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["shards"], said["redone"], said["documents"]) == (2, 2, 6)
    assert "dolma.ours.ours__words__count" in said["columns"]
    assert run("run", "--out", "out") == 0
    manifest = json.loads((folder / "out/manifest.json").read_bytes())
    assert manifest["mixture"]["totals"]["docs"] == 3
    lock = json.loads((folder / "out/recipe.lock").read_bytes())
    assert lock["taggers"]["dolma.ours@2"] == {"imported": "dolma"}
    assert all(len(shard["sidecars"]["dolma.ours@2"]) == 64 for shard in lock["shards"])
    assert main(["audit", "out", "--quiet"]) == 0
    capsys.readouterr()
    assert run("explain", "web", "a1") == 0
    said = capsys.readouterr().out
    assert "dolma.ours.ours__words__count.score min 2  dropped: dolma.ours.ours__words__count.score 1 < 2" in said
    assert "0-3 1" in said  # its span


def test_a_changed_file_is_imported_again_and_no_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [["a0", "a1", "bad", "a2", "a3", "a4"], ["b0"]]
    lines = [[{"id": id, "attributes": {"x": [[0, 0, number]]}} for number, id in enumerate(each)] for each in ids]
    first = put(folder, "pii", "web/0.jsonl.gz", lines[0])
    said = error_of(capsys, "import", "--from", str(folder), "--experiment", "pii")
    assert "attributes/pii/web/1.jsonl.zst: there is no such file" in said and "1 attribute file(s)" in said
    second = folder / "attributes/pii/web/1.jsonl.zst"
    second.write_bytes(zstandard.compress(json.dumps(lines[1][0]).encode()))

    def redone() -> int:
        capsys.readouterr()
        assert run("import", "--from", str(folder), "--experiment", "pii", "--json") == 0
        return int(json.loads(capsys.readouterr().out)["redone"])

    recipe(folder, "{dolma.pii.x.score: {min: 3}}")
    assert (redone(), redone()) == (1, 0)
    assert run("tag") == 0 and run("dedup") == 0 and run("plan", "--json") == 0
    stat = first.stat()
    lines[0][1]["attributes"] = {"x": [[0, 0, 9]]}
    put(folder, "pii", "web/0.jsonl.gz", lines[0])
    os.utime(first, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the digest tells, whatever the time says
    assert redone() == 1
    capsys.readouterr()
    assert run("plan", "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"][0]["kept"]["docs"] == 4
    recipe(folder, "{dolma.pii.y.score: {min: 3}}")
    said = error_of(capsys, "plan")
    assert "dolma.pii.y.score: no such attribute was imported of the experiment pii; it has x" in said
    (folder / "documents/web/1.jsonl.zst").write_bytes(zstandard.compress(b'{"id":"b0","text":"new","source":"web"}'))
    recipe(folder, "{dolma.pii.x.score: {min: 3}}")
    assert "run `solera tag" in error_of(capsys, "import", "--from", str(folder), "--experiment", "pii")
    assert run("tag") == 0
    assert "dolma.pii@2 is missing or out of date for 1 of 2 shards" in error_of(capsys, "plan")
    assert redone() == 1


@pytest.mark.parametrize("command", [["export", "--to"], ["import", "--from"]])
def test_mistakes_are_said(folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    said = error_of(capsys, *command, ".", "--experiment", "a/b")
    assert "--experiment a/b: not a name that a column can have" in said
    if command[0] == "export":
        assert "solera import recipe.yaml --from DIR --experiment pii`" in error_of(
            capsys, *command, ".", "--experiment", "e", "--columns", "dolma.pii.x.score")
        (folder / "documents/web/2.parquet").write_bytes(b"")
        assert "dolma reads no Parquet, and 1 of the shards are, such as web/2.parquet" in error_of(
            capsys, *command, ".", "--experiment", "e")
    else:
        (folder / "documents/web/2.jsonl").write_bytes(b"")
        said = error_of(capsys, *command, ".", "--experiment", "e")
        assert "rows@1 is missing or out of date for 1 of 3 shards" in said
    assert not (folder / "attributes").exists()
