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
from mixtures import files, run, write_corpus, write_recipe

from mixer import storage
from mixer.documents import canonical_json
from taggers import language

ROOT = Path(__file__).absolute().parents[2]
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
    data = bytearray(Path(language.model_path()).read_bytes())
    data[12] ^= 1  # a training argument that predicting does not read: another file, the same answers
    (home / "model.bin").write_bytes(data)
    recipe = write_recipe(home / "recipe.yaml", Path("corpus"))
    text = recipe.read_text()
    assert RULE in text
    recipe.write_text(text.replace(RULE, RULE + "  language.en: {min: 0.01}\n").replace(
        "dedup:", "taggers: {language: {use: language@1, model: model.bin}}\ndedup:"))
    assert run(recipe, home / "work", home / "out") == 0
    return home


@pytest.fixture
def away(s3: Bucket, at_home: Path) -> str:
    """The URI of the same folder in a bucket, without what was made of it."""
    for path in ("recipe.yaml", "model.bin", *(f"corpus/{each}" for each in storage.listing(str(at_home / "corpus")))):
        storage.put(f"{s3.uri}/home/{path}", (at_home / path).read_bytes())
    return f"{s3.uri}/home"


def solera(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, with this environment, and the model cache of a machine that has seen nothing."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), **settings}
    environ.pop("SOLERA_WORK", None)
    return subprocess.run([sys.executable, "-m", "jobs.cli", *arguments], cwd=folder, env=environ, capture_output=True,
                          text=True, timeout=600)


def mixture(s3: Bucket, prefix: str) -> dict[str, bytes]:
    """What mixtures.files gives of a folder, of a prefix of the bucket."""
    found = {key.removeprefix(prefix): data for key, data in s3.objects(prefix).items()}
    whole = json.loads(found.pop("manifest.json"))
    return {**found, "manifest.json": canonical_json([whole["digest"], whole["mixture"]])}


def test_a_store_gives_the_mixture_that_a_disk_gives(s3: Bucket, away: str, at_home: Path, tmp_path: Path) -> None:
    """The store goes away, and the run says so; another goes on from there, with faults all along; then nothing is left
    to do, the audit passes, a document explains itself, and no secret was told.
    """
    place = tmp_path / "machine"
    place.mkdir()
    options = [f"{away}/recipe.yaml", "--work", f"{away}/work", "--out", f"{away}/out", "--max-bad-share", "0.1"]
    conf = ["--master", "local[2,4]", "--conf", "spark.driver.memory=1g", "--conf", "spark.sql.shuffle.partitions=4"]
    s3.proxy.set(lambda request: "drop" if request.number > 80 else None)
    lost = solera(place, "run", *options, *conf, SOLERA_STORE_TRIES="2")
    assert lost.returncode == 2 and lost.stdout == ""
    assert re.fullmatch(rf"solera: s3://{s3.name}/home/\S+: cannot [a-z0-9 ]+: \w+Error: .*; tried 2 times in "
                        r"[\d.]+ s; give the same command again when the store answers, or raise SOLERA_STORE_TRIES or "
                        r"SOLERA_STORE_SECONDS(; see \S+/spark\.log)?", lost.stderr.splitlines()[-1]), lost.stderr
    assert "home/out/manifest.json" not in s3.objects()

    s3.proxy.set(often)
    first = solera(place, "run", *options, *conf)
    assert first.returncode == 0, first.stderr
    assert len(s3.proxy.seen) > 100
    assert mixture(s3, "home/out/") == files(at_home / "out")
    assert s3.uploads() == []
    assert f"next: solera audit {away}/out" in first.stdout

    s3.proxy.set(lambda request: None)
    again = solera(place, "run", *options, "--quiet")
    assert again.returncode == 0 and "nothing to build" in again.stdout

    audit = solera(place, "audit", f"{away}/out")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert f"{away}/out: all 12 checks hold" in audit.stdout

    explain = solera(place, "explain", f"{away}/recipe.yaml", "web", "web/0-1", "--work", f"{away}/work")
    assert explain.returncode == 0, explain.stderr
    assert re.search(r"language\.en +0\.\d+", explain.stdout)

    logs = [path.read_bytes() for path in sorted(place.rglob("*.log"))]
    assert logs  # Spark's, which is on this machine although the work folder is not
    said = [each.stdout + each.stderr for each in (lost, first, again, audit, explain)]
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
        found = solera(tmp_path, *arguments)
        assert found.returncode == 2 and found.stdout == "" and "sekret" not in found.stderr
        assert said in found.stderr and found.stderr.count("\n") == 1
