"""The perplexity of a text under a trigram model, as CCNet (Wenzek et al. 2020) takes it to part good from bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers import ngram_file
from taggers.columns import numbers, ratios
from taggers.compiled import kernel
from taggers.ngram_file import BEGIN, BITS, LINE_END, UNKNOWN, Model, find_key, find_word
from taggers.plain_words import END, find_plain_words
from taggers.text import TextBatch

Array = NDArray[Any]


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The perplexity.* columns; null without words. `model` is a local path."""
    value, words, known = measure(ngram_file.read(parameters["model"]), batch)
    return {"perplexity.value": numbers(value, words > 0), "perplexity.known": ratios(known, words)}


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where the model is no whole one."""
    ngram_file.read(parameters["model"])


def measure(model: Model, batch: TextBatch) -> tuple[Array, Array, Array]:
    """For each text its perplexity (float64, NaN without words), and how many words it has and are known (int64)."""
    tokens = find_plain_words(batch)
    value = np.full(len(batch), np.nan)
    words, known = np.zeros((2, len(batch)), np.int64)
    _measure(tokens.first, tokens.hash, *model.tables, value, words, known)
    return value, words, known


_END = np.uint64(END)


@kernel
def _measure(
    first: Array, tokens: Array, word_hash: Array, word: Array, unigram: Array, unigram_weight: Array,
    bigram_key: Array, bigram: Array, bigram_weight: Array, trigram_key: Array, trigram: Array, value: Array,
    words: Array, known: Array,
) -> None:
    begin = find_key(bigram_key, BEGIN << BITS | BEGIN)
    for document in range(len(value)):
        total = 0.0
        before = last = BEGIN
        context = begin  # the slot of the bigram of these two, -1 if there is none
        for token in range(first[document], first[document + 1]):
            if tokens[token] == _END:
                this = LINE_END
            else:
                this = find_word(word_hash, word, tokens[token])
                words[document] += 1
                known[document] += this != UNKNOWN
            pair = find_key(bigram_key, last << BITS | this)
            triple = -1
            if context >= 0:
                triple = find_key(trigram_key, (before << BITS | last) << BITS | this)
            if triple >= 0:
                total += np.float64(trigram[triple])
            else:
                if context >= 0:
                    total += np.float64(bigram_weight[context])
                if pair >= 0:
                    total += np.float64(bigram[pair])
                else:
                    total += np.float64(unigram_weight[last]) + np.float64(unigram[this])
            before, last, context = last, this, pair
            if this == LINE_END:
                before = last = BEGIN
                context = begin
        count = first[document + 1] - first[document]
        if count:
            value[document] = 2.0 ** (-total / count)
