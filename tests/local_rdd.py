"""RDDs in this process, for jobs that are written in blocks: what they compute is tested in milliseconds.

Blocks arrive in another order at each exchange, and every step runs twice, as where a task is tried again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jobs.progress import Counts, Progress


@dataclass
class LocalRdd:
    """The few methods of an RDD that jobs use; `parts` are made at once."""

    parts: list[list[Any]]

    def getNumPartitions(self) -> int:
        return len(self.parts)

    def mapPartitionsWithIndex(self, function: Callable[[int, Iterable[Any]], Iterable[Any]]) -> LocalRdd:
        for number, part in enumerate(self.parts):
            for _ in function(number, iter(part)):
                break  # as far as a task came that was killed
        return LocalRdd([list(function(number, iter(part))) for number, part in enumerate(self.parts)])

    def flatMap(self, function: Callable[[Any], Iterable[Any]]) -> LocalRdd:
        return self.mapPartitionsWithIndex(lambda _, part: (found for each in part for found in function(each)))

    def map(self, function: Callable[[Any], Any]) -> LocalRdd:
        return self.flatMap(lambda each: [function(each)])

    def mapValues(self, function: Callable[[Any], Any]) -> LocalRdd:
        return self.map(lambda pair: (pair[0], function(pair[1])))

    def filter(self, function: Callable[[Any], bool]) -> LocalRdd:
        return self.flatMap(lambda each: [each] if function(each) else [])

    def partitionBy(self, count: int, function: Callable[[Any], int]) -> LocalRdd:
        parts: list[list[Any]] = [[] for _ in range(count)]
        blocks = [each for part in self.parts for each in part]
        random.Random(len(blocks)).shuffle(blocks)
        for key, value in blocks:
            parts[function(key)].append((key, value))
        return LocalRdd(parts)

    def persist(self, level: Any) -> LocalRdd:
        return self

    def unpersist(self) -> LocalRdd:
        return self

    def collect(self) -> list[Any]:
        return [each for part in self.parts for each in part]


class LocalSpark:
    """A session, which is its own context."""

    @property
    def sparkContext(self) -> LocalSpark:
        return self

    def parallelize(self, items: Sequence[Any], parts: int) -> LocalRdd:
        cuts = [len(items) * part // parts for part in range(parts + 1)]
        return LocalRdd([list(items[start:end]) for start, end in itertools.pairwise(cuts)])

    def union(self, rdds: Sequence[LocalRdd]) -> LocalRdd:
        return LocalRdd([part for rdd in rdds for part in rdd.parts])


@dataclass
class LocalWatch:
    spark: LocalSpark = field(default_factory=LocalSpark)
    tasks: int = 0

    def counting(self, function: Callable[..., Any], sizes: Sequence[Counts] = ()) -> Callable[..., Any]:
        return function


@dataclass
class LocalEngine:
    """What a way of finding asks of an engine."""

    progress: Progress = field(default_factory=Progress)

    @contextmanager
    def watched(self, label: str, totals: Counts, tasks: int = 0) -> Iterator[LocalWatch]:
        yield LocalWatch()
