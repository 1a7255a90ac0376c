"""IP addresses that are somebody's."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.pii_bytes import COLON, DIGIT, DOT, HEX, WORD
from taggers.pii_tables import NOT_PERSONAL_V4, NOT_PERSONAL_V6

Array = NDArray[Any]


@kernel
def ip_end(data: Array, table: Array, begin: int, start: int, after: int, stop: int) -> int:
    """Where the address ends that begins with this run of digits, 0 if none does."""
    if start > begin and table[data[start - 1]] & WORD:
        return 0
    if after < stop and data[after] == DOT and after - start <= 3:
        return _ipv4(data, table, begin, start, stop)
    if data[start] in (50, 51) and after - start <= 4:
        return _ipv6(data, table, begin, start, stop)
    return 0


@kernel
def _ipv4(data: Array, table: Array, begin: int, start: int, stop: int) -> int:
    if start - begin >= 2 and data[start - 1] == DOT and table[data[start - 2]] & DIGIT:
        return 0
    address = np.int64(0)
    position = start
    for octet in range(4):
        if octet:
            if position == stop or data[position] != DOT:
                return 0
            position += 1
        value = 0
        digits = 0
        while position < stop and table[data[position]] & DIGIT:
            value = value * 10 + (data[position] - 48)
            digits += 1
            position += 1
            if value > 255 or digits > 3:
                return 0
        if digits == 0 or (digits > 1 and data[position - digits] == 48):
            return 0
        address = address << 8 | value
    if not _ends_address(data, table, position, stop):
        return 0
    for network in range(len(_V4)):
        if _V4[network, 0] <= address <= _V4[network, 1]:
            return 0
    return position


@kernel
def _ends_address(data: Array, table: Array, end: int, stop: int) -> bool:
    if end == stop:
        return True
    if table[data[end]] & WORD:
        return False
    return not (data[end] == DOT and end + 1 < stop and table[data[end + 1]] & DIGIT)


_MOST_IPV6 = 39


@kernel
def _ipv6(data: Array, table: Array, begin: int, start: int, stop: int) -> int:
    if start > begin and data[start - 1] == COLON:
        return 0
    end = start
    while end < stop and (table[data[end]] & HEX or data[end] == COLON):
        end += 1
        if end - start > _MOST_IPV6 + 1:
            return 0
    if data[end - 1] == COLON and end - start >= 2 and data[end - 2] != COLON:
        end -= 1  # the colon of the sentence
    if end - start > _MOST_IPV6 or not _ends_address(data, table, end, stop):
        return 0
    groups, gap = _groups(data, start, end)
    if groups == 0:
        return 0
    top = _top_half(data, start, end, groups, gap)
    if top >> np.uint64(61) != 1:  # 2000::/3 is all that is given out
        return 0
    for network in range(len(_V6)):
        if _V6[network, 0] <= top <= _V6[network, 1]:
            return 0
    return end


@kernel
def _groups(data: Array, start: int, end: int) -> Any:
    """(groups, how many of them are before "::" or -1); (0, 0) where a range of digits and colons is no address."""
    groups = 0
    gap = -1
    digits = 0
    for position in range(start, end):
        if data[position] != COLON:
            digits += 1
            groups += digits == 1
            if digits > 4 or groups > 8:
                return 0, 0
            continue
        if digits == 0:  # the range begins with a digit, so this is the second colon
            if gap >= 0:
                return 0, 0
            gap = groups
        digits = 0
    # One group and "::" is what stands before a block of reStructuredText: in the year 2262::
    return (groups, gap) if groups > 1 and (groups == 8) == (gap < 0) else (0, 0)


@kernel
def _top_half(data: Array, start: int, end: int, groups: int, gap: int) -> Any:
    """The first four groups as uint64."""
    top = np.uint64(0)
    place = 0  # of the group that is read
    value = np.int64(0)
    for position in range(start, end + 1):
        if position < end and data[position] != COLON:
            byte = np.int64(data[position])
            value = value * 16 + (byte - 48 if byte <= 57 else (byte | 32) - 87)
        elif data[position - 1] != COLON:
            skipped = 8 - groups if 0 <= gap <= place else 0
            if place + skipped < 4:
                top |= np.uint64(value) << np.uint64(48 - 16 * (place + skipped))
            place += 1
            value = np.int64(0)
    return top


_V4 = np.array([[int(network[0]), int(network[-1])] for network in map(ipaddress.IPv4Network, NOT_PERSONAL_V4)])
_V6 = np.array([[int(network[0]) >> 64, int(network[-1]) >> 64]
                for network in map(ipaddress.IPv6Network, NOT_PERSONAL_V6)], np.uint64)
