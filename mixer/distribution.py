"""The distribution of a column's values: quantiles, a histogram, and the documents at its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BINS = 24
QUANTILES = (0.05, 0.5, 0.95)
MOST_VALUES = 8
# Where the 95th percentile is so many times the median, bins of equal width would leave all but one empty.
SKEWED = 10


@dataclass(frozen=True)
class Distribution:
    """What values a column has. Of spans, what is described is how many a document has."""

    count: int
    missing: int
    lowest: float | None = None  # None for text, and where every value is missing
    highest: float | None = None
    quantiles: tuple[float, ...] = ()  # of QUANTILES
    edges: tuple[float, ...] = ()  # of the histogram's bins, one more than there are
    bins: tuple[int, ...] = ()
    values: tuple[tuple[str, int], ...] = ()  # of text, and of true and false: the most frequent, with their numbers
    distinct: int = 0  # of text
    first: tuple[int, ...] = ()  # places of the documents with the lowest values, ties by place
    last: tuple[int, ...] = ()  # and with the highest, the highest first
    ties: tuple[int, int] = (0, 0)  # how many have the lowest value, and the highest


def describe(column: pa.Array, ends: int = 2) -> Distribution:
    """The distribution of a column, with so many documents of each end."""
    if pa.types.is_list(column.type):
        column = pc.list_value_length(column).cast(pa.int64())
    missing = column.null_count
    known = np.flatnonzero(~np.asarray(column.is_null()))
    if pa.types.is_fixed_size_binary(column.type):
        return Distribution(len(column), missing, distinct=len(column.drop_null().unique()))
    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return _of_text(column, missing)
    numbers = np.asarray(column.drop_null(), np.float64)
    if not len(numbers):
        return Distribution(len(column), missing)
    by = np.argsort(numbers, kind="stable")
    descending = np.argsort(-numbers, kind="stable")
    quantiles = np.quantile(numbers, QUANTILES, method="inverted_cdf")
    edges = _edges(numbers, quantiles, pa.types.is_integer(column.type))
    bins = np.histogram(np.clip(numbers, edges[0], edges[-1]), edges)[0]
    return Distribution(
        len(column), missing, float(numbers[by[0]]), float(numbers[by[-1]]), tuple(map(float, quantiles)),
        tuple(map(float, edges)), tuple(map(int, bins)), first=tuple(int(known[place]) for place in by[:ends]),
        last=tuple(int(known[place]) for place in descending[:ends]),
        ties=(int((numbers == numbers[by[0]]).sum()), int((numbers == numbers[by[-1]]).sum())),
    )


def _of_text(column: pa.Array, missing: int) -> Distribution:
    found = {str(each["values"]): each["counts"] for each in pc.value_counts(column.drop_null()).to_pylist()}
    by = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return Distribution(len(column), missing, values=tuple(by[:MOST_VALUES]), distinct=len(by))


def _edges(numbers: Any, quantiles: Any, whole: bool) -> Any:
    """Bins of equal width; of equal ratio where the values are skewed and above 0; a bin a value of few integers."""
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        return np.array([low, low + 1])
    if whole and high - low < BINS:
        return np.arange(low, high + 2)
    if low > 0 and quantiles[2] > SKEWED * quantiles[1]:
        return np.geomspace(low, high, BINS + 1)
    top = float(np.quantile(numbers, 0.99))
    if top > low and high > 2 * top:  # a few far outliers share the last bin
        return np.append(np.linspace(low, top, BINS), high)
    return np.linspace(low, high, BINS + 1)
