"""Cuts are what sets of characters say, however they overlap."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer import cuts

TEXTS = ["é😀a\n" * 3, "plain", "", "言葉x" * 4, "a"]
SPANS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), st.integers(0, 12)), max_size=12)


def made(spans) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Cuts in any order as a table has them, sorted; and the same as tuples that are not empty."""
    found = []
    for row, one, other in spans:
        start, end = sorted(min(at, len(TEXTS[row])) for at in (one, other))
        if start < end:
            found.append((row, start, end))
    table = pa.Table.from_pylist(
        [{"row": row, "start": start, "end": end, "first_byte": len(TEXTS[row][:start].encode()),
          "bytes": len(TEXTS[row][start:end].encode())} for row, start, end in found], schema=cuts.SCHEMA)
    return cuts.of(table), sorted(found)


@given(SPANS)
def test_union_and_what_each_takes(spans):
    found, plain = made(spans)
    assert [tuple(cut)[:3] for cut in found.tolist()] == plain
    gone: defaultdict[int, set[int]] = defaultdict(set)
    takes = []
    for row, start, end in plain:
        takes.append(sum(len(TEXTS[row][at].encode()) for at in set(range(start, end)) - gone[row]))
        gone[row] |= set(range(start, end))
    assert cuts.taken(found).tolist() == takes
    whole = cuts.union(found)
    assert {row: {at for cut in whole[whole["row"] == row] for at in range(cut["start"], cut["end"])}
            for row in gone} == gone
    for before, after in itertools.pairwise(whole):
        assert before["row"] < after["row"] or before["end"] < after["start"]
    for row, text in enumerate(TEXTS):
        mine = whole[whole["row"] == row]
        assert [text.encode()[cut["first_byte"] : cut["first_byte"] + cut["bytes"]].decode() for cut in mine] == \
            [text[cut["start"] : cut["end"]] for cut in mine]
        assert cuts.edited(text, [(start, end, None) for start, end in mine[["start", "end"]].tolist()]) == \
            "".join(character for at, character in enumerate(text) if at not in gone[row])
    removed = cuts.by_row(found, cuts.taken(found), len(TEXTS))
    assert removed.tolist() == cuts.by_row(whole, whole["bytes"], len(TEXTS)).tolist()
    assert removed.sum() == sum(takes)
    assert cuts.union(whole).tolist() == whole.tolist()
    assert cuts.table_of(whole).schema == cuts.SCHEMA


@pytest.mark.parametrize(("removed", "size", "share", "over"), [
    (0, 0, 0.8, False), (0, 10, 0.0, False), (1, 10, 0.0, True), (8, 10, 0.8, False), (9, 10, 0.8, True),
    (10, 10, 1.0, True), (9, 10, 1.0, False), (3, 10, 0.3, False), (2**53 + 1, 2**54, 0.5, True),
    (2**53, 2**54, 0.5, False), (7 * 2**56, 10 * 2**56, 0.7, False), (7 * 2**56 + 1, 10 * 2**56, 0.7, True),
])
def test_share_is_exact_and_nothing_left_is_too_little(removed, size, share, over):
    assert cuts.is_over(np.array([removed]), np.array([size]), share).tolist() == [over]


def test_rows_far_apart_with_long_texts_do_not_reach_into_each_other():
    choose = random.Random(1)
    rows = sorted(choose.sample(range(10**9), 50))
    found = np.array([(row, 2**40, 2**41, 2**41, 2**42) for row in rows], cuts.CUT)
    assert cuts.union(found).tolist() == found.tolist()
    assert set(cuts.taken(found).tolist()) == {2**42}
