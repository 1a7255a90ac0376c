"""Phone numbers, North American and international."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.pii_bytes import CLOSE, DIGIT, JOINTS, OPEN, PLUS, SPACE, WORD, joins_before, stands_alone
from taggers.pii_tables import CALLING_CODES

Array = NDArray[Any]


@kernel
def phone_at(data: Array, table: Array, free: int, begin: int, start: int, after: int, stop: int) -> Any:
    """(start, end) of the phone number of which this run of digits is the first, or the area code; else (0, 0).

    What is before `free` belongs to the number before.
    """
    if start > free and data[start - 1] == PLUS:
        return _international(data, table, begin, start, stop)
    if start >= free and after - start == 3:
        return _north_american(data, table, free, begin, start, stop)
    return 0, 0


@kernel
def _international(data: Array, table: Array, begin: int, start: int, stop: int) -> Any:
    plus = start - 1
    if data[start] == 48 or (plus > begin and (table[data[plus - 1]] & WORD or data[plus - 1] == PLUS)):
        return 0, 0
    number = np.int64(0)
    digits = 0
    end = 0
    position = start
    while True:
        while position < stop and table[data[position]] & DIGIT:
            digits += 1
            if digits > 15:
                return (plus, end) if end else (0, 0)
            number = number * 10 + (data[position] - 48)
            position += 1
        if not (position < stop and table[data[position]] & WORD) and _is_international(number, digits):
            end = position
        if position < stop and data[position] in JOINTS:
            position += 1
        elif not (position < stop and data[position] == OPEN):
            break
        if position < stop and data[position] == OPEN:
            position += 1
            if position + 1 < stop and data[position] == 48 and data[position + 1] == CLOSE:
                position += 1  # a trunk prefix, which is no part of the number
            else:
                inside = position
                while position < stop and table[data[position]] & DIGIT:
                    digits += 1
                    if digits > 15:
                        return (plus, end) if end else (0, 0)
                    number = number * 10 + (data[position] - 48)
                    position += 1
                if position == inside:
                    break
            if position == stop or data[position] != CLOSE:
                break
            position += 1
            if position < stop and data[position] in JOINTS:
                position += 1
        if position == stop or not table[data[position]] & DIGIT:
            break
    return (plus, end) if end else (0, 0)


@kernel
def _is_international(number: Any, digits: int) -> bool:
    if digits < 8:
        return False
    head = number
    while head > 999:
        head //= 10
    if head // 100 == 1:
        return digits == 11 and _is_north_american(number % 10_000_000_000)
    if head // 100 == 7:
        return digits == 11
    return bool(_CALLING[head])


@kernel
def _north_american(data: Array, table: Array, free: int, begin: int, area: int, stop: int) -> Any:
    position = area + 3
    start = area
    bracketed = area > free and data[area - 1] == OPEN and position < stop and data[position] == CLOSE
    if bracketed:
        start -= 1
        position += 1
    first_mark = data[position] if position < stop else 0
    if first_mark in JOINTS:
        position += 1
    elif not bracketed:
        return 0, 0
    end = position + 8
    if end > stop:
        return 0, 0
    mark = data[position + 3]
    if mark not in JOINTS:
        return 0, 0
    number = np.int64(0)
    for step in range(3):
        number = number * 10 + (data[area + step] - 48)
    for step in range(8):
        if step == 3:
            continue
        if not table[data[position + step]] & DIGIT:
            return 0, 0
        number = number * 10 + (data[position + step] - 48)
    if not _is_north_american(number):
        return 0, 0
    # The 1 that is dialled before it.
    one = start - 1
    if one >= free and data[one] in JOINTS:
        one -= 1
    elif not bracketed:
        one = -1
    if one >= free and data[one] == 49 and not (one > begin and joins_before(data, table, begin, one)):
        start = one
    spaced = not bracketed and first_mark == SPACE and mark == SPACE
    return (start, end) if stands_alone(data, table, begin, start, end, stop, spaced) else (0, 0)


@kernel
def _is_north_american(number: Any) -> bool:
    """Whether ten digits can be a number there: neither part is a service code, and it is not kept for fiction."""
    area = number // 10_000_000
    exchange = number // 10_000 % 1000
    line = number % 10_000
    if area < 200 or area % 100 == 11 or exchange < 200 or exchange % 100 == 11:
        return False
    return not (exchange == 555 and 100 <= line <= 199)


# Whether three digits begin with a calling code that is given out.
_CALLING = np.array([any(f"{head:03}".startswith(str(code)) for code in CALLING_CODES) for head in range(1000)])
