"""Cuts: spans that are taken out of texts; what several of them take together, and what is left of a text.

Cuts are records of the rows of one shard, sorted by row, start and end. Start and end count code points of the text,
first_byte the UTF-8 before the span and bytes that of the span, so that what overlapping spans take together is exact
in both, without the text. Cuts that touch are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]

CUT = np.dtype([(name, "<i8") for name in ("row", "start", "end", "first_byte", "bytes")])
SCHEMA = pa.schema([(name, pa.int64()) for name in CUT.names or ()])


def of(table: pa.Table) -> Array:
    """The cuts that a table's columns of these names hold, sorted."""
    found = np.empty(len(table), CUT)
    for name in CUT.names or ():
        found[name] = np.asarray(table.column(name))
    return in_order(found)


def in_order(cuts: Array) -> Array:
    """Cuts by row, start and end; those of one table are so already, which is seen sooner than sorted."""
    one, next_ = cuts[:-1], cuts[1:]
    later_end = (one["start"] < next_["start"]) | ((one["start"] == next_["start"]) & (one["end"] <= next_["end"]))
    if ((one["row"] < next_["row"]) | ((one["row"] == next_["row"]) & later_end)).all():
        return cuts
    return cuts[np.lexsort([cuts["end"], cuts["start"], cuts["row"]])]


def table_of(cuts: Array) -> pa.Table:
    return pa.table([cuts[name] for name in CUT.names or ()], schema=SCHEMA)


def taken(cuts: Array) -> Array:
    """int64: of each cut the bytes that it takes and none before it in its row has taken; they sum to the union's."""
    ends = cuts["first_byte"] + cuts["bytes"]
    found: Array = np.maximum(0, ends - np.maximum(cuts["first_byte"], reached(cuts["row"], ends)))
    return found


def union(cuts: Array) -> Array:
    """The fewest cuts that take the same: sorted, and in each row neither overlapping nor touching."""
    if not len(cuts):
        return cuts
    first = np.flatnonzero(cuts["start"] > reached(cuts["row"], cuts["end"]))
    found = cuts[first]
    found["end"] = np.maximum.reduceat(cuts["end"], first)
    found["bytes"] = np.maximum.reduceat(cuts["first_byte"] + cuts["bytes"], first) - found["first_byte"]
    return found


def reached(row: Array, ends: Array) -> Array:
    """int64: for each cut the furthest end of those before it in its row; below 0 where it is the first."""
    if not len(row):
        return ends
    place = np.cumsum(np.diff(row, prepend=row[:1]) != 0)
    step = int(ends.max()) + 2
    furthest = np.maximum.accumulate(ends + place * step)
    before = np.concatenate([[-1], furthest[:-1]])
    found: Array = before - place * step
    return np.where(np.diff(row, prepend=row[0] - 1) != 0, -1, found)


def by_row(cuts: Array, values: Array, rows: int) -> Array:
    """int64, rows: the sum of the values of each row's cuts."""
    found = np.zeros(rows, np.int64)
    np.add.at(found, cuts["row"], values)
    return found


def is_over(removed: Array, sizes: Array, share: object) -> Array:
    """bool: whether more than this share of so many bytes is removed, exactly; or all of them."""
    found: Array = exceeds(removed, sizes, Fraction(str(share))) | ((removed > 0) & (removed == sizes))
    return found


def exceeds(removed: Array, sizes: Array, share: Fraction) -> Array:
    """bool: whether more than this share of so many bytes is removed, exactly."""
    touched = np.flatnonzero(removed)
    allowed = sizes[touched].astype(object) * share.numerator // share.denominator
    found = np.zeros(len(removed), bool)
    found[touched] = removed[touched] > allowed.astype(np.int64)
    return found


def edited(text: str, spans: Sequence[tuple[int, int, str | None]]) -> str:
    """The text without these spans (start, end, what stands in its place), which are sorted and do not overlap."""
    parts, at = [], 0
    for start, end, replacement in spans:
        parts += [text[at:start], replacement or ""]
        at = end
    return "".join([*parts, text[at:]])
