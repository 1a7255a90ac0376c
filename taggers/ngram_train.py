"""Trains the trigram model of `perplexity`: interpolated modified Kneser-Ney (Chen and Goodman 1999, section 4.1.6).

Words are those of taggers/plain_words.py; each line is a sequence from two begins to its end, which is predicted too.

    p(w | u v) = max(0, c(u v w) - D(c)) / c(u v .) + weight(u v) p(w | v)

and so on with one word less, where c counts the distinct words before, and at last with 1 / V in place of p. D is 0,
D1, D2 or D3 for counts of 0, 1, 2, and more, estimated from how many n-grams occur once to four times; where that is
impossible, as it is on little text, they are 0.5, 1 and 1.5. The weights are what is left, so all probabilities after
a context sum to 1, n-grams that are left out for their rarity included.

Rare words are unknown. What they have together is shared in equal parts by as many words as were unknown in training:
else a text of nothing but unknown words would be the most probable of all.

The same lines give the same file, to the byte, on any machine and in whatever order the documents come: counts are
whole numbers, and the rest is a few additions, products and our own logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.ngram_file import BEGIN, BITS, FIRST_WORD, LINE_END, UNKNOWN, WORDS_MOST, Model, Tables, slot_of, table
from taggers.numbering import Numbered, number, often_first
from taggers.plain_words import END, find_plain_words
from taggers.text import TextBatch

Array = NDArray[Any]


@dataclass(frozen=True)
class Settings:
    """How to train."""

    vocabulary: int = 200_000  # words known at most, the most frequent
    least_word: int = 2  # a word that occurs less often is unknown
    least_bigram: int = 1  # pairs that follow fewer distinct words are left out
    least_trigram: int = 2  # triples that occur less often are left out
    most_words: int = 50_000_000  # kept in memory, 20 bytes each


def train(batches: Iterable[TextBatch], settings: Settings) -> Model:
    """The model of all lines of these texts, for ngram_file.write.

    ValueError for settings that cannot be and for texts without words, TooManyTokens beyond Settings.most_words.
    """
    _check(settings)
    words, hashes, unknown = _vocabulary(number(map(find_plain_words, batches), settings.most_words), settings)
    counted = _count(words, FIRST_WORD + len(hashes))
    del words
    return _model(_estimate(counted, settings), hashes, unknown)


def thirds(values: Array) -> tuple[float, float]:
    """The perplexities up to which a text is in the head and in the middle third of texts like these; NaN is left out.

    Each is the lowest value that a third, or two, of the values do not exceed. ValueError if all are NaN.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        raise ValueError("no text has a perplexity: there are no words in these texts")
    head, middle = np.quantile(known, [1 / 3, 2 / 3], method="inverted_cdf")
    return float(head), float(middle)


def _check(settings: Settings) -> None:
    wrong = [
        message for message, holds in (
            (f"vocabulary is 1 to {WORDS_MOST - FIRST_WORD:,}", 1 <= settings.vocabulary <= WORDS_MOST - FIRST_WORD),
            ("least_word is 1 or more", settings.least_word >= 1),
            ("least_bigram is 1 or more", settings.least_bigram >= 1),
            ("least_trigram is 1 or more", settings.least_trigram >= 1),
            ("most_words is 1 or more", settings.most_words >= 1),
        ) if not holds
    ]
    if wrong:
        raise ValueError(f"{settings}: " + "; ".join(wrong))


def _vocabulary(numbered: Numbered, settings: Settings) -> tuple[Array, Array, int]:
    """All words by their numbers in the model, ends of lines included; the hashes of the known ones; the unknown."""
    if not len(numbered.number):
        raise ValueError("there are no words in these texts: nothing to learn from")
    ends = np.flatnonzero(numbered.hash == np.uint64(END))
    kept = often_first(numbered, settings.least_word)
    kept = kept[~np.isin(kept, ends)][: settings.vocabulary]
    place = np.full(len(numbered.hash), UNKNOWN, np.int32)
    place[ends] = LINE_END
    place[kept] = np.arange(FIRST_WORD, FIRST_WORD + len(kept))
    unknown = len(numbered.hash) - len(ends) - len(kept)
    return place[numbered.number], numbered.hash[kept], max(1, unknown)


class _Counts(NamedTuple):
    trigram: Array  # int64 keys, ascending
    trigram_count: Array  # int32: occurrences
    bigram: Array  # int64 keys, ascending
    bigram_count: Array  # int32: distinct words before
    unigram_count: Array  # int64, by number: distinct words before


def _count(words: Array, numbers: int) -> _Counts:
    keys = np.empty(len(words), np.int64)
    _trigram_keys(words, keys)
    keys.sort()
    trigram, trigram_count = _distinct(keys)
    del keys
    pairs = trigram & ((1 << 2 * BITS) - 1)
    pairs.sort()
    bigram, bigram_count = _distinct(pairs)
    return _Counts(trigram, trigram_count, bigram, bigram_count, np.bincount(bigram & WORDS_MOST, minlength=numbers))


