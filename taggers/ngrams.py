"""Repetition of word n-grams, Gopher's rules (Rae et al. 2021, Table A1), as dolma and as datatrove compute them.

An n-gram can only occur twice if the two (n-1)-grams in it do. So each step looks only at places that are still alive:

1. Give equal words of a document equal numbers: one hash table, hits verified byte for byte.
2. For n = 2 .. 10, at each place where this (n-1)-gram and the next one both repeat, the n-gram is exactly the pair of
   their numbers, 64 bits: number the pairs by a hash table that holds the whole pair. Nothing rests on luck.
3. Keep the places whose n-gram repeats. In most documents few are left after n = 3.

Numbers are given in order of first occurrence, so ties go to the n-gram that occurs first, as in Counter.most_common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.chunks import mix64, same_piece
from taggers.columns import numbers, ratios
from taggers.compiled import kernel
from taggers.duplicates import table_size
from taggers.text import TextBatch

Array = NDArray[Any]

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The ngrams.* columns; null without words, 0 where a text has words but fewer than n."""
    words = batch.words
    most = int(np.max(np.diff(words.first), initial=0))
    top, duplicate, covered, whole = np.zeros((4, DUPLICATE[-1] + 1, len(batch)), np.int64)
    _count_ngrams(
        batch.data,
        words.first,
        words.start,
        words.end,
        words.length,
        words.hash,
        np.empty(table_size(most), np.int32),
        np.empty(table_size(most), np.int64),
        np.empty(most + 1, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most + 1, np.int64),
        top,
        duplicate,
        covered,
        whole,
    )
    known = np.diff(words.first) != 0
    columns = {f"ngrams.top_{n}": ratios(top[n], batch.word_chars) for n in TOP}
    for n in DUPLICATE:
        share = np.divide(duplicate[n], whole[n], out=np.zeros(len(batch)), where=whole[n] != 0)
        columns[f"ngrams.duplicate_{n}"] = numbers(share, known)
    for n in DUPLICATE:
        share = np.divide(covered[n], batch.chars, out=np.zeros(len(batch)), where=known)
        columns[f"ngrams.covered_{n}"] = numbers(share, known)
    return columns


@kernel
def _count_ngrams(
    data: Array,
    first: Array,
    start: Array,
    end: Array,
    length: Array,
    hashes: Array,
    slots: Array,  # hash table: the number of the n-gram in the slot, or -1
    keys: Array,  # hash table: the pair of numbers in the slot
    number: Array,  # by place: the number of the n-gram that begins there, -1 if it occurs once; one place more
    places: Array,  # where repeated n-grams begin, ascending
    occurrences: Array,  # by number
    origin: Array,  # by number: the place where it first occurs
    before: Array,  # by place: letters in the words before it
    top: Array,  # this and the next three are results, by n and document: letters of the most frequent n-gram x count
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
        distinct = _number_words(
            data, start, end, hashes, begin, count, slots[: table_size(count)], number, occurrences, origin
        )
        alive = 0
        for place in range(count):
            if occurrences[number[place]] > 1:
                places[alive] = place
                alive += 1
            else:
                number[place] = -1
        number[count] = -1
        letters = before[count]
        for n in range(2, min(10, count) + 1):
            # From all (n-1)-grams to all n-grams: each gains a word, and the last one goes.
            letters += before[count - n + 1] - before[n - 1]
            whole[n, document] = letters
            distinct = _number_pairs(places[:alive], slots, keys, number, occurrences, origin)
            if n <= 4:
                top[n, document] = _top(n, distinct, occurrences, origin, before)
            alive = _keep_repeated(places[:alive], number, occurrences)
            if n >= 5:
                _weigh(n, places[:alive], number, origin, before, document, duplicate, covered)


@kernel
def _number_words(
    data: Array,
    start: Array,
    end: Array,
    hashes: Array,
    begin: int,
    count: int,
    slots: Array,
    number: Array,
    occurrences: Array,
    origin: Array,
) -> int:
    """Numbers the words of a document; how many distinct ones there are."""
    slots[:] = -1
    mask = np.uint64(len(slots) - 1)
    distinct = 0
    for place in range(count):
        word = begin + place
        slot = hashes[word] & mask
        while True:
            found = slots[slot]
            if found < 0:
                found = distinct
                slots[slot] = found
                occurrences[found] = 0
                origin[found] = place
                distinct += 1
                break
            known = begin + origin[found]
            if same_piece(data, start, end, hashes, word, known):
                break
            slot = (slot + np.uint64(1)) & mask
        number[place] = found
        occurrences[found] += 1
    return distinct


@kernel
def _number_pairs(places: Array, slots: Array, keys: Array, number: Array, occurrences: Array, origin: Array) -> int:
    """Numbers anew, by pairs of old numbers, the n-grams at these places; -1 where the next place has none.

    Works in place: a pair is read before either of its numbers is replaced, because places ascend.
    """
    size = table_size(len(places))
    slots[:size] = -1
    mask = np.uint64(size - 1)
    distinct = 0
    for place in places:
        following = np.int64(number[place + 1])
        if following < 0:
            number[place] = -1
            continue
        key = np.int64(number[place]) << 32 | following
        slot = mix64(np.uint64(key)) & mask
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
                break
            slot = (slot + np.uint64(1)) & mask
        number[place] = found
        occurrences[found] += 1
    return distinct


@kernel
def _top(n: int, distinct: int, occurrences: Array, origin: Array, before: Array) -> Any:
    """Letters x count of the most frequent n-gram; where none repeats, that is the first of the document."""
    most = 1
    place = 0
    for candidate in range(distinct):
        if occurrences[candidate] > most:
            most = occurrences[candidate]
            place = origin[candidate]
    return most * (before[place + n] - before[place])


@kernel
def _keep_repeated(places: Array, number: Array, occurrences: Array) -> int:
    """Leaves only places whose n-gram repeats, at the front; how many there are."""
    alive = 0
    for place in places:
        if number[place] < 0:
            continue
        if occurrences[number[place]] > 1:
            places[alive] = place
            alive += 1
        else:
            number[place] = -1
    return alive


@kernel
def _weigh(
    n: int,
    places: Array,
    number: Array,
    origin: Array,
    before: Array,
    document: int,
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
