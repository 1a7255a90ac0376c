r"""FineWeb's quality rules (Penedo et al. 2024), as datatrove computes them, but for its tokenizer.

Lines are what text.split("\n") gives, without those of whitespace alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.characters import stops
from taggers.columns import counts, ratios
from taggers.compiled import kernel
from taggers.text import AGAIN, TextBatch, decode

Array = NDArray[Any]

SHORT = 30  # code points
def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The fineweb.* columns; a text without words has a count of 0 and null for all else."""
    lines, words, breaks = batch.lines, batch.words, batch.breaks
    total, stopped, short, again, newlines = sums = np.zeros((5, len(batch)), np.int64)
    _count_lines(
        batch.data, stops(), lines.first, lines.end, lines.length, lines.word, batch.line_repeats, words.end,
        breaks.first, breaks.end, *sums,
    )
    return {
        "fineweb.lines": counts(total),
        "fineweb.punctuation": ratios(stopped, total),
        "fineweb.short_lines": ratios(short, total),
        "fineweb.duplicate_chars": ratios(again, np.where(total == 0, 0, batch.chars - newlines)),
        "fineweb.newlines": ratios(newlines, np.diff(words.first)),
    }


@kernel
def _count_lines(
    data: Array, table: Array, first: Array, end: Array, length: Array, word: Array, repeats: Array, word_end: Array,
    first_break: Array, break_end: Array,
    total: Array, stopped: Array, short: Array, again: Array, newlines: Array,
) -> None:
    for document in range(len(first) - 1):
        for line in range(first[document], first[document + 1]):
            if word[line] == word[line + 1]:
                continue
            total[document] += 1
            short[document] += length[line] <= SHORT
            if repeats[line] == AGAIN:
                again[document] += length[line]
            last = np.int64(end[line])
            if word_end[word[line + 1] - 1] == last:  # else it ends with whitespace, which is no stop
                start = last - 1
                while data[start] & 0xC0 == 0x80:
                    start -= 1
                stopped[document] += table[decode(data, start)[0]]
        for each in range(first_break[document], first_break[document + 1]):
            newlines[document] += data[break_end[each] - 1] == 10
