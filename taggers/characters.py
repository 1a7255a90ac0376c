"""Classes of code points, by table, as the Unicode version of this Python has them."""

from __future__ import annotations

import functools
import sys
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNICODE_VERSION = unicodedata.unidata_version

# Bits of a code point's class. A word's flags are LETTER and SYMBOL or-ed over its code points, and DOTS.
SPACE = 1  # what str.isspace holds for, and so what str.split() splits at
LETTER = 2  # general category L*, which is what str.isalpha tests
SYMBOL = 4  # "#" and "…", the symbols of Gopher's symbol-to-word ratio
BREAK = 8  # of whitespace: where str.splitlines() splits
DOTS = 8  # of a word only: it contains "..."
DECIMAL = 16  # general category Nd, which is \d of regular expressions


@functools.cache
def classes() -> NDArray[Any]:
    """uint8 of shape (0x110000,): the class bits of every code point. Built once in a process, in about 0.3 s."""
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if character.isalpha():
            table[code] = LETTER
        elif character.isspace():
            table[code] = SPACE
            if len(f"a{character}a".splitlines()) == 2:
                table[code] |= BREAK
        elif character.isdecimal():
            table[code] = DECIMAL
    for character in "#…":
        table[ord(character)] |= SYMBOL
    table.setflags(write=False)
    return table
