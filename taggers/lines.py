r"""Line statistics of Gopher (Rae et al. 2021, Table A1).

Lines are what re.split(r"\n+", text) gives, and for the columns of datatrove what str.splitlines() gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.columns import counts, ratios
from taggers.compiled import helper, kernel
from taggers.duplicates import duplicate_columns
from taggers.text import TextBatch, decode

Array = NDArray[Any]


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The lines.* columns; an empty text has no lines, so a count of 0 and null for all else."""
    lines, words, breaks = batch.lines, batch.words, batch.breaks
    total = np.diff(lines.first)
    bullets_dolma, ellipsis_dolma, ellipsis_paper = marks = np.zeros((3, len(batch)), np.int64)
    _count_marks(batch.data, lines.first, lines.start, lines.end, lines.word, words.start, words.end, *marks)
    split, bullets, ellipsis = marks = np.zeros((3, len(batch)), np.int64)
    _count_marks_of_split_lines(
        batch.data, batch.offsets, words.first, words.start, words.end, breaks.first, breaks.end, breaks.word, *marks
    )
    return {
        "lines.count": counts(total),
        "lines.bullets_dolma": ratios(bullets_dolma, total),
        "lines.bullets_datatrove": ratios(bullets, split),
        "lines.ellipsis_dolma": ratios(ellipsis_dolma, total),
        "lines.ellipsis_datatrove": ratios(ellipsis, split),
        "lines.ellipsis_paper": ratios(ellipsis_paper, total),
    } | duplicate_columns("lines", batch, lines, batch.line_repeats)


_STAR = ord("*")
_HYPHEN = ord("-")
_BULLET = ord("•")
_DOT = ord(".")


@kernel
def _count_marks(
    data: Array,
    first: Array,
    start: Array,
    end: Array,
    word: Array,
    word_start: Array,
    word_end: Array,
    bullets_dolma: Array,
    ellipsis_dolma: Array,
    ellipsis_paper: Array,
) -> None:
    for document in range(len(first) - 1):
        for line in range(first[document], first[document + 1]):
            if word[line] == word[line + 1]:
                continue  # no word, so neither bullet nor ellipsis
            byte = data[start[line]]
            bullets_dolma[document] += byte in (_STAR, _HYPHEN)
            last = word_end[word[line + 1] - 1]
            if ends_with_ellipsis(data, word_start[word[line + 1] - 1], last):
                ellipsis_paper[document] += 1
                ellipsis_dolma[document] += last == end[line] and data[last - 1] != _DOT


@kernel
def _count_marks_of_split_lines(
    data: Array,
    offsets: Array,
    first_word: Array,
    word_start: Array,
    word_end: Array,
    first_break: Array,
    break_end: Array,
    break_word: Array,
    total: Array,
    bullets: Array,
    ellipsis: Array,
) -> None:
    for document in range(len(offsets) - 1):
        word = first_word[document]
        stop = offsets[document + 1]
        breaks = first_break[document + 1]
        begin = offsets[document]
        for each in range(first_break[document], breaks + 1):
            if each == breaks:  # what follows the last break is a line only if there is something
                after = stop
                next_word = first_word[document + 1]
            else:
                after = np.int64(break_end[each])
                next_word = np.int64(break_word[each])
            total[document] += after > begin
            if next_word > word:
                code = decode(data, word_start[word])[0]
                bullets[document] += code in (_BULLET, _HYPHEN)
                ellipsis[document] += ends_with_ellipsis(data, word_start[next_word - 1], word_end[next_word - 1])
            word = next_word
            begin = after


@helper
def ends_with_ellipsis(data: Array, start: Any, end: Any) -> bool:
    """Whether a word ends with … or ...; in UTF-8 both have three bytes."""
    if end - start < 3:
        return False
    a, b, c = data[end - 3], data[end - 2], data[end - 1]
    return bool((a == 0x2E and b == 0x2E and c == 0x2E) or (a == 0xE2 and b == 0x80 and c == 0xA6))
