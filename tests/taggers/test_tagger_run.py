"""Running taggers: the contract between declaration and result, and what a batch accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tagger_uses import use_of

from taggers.arrow_types import ARROW_TYPES
from taggers.columns import spans
from taggers.declare import Column, Use
from taggers.declared.text import SIZES
from taggers.registry import TAGGERS
from taggers.run import ContractError, run
from taggers.text import TextBatch


def test_all_taggers_share_a_batch_and_give_declared_columns() -> None:
    uses = [use_of(tagger) for tagger in TAGGERS]
    for texts in ([], [""], ["", "one two", "three"]):
        columns = run(uses, TextBatch.of_strings(texts))
        assert [list(given) for given in columns.values()] == [[column.name for column in use.columns] for use in uses]
        assert {len(column) for given in columns.values() for column in given.values()} == {len(texts)}


def broken(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    return {"sizes.bytes": pa.array([1, 2], pa.int32()), "sizes.bits": pa.array([8])}


def test_all_broken_promises_are_told_at_once() -> None:
    tagger = replace(SIZES, run=f"{__name__}:broken")
    with pytest.raises(ContractError) as error:
        run([Use(tagger, {})], TextBatch.of_strings(["a"]))
    assert str(error.value) == (
        f"tagger sizes@2 ({__name__}:broken): column sizes.chars is declared but was not given; "
        "column sizes.tokens_approx is declared but was not given; "
        "column sizes.bits was given but is not declared; "
        "column sizes.bytes is int32, declared as int64; column sizes.bytes has 2 values for 1 documents"
    )


def test_every_declared_type_has_an_arrow_type() -> None:
    from taggers.arrow_types import ARROW_TYPES
    from taggers.declare import COLUMN_TYPES

    assert tuple(ARROW_TYPES) == COLUMN_TYPES
    assert Column("a.b", "key128", "", "").type in ARROW_TYPES


def test_a_batch_takes_no_nulls_and_no_other_type() -> None:
    with pytest.raises(ValueError, match="1 of 2 texts are null"):
        TextBatch.of_arrow(pa.array(["a", None], pa.large_string()))
    with pytest.raises(TypeError, match="large_string, not string"):
        TextBatch.of_arrow(pa.array(["a"]))


def test_a_batch_does_not_copy_and_takes_chunks() -> None:
    array = pa.array(["skipped", "naïve", "", "b"], pa.large_string()).slice(1)
    batch = TextBatch.of_arrow(array)
    assert batch.data.__array_interface__["data"][0] == array.buffers()[2].address + len("skipped")
    assert batch.offsets.tolist() == [0, 6, 6, 7]
    assert [batch.string(document) for document in range(3)] == ["naïve", "", "b"]
    chunks = pa.chunked_array([array, array], pa.large_string())
    assert [TextBatch.of_arrow(chunks).string(document) for document in (0, 3)] == ["naïve", "naïve"]


def test_words_lines_and_paragraphs_are_byte_ranges() -> None:
    batch = TextBatch.of_strings(["é b\n\nc", "", " d\n"])

    def cut(pieces: Any) -> list[list[str]]:
        ranges = list(zip(pieces.start, pieces.end, strict=True))
        bounds = zip(pieces.first[:-1], pieces.first[1:], strict=True)
        return [[bytes(batch.data[s:e]).decode() for s, e in ranges[first:last]] for first, last in bounds]

    assert cut(batch.words) == [["é", "b", "c"], [], ["d"]]
    assert cut(batch.lines) == [["é b", "c"], [], [" d", ""]]
    assert cut(batch.paragraphs) == [["é b", "c"], [], [" d\n"]]
    assert batch.words.length.tolist() == [1, 1, 1, 1]
    assert len(np.unique(batch.words.hash)) == 4


def test_a_field_is_text_of_the_metadata_or_none():
    metadata = [b'{"url": "https://a.example/", "warc": {"type": "response", "length": 7}}', b"null", b'["url"]', b'{}']
    batch = TextBatch.of_strings([""] * 4, ["one", "two", "three", "four"], metadata)
    assert batch.field("id") == ["one", "two", "three", "four"]
    assert batch.field("metadata.url") == ["https://a.example/", None, None, None]
    assert batch.field("metadata.warc.type") == ["response", None, None, None]
    assert batch.field("metadata.warc.length") == batch.field("metadata.warc") == [None] * 4
    nothing = TextBatch.of_strings(["", ""])
    assert nothing.field("id") == nothing.field("metadata.url") == [None] * 2
    for path in ("url", "metadata", "text"):
        with pytest.raises(ValueError, match="no field"):
            batch.field(path)


@given(st.lists(st.tuples(st.text(), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)))), max_size=6))
def test_spans_slice_to_what_they_claim(documents):
    batch = TextBatch.of_strings([text for text, _ in documents])
    first, starts, ends, expected = [0], [], [], []
    for number, (text, wanted) in enumerate(documents):
        places = sorted((min(a, b, len(text)), min(max(a, b), len(text))) for a, b in wanted)
        expected.append([{"start": a, "end": b, "first_byte": len(text[:a].encode()), "bytes": len(text[a:b].encode()),
                          "score": 1.0} for a, b in places])
        starts += [batch.offsets[number] + len(text[:a].encode()) for a, _ in places]
        ends += [batch.offsets[number] + len(text[:b].encode()) for _, b in places]
        first.append(len(starts))
    made = spans(batch, np.array(first, np.int64), np.array(starts, np.int64), np.array(ends, np.int64))
    assert made.type == ARROW_TYPES["spans"] and made.to_pylist() == expected