def _distinct(ordered: Array) -> tuple[Array, Array]:
    """The distinct keys and how often each is there; overwrites what it is given."""
    counts = np.empty(len(ordered), np.int32)
    found = _runs(ordered, counts)
    return ordered[:found].copy(), counts[:found].copy()


class _Estimates(NamedTuple):
    """Probabilities and weights as float64; those of UNKNOWN for all unknown words together."""

    unigram: Array  # by number
    unigram_weight: Array  # by number
    bigram_key: Array  # ascending
    bigram: Array
    bigram_weight: Array
    trigram_key: Array  # ascending
    trigram: Array


def _estimate(counted: _Counts, settings: Settings) -> _Estimates:
    unigram = _unigrams(counted.unigram_count)

    # All bigrams, the rare ones too: without its own share, one has what its context's weight gives it.
    context = counted.bigram >> BITS
    share, weight = np.empty((2, len(context)))
    _weigh(context, counted.bigram_count, settings.least_bigram, *_discounts(counted.bigram_count), share, weight)
    bigram = share + weight * unigram[counted.bigram & WORDS_MOST]
    unigram_weight = np.ones(len(unigram))
    unigram_weight[context] = weight

    most = int(np.count_nonzero(counted.trigram_count >= settings.least_trigram))
    key, share, weight = np.empty(most, np.int64), np.empty(most), np.empty(most)
    bigram_weight = np.ones(len(bigram) + 1)
    kept = np.append(counted.bigram_count >= settings.least_bigram, True)  # the two begins are kept
    found = _weigh_trigrams(
        counted.trigram, counted.trigram_count, settings.least_trigram, *_discounts(counted.trigram_count),
        counted.bigram, kept, key, share, weight, bigram_weight,
    )
    key = key[:found]
    shorter = np.searchsorted(counted.bigram, key & ((1 << 2 * BITS) - 1))
    trigram = share[:found] + weight[:found] * bigram[shorter]

    # Where the two begins stand in the order: after all pairs that begin with a lesser number.
    place = int(np.searchsorted(counted.bigram, BEGIN << BITS | BEGIN))
    return _Estimates(
        unigram, unigram_weight,
        np.insert(counted.bigram, place, BEGIN << BITS | BEGIN)[np.insert(kept[:-1], place, True)],
        np.insert(bigram, place, 0.0)[np.insert(kept[:-1], place, True)],
        np.insert(bigram_weight[:-1], place, bigram_weight[-1])[np.insert(kept[:-1], place, True)],
        key, trigram,
    )


def _unigrams(count: Array) -> Array:
    """By number; the uniform share goes to all that can be predicted, and so not to BEGIN."""
    one, two, more = _discounts(count)
    total = int(np.sum(count))
    taken = np.choose(np.minimum(count, 3), [0.0, one, two, more])
    kinds = np.bincount(np.minimum(count, 3), minlength=4)
    left = (one * int(kinds[1]) + two * int(kinds[2]) + more * int(kinds[3])) / total
    probability: Array = (count - taken) / total + left / (len(count) - 1)
    probability[BEGIN] = 0.0
    return probability


def _discounts(count: Array) -> tuple[float, float, float]:
    """D1, D2 and D3 by Chen and Goodman's formula; 0.5, 1 and 1.5 where it divides by 0 or takes what is not there."""
    one, two, three, four = (int(np.count_nonzero(count == times)) for times in (1, 2, 3, 4))
    if one and two and three:
        share = one / (one + 2 * two)
        found = (1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three)
        if all(0 < taken <= most for taken, most in zip(found, (1, 2, 3), strict=True)):
            return found
    return 0.5, 1.0, 1.5


def _model(estimates: _Estimates, hashes: Array, unknown: int) -> Model:
    """The estimates as a file has them: logarithms in hash tables, and one unknown word's share for UNKNOWN."""
    unigram, bigram, trigram = (
        _logarithms(probability / np.where(last == UNKNOWN, unknown, 1))
        for probability, last in (
            (estimates.unigram, np.arange(len(estimates.unigram))),
            (estimates.bigram, estimates.bigram_key & WORDS_MOST),
            (estimates.trigram, estimates.trigram_key & WORDS_MOST),
        )
    )
    word_slots, bigram_slots, trigram_slots = map(table, (len(hashes), len(bigram), len(trigram)))
    tables = Tables(
        np.zeros(word_slots, np.uint64), np.full(word_slots, -1, np.int32),
        unigram, _logarithms(estimates.unigram_weight),
        np.full(bigram_slots, -1, np.int64), np.zeros(bigram_slots, np.float32), np.zeros(bigram_slots, np.float32),
        np.full(trigram_slots, -1, np.int64), np.zeros(trigram_slots, np.float32),
    )
    _place_words(hashes, tables.word_hash, tables.word)
    weights = _logarithms(estimates.bigram_weight)
    _place(estimates.bigram_key, bigram, weights, tables.bigram_key, tables.bigram, tables.bigram_weight)
    unused = np.zeros(len(trigram), np.float32)
    _place(estimates.trigram_key, trigram, unused, tables.trigram_key, tables.trigram, np.empty_like(tables.trigram))
    return Model(tables, unknown)


