"""Tokens as numbers, against a Counter."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taggers.numbering import Numbered, Tokens, TooManyTokens, number, often_first

BATCHES = st.lists(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=6), max_size=6)


def tokens(documents: list[list[int]]) -> Tokens:
    words = [word for document in documents for word in document]
    data = np.frombuffer(b"".join(b"%04d" % word for word in words), np.uint8)
    start = np.arange(len(words)) * 4
    first = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    # Hashes that fall on few slots: only their low bits find one.
    return Tokens(first, np.array([word << 3 for word in words], np.uint64), start, start + 4, data)


def check(numbered: Numbered, documents: list[list[int]]) -> None:
    words = [word for document in documents for word in document]
    assert np.diff(numbered.first).tolist() == [len(document) for document in documents]
    assert [int(numbered.hash[each]) >> 3 for each in numbered.number] == words
    assert [int(numbered.bytes[each]) for each in numbered.number] == words
    counts = Counter(words)
    assert {int(each) >> 3: int(count) for each, count in zip(numbered.hash, numbered.count, strict=True)} == counts
    expected = sorted((word for word in counts if counts[word] >= 2), key=lambda word: (-counts[word], word))
    assert [int(numbered.hash[each]) >> 3 for each in often_first(numbered, 2)] == expected


@settings(max_examples=100, deadline=None)
@given(BATCHES)
def test_numbers_are_the_tokens_again(batches: list[list[list[int]]]) -> None:
    check(number(map(tokens, batches), 10_000), [document for batch in batches for document in batch])


def test_the_table_grows() -> None:
    batches = [[list(range(start, start + 900))] for start in range(0, 9000, 600)]
    check(number(map(tokens, batches), 100_000), [document for batch in batches for document in batch])


def test_what_is_too_much_is_refused_before_it_is_held() -> None:
    taken = []

    def endless():  # type: ignore[no-untyped-def]
        while True:
            taken.append(1)
            yield tokens([[1, 2, 3]])

    with pytest.raises(TooManyTokens, match="more than 10 words"):
        number(endless(), 10)
    assert len(taken) == 4
