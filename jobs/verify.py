"""Verify: whether candidates are as similar as is asked for, by the Jaccard similarity of their sets of shingles.

A set is made and sent once, but for those of a few large components:

1. Candidates that hang together are put into one group, and small components share one. A group is what a task holds.
2. A component whose sets could take more than GROUP_BYTES is cut into blocks of that; each pair of blocks that has
   candidates is a group of its own, and the sets go to each that needs them.
3. Tasks read the shards that have candidates, and of these shingle the candidates' texts alone.
4. Sets meet in their groups, where pairs are compared by whole numbers.

What sets can take at the most is known from the code points of a text, before it is read.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import xxhash

from jobs import components
from jobs.candidates import NAMES, PAIRS, STATS, VERDICTS, distinct_pairs, names_of, part_of_pair
from jobs.components import LABELS
from jobs.exchange import HELD_BYTES, Array, KindBlock, Outbox, exchange_kinds, of_kind, part_of, runs
from jobs.finding import Finding
from mixer import layers
from mixer.components import distinct
from mixer.errors import StorageError
from mixer.layers import Layer

GROUP_BYTES = 64 << 20  # of sets, if every code point began a shingle: of English ten times what they are
TEXT_BYTES = 16 << 20  # of texts that are shingled at a time

LOCATED = np.dtype([("component", "<u8"), ("name", "<u8"), ("shard", "<i4"), ("chars", "<i4")])
TOGETHER = np.dtype([("component", "<u8"), ("left", "<u8"), ("right", "<u8")])
WANTED = np.dtype([("shard", "<i4"), ("group", "<i4"), ("name", "<u8")])
COMPARED = np.dtype([("group", "<i4"), ("left", "<u8"), ("right", "<u8")])


def threshold_of(finding: Finding) -> Fraction:
    """The similarity that is asked for, as it is written: 0.8 is four fifths."""
    return Fraction(repr(finding.related.method.parameters["verify"]))


def verdicts(
    spark: Any, finding: Finding, pairs: Any, count: int, parts: int, bins: list[list[int]], folder: str,
    tell: Callable[[str], None],
) -> Any:
    """An RDD of what the pairs' parts give: the same ones as "edges", and STATS of them. Their layers are put.

    `pairs` is an RDD of blocks of PAIRS, of `count` records; layers of names have to be there.
    """
    hang, _ = components.label(spark, pairs, count, parts, folder, tell)
    by_left = pairs.flatMap(functools.partial(_by_left, parts))
    located = exchange_kinds(spark.sparkContext.union([hang, by_left]), parts, {"labels": LABELS, "pairs": PAIRS},
                             functools.partial(locate, finding, parts))
    grouped = exchange_kinds(located, parts, {"texts": LOCATED, "pairs": TOGETHER}, group)
    grouped = grouped.persist(on_disk())
    first = np.zeros(parts + 1, np.int64)  # of each part's groups
    for part, groups in grouped.filter(is_kind(STATS)).mapValues(_json_of).collect():
        first[part + 1] = groups
    first = np.cumsum(first)
    of_shard = np.zeros(len(finding.shards), np.int64)
    for place, numbers in enumerate(bins):
        of_shard[numbers] = place
    wanted = grouped.filter(is_kind("wanted")).flatMap(functools.partial(_to_shards, first, of_shard))
    sets = exchange_kinds(wanted, len(bins), {"wanted": WANTED}, functools.partial(read_sets, finding))
    compared = grouped.filter(is_kind("pairs")).flatMap(functools.partial(_to_groups, first))
    judged = exchange_kinds(spark.sparkContext.union([sets, compared]), max(1, int(first[-1])),
                            {"sets": None, "pairs": COMPARED},
                            functools.partial(compare, threshold_of(finding), parts))
    return exchange_kinds(judged, parts, {"verdicts": VERDICTS}, functools.partial(_keep, finding))


def on_disk() -> Any:
    """Where what is needed twice is kept: not in memory."""
    from pyspark import StorageLevel

    return StorageLevel.DISK_ONLY


def is_kind(kind: str) -> Any:
    """Whether a block is of this kind, as a function that can be sent."""
    return functools.partial(_is_kind, kind)


def _is_kind(kind: str, block: KindBlock) -> bool:
    return block[1][0] == kind


def _json_of(value: tuple[str, bytes]) -> Any:
    return json.loads(value[1])


def own_layer(finding: Finding, parts: int) -> Layer:
    """The layer of the set that is being found."""
    return Layer(finding.layer, parts, np.arange(len(finding.shards), dtype=np.int32))


# ---- 1. groups


def _by_left(parts: int, block: tuple[int, bytes]) -> Iterator[KindBlock]:
    pairs = np.frombuffer(block[1], PAIRS)
    out = Outbox(PAIRS)
    yield from of_kind("pairs", out.add(part_of(pairs["left"], parts), pairs))
    yield from of_kind("pairs", out.rest())


def locate(finding: Finding, parts: int, part: int, found: dict[str, Array]) -> Iterator[KindBlock]:
    """To the part of each component: its texts, of each the shard where it is read, and its pairs."""
    labels = distinct_pairs(found["labels"].view(PAIRS).copy()).view(LABELS)
    names = layers.read([*finding.layers, own_layer(finding, parts)], part, NAMES, "names")
    place = np.searchsorted(labels["name"], names["name"])
    place[place == len(labels)] = 0
    names = names[labels["name"][place] == names["name"]] if len(labels) else names[:0]
    names = names[np.lexsort([names["shard"], names["name"]])]
    first = np.ones(len(names), bool)
    first[1:] = names["name"][1:] != names["name"][:-1]
    names = names[first]
    texts = np.empty(len(labels), LOCATED)
    texts["component"], texts["name"] = labels["label"], labels["name"]
    texts["shard"], texts["chars"] = names["shard"], names["chars"]
    out = Outbox(LOCATED)
    yield from of_kind("texts", out.add(part_of(texts["component"], parts), texts))
    yield from of_kind("texts", out.rest())
    pairs = np.empty(len(found["pairs"]), TOGETHER)
    for name in ("left", "right"):
        pairs[name] = found["pairs"][name]
    pairs["component"] = labels["label"][np.searchsorted(labels["name"], pairs["left"])] if len(labels) else 0
    out = Outbox(TOGETHER)
    yield from of_kind("pairs", out.add(part_of(pairs["component"], parts), pairs))
    yield from of_kind("pairs", out.rest())


def group(part: int, found: dict[str, Array]) -> Iterator[KindBlock]:
    """Which texts of this part's components go to which of its groups, its pairs by group, and how many there are."""
    texts = found["texts"][np.lexsort([found["texts"]["name"], found["texts"]["component"]])]
    blocks = blocks_of(texts["component"], 8 * np.maximum(texts["chars"].astype(np.int64), 1), GROUP_BYTES)
    by = np.argsort(texts["name"])
    names, blocks, shards = texts["name"][by], blocks[by], texts["shard"][by]
    pairs = np.empty(len(found["pairs"]), COMPARED)
    for name in ("left", "right"):
        pairs[name] = found["pairs"][name]
    left, right = (blocks[np.searchsorted(names, pairs[name])] for name in ("left", "right"))
    both = np.minimum(left, right) << 32 | np.maximum(left, right)
    groups = distinct(both)
    pairs["group"] = np.searchsorted(groups, both)
    wanted = np.empty(2 * len(pairs), WANTED)
    wanted["group"] = np.tile(pairs["group"], 2)
    wanted["name"] = np.concatenate([pairs["left"], pairs["right"]])
    wanted = wanted[np.lexsort([wanted["name"], wanted["group"]])]
    again = (wanted["group"][1:] == wanted["group"][:-1]) & (wanted["name"][1:] == wanted["name"][:-1])
    wanted = wanted[np.append(True, ~again)[: len(wanted)]]
    wanted["shard"] = shards[np.searchsorted(names, wanted["name"])]
    yield part, (STATS, json.dumps(len(groups)).encode())
    yield part, ("wanted", wanted.tobytes())
    yield part, ("pairs", pairs.tobytes())


