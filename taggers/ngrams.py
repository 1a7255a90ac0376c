"""Repetition of word n-grams, Gopher's rules (Rae et al. 2021, Table A1), as dolma and as datatrove compute them.

An n-gram can only occur twice if the two (n-1)-grams in it do. So each step looks only at places that are still alive:

1. Give equal words of a document equal numbers: one hash table, hits verified where the hash leaves doubt.
2. For n = 2 .. 10, at each place where this (n-1)-gram and the next one both repeat, the n-gram is exactly the pair of
   their numbers, 64 bits. Most pairs occur once: a bitmap small enough for the cache tells nearly all of those.
3. Number the others by a hash table that holds the whole pair, and keep the places whose n-gram repeats. Nothing rests
   on luck. In most documents few are left after n = 3.

Numbers are given in order of first occurrence, so ties go to the n-gram that occurs first, as in Counter.most_common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.chunks import is_short, mix64, same_bytes, table_size
from taggers.columns import numbers, ratios
from taggers.compiled import helper, kernel
from taggers.text import TextBatch

Array = NDArray[Any]

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The ngrams.* columns; null without words, 0 where a text has words but fewer than n."""
    words = batch.words
    most = int(np.max(np.diff(words.first), initial=0))
    top, top_chars, duplicate, covered, whole = np.zeros((5, DUPLICATE[-1] + 1, len(batch)), np.int64)
    _count_ngrams(
        batch.data,
        words.first,
        words.start,
        words.end,
        words.length,
        words.hash,
        np.empty(table_size(most), np.int32),
        np.empty(table_size(most), np.uint64),
        np.empty(2 * _bitmap_size(most), np.uint64),
        np.empty(most, np.uint64),
        np.empty(most + 1, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most + 1, np.int32 if len(batch.data) < 1 << 31 else np.int64),
        top,
        top_chars,
        duplicate,
        covered,
        whole,
    )
    known = np.diff(words.first) != 0
    columns = {f"ngrams.top_{n}": ratios(top[n], batch.word_chars) for n in TOP}
    for n in TOP:
        columns[f"ngrams.top_{n}_datatrove"] = numbers(_shares(top_chars[n], batch.chars), known)
    for n in DUPLICATE:
        columns[f"ngrams.duplicate_{n}"] = numbers(_shares(duplicate[n], whole[n]), known)
    for n in DUPLICATE:
        columns[f"ngrams.covered_{n}"] = numbers(_shares(covered[n], batch.chars), known)
    return columns


def _shares(parts: Array, wholes: Array) -> Array:
    """parts / wholes, 0 where the whole is 0."""
    shares: Array = np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes != 0)
    return shares


@helper
def _bitmap_size(places: Any) -> int:
    """The uint64 of a bitmap for so many places: a power of two, 16 bits or more for each, but at most 64 KB."""
    size = 1
    while size < 1 << 13 and 4 * size < places:
        size *= 2
    return size


@kernel
def _count_ngrams(
    data: Array,
    first: Array,
    start: Array,
    end: Array,
    length: Array,
    hashes: Array,
    slots: Array,  # hash table: the number of the n-gram in the slot, or -1
    keys: Array,  # hash table: the hash of the word in the slot, or the pair of numbers
    bitmap: Array,  # which hashes of pairs occur, in its first half, and which occur twice, in its second
    pairs: Array,  # of places that are alive
    number: Array,  # by place: the number of the n-gram that begins there, -1 if it occurs once; one place more
    places: Array,  # where repeated n-grams begin, ascending
    occurrences: Array,  # by number
    origin: Array,  # by number: the place where it first occurs
    before: Array,  # by place: letters in the words before it
    top: Array,  # this and what follows are results, by n and document: letters of the most frequent n-gram x count
    top_chars: Array,  # its letters and the spaces between its words x count
    duplicate: Array,  # letters of all occurrences of n-grams that repeat
    covered: Array,  # letters under occurrences after the first, none twice
    whole: Array,  # letters of all occurrences of all n-grams
) -> None:
    for document in range(len(first) - 1):
        begin = first[document]
        count = first[document + 1] - begin
        if count == 0:
            continue
        before[0] = 0
        for place in range(count):
            before[place + 1] = before[place] + length[begin + place]
        _number_words(data, start, end, hashes, begin, count, slots, keys, number, occurrences, origin)
        alive = 0
        for place in range(count):
            repeats = occurrences[number[place]] > 1
            number[place] = number[place] if repeats else -1
            places[alive] = place
            alive += repeats
        number[count] = -1
        letters = np.int64(before[count])
        for n in range(2, min(10, count) + 1):
            # From all (n-1)-grams to all n-grams: each gains a word, and the last one goes.
            letters += before[count - n + 1] - before[n - 1]
            whole[n, document] = letters
            distinct, alive = _number_pairs(places[:alive], slots, keys, bitmap, pairs, number, occurrences, origin)
            if n <= 4:
                most, place = _top(distinct, occurrences, origin)
                letters_there = np.int64(before[place + n]) - before[place]
                top[n, document] = most * letters_there
                top_chars[n, document] = most * (letters_there + n - 1)
            alive = _keep_repeated(places[:alive], number, occurrences)
            if n >= 5:
                _weigh(n, places[:alive], number, origin, before, document, duplicate, covered)


