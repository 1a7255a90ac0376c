"""How many characters of code are comments and docstrings, by scanning for the markers of its language.

No parser: what looks like a string or a comment is one. Regular expressions of JavaScript and here-documents of shells,
where quotes and markers can stand alone, are the places where that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.code_languages import SYNTAXES, Syntax
from taggers.compiled import kernel
from taggers.text import TextBatch

Array = NDArray[Any]

UNKNOWN = -1


def count_comments(batch: TextBatch, languages: Sequence[str | None]) -> tuple[Array, Array]:
    """(code points of comments, of docstrings) for each document; comments are UNKNOWN where its language has none.

    The markers count, the newline behind a comment does not.
    """
    syntax = np.array([_ROWS.get(language or "", UNKNOWN) for language in languages], np.int64)
    comments = np.full(len(batch), UNKNOWN, np.int64)
    docstrings = np.zeros(len(batch), np.int64)
    _count(batch.data, batch.offsets, syntax, _TABLE, _LINES, _OPENS, _CLOSES, _PODS, _FLAGS, comments, docstrings)
    return comments, docstrings


_KNOWN: tuple[Syntax, ...] = tuple(dict.fromkeys(syntax for syntax in SYNTAXES.values()
                                                 if syntax.line or syntax.block))
_ROWS = {language: _KNOWN.index(syntax) for language, syntax in SYNTAXES.items() if syntax in _KNOWN}

# What a byte can begin.
_COMMENT, _QUOTE, _LONG_QUOTE, _ESCAPE, _POD, _OPEN, _CLOSE = (1 << bit for bit in range(7))
# Flags of a syntax.
_SPACED, _TRIPLE, _DOCSTRINGS = 1, 2, 4
_MOST_MARKERS, _MOST_BYTES = 3, 4


def _table() -> Array:
    table = np.zeros((len(_KNOWN), 256), np.uint8)
    for row, syntax in enumerate(_KNOWN):
        kinds = (
            (_COMMENT, [marker[0] for marker in syntax.line] + [opens[0] for opens, _ in syntax.block]),
            (_QUOTE, syntax.quotes), (_LONG_QUOTE, syntax.long_quotes), (_ESCAPE, "\\"),
            (_POD, "=" if syntax.pod else ""),
            (_OPEN, "([{" if syntax.docstrings else ""), (_CLOSE, ")]}" if syntax.docstrings else ""),
        )  # fmt: skip
        for kind, characters in kinds:
            for character in characters:
                table[row, ord(character)] |= kind
    return table


def _packed(markers: Sequence[Sequence[str]]) -> Array:
    """uint8 of shape (syntaxes, markers, 1 + bytes): the length of each, then its bytes; 0 where there is none."""
    packed = np.zeros((len(markers), _MOST_MARKERS, 1 + _MOST_BYTES), np.uint8)
    for row, own in enumerate(markers):
        for place, marker in enumerate(own):
            packed[row, place, 0] = len(marker)
            packed[row, place, 1 : 1 + len(marker)] = list(marker.encode())
    return packed


_TABLE = _table()
_LINES = _packed([syntax.line for syntax in _KNOWN])
_OPENS = _packed([[opens for opens, _ in syntax.block] for syntax in _KNOWN])
_CLOSES = _packed([[closes for _, closes in syntax.block] for syntax in _KNOWN])
_PODS = _packed([[syntax.pod] if syntax.pod else [] for syntax in _KNOWN])
_FLAGS = np.array([_SPACED * syntax.spaced | _TRIPLE * syntax.triple | _DOCSTRINGS * syntax.docstrings
                   for syntax in _KNOWN])

_NEWLINE, _BLANK, _TAB, _BACKSLASH = (ord(mark) for mark in "\n \t\\")


@kernel
def _count(
    data: Array, offsets: Array, syntaxes: Array, table: Array, lines: Array, opens: Array, closes: Array, pods: Array,
    flags: Array, comments: Array, docstrings: Array,
) -> None:  # fmt: skip
    for document in range(len(comments)):
        row = syntaxes[document]
        if row < 0:
            continue
        begin = offsets[document]
        stop = offsets[document + 1]
        flag = flags[row]
        total = 0
        depth = 0  # of brackets
        position = begin
        while position < stop:
            what = table[row, data[position]]
            if not what:
                position += 1
                continue
            if what & (_COMMENT | _POD):
                end = _comment_end(data, lines[row], opens[row], closes[row], flag & _SPACED, begin, position, stop)
                if what & _POD and not end:
                    end = _pod_end(data, pods[row, 0], begin, position, stop)
                if end:
                    total += _code_points(data, position, end)
                    position = end
                    continue
            if what & (_QUOTE | _LONG_QUOTE):
                is_triple = flag & _TRIPLE and _is_triple(data, position, stop)
                end = _string_end(data, position, stop, is_triple, what & _LONG_QUOTE)
                if is_triple and flag & _DOCSTRINGS and depth == 0 and _begins_line(data, begin, position):
                    docstrings[document] += _code_points(data, position, end)
                position = end
                continue
            if what & _OPEN:
                depth += 1
            elif what & _CLOSE:
                depth = max(0, depth - 1)
            position += 2 if what & _ESCAPE else 1
        comments[document] = total


@kernel
def _comment_end(
    data: Array, lines: Array, opens: Array, closes: Array, spaced: int, begin: int, position: int, stop: int
) -> Any:
    """Where the comment ends that begins here, 0 if none does."""
    for place in range(len(opens)):
        if opens[place, 0] and _is_marker(data, position, stop, opens[place]):
            position += opens[place, 0]
            while position < stop:
                if _is_marker(data, position, stop, closes[place]):
                    return position + closes[place, 0]
                position += 1
            return stop
    if spaced and position > begin and not _is_space(data[position - 1]):
        return 0
    for place in range(len(lines)):
        if lines[place, 0] and _is_marker(data, position, stop, lines[place]):
            return _line_end(data, position, stop)
    return 0


@kernel
def _pod_end(data: Array, last: Array, begin: int, position: int, stop: int) -> int:
    if position > begin and data[position - 1] != _NEWLINE:
        return 0
    if position + 1 == stop or not (65 <= data[position + 1] & 0xDF <= 90):
        return 0
    while position < stop:
        position = _line_end(data, position, stop) + 1
        if position < stop and _is_marker(data, position, stop, last):
            return _line_end(data, position, stop)
    return stop


@kernel
def _is_marker(data: Array, position: int, stop: int, marker: Array) -> bool:
    length = marker[0]
    if position + length > stop:
        return False
    for step in range(length):  # noqa: SIM110 (numba compiles a loop, but not all())
        if data[position + step] != marker[1 + step]:
            return False
    return True


@kernel
def _line_end(data: Array, position: int, stop: int) -> int:
    while position < stop and data[position] != _NEWLINE:
        position += 1
    return position


@kernel
def _is_space(byte: int) -> bool:
    return byte == _BLANK or 9 <= byte <= 13


@kernel
def _is_triple(data: Array, position: int, stop: int) -> bool:
    quote = data[position]
    return position + 2 < stop and data[position + 1] == quote and data[position + 2] == quote


@kernel
def _string_end(data: Array, position: int, stop: int, is_triple: bool, is_long: int) -> int:
    """Where the string ends that begins here: behind its quotes, or before the newline or the end that cuts it off."""
    quote = data[position]
    position += 3 if is_triple else 1
    while position < stop:
        byte = data[position]
        if byte == _BACKSLASH:
            position += 2
            continue
        if is_triple:
            if byte == quote and _is_triple(data, position, stop):
                return position + 3
        elif byte == quote:
            return position + 1
        elif byte == _NEWLINE and not is_long:
            return position
        position += 1
    return stop


@kernel
def _begins_line(data: Array, begin: int, position: int) -> bool:
    """Whether only blanks, and a prefix of two letters at most such as r, are before this in its line."""
    for _ in range(2):
        if position > begin and 65 <= data[position - 1] & 0xDF <= 90:
            position -= 1
    while position > begin and (data[position - 1] == _BLANK or data[position - 1] == _TAB):
        position -= 1
    return position == begin or data[position - 1] == _NEWLINE


@kernel
def _code_points(data: Array, start: int, end: int) -> int:
    count = 0
    for position in range(start, end):
        count += (data[position] & 0xC0) != 0x80
    return count
