"""Quantiles: where in an order of all rows so many units end; exactly, and without the rows ever coming together.

A phase ranks the rows of its bin: it writes of each row its group, 64 bits by which the group's rows come, such as a
value of a column, and its units. Of rows with equal bits the draw order decides, so that the whole order key has
WORDS words. A target is a number of units of a group, and its end the first row of the group with which the units up
to and including it are more. It is found in passes over the bins, of all groups and targets at once:

1. Each bin adds up the units by the next bits of the order key, among the rows of the bucket where a target ends: of
   those that agree in the bits so far. The sums say in which bucket of the next bits it ends, and so on.
2. Once that bucket holds FEW rows or less, all bins together, these rows themselves are sorted. Where there are more
   than MANY such buckets, as a curve of many has them, fewer: what comes together does not grow with their number.

Rows with equal order keys, which are copies of one document under one id, end together. All sums are exact integers,
and no result depends on how rows are spread over bins.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mixer import draw, keepers, storage
from mixer.selection import Context, Drafts, load, order_of, sizes_of

Array = np.ndarray[Any, np.dtype[Any]]

WORDS = 8  # of an order key: those by which a group's rows come, draw value, identity, text hash
FEW = 1 << 14  # rows of one bucket that are collected and sorted, 72 bytes each
MANY = 8  # places above which a pass tells fewer buckets apart, so that what the bins say of them stays small

OUT = -1  # the group of a row that is in none
MISSING = -2  # the same, since it has no value

_WORD = (1 << 64) - 1

Key = tuple[int, ...]  # an order key, WORDS long
Run = Callable[[Callable[[Context], Any], str], list[Any]]


@dataclass(frozen=True, order=True)
class Place:
    """The rows of a group whose order keys begin with these bits."""

    group: int
    depth: int  # how many bits
    bits: int

    def next(self, step: int, bucket: int) -> Place:
        return Place(self.group, self.depth + step, self.bits << step | bucket)


@dataclass(frozen=True)
class Sums:
    """Of a place in one bin, by the next bits of its rows' order keys: sorted, and without empty buckets."""

    buckets: Array  # of the next bits
    units: Array
    rows: Array
    least: Array  # uint64: of the word that these bits are of
    most: Array


class Ranks:
    """What a phase wrote of the rows of its bin, slice by slice."""

    def __init__(self, context: Context, name: str) -> None:
        with np.load(io.BytesIO(storage.read(_uri(context, name)))) as held:
            self.group, self.key, self.units = held["group"], held["key"], held["units"]
            self._ends = np.cumsum(held["rows"])
        self._context = context

    def slices(self) -> Iterator[tuple[int, slice]]:
        """Each slice's number, and the place of its rows."""
        for number, start, end in zip(self._context.paths, [0, *self._ends[:-1].tolist()], self._ends.tolist(),
                                      strict=True):
            yield number, slice(start, end)

    def words(self, chosen: Array) -> Array:
        """The order keys of these rows (bool, one a row), uint64 of shape (chosen, WORDS)."""
        found = [np.empty((0, WORDS), np.uint64)]
        for number, place in self.slices():
            mine = chosen[place]
            if mine.any():
                table = load(self._context, number, []).filter(pa.array(mine))
                found.append(np.stack([self.key[place][mine], *order_of(self._context, table)], axis=1))
        return np.concatenate(found)


