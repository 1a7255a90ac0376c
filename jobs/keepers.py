"""Keepers on Spark: which document or span of each key stays, where candidates are too many for one process's memory.

1. Each bin's best candidates go to the part of their key.
2. Each part decides the keepers of its keys, which go back to the bins that have them.
3. Each bin's keepers are put where its next phase looks for them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from jobs.engine import Engine
from jobs.exchange import Array, Block, Outbox, exchange, part_count, part_of, send
from mixer import draw, keepers, selection
from mixer.selection import Context

SENT = np.dtype([*((name, keepers.CANDIDATE[name]) for name in keepers.CANDIDATE.names or ()), ("bin", "<i4")])
TOLD = keepers.KEEPER


def resolve_on_spark(engine: Engine, context: Context, method: int, bins: Sequence[int]) -> None:
    """The same as selection.resolve_in_memory, by an exchange of candidates and one of keepers."""
    if not bins:
        return
    # A task of a worker is sent no more than it needs: no shard.
    folder = context.part([], [])
    with engine.watched(f"plan: keepers {method + 1}") as watched:
        parts = part_count(context.sets[method].documents, SENT.itemsize, engine.slots)
        sent = send(watched.spark, list(enumerate(bins)), functools.partial(send_candidates, folder, method, parts))
        told = exchange(sent, parts, SENT, decide)
        exchange(told, len(bins), TOLD, functools.partial(put, folder, method, list(bins))).collect()


def send_candidates(context: Context, method: int, parts: int, bin: tuple[int, int]) -> Iterator[Block]:
    """The candidates of a bin, given as its place among the bins and its number, for the parts of their keys."""
    place, number = bin
    candidates = selection.read_candidates(context, method, number)
    records = np.empty(len(candidates), SENT)
    for name in keepers.CANDIDATE.names or ():
        records[name] = candidates[name]
    records["bin"] = place
    out = Outbox(SENT)
    yield from out.add(part_of(draw.mixed(records["key"][:, 0], records["key"][:, 1]), parts), records)
    yield from out.rest()


def decide(part: int, records: Array) -> Iterator[Block]:
    """The keeper of each key, for each bin that has the key."""
    found = keepers.keepers_of(records, keepers.winners(records))
    out = Outbox(TOLD)
    yield from out.add(records["bin"].astype(np.int64), found)
    yield from out.rest()


def put(context: Context, method: int, bins: Sequence[int], place: int, records: Array) -> Iterator[int]:
    """Puts the keepers of one bin; nothing to collect."""
    selection.put_keepers(context, method, bins[place], records)
    yield from ()
