"""Steps on Spark: what their tasks count, how far they are, readable failures, and Ctrl-C that cancels their jobs."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from jobs import stopping
from jobs.live import Listener, Reporter
from jobs.progress import Counts, State, Step, Tasks, total
from jobs.spark import failures, is_local, within

if TYPE_CHECKING:
    from pyspark.accumulators import Accumulator
    from pyspark.sql import SparkSession

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL = 0.2  # seconds between two looks at how far a job is
_SETTLE = 1.0  # seconds that Spark's own bookkeeping may lag behind the end of a job


@dataclass
class Watch:
    """What goes on inside `watch`. `tasks` is how many there will be at least, where Spark cannot know it yet."""

    spark: SparkSession
    step: Step | None = None
    tasks: int = 0
    by_counts: bool = False  # whether what is counted says how far the step is; else the tasks do
    _counted: Accumulator[dict[int, Counts]] | None = None
    _sizes: Sequence[Counts] = ()
    _listener: Listener | None = None

    def counting(
        self,
        function: Callable[..., Iterable[Result]],
        counts: Callable[[Result], Counts] | None = None,
        sizes: Sequence[Counts] = (),
    ) -> Callable[..., Iterator[Result]]:
        """The function of a partition, which also counts: what `counts` says of each result, as the results are taken,
        and, once the task is at its end, what is in `sizes` for its partition. For one function in each step.

        It is counted by partition. So a task that is tried again, run twice for speed, or run again for a shuffle file
        that was lost counts once.
        """
        self._counted = self.spark.sparkContext.accumulator({}, _ByPartition())  # type: ignore[arg-type]
        self._sizes = sizes
        return functools.partial(_counting, function, counts, self._counted)

    def reporter(self) -> Reporter:
        """What a task says on its way, where all tasks run on this machine; elsewhere nobody hears it."""
        if self._listener is None and self.step is not None and is_local(self.spark.sparkContext.master or ""):
            self._listener = Listener()
        return self._listener.reporter() if self._listener is not None else Reporter()

    def counted(self) -> Counts:
        """What the tasks that have ended did, and what others say of themselves."""
        if self._counted is None:
            return Counts()
        ended = dict(self._counted.value)  # a copy, since another thread adds to it
        heard = self._listener.heard() if self._listener is not None else {}
        running = [counts for partition, counts in heard.items() if partition not in ended]
        sizes = [self._sizes[partition] for partition in ended] if self._sizes else []
        return total([*ended.values(), *sizes, *running])

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def state(self, tasks: Tasks) -> State:
        counts = self.counted()
        totals = self.step.state.totals if self.step is not None else Counts()
        share = _share(counts, totals) if self.by_counts else None
        if share is None and tasks.total:
            share = tasks.done / max(tasks.total, self.tasks)
        return State(counts, totals, tasks, share)


def run_tasks(
    spark: SparkSession,
    function: Callable[..., Result],
    items: Sequence[Item],
    label: str,
    step: Step | None = None,
    counts: Callable[[Result], Counts] | None = None,
    sizes: Sequence[Counts] = (),
    reports: bool = False,
) -> list[Result]:
    """`function` of each item, in their order: a Spark task for each, so that one that is killed is tried again.

    `sizes` says of each item what is known beforehand, `counts` of a result what was done. A function that `reports`
    takes a second argument, to call with what it has done since it last called it.
    """
    if not items:
        return []
    with watch(spark, label, step) as watched:
        watched.by_counts = True
        if reports:
            function = functools.partial(_reporting, function, watched.reporter())
        each = watched.counting(functools.partial(map, function), counts, sizes)
        return spark.sparkContext.parallelize(items, len(items)).mapPartitions(each).collect()


@contextlib.contextmanager
def watch(spark: SparkSession, label: str, step: Step | None = None) -> Iterator[Watch]:
    """Reports to `step` how far the Spark jobs inside it are, and turns their failures into JobFailed."""
    context = spark.sparkContext
    group = f"solera-{uuid.uuid4()}"
    watched = Watch(spark, step)
    context.setJobGroup(group, label)
    over = threading.Event()
    poll = threading.Thread(target=_poll, args=(watched, group, over), daemon=True)
    if step is not None:
        poll.start()
    try:
        with stopping.cancelling(lambda: context.cancelJobGroup(group)), failures(spark):
            yield watched
    except BaseException as error:
        stopped = stopping.stop_of(error)
        if stopped is None:
            raise
        # In a thread of its own: this thread's connection to the JVM may still wait for the answer to the job.
        within(10, lambda: context.cancelJobGroup(group))
        raise stopped from None
    finally:
        over.set()
        if step is not None:
            poll.join(10)
        watched.close()
        for name in ("spark.jobGroup.id", "spark.job.description"):
            with contextlib.suppress(Exception):  # the JVM may be what failed
                context.setLocalProperty(name, None)  # type: ignore[arg-type]  # which removes it


def _poll(watched: Watch, group: str, over: threading.Event) -> None:
    """Looks at Spark's status tracker until `over`, and once more when its bookkeeping is up to date."""
    assert watched.step is not None
    tracker = watched.spark.sparkContext.statusTracker()
    seen: dict[tuple[int, int], Any] = {}  # (stage, attempt) -> what was last known of it
    deadline = None
    while True:
        try:
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            for number in {stage for job in jobs if job is not None for stage in job.stageIds}:
                found = tracker.getStageInfo(number)
                if found is not None:
                    seen[number, found.currentAttemptId] = found
            watched.step.update(watched.state(_tasks(seen)))
        except Exception:
            return  # Spark is ending; what matters is raised where the job was started
        if over.is_set():
            deadline = deadline or time.monotonic() + _SETTLE
            if time.monotonic() > deadline or not any(job is None or job.status == "RUNNING" for job in jobs):
                return
            time.sleep(_POLL / 10)
        else:
            over.wait(_POLL)


