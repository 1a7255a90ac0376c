"""Spans of several kinds that one pass found, as the columns of each kind and their counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.columns import counts, spans
from taggers.text import TextBatch

Array = NDArray[Any]


@dataclass(frozen=True)
class Found:
    """What a pass found, document by document; those of one kind ascend within a document."""

    first: Array  # int64, documents + 1: document d has found those of first[d] to first[d + 1]
    kind: Array  # uint8
    start: Array  # int64: byte position in TextBatch.data
    end: Array  # int64, exclusive
    score: Array  # float64

    @classmethod
    def room(cls, documents: int, most: int) -> Found:
        """Room for `most`. Pages that stay untouched cost no memory, so the bound may be generous."""
        return cls(np.zeros(documents + 1, np.int64), np.empty(most, np.uint8), np.empty(most, np.int64),
                   np.empty(most, np.int64), np.empty(most, np.float64))


def found_columns(
    name: str, kinds: Sequence[str], batch: TextBatch, found: Found, scored: bool = False
) -> dict[str, pa.Array]:
    """For each kind `name.kind` with its spans and `name.kind_count`, and in all `name.count`; never null."""
    total = int(found.first[-1])
    kind = found.kind[:total]
    columns = {}
    for number, each in enumerate(kinds):
        own = np.flatnonzero(kind == number)
        first = np.searchsorted(own, found.first)
        score = found.score[own] if scored else None
        columns[f"{name}.{each}"] = spans(batch, first, found.start[own], found.end[own], score)
        columns[f"{name}.{each}_count"] = counts(np.diff(first))
    columns[f"{name}.count"] = counts(np.diff(found.first))
    return columns
