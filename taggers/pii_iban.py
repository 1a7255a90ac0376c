"""International bank account numbers (ISO 13616)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.pii_bytes import DIGIT, SPACE, UPPER, WORD
from taggers.pii_tables import IBAN_LENGTHS

Array = NDArray[Any]


@kernel
def iban_at(data: Array, table: Array, begin: int, digits: int, stop: int) -> Any:
    """(start, end) of the IBAN whose check digits begin here, (0, 0) if there is none."""
    start = digits - 2
    if start < begin or not (table[data[start]] & UPPER and table[data[start + 1]] & UPPER):
        return 0, 0
    if start > begin and table[data[start - 1]] & WORD:
        return 0, 0
    first = np.int64(data[start]) - 65
    second = np.int64(data[start + 1]) - 65
    length = _IBAN_LENGTHS[first, second]
    if length == 0 or digits + 2 >= stop or not table[data[digits + 1]] & DIGIT:
        return 0, 0
    grouped = data[digits + 2] == SPACE
    position = digits + 2
    rest = np.int64(0)
    for count in range(4, length):
        if grouped and count % 4 == 0:
            if position >= stop or data[position] != SPACE:
                return 0, 0
            position += 1
        if position >= stop:
            return 0, 0
        byte = np.int64(data[position])
        if table[byte] & DIGIT:
            rest = (rest * 10 + byte - 48) % 97
        elif table[byte] & UPPER:
            rest = (rest * 100 + byte - 55) % 97
        else:
            return 0, 0
        position += 1
    check = (np.int64(data[digits]) - 48) * 10 + np.int64(data[digits + 1]) - 48
    rest = (rest * 1_000_000 + (first + 10) * 10_000 + (second + 10) * 100 + check) % 97
    if rest != 1 or (position < stop and table[data[position]] & WORD):
        return 0, 0
    return start, position


def _iban_lengths() -> Array:
    table = np.zeros((26, 26), np.int64)
    for country, length in IBAN_LENGTHS.items():
        table[ord(country[0]) - 65, ord(country[1]) - 65] = length
    return table


_IBAN_LENGTHS = _iban_lengths()
