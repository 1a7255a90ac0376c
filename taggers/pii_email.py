"""E-mail addresses as people write them, which is less than RFC 5321 allows: no quotes, no brackets, ASCII alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.pii_bytes import ALPHA, DIGIT, DOT, HYPHEN, LOCAL, OPEN, WORD, packed_words, same_word
from taggers.pii_tables import FILE_SUFFIXES, RESERVED_DOMAINS

Array = NDArray[Any]


_MOST_LOCAL, _MOST_LABEL, _MOST_DOMAIN = 64, 63, 253  # octets (RFC 5321, 1035)


@kernel
def email_at(data: Array, table: Array, begin: int, at: int, stop: int) -> Any:
    """(start, end) of the address around this "@", (0, 0) if it is in none."""
    start = at
    lowest = max(begin, at - _MOST_LOCAL - 1)
    while start > lowest:
        byte = data[start - 1]
        if byte == DOT:
            if start == at or data[start] == DOT:
                break
        elif not table[byte] & (ALPHA | DIGIT | LOCAL):
            break
        start -= 1
    if at - start > _MOST_LOCAL:
        return 0, 0
    while start < at and not table[data[start]] & WORD:
        start += 1
    if start == at or same_word(data, start, at, _GIT):
        return 0, 0
    end = _domain_end(data, table, at + 1, min(stop, at + 1 + _MOST_DOMAIN))
    if end == 0 or (end < stop and data[end] == OPEN):  # a call in code: matrix@other.mean(
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
        while position < stop and (table[data[position]] & (ALPHA | DIGIT) or data[position] == HYPHEN):
            position += 1
        if position == label or data[label] == HYPHEN:
            return end
        if label > start:
            last = label
            least = 2
            if position - label >= 4 and same_word(data, label, label + 4, _PUNYCODE):
                last += 4
                least = 5
                while last < position and table[data[last]] & (ALPHA | DIGIT):
                    last += 1
            else:
                while last < position and table[data[last]] & ALPHA:
                    last += 1
            if least <= last - label <= _MOST_LABEL and (last == position or data[last] == HYPHEN):
                end = last
        too_long = position - label > _MOST_LABEL
        if position == stop or data[position] != DOT or data[position - 1] == HYPHEN or too_long:
            return end
        label = position + 1


@kernel
def _is_below(data: Array, start: int, end: int, domain: Array) -> bool:
    """Whether a domain is this one or a subdomain of it."""
    begin = end - len(domain)
    return begin >= start and same_word(data, begin, end, domain) and (begin == start or data[begin - 1] == DOT)


_GIT = np.frombuffer(b"git", np.uint8)  # git@github.com:owner/name is a repository
_PUNYCODE = np.frombuffer(b"xn--", np.uint8)
_RESERVED, _RESERVED_FIRST = packed_words(RESERVED_DOMAINS + FILE_SUFFIXES)
