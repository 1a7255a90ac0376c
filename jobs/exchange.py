"""Exchange: records go from tasks to numbered parts, as blocks of bytes. So keys travel, and what is related meets.

Records are numpy structured arrays of fixed width; a block is the bytes of some. Spark moves a few large blocks where
it would move millions of rows: of ten million keys, 2 s instead of 50.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Block = tuple[int, bytes]  # the number of the part that it goes to, and its records
KindBlock = tuple[int, tuple[str, bytes]]  # the same where records of several kinds go one way

HELD_BYTES = 64 << 20  # of records that a task holds before it sends them on
PART_BYTES = 64 << 20  # of records that one part is to get, about
LEAST_BYTES = 4 << 20  # for which a task of its own pays


def part_count(records: int, record_bytes: int, slots: int) -> int:
    """How many parts for so many records: no task without work, none that outgrows memory."""
    size = records * record_bytes
    return max(1, min(2 * slots, -(-size // LEAST_BYTES)), -(-size // PART_BYTES))


def part_of(keys: Array, parts: int) -> Array:
    """Of each key (uint64, and as good as random) the part that it belongs to, by its upper bits; int64."""
    return ((keys >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)


class Outbox:
    """Takes records for parts and gives them on as blocks; what it holds is bounded by HELD_BYTES and one `add`."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._held: list[tuple[Array, Array]] = []
        self._bytes = 0

    def add(self, parts: Array, records: Array) -> Iterator[Block]:
        """Takes records, each for the part of its number; gives blocks where enough are held. Has to be iterated."""
        self._held.append((parts, records.astype(self._dtype, copy=False)))
        self._bytes += records.nbytes
        if self._bytes >= HELD_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[Block]:
        """All that is held."""
        held, self._held, self._bytes = self._held, [], 0
        if not held:
            return
        parts = np.concatenate([each for each, _ in held])
        records = np.concatenate([each for _, each in held])
        del held
        by = np.argsort(parts, kind="stable")
        parts, records = parts[by], records[by]
        for start, end in runs(parts):
            yield int(parts[start]), records[start:end].tobytes()


def runs(values: Array) -> Iterator[tuple[int, int]]:
    """Start and end of each run of equal values."""
    if len(values):
        edges = np.flatnonzero(values[1:] != values[:-1]) + 1
        yield from zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True)


def send(spark: Any, items: Sequence[Any], produce: Callable[[Any], Iterable[Block | KindBlock]]) -> Any:
    """An RDD of blocks: `produce` of each item, a task for each."""
    return spark.sparkContext.parallelize(items, max(1, len(items))).flatMap(produce)


def exchange(
    blocks: Any, parts: int, dtype: np.dtype[Any], consume: Callable[[int, Array], Iterable[Any]],
    counting: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
) -> Any:
    """An RDD of what `consume` gives for each part, of its number and all its records, in no order: blocks for another
    exchange, or results to collect. A part that got no records is asked too. `counting` is a Watch's.
    """
    return received(delivered(blocks, parts), dtype, consume, counting)


def exchange_blocks(blocks: Any, parts: int, consume: Callable[[int, Iterator[bytes]], Iterable[Any]]) -> Any:
    """The same where `consume` gets the blocks of its part, as they come."""
    return delivered(blocks, parts).mapPartitionsWithIndex(functools.partial(_consume_blocks, consume))


def delivered(blocks: Any, parts: int) -> Any:
    """An RDD of the same blocks, each in its part. What is asked of it twice is sent once."""
    return blocks.partitionBy(parts, _same)


def received(
    blocks: Any, dtype: np.dtype[Any], consume: Callable[[int, Array], Iterable[Any]],
    counting: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
) -> Any:
    """As `exchange`, of blocks that were delivered."""
    return blocks.mapPartitionsWithIndex(
        counting(functools.partial(_consume_blocks, functools.partial(_consume, dtype, consume))))


def of_kind(kind: str, blocks: Iterable[Block]) -> Iterator[KindBlock]:
    """Blocks of records of one kind, for `exchange_kinds`."""
    return ((part, (kind, block)) for part, block in blocks)


def exchange_kinds(
    blocks: Any, parts: int, dtypes: Mapping[str, np.dtype[Any] | None], consume: Callable[[int, Any], Iterable[Any]],
) -> Any:
    """As `exchange`, of records of several kinds: `consume` gets the records of each by kind, all of them together; a
    list of blocks as they came where a kind has no dtype.
    """
    return taken(delivered(blocks, parts), dtypes, consume)


def taken(
    parted: Any, dtypes: Mapping[str, np.dtype[Any] | None], consume: Callable[[int, Any], Iterable[Any]],
    counting: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
) -> Any:
    """An RDD of what `consume` gives for each part, as for `exchange_kinds`."""
    return parted.mapPartitionsWithIndex(counting(functools.partial(_consume_kinds, dtypes, consume)))


def _consume_kinds(dtypes: Mapping[str, np.dtype[Any] | None], consume: Callable[[int, Any], Iterable[Any]],
                   number: int, blocks: Iterable[KindBlock]) -> Iterator[Any]:
    came: dict[str, list[bytes]] = {kind: [] for kind in dtypes}
    for _, (kind, block) in blocks:
        came[kind].append(block)
    found: dict[str, Any] = {}
    for kind, dtype in dtypes.items():
        held = came.pop(kind)
        found[kind] = held if dtype is None else np.frombuffer(b"".join(held), dtype)
        del held
    yield from consume(number, found)


def _consume(dtype: np.dtype[Any], consume: Callable[[int, Array], Iterable[Any]], number: int,
             blocks: Iterator[bytes]) -> Iterable[Any]:
    return consume(number, _joined(dtype, blocks))  # which alone holds them, and may let go of them


def _joined(dtype: np.dtype[Any], blocks: Iterator[bytes]) -> Array:
    joined = bytearray()
    for block in blocks:
        joined += block
    return np.frombuffer(joined, dtype)


def _consume_blocks(consume: Callable[[int, Iterator[bytes]], Iterable[Any]], number: int,
                    blocks: Iterable[Block]) -> Iterator[Any]:
    yield from consume(number, (block for _, block in blocks))


def _same(number: int) -> int:
    return number
