"""Tokens as numbers, for the trainers: a corpus as one int32 for each token, beside a list of the distinct tokens.

Tokens are told apart by 64-bit hashes. Among ten million distinct ones the odds that any two are taken for one another
are 1 in 370,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.text import mix64

Array = NDArray[Any]


class TooManyTokens(ValueError):
    """The text is more than a trainer keeps in memory; the message says how to give it less."""


class Tokens(NamedTuple):
    """The tokens of a batch in order. Document d has those from first[d] to first[d + 1]."""

    first: Array  # int64, documents + 1
    hash: Array  # uint64, tokens
    start: Array | None = None  # int64, tokens: byte positions in `data`, where a trainer needs the bytes
    end: Array | None = None
    data: Array | None = None  # uint8


@dataclass(frozen=True)
class Numbered:
    """A corpus as numbers. Distinct tokens have the numbers 0, 1, ... in the order in which they first came."""

    first: Array  # int64, documents + 1: document d has the tokens first[d] to first[d + 1]
    number: Array  # int32, tokens
    hash: Array  # uint64, distinct
    count: Array  # int64, distinct: how often each occurs
    bytes: tuple[bytes, ...]  # distinct; empty where the tokens came without their bytes


def number(batches: Iterable[Tokens], most: int) -> Numbered:
    """All batches as one; TooManyTokens beyond `most`, before more than that is held.

    It holds 4 bytes for each token and, at most, 40 for each distinct one, without the bytes of those.
    """
    table = _Table(np.full(1 << 12, -1, np.int32), np.empty(1 << 11, np.uint64), np.empty(1 << 11, np.int64))
    numbers, counts, words = [], [], []
    distinct = total = 0
    for tokens in batches:
        found = len(tokens.hash)
        total += found
        if total > most:
            raise TooManyTokens(f"more than {most:,} words: give the trainer less text, by a budget in the recipe")
        table = _with_room(table, distinct, distinct + found)
        given = np.empty(found, np.int32)
        fresh = np.empty(found, np.int64)
        before = distinct
        distinct = _number(tokens.hash, table.slots, table.hash, table.counts, distinct, given, fresh)
        numbers.append(given)
        counts.append(np.diff(tokens.first))
        if tokens.data is not None:
            assert tokens.start is not None and tokens.end is not None
            data = tokens.data.data
            for token in fresh[: distinct - before]:
                words.append(bytes(data[tokens.start[token] : tokens.end[token]]))
    first = np.zeros(sum(map(len, counts)) + 1, np.int64)
    np.cumsum(_joined(counts, np.int64), out=first[1:])
    return Numbered(
        first, _joined(numbers, np.int32), table.hash[:distinct].copy(), table.counts[:distinct].copy(), tuple(words)
    )


def often_first(numbered: Numbered, least: int) -> Array:
    """The numbers of the distinct tokens that occur at least so often; most frequent first, then by their hash.

    So it does not depend on the order in which documents came.
    """
    kept = np.flatnonzero(numbered.count >= least)
    return kept[np.lexsort((numbered.hash[kept], -numbered.count[kept]))]


Told = Callable[[int, int], None]  # what a trainer calls now and then: (done, of all)


class _Table(NamedTuple):
    slots: Array  # the number of the token in each slot, -1 where there is none
    hash: Array  # by number
    counts: Array  # by number


def _with_room(table: _Table, distinct: int, needed: int) -> _Table:
    if needed <= len(table.hash):
        return table
    room = 1 << (needed - 1).bit_length()
    wider = _Table(np.full(2 * room, -1, np.int32), np.empty(room, np.uint64), np.empty(room, np.int64))
    wider.hash[:distinct] = table.hash[:distinct]
    wider.counts[:distinct] = table.counts[:distinct]
    _fill(wider.slots, wider.hash, distinct)
    return wider


def _joined(arrays: list[Array], kind: Any) -> Array:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)


@kernel
def _fill(slots: Array, hashes: Array, distinct: int) -> None:
    mask = np.uint64(len(slots) - 1)
    for known in range(distinct):
        slot = hashes[known] & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = known


@kernel
def _number(
    tokens: Array, slots: Array, hashes: Array, counts: Array, distinct: int, given: Array, fresh: Array
) -> int:
    """Gives each token its number; how many distinct ones there are then. `fresh` takes where each new one is."""
    mask = np.uint64(len(slots) - 1)
    before = distinct
    for token in range(len(tokens)):
        slot = tokens[token] & mask
        while True:
            known = slots[slot]
            if known < 0:
                known = distinct
                slots[slot] = known
                hashes[known] = tokens[token]
                counts[known] = 0
                fresh[distinct - before] = token
                distinct += 1
                break
            if hashes[known] == tokens[token]:
                break
            slot = (slot + np.uint64(1)) & mask
        given[token] = known
        counts[known] += 1
    return distinct


@kernel
def hash_documents(first: Array, number: Array, hashes: Array, found: Array) -> None:
    """A hash of each document from those of its tokens in order: the same wherever the document stands."""
    for document in range(len(found)):
        state = np.uint64(0)
        for token in range(first[document], first[document + 1]):
            state = mix64(state ^ hashes[number[token]])
        found[document] = state
