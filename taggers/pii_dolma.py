r"""E-mail, phone and IP address by the expressions of dolma 1.2.1's pii_regex_with_counts_fast_v2, in linear time.

    email   [.\s@,?!;:)(]*([^\s@]+@[^\s@,?!;:)(]+?)[.\s@,?!;:)(]?[\s\n\r]
    phone   \s+\(?(\d{3})\)?[-\. ]*(\d{3})[-. ]?(\d{4})
    ip      (?:OCTET\.){3}OCTET with OCTET (?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)

dolma looks for them in each line apart, its newline included, from left to right and without overlaps. Of the e-mail
matches it drops those without a dot after the "@", and those with nothing but a bracket before it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.characters import SPACE, classes
from taggers.compiled import kernel
from taggers.found import Found, found_columns
from taggers.text import TextBatch, decode

Array = NDArray[Any]

KINDS = ("email", "phone", "ip")


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """For each of KINDS its spans and their count, and pii_dolma.count; empty and 0 where there is nothing."""
    # Matches of a kind never overlap, and the shortest are "a@b. ", a space and ten digits, and 8.8.8.8.
    found = Found.room(len(batch), 9 * len(batch.data) // 20 + 1)
    _scan(batch.data, batch.offsets, _classes(), found.first, found.kind, found.start, found.end)
    return found_columns("pii_dolma", KINDS, batch, found)


_EMAIL, _PHONE, _IP = range(len(KINDS))
_NEWLINE, _SPACE, _OPEN, _CLOSE, _HYPHEN, _DOT, _AT, _QUESTION = (ord(mark) for mark in "\n ()-.@?")
_MOST_QUESTIONS = 10_000
# Bits of a code point's class, beside SPACE.
_DIGIT = 2  # \d: general category Nd
_MARK = 4  # .@,?!;:)( and \s
_DECIMAL = 8  # 0 to 9


@functools.cache
def _classes() -> Array:
    table = classes() & np.uint8(SPACE)
    table[table != 0] |= _MARK
    for mark in ".@,?!;:)(":
        table[ord(mark)] |= _MARK
    for code in range(sys.maxunicode + 1):
        if chr(code).isdecimal():
            table[code] |= _DIGIT
    table[ord("0") : ord("9") + 1] |= _DECIMAL
    table.setflags(write=False)
    return table


@kernel
def _scan(data: Array, offsets: Array, table: Array, first: Array, kind: Array, start: Array, end: Array) -> None:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        stop = offsets[document + 1]
        questions = 0
        for position in range(offsets[document], stop):
            questions += data[position] == _QUESTION
        if questions > _MOST_QUESTIONS:
            continue
        line = offsets[document]
        while line < stop:
            after = line
            has_at = False
            has_digit = False
            while after < stop:
                byte = data[after]
                after += 1
                has_at |= byte == _AT
                has_digit |= byte >= 0x80 or table[byte] & _DIGIT != 0
                if byte == _NEWLINE:
                    break
            if has_at:
                found = _emails(data, table, line, after, found, kind, start, end)
            if has_digit:
                found = _phones(data, table, line, after, found, kind, start, end)
                found = _ips(data, table, line, after, found, kind, start, end)
            line = after
    first[len(offsets) - 1] = found


@kernel
def _emails(data: Array, table: Array, line: int, stop: int, found: int, kind: Array, start: Array, end: Array) -> int:
    free = line  # where the match before ends
    at = _next_at(data, line, stop)
    while at < stop:
        after, domain_end = _match_after(data, table, free, at, stop)
        if after == 0:
            at = _next_at(data, at + 1, stop)
            continue
        local, marks_only = _local(data, table, free, at)
        left = _left_of_marks(data, table, free, local)
        if marks_only:
            # The marks before an address may hold whole addresses: of those that begin at one place, the expression
            # gives the last.
            last = _last_of_marks(data, table, free, at, stop)
            if last > at:
                at = last
                after, domain_end = _match_after(data, table, free, at, stop)
                _, marks_only = _local(data, table, free, at)
        only_bracket = marks_only and data[at - 1] == _OPEN
        has_dot = False
        for position in range(at + 1, domain_end):
            has_dot |= data[position] == _DOT
        if has_dot and not only_bracket:
            kind[found], start[found], end[found] = _EMAIL, left, after
            found += 1
        free = after
        at = _next_at(data, free, stop)
    return found


@kernel
def _next_at(data: Array, position: int, stop: int) -> int:
    while position < stop and data[position] != _AT:
        position += 1
    return position


@kernel
def _match_after(data: Array, table: Array, free: int, at: int, stop: int) -> Any:
    """(end of the match, end of its domain) of the address at this "@"; (0, 0) if none matches."""
    if at == free:
        return 0, 0
    before = _before(data, free, at)
    if data[before] == _AT or table[decode(data, before)[0]] & SPACE:
        return 0, 0
    position = at + 1
    while position < stop:
        code, width = decode(data, position)
        if table[code] & _MARK and code != _DOT:
            break
        position += width
    if position == at + 1 or position == stop:
        return 0, 0
    code, width = decode(data, position)
    after = position + width
    if table[code] & SPACE:
        if data[position - 1] == _DOT and position - 1 > at + 1:
            return after, position - 1
        if after < stop:
            code, width = decode(data, after)
            if table[code] & SPACE:
                after += width
        return after, position
    if after < stop:
        code, width = decode(data, after)
        if table[code] & SPACE:
            return after + width, position
    return 0, 0


@kernel
def _before(data: Array, begin: int, position: int) -> int:
    """Where the code point before a position begins."""
    position -= 1
    while position > begin and data[position] & 0xC0 == 0x80:
        position -= 1
    return position


@kernel
def _local(data: Array, table: Array, free: int, at: int) -> Any:
    """(where the run of all but whitespace and "@" before this "@" begins, whether it has marks only)."""
    position = at
    marks_only = True
    while position > free:
        before = _before(data, free, position)
        code, _ = decode(data, before)
        if code == _AT or table[code] & SPACE:
            break
        marks_only &= table[code] & _MARK != 0
        position = before
    return position, marks_only


@kernel
def _left_of_marks(data: Array, table: Array, free: int, position: int) -> int:
    while position > free:
        before = _before(data, free, position)
        if not table[decode(data, before)[0]] & _MARK:
            break
        position = before
    return position


@kernel
def _last_of_marks(data: Array, table: Array, free: int, at: int, stop: int) -> int:
    """The last "@" of an address that begins in the same run of marks as this one, or right behind it."""
    position = at
    while position < stop:
        code, width = decode(data, position)
        if not table[code] & _MARK:
            break
        position += width
    behind = position
    while behind < stop:
        code, width = decode(data, behind)
        if code == _AT or table[code] & SPACE:
            break
        behind += width
    if behind < stop and behind > position and data[behind] == _AT and _match_after(data, table, free, behind, stop)[0]:
        return behind
    while position > at:
        position -= 1
        if data[position] == _AT and _match_after(data, table, free, position, stop)[0]:
            return position
    return at


@kernel
def _phones(data: Array, table: Array, line: int, stop: int, found: int, kind: Array, start: Array, end: Array) -> int:
    position = line
    while position < stop:
        code, width = decode(data, position)
        if not table[code] & SPACE:
            position += width
            continue
        left = position
        while position < stop:
            code, width = decode(data, position)
            if not table[code] & SPACE:
                break
            position += width
        after = _phone_after(data, table, position, stop)
        if after:
            kind[found], start[found], end[found] = _PHONE, left, after
            found += 1
            position = after
    return found


@kernel
def _phone_after(data: Array, table: Array, position: int, stop: int) -> int:
    """Where the number ends that begins here, 0 if none does."""
    if position < stop and data[position] == _OPEN:
        position += 1
    position = _digits(data, table, position, stop, 3)
    if position and position < stop and data[position] == _CLOSE:
        position += 1
    while position and position < stop and _is_joint(data[position]):
        position += 1
    position = _digits(data, table, position, stop, 3) if position else 0
    if position and position < stop and _is_joint(data[position]):
        position += 1
    return _digits(data, table, position, stop, 4) if position else 0


@kernel
def _is_joint(byte: int) -> bool:
    return byte in (_HYPHEN, _DOT, _SPACE)


@kernel
def _digits(data: Array, table: Array, position: int, stop: int, count: int) -> int:
    """The place after so many digits, 0 if there are not as many."""
    for _ in range(count):
        if position >= stop:
            return 0
        code, width = decode(data, position)
        if not table[code] & _DIGIT:
            return 0
        position += width
    return position


@kernel
def _ips(data: Array, table: Array, line: int, stop: int, found: int, kind: Array, start: Array, end: Array) -> int:
    position = line
    while position < stop:
        if not table[data[position]] & _DECIMAL:
            position += 1
            continue
        after = position
        while after < stop and table[data[after]] & _DECIMAL:
            after += 1
        left = max(position, after - 3)
        if after - left == 3 and _number(data, left) > 255:
            left += 1
        right = _ip_after(data, table, after, stop)
        if right:
            kind[found], start[found], end[found] = _IP, left, right
            found += 1
        position = right if right else after
    return found


@kernel
def _ip_after(data: Array, table: Array, position: int, stop: int) -> int:
    """Where the address ends whose first number ends here, 0 if there are not three more."""
    for octet in range(3):
        if position >= stop or data[position] != _DOT:
            return 0
        position += 1
        digits = 0
        while digits < 3 and position + digits < stop and table[data[position + digits]] & _DECIMAL:
            digits += 1
        if digits == 0:
            return 0
        if digits == 3 and _number(data, position) > 255:
            if octet < 2:
                return 0
            digits = 2
        position += digits
    return position


@kernel
def _number(data: Array, position: int) -> Any:
    """The number that three digits write."""
    hundreds, tens, ones = np.int64(data[position]), np.int64(data[position + 1]), np.int64(data[position + 2])
    return (hundreds - 48) * 100 + (tens - 48) * 10 + ones - 48
