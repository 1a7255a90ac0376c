"""Word statistics of Gopher (Rae et al. 2021, Table A1), as dolma's gopher_v2 and as the paper has them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.characters import DOTS, LETTER, SYMBOL, punctuation
from taggers.columns import counts, numbers, ratios
from taggers.compiled import kernel
from taggers.text import TextBatch, decode

Array = NDArray[Any]

REQUIRED = ("the", "be", "to", "of", "and", "that", "have", "with")  # Gopher's, case-sensitive


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The words.* columns; a text without words has counts of 0 and null for all else."""
    words = batch.words
    documents = len(batch)
    total = np.diff(words.first)
    medians = np.zeros(documents, np.float64)
    symbols, symbols_paper, hashes, ellipses, alphabetic = flagged = np.zeros((5, documents), np.int64)
    bare, bare_chars, required, distinct = np.zeros((4, documents), np.int64)
    longest = int(np.max(total, initial=0))
    _median_lengths(words.first, words.length, np.zeros(_BINS, np.int64), np.empty(longest, np.int32), medians)
    _count_flags(batch.data, words.first, words.start, words.end, words.flags, *flagged)
    _count_bare(batch.data, punctuation(), words.first, words.start, words.end, words.length, words.flags, bare,
                bare_chars)
    _count_required(words.first, words.hash, *_required(), required, distinct)
    return {
        "words.count": counts(total),
        "words.count_datatrove": counts(total - bare),
        "words.mean_length": ratios(batch.word_chars, total),
        "words.mean_length_datatrove": ratios(batch.word_chars - bare_chars, total - bare),
        "words.median_length": numbers(medians, total != 0),
        "words.symbols": ratios(symbols, total),
        "words.symbols_paper": ratios(symbols_paper, total),
        "words.hashes_datatrove": ratios(hashes, total),
        "words.ellipses_datatrove": ratios(ellipses, total),
        "words.alphabetic": ratios(alphabetic, total),
        "words.required": counts(required),
        "words.required_distinct": counts(distinct),
    }


_HASH = ord("#")
_DOT = ord(".")

# Word lengths below this are counted in bins; a text whose median is longer is sorted.
_BINS = 64


@functools.cache
def _required() -> tuple[Array, Array]:
    """(hashes, bits) by the low bits of a hash: that of the required word which has them, and which word it is."""
    found = TextBatch.of_strings([" ".join(REQUIRED)]).words.hash  # words this short are told apart by their hashes
    size = 8
    while len(set(found % size)) < len(found):
        size *= 2
    hashes = np.arange(size, dtype=np.uint64) ^ np.uint64(1)  # what no hash with these low bits can be
    bits = np.zeros(size, np.int64)
    hashes[found % size] = found
    bits[found % size] = 1 << np.arange(len(found))
    return hashes, bits


@kernel
def _median_lengths(first: Array, length: Array, bins: Array, room: Array, medians: Array) -> None:
    for document in range(len(medians)):
        begin = first[document]
        end = first[document + 1]
        count = end - begin
        if count == 0:
            continue
        bins[:] = 0
        for word in range(begin, end):
            bins[min(length[word], _BINS - 1)] += 1
        # The two middle ranks, which are one if the count is odd.
        low_rank = (count - 1) // 2
        high_rank = count // 2
        below = 0
        low = -1
        high = -1
        for size in range(_BINS - 1):
            below += bins[size]
            if low < 0 and below > low_rank:
                low = size
            if below > high_rank:
                high = size
                break
        if high < 0:
            room[:count] = length[begin:end]
            ordered = np.sort(room[:count])
            low = ordered[low_rank]
            high = ordered[high_rank]
        medians[document] = (low + high) / 2


@kernel
def _count_flags(
    data: Array, first: Array, start: Array, end: Array, flags: Array, symbols: Array, symbols_paper: Array,
    hashes: Array, ellipses: Array, alphabetic: Array,
) -> None:
    for document in range(len(symbols)):
        letters = 0
        for word in range(first[document], first[document + 1]):
            flag = flags[word]
            letters += (flag & LETTER) != 0
            if flag & (SYMBOL | DOTS):
                symbols[document] += (flag & SYMBOL) != 0
                symbols_paper[document] += 1
                dots = 0
                for position in range(start[word], end[word]):
                    byte = data[position]
                    hashes[document] += byte == _HASH
                    dots = dots + 1 if byte == _DOT else 0
                    ellipses[document] += dots == 3
                    dots = 0 if dots == 3 else dots
                    # … is E2 80 A6, and the word begins before its third byte.
                    if byte == 0xA6 and position - start[word] >= 2:
                        ellipses[document] += data[position - 1] == 0x80 and data[position - 2] == 0xE2
        alphabetic[document] = letters


@kernel
def _count_bare(
    data: Array, table: Array, first: Array, start: Array, end: Array, length: Array, flags: Array, bare: Array,
    chars: Array,
) -> None:
    """Words that are punctuation alone, which no letter is."""
    for document in range(len(bare)):
        for word in range(first[document], first[document + 1]):
            if flags[word] & LETTER:
                continue
            position = np.int64(start[word])
            code, width = decode(data, position)
            while table[code]:
                position += width
                if position == end[word]:
                    bare[document] += 1
                    chars[document] += length[word]
                    break
                code, width = decode(data, position)


@kernel
def _count_required(
    first: Array, hashes: Array, wanted: Array, bits: Array, required: Array, distinct: Array
) -> None:
    mask = np.uint64(len(wanted) - 1)
    for document in range(len(required)):
        seen = 0
        count = 0
        for word in range(first[document], first[document + 1]):
            slot = np.int64(hashes[word] & mask)
            same = wanted[slot] == hashes[word]
            count += same
            seen |= bits[slot] * same
        required[document] = count
        while seen:
            distinct[document] += 1
            seen &= seen - 1
