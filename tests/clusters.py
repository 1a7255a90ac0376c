"""A standalone cluster of real processes on loopback: a master, and workers to kill or hinder one by one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from processes import command_of, descendants, is_zombie, open_files, processes

from jobs.java import java_home

Found = TypeVar("Found")

PATIENCE = 300.0  # what takes 20 seconds on an idle machine takes minutes on a busy one
ROOT = Path(__file__).absolute().parent.parent
# A JVM of a test lives for seconds, in which what the second compiler does never pays.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


class Worker:
    """A worker of one core, the executors it starts, and their Python below it."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.local = folder / "local"  # where Spark puts shuffle files

    def below(self) -> list[int]:
        return descendants(self.process.pid)

    def kill(self) -> None:
        """SIGKILL for the worker and all below it, as when its machine is switched off."""
        every = [self.process.pid, *self.below()]
        for pid in every:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        until(lambda: not [pid for pid in every if Path(f"/proc/{pid}").exists() and not is_zombie(pid)], "its end")

    def python_workers(self) -> list[int]:
        """The processes that run Python tasks: children of a pyspark.daemon."""
        below = set(self.below())
        daemons = {pid for pid in below if "pyspark.daemon" in command_of(pid)}
        return [pid for pid, parent in processes() if pid in below and parent in daemons]

    def writer(self, under: Path) -> int | None:
        """One of its Python workers that has a half-written file open below a folder."""
        for pid in self.python_workers():
            if any(path.startswith(str(under)) and ".tmp" in path for path in open_files(pid)):
                return pid
        return None

    def shuffle_files(self) -> list[Path]:
        return list(self.local.rglob("shuffle_*"))


class Cluster:
    """A master and what workers are started. `bin` is first on a worker's PATH, so its python3 is the executors'."""

    def __init__(self, folder: Path, bin: Path) -> None:
        import pyspark

        self.folder, self.bin = folder, bin
        self.home = str(Path(pyspark.__file__).parent)
        self.workers: list[Worker] = []
        self._env = {"PATH": f"{bin}:/usr/bin:/bin", "HOME": str(folder), "JAVA_HOME": java_home(os.environ).home,
                     "SPARK_HOME": self.home, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m",
                     "SPARK_DAEMON_JAVA_OPTS": SHORT_LIVED,
                     "SPARK_NO_DAEMONIZE": "1", "LANG": "C.UTF-8"}
        log = folder / "master.log"
        self._master = self._start("Master", ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"], log)
        found = until(lambda: re.search(r"Starting Spark master at (spark://\S+)", log.read_text()), "the master")
        self.url = found[1]

    def _start(
        self, kind: str, arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        main = f"org.apache.spark.deploy.{kind.lower()}.{kind}"
        command = [*before, f"{self.home}/bin/spark-class", main, *arguments]
        with log.open("wb") as out:
            return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                    env={**self._env, **(env or {})}, start_new_session=True)

    def worker(self, local: Path | None = None, before: Sequence[str] = ()) -> Worker:
        """Starts another worker, and waits until the master knows it. `before` is a command that runs it."""
        number = len(list(self.folder.glob("worker-*")))
        folder = self.folder / f"worker-{number}"
        folder.mkdir()
        local = local or folder / "local"
        log = folder / "log"
        host = f"127.0.0.{2 + number % 200}"  # all of loopback; Spark speculates on another host only
        process = self._start(
            "Worker", ["--host", host, "--webui-port", "0", "--cores", "1", "--memory", "900m", "--work-dir",
                       str(folder), self.url], log, {"SPARK_LOCAL_DIRS": str(local), "SPARK_LOCAL_IP": host}, before)
        made = Worker(process, folder)
        made.local = local
        self.workers.append(made)
        until(lambda: "Successfully registered with master" in log.read_text(), "a worker")
        return made

    def stop(self, worker: Worker) -> None:
        worker.kill()
        self.workers.remove(worker)

    def close(self) -> None:
        for worker in [*self.workers]:
            self.stop(worker)
        self._master.kill()
        self._master.wait(PATIENCE)


class Submitted:
    """A driver of its own: spark-submit with a job's file, or the command line; in a process group of its own."""

    def __init__(self, cluster: Cluster, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._out = cluster.folder / f"driver-{len(list(cluster.folder.glob('driver-*.out')))}.out"
        with self._out.open("wb") as out, self._out.with_suffix(".err").open("wb") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, start_new_session=True, cwd=cluster.folder,
                env={**os.environ, "JAVA_HOME": java_home(os.environ).home, "SPARK_LOCAL_IP": "127.0.0.1",
                     "PYTHONPATH": str(ROOT), "PYSPARK_DRIVER_PYTHON": sys.executable, **(env or {})})

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._out.with_suffix(".err").read_text()

    @property
    def said(self) -> str:
        """All that it printed: spark-submit sends what its Python says to stderr to its own stdout."""
        return self.err + self.out

    def kill(self) -> None:
        """SIGKILL for the driver, its JVM and what else is below it."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def code(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE)


def settings(**more: str) -> list[str]:
    """Options for spark-submit and for ours, so that nothing leaves loopback and two small executors fit."""
    conf = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.memory": "700m",
            "spark.executor.memory": "600m", "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "4",
            "spark.executor.extraJavaOptions": SHORT_LIVED}
    return [part for name, value in {**conf, **more}.items() for part in ("--conf", f"{name}={value}")]


def until(look: Callable[[], Found | None], what: str, seconds: float = PATIENCE) -> Found:
    """What `look` finds, once it is something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)
    return found