def _logarithms(values: Array) -> Array:
    logarithms = np.empty(len(values), np.float32)
    _log2(values, logarithms)
    return logarithms


@kernel
def _trigram_keys(words: Array, keys: Array) -> None:
    before: Any = BEGIN
    last: Any = BEGIN
    for place in range(len(words)):
        this = np.int64(words[place])
        keys[place] = (before << BITS | last) << BITS | this
        before, last = last, this
        if this == LINE_END:
            before = last = BEGIN


@kernel
def _runs(ordered: Array, counts: Array) -> int:
    found = -1
    for place in range(len(ordered)):
        if place and ordered[place] == ordered[found]:
            counts[found] += 1
        else:
            found += 1
            ordered[found] = ordered[place]
            counts[found] = 1
    return found + 1


@kernel
def _group(context: Array, start: int) -> int:
    """Where the run of equal contexts that begins here ends."""
    end = start + 1
    while end < len(context) and context[end] == context[start]:
        end += 1
    return end


@kernel
def _taken(count: int, one: float, two: float, more: float) -> float:
    return one if count == 1 else two if count == 2 else more


@kernel
def _weigh(
    context: Array, count: Array, least: int, one: float, two: float, more: float, share: Array, weight: Array
) -> None:
    """For each n-gram its discounted share of its context, 0 if it is rarer than `least`, and the context's weight."""
    start = 0
    while start < len(context):
        end = _group(context, start)
        total = 0
        left = 0.0
        for ngram in range(start, end):
            total += count[ngram]
            left += _taken(count[ngram], one, two, more) if count[ngram] >= least else count[ngram]
        for ngram in range(start, end):
            kept = count[ngram] >= least
            share[ngram] = (count[ngram] - _taken(count[ngram], one, two, more)) / total if kept else 0.0
            weight[ngram] = left / total
        start = end


@kernel
def _weigh_trigrams(
    trigram: Array, count: Array, least: int, one: float, two: float, more: float, bigram: Array, bigram_kept: Array,
    key: Array, share: Array, weight: Array, bigram_weight: Array,
) -> int:
    """The same for those trigrams alone that are kept, for which their context has to be; how many they are.

    The weight of each context goes to its bigram, that of the two begins, which are none, to the last place.
    """
    found = 0
    start = 0
    place = 0  # of the context among the bigrams, both ascending
    while start < len(trigram):
        context = trigram[start] >> BITS
        end = start
        total = 0
        left = 0.0
        while end < len(trigram) and trigram[end] >> BITS == context:
            total += count[end]
            left += _taken(count[end], one, two, more) if count[end] >= least else count[end]
            end += 1
        while place < len(bigram) and bigram[place] < context:
            place += 1
        own = place if place < len(bigram) and bigram[place] == context else len(bigram)
        if bigram_kept[own]:
            bigram_weight[own] = left / total
            for ngram in range(start, end):
                if count[ngram] >= least:
                    key[found] = trigram[ngram]
                    share[found] = (count[ngram] - _taken(count[ngram], one, two, more)) / total
                    weight[found] = left / total
                    found += 1
        start = end
    return found


@kernel
def _place_words(hashes: Array, slots: Array, numbers: Array) -> None:
    for word in range(len(hashes)):
        slot = slot_of(hashes[word], len(slots))
        while numbers[slot] >= 0:
            slot = slot + 1 if slot + 1 < len(slots) else 0
        slots[slot] = hashes[word]
        numbers[slot] = FIRST_WORD + word


@kernel
def _place(ordered: Array, values: Array, weights: Array, keys: Array, value: Array, weight: Array) -> None:
    for entry in range(len(ordered)):
        slot = slot_of(ordered[entry], len(keys))
        while keys[slot] >= 0:
            slot = slot + 1 if slot + 1 < len(keys) else 0
        keys[slot] = ordered[entry]
        value[slot] = values[entry]
        weight[slot] = weights[entry]


_TERMS = 15


@kernel
def _log2(values: Array, logarithms: Array) -> None:
    """Logarithms to base 2 within 1e-15, by arithmetic that is the same on every machine; minus infinity for 0."""
    for place in range(len(values)):
        if values[place] <= 0.0:
            logarithms[place] = -np.inf
            continue
        part, power = math.frexp(values[place])  # from 0.5 to 1
        ratio = (part - 0.75) / (part + 0.75)  # ln(part / 0.75) is 2 (ratio + ratio ** 3 / 3 + ...)
        square = ratio * ratio
        series = 0.0
        for term in range(_TERMS, -1, -1):
            series = series * square + 1.0 / (2 * term + 1)
        logarithms[place] = power + _LOG2_OF_3_4 + 2.0 * ratio * series * _LOG2_OF_E


_LOG2_OF_3_4 = -0.41503749927884376
_LOG2_OF_E = 1.4426950408889634
