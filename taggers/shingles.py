"""Sets of shingles, by which texts are compared: so many consecutive units of a text, as one 64-bit hash.

Units are words, runs of non-whitespace as str.split() gives them, taken as they stand; a shingle has `ngram` of them.
In scripts without spaces units are code points that are not whitespace, and a shingle has 2 * `ngram`. Ten of them are
about six words of Chinese and two and a half of Thai; of 400 articles of Wikipedia, different ones in Chinese are then
as little alike as English ones are by five words (0.00004 on the average, and 0.00006), and Thai ones 0.0009, where six
code points would make them 0.006. More would let one edit undo more of a text. A text with fewer units has one shingle,
of all of them, and a text without any has none.

A hash is a polynomial of the hashes of its units modulo 2^64, which rolls on in one step whatever the size, mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.characters import SPACE, classes, spaceless
from taggers.chunks import mix64
from taggers.compiled import helper, kernel
from taggers.text import TextBatch, decode

Array = NDArray[Any]

WAYS = ("auto", "words", "chars")
CHUNK = 2048  # shingles that are computed at a time, which stay in the cache
CHARS = 2  # code points that a shingle has for each word that it would have

_BASE = 0xC4CEB9FE1A85EC53  # odd; less one it is twice an odd number, so that swapped units cost one bit of 64


def shingle_sets(batch: TextBatch, parameters: Mapping[str, Any]) -> tuple[Array, Array]:
    """(first, hashes): the different shingles of text d are hashes[first[d]:first[d + 1]], ascending.

    first is int64, documents + 1; hashes are uint64. `parameters` are those of the tagger minhash, of which ngram and
    shingles count here. A text without words has none.
    """
    sizes = sizes_of(parameters)
    by_chars = are_by_chars(batch, parameters)
    units = np.where(by_chars, batch.word_chars, np.diff(batch.words.first))
    most = np.maximum(units - np.where(by_chars, sizes[1], sizes[0]) + 1, np.minimum(units, 1))
    start = np.zeros(len(batch) + 1, np.int64)
    np.cumsum(most, out=start[1:])
    hashes = np.empty(start[-1], np.uint64)
    _list_shingles(batch.data, batch.offsets, classes(), by_chars, batch.words.first, batch.word_keys, sizes,
                   powers(sizes), room_for_units(sizes), start, hashes)
    for document in range(len(batch)):
        hashes[start[document] : start[document + 1]].sort()
    first = np.empty(len(batch) + 1, np.int64)
    return first, hashes[: _drop_repeats(start, hashes, first)].copy()


def common(a: Array, b: Array) -> int:
    """How many hashes two sets have in common; both ascending, each without repeats."""
    return int(_common(a, b))


def common_of_pairs(first: Array, hashes: Array, left: Array, right: Array) -> Array:
    """int64, pairs: how many shingles the texts left[i] and right[i] have in common, of what shingle_sets gives."""
    found = np.empty(len(left), np.int64)
    _common_of_pairs(first, hashes, left, right, found)
    return found


def are_similar(in_common: Array, sizes: Array, other_sizes: Array, threshold: Fraction) -> Array:
    """bool, pairs: whether the Jaccard similarity of two sets is the threshold or more, by whole numbers, exactly.

    Two empty sets have none. `sizes` are of the sets.
    """
    most = 2 * int(max(np.max(sizes, initial=1), np.max(other_sizes, initial=1)))
    fits = most * max(threshold.numerator, threshold.denominator) < 1 << 63
    shared, size, other = (np.asarray(each, np.int64 if fits else object) for each in (in_common, sizes, other_sizes))
    union = size + other - shared
    similar: Array = (shared * threshold.denominator >= union * threshold.numerator) & (union > 0)
    return similar.astype(bool)


# ---- for the kernels of this module and of minhash


def sizes_of(parameters: Mapping[str, Any]) -> Array:
    """int64: the units of a shingle of words, and of one of code points."""
    ngram, way = parameters["ngram"], parameters["shingles"]
    if way not in WAYS:
        raise ValueError(f"minhash: shingles is {way}; write one of {', '.join(WAYS)}")
    return np.array([ngram, CHARS * ngram], np.int64)


def are_by_chars(batch: TextBatch, parameters: Mapping[str, Any]) -> Array:
    """bool, documents: whether a text's shingles are of code points.

    By `auto`, where more than half of its code points that are not whitespace are of a script without spaces.
    """
    by_chars = np.full(len(batch), parameters["shingles"] == "chars")
    if parameters["shingles"] == "auto":
        # Each of theirs takes two bytes more than a code point of ASCII: no other text has to be read for this.
        extra = np.diff(batch.offsets) - batch.chars
        in_doubt = extra > batch.word_chars
        if in_doubt.any():
            _find_spaceless(batch.data, batch.offsets, spaceless(), batch.word_chars, in_doubt, by_chars)
    return by_chars


def powers(sizes: Array) -> Array:
    """uint64: by what the unit that leaves a shingle has been multiplied, for each size."""
    return np.array([pow(_BASE, int(size), 1 << 64) for size in sizes], np.uint64)


def room_for_units(sizes: Array) -> Array:
    """uint64: where the hashes of code points stand while they are rolled over."""
    return np.empty(int(sizes[1]) + CHUNK, np.uint64)


_B = np.uint64(_BASE)
_0 = np.uint64(0)
_1 = np.uint64(1)


@helper
def roll(
    units: Array, start: Any, stop: Any, oldest: Any, seen: Any, size: Any, power: Any, state: Any, found: Any,
    shingles: Array,
) -> Any:
    """(state, found): rolls on over units start to stop, and adds those shingles that end there.

    While there are fewer units than a shingle has, shingles[found] is the one of all of them, not counted yet. `seen`
    units of the text came before; where they stand in `units`, they do from `oldest` on.
    """
    for place in range(start, stop):
        leaving = units[place - size] if place - size >= oldest else _0
        state = state * _B + units[place] - leaving * power
        shingles[found] = mix64(state)
        seen += 1
        found += seen >= size
    return state, found


@helper
def read_units(data: Array, position: Any, stop: Any, table: Array, units: Array, start: Any, most: Any) -> Any:
    """(position, end): the hashes of code points that are not whitespace, up to so many, put into units from start."""
    end = start
    while position < stop and end < start + most:
        code, width = decode(data, position)
        position += width
        units[end] = mix64(np.uint64(code) + _1)
        end += (table[code] & SPACE) == 0
    return position, end


@helper
def keep_units(units: Array, size: Any, end: Any) -> None:
    """Moves the last units to the front, where the next ones follow."""
    for place in range(size):
        units[place] = units[end - size + place]


@kernel
def _list_shingles(
    data: Array, offsets: Array, table: Array, by_chars: Array, first: Array, words: Array, sizes: Array, powers: Array,
    units: Array, start: Array, shingles: Array,
) -> None:
    for document in range(len(by_chars)):
        found = start[document]
        if start[document + 1] == found:
            continue
        room = shingles[: start[document + 1]]
        if by_chars[document]:
            state = _0
            size = sizes[1]
            seen = 0
            units[:size] = _0
            position = offsets[document]
            while position < offsets[document + 1]:
                position, end = read_units(data, position, offsets[document + 1], table, units, size, CHUNK)
                state, found = roll(units, size, end, 0, seen, size, powers[1], state, found, room)
                seen += end - size
                keep_units(units, size, end)
        else:
            begin = first[document]
            roll(words, begin, first[document + 1], begin, 0, sizes[0], powers[0], _0, found, room)


@kernel
def _drop_repeats(start: Array, hashes: Array, first: Array) -> Any:
    found = 0
    for document in range(len(start) - 1):
        first[document] = found
        for place in range(start[document], start[document + 1]):
            if place == start[document] or hashes[place] != hashes[place - 1]:
                hashes[found] = hashes[place]
                found += 1
    first[len(start) - 1] = found
    return found


@kernel
def _common(a: Array, b: Array) -> Any:
    found = 0
    left = 0
    right = 0
    while left < len(a) and right < len(b):
        mine = a[left]
        other = b[right]
        found += mine == other
        left += mine <= other
        right += other <= mine
    return found


@kernel
def _common_of_pairs(first: Array, hashes: Array, left: Array, right: Array, found: Array) -> None:
    for pair in range(len(found)):
        one, other = left[pair], right[pair]
        found[pair] = _common(hashes[first[one] : first[one + 1]], hashes[first[other] : first[other + 1]])


@kernel
def _find_spaceless(
    data: Array, offsets: Array, table: Array, word_chars: Array, in_doubt: Array, spaceless: Array
) -> None:
    for document in range(len(in_doubt)):
        if not in_doubt[document]:
            continue
        found = 0
        position = offsets[document]
        while position < offsets[document + 1]:
            code, width = decode(data, position)
            found += table[code]
            position += width
        spaceless[document] = 2 * found > word_chars[document]
