from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.live import Listener, Reporter
from jobs.progress import Counts, Progress, State, Step
from jobs.stages import run_tasks, watch
from mixer.errors import BadInput, JobFailed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_tasks_keep_the_order_of_their_items(spark: SparkSession) -> None:
    with Progress().step("squares", Counts(stored=70)) as step:
        found = run_tasks(spark, lambda item: item * item, list(range(7)), "squares", step,
                          counts=lambda square: Counts(1, square), sizes=[Counts(stored=10)] * 7)
    assert found == [0, 1, 4, 9, 16, 25, 36]
    assert step.state.counts == Counts(7, 91, 70)
    assert (step.state.tasks.done, step.state.tasks.total, step.state.share) == (7, 7, 1.0)
    assert run_tasks(spark, lambda item: item, [], "nothing") == []


def test_a_killed_worker_is_tried_again(spark: SparkSession, tmp_path: Path) -> None:
    marker = str(tmp_path / "marker")

    def dies_once(item: int) -> int:
        if item == 1 and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with Progress().step("dies once") as step:
        assert run_tasks(spark, dies_once, [0, 1, 2], "dies once", step,
                         counts=lambda item: Counts(1, item)) == [0, 1, 2]
    assert os.path.exists(marker)
    assert step.state.counts == Counts(3, 3)
    assert (step.state.tasks.done, step.state.tasks.total, step.state.tasks.failed) == (3, 3, 1)


def test_a_partition_that_is_computed_twice_counts_once(spark: SparkSession) -> None:
    with Progress().step("twice") as step, watch(spark, "twice", step) as watched:
        each = watched.counting(lambda part: part, counts=lambda item: Counts(1, item))
        data = spark.sparkContext.parallelize([1, 2, 3, 4], 2).mapPartitions(each)
        assert (data.sum(), data.count()) == (10, 4)
        counted = watched.counted()
    assert counted == step.state.counts == Counts(4, 10)
    assert step.state.tasks.done == 4


def test_a_dataframe_counts_too(spark: SparkSession) -> None:
    with Progress().step("arrow", Counts(documents=8)) as step, watch(spark, "arrow", step) as watched:
        each = watched.counting(lambda batches: batches, counts=lambda batch: Counts(documents=batch.num_rows))
        spark.range(0, 8, 1, 4).mapInArrow(each, "id long").repartition(3).collect()
    assert step.state.counts == Counts(documents=8)


def test_stages_that_spark_skips_are_not_waited_for(spark: SparkSession) -> None:
    with Progress().step("skips") as step, watch(spark, "skips", step):
        pairs = spark.sparkContext.parallelize([(each % 3, each) for each in range(30)], 5).groupByKey(3)
        assert pairs.count() == pairs.count() == 3  # the second finds the shuffle of the first
    assert step.state.tasks.done == step.state.tasks.total == 5 + 3 + 3


def test_a_long_task_is_seen_before_it_ends(spark: SparkSession, tmp_path: Path) -> None:
    marker = tmp_path / "seen"
    states: list[State] = []

    class Follower(Step):
        def update(self, state: State) -> None:
            states.append(state)
            if state.counts.documents == 2:
                marker.touch()

    def task(item: int, report: Any) -> int:
        report(Counts(documents=1))
        end = time.monotonic() + 60
        while not marker.exists():
            assert time.monotonic() < end, "nobody listens"
            time.sleep(0.1)
        return item

    progress = Progress()
    with progress.step("long", Counts(documents=20)) as step:
        follower = Follower(step.stage, "long", 0.0, progress, step.state)
        run_tasks(spark, task, [0, 1], "long", follower, counts=lambda item: Counts(documents=10), reports=True)
    assert states[-1].counts == Counts(documents=20) and states[-1].share == 1.0
    assert all(state.counts.documents <= 20 for state in states)
    seen = next(state for state in states if state.counts.documents == 2)
    assert seen.tasks.done == 0 and seen.share == 0.1


def test_what_is_heard_of_a_task() -> None:
    listener = Listener()
    try:
        with listener.reporter().of(7) as report:
            report(Counts(1, 2))
            report(Counts(1, 2))  # too soon to be sent
        with Reporter(listener.reporter().port, "a stranger's").of(8) as report:
            report(Counts(1))
        until = time.monotonic() + 10
        while not listener.heard() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        assert listener.heard() == {7: Counts(1, 2)}
    finally:
        listener.close()
    with listener.reporter().of(1) as report:
        report(Counts(1))  # to nobody


def test_a_worker_that_is_always_killed_is_an_error_that_says_so(spark: SparkSession) -> None:
    with pytest.raises(JobFailed, match="a Python worker was killed each time"):
        run_tasks(spark, lambda item: os.kill(os.getpid(), signal.SIGKILL), [1], "dies")


def test_an_error_of_ours_is_carried_over(spark: SparkSession) -> None:
    def fails(item: int) -> None:
        raise BadInput("cannot be read:\n\n  so it is", file="web/0.jsonl", place="3", remedy="mend it")

    with pytest.raises(JobFailed) as caught:
        run_tasks(spark, fails, [1], "fails")
    text = str(caught.value)
    assert text.startswith("web/0.jsonl:3: cannot be read:\n\n  so it is; mend it; see ")
    assert text.endswith("spark.log")


def test_another_error_comes_with_its_kind_and_no_java_stack(spark: SparkSession) -> None:
    def fails(item: int) -> None:
        try:
            raise ValueError("the first")
        except ValueError as error:
            raise RuntimeError("the second") from error

    with pytest.raises(JobFailed, match=r"^a task failed with RuntimeError: the second; see .*spark.log$"):
        run_tasks(spark, fails, [1], "fails")


def test_an_error_in_a_dataframe_is_readable_too(spark: SparkSession) -> None:
    def fails(batches: Iterator[Any]) -> Iterator[Any]:
        for _ in batches:
            raise BadInput("no good")
        yield

    with pytest.raises(JobFailed, match=r"^no good; see "), watch(spark, "fails"):
        spark.range(3).mapInArrow(fails, "id long").collect()
    with pytest.raises(JobFailed, match=r"^Spark failed with .*a bang.*; see [^\n]*$"), watch(spark, "fails"):
        spark.sql("select raise_error('a bang')").collect()


def test_progress_of_a_dataframe_is_seen(spark: SparkSession, tmp_path: Path) -> None:
    marker = tmp_path / "seen"
    states: list[State] = []

    class Follower(Step):
        def update(self, state: State) -> None:
            states.append(state)
            if state.tasks.done and state.tasks.running:
                marker.touch()

    def slow(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            end = time.monotonic() + 60
            while batch.column("id")[0].as_py() and not marker.exists():
                assert time.monotonic() < end, "nobody looks"
                time.sleep(0.1)
            yield batch

    progress = Progress()
    with progress.step("slow") as step, watch(spark, "slow", Follower(step.stage, "slow", 0.0, progress)):
        spark.range(0, 8, 1, 4).mapInArrow(slow, "id long").collect()
    assert any(0 < state.tasks.done < state.tasks.total == 4 and state.tasks.running for state in states)
    assert (states[-1].tasks.done, states[-1].tasks.total) == (4, 4)


def test_nothing_of_a_finished_job_stays_behind(spark: SparkSession) -> None:
    threads = threading.active_count()
    with Progress().step("a label") as step:
        run_tasks(spark, lambda item: item, [1], "a label", step)
    assert spark.sparkContext.getLocalProperty("spark.jobGroup.id") is None
    assert threading.active_count() <= threads + 1
