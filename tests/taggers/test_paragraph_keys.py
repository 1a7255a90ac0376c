"""Keys of paragraphs, lines and runs of sentences: what a piece is, what its span covers, and that keys are xxh3-64."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from tagger_uses import use_of
from test_taggers_equal_reference import FRAGMENTS, TEXTS, WILD, assert_equal_reference, documents_of, seconds_of

from taggers.paragraph_keys import is_space
from taggers.registry import find_tagger
from taggers.run import run
from taggers.text import TextBatch
from taggers.xxh3 import ROOM, xxh3

NORMALISE = ["lower", "nfc", "punctuation", "whitespace"]
TAGGER = find_tagger("paragraph_keys")
assert TAGGER is not None
VARIANTS = [
    *(use_of(TAGGER, unit=unit, min_length=least, sentences=size) for unit, size in
      (("paragraphs", 3), ("lines", 3), ("sentences", 1), ("sentences", 3)) for least in (0, 1, 3, 20)),
    *(use_of(TAGGER, unit=unit, min_length=3, sentences=2, normalise=steps) for unit in
      ("paragraphs", "lines", "sentences") for steps in (NORMALISE, ["lower"], ["punctuation"])),
]
# Texts of many short lines and sentences, with all kinds of whitespace at their ends.
LINES = st.lists(st.sampled_from((*FRAGMENTS, "\n", "\n", "\n \n", "\r\n", ". ", "! ", "。", "A!", "a")),
                 max_size=60).map("".join)


@WILD
@given(st.lists(st.one_of(LINES, TEXTS), max_size=5))
def test_wild_text(texts: list[str]) -> None:
    assert_equal_reference(VARIANTS, texts)


@WILD
@given(st.lists(LINES, min_size=1, max_size=6), st.data())
def test_a_document_counts_the_same_in_any_batch(texts: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    stop = data.draw(st.integers(start, len(texts)))
    sliced = pa.array(texts, pa.large_string()).slice(start, stop - start)
    for use in VARIANTS[::3]:
        whole = spans_of(use, texts)
        found = run([use], TextBatch.of_arrow(sliced))[use.key]["paragraph_keys.spans"].to_pylist()
        assert found == whole[start:stop]


@pytest.mark.parametrize(
    "straddler", ["\n", "\n\n", " \n", "\r\n\r\n", "\u3000\n", "\n\u2028\n", "é\n😀", ".\n", "。"], ids=ascii)
def test_nothing_changes_where_blocks_of_64_bytes_meet(straddler: str) -> None:
    texts = ["x" * size + straddler + end for size in range(56, 66) for end in ("", "y", " y. z", "\n\nz")]
    assert_equal_reference(VARIANTS, texts)


@WILD
@given(LINES)
def test_what_is_left_once_pieces_are_cut(text: str) -> None:
    """Each span holds its piece; spans ascend; and where all pieces of a text are spans, no letter is left of it."""
    for unit in ("paragraphs", "lines"):
        (found,) = spans_of(use_of(TAGGER, unit=unit, min_length=1), [text])
        assert [(span["start"], span["end"]) for span in found] == \
            sorted((span["start"], span["end"]) for span in found)
        for span in found:
            piece = text[span["start"] : span["end"]]
            assert len(piece.encode()) == span["bytes"]
            assert xxhash.xxh3_64_intdigest(piece.strip().encode()) == span["key"]
        covered = set(itertools.chain.from_iterable(range(span["start"], span["end"]) for span in found))
        assert not "".join(char for place, char in enumerate(text) if place not in covered).strip()


@pytest.mark.parametrize(("unit", "text", "cut", "left"), [
    ("paragraphs", "One.\n\nTwo\nlines.\n\nThree.", [0], "Two\nlines.\n\nThree."),
    ("paragraphs", "One.\n\nTwo\nlines.\n\nThree.", [1], "One.\n\nThree."),
    ("paragraphs", "One.\n\nTwo\nlines.\n\nThree.", [2], "One.\n\nTwo\nlines."),
    ("paragraphs", "One.\n\nTwo\nlines.\n\nThree.", [1, 2], "One.\n\n"),
    ("paragraphs", "One.\r\n \r\nTwo.\r\n", [1], "One.\r\n \r\n"),
    ("paragraphs", "One.\n\n\n\n    Two.\n\nThree.", [0], "    Two.\n\nThree."),
    ("lines", "One.\nTwo.\n\nThree.\n", [1], "One.\nThree.\n"),
    ("lines", "One.\nTwo.\n\nThree.\n", [2], "One.\nTwo.\n\n"),
    ("lines", "One.\nTwo.", [1], "One."),
    ("sentences", "One. Two! Three?", [0], "Two! Three?"),
    ("sentences", "One. Two! Three?", [2], "One. Two!"),
    ("sentences", "One. Two! Three?", [0, 1, 2], ""),
])
def test_no_hole_is_left_where_pieces_are_cut(unit: str, text: str, cut: list[int], left: str) -> None:
    (found,) = spans_of(use_of(TAGGER, unit=unit, min_length=1, sentences=1), [text])
    gone = set(itertools.chain.from_iterable(range(found[each]["start"], found[each]["end"]) for each in cut))
    assert "".join(char for place, char in enumerate(text) if place not in gone) == left


@pytest.mark.parametrize("parameters", [
    {"unit": "words"}, {"normalise": ["upper"]}, {"unit": "sentences", "sentences": 0},
])
def test_what_is_not_known_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="paragraph_keys: "):
        spans_of(use_of(TAGGER, **parameters), ["text"])


def test_whitespace_is_what_python_takes_for_it() -> None:
    assert [code for code in range(0x110000) if is_space(code)] == \
        [code for code in range(0x110000) if chr(code).isspace()]


def test_hashes_are_those_of_the_xxhash_package() -> None:
    data = np.frombuffer(xxhash.xxh3_128_digest(b"") * 200, np.uint8) ^ np.arange(3200).astype(np.uint8)
    room = np.empty(ROOM, np.uint64)
    for size in (*range(600), 1023, 1024, 1025, 1087, 1088, 1089, 2047, 2048, 2049, 3000):
        for begin in (0, 1, 7):
            piece = data[begin : begin + size]
            expected = xxhash.xxh3_64_intdigest(piece.tobytes())
            assert int(xxh3(data, begin, begin + size, room)) == int(xxh3(piece.copy(), 0, size, room)) == expected


def test_texts_that_differ_in_three_numbers_have_keys_of_their_own() -> None:
    """As rows of tables do. Of these, two in five are equal by a hash that multiplies by eights of bytes alone."""
    texts = [f"abcdefg{a}ijk{b}mno{c}qrstuv wxyz 0123456789" for a, b, c in itertools.product("0123456789", repeat=3)]
    keys = {span["key"] for found in spans_of(use_of(TAGGER), texts) for span in found}
    assert len(keys) == len(texts)


@pytest.mark.parametrize("make", [
    lambda size: "\n" * size, lambda size: "a\n" * (size // 2), lambda size: " \n" * (size // 2),
    lambda size: "\u3000" * (size // 3), lambda size: "x. " * (size // 3), lambda size: "a" * size,
])
def test_time_grows_with_the_text_not_with_its_square(make: Any) -> None:
    uses = [use_of(TAGGER, unit=unit, min_length=1) for unit in ("paragraphs", "lines", "sentences")]
    run(uses, TextBatch.of_strings(["warm up"]))
    small, large = (seconds_of(uses, make(size)) for size in (100_000, 1_600_000))
    assert large < 64 * small + 0.2


@pytest.mark.parametrize(("shards", "every"), [("web", 160), ("wiki", 240), ("book", 150)])
def test_real_text(corpora: Path, shards: str, every: int) -> None:
    chosen = itertools.islice(documents_of(corpora / shards), None, None, every)
    texts = [document["text"][:60_000] for document in chosen]
    assert texts
    assert_equal_reference(VARIANTS[2::5], texts)


def test_real_text_in_many_languages(corpora: Path) -> None:
    lines = (corpora / "langid" / "udhr2.tsv").read_text("utf-8").split("\n")
    texts = ["\n".join(line.split("\t")[-1] for line in lines[start : start + 20]) for start in range(0, 15_000, 300)]
    assert_equal_reference(VARIANTS, texts)


def spans_of(use: Any, texts: list[str]) -> list[list[dict[str, Any]]]:
    columns = run([use], TextBatch.of_strings(texts))[use.key]
    found: list[list[dict[str, Any]]] = columns["paragraph_keys.spans"].to_pylist()
    return found
