"""Fingerprints are those of the reference, and find every stretch that two texts have in common."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_fingerprints import anchors, fingerprints
from stretch_oracle import symbols as plain_symbols
from tagger_uses import use_of

from taggers import matching
from taggers.matching import Postings, Scheme, code_points, matches, symbols
from taggers.registry import find_tagger
from taggers.run import run
from taggers.text import TextBatch

PARTS = st.sampled_from(["a", "b", "ab ", "aab", "-" * 9, "abcdefgh", "0123456789 ", "lorem ipsum dolor", "é", " 日本",
                         "x" * 20, "\n", "a1 a2 a3 a4 a5 a6 a7 a8 a9", "=-" * 40])
TEXTS = st.lists(st.one_of(st.lists(PARTS, max_size=30).map("".join), st.text(max_size=30)), max_size=5)
SCHEMES = st.one_of(st.builds(Scheme, st.sampled_from([8, 9, 13, 20, 40])),
                    st.builds(Scheme, st.sampled_from([3, 4, 9, 20]), st.just("words")))


@settings(max_examples=60)
@given(TEXTS, SCHEMES)
def test_equal_to_reference(texts: list[str], scheme: Scheme) -> None:
    batch = TextBatch.of_strings(texts)
    found = matching.fingerprints(symbols(batch, scheme.unit), scheme)
    parameters = {"length": scheme.length, "unit": scheme.unit}
    tagger = find_tagger("fingerprints")
    assert tagger is not None
    use = use_of(tagger, **parameters)
    columns = run([use], batch)[use.key]["fingerprints.keys"].to_pylist()
    for document, text in enumerate(texts):
        mine = slice(found.first[document], found.first[document + 1])
        values = plain_symbols(text, scheme.unit)
        pairs = list(zip(found.key[mine].tolist(), found.position[mine].tolist(), strict=True))
        assert pairs == anchors(values, scheme.length, scheme.unit)
        assert columns[document] == fingerprints(text, parameters)["fingerprints.keys"]
        # Each window has one anchor, which lies inside it.
        edges = [*found.start[mine].tolist(), max(0, len(values) - scheme.length + 1)]
        assert found.stop[mine].tolist() == edges[1:] and (edges[0] == 0 or not pairs)
        assert (found.position[mine] >= found.stop[mine] - 1).all()
        assert (found.position[mine] + scheme.gram <= found.start[mine] + scheme.length).all()


@settings(max_examples=60)
@given(TEXTS, TEXTS, SCHEMES)
def test_every_maximal_match_is_found_once(texts: list[str], others: list[str], scheme: Scheme) -> None:
    mine, theirs = (symbols(TextBatch.of_strings(each), scheme.unit) for each in (texts, others))
    postings = Postings.of(matching.fingerprints(theirs, scheme))
    found = matches(mine, postings, theirs, scheme)
    given = list(zip(*(getattr(found, name).tolist() for name in
                       ("document", "start", "other_document", "other_start", "size")), strict=True))
    expected = [(document, *match[:1], other, *match[1:])
                for (document, text), (other, another) in itertools.product(enumerate(texts), enumerate(others))
                for match in common(plain_symbols(text, scheme.unit), plain_symbols(another, scheme.unit),
                                    scheme.length)]
    assert given == sorted(expected)


def common(one: Sequence[int], other: Sequence[int], length: int) -> list[tuple[int, int, int]]:
    """(start, other start, size) of every common stretch that neither end can be moved out of."""
    found = []
    for start, other_start in itertools.product(range(len(one)), range(len(other))):
        if start and other_start and one[start - 1] == other[other_start - 1]:
            continue
        size = 0
        while start + size < len(one) and other_start + size < len(other) and \
                one[start + size] == other[other_start + size]:
            size += 1
        if size >= length:
            found.append((start, other_start, size))
    return found


def test_postings_are_the_same_from_bytes_and_from_parquet() -> None:
    scheme = Scheme(20)
    texts = ["lorem ipsum dolor sit amet, consectetur adipiscing elit", "sed do eiusmod tempor incididunt ut labore"]
    prints = matching.fingerprints(symbols(TextBatch.of_strings(texts), "bytes"), scheme)
    made = Postings.of(prints, np.array([70, 7]))
    sink = pa.BufferOutputStream()
    pq.write_table(made.table(), sink)
    parquet = pq.read_table(pa.BufferReader(sink.getvalue()))
    for other in (Postings.of_bytes(made.to_bytes()), Postings.of_table(parquet), Postings.merged([made])):
        assert other.to_bytes() == made.to_bytes()
    asked, entry = made.lookup(prints.key)
    assert asked.tolist() == list(range(len(prints.key)))
    assert made.position[entry].tolist() == prints.position.tolist()
    assert set(made.document.tolist()) == {7, 70}
    assert [len(each) for each in made.lookup(np.array([0, 1 << 63], np.uint64))] == [0, 0]
    with pytest.raises(ValueError, match="sorted by key"):
        Postings.of_table(made.table().sort_by([("key", "descending")]))


def test_a_match_of_what_is_repeated_at_other_places() -> None:
    scheme = Scheme(8)
    mine = symbols(TextBatch.of_strings(["xx01234567890yy"]), "bytes")
    theirs = symbols(TextBatch.of_strings(["", "01234567890", "..01234567zz01234567"]), "bytes")
    found = matches(mine, Postings.of(matching.fingerprints(theirs, scheme)), theirs, scheme)
    assert [found.other_document.tolist(), found.start.tolist(), found.other_start.tolist(), found.size.tolist()] == \
        [[1, 2, 2], [2, 2, 2], [0, 2, 12], [11, 8, 8]]


def test_code_points_are_cut_inwards() -> None:
    batch = TextBatch.of_strings(["", "aé日😀b", "日"])
    document, start, end = np.array([1, 1, 1, 1, 2, 2]), np.array([0, 1, 2, 7, 0, 1]), np.array([11, 6, 9, 9, 3, 2])
    found = zip(*(column.tolist() for column in code_points(batch, "bytes", document, start, end)), strict=True)
    assert list(found) == [(0, 5, 0, 11), (1, 3, 1, 5), (2, 3, 3, 3), (4, 4, 9, 0), (0, 1, 0, 3), (1, 1, 2, 0)]


@pytest.mark.parametrize("parameters", [{"length": 7, "unit": "bytes"}, {"length": 2, "unit": "words"},
                                        {"length": 50, "unit": "lines"}])
def test_what_is_no_scheme_is_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"length is|unit is"):
        Scheme.of(parameters)
