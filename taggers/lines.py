r"""Line statistics of Gopher (Rae et al. 2021, Table A1). Lines are what re.split(r"\n+", text) gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.characters import SPACE, classes
from taggers.columns import counts, ratios
from taggers.compiled import kernel
from taggers.duplicates import duplicate_columns
from taggers.text import TextBatch, decode

Array = NDArray[Any]


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The lines.* columns; an empty text has no lines, so a count of 0 and null for all else."""
    lines = batch.lines
    total = np.diff(lines.first)
    bullets_dolma, bullets_datatrove, ellipsis_dolma, ellipsis_paper = marks = np.zeros((4, len(batch)), np.int64)
    _count_marks(batch.data, classes(), lines.first, lines.start, lines.end, *marks)
    return {
        "lines.count": counts(total),
        "lines.bullets_dolma": ratios(bullets_dolma, total),
        "lines.bullets_datatrove": ratios(bullets_datatrove, total),
        "lines.ellipsis_dolma": ratios(ellipsis_dolma, total),
        "lines.ellipsis_paper": ratios(ellipsis_paper, total),
    } | duplicate_columns("lines", batch, lines)


_STAR = ord("*")
_HYPHEN = ord("-")
_BULLET = ord("•")
_ELLIPSIS = ord("…")
_DOT = ord(".")


@kernel
def _count_marks(
    data: Array,
    table: Array,
    first: Array,
    start: Array,
    end: Array,
    bullets_dolma: Array,
    bullets_datatrove: Array,
    ellipsis_dolma: Array,
    ellipsis_paper: Array,
) -> None:
    for document in range(len(first) - 1):
        for line in range(first[document], first[document + 1]):
            position = start[line]
            stop = end[line]
            if position == stop:
                continue
            bullets_dolma[document] += data[position] == _STAR or data[position] == _HYPHEN
            ellipsis_dolma[document] += _last(data, position, stop) == _ELLIPSIS
            while position < stop:
                code, width = decode(data, position)
                if not table[code] & SPACE:
                    bullets_datatrove[document] += code in (_BULLET, _HYPHEN)
                    break
                position += width
            while position < stop:
                code = _last(data, position, stop)
                if not table[code] & SPACE:
                    dots = code == _DOT and stop - position >= 3 and data[stop - 2] == _DOT and data[stop - 3] == _DOT
                    ellipsis_paper[document] += code == _ELLIPSIS or dots
                    break
                stop = _last_start(data, position, stop)


@kernel
def _last_start(data: Array, start: int, end: int) -> int:
    """Where the last code point of a non-empty range begins."""
    position = end - 1
    while position > start and data[position] & 0xC0 == 0x80:
        position -= 1
    return position


@kernel
def _last(data: Array, start: int, end: int) -> Any:
    """The last code point of a non-empty range."""
    return decode(data, _last_start(data, start, end))[0]
