"""Corpus, recipe, model, work folder and mixture in an object store: the same as on a disk, by real processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from faults import Bucket, Fault, Request
from mixtures import files, make, write_corpus

from jobs.cli import main
from mixer import storage
from mixer.documents import canonical_json
from taggers import language

ROOT = Path(__file__).absolute().parents[2]
# Large enough for several data shards; a rule that needs the model.
CHANGES = {"budget": 60_000, "shard_bytes": 40_000}
RULE = "  words.count: {min: 20, max: 5000}\n"


def often(request: Request) -> Fault:
    """Every 7th request is refused and every 23rd is dropped, half of these after the server has done its work."""
    if request.number % 23 == 0:
        return "lose" if request.number % 2 else "drop"
    return {0: "slow down", 3: "cut"}.get(request.number % 7) if request.number % 7 == 0 or request.number % 41 == 3 \
        else None


@pytest.fixture
def at_home(spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with corpus, model and recipe, and the mixture of them in `out`, made on this disk."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-at-home"))
    home = tmp_path / "home"
    write_corpus(home / "corpus", 60)
    data = bytearray(language._model_path().read_bytes())
    data[12] ^= 1  # a training argument that predicting does not read: another file, the same answers
    (home / "model.bin").write_bytes(data)
    made = make(home, home / "corpus", **CHANGES)
    text = made.recipe.read_text()
    assert RULE in text
    text = text.replace(RULE, RULE + "  language.en: {min: 0.01}\n").replace(
        "dedup:", "taggers: {language: {use: language@1, model: model.bin}}\ndedup:")
    made.recipe.write_text(text)
    assert main(["run", str(made.recipe), "--work", str(home / "work"), "--out", str(home / "with-model"), "--quiet",
                 "--max-bad-share", "0.1"]) == 0
    assert json.loads((home / "with-model/manifest.json").read_bytes())["digest"] != made.manifest["digest"]
    return home


@pytest.fixture
def away(s3: Bucket, at_home: Path) -> str:
    """The URI of the same folder in a bucket, without what was made of it."""
    for path in ("recipe.yaml", "model.bin", *(f"corpus/{each}" for each in storage.listing(str(at_home / "corpus")))):
        storage.put(f"{s3.uri}/home/{path}", (at_home / path).read_bytes())
    return f"{s3.uri}/home"


def solera(s3: Bucket, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, with this environment, and the model cache of a machine that has seen nothing."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    environ.pop("SOLERA_WORK", None)
    return subprocess.run([sys.executable, "-m", "jobs.cli", *arguments], cwd=folder, env=environ, capture_output=True,
                          text=True, timeout=300)


def mixture(s3: Bucket, prefix: str) -> dict[str, bytes]:
    """What mixtures.files gives of a folder, of a prefix of the bucket."""
    found = {key.removeprefix(prefix): data for key, data in s3.objects(prefix).items()}
    whole = json.loads(found.pop("manifest.json"))
    return {**found, "manifest.json": canonical_json([whole["digest"], whole["mixture"]])}


def test_a_store_gives_the_mixture_that_a_disk_gives(s3: Bucket, away: str, at_home: Path, tmp_path: Path) -> None:
    """Faults all along; then nothing is left to do, the audit passes, a document explains itself, no secret is told."""
    place = tmp_path / "machine"
    place.mkdir()
    run = ["run", f"{away}/recipe.yaml", "--work", f"{away}/work", "--out", f"{away}/out", "--max-bad-share", "0.1"]
    conf = ["--master", "local[2,4]", "--conf", "spark.driver.memory=1g", "--conf", "spark.sql.shuffle.partitions=4"]
    s3.proxy.set(often)
    first = solera(s3, place, *run, *conf)
    assert first.returncode == 0, first.stderr
    assert len(s3.proxy.seen) > 100
    assert mixture(s3, "home/out/") == files(at_home / "with-model")
    assert s3.uploads() == []
    assert f"next: solera audit {away}/out" in first.stdout

    s3.proxy.set(lambda request: None)
    again = solera(s3, place, *run, "--quiet")
    assert again.returncode == 0 and "nothing to build" in again.stdout

    audit = solera(s3, place, "audit", f"{away}/out")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert f"{away}/out: all 12 checks hold" in audit.stdout

    explain = solera(s3, place, "explain", f"{away}/recipe.yaml", "web", "web/0-1", "--work", f"{away}/work")
    assert explain.returncode == 0, explain.stderr
    assert re.search(r"language\.en +0\.\d+", explain.stdout)

    logs = [path.read_bytes() for path in sorted(place.rglob("*.log"))]
    assert logs  # Spark's, which is on this machine although the work folder is not
    said = [each.stdout + each.stderr for each in (first, again, audit, explain)]
    for data in (*s3.objects().values(), *logs, *map(str.encode, said)):
        assert s3.secret.encode() not in data and b"AKIAIOSFODNN7EXAMPLE" not in data


def test_what_cannot_be_done_is_one_clear_line(s3: Bucket, tmp_path: Path) -> None:
    """No stack trace, and at once: a bucket that is not there, credentials that are not, a store that is down."""
    storage.put(f"{s3.uri}/r.yaml", b"name: x\n")
    secret = "AKIAIOSFODNN7EXAMPLE:sekret/sekret"
    for arguments, said in (
        (["lint", "s3://no-such-bucket/r.yaml"],
         "solera: s3://no-such-bucket/r.yaml: there is no bucket no-such-bucket; correct its name, or make it"),
        (["audit", f"s3://{secret}@bucket/out"], "solera: a s3:// URI carries credentials; take them out"),
        (["audit", f"{s3.uri}/out"], f"solera: {s3.uri}/out: no mixture is here"),
    ):
        found = solera(s3, tmp_path, *arguments)
        assert found.returncode == 2 and found.stdout == "" and "sekret" not in found.stderr
        assert said in found.stderr and found.stderr.count("\n") == 1
