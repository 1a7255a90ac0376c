"""From numpy results to the Arrow columns that taggers give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.arrow_types import ARROW_TYPES
from taggers.chunks import count_code_points
from taggers.compiled import kernel
from taggers.text import TextBatch

Array = NDArray[Any]


def counts(values: Array) -> pa.Array:
    """int64 of the values, never null."""
    return pa.array(values, pa.int64())


def numbers(values: Array, known: Array) -> pa.Array:
    """float64 of the values, null where they are not known."""
    return pa.array(values, pa.float64(), mask=~known)


def ratios(parts: Array, wholes: Array) -> pa.Array:
    """float64, parts / wholes, null where the whole is 0: a share of nothing is unknown, not zero."""
    known = wholes != 0
    return numbers(np.divide(parts, wholes, out=np.zeros(len(parts)), where=known), known)


def spans(batch: TextBatch, first: Array, start: Array, end: Array, score: Array | None = None) -> pa.Array:
    """A list of spans for each document, never null.

    Document d has the spans first[d] to first[d + 1], ascending by start, whose starts and ends are byte positions in
    `batch.data`; they may overlap. `score` is float64 for each, 1.0 where it is None.
    """
    return span_lists(first, *_places(batch, first, start, end), score)


def keyed_spans(batch: TextBatch, first: Array, start: Array, end: Array, key: Array) -> pa.Array:
    """A list of spans with their keys, uint64, for each document, never null. Otherwise as `spans`."""
    return _lists("keyed_spans", first, [*_places(batch, first, start, end), key[: int(first[-1])]])


def span_lists(
    first: Array, start: Array, end: Array, first_byte: Array, sizes: Array, score: Array | None = None
) -> pa.Array:
    """As spans, where start and end are known in code points, and what is before each and its size in UTF-8; int64."""
    return _lists("spans", first, [start, end, first_byte, sizes,
                                   np.ones(len(start)) if score is None else score[: len(start)]])


def _places(batch: TextBatch, first: Array, start: Array, end: Array) -> tuple[Array, Array, Array, Array]:
    """start and end in code points of the document, first_byte and bytes of each span; int64."""
    count = int(first[-1])
    start, end = start[:count], end[:count]
    chars = np.empty((2, count), np.int64)
    _to_code_points(batch.data, batch.offsets, batch.chars, first, start, end, chars[0], chars[1])
    before = start.astype(np.int64) - np.repeat(batch.offsets[:-1], np.diff(first))
    return chars[0], chars[1], before, np.subtract(end, start, dtype=np.int64)


def _lists(name: str, first: Array, values: list[Array]) -> pa.Array:
    kind = ARROW_TYPES[name]
    structs = pa.StructArray.from_arrays([pa.array(each) for each in values], fields=list(kind.value_type))
    return pa.ListArray.from_arrays(pa.array(first, pa.int32()), structs, type=kind)


@kernel
def _to_code_points(
    data: Array, offsets: Array, in_all: Array, first: Array, start: Array, end: Array, from_chars: Array,
    to_chars: Array,
) -> None:
    for document in range(len(first) - 1):
        position = offsets[document]
        if in_all[document] == offsets[document + 1] - position:  # ASCII: a byte is a code point
            for span in range(first[document], first[document + 1]):
                from_chars[span] = start[span] - position
                to_chars[span] = end[span] - position
            continue
        chars = 0
        for span in range(first[document], first[document + 1]):
            if position < start[span]:
                chars += count_code_points(data, position, start[span])
                position = np.int64(start[span])
            from_chars[span] = chars
            to_chars[span] = chars + count_code_points(data, start[span], end[span])
            if span + 1 < first[document + 1] and start[span + 1] >= end[span]:  # nothing is counted twice
                chars = to_chars[span]
                position = np.int64(end[span])
