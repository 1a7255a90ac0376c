"""Payment card numbers (ISO/IEC 7812)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.pii_bytes import AT, DIGIT, HYPHEN, PLUS, SPACE, stands_alone
from taggers.pii_tables import ISSUERS, TEST_CARDS

Array = NDArray[Any]


@kernel
def card_end(data: Array, table: Array, begin: int, start: int, after: int, stop: int) -> int:
    """Where the card number ends that begins with this run of digits, 0 if none does."""
    if start > begin and data[start - 1] == PLUS:
        return 0
    if 13 <= after - start <= 19:
        groups = 1
        end = after
    elif after - start == 4 and after < stop and data[after] in (SPACE, HYPHEN):
        groups, end = _card_groups(data, table, after, stop)
    else:
        return 0
    spaced = groups > 1 and data[after] == SPACE
    if groups == 0 or not stands_alone(data, table, begin, start, end, stop, spaced):
        return 0
    number = np.uint64(0)
    digits = 0
    head = np.uint64(0)  # the first four digits
    for position in range(start, end):
        if table[data[position]] & DIGIT:
            number = number * np.uint64(10) + np.uint64(data[position] - 48)
            digits += 1
            if digits == 4:
                head = number
    if not _is_issued(np.int64(head), digits) or not _passes_luhn(number):
        return 0
    for test in range(len(_TEST_CARDS)):
        if number == _TEST_CARDS[test]:
            return 0
    return end


@kernel
def _card_groups(data: Array, table: Array, first_end: int, stop: int) -> Any:
    """(groups, end) of a number that begins with four digits and is parted as cards are; (0, 0) if it is not."""
    mark = data[first_end]
    sizes = 0  # the sizes of the groups after the first, as decimal digits
    groups = 1
    position = first_end
    end = 0
    while groups < 5 and position < stop and data[position] == mark:
        size = 0
        position += 1
        while position < stop and table[data[position]] & DIGIT and size < 7:
            position += 1
            size += 1
        if size == 0:
            break
        sizes = sizes * 10 + size
        groups += 1
        end = position
        if sizes == 65 or sizes == AT:
            break
    if sizes == 444 or sizes == 4443 or sizes == 65 or sizes == AT:
        return groups, end
    return 0, 0


@kernel
def _is_issued(head: Any, digits: int) -> bool:
    """Whether an issuer has numbers with these first four digits and as many in all."""
    for row in range(len(_ISSUERS)):
        if _ISSUERS[row, 0] <= head <= _ISSUERS[row, 1] and _ISSUERS[row, 2] >> digits & 1:
            return True
    return False


@kernel
def _passes_luhn(number: Any) -> bool:
    total = 0
    doubled = False
    while number:
        digit = int(number % np.uint64(10))
        number = number // np.uint64(10)
        if doubled:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
        doubled = not doubled
    return total % 10 == 0


# The first and last four digits that an issuer's numbers begin with, and bit n if they can have n digits.
_ISSUERS = np.array([[low, high, sum(1 << length for length in lengths)] for low, high, lengths in ISSUERS])
_TEST_CARDS = np.array(TEST_CARDS, np.uint64)
