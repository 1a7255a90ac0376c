"""Keys by which equal paragraphs, lines or runs of sentences are found, in one document and in others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from taggers.chunks import count_code_points, count_trailing_zeros, mask_equal
from taggers.columns import keyed_spans
from taggers.compiled import helper, kernel
from taggers.sentences import sentences
from taggers.text import TextBatch, decode
from taggers.text_hash import check_steps, normalise
from taggers.xxh3 import ROOM, xxh3

Array = NDArray[Any]

UNITS = ("paragraphs", "lines", "sentences")


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """paragraph_keys.spans: each piece of the text with its key; an empty or blank text has none. Never null."""
    unit, size, least = parameters["unit"], int(parameters["sentences"]), int(parameters["min_length"])
    steps: list[str] = parameters["normalise"]
    check_steps("paragraph_keys", steps)
    if unit not in UNITS:
        raise ValueError(f"paragraph_keys: unit is {unit!r}; known are {', '.join(UNITS)}")
    if unit == "sentences" and size < 1:
        raise ValueError(f"paragraph_keys: spans of {size} sentences; give 1 or more")
    if unit == "sentences":
        found = sentences(batch)
        parts = found.first, found.start, found.start, found.end
    else:
        parts, size = _lines(batch, unit == "paragraphs"), 1
    # What is normalised may be longer or shorter than it was.
    first, start, end, key_start, key_end, key = _pieces(batch, parts, size, 1 if steps else max(1, least))
    if steps:
        first, chosen, key = _normalised_keys(batch, first, key_start, key_end, steps, max(1, least))
        start, end = start[chosen], end[chosen]
    return {"paragraph_keys.spans": keyed_spans(batch, first, start, end, key)}


# Pieces that a span is made of, of each document first[d] to first[d + 1]: where it begins with what is indented, and
# its first and last byte that are not whitespace. All are byte positions.
_Parts = tuple[Array, Array, Array, Array]


def _lines(batch: TextBatch, join: bool) -> _Parts:
    """The lines of the texts that are not blank; if they are to be joined, the paragraphs: lines with no blank one
    between them.
    """
    most = len(batch.data) // 2 + len(batch)  # a newline parts them
    first = np.empty(len(batch) + 1, np.int64)
    begin, start, end = (np.empty(most, np.int64) for _ in range(3))  # pages that stay untouched cost nothing
    found = _find_lines(batch.data, np.zeros(64, np.uint8), batch.offsets, join, first, begin, start, end)
    return first, begin[:found], start[:found], end[:found]


@kernel
def _find_lines(
    data: Array, tail: Array, offsets: Array, join: bool, first: Array, begin: Array, start: Array, end: Array
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        line = offsets[document]  # where it begins
        stop = offsets[document + 1]
        parted = True  # whether what was before is no part of the same paragraph
        position = line
        while position < stop:
            if position + 64 <= len(data):
                newlines = mask_equal(data, position, 10)
            else:
                tail[: len(data) - position] = data[position:]
                newlines = mask_equal(tail, 0, 10)
            while newlines:
                newline = position + count_trailing_zeros(newlines)
                newlines &= newlines - _1
                if newline >= stop:
                    break
                found, parted = _take_line(data, line, newline, join, parted, found, begin, start, end)
                line = newline + 1
            position += 64
        found, _ = _take_line(data, line, stop, join, parted, found, begin, start, end)
    first[len(offsets) - 1] = found
    return found


_1 = np.uint64(1)


@helper
def _take_line(
    data: Array, line: Any, stop: Any, join: bool, parted: bool, found: Any, begin: Array, start: Array, end: Array
) -> Any:
    """(pieces, whether the next line is parted from this one)."""
    low = line
    while low < stop:
        code, width = decode(data, low)
        if not is_space(code):
            break
        low += width
    if low == stop:
        return found, True
    high = stop
    while True:
        last = high - 1
        while data[last] & 0xC0 == 0x80:
            last -= 1
        if not is_space(decode(data, last)[0]):
            break
        high = last
    if parted or not join:
        begin[found] = line
        start[found] = low
        found += 1
    end[found - 1] = high
    return found, False


@helper
def is_space(code: Any) -> bool:
    """What str.isspace says of a code point, without the table of all, which takes its time in each new process."""
    if code < 0x80:
        return bool(9 <= code <= 13 or 28 <= code <= 32)
    if code < 0x1680:
        return bool(code == 0x85 or code == 0xA0)
    return bool(0x2000 <= code <= 0x200A or code == 0x1680 or code == 0x2028 or code == 0x2029 or code == 0x202F
                or code == 0x205F or code == 0x3000)


def _pieces(batch: TextBatch, parts: _Parts, size: int, least: int) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Every run of so many parts that has `least` code points: where its spans of each document are, start and end of
    the span, start and end of what its key is of, and the key.
    """
    count = len(parts[1])
    first = np.empty(len(batch) + 1, np.int64)
    places = np.empty((4, count), np.int64)
    keys = np.empty(count, np.uint64)
    span_start, span_end, key_start, key_end = places
    found = _find_pieces(batch.data, batch.offsets, *parts, size, least, np.empty(ROOM, np.uint64), first, span_start,
                         span_end, key_start, key_end, keys)
    return first, span_start[:found], span_end[:found], key_start[:found], key_end[:found], keys[:found]


@kernel
def _find_pieces(
    data: Array, offsets: Array, first_part: Array, begin: Array, start: Array, end: Array, size: int, least: int,
    room: Array, first: Array, span_start: Array, span_end: Array, key_start: Array, key_end: Array, keys: Array,
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        stop = offsets[document + 1]
        parts = first_part[document + 1]
        for part in range(first_part[document], parts - size + 1):
            low, high = start[part], end[part + size - 1]
            if high - low < least or (high - low < 4 * least and count_code_points(data, low, high) < least):
                continue
            # With what parts it from the next piece; where nothing stands after it, from the one before.
            span_start[found] = begin[part]
            span_end[found] = begin[part + size] if part + size < parts else stop
            if high == stop and part > first_part[document]:
                span_start[found] = end[part - 1]
            key_start[found] = low
            key_end[found] = high
            keys[found] = xxh3(data, low, high, room)
            found += 1
    first[len(offsets) - 1] = found
    return found


def _normalised_keys(
    batch: TextBatch, first: Array, start: Array, end: Array, steps: list[str], least: int
) -> tuple[Array, Array, Array]:
    """Of the pieces that have `least` code points once normalised: where they are of each document, their numbers,
    and their keys.
    """
    chosen, keys = [], []
    for piece, (low, high) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        text = normalise(str(batch.data[low:high].data, "utf-8"), steps).strip()
        if len(text) >= least:
            chosen.append(piece)
            keys.append(xxhash.xxh3_64_intdigest(text.encode()))
    numbers = np.array(chosen, np.int64)
    return np.searchsorted(numbers, first), numbers, np.array(keys, np.uint64)
