"""Repeated stretches are those of a dict over all windows; and cost no more where text repeats itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
import stretch_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from taggers import stretches
from taggers.matching import Scheme, Symbols, fingerprints, symbols
from taggers.stretches import OCCURRENCE, SEGMENT, gather, pieces_of, spans_of
from taggers.text import TextBatch


def found_spans(texts: Symbols, scheme: Scheme, tasks: int = 1) -> tuple[np.ndarray, int]:
    """As the job finds them, with the documents dealt to tasks, but of all anchors."""
    held: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for task in range(tasks):
        mine = [document for document in range(len(texts.first) - 1) if document % tasks == task]
        first = np.cumsum([0, *(texts.first[each + 1] - texts.first[each] for each in mine)])
        values = np.concatenate([texts.values[texts.first[each] : texts.first[each + 1]] for each in mine]
                                or [texts.values[:0]])
        part = Symbols(values, first)
        prints = fingerprints(part, scheme)
        gathered = gather(part, prints, np.arange(len(prints.key)), scheme.length)
        gathered.occurrences["document"] = np.array(mine, np.int64)[gathered.occurrences["document"]]
        held.append((part.bytes, gathered.segments, gathered.occurrences))
    data = np.concatenate([each[0] for each in held])
    begins = np.cumsum([0, *(len(each[0]) for each in held)])
    numbers = np.cumsum([0, *(len(each[1]) for each in held)])
    for (_, segments, occurrences), begin, number in zip(held, begins, numbers, strict=False):
        segments["begin"] += begin
        occurrences["segment"] += number
    found = list(pieces_of(data, texts.width, scheme.length, np.concatenate([np.empty(0, SEGMENT), *(s for _, s, _ in held)]),
                           np.concatenate([np.empty(0, OCCURRENCE), *(o for _, _, o in held)])))
    return spans_of(np.concatenate([np.empty(0, stretches.PIECE), *found]), scheme.length)


def assert_equal_oracle(rows: Sequence[Sequence[object]], texts: Symbols, scheme: Scheme, tasks: int = 1) -> None:
    found, led = found_spans(texts, scheme, tasks)
    expected = stretch_oracle.spans(rows, scheme.length)
    assert [tuple(span)[:3] for span in found.tolist()] == sorted(span[:3] for span in expected)
    # Equal keys are equal stretches.
    named = {span[:3]: span[3] for span in expected}
    keys = {(named[span[0], span[1], span[2]], span[3]) for span in found.tolist()}
    assert len(keys) == len({key for _, key in keys}) == len({name for name, _ in keys}) == led


PARTS = st.sampled_from(["a", "b", "ab", "aab", "-" * 9, "abcdefgh", "0123456789", "lorem ipsum dolor", "é", "日本",
                         "x" * 20, "\n", "foo bar baz foo bar"])
TEXTS = st.lists(st.one_of(st.lists(PARTS, max_size=30).map("".join), st.text("ab", max_size=40)), max_size=6)


@settings(max_examples=300)
@given(TEXTS, st.sampled_from([8, 9, 11, 16]), st.integers(1, 3))
def test_bytes(texts: list[str], length: int, tasks: int) -> None:
    batch = TextBatch.of_strings(texts)
    assert_equal_oracle([text.encode() for text in texts], symbols(batch, "bytes"), Scheme(length), tasks)


@settings(max_examples=150)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c d e f g h", "long words here and there", "日 本"]), max_size=20)
                .map(" ".join), max_size=6), st.sampled_from([3, 4, 7]), st.integers(1, 3))
def test_words(texts: list[str], length: int, tasks: int) -> None:
    batch = TextBatch.of_strings(texts)
    assert_equal_oracle([text.split() for text in texts], symbols(batch, "words"), Scheme(length, "words"), tasks)
