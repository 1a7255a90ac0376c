"""Distributions: their numbers are those of a sorted list, and every value falls into one bin."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mixer.distribution import BINS, Distribution, describe


@given(st.lists(st.one_of(st.none(), st.integers(-10, 10**6), st.floats(allow_nan=False, allow_infinity=False,
                                                                       width=32)), max_size=60))
def test_numbers(values):
    found = describe(pa.array([None if value is None else float(value) for value in values], pa.float64()))
    known = sorted(float(value) for value in values if value is not None)
    assert (found.count, found.missing) == (len(values), values.count(None))
    if not known:
        assert found.lowest is None and found.bins == ()
        return
    assert (found.lowest, found.highest) == (known[0], known[-1])
    assert found.quantiles[1] == known[(len(known) + 1) // 2 - 1]
    assert sum(found.bins) == len(known) and len(found.edges) == len(found.bins) + 1 <= BINS + 1
    assert list(found.edges) == sorted(found.edges)
    assert [values[place] for place in found.first] == known[:2]
    assert [values[place] for place in found.last] == known[::-1][:2]
    assert found.ties == (known.count(known[0]), known.count(known[-1]))


def test_few_integers_have_a_bin_each():
    found = describe(pa.array([3, 0, 3, 3, 1], pa.int64()))
    assert found.bins == (1, 1, 0, 3)


def test_skewed_values_have_bins_of_equal_ratio():
    found = describe(pa.array([float(2**power) for power in range(40)], pa.float64()))
    assert max(found.bins) <= 3


def test_a_far_outlier_does_not_hide_the_others():
    found = describe(pa.array([*(value / 500 for value in range(500)), 1000.0], pa.float64()))
    assert found.bins[-1] <= 6 and min(found.bins[:-1]) > 0


def test_text_booleans_spans_and_keys():
    assert describe(pa.array(["b", "a", None, "a"])).values == (("a", 2), ("b", 1))
    assert describe(pa.array([True, False, True])).values == (("True", 2), ("False", 1))
    spans = describe(pa.array([[], [1, 2], None], pa.list_(pa.int64())))
    assert (spans.lowest, spans.highest, spans.missing) == (0, 2, 1)
    keys = describe(pa.array([b"x" * 16, b"x" * 16, b"y" * 16], pa.binary(16)))
    assert keys == Distribution(3, 0, distinct=2)
