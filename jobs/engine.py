"""Where work runs: a pool of processes for what is small, Spark for what is not. Both run the same functions."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from jobs.progress import Display
from jobs.spark import usable_cores
from mixer.errors import JobFailed

# Below this many documents, starting processes costs more than it saves.
INLINE_ROWS = 200_000


@dataclass
class Engine:
    """Starts Spark at first need, and only then. `quiet` keeps progress off the terminal."""

    master: str | None
    conf: Mapping[str, str]
    log_file: str
    quiet: bool = False
    shared: Sequence[str] = ()  # folders that a cluster's executors have to see as this process does
    _stack: ExitStack = field(default_factory=ExitStack)
    _spark: Any = None
    _pool: ProcessPoolExecutor | None = None

    @property
    def spark(self) -> Any:
        """The Spark session; starts a JVM when first asked for."""
        if self._spark is None:
            from jobs import cluster
            from jobs.spark import failures, is_local, session

            spark = self._stack.enter_context(session(self.master, self.conf, self.log_file, "solera"))
            if not is_local(str(spark.sparkContext.master)):
                with failures(spark):
                    cluster.check(spark, self.shared, self._say)
            self._spark = spark
        return self._spark

    def check_seen(self, uri: str) -> None:
        """Nothing; JobFailed where a cluster's executors do not see this file as it is here."""
        from jobs import cluster
        from jobs.spark import failures, is_local

        spark = self.spark
        if not is_local(str(spark.sparkContext.master)):
            with failures(spark):
                cluster.check_shared(spark, uri)

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    @property
    def slots(self) -> int:
        """How many tasks run at a time, as far as is known without starting Spark."""
        if self._spark is not None:
            return int(self._spark.sparkContext.defaultParallelism)
        return usable_cores()

    def on_spark(self, function: Callable[[Any], Any], items: Sequence[Any], label: str) -> list[Any]:
        """The function of each item, in order; one Spark task an item."""
        from jobs.stages import run_tasks

        if not items:
            return []
        with Display(self.quiet) as on_progress:
            return run_tasks(self.spark, function, items, label, on_progress)

    @contextmanager
    def watched(self, label: str) -> Iterator[Any]:
        """The Spark session, for the jobs of a block whose progress and failures are shown."""
        from jobs.stages import watch

        with Display(self.quiet) as on_progress, watch(self.spark, label, on_progress):
            yield self.spark

    def in_pool(self, function: Callable[[Any], Any], items: Sequence[Any], label: str, rows: int = 0) -> list[Any]:
        """The function of each item, in order, on this machine without a JVM."""
        workers = min(len(items), usable_cores())
        if workers < 2 or rows < INLINE_ROWS:
            return [function(item) for item in items]
        if self._pool is None:  # kept, since each process imports all of numpy and arrow before it works
            spawned = ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("spawn"))
            self._pool = self._stack.enter_context(spawned)
        try:
            return list(self._pool.map(function, items))
        except BrokenProcessPool:
            raise JobFailed(f"{label}: a process was killed, most often since the machine has run out of memory",
                            remedy="run it with --where spark, which tries a task again") from None


@contextmanager
def engine(
    master: str | None, conf: Mapping[str, str], log_file: str, quiet: bool, shared: Sequence[str] = ()
) -> Iterator[Engine]:
    """An engine whose Spark session, if it was started, ends with the block."""
    made = Engine(master, conf, log_file, quiet, shared)
    with made._stack:
        yield made
