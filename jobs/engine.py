"""Where work runs: a pool of processes for what is small, Spark for what is not. Both run the same functions."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from jobs.progress import NOTHING, Counts, Display, Progress, Stage, State, Tasks, total
from jobs.spark import usable_cores
from mixer.errors import JobFailed

# Below this many documents, starting processes costs more than it saves.
INLINE_ROWS = 200_000


@dataclass
class Engine:
    """Starts Spark at first need, and only then. `progress` is told what its stages do."""

    master: str | None
    conf: Mapping[str, str]
    log_file: str
    progress: Progress = field(default_factory=Progress)
    shared: Sequence[str] = ()  # folders that a cluster's executors have to see as this process does
    files: Sequence[str] = ()  # modules of the user's that tasks import
    _stack: ExitStack = field(default_factory=ExitStack)
    _spark: Any = None
    _pool: ProcessPoolExecutor | None = None

    @property
    def spark(self) -> Any:
        """The Spark session; starts a JVM when first asked for."""
        if self._spark is None:
            from jobs import cluster
            from jobs.spark import failures, is_local, session

            with self.progress.step("starting Spark"):
                spark = self._stack.enter_context(session(self.master, self.conf, self.log_file, "solera"))
            context = spark.sparkContext
            self.progress.events.write("spark started", application=context.applicationId, master=context.master,
                                       web_ui=context.uiWebUrl, log=self.log_file)
            if not is_local(str(context.master)):
                with failures(spark):
                    cluster.check(spark, self.shared, self.progress.say)
            for file in self.files:
                context.addPyFile(file)
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

    @property
    def slots(self) -> int:
        """How many tasks run at a time, as far as is known without starting Spark."""
        if self._spark is not None:
            return int(self._spark.sparkContext.defaultParallelism)
        return usable_cores()

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """One row of the closing table: tag, dedup, plan or build."""
        with self.progress.stage(name) as stage:
            yield stage

    def on_spark(
        self, function: Callable[..., Any], items: Sequence[Any], label: str, *,
        counts: Callable[[Any], Counts] | None = None, sizes: Sequence[Counts] = (), totals: Counts = NOTHING,
        reports: bool = False,
    ) -> list[Any]:
        """The function of each item, in order; one Spark task an item.

        For those who watch: `counts` says of a result what was done, `sizes` of each item what is known beforehand,
        and `totals` what is known of all items together where it is not known of each. A function that `reports` takes
        a second argument, to call with what it has done since it last called it.
        """
        from jobs.stages import run_tasks

        if not items:
            return []
        spark = self.spark
        with self.progress.step(label, total([totals, *sizes])) as step:
            return run_tasks(spark, function, items, label, step, counts, sizes, reports)

    @contextmanager
    def watched(self, label: str, totals: Counts = NOTHING, tasks: int = 0) -> Iterator[Any]:
        """A jobs.stages.Watch with the Spark session, for the jobs of a block whose progress and failures are shown.

        `tasks` is how many there will be at least: Spark plans some jobs only when others have ended.
        """
        from jobs.stages import watch

        spark = self.spark
        with self.progress.step(label, totals) as step, watch(spark, label, step) as watched:
            watched.tasks = tasks
            yield watched

    def in_pool(
        self, function: Callable[[Any], Any], items: Sequence[Any], label: str, rows: int = 0, *,
        sizes: Sequence[Counts] = (),
    ) -> list[Any]:
        """The function of each item, in order, on this machine without a JVM."""
        with self.progress.step(label, total(sizes)) as step:
            sizes = sizes or [Counts()] * len(items)
            workers = min(len(items), usable_cores())
            results: list[Any] = [None] * len(items)
            done = Counts()
            for number, (place, result) in enumerate(self._results(function, items, label, workers, rows), 1):
                results[place] = result
                done += sizes[place]
                step.update(State(done, step.state.totals, Tasks(number, len(items)), number / len(items)))
            return results

    def _results(
        self, function: Callable[[Any], Any], items: Sequence[Any], label: str, workers: int, rows: int
    ) -> Iterator[tuple[int, Any]]:
        """(place, result) of the items, as they are done."""
        if rows < INLINE_ROWS or (workers < 2 and self._pool is None):
            for place, item in enumerate(items):
                yield place, function(item)
            return
        if self._pool is None:  # kept, since each process imports all of numpy and arrow before it works
            spawned = ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("spawn"),
                                          initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
            self._pool = self._stack.enter_context(spawned)
        try:
            places = {self._pool.submit(function, item): place for place, item in enumerate(items)}
            for future in as_completed(places):
                yield places[future], future.result()
        except BrokenProcessPool:
            raise JobFailed(f"{label}: a process was killed, most often since the machine has run out of memory",
                            remedy="run it with --where spark, which tries a task again") from None
        except BaseException:
            # What runs is let finish, which takes seconds and leaves whole files; the rest is not begun.
            self._pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def engine(
    master: str | None, conf: Mapping[str, str], log_file: str, quiet: bool = False, shared: Sequence[str] = (),
    progress: Progress | None = None, files: Sequence[str] = (),
) -> Iterator[Engine]:
    """An engine whose Spark session, if it was started, ends with the block."""
    made = Engine(master, conf, log_file, progress or Progress(Display(quiet, silent=quiet)), shared, files)
    with made._stack:
        yield made
