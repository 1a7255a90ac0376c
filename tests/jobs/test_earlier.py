"""A mixture is the corpus of another recipe: by its shards, with its copies, and the lock says which one it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mixtures import Made, shuffled

from jobs.cli import main
from mixer import earlier, lock
from mixer.audit import audit

RECIPE = """\
name: later
version: 1.0.0
seed: 3
corpus: {corpus}
unit: docs
policy: {{kind: proportional}}
budget: 30
license: CC0-1.0
dedup: [{{use: id@1}}]
keep: {{words.count: {{min: 20}}}}
sources:
  mixture: {{shards: {shards}, about: {{license: CC0-1.0}}}}
"""


@pytest.fixture(scope="module")
def first(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return shuffled(tmp_path_factory.getbasetemp())


def write(folder: Path, first: Made, shards: str = earlier.SHARDS, dedup: bool = True) -> str:
    file = folder / "later.yaml"
    text = RECIPE.format(corpus=first.out, shards=shards)
    file.write_text(text if dedup else text.replace("dedup: [{use: id@1}]\n", ""))
    return str(file)


def test_a_mixture_of_a_mixture(first: Made, tmp_path: Path) -> None:
    file, out = write(tmp_path, first), tmp_path / "out"
    assert main(["run", file, "--work", str(tmp_path / "work"), "--out", str(out), "--quiet"]) == 0
    assert all(check.ok for check in audit(str(out)))
    part = first.manifest["mixture"]
    locked = lock.decode((out / "recipe.lock").read_bytes(), "recipe.lock")
    assert locked["mixture"] == {"name": part["name"], "version": part["version"], "digest": first.manifest["digest"]}
    made = json.loads((out / "manifest.json").read_bytes())["mixture"]
    [source] = made["sources"]
    assert source["read"]["docs"] == part["totals"]["docs"]
    assert source["dedup"][0]["dropped"]["docs"] > 0
    assert made["totals"]["unique_docs"] == made["totals"]["docs"] == 30  # of documents that the first one repeats


def test_a_mixture_that_repeats_documents(first: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, first, dedup=False)
    for command in ("tag", "dedup"):
        assert main([command, file, "--work", str(tmp_path / "work"), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["plan", file, "--work", str(tmp_path / "work"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "the corpus is the mixture small 1.2.3, which repeats documents, so keep one of each by adding " \
           "`- {use: id@1}` to the recipe's dedup" in said


@pytest.mark.parametrize(("shards", "what"), [
    ("web/*.jsonl", "matches nothing"), ("'**/*.parquet'", "matches index/"), ("'*'", "matches manifest.json"),
])
def test_globs_that_match_no_shard(first: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], shards: str,
                                   what: str) -> None:
    assert main(["tag", write(tmp_path, first, shards), "--work", str(tmp_path / "work"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "the corpus is a mixture, of which" in said and what in said and f"write {earlier.SHARDS}" in said


def test_what_is_no_mixture(tmp_path: Path) -> None:
    assert earlier.read(str(tmp_path)) is None
    for text in (b"{", b"[]", b'{"mixture": 1}', b'{"mixture": {"format": "other"}}', b"\xff"):
        (tmp_path / "manifest.json").write_bytes(text)
        assert earlier.read(str(tmp_path)) is None


def test_a_manifest_that_was_changed(first: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = first.copied(tmp_path / "copy")
    made.retold(lambda part: part.update(version="9.9.9"), digested=False)
    assert main(["tag", write(tmp_path, made), "--work", str(tmp_path / "work"), "--quiet"]) == 2
    assert "manifest.json: its mixture part has the digest" in capsys.readouterr().err
