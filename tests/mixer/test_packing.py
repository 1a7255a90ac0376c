"""Packing shards into tasks: nothing lost, no task much longer than it must be, and a warning where one must."""

from __future__ import annotations

import heapq
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer.packing import BIN_BYTES, STRAGGLER_BYTES, bin_count, pack, record_bytes, straggler

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


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.integers(1, 3))
def test_the_longest_task_is_within_a_third_of_the_best_there_is(sizes: list[int], bins: int) -> None:
    best = min(max(sum(size for size, where in zip(sizes, placed, strict=True) if where == number)
                   for number in range(bins))
               for placed in itertools.product(range(bins), repeat=len(sizes)))
    # One more byte an item is what spreads empty shards.
    whole = [1000 * size for size in sizes]
    longest = max(sum(part) for part in pack(whole, whole, bins))
    assert longest <= 4 / 3 * 1000 * best + len(sizes)


@settings(deadline=None)
@given(st.lists(st.floats(0, 8), min_size=1, max_size=300), st.integers(1, 16))
def test_sizes_of_many_magnitudes_end_soon_after_an_even_share(powers: list[float], slots: int) -> None:
    """Tasks start largest first wherever a slot is free, as Spark starts them: the last ends within the largest shard
    of an even share, and within a bin of it where no shard is larger than one.
    """
    sizes = [int(10**power) for power in powers]
    packed = pack(sizes, sizes, bin_count(sizes, slots))
    busy = [0] * slots
    for part in packed:
        heapq.heapreplace(busy, busy[0] + sum(part))
    assert max(busy) <= sum(sizes) / slots + max(sum(part) for part in packed)
    most = max(max(sizes), sum(sizes) / len(packed))
    assert max(sum(part) for part in packed) <= 2 * most + len(sizes)


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


def test_compressed_shards_count_for_more_than_they_take() -> None:
    names = ["a.jsonl", "a.json", "a.jsonl.gz", "a.jsonl.zst", "a.json.zst", "a.parquet", "zst/a.jsonl"]
    assert [record_bytes(name, 7) for name in names] == [7, 7, 21, 21, 21, 21, 7]