def rank(
    context: Context, name: str, drafts: Drafts, columns: Mapping[int, str], best: Literal["min", "max"]
) -> tuple[dict[int, int], dict[str, Array]]:
    """Ranks the rows of a bin that are alive, by the column of their slice, the `best` value first; slices without one
    have no group. By group, which is a source by its number in the recipe, the units that have a value; and by source
    the documents, units and text bytes that have none, int64 of shape (3,).
    """
    totals: dict[int, int] = {}
    missing: dict[str, Array] = {}
    groups = {source.name: number for number, source in enumerate(context.recipe.sources)}
    parts = []
    for number, source in context.sources.items():
        column = columns.get(number)
        table = load(context, number, [] if column is None else [column])
        alive = drafts.next(len(table)) == 0
        if column is None:
            nothing = np.zeros(len(table), np.int64)
            parts.append((nothing + OUT, nothing, nothing))
            continue
        sizes, mine = sizes_of(context.recipe, table), groups[source]
        unknown, key = keepers.best_first(table.column(column).combine_chunks(), best)
        group = np.where(alive, np.where(unknown == 1, MISSING, mine), OUT)
        parts.append((group, key, sizes[:, 1]))
        totals[mine] = totals.get(mine, 0) + int(sizes[group == mine, 1].sum())
        missing[source] = missing.get(source, np.zeros(3, np.int64)) + sizes[group == MISSING].sum(axis=0)
    put(context, name, parts)
    return totals, missing


def put(context: Context, name: str, parts: Iterable[tuple[Array, Array, Array]]) -> None:
    """Writes (group, key, units) of the rows of each slice of a bin, in the order of the slices."""
    held = list(parts)
    with storage.writer(_uri(context, name)) as out:
        np.savez(out, rows=np.array([len(each[0]) for each in held], np.int64),
                 group=np.concatenate([each[0].astype(np.int32) for each in held]),
                 key=np.concatenate([each[1].astype(np.uint64) for each in held]),
                 units=np.concatenate([each[2].astype(np.int64) for each in held]))


def _uri(context: Context, name: str) -> str:
    return storage.join(context.scratch, f"ranks-{name}", f"{context.bin}.npz")


def find(run: Run, name: str, targets: Mapping[int, Sequence[int]]) -> dict[int, list[Key | None]]:
    """The ends of the targets of each group in what was ranked under this name, in their order: the order key of the
    first row that no longer fits, or None where all do.
    """
    ends: dict[int, list[Key | None]] = {group: [None] * len(each) for group, each in targets.items()}
    todo = {(group, number): (Place(group, 0, 0), target)
            for group, each in targets.items() for number, target in enumerate(each)}
    few: dict[tuple[int, int], tuple[Place, int]] = {}
    while todo:
        places = sorted({place for place, _ in todo.values()})
        step = 16 if len(places) <= MANY and places[0].depth % 16 == 0 else 8
        parts = run(partial(sums, name, step, places), "plan: quantiles")
        found = {place: _merged([part[place] for part in parts if place in part]) for place in places}
        inner = {}
        for which, (place, left) in todo.items():
            held = found[place]
            total = np.cumsum(held.units)
            at = int(np.searchsorted(total, left, side="right"))
            if at == len(total):
                continue  # only at first, where the target is all of the group
            before = int(total[at - 1]) if at else 0
            inner[which] = place, at, (place.next(step, int(held.buckets[at])), left - before)
        most = FEW * MANY // max(MANY, len({inside for _, _, (inside, _) in inner.values()}))
        following = {}
        for which, (place, at, inside) in inner.items():
            held = found[place]
            further = _further(inside[0], int(held.least[at]), int(held.most[at]))
            if held.rows[at] <= most:
                few[which] = inside
            elif further.depth == 64 * WORDS:  # all of one order key
                ends[which[0]][which[1]] = tuple(further.bits >> 64 * number & _WORD for number in range(WORDS))[::-1]
            else:
                following[which] = further, inside[1]
        # All go on from the same depth: the least that any has come to.
        depth = min((place.depth for place, _ in following.values()), default=0)
        todo = {which: (Place(place.group, depth, place.bits >> place.depth - depth), left)
                for which, (place, left) in following.items()}
    places = sorted({place for place, _ in few.values()})
    rows = run(partial(rows_in, name, places), "plan: ends of quantiles") if places else []
    for (group, number), (place, left) in few.items():
        ends[group][number] = _end(np.concatenate([part[place] for part in rows if place in part]), left)
    return ends


def _further(place: Place, least: int, most: int) -> Place:
    """The same rows by as many bits, in steps of 8, as all of them have in common in the word that is being read."""
    word, inside = divmod(place.depth - 1, 64)
    common = (64 - (least ^ most).bit_length()) // 8 * 8
    if common <= inside + 1:
        return place
    before = place.bits >> inside + 1
    return Place(place.group, 64 * word + common, before << common | least >> 64 - common)


