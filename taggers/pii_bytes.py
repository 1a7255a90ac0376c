"""Classes of ASCII bytes, and what can be asked of the places around a number: shared by the finders of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel

Array = NDArray[Any]

SPACE, PLUS, HYPHEN, DOT, COLON, AT, OPEN, CLOSE = (ord(mark) for mark in " +-.:@()")
JOINTS = (SPACE, DOT, HYPHEN)

# Classes of bytes. Only ASCII has any: an address in other letters is not found.
DIGIT, UPPER, LOWER, HEX, ANCHOR, LOCAL, UNDERSCORE = (1 << bit for bit in range(7))
ALPHA = UPPER | LOWER
WORD = ALPHA | DIGIT | UNDERSCORE


def _classes() -> Array:
    table = np.zeros(256, np.uint8)
    for bit, characters in (
        (DIGIT, "0123456789"),
        (UPPER, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (LOWER, "abcdefghijklmnopqrstuvwxyz"),
        (HEX, "0123456789abcdefABCDEF"),
        (ANCHOR, "@0123456789"),
        (LOCAL, "_%+'-"),
        (UNDERSCORE, "_"),
    ):
        for character in characters:
            table[ord(character)] |= bit
    return table


CLASSES = _classes()


@kernel
def stands_alone(data: Array, table: Array, begin: int, start: int, end: int, stop: int, spaced: bool) -> bool:
    """Whether a number is no part of a longer word or number, or, if its groups are spaced, of a row of numbers."""
    if start > begin:
        before = data[start - 1]
        if table[before] & WORD:
            return False
        joins = before in (DOT, HYPHEN) or (spaced and before == SPACE)
        if joins and start - begin >= 2 and table[data[start - 2]] & DIGIT:
            return False
    if end < stop:
        after = data[end]
        if table[after] & WORD:
            return False
        joins = after in (DOT, HYPHEN) or (spaced and after == SPACE)
        if joins and end + 1 < stop and table[data[end + 1]] & DIGIT:
            return False
    return True


@kernel
def joins_before(data: Array, table: Array, begin: int, start: int) -> bool:
    before = data[start - 1]
    if table[before] & WORD:
        return True
    return before in (DOT, HYPHEN) and start - begin >= 2 and table[data[start - 2]] & DIGIT != 0


@kernel
def same_word(data: Array, start: int, end: int, word: Array) -> bool:
    """Whether a range is this word of lower-case letters, digits, dots and hyphens, in whatever case."""
    if end - start != len(word):
        return False
    for step in range(len(word)):
        byte = data[start + step]
        if byte != word[step] and not (65 <= byte <= 90 and byte + 32 == word[step]):
            return False
    return True


def packed_words(words: tuple[str, ...]) -> tuple[Array, Array]:
    """The words in one array, and where each begins."""
    lengths = [len(word) for word in words]
    return np.frombuffer("".join(words).encode(), np.uint8), np.cumsum([0, *lengths])