@helper
def _number_words(
    data: Array,
    start: Array,
    end: Array,
    hashes: Array,
    begin: Any,
    count: Any,
    slots: Array,
    keys: Array,
    number: Array,
    occurrences: Array,
    origin: Array,
) -> None:
    """Numbers the words of a document. The table grows with the distinct ones: a small one stays in the cache."""
    size = min(table_size(count), 1024)
    slots[:size] = -1
    mask = np.uint64(size - 1)
    distinct = 0
    for place in range(count):
        word = begin + place
        key = hashes[word]
        slot = key & mask
        while True:
            found = slots[slot]
            if found < 0:
                found = distinct
                slots[slot] = found
                keys[slot] = key
                occurrences[found] = 0
                origin[found] = place
                distinct += 1
                break
            if keys[slot] == key:
                known = begin + origin[found]
                if is_short(key) or same_bytes(data, start[word], end[word], start[known], end[known]):
                    break
            slot = (slot + np.uint64(1)) & mask
        number[place] = found
        occurrences[found] += 1
        if 2 * distinct > size:
            size *= 2
            mask = np.uint64(size - 1)
            slots[:size] = -1
            for found in range(distinct):
                key = hashes[begin + origin[found]]
                slot = key & mask
                while slots[slot] >= 0:
                    slot = (slot + np.uint64(1)) & mask
                slots[slot] = found
                keys[slot] = key


_BITS = np.uint64(6)
_BIT = np.uint64(63)
_1 = np.uint64(1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / the golden ratio: Fibonacci hashing
_31 = np.uint64(31)
_32 = np.uint64(32)


@helper
def _number_pairs(
    places: Array, slots: Array, keys: Array, bitmap: Array, pairs: Array, number: Array, occurrences: Array,
    origin: Array,
) -> Any:
    """(distinct, left): numbers anew, by pairs of old numbers, the n-grams at these places.

    Leaves the places of those that may occur more than once, at the front; the number of others becomes -1. Only the
    last of the loops has branches that nothing foretells, and few places get that far.
    """
    half = _bitmap_size(len(places))
    bitmap[: 2 * half] = 0
    last = np.uint64(half - 1)
    for index in range(len(places)):
        place = places[index]
        following = number[place + 1]
        pair = np.uint64(number[place]) << _32 | np.uint64(following)
        pairs[index] = pair
        hashed = pair * _GOLDEN
        # The upper half of a product is well mixed: six bits of it find the bit, the others the integer.
        bit = np.uint64(following >= 0) << ((hashed >> _32) & _BIT)
        word = np.int64((hashed >> (_32 + _BITS)) & last)
        bitmap[half + word] |= bitmap[word] & bit
        bitmap[word] |= bit
    left = 0
    for index in range(len(places)):
        place = places[index]
        pair = pairs[index]
        hashed = pair * _GOLDEN
        word = np.int64((hashed >> (_32 + _BITS)) & last)
        twice = bitmap[half + word] >> ((hashed >> _32) & _BIT) & _1
        number[place] = -1
        places[left] = place
        pairs[left] = pair
        left += int(twice & ~(pair >> _31) & _1)  # a following n-gram that occurs once is -1, all ones
    size = table_size(left)
    slots[:size] = -1
    mask = np.uint64(size - 1)
    distinct = 0
    for index in range(left):
        place = places[index]
        pair = pairs[index]
        slot = mix64(pair) & mask
        while True:
            found = slots[slot]
            if found < 0:
                found = distinct
                slots[slot] = found
                keys[slot] = pair
                occurrences[found] = 0
                origin[found] = place
                distinct += 1
                break
            if keys[slot] == pair:
                break
            slot = (slot + _1) & mask
        number[place] = found
        occurrences[found] += 1
    return distinct, left


@helper
def _top(distinct: Any, occurrences: Array, origin: Array) -> Any:
    """(count, place) of the most frequent n-gram, of those the first; where none repeats, the first of the document."""
    most = np.int64(1)
    place = np.int64(0)
    for candidate in range(distinct):
        if occurrences[candidate] > most:
            most = occurrences[candidate]
            place = origin[candidate]
    return most, place


@helper
def _keep_repeated(places: Array, number: Array, occurrences: Array) -> int:
    """Leaves only places whose n-gram repeats, at the front; how many there are."""
    alive = 0
    for place in places:
        repeats = occurrences[number[place]] > 1
        number[place] = number[place] if repeats else -1
        places[alive] = place
        alive += repeats
    return alive


@helper
def _weigh(
    n: Any,
    places: Array,
    number: Array,
    origin: Array,
    before: Array,
    document: Any,
    duplicate: Array,
    covered: Array,
) -> None:
    free = 0  # where the last n-gram that was counted as covered ends
    for place in places:
        letters = before[place + n] - before[place]
        duplicate[n, document] += letters
        if place < free:
            continue
        found = number[place]
        if origin[found] < 0:
            covered[n, document] += letters
            free = place + n
        else:
            origin[found] = -1  # seen; the next numbering writes it anew
