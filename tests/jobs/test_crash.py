"""Real processes, killed in the middle of a write: what they leave is never seen, and the digest is the same."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mixtures import Made, files, write_pages, write_recipe
from processes import command_of, descendants, is_zombie, open_files, processes

from jobs.cli import main

SHARDS, DOCS = 8, 400
PATIENCE = 120.0

RECIPE = """\
name: crash
version: 1.0.0
seed: 3
corpus: corpus
unit: tokens
budget: 5_500_000
policy: {kind: proportional}
dedup: [{use: text@1}]
keep:
  words.count: {min: 5}
  ngrams.top_2: {max: 0.9}
sources:
  web: {shards: web/*.jsonl.zst, max_epochs: 4}
shard_bytes: 1_500_000
"""


@pytest.fixture(scope="module")
def reference(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A corpus that takes seconds to tag and to build, and the mixture of it that nobody disturbed."""
    folder = tmp_path_factory.mktemp("crash")
    write_pages(folder / "corpus/web", SHARDS, DOCS)
    (folder / "recipe.yaml").write_text(RECIPE)
    made = Made(folder / "recipe.yaml", folder / "corpus", folder / "work", folder / "out")
    assert main(["run", str(made.recipe), "--work", str(made.work), "--out", str(made.out), "--quiet"]) == 0
    return made


class Running:
    """`solera run` in a process group of its own, as a shell starts it."""

    def __init__(self, recipe: Path, folder: Path, *options: str) -> None:
        self.folder = folder
        self.below: list[int] = []
        command = [sys.executable, "-m", "jobs.cli", "run", str(recipe), "--work", str(folder / "work"),
                   "--out", str(folder / "out"), "--master", "local[2,4]", "--conf", "spark.driver.memory=1g", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True)

    def writer(self, under: str) -> int:
        """Waits for a Python worker that has a half-written file open below a folder; gives its process id."""
        end = time.monotonic() + PATIENCE
        place = str(self.folder / under)
        while time.monotonic() < end:
            for worker in self.workers():
                if any(path.startswith(place) and ".tmp" in path for path in open_files(worker)):
                    return worker
            assert self.process.poll() is None, f"it ended before it wrote below {under}: {self.process.communicate()}"
            time.sleep(0.002)
        raise AssertionError(f"nothing was written below {under}")

    def workers(self) -> list[int]:
        """Children of a pyspark.daemon that is below this process."""
        parents = dict(processes())
        daemons = {pid for pid in parents if "pyspark.daemon" in command_of(pid)}

        def below(pid: int) -> bool:
            while pid in parents:
                pid = parents[pid]
                if pid == self.process.pid:
                    return True
            return False

        return [pid for pid, parent in parents.items() if parent in daemons and below(pid)]

    def wait_for(self, under: str, pattern: str, count: int) -> None:
        """Waits until so many files are finished below a folder."""
        end = time.monotonic() + PATIENCE
        while len([path for path in (self.folder / under).rglob(pattern) if not path.name.startswith(".")]) < count:
            assert self.process.poll() is None and time.monotonic() < end, f"no {pattern} came below {under}"
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        """Signals the group. Python workers have a group of their own, and end when they notice; `ended` waits."""
        self.below = descendants(self.process.pid)
        os.killpg(self.process.pid, number)

    def ended(self) -> tuple[int, str, str]:
        """(exit code, stdout, stderr), once it and everything below it has gone."""
        out, err = self.process.communicate(timeout=PATIENCE)
        end = time.monotonic() + 20
        while {pid for pid, _ in processes() if not is_zombie(pid)} & set(self.below) or \
                any(str(self.folder) in path for pid, _ in processes() for path in open_files(pid)):
            assert time.monotonic() < end, "something below it lives on"
            time.sleep(0.05)
        return self.process.returncode, out, err


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "work/logs/events.jsonl").read_text().splitlines()]


def test_nothing_is_lost_or_done_twice(reference: Made, tmp_path: Path) -> None:
    """One mixture, in spite of four runs that are stopped, killed, and lose workers, in each stage that writes."""
    # Ctrl-C while it tags, which a terminal sends to the whole group.
    run = Running(reference.recipe, tmp_path)
    run.wait_for("work", "sidecars/ngrams*/**/*.parquet", 1)
    run.writer("work")
    run.signal(signal.SIGINT)
    code, out, err = run.ended()
    assert (code, out) == (130, ""), err
    assert "solera: stopped by Ctrl-C; what is done stays done, and this goes on from there:" in err
    assert "Traceback" not in err and "Exception" not in err
    resume = shlex.split(err.splitlines()[-1])
    assert resume == run.process.args
    assert (events(tmp_path)[-1]["event"], events(tmp_path)[-1]["by"]) == ("interrupted", "Ctrl-C")
    # The driver and its JVM are killed while more is tagged.
    run = Running(reference.recipe, tmp_path)
    run.writer("work")
    run.signal(signal.SIGKILL)
    assert run.ended()[0] == -signal.SIGKILL
    # A worker is killed in the middle of a sidecar, which is no end of anything; then all are, while it builds.
    run = Running(reference.recipe, tmp_path)
    os.kill(run.writer("work"), signal.SIGKILL)
    run.wait_for("out/index", "*.parquet", 2)
    run.writer("out/data")
    run.signal(signal.SIGKILL)
    code, out, err = run.ended()
    assert code == -signal.SIGKILL
    (tagged,) = re.findall(rf"^tag: (\d+) of {SHARDS} shards, .*, 1 task retried$", err, re.MULTILINE)
    redone = int(tagged)
    assert 0 < redone < SHARDS
    assert not (tmp_path / "out/manifest.json").exists()
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/index").glob("*.parquet")}
    # And now to the end, though a worker is killed in the middle of a data shard.
    run = Running(reference.recipe, tmp_path)
    os.kill(run.writer("out/data"), signal.SIGKILL)
    code, out, err = run.ended()
    assert (code, "Traceback" in err) == (0, False), err
    assert f"tag: 0 of {SHARDS} shards" in err
    assert events(tmp_path)[-1]["digest"] == reference.manifest["digest"]
    told = {event["stage"]: event for event in events(tmp_path)[-8:] if event["event"] == "stage ended"}
    assert told["build"]["retried"] == 1 and "(1 retried)" in out
    assert told["build"]["documents"] < reference.manifest["mixture"]["totals"]["docs"]  # some were there
    assert [event["event"] for event in events(tmp_path)].count("started") == 4
    assert f"({len(finished)} were there from an earlier, interrupted build)" in out
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert reference.manifest["digest"] in out
    assert files(tmp_path / "out") == files(reference.out)
    assert [path for path in (tmp_path / "out").rglob(".*") if path.is_file()] == []
    assert main(["audit", str(tmp_path / "out"), "--digest", reference.manifest["digest"]]) == 0


def test_a_ctrl_c_before_spark_is_there_is_as_quiet(reference: Made, tmp_path: Path) -> None:
    run = Running(write_recipe(tmp_path / "none.yaml", reference.corpus), tmp_path)
    code, _, err = run.ended()
    assert code == 2 and "matches no file" in err  # so the command line is right
    run = Running(reference.recipe, tmp_path)
    end = time.monotonic() + PATIENCE
    while not any("java" in command_of(pid) for pid, parent in processes() if parent == run.process.pid):
        assert time.monotonic() < end and run.process.poll() is None
        time.sleep(0.002)
    run.signal(signal.SIGINT)
    code, _, err = run.ended()
    assert code == 130, err
    assert "this goes on from there" in err and "Traceback" not in err


def test_sigterm_ends_in_order_and_a_second_signal_at_once(reference: Made, tmp_path: Path) -> None:
    run = Running(reference.recipe, tmp_path)
    run.writer("work")
    began = time.monotonic()
    run.below = descendants(run.process.pid)
    run.process.terminate()  # as a scheduler does: the process, and not what is below it
    code, out, err = run.ended()
    assert (code, out) == (143, "") and time.monotonic() - began < 30
    assert "solera: stopped by SIGTERM; what is done stays done" in err and "Traceback" not in err
    assert (events(tmp_path)[-1]["event"], events(tmp_path)[-1]["by"]) == ("interrupted", "SIGTERM")
    run = Running(reference.recipe, tmp_path)
    run.writer("work")
    run.signal(signal.SIGINT)
    time.sleep(0.1)
    began = time.monotonic()
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.process.wait(PATIENCE) == 130 and time.monotonic() - began < 3
    assert "Traceback" not in run.ended()[2]
