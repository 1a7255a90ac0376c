"""Stages: the Spark jobs of one step, with progress, readable failures, and Ctrl-C that cancels them."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from jobs.spark import failures, within

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Item = TypeVar("Item")
Result = TypeVar("Result")
OnProgress = Callable[[str, int, int], None]  # label, tasks done, tasks in all

_POLL = 0.2  # seconds between two looks at how far a job is


def run_tasks(
    spark: SparkSession,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    label: str,
    on_progress: OnProgress | None = None,
) -> list[Result]:
    """`function` of each item, in their order: a Spark task for each, so that one that is killed is tried again."""
    if not items:
        return []
    with watch(spark, label, on_progress, total=len(items)):
        return spark.sparkContext.parallelize(items, len(items)).map(function).collect()


@contextlib.contextmanager
def watch(
    spark: SparkSession, label: str, on_progress: OnProgress | None = None, total: int | None = None
) -> Iterator[None]:
    """Nothing; reports how far the Spark jobs inside it are, and turns their failures into JobFailed."""
    context = spark.sparkContext
    group = f"solera-{uuid.uuid4()}"
    context.setJobGroup(group, label)
    over = threading.Event()
    poll = threading.Thread(target=_poll, args=(spark, group, label, on_progress, total, over), daemon=True)
    if on_progress is not None:
        poll.start()
    try:
        with failures(spark):
            yield
        _join(poll, over)
        if on_progress is not None and total is not None:
            on_progress(label, total, total)
    except KeyboardInterrupt:
        # In a thread of its own: this thread's connection to the JVM still waits for the answer to the job.
        within(10, lambda: context.cancelJobGroup(group))
        raise
    finally:
        _join(poll, over)
        for name in ("spark.jobGroup.id", "spark.job.description"):
            with contextlib.suppress(Exception):  # the JVM may be what failed
                context.setLocalProperty(name, None)  # type: ignore[arg-type]  # which removes it


def _join(poll: threading.Thread, over: threading.Event) -> None:
    over.set()
    if poll.is_alive():  # it is not where nobody wants to see progress
        poll.join(10)


def _poll(
    spark: SparkSession,
    group: str,
    label: str,
    on_progress: OnProgress,
    total: int | None,
    over: threading.Event,
) -> None:
    tracker = spark.sparkContext.statusTracker()
    while not over.is_set():
        try:
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            numbers = {stage for job in jobs if job is not None for stage in job.stageIds}
            stages = [stage for stage in map(tracker.getStageInfo, numbers) if stage is not None]
        except Exception:
            return  # Spark is ending; what matters is raised where the job was started
        known = sum(stage.numTasks for stage in stages)
        done = sum(stage.numCompletedTasks for stage in stages)
        on_progress(label, min(done, total or known), total or known)
        over.wait(_POLL)
