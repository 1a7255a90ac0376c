"""Packing shards into tasks: nothing lost, no task much longer than it must be, and a warning where one must."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer.packing import BIN_BYTES, STRAGGLER_BYTES, bin_count, pack, straggler

SIZES = st.lists(st.integers(0, 1000), max_size=40)


@given(SIZES, st.integers(1, 12))
def test_every_item_is_packed_once_and_none_is_alone_in_need(sizes: list[int], bins: int) -> None:
    items = list(range(len(sizes)))
    packed = pack(items, sizes, bins)
    assert sorted(item for part in packed for item in part) == items
    assert all(part == sorted(part) and part for part in packed)
    assert len(packed) == min(bins, len(items))
    totals = [sum(sizes[item] for item in part) for part in packed]
    assert totals == sorted(totals, reverse=True)
    if items:
        # One more byte an item is what spreads empty shards.
        best = max(max(sizes), -(-sum(sizes) // bins))
        assert totals[0] <= 4 / 3 * best + len(items) + max(sizes) / 3


@given(SIZES, st.integers(1, 12))
def test_packing_depends_on_nothing_but_its_arguments(sizes: list[int], bins: int) -> None:
    assert pack(list(range(len(sizes))), sizes, bins) == pack(tuple(range(len(sizes))), tuple(sizes), bins)


def test_empty_shards_spread_too() -> None:
    assert [len(part) for part in pack(list(range(100)), [0] * 100, 4)] == [25] * 4


def test_the_largest_task_starts_first() -> None:
    assert pack(["a", "b", "c", "d"], [1, 9, 5, 3], 3) == [["b"], ["c"], ["a", "d"]]


@pytest.mark.parametrize(("sizes", "slots", "bins"), [
    ([], 4, 1), ([5], 4, 1), ([0, 0, 0], 8, 3), ([100] * 10_000, 2, 8), ([BIN_BYTES] * 100, 2, 100),
    ([BIN_BYTES // 2] * 100, 2, 50), ([10 * BIN_BYTES], 2, 1), ([BIN_BYTES // 2] * 100, 100, 100)])
def test_tasks_are_enough_to_even_out_and_not_tiny(sizes: list[int], slots: int, bins: int) -> None:
    assert bin_count(sizes, slots) == bins


@pytest.mark.parametrize(("sizes", "slots", "found"), [
    ([], 4, None), ([STRAGGLER_BYTES * 9], 1, None), ([STRAGGLER_BYTES * 9], 2, 0),
    ([1, 1, STRAGGLER_BYTES - 1], 8, None), ([1, 1, STRAGGLER_BYTES], 8, 2),
    ([6 * STRAGGLER_BYTES, 5 * STRAGGLER_BYTES], 2, None),
    ([STRAGGLER_BYTES] * 8, 8, None), ([STRAGGLER_BYTES] * 4, 8, 0), ([STRAGGLER_BYTES] * 9, 8, None),
    ([STRAGGLER_BYTES, 3 * STRAGGLER_BYTES, STRAGGLER_BYTES, STRAGGLER_BYTES], 2, None),
    ([STRAGGLER_BYTES, 10 * STRAGGLER_BYTES, STRAGGLER_BYTES], 2, 1)])
def test_a_shard_that_others_wait_for_is_found(sizes: list[int], slots: int, found: int | None) -> None:
    assert straggler(sizes, slots) == found
