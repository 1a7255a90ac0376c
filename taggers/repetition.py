"""Runs of one character, and runs of words with a period of up to 13, as OLMo's data loader looks for among tokens.

A run of words has a period p where each word but the first p equals the one p places before it. Such a run of at
least 2 p words past its first p covers a place that is a multiple of 2 p: only those are looked at, and runs grown from
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.characters import SPACE, classes
from taggers.chunks import count_trailing_zeros, mask_below, mask_same, same_piece
from taggers.columns import counts, ratios
from taggers.compiled import helper, kernel
from taggers.text import TextBatch, decode

Array = NDArray[Any]

LEAST_CHARS = 4  # of a run of one character
LEAST_TIMES = 3  # of a run of words; OLMo's loader drops from 32 on
LONGEST_PERIOD = 13


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The repetition.* columns; counts are 0 without any run, and shares null for an empty text."""
    words = batch.words
    runs, chars, longest, longest_visible, times, period = found = np.zeros((6, len(batch)), np.int64)
    _find_char_runs(batch.data, classes(), batch.offsets, *found[:4])
    _find_word_runs(batch.data, words.first, words.start, words.end, words.hash, times, period)
    return {
        "repetition.char_runs": counts(runs),
        "repetition.char_run_share": ratios(chars, batch.chars),
        "repetition.longest_char_run": counts(longest),
        "repetition.longest_visible_run": counts(longest_visible),
        "repetition.word_period_times": counts(times),
        "repetition.word_period": counts(period),
    }


_0 = np.uint64(0)
_1 = np.uint64(1)
_2 = np.uint64(2)
_3 = np.uint64(3)
_4 = np.uint64(4)
_6 = np.uint64(6)
_8 = np.uint64(8)
# A run of four code points of 4 bytes is seen by 12 bytes that equal the one 4 further on; the first may be any of 48.
_STEP = 48
_FIRST_48 = np.uint64((1 << _STEP) - 1)


@kernel
def _find_char_runs(
    data: Array, table: Array, offsets: Array, runs: Array, chars: Array, longest: Array, longest_visible: Array
) -> None:
    for document in range(len(runs)):
        position = offsets[document]
        stop = offsets[document + 1]
        while position < stop:
            if position + 68 <= len(data):
                bits = _alike(data, position)
                if bits == _0:
                    position += _STEP
                    continue
                position += count_trailing_zeros(bits)
                if position >= stop:
                    break
            while data[position] & 0xC0 == 0x80:  # what was skipped ends within a code point
                position += 1
                if position == stop:
                    break
            if position == stop:
                break
            code, width = decode(data, position)
            after = position + width
            count = 1
            while after < stop and data[after] == data[position] and decode(data, after)[0] == code:
                after += width
                count += 1
            position = after
            if count >= LEAST_CHARS:
                runs[document] += 1
                chars[document] += count
                longest[document] = max(longest[document], count)
                if not table[code] & SPACE:
                    longest_visible[document] = max(longest_visible[document], count)


@helper
def _alike(data: Array, position: Any) -> Any:
    """Where among 48 bytes four equal code points may begin: bytes that equal those one code point further on."""
    one = mask_same(data, position, 1)
    found = one & one >> _1 & one >> _2
    if mask_below(data, position, 128) != ~_0:
        two = mask_same(data, position, 2)
        two &= two >> _1
        found |= two & two >> _2 & two >> _4
        three = mask_same(data, position, 3)
        three &= three >> _1 & three >> _2
        found |= three & three >> _3 & three >> _6
        four = mask_same(data, position, 4)
        four &= four >> _1
        four &= four >> _2
        found |= four & four >> _4 & four >> _8
    return found & _FIRST_48


@kernel
def _find_word_runs(
    data: Array, first: Array, start: Array, end: Array, hashes: Array, times: Array, period: Array
) -> None:
    for document in range(len(times)):
        begin = first[document]
        stop = first[document + 1]
        for step in range(1, min(LONGEST_PERIOD, (stop - begin) // LEAST_TIMES) + 1):
            word = begin + 3 * step - 1
            while word < stop:
                if hashes[word] != hashes[word - step] or not same_piece(data, start, end, hashes, word, word - step):
                    word += 2 * step
                    continue
                low = word
                while low - 1 >= begin + step and same_piece(data, start, end, hashes, low - 1, low - 1 - step):
                    low -= 1
                high = word + 1
                while high < stop and same_piece(data, start, end, hashes, high, high - step):
                    high += 1
                count = (high - low + step) // step
                if count >= LEAST_TIMES and count > times[document]:
                    times[document] = count
                    period[document] = step
                word = high + 2 * step