def _tasks(seen: dict[tuple[int, int], Any]) -> Tasks:
    """The tasks of all stages. A stage that is tried again, for shuffle files that were lost, has fewer than at first.

    A stage of which nothing has run while a later one has is one that Spark skipped, as its output is there still.
    """
    done = whole = running = failed = 0
    latest = max((number for (number, _), info in seen.items() if info.numCompletedTasks or info.numActiveTasks),
                 default=-1)
    for number, attempts in itertools.groupby(sorted(seen), key=lambda each: each[0]):
        infos = [seen[each] for each in attempts]
        last = infos[-1]
        if number < latest and not any(info.numCompletedTasks or info.numActiveTasks or info.numFailedTasks
                                       for info in infos):
            continue
        most = max(info.numTasks for info in infos)
        whole += most
        done += max(0, min(most, most - last.numTasks + last.numCompletedTasks))
        running += last.numActiveTasks
        failed += sum(info.numFailedTasks for info in infos)
    return Tasks(done, whole, running, failed)


def _share(counts: Counts, totals: Counts) -> float | None:
    """What part is done, by stored bytes, else text, else documents: by the first of which the total is known."""
    for name in ("stored", "bytes", "documents"):
        if getattr(totals, name):
            return float(getattr(counts, name) / getattr(totals, name))
    return None


def _counting(
    function: Callable[..., Iterable[Result]],
    counts: Callable[[Result], Counts] | None,
    counted: Accumulator[dict[int, Counts]],
    *arguments: Any,
) -> Iterator[Result]:
    from pyspark import TaskContext

    so_far = Counts()
    for result in function(*arguments):
        if counts is not None:
            so_far += counts(result)
        yield result
    task = TaskContext.get()
    assert task is not None
    counted.add({task.partitionId(): so_far})


def _reporting(function: Callable[..., Result], reporter: Reporter, item: Any) -> Result:
    from pyspark import TaskContext

    task = TaskContext.get()
    assert task is not None
    with reporter.of(task.partitionId()) as report:
        return function(item, report)


class _ByPartition:
    """How an accumulator adds up: into a dict of partitions, in which all attempts of a task are one."""

    def zero(self, value: dict[int, Counts]) -> dict[int, Counts]:
        return {}

    def addInPlace(self, value1: dict[int, Counts], value2: dict[int, Counts]) -> dict[int, Counts]:
        value1.update(value2)
        return value1