def sums(name: str, step: int, places: Sequence[Place], context: Context) -> dict[Place, Sums]:
    """Of each place that has rows in this bin its sums by the next bits. All places are of one depth."""
    ranks = Ranks(context, name)
    depth = places[0].depth
    chosen, words = _chosen(ranks, places)
    group, units = ranks.group[chosen], ranks.units[chosen]
    word = words[:, depth // 64]
    shift = np.uint64(64 - step - depth % 64)
    buckets = ((word >> shift) & np.uint64((1 << step) - 1)).astype(np.uint16)
    found = {}
    for place in places:
        mine = np.flatnonzero(_begins(group, words, place))
        if not len(mine):
            continue
        mine = mine[np.argsort(buckets[mine], kind="stable")]
        which = buckets[mine]
        first = np.flatnonzero(np.diff(which.astype(np.int64), prepend=-1))
        found[place] = Sums(which[first], np.add.reduceat(units[mine], first), np.diff(first, append=len(mine)),
                            np.minimum.reduceat(word[mine], first), np.maximum.reduceat(word[mine], first))
    return found


def rows_in(name: str, places: Sequence[Place], context: Context) -> dict[Place, Array]:
    """Of each place that has rows in this bin their order keys and units, uint64 of shape (rows, WORDS + 1)."""
    ranks = Ranks(context, name)
    chosen = np.zeros(len(ranks.group), bool)
    for place in places:
        chosen |= _begins(ranks.group, ranks.key[:, None], place)
    words, group = ranks.words(chosen), ranks.group[chosen]
    whole = np.concatenate([words, ranks.units[chosen].astype(np.uint64)[:, None]], axis=1)
    found = {place: whole[_begins(group, words, place)] for place in places}
    return {place: rows for place, rows in found.items() if len(rows)}


def _chosen(ranks: Ranks, places: Sequence[Place]) -> tuple[Array, Array]:
    """(bool: the rows of these groups that may be in these places, their order keys as far as they are needed)."""
    if places[0].depth < 64:
        chosen = np.isin(ranks.group, [place.group for place in places])
        return chosen, ranks.key[chosen][:, None]
    chosen = np.zeros(len(ranks.group), bool)
    for place in places:
        chosen |= _begins(ranks.group, ranks.key[:, None], place)
    return chosen, ranks.words(chosen)


def _begins(group: Array, words: Array, place: Place) -> Array:
    """bool: the rows of a place, by those words of their order keys that are given."""
    found: Array = group == place.group
    for number in range(min(words.shape[1], -(-place.depth // 64))):
        size = min(64, place.depth - 64 * number)  # bits of this word
        bits = place.bits >> place.depth - 64 * number - size & (1 << size) - 1
        found &= words[:, number] >> np.uint64(64 - size) == np.uint64(bits)
    return found


def _merged(parts: Sequence[Sums]) -> Sums:
    buckets = np.concatenate([np.empty(0, np.uint16), *(part.buckets for part in parts)])
    by = np.argsort(buckets, kind="stable")
    first = np.flatnonzero(np.diff(buckets[by].astype(np.int64), prepend=-1))

    def all_of(name: str, how: Any) -> Array:
        values = np.concatenate([getattr(part, name) for part in parts])[by]
        found: Array = how.reduceat(values, first)
        return found

    if not len(by):
        none = np.empty(0, np.int64)
        return Sums(buckets, none, none, none, none)
    return Sums(buckets[by][first], all_of("units", np.add), all_of("rows", np.add), all_of("least", np.minimum),
                all_of("most", np.maximum))


def _end(rows: Array, left: int) -> Key:
    """The order key of the first of these rows with which the units are more than `left`."""
    by = draw.argsort([rows[:, number] for number in range(WORDS)])
    total = np.cumsum(rows[by, WORDS].astype(np.int64))
    at = by[int(np.searchsorted(total, left, side="right"))]
    return tuple(int(word) for word in rows[at, :WORDS])
