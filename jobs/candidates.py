"""Candidates: which pairs of texts are compared, of all whose MinHash bands have a key in common.

The graph is one of texts, each of which is called by a number, its name: xxh3-64 of the text. So exact copies are one
from the start, and all that follows is the same wherever a document lies.

A bucket is all texts with one key. Up to `max_bucket` of them are compared each with each; of more, each is compared
with the `representatives` that have the least names, which are as good as drawn by lot, and skipped pairs are counted.
Where nothing is verified all of a bucket are the same, so that the one with the least name stands for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.exchange import Array, Block, KindBlock, Outbox, of_kind, part_of
from jobs.finding import Finding
from mixer import layers
from mixer.components import is_first

BANDS = np.dtype([("key", "<u8"), ("name", "<u8")])
# Of each shard its different texts: how many of its documents have it, and the code points of it.
NAMES = np.dtype([("name", "<u8"), ("shard", "<i4"), ("times", "<i4"), ("chars", "<i4")])
PAIRS = np.dtype([("left", "<u8"), ("right", "<u8")])  # left < right
VERDICTS = np.dtype([("left", "<u8"), ("right", "<u8"), ("same", "?")])

STATS = "stats"  # a block of this kind is JSON, of what a part counted
SENT_PAIRS = 1 << 20  # are held at a time


@dataclass(frozen=True)
class Buckets:
    """Texts by bucket: of place i the name, whether it is new, and where its bucket starts and ends."""

    name: Array
    is_new: Array
    start: Array
    end: Array

    @property
    def sizes(self) -> Array:
        """int64, buckets."""
        return (self.end - self.start)[self.firsts]

    @property
    def firsts(self) -> Array:
        """int64, buckets: the place that each starts at."""
        return np.flatnonzero(self.start == np.arange(len(self.start)))

    def where(self, kept: Array) -> Buckets:
        """Only the buckets of these, bool by bucket."""
        chosen = np.repeat(kept, self.sizes)
        moved = np.cumsum(chosen) - chosen  # how many of those before are kept
        end = moved[self.start[chosen]] + (self.end - self.start)[chosen]
        return Buckets(self.name[chosen], self.is_new[chosen], moved[self.start[chosen]], end)


# ---- 1. records of shards


def send_records(finding: Finding, parts: int, numbers: Sequence[int]) -> Iterator[KindBlock]:
    """Bands by key, and names by name, of these shards. A text without bands is like no other."""
    bands, names = Outbox(BANDS), Outbox(NAMES)
    for number in numbers:
        table = finding.read(number, [finding.related.column, "minhash.text"])
        column = table.column(finding.related.column).combine_chunks()
        chars = np.asarray(finding.read_rows(number, ["chars"]).column(0)) if is_verified(finding) else None
        rows, times = first_rows(np.asarray(column.is_valid()), names_of(table))
        found = np.zeros(len(rows), NAMES)
        found["name"], found["shard"], found["times"] = names_of(table)[rows], number, times
        if chars is not None:
            found["chars"] = chars[rows]
        yield from of_kind("names", names.add(part_of(found["name"], parts), found))
        taken = column.take(pa.array(rows))
        keyed = np.empty(len(pc.list_flatten(taken)), BANDS)
        keyed["key"] = np.asarray(pc.list_flatten(taken))
        keyed["name"] = found["name"][np.asarray(pc.list_parent_indices(taken))]
        yield from of_kind("bands", bands.add(part_of(keyed["key"], parts), keyed))
    yield from of_kind("names", names.rest())
    yield from of_kind("bands", bands.rest())


def is_verified(finding: Finding) -> bool:
    return finding.related.method.parameters["verify"] is not None


def names_of(table: pa.Table) -> Array:
    """uint64, rows: the names of texts."""
    return np.asarray(table.column("minhash.text")).astype(np.int64).view(np.uint64)


def first_rows(counted: Array, names: Array) -> tuple[Array, Array]:
    """The first row of each different name among rows that are counted, in order; and how many rows have it."""
    rows = np.flatnonzero(counted)
    by = np.argsort(names[rows], kind="stable")
    rows = rows[by]
    starts = np.flatnonzero(is_first(names[rows]))
    times = np.diff(starts, append=len(rows))
    in_order = np.argsort(rows[starts])
    return rows[starts][in_order], times[in_order]


# ---- 2. pairs of a part's buckets


def meet(finding: Finding, parts: int, everything: bool, part: int, found: dict[str, Array]) -> Iterator[KindBlock]:
    """Pairs, each for the part that it belongs to, and what was counted, for part 0. Puts the part's own layers.

    With a base only pairs with a new text, unless `everything` is asked for.
    """
    layers.put(finding.layer, part, _sorted(found["bands"]), "bands")
    layers.put(finding.layer, part, np.sort(found["names"], order=["name", "shard"]), "names")
    old = layers.read(finding.layers, part, BANDS, "bands")
    buckets = buckets_of(np.concatenate([old, found["bands"]]), len(old))
    most, representatives = limits(finding)
    sizes = buckets.sizes
    firsts = buckets.firsts
    has_new = np.logical_or.reduceat(buckets.is_new, firsts) if len(firsts) else np.zeros(0, bool)
    stats = {"largest_bucket": int(sizes.max(initial=0)), "buckets_above_max": int((sizes > most).sum()),
             "skipped_pairs": skipped(sizes, most, representatives), "lost": 0}
    if finding.base is not None and not everything:
        buckets = buckets.where(has_new)
        stats["lost"] = lost(buckets, most, representatives)
    only_new = finding.base is not None and not everything and is_verified(finding)
    yield 0, (STATS, json.dumps(stats).encode())
    yield from of_kind("pairs", _sent(buckets, most, representatives, only_new, parts))


def limits(finding: Finding) -> tuple[int, int]:
    """(max_bucket, representatives)."""
    if not is_verified(finding):
        return 1, 1
    parameters: Any = finding.related.method.parameters
    return int(parameters["max_bucket"]), int(parameters["representatives"])


def buckets_of(records: Array, old: int) -> Buckets:
    """The buckets of two different texts or more; the first `old` records are those of the base."""
    by = np.argsort(records["key"])
    keys = records["key"][by]
    again = keys[1:] == keys[:-1]
    shared = np.zeros(len(keys), bool)
    shared[1:] |= again
    shared[:-1] |= again
    by = by[shared]
    keys, names, is_new = records["key"][by], records["name"][by], by >= old
    by = np.lexsort([is_new, names, keys])  # what is in both is known
    keys, names, is_new = keys[by], names[by], is_new[by]
    first = is_first(keys)
    other = first | is_first(names)
    keys, names, is_new, first = keys[other], names[other], is_new[other], first[other]
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=len(keys))
    buckets = Buckets(names, is_new, np.repeat(starts, sizes), np.repeat(starts + sizes, sizes))
    return buckets.where(sizes > 1)


def pairs_of(buckets: Buckets, most: int, representatives: int) -> Iterator[tuple[Array, Array]]:
    """The places of the lesser and greater names that are compared, some at a time: no more than there are texts."""
    is_small = buckets.end - buckets.start <= most
    at = np.flatnonzero(is_small)
    distance = 1
    while len(at := at[at + distance < buckets.end[at]]):
        yield at, at + distance
        distance += 1
    at = np.flatnonzero(~is_small)
    after = at - buckets.start[at]
    for representative in range(representatives):
        at, after = at[after > representative], after[after > representative]
        yield buckets.start[at] + representative, at


def skipped(sizes: Array, most: int, representatives: int) -> int:
    """How many pairs of buckets with so many texts are not compared."""
    rest = np.maximum(sizes[sizes > most] - representatives, 0)
    return int((rest * (rest - 1) // 2).sum())


def lost(buckets: Buckets, most: int, representatives: int) -> int:
    """In how many buckets texts were compared with each other once that would not be now, since new ones have come."""
    is_large = buckets.sizes > most
    if not is_large.any() or most < 2:
        return 0
    large = buckets.where(is_large)
    firsts = large.firsts
    old = np.add.reduceat(~large.is_new, firsts)
    among = np.arange(len(large.name)) - large.start < representatives
    new_representatives = np.add.reduceat(large.is_new & among, firsts)
    return int((((old > most) & (new_representatives > 0)) | ((old <= most) & (old > 1))).sum())


def _sent(buckets: Buckets, most: int, representatives: int, only_new: bool, parts: int) -> Iterator[Block]:
    out = Outbox(PAIRS)
    held: list[Array] = []
    for left, right in pairs_of(buckets, most, representatives):
        for start in range(0, len(left), SENT_PAIRS):
            one, other = left[start : start + SENT_PAIRS], right[start : start + SENT_PAIRS]
            if only_new:
                wanted = buckets.is_new[one] | buckets.is_new[other]
                one, other = one[wanted], other[wanted]
            pairs = np.empty(len(one), PAIRS)
            pairs["left"], pairs["right"] = buckets.name[one], buckets.name[other]
            held.append(pairs)
            if sum(map(len, held)) >= SENT_PAIRS:
                yield from _out(out, held, parts)
                held = []
    yield from _out(out, held, parts)
    yield from out.rest()


def _out(out: Outbox, held: list[Array], parts: int) -> Iterator[Block]:
    pairs = distinct_pairs(np.concatenate([np.empty(0, PAIRS), *held]))
    yield from out.add(part_of_pair(pairs, parts), pairs)


def part_of_pair(pairs: Array, parts: int) -> Array:
    """The part that a pair belongs to; int64."""
    return part_of(pairs["left"] ^ pairs["right"] * np.uint64(0x9E3779B97F4A7C15), parts)


def distinct_pairs(pairs: Array) -> Array:
    """The different ones, in order."""
    by = np.argsort(pairs["left"])
    pairs = pairs[by]
    again = pairs["left"][1:] == pairs["left"][:-1]
    shared = np.zeros(len(pairs), bool)
    shared[1:] |= again
    shared[:-1] |= again
    some = pairs[shared]
    pairs[shared] = some[np.lexsort([some["right"], some["left"]])]
    found: Array = pairs[is_first(pairs["left"]) | is_first(pairs["right"])]
    return found


def _sorted(bands: Array) -> Array:
    """The different bands, in order of key and name."""
    found = distinct_pairs(bands.view(PAIRS).copy()).view(BANDS)
    return found


# ---- 3. pairs of all parts


def settle(finding: Finding, everything: bool, part: int, found: dict[str, Any]) -> Iterator[KindBlock]:
    """Each pair once: those that are to be verified as "pairs", those that are the same already as "edges"; and how
    many there are.
    """
    for block in found[STATS]:
        yield part, (STATS, block)
    pairs = distinct_pairs(found["pairs"].copy())
    stats = {"candidate_pairs": len(pairs), "unknown": 0, "edges": len(pairs)}
    edges = pairs
    if is_verified(finding):
        known = np.sort(layers.read(finding.layers, part, VERDICTS, "pairs"), order=["left", "right"]) \
            if everything else np.empty(0, VERDICTS)
        is_known, is_same = looked_up(pairs, known)
        pairs, edges = pairs[~is_known], pairs[is_same]
        stats |= {"unknown": len(pairs), "edges": len(edges)}
        yield part, ("pairs", pairs.tobytes())
    yield part, ("edges", edges.tobytes())
    yield part, (STATS, json.dumps(stats).encode())


def looked_up(pairs: Array, known: Array) -> tuple[Array, Array]:
    """(whether the verdict of each pair is known, whether it is then that they are the same); both are sorted."""
    whole = np.concatenate([pairs, known[["left", "right"]].astype(PAIRS)]) if len(known) else pairs
    is_pair = np.arange(len(whole)) < len(pairs)
    same = np.concatenate([np.zeros(len(pairs), bool), known["same"]])
    by = np.lexsort([is_pair, whole["right"], whole["left"]])  # what is known comes before what is asked
    whole, is_pair, same = whole[by], is_pair[by], same[by]
    equal = (whole["left"][1:] == whole["left"][:-1]) & (whole["right"][1:] == whole["right"][:-1])
    after = np.zeros(len(whole), bool)
    after[1:] = equal
    said = np.zeros(len(whole), bool)
    said[1:] = equal & same[:-1]
    return after[is_pair], said[is_pair]
