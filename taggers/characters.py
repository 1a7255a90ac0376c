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


# What may end a sentence in the scripts of the world, the "stop characters" of datatrove's FineWebQualityFilter: pairs
# of first and last code point.
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
# What else its GopherQualityFilter takes for punctuation: with the above, 281 code points.
PUNCTUATION = (
    (0x0, 0x8), (0xB, 0x1F), (0x22, 0x2D), (0x2F, 0x2F), (0x3A, 0x3E), (0x40, 0x40), (0x5B, 0x60), (0x7B, 0x9F),
    (0xAB, 0xAB), (0xB4, 0xB4), (0xBB, 0xBB), (0x2013, 0x2014), (0x2019, 0x2019), (0x201C, 0x201E), (0x2026, 0x2026),
    (0x2236, 0x2236), (0x2501, 0x2501), (0x25BA, 0x25BA), (0x3001, 0x3001), (0x3008, 0x300D), (0x3010, 0x3011),
    (0xFF05, 0xFF05), (0xFF08, 0xFF09), (0xFF0C, 0xFF0C), (0xFF11, 0xFF11), (0xFF1A, 0xFF1B), (0xFF5E, 0xFF5E),
)
# Scripts that are written without spaces between words, as blocks: those whose lines break by dictionary (Unicode Line
# Breaking, class SA), Han, Kana, Bopomofo, Yi, Tangut, Nushu and Khitan, whose lines break anywhere, and Tibetan,
# Javanese and Balinese. Punctuation of theirs in these blocks counts too; the ideographic space is whitespace.
SPACELESS = (
    (0xE00, 0x109F),  # Thai, Lao, Tibetan, Myanmar
    (0x1780, 0x17FF), (0x1950, 0x19FF), (0x1A20, 0x1AAF), (0x1B00, 0x1B7F),  # Khmer, Tai Le to Khmer signs, Tai Tham
    (0x2E80, 0x2FDF), (0x3001, 0x312F), (0x31A0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0xA4CF),  # CJK, Kana, Yi
    (0xA980, 0xA9DF), (0xA9E0, 0xA9FF), (0xAA60, 0xAADF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F),  # Javanese, Tai Viet
    (0x11700, 0x1174F), (0x16FE0, 0x18DFF), (0x1AFF0, 0x1B2FF), (0x20000, 0x3FFFF),  # Ahom, Tangut, Kana, Han
)


@functools.cache
def stops() -> NDArray[Any]:
    """bool of shape (0x110000,): whether a code point is in STOPS."""
    return _table(STOPS)


@functools.cache
def punctuation() -> NDArray[Any]:
    """bool of shape (0x110000,): whether a code point is in STOPS or PUNCTUATION."""
    return _table(STOPS + PUNCTUATION)


@functools.cache
def spaceless() -> NDArray[Any]:
    """bool of shape (0x110000,): whether a code point is of a script that is written without spaces."""
    return _table(SPACELESS)


def _table(ranges: tuple[tuple[int, int], ...]) -> NDArray[Any]:
    table = np.zeros(sys.maxunicode + 1, np.bool_)
    for first, last in ranges:
        table[first : last + 1] = True
    table.setflags(write=False)
    return table