def blocks_of(component: Array, sizes: Array, most: int) -> Array:
    """int64, texts: a block for each text, whose sizes add up to `most`, and to less than one text or component more.

    Components that are no larger than that are whole in one block; each of the others has blocks of its own. `texts`
    are in order of component.
    """
    if not len(component):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.append(True, component[1:] != component[:-1]))
    counts = np.diff(starts, append=len(component))
    whole = np.add.reduceat(sizes, starts)
    is_large = whole > most
    before = np.cumsum(np.where(is_large, 0, whole)) - np.where(is_large, 0, whole)
    small = np.repeat(before // most, counts)
    inside = np.cumsum(sizes) - sizes
    inside -= np.repeat(inside[starts], counts)
    large = np.repeat(np.cumsum(is_large), counts) << 40 | inside // most  # more than all small ones, by component
    keys = np.where(np.repeat(is_large, counts), large, small)
    found: Array = np.searchsorted(distinct(keys), keys)
    return found


def _to_shards(first: Array, of_shard: Array, block: KindBlock) -> Iterator[KindBlock]:
    wanted = np.frombuffer(block[1][1], WANTED).copy()
    wanted["group"] += first[block[0]].astype(np.int32)
    out = Outbox(WANTED)
    yield from of_kind("wanted", out.add(of_shard[wanted["shard"]], wanted))
    yield from of_kind("wanted", out.rest())


def _to_groups(first: Array, block: KindBlock) -> Iterator[KindBlock]:
    pairs = np.frombuffer(block[1][1], COMPARED).copy()
    pairs["group"] += first[block[0]].astype(np.int32)
    out = Outbox(COMPARED)
    yield from of_kind("pairs", out.add(pairs["group"].astype(np.int64), pairs))
    yield from of_kind("pairs", out.rest())


# ---- 2. sets


def read_sets(finding: Finding, part: int, found: dict[str, Array]) -> Iterator[KindBlock]:
    """The sets of shingles of these texts, each to the groups that want it."""
    from taggers.shingles import shingle_sets
    from taggers.text import TextBatch

    use = finding.related.method.tagger_use
    assert use is not None
    wanted = found["wanted"][np.lexsort([found["wanted"]["name"], found["wanted"]["shard"]])]
    out = _Sets()
    for start, end in runs(wanted["shard"]):
        names, groups = wanted["name"][start:end], wanted["group"][start:end]
        for some, texts in read_texts(finding, int(wanted["shard"][start]), distinct(names)):
            first, hashes = shingle_sets(TextBatch.of_strings(texts), use.parameters)
            low, high = (np.searchsorted(names, some, side=side).tolist() for side in ("left", "right"))
            for number in range(len(some)):
                shingles = hashes[first[number] : first[number + 1]]
                yield from out.add(some[number], shingles, groups[low[number] : high[number]].tolist())
    yield from out.rest()


def read_texts(finding: Finding, number: int, names: Array) -> Iterator[tuple[Array, list[str]]]:
    """(names, texts) of a shard's texts that are called so, TEXT_BYTES at a time or one more; each once.

    StorageError where the shard is not any more what its sidecar was made from.
    """
    uri = finding.workspace.shard(finding.shards[number])
    rows = _rows(names_of(finding.read(number, ["minhash.text"])), names)
    by = np.argsort(rows)
    rows, names = rows[by].tolist(), names[by]
    texts: list[str] = []
    size = done = before = 0
    for batch in finding.workspace.reader(finding.shards[number]):
        while done + len(texts) < len(rows) and rows[done + len(texts)] < before + len(batch.documents):
            place = done + len(texts)
            text = batch.documents[rows[place] - before].text
            data = text.encode()
            if xxhash.xxh3_64_intdigest(data) != names[place]:
                raise StorageError(f"{uri}: row {rows[place]:,} is not the text that was tagged; tag it again with "
                                   "`solera tag --verify`")
            texts.append(text)
            size += len(data)
            if size >= TEXT_BYTES:
                yield names[done : done + len(texts)], texts
                done, texts, size = done + len(texts), [], 0
        before += len(batch.documents)
        if done + len(texts) == len(rows):
            break
    if done + len(texts) < len(rows):
        raise StorageError(f"{uri}: has {before:,} rows, fewer than when it was tagged; tag it again with "
                           "`solera tag --verify`")
    if texts:
        yield names[done:], texts


def _rows(all_names: Array, names: Array) -> Array:
    """int64: the first row that has each of these names."""
    by = np.argsort(all_names, kind="stable")
    found: Array = by[np.searchsorted(all_names[by], names)]
    return found


class _Sets:
    """Takes sets for groups and gives them on as blocks: how many there are, their names, their sizes, and the hashes
    of all of them, each as uint64. What it holds is bounded by HELD_BYTES and one set for each of its groups.
    """

    def __init__(self) -> None:
        self._held: defaultdict[int, list[tuple[Any, Array]]] = defaultdict(list)
        self._bytes = 0

    def add(self, name: Any, shingles: Array, groups: Sequence[int]) -> Iterator[KindBlock]:
        for group in groups:
            self._held[group].append((name, shingles))
            self._bytes += shingles.nbytes + 100
        if self._bytes >= HELD_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[KindBlock]:
        held, self._held, self._bytes = self._held, defaultdict(list), 0
        for group, sets in held.items():
            head = np.array([len(sets), *(name for name, _ in sets), *(len(each) for _, each in sets)], np.uint64)
            yield group, ("sets", np.concatenate([head, *(each for _, each in sets)]).tobytes())


# ---- 3. verdicts


def compare(threshold: Fraction, parts: int, part: int, found: dict[str, Any]) -> Iterator[KindBlock]:
    """The verdict of each pair of a group."""
    from taggers.shingles import are_similar, common_of_pairs

    names, first, hashes = _joined(found.pop("sets"))
    pairs = found["pairs"]
    by = np.argsort(names)
    left, right = (by[np.searchsorted(names[by], pairs[name])] for name in ("left", "right"))
    sizes = np.diff(first)
    judged = np.empty(len(pairs), VERDICTS)
    judged["left"], judged["right"] = pairs["left"], pairs["right"]
    judged["same"] = are_similar(common_of_pairs(first, hashes, left, right), sizes[left], sizes[right], threshold)
    out = Outbox(VERDICTS)
    yield from of_kind("verdicts", out.add(part_of_pair(judged, parts), judged))
    yield from of_kind("verdicts", out.rest())


def _joined(blocks: list[bytes]) -> tuple[Array, Array, Array]:
    """(names, first, hashes) of all these blocks; the hashes of set d are hashes[first[d]:first[d + 1]]."""
    names, sizes, hashes = ([np.empty(0, np.uint64)] for _ in range(3))
    while blocks:  # so that each goes as it is taken
        block = np.frombuffer(blocks.pop(), np.uint64)
        count = int(block[0])
        names.append(block[1 : 1 + count])
        sizes.append(block[1 + count : 1 + 2 * count])
        hashes.append(block[1 + 2 * count :])
    first = np.zeros(sum(map(len, sizes)) + 1, np.int64)
    np.cumsum(np.concatenate(sizes).astype(np.int64), out=first[1:])
    return np.concatenate(names), first, np.concatenate(hashes)


def _keep(finding: Finding, part: int, found: dict[str, Array]) -> Iterator[KindBlock]:
    judged = np.sort(found["verdicts"], order=["left", "right"])
    layers.put(finding.layer, part, judged, "pairs")
    edges = np.empty(int(judged["same"].sum()), PAIRS)
    for name in ("left", "right"):
        edges[name] = judged[name][judged["same"]]
    yield part, ("edges", edges.tobytes())
    yield part, (STATS, json.dumps({"verified_pairs": len(edges)}).encode())
