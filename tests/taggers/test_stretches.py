"""Repeated stretches are those of a dict over all windows; and cost no more where text repeats itself."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import stretch_oracle
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from taggers import stretches
from taggers.matching import Scheme, Symbols, fingerprints, fixed, symbols
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
        part = Symbols(fixed(values), first)
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
    segments = np.concatenate([np.empty(0, SEGMENT), *(each for _, each, _ in held)])
    occurrences = np.concatenate([np.empty(0, OCCURRENCE), *(each for _, _, each in held)])
    found = list(pieces_of(data, texts.width, scheme.length, segments, occurrences))
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


@settings(max_examples=150)
@given(TEXTS, st.sampled_from([8, 9, 11, 16]), st.integers(1, 3))
def test_bytes(texts: list[str], length: int, tasks: int) -> None:
    batch = TextBatch.of_strings(texts)
    assert_equal_oracle([text.encode() for text in texts], symbols(batch, "bytes"), Scheme(length), tasks)


@settings(max_examples=80)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c d e f g h", "long words here and there", "日 本"]), max_size=20)
                .map(" ".join), max_size=6), st.sampled_from([3, 4, 7]), st.integers(1, 3))
def test_words(texts: list[str], length: int, tasks: int) -> None:
    batch = TextBatch.of_strings(texts)
    assert_equal_oracle([text.split() for text in texts], symbols(batch, "words"), Scheme(length, "words"), tasks)


HARD = {
    "one letter": "a" * 2_000_000,
    "two letters": "ab" * 1_000_000,
    "rulers": ("-" * 80 + "\n") * 25_000,
    "a period of seven": "abcdefg" * 280_000,
    "a period of 300": "".join(map(chr, range(0x4E00, 0x4E64))) * 6_000,
    "rows of a table": "".join(f"| {row:7d} | 0 | 0 | 0 |\n" for row in range(70_000)),
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_text_that_repeats_itself_is_no_more_than_other_text(text: str) -> None:
    texts = symbols(TextBatch.of_strings([text]), "bytes")
    found_spans(symbols(TextBatch.of_strings(["warm up " * 100]), "bytes"), Scheme(500))
    began = time.perf_counter()
    found, led = found_spans(texts, Scheme(500))
    assert time.perf_counter() - began < 5  # some 0.3 s; minutes, if it were the square
    assert len(found) == 2 * led <= 600  # the first of each phase, and all that follow
    if len(found):
        # All but the first `length` bytes, and what is not a whole period, is in what follows the first.
        assert found["end"].max() == len(texts.values) and len(texts.values) - found["start"].min() == len(texts.values)


def boilerplate(pages: int, around: int, shared: int) -> list[bytes]:
    """Pages that share their middle alone, but for a letter or two beside it, by chance."""
    letters = b"".join(hash_digits(f"page {number}") for number in range(pages * around // 32 + 1))
    middle = b"".join(hash_digits(f"shared {number}") for number in range(shared // 64 + 1))[:shared]
    return [letters[start : start + around] + middle + letters[start + around : start + 2 * around]
            for start in range(0, 2 * around * pages, 2 * around)]


@pytest.mark.parametrize("room", [1, 40, 1 << 16])
def test_what_stands_on_many_pages_is_that_of_a_dict(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Also where one key has more runs than there is room for."""
    monkeypatch.setattr(stretches, "RUNS", room)
    monkeypatch.setattr(stretches, "PIECES", room)
    pages = boilerplate(150, 30, 100)
    texts = Symbols(np.frombuffer(b"".join(pages), np.uint8), np.arange(len(pages) + 1) * len(pages[0]))
    assert_equal_oracle(pages, texts, Scheme(20), 3)


def test_what_stands_on_many_pages_melts_nothing() -> None:
    """The edges of the boilerplate have as many different segments as there are pages, all with the same keys."""
    pages = boilerplate(3000, 640, 1000)
    texts = Symbols(np.frombuffer(b"".join(pages), np.uint8), np.arange(len(pages) + 1) * len(pages[0]))
    began = time.perf_counter()
    found, _ = found_spans(texts, Scheme(500), 7)
    assert time.perf_counter() - began < 10  # 0.3 s
    first = found[np.unique(found["document"], return_index=True)[1]]
    assert len(first) == len(pages) and (first["start"] <= 640).all() and (first["start"] >= 634).all()


def hash_digits(text: str) -> bytes:
    return hashlib.sha256(text.encode()).hexdigest().encode()


def test_real_pages_are_cut_where_their_windows_are_repeated(corpora: Path) -> None:
    """By rolling hashes of all windows of some pages: what the spans cover, and what all but the first do."""
    shard = corpora / "web" / "0000.jsonl.zst"
    if not shard.exists():
        pytest.skip("no web shard")
    lines = zstandard.ZstdDecompressor().stream_reader(shard.read_bytes(), read_across_frames=True).read().splitlines()
    batch = TextBatch.of_strings([json.loads(line)["text"] for line in lines[:1200]])
    texts, scheme = symbols(batch, "bytes"), Scheme(500)
    found, led = found_spans(texts, scheme, 4)
    document = np.repeat(np.arange(len(batch)), np.diff(texts.first))
    start = np.flatnonzero(document[:-499] == document[499:])
    _, first, name, times = np.unique(window_hashes(texts.values, 500)[start], return_index=True, return_inverse=True,
                                      return_counts=True)
    is_repeated, is_first = times[name] > 1, np.zeros(len(start), bool)
    is_first[first] = True
    begin, end = texts.first[found["document"]] + found["start"], texts.first[found["document"]] + found["end"]
    is_first_span = np.zeros(len(found), bool)
    is_first_span[np.unique(found["key"], return_index=True)[1]] = True
    size = len(texts.values)
    assert led == is_first_span.sum() > 20
    repeated, cut = start[is_repeated], start[is_repeated & ~is_first]
    assert np.array_equal(covered(begin, end, size), covered(repeated, repeated + 500, size))
    assert np.array_equal(covered(begin[~is_first_span], end[~is_first_span], size), covered(cut, cut + 500, size))


def window_hashes(values: np.ndarray, length: int) -> np.ndarray:
    """Of each window of all texts together, by sums of powers."""
    factor = 0x9E3779B97F4A7C15
    powers = np.cumprod(np.full(len(values), factor, np.uint64))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((values + np.uint64(1)) * powers)])
    inverses = np.cumprod(np.full(len(values), pow(factor, -1, 1 << 64), np.uint64))
    return (sums[length:] - sums[:-length]) * inverses[: len(values) - length + 1]


def covered(begin: np.ndarray, end: np.ndarray, size: int) -> np.ndarray:
    edges = np.zeros(size + 1, np.int64)
    np.add.at(edges, begin, 1)
    np.add.at(edges, end, -1)
    return np.cumsum(edges[:-1]) > 0
