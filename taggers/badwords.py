"""Words and phrases of a list in a text: where they stand, how many, and how many different ones."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.columns import counts, spans
from taggers.compiled import kernel
from taggers.text import TextBatch, decode, mix64

Array = NDArray[Any]

LONGEST = 1000  # code points of an entry: at each place of a text no more are looked at


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The badwords.* columns; none is ever null."""
    entries = _trie(parameters["list"])
    most = len(batch.data) // entries.shortest
    first = np.empty(len(batch) + 1, np.int64)
    start, end = np.empty((2, most), np.int64)
    distinct = np.zeros(len(batch), np.int64)
    _find(batch.data, batch.offsets, _folds(), entries.keys, entries.nodes, entries.is_entry, parameters["boundaries"],
          np.full(len(entries.is_entry), -1, np.int64), first, start, end, distinct)
    return {
        "badwords.count": counts(np.diff(first)),
        "badwords.distinct": counts(distinct),
        "badwords.spans": spans(batch, first, start, end),
    }


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where the file is no list of words."""
    words(parameters["list"])


def words(path: str) -> list[str]:
    """The entries of a list, one a line, as they are written; blank lines and comments, `#` and a space, are none."""
    with open(path, "rb") as file:
        try:
            lines = file.read().decode("utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"no text in UTF-8 ({error.reason} at byte {error.start:,})") from None
    found = [word for line in lines if (word := line.strip()) and not (word + " ").startswith("# ")]
    if not found:
        raise ValueError("a list without a word; give one a line")
    if long := next((word for word in found if len(word) > LONGEST), None):
        raise ValueError(f"no list of words: a line of {len(long):,} characters ({long[:40]}…); give one word a line")
    return found


@dataclass(frozen=True)
class _Trie:
    """The entries, code point by code point, as a tree in a hash table; its root is node 0."""

    keys: Array  # int64, by slot: node and code point; -1: empty
    nodes: Array  # int32, by slot: the node that this code point leads to
    is_entry: Array  # bool, by node: an entry ends there
    shortest: int  # code points of the shortest entry


@functools.cache
def _trie(path: str) -> _Trie:
    entries = words(path)
    codes = _folds()[np.array([ord(char) for word in entries for char in word], np.int64)] >> _CODE
    first = np.cumsum([0, *map(len, entries)])
    keys = np.full(1 << (2 * len(codes)).bit_length(), -1, np.int64)
    nodes = np.zeros(len(keys), np.int32)
    is_entry = np.zeros(len(codes) + 1, np.bool_)
    found = _grow(codes, first, keys, nodes, is_entry)
    return _Trie(keys, nodes, is_entry[:found], min(map(len, entries)))


_IN_WORD, _CODE = 1, 1  # a bit, and by how much the code point is shifted for it


@functools.cache
def _folds() -> Array:
    r"""int64 of shape (0x110000,): for each code point the one that it is compared as, and whether it is \w.

    That is its lower case where that is one code point, as for all but İ, and σ for ς, which is lower case for Σ too.
    """
    table = np.arange(sys.maxunicode + 1, dtype=np.int64) << _CODE
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if char.isalnum() or char == "_":
            lower = char.lower()
            table[code] = (ord(lower) if len(lower) == 1 else code) << _CODE | _IN_WORD
        elif len(lower := char.lower()) == 1:
            table[code] = ord(lower) << _CODE
    table[ord("ς")] = table[ord("σ")]
    table.setflags(write=False)
    return table


@kernel
def _slot(keys: Array, node: int, code: int) -> int:
    """The slot that has this step, or the empty one where it belongs."""
    key = np.int64(node) << 21 | np.int64(code)
    mask = np.uint64(len(keys) - 1)
    slot = mix64(np.uint64(key)) & mask
    while keys[slot] >= 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return int(slot)


@kernel
def _grow(codes: Array, first: Array, keys: Array, nodes: Array, is_entry: Array) -> int:
    """Fills the tree; how many nodes it has."""
    made = 1
    for entry in range(len(first) - 1):
        node = 0
        for place in range(first[entry], first[entry + 1]):
            slot = _slot(keys, node, codes[place])
            if keys[slot] < 0:
                keys[slot] = np.int64(node) << 21 | codes[place]
                nodes[slot] = made
                made += 1
            node = nodes[slot]
        is_entry[node] = True
    return made


@kernel
def _find(
    data: Array,
    offsets: Array,
    folds: Array,
    keys: Array,
    nodes: Array,
    is_entry: Array,
    boundaries: bool,
    seen: Array,  # by node: the last document that the entry which ends there was found in; -1
    first: Array,
    start: Array,
    end: Array,
    distinct: Array,
) -> None:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        position = offsets[document]
        stop = offsets[document + 1]
        in_word = False
        while position < stop:
            code, width = decode(data, position)
            if not (boundaries and in_word):
                after, node = _longest(data, position, stop, folds, keys, nodes, is_entry, boundaries)
                if after > position:
                    start[found] = position
                    end[found] = after
                    found += 1
                    distinct[document] += seen[node] != document
                    seen[node] = document
                    position = after
                    # Nothing else begins inside a match; behind it another may only where a word can begin.
                    in_word = bool(folds[_code_before(data, after)] & _IN_WORD)
                    continue
            in_word = bool(folds[code] & _IN_WORD)
            position += width
    first[len(offsets) - 1] = found


@kernel
def _code_before(data: Array, position: int) -> int:
    position -= 1
    while (data[position] & 0xC0) == 0x80:
        position -= 1
    return int(decode(data, position)[0])


@kernel
def _longest(
    data: Array, position: int, stop: int, folds: Array, keys: Array, nodes: Array, is_entry: Array, boundaries: bool
) -> Any:
    """(where the longest entry that begins here ends, its node); (the position, 0) if none does."""
    best = position
    best_node = 0
    node = 0
    while position < stop:
        code, width = decode(data, position)
        fold = folds[code]
        if is_entry[node] and not (boundaries and fold & _IN_WORD):
            best = position
            best_node = node
        slot = _slot(keys, node, fold >> _CODE)
        if keys[slot] < 0:
            return best, best_node
        node = nodes[slot]
        position += width
    if is_entry[node]:
        best = position
        best_node = node
    return best, best_node
