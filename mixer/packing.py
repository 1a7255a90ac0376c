"""How work is packed into tasks: bins of shards of about equal bytes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

BIN_BYTES = 64 << 20  # of uncompressed records
BIN_ROWS = 4_000_000  # where what is moved is keys
SHARD_BYTES = 256 << 10  # what tagging a shard costs, even an empty one, in bytes of records
SHARD_ROWS = 1000  # what opening a shard's sidecars costs, even of an empty one, in rows of them
BINS_PER_SLOT = 4
# Below this a slow shard costs less than the warning is worth.
STRAGGLER_BYTES = 32 << 20
# What a stored byte becomes when it is read. The work goes with the text: the same web pages, 12.4 MB of records, took
# 5.5 s as they were, 5.7 s from 4.1 MB of zstd and 6.2 s from 4.2 MB of gzip.
_EXPANDS = {".gz": 3, ".zst": 3, ".parquet": 3}


def record_bytes(shard: str, stored: int) -> int:
    """About how many bytes of records a shard of this name and size holds."""
    return stored * next((times for suffix, times in _EXPANDS.items() if shard.endswith(suffix)), 1)


def bin_count(sizes: Sequence[int], slots: int, per_bin: int = BIN_BYTES) -> int:
    """How many tasks: enough to even out, none so small that its start costs more than its work."""
    by_size = -(-sum(sizes) // per_bin)
    return max(1, min(len(sizes), max(by_size, slots * BINS_PER_SLOT)))


def pack(items: Sequence[T], sizes: Sequence[int], bins: int) -> list[list[T]]:
    """Items in bins of about equal size, largest bin first; within a bin in their given order. No bin is empty.

    Longest processing time first: at most 4/3 of the best possible makespan (Graham 1969).
    """
    heap = [(0, number) for number in range(min(bins, len(items)))]
    members: list[list[int]] = [[] for _ in heap]
    totals = [0] * len(heap)
    for index in sorted(range(len(items)), key=lambda index: (-sizes[index], index)):
        total, number = heapq.heappop(heap)
        members[number].append(index)
        totals[number] += sizes[index]
        # One more byte an item, so that empty shards spread too.
        heapq.heappush(heap, (total + sizes[index] + 1, number))
    order = sorted(range(len(members)), key=lambda number: -totals[number])
    return [[items[index] for index in sorted(members[number])] for number in order]


def straggler(sizes: Sequence[int], slots: int) -> int | None:
    """Index of the item that alone takes over half as long again as an even share of the work; None if there is none.

    A shard is read by one task, so the stage lasts at least as long as its largest shard.
    """
    if not sizes or slots < 2:
        return None
    largest = max(range(len(sizes)), key=lambda index: sizes[index])
    even = sum(sizes) / slots
    return largest if sizes[largest] >= STRAGGLER_BYTES and sizes[largest] > 1.5 * even else None
