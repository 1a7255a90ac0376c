"""E-mail addresses, phone numbers, IP addresses, IBANs and payment cards, each with its checks.

Everything found begins at an "@" or at a run of digits, so the text between costs a table look-up for each byte; what
is looked at from there is bounded by what such a number can be long, so time is linear whatever the text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.found import Found, found_columns
from taggers.pii_tables import (
    CALLING_CODES,
    FILE_SUFFIXES,
    IBAN_LENGTHS,
    ISSUERS,
    NOT_PERSONAL_V4,
    NOT_PERSONAL_V6,
    RESERVED_DOMAINS,
    TEST_CARDS,
)
from taggers.text import TextBatch

Array = NDArray[Any]

KINDS = ("email", "phone", "ip", "iban", "card")


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """For each of KINDS its spans and their count, and pii.count; empty and 0 where there is nothing, never null."""
    # Finds of a kind never overlap, and the shortest are a@b.cc, +49123456, 8.8.8.8, an IBAN of 15 and a card of 13.
    found = Found.room(len(batch), 3 * len(batch.data) // 5 + 1)
    _scan(batch.data, batch.offsets, _CLASSES, found.first, found.kind, found.start, found.end)
    return found_columns("pii", KINDS, batch, found)


_EMAIL, _PHONE, _IP, _IBAN, _CARD = range(len(KINDS))

_SPACE, _PLUS, _HYPHEN, _DOT, _COLON, _AT, _OPEN, _CLOSE = (ord(mark) for mark in " +-.:@()")
_JOINTS = (_SPACE, _DOT, _HYPHEN)

# Classes of bytes. Only ASCII has any: an address in other letters is not found.
_DIGIT, _UPPER, _LOWER, _HEX, _ANCHOR, _LOCAL, _UNDERSCORE = (1 << bit for bit in range(7))
_ALPHA = _UPPER | _LOWER
_WORD = _ALPHA | _DIGIT | _UNDERSCORE


def _classes() -> Array:
    table = np.zeros(256, np.uint8)
    for bit, characters in (
        (_DIGIT, "0123456789"),
        (_UPPER, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (_LOWER, "abcdefghijklmnopqrstuvwxyz"),
        (_HEX, "0123456789abcdefABCDEF"),
        (_ANCHOR, "@0123456789"),
        (_LOCAL, "_%+'-"),
        (_UNDERSCORE, "_"),
    ):
        for character in characters:
            table[ord(character)] |= bit
    return table


_CLASSES = _classes()


@kernel
def _scan(data: Array, offsets: Array, table: Array, first: Array, kind: Array, start: Array, end: Array) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        begin = offsets[document]
        stop = offsets[document + 1]
        email_from = phone_from = begin
        position = begin
        while position < stop:
            if not table[data[position]] & _ANCHOR:
                position += 1
                continue
            if data[position] == _AT:
                left, right = _email(data, table, email_from, position, stop)
                if right > 0:
                    kind[found], start[found], end[found] = _EMAIL, left, right
                    found += 1
                    email_from = right
                position += 1
                continue
            after = position + 1
            while after < stop and table[data[after]] & _DIGIT:
                after += 1
            left, right = _iban(data, table, begin, position, stop)
            if right > 0:
                kind[found], start[found], end[found] = _IBAN, left, right
                found += 1
            right = _ip(data, table, begin, position, after, stop)
            if right > 0:
                kind[found], start[found], end[found] = _IP, position, right
                found += 1
            right = _card(data, table, begin, position, after, stop)
            if right > 0:
                kind[found], start[found], end[found] = _CARD, position, right
                found += 1
            left, right = _phone(data, table, phone_from, begin, position, after, stop)
            if right > 0:
                kind[found], start[found], end[found] = _PHONE, left, right
                found += 1
                phone_from = right
            position = after
    first[len(offsets) - 1] = found
    return found


# --- e-mail -----------------------------------------------------------------------------------------------------------

_MOST_LOCAL, _MOST_LABEL, _MOST_DOMAIN = 64, 63, 253  # octets (RFC 5321, 1035)


@kernel
def _email(data: Array, table: Array, begin: int, at: int, stop: int) -> Any:
    """(start, end) of the address around this "@", (0, 0) if it is in none."""
    start = at
    lowest = max(begin, at - _MOST_LOCAL - 1)
    while start > lowest:
        byte = data[start - 1]
        if byte == _DOT:
            if start == at or data[start] == _DOT:
                break
        elif not table[byte] & (_ALPHA | _DIGIT | _LOCAL):
            break
        start -= 1
    if at - start > _MOST_LOCAL:
        return 0, 0
    while start < at and not table[data[start]] & _WORD:
        start += 1
    if start == at or _same_word(data, start, at, _GIT):
        return 0, 0
    end = _domain_end(data, table, at + 1, min(stop, at + 1 + _MOST_DOMAIN))
    if end == 0 or (end < stop and data[end] == _OPEN):  # a call in code: matrix@other.mean(
        return 0, 0
    for word in range(len(_RESERVED_FIRST) - 1):
        if _is_below(data, at + 1, end, _RESERVED[_RESERVED_FIRST[word] : _RESERVED_FIRST[word + 1]]):
            return 0, 0
    return start, end


@kernel
def _domain_end(data: Array, table: Array, start: int, stop: int) -> int:
    """Where the longest domain from here ends that has two labels and a last one that can be a top-level domain."""
    end = 0
    label = start
    while True:
        position = label
        while position < stop and (table[data[position]] & (_ALPHA | _DIGIT) or data[position] == _HYPHEN):
            position += 1
        if position == label or data[label] == _HYPHEN:
            return end
        if label > start:
            last = label
            least = 2
            if position - label >= 4 and _same_word(data, label, label + 4, _PUNYCODE):
                last += 4
                least = 5
                while last < position and table[data[last]] & (_ALPHA | _DIGIT):
                    last += 1
            else:
                while last < position and table[data[last]] & _ALPHA:
                    last += 1
            if least <= last - label <= _MOST_LABEL and (last == position or data[last] == _HYPHEN):
                end = last
        too_long = position - label > _MOST_LABEL
        if position == stop or data[position] != _DOT or data[position - 1] == _HYPHEN or too_long:
            return end
        label = position + 1


@kernel
def _is_below(data: Array, start: int, end: int, domain: Array) -> bool:
    """Whether a domain is this one or a subdomain of it."""
    begin = end - len(domain)
    return begin >= start and _same_word(data, begin, end, domain) and (begin == start or data[begin - 1] == _DOT)


@kernel
def _same_word(data: Array, start: int, end: int, word: Array) -> bool:
    """Whether a range is this word of lower-case letters, digits, dots and hyphens, in whatever case."""
    if end - start != len(word):
        return False
    for step in range(len(word)):
        byte = data[start + step]
        if byte != word[step] and not (65 <= byte <= 90 and byte + 32 == word[step]):
            return False
    return True


def _packed(words: tuple[str, ...]) -> tuple[Array, Array]:
    """The words in one array, and where each begins."""
    lengths = [len(word) for word in words]
    return np.frombuffer("".join(words).encode(), np.uint8), np.cumsum([0, *lengths])


_GIT = np.frombuffer(b"git", np.uint8)  # git@github.com:owner/name is a repository
_PUNYCODE = np.frombuffer(b"xn--", np.uint8)
_RESERVED, _RESERVED_FIRST = _packed(RESERVED_DOMAINS + FILE_SUFFIXES)


# --- IP addresses -----------------------------------------------------------------------------------------------------


@kernel
def _ip(data: Array, table: Array, begin: int, start: int, after: int, stop: int) -> int:
    """Where the address ends that begins with this run of digits, 0 if none does."""
    if start > begin and table[data[start - 1]] & _WORD:
        return 0
    if after < stop and data[after] == _DOT and after - start <= 3:
        return _ipv4(data, table, begin, start, stop)
    if data[start] in (50, 51) and after - start <= 4:
        return _ipv6(data, table, begin, start, stop)
    return 0


@kernel
def _ipv4(data: Array, table: Array, begin: int, start: int, stop: int) -> int:
    if start - begin >= 2 and data[start - 1] == _DOT and table[data[start - 2]] & _DIGIT:
        return 0
    address = np.int64(0)
    position = start
    for octet in range(4):
        if octet:
            if position == stop or data[position] != _DOT:
                return 0
            position += 1
        value = 0
        digits = 0
        while position < stop and table[data[position]] & _DIGIT:
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
    if table[data[end]] & _WORD:
        return False
    return not (data[end] == _DOT and end + 1 < stop and table[data[end + 1]] & _DIGIT)


_MOST_IPV6 = 39


@kernel
def _ipv6(data: Array, table: Array, begin: int, start: int, stop: int) -> int:
    if start > begin and data[start - 1] == _COLON:
        return 0
    end = start
    while end < stop and (table[data[end]] & _HEX or data[end] == _COLON):
        end += 1
        if end - start > _MOST_IPV6 + 1:
            return 0
    if data[end - 1] == _COLON and end - start >= 2 and data[end - 2] != _COLON:
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
        if data[position] != _COLON:
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
        if position < end and data[position] != _COLON:
            byte = np.int64(data[position])
            value = value * 16 + (byte - 48 if byte <= 57 else (byte | 32) - 87)
        elif data[position - 1] != _COLON:
            skipped = 8 - groups if 0 <= gap <= place else 0
            if place + skipped < 4:
                top |= np.uint64(value) << np.uint64(48 - 16 * (place + skipped))
            place += 1
            value = np.int64(0)
    return top


_V4 = np.array([[int(network[0]), int(network[-1])] for network in map(ipaddress.IPv4Network, NOT_PERSONAL_V4)])
_V6 = np.array([[int(network[0]) >> 64, int(network[-1]) >> 64]
                for network in map(ipaddress.IPv6Network, NOT_PERSONAL_V6)], np.uint64)


# --- IBAN -------------------------------------------------------------------------------------------------------------


@kernel
def _iban(data: Array, table: Array, begin: int, digits: int, stop: int) -> Any:
    """(start, end) of the IBAN whose check digits begin here, (0, 0) if there is none."""
    start = digits - 2
    if start < begin or not (table[data[start]] & _UPPER and table[data[start + 1]] & _UPPER):
        return 0, 0
    if start > begin and table[data[start - 1]] & _WORD:
        return 0, 0
    first = np.int64(data[start]) - 65
    second = np.int64(data[start + 1]) - 65
    length = _IBAN_LENGTHS[first, second]
    if length == 0 or digits + 2 >= stop or not table[data[digits + 1]] & _DIGIT:
        return 0, 0
    grouped = data[digits + 2] == _SPACE
    position = digits + 2
    rest = np.int64(0)
    for count in range(4, length):
        if grouped and count % 4 == 0:
            if position >= stop or data[position] != _SPACE:
                return 0, 0
            position += 1
        if position >= stop:
            return 0, 0
        byte = np.int64(data[position])
        if table[byte] & _DIGIT:
            rest = (rest * 10 + byte - 48) % 97
        elif table[byte] & _UPPER:
            rest = (rest * 100 + byte - 55) % 97
        else:
            return 0, 0
        position += 1
    check = (np.int64(data[digits]) - 48) * 10 + np.int64(data[digits + 1]) - 48
    rest = (rest * 1_000_000 + (first + 10) * 10_000 + (second + 10) * 100 + check) % 97
    if rest != 1 or (position < stop and table[data[position]] & _WORD):
        return 0, 0
    return start, position


def _iban_lengths() -> Array:
    table = np.zeros((26, 26), np.int64)
    for country, length in IBAN_LENGTHS.items():
        table[ord(country[0]) - 65, ord(country[1]) - 65] = length
    return table


_IBAN_LENGTHS = _iban_lengths()


# --- payment cards ----------------------------------------------------------------------------------------------------


@kernel
def _card(data: Array, table: Array, begin: int, start: int, after: int, stop: int) -> int:
    """Where the card number ends that begins with this run of digits, 0 if none does."""
    if start > begin and data[start - 1] == _PLUS:
        return 0
    if 13 <= after - start <= 19:
        groups = 1
        end = after
    elif after - start == 4 and after < stop and data[after] in (_SPACE, _HYPHEN):
        groups, end = _card_groups(data, table, after, stop)
    else:
        return 0
    spaced = groups > 1 and data[after] == _SPACE
    if groups == 0 or not _stands_alone(data, table, begin, start, end, stop, spaced):
        return 0
    number = np.uint64(0)
    digits = 0
    head = np.uint64(0)  # the first four digits
    for position in range(start, end):
        if table[data[position]] & _DIGIT:
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
        while position < stop and table[data[position]] & _DIGIT and size < 7:
            position += 1
            size += 1
        if size == 0:
            break
        sizes = sizes * 10 + size
        groups += 1
        end = position
        if sizes == 65 or sizes == _AT:
            break
    if sizes == 444 or sizes == 4443 or sizes == 65 or sizes == _AT:
        return groups, end
    return 0, 0


@kernel
def _stands_alone(data: Array, table: Array, begin: int, start: int, end: int, stop: int, spaced: bool) -> bool:
    """Whether a number is no part of a longer word or number, or, if its groups are spaced, of a row of numbers."""
    if start > begin:
        before = data[start - 1]
        if table[before] & _WORD:
            return False
        joins = before in (_DOT, _HYPHEN) or (spaced and before == _SPACE)
        if joins and start - begin >= 2 and table[data[start - 2]] & _DIGIT:
            return False
    if end < stop:
        after = data[end]
        if table[after] & _WORD:
            return False
        joins = after in (_DOT, _HYPHEN) or (spaced and after == _SPACE)
        if joins and end + 1 < stop and table[data[end + 1]] & _DIGIT:
            return False
    return True


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


# --- phone numbers ----------------------------------------------------------------------------------------------------


@kernel
def _phone(data: Array, table: Array, free: int, begin: int, start: int, after: int, stop: int) -> Any:
    """(start, end) of the phone number of which this run of digits is the first, or the area code; else (0, 0).

    What is before `free` belongs to the number before.
    """
    if start > free and data[start - 1] == _PLUS:
        return _international(data, table, begin, start, stop)
    if start >= free and after - start == 3:
        return _north_american(data, table, free, begin, start, stop)
    return 0, 0


@kernel
def _international(data: Array, table: Array, begin: int, start: int, stop: int) -> Any:
    plus = start - 1
    if data[start] == 48 or (plus > begin and (table[data[plus - 1]] & _WORD or data[plus - 1] == _PLUS)):
        return 0, 0
    number = np.int64(0)
    digits = 0
    end = 0
    position = start
    while True:
        while position < stop and table[data[position]] & _DIGIT:
            digits += 1
            if digits > 15:
                return (plus, end) if end else (0, 0)
            number = number * 10 + (data[position] - 48)
            position += 1
        if not (position < stop and table[data[position]] & _WORD) and _is_international(number, digits):
            end = position
        if position < stop and data[position] in _JOINTS:
            position += 1
        elif not (position < stop and data[position] == _OPEN):
            break
        if position < stop and data[position] == _OPEN:
            position += 1
            if position + 1 < stop and data[position] == 48 and data[position + 1] == _CLOSE:
                position += 1  # a trunk prefix, which is no part of the number
            else:
                inside = position
                while position < stop and table[data[position]] & _DIGIT:
                    digits += 1
                    if digits > 15:
                        return (plus, end) if end else (0, 0)
                    number = number * 10 + (data[position] - 48)
                    position += 1
                if position == inside:
                    break
            if position == stop or data[position] != _CLOSE:
                break
            position += 1
            if position < stop and data[position] in _JOINTS:
                position += 1
        if position == stop or not table[data[position]] & _DIGIT:
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
    bracketed = area > free and data[area - 1] == _OPEN and position < stop and data[position] == _CLOSE
    if bracketed:
        start -= 1
        position += 1
    first_mark = data[position] if position < stop else 0
    if first_mark in _JOINTS:
        position += 1
    elif not bracketed:
        return 0, 0
    end = position + 8
    if end > stop:
        return 0, 0
    mark = data[position + 3]
    if mark not in _JOINTS:
        return 0, 0
    number = np.int64(0)
    for step in range(3):
        number = number * 10 + (data[area + step] - 48)
    for step in range(8):
        if step == 3:
            continue
        if not table[data[position + step]] & _DIGIT:
            return 0, 0
        number = number * 10 + (data[position + step] - 48)
    if not _is_north_american(number):
        return 0, 0
    # The 1 that is dialled before it.
    one = start - 1
    if one >= free and data[one] in _JOINTS:
        one -= 1
    elif not bracketed:
        one = -1
    if one >= free and data[one] == 49 and not (one > begin and _joins_before(data, table, begin, one)):
        start = one
    spaced = not bracketed and first_mark == _SPACE and mark == _SPACE
    return (start, end) if _stands_alone(data, table, begin, start, end, stop, spaced) else (0, 0)


@kernel
def _joins_before(data: Array, table: Array, begin: int, start: int) -> bool:
    before = data[start - 1]
    if table[before] & _WORD:
        return True
    return before in (_DOT, _HYPHEN) and start - begin >= 2 and table[data[start - 2]] & _DIGIT != 0


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
