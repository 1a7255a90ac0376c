r"""Lines, letters and tokens of code, as RedPajama and StarCoder count them.

Lines are those of str.splitlines(). Tokens are what \w+|[^\w\s]+ matches in the module `regex`, where \w has letters,
marks, decimal and letter numbers, connecting punctuation, joiners, and letters in circles and squares.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.text import TextBatch, decode

Array = NDArray[Any]


@dataclass(frozen=True)
class CodeCounts:
    """int64 for each document. An empty text has no lines; a break at its end begins none."""

    lines: Array
    line_chars: Array  # code points in lines, their breaks left out
    longest: Array
    alphanumeric: Array  # code points of str.isalnum
    letters: Array  # code points of str.isalpha
    tokens: Array


def count_code(batch: TextBatch) -> CodeCounts:
    found = np.zeros((6, len(batch)), np.int64)
    _count(batch.data, batch.offsets, _classes(), *found)
    return CodeCounts(*found)


_LETTER, _ALPHANUMERIC, _WORD, _SPACE, _BREAK = (1 << bit for bit in range(5))
_CARRIAGE_RETURN, _NEWLINE = 13, 10
# The letters and numbers that Unicode calls alphabetic without their category saying so, and the joiners.
_OTHER_WORD = ((0x200C, 0x200D), (0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))


@functools.cache
def _classes() -> Array:
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)
        if character.isalpha():
            table[code] |= _LETTER
        if character.isalnum():
            table[code] |= _ALPHANUMERIC
        if category[0] in "LM" or category in ("Nd", "Nl", "Pc"):
            table[code] |= _WORD
        elif character.isspace() and not 0x1C <= code <= 0x1F:
            table[code] |= _SPACE
        if len(f"a{character}b".splitlines()) > 1:
            table[code] |= _BREAK
    for first, last in _OTHER_WORD:
        table[first : last + 1] |= _WORD
    table.setflags(write=False)
    return table


@kernel
def _count(
    data: Array, offsets: Array, table: Array, lines: Array, line_chars: Array, longest: Array, alphanumeric: Array,
    letters: Array, tokens: Array,
) -> None:  # fmt: skip
    for document in range(len(lines)):
        position = offsets[document]
        stop = offsets[document + 1]
        length = 0
        before = 0  # 1 in a word, 2 in a run of other marks
        while position < stop:
            code, width = decode(data, position)
            position += width
            kind = table[code]
            letters[document] += kind & _LETTER
            alphanumeric[document] += (kind & _ALPHANUMERIC) != 0
            run = 0 if kind & _SPACE else 1 if kind & _WORD else 2
            tokens[document] += run != 0 and run != before
            before = run
            if not kind & _BREAK:
                length += 1
                continue
            if code == _CARRIAGE_RETURN and position < stop and data[position] == _NEWLINE:
                position += 1
            lines[document] += 1
            line_chars[document] += length
            longest[document] = max(longest[document], length)
            length = 0
        if length:
            lines[document] += 1
            line_chars[document] += length
            longest[document] = max(longest[document], length)
