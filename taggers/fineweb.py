r"""FineWeb's quality rules (Penedo et al. 2024), as datatrove computes them, but for its tokenizer.

Lines are what text.split("\n") gives, without those of whitespace alone.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.columns import counts, ratios
from taggers.compiled import kernel
from taggers.text import AGAIN, TextBatch, decode

Array = NDArray[Any]

SHORT = 30  # code points
# What may end a sentence in the scripts of the world, FineWeb's "stop characters": pairs of first and last code point.
STOPS = (
    (0x21, 0x21), (0x2E, 0x2E), (0x3F, 0x3F), (0x589, 0x589), (0x61D, 0x61F), (0x6D4, 0x6D4), (0x700, 0x702),
    (0x7F9, 0x7F9), (0x837, 0x837), (0x839, 0x839), (0x83D, 0x83E), (0x964, 0x965), (0x104A, 0x104B), (0x1362, 0x1362),
    (0x1367, 0x1368), (0x166E, 0x166E), (0x1735, 0x1736), (0x17D4, 0x17D6), (0x17D9, 0x17DA), (0x1803, 0x1803),
    (0x1809, 0x1809), (0x1944, 0x1945), (0x1AA8, 0x1AAB), (0x1B5A, 0x1B5B), (0x1B5E, 0x1B5F), (0x1B7D, 0x1B7E),
    (0x1C3B, 0x1C3C), (0x1C7E, 0x1C7F), (0x203C, 0x203D), (0x2047, 0x2049), (0x2E2E, 0x2E2E), (0x2E3C, 0x2E3C),
    (0x2E53, 0x2E54), (0x3002, 0x3002), (0xA4FF, 0xA4FF), (0xA60E, 0xA60F), (0xA6F3, 0xA6F3), (0xA6F7, 0xA6F7),
    (0xA876, 0xA877), (0xA8CE, 0xA8CF), (0xA92F, 0xA92F), (0xA9C8, 0xA9C9), (0xAA5D, 0xAA5F), (0xAAF0, 0xAAF1),
    (0xABEB, 0xABEB), (0xFE52, 0xFE52), (0xFE56, 0xFE57), (0xFF01, 0xFF01), (0xFF0E, 0xFF0E), (0xFF1F, 0xFF1F),
    (0xFF61, 0xFF61), (0x10A56, 0x10A57), (0x10F55, 0x10F59), (0x10F86, 0x10F89), (0x11047, 0x11048),
    (0x110BE, 0x110C1), (0x11141, 0x11143), (0x111C5, 0x111C6), (0x111CD, 0x111CD), (0x111DE, 0x111DF),
    (0x11238, 0x11239), (0x1123B, 0x1123C), (0x112A9, 0x112A9), (0x1144B, 0x1144C), (0x115C2, 0x115C3),
    (0x115C9, 0x115D7), (0x11641, 0x11642), (0x1173C, 0x1173E), (0x11944, 0x11944), (0x11946, 0x11946),
    (0x11A42, 0x11A43), (0x11A9B, 0x11A9C), (0x11C41, 0x11C42), (0x11EF7, 0x11EF8), (0x11F43, 0x11F44),
    (0x16A6E, 0x16A6F), (0x16AF5, 0x16AF5), (0x16B37, 0x16B38), (0x16B44, 0x16B44), (0x16E98, 0x16E98),
    (0x1BC9F, 0x1BC9F), (0x1DA88, 0x1DA88),
)


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The fineweb.* columns; a text without words has a count of 0 and null for all else."""
    lines, words, breaks = batch.lines, batch.words, batch.breaks
    total, stops, short, again, newlines = sums = np.zeros((5, len(batch)), np.int64)
    _count_lines(
        batch.data, _stops(), lines.first, lines.end, lines.length, lines.word, batch.line_repeats, words.end,
        breaks.first, breaks.end, *sums,
    )
    return {
        "fineweb.lines": counts(total),
        "fineweb.punctuation": ratios(stops, total),
        "fineweb.short_lines": ratios(short, total),
        "fineweb.duplicate_chars": ratios(again, np.where(total == 0, 0, batch.chars - newlines)),
        "fineweb.newlines": ratios(newlines, np.diff(words.first)),
    }


@functools.cache
def _stops() -> Array:
    table = np.zeros(0x110000, np.bool_)
    for low, high in STOPS:
        table[low : high + 1] = True
    return table


@kernel
def _count_lines(
    data: Array, stops: Array, first: Array, end: Array, length: Array, word: Array, repeats: Array, word_end: Array,
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
                stopped[document] += stops[decode(data, start)[0]]
        for each in range(first_break[document], first_break[document + 1]):
            newlines[document] += data[break_end[each] - 1] == 10
