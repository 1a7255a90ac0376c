from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.stages import run_tasks, watch
from mixer.errors import BadInput, JobFailed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_tasks_keep_the_order_of_their_items(spark: SparkSession) -> None:
    seen: list[tuple[str, int, int]] = []
    found = run_tasks(spark, lambda item: item * item, list(range(7)), "squares", lambda *it: seen.append(it))
    assert found == [0, 1, 4, 9, 16, 25, 36]
    assert seen[-1] == ("squares", 7, 7)
    assert run_tasks(spark, lambda item: item, [], "nothing") == []


def test_a_killed_worker_is_tried_again(spark: SparkSession, tmp_path: Path) -> None:
    marker = str(tmp_path / "marker")

    def dies_once(item: int) -> int:
        if item == 1 and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    assert run_tasks(spark, dies_once, [0, 1, 2], "dies once") == [0, 1, 2]
    assert os.path.exists(marker)


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


def test_progress_of_a_dataframe_is_seen(spark: SparkSession) -> None:
    seen: list[tuple[str, int, int]] = []

    def slow(batches: Iterator[Any]) -> Iterator[Any]:
        time.sleep(0.5)
        yield from batches

    with watch(spark, "slow", lambda *it: seen.append(it)):
        spark.range(0, 8, 1, 4).mapInArrow(slow, "id long").collect()
    assert {label for label, _, _ in seen} == {"slow"}
    assert any(total == 4 for _, _, total in seen)


def test_nothing_of_a_finished_job_stays_behind(spark: SparkSession) -> None:
    threads = threading.active_count()
    run_tasks(spark, lambda item: item, [1], "a label", lambda *it: None)
    assert spark.sparkContext.getLocalProperty("spark.jobGroup.id") is None
    assert threading.active_count() <= threads + 1
