"""A text as plain words, much as CCNet (Wenzek et al. 2020) reads it before it asks for a perplexity.

By code point, in this order: lower case; accents and all other combining marks go, as do invisible characters; any
digit becomes 0; marks have their ASCII form where they have one. Words are then runs of letters and digits; any other
character is a word of its own, and so is a letter of a script that does not part its words. Lines end at newlines.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.numbering import Tokens
from taggers.text import TextBatch, decode, mix64

Array = NDArray[Any]

END = 0x1F83D9ABFB41BD6B  # what stands for the end of a line that has words, in place of a hash


def find_plain_words(batch: TextBatch) -> Tokens:
    """The hashes of the plain words of each text, and END after those of each line that has some; without positions.

    A word's hash is of its code points.
    """
    first = np.empty(len(batch) + 1, np.int64)
    hashes = np.empty(len(batch.data) + len(batch), np.uint64)  # pages that stay untouched cost no memory
    found = _find(batch.data, batch.offsets, plain_forms(), first, hashes)
    return Tokens(first, hashes[:found])


# What a code point becomes: the code point that it is read as, and one of these, shifted by 24 bits.
ALONE, INSIDE, BETWEEN, GONE = 0, 1, 2, 3

# Scripts that do not part their words, as ranges of code points: Thai, Lao, Tibetan, Myanmar, Khmer, Japanese
# syllables, and Chinese characters.
_UNPARTED = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF),
    (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x323AF),
)
_HANGUL = (0xAC00, 0xD7A3)  # syllables, which would come apart into their letters
_ASCII = {
    "'": "’‘‚‛`´′", '"': "“”„‟«»″「」『』《》", "-": "–—―−‐‑‒", ".": "。．", ",": "、，،", ":": "：", ";": "；؛",
    "?": "？؟", "!": "！", "(": "（【", ")": "）】", "%": "％", "/": "／", "<": "〈", ">": "〉", "~": "～", "*": "•●",
}


@functools.cache
def plain_forms() -> Array:
    """int32 of shape (0x110000,): what each code point becomes. Built once in a process, in half a second."""
    table = np.arange(sys.maxunicode + 1, dtype=np.int32) | ALONE << 24
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) not in ("Cn", "Co"):  # three quarters are of no use to anybody yet
            table[code] = _plain_form(code)
    for plain, marks in _ASCII.items():
        for mark in marks:
            table[ord(mark)] = ALONE << 24 | ord(plain)
    table.setflags(write=False)
    return table


def _plain_form(code: int) -> int:
    character = chr(code)
    category = unicodedata.category(character)
    if character.isspace():
        return BETWEEN << 24
    if category in ("Mn", "Me", "Cc", "Cf", "Cs"):
        return GONE << 24
    if category == "Nd":
        return INSIDE << 24 | ord("0")
    if not character.isalnum() and category != "Mc":
        return ALONE << 24 | code
    if not _HANGUL[0] <= code <= _HANGUL[1]:
        # Without the marks that follow it: lower case may be several code points, as that of a dotted I is.
        code = ord(unicodedata.normalize("NFD", character.lower())[0])
    kind = ALONE if any(low <= code <= high for low, high in _UNPARTED) else INSIDE
    return kind << 24 | code


_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_END = np.uint64(END)
_CODE = (1 << 24) - 1


@kernel
def _find(data: Array, offsets: Array, forms: Array, first: Array, hashes: Array) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        line = found  # where its first word is
        inside = False
        state = _FNV_OFFSET
        position = offsets[document]
        while position < offsets[document + 1]:
            code, width = decode(data, position)
            position += width
            form = forms[code]
            kind = form >> 24
            if kind == INSIDE:
                state = (state ^ np.uint64(form & _CODE)) * _FNV_PRIME
                inside = True
                continue
            if kind == GONE:
                continue
            if inside:
                hashes[found] = mix64(state)
                found += 1
                state = _FNV_OFFSET
                inside = False
            if kind == ALONE:
                hashes[found] = mix64((_FNV_OFFSET ^ np.uint64(form & _CODE)) * _FNV_PRIME)
                found += 1
            elif code == 10 and found > line:
                hashes[found] = _END
                found += 1
                line = found
        if inside:
            hashes[found] = mix64(state)
            found += 1
        if found > line:
            hashes[found] = _END
            found += 1
    first[len(offsets) - 1] = found
    return found
