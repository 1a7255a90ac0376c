"""Fuzzy: which documents are near-duplicates, from the MinHash bands of their texts.

1. Each task sends the bands of its new shards to parts by key, and the names of their texts to parts by name. What
   arrives is put as layers, beside which a later crawl is found (jobs/candidates.py).
2. Texts that share a key are candidates; pairs meet in parts of their own, where each is counted once.
3. With `verify` those that no base has compared are compared by their shingles (jobs/verify.py).
4. What is connected gets the least name of its component for a label (jobs/components.py).
5. Labels meet the names of all documents. A text that two documents have is a cluster without any edge, too. What has
   changed goes to the shards that have it, each of which looks its rows up by name and writes its members.

From a base only pairs with a new text are made, and join the base's labels. That gives what a full run gives, since
texts that were compared once are compared in a larger corpus too, but for one case: a bucket that has grown past
`max_bucket`, or has got other representatives. Then all pairs are made anew from the layers, and of these only those
are read and verified that never were.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import components, verify
from jobs.candidates import BANDS, NAMES, PAIRS, STATS, is_verified, meet, names_of, send_records, settle
from jobs.components import LABELS
from jobs.engine import Engine
from jobs.exchange import (
    Array,
    Block,
    KindBlock,
    Outbox,
    delivered,
    exchange_kinds,
    of_kind,
    part_of,
    runs,
    send,
    taken,
)
from jobs.finding import Finding
from jobs.progress import Counts
from jobs.verify import is_kind, on_disk, own_layer
from mixer import layers, storage
from mixer.clusters import ClusterSet
from mixer.components import cluster_bytes, is_first

CHANGES = np.dtype([("shard", "<i4"), ("name", "<u8"), ("label", "<u8"), ("stays", "?")])
SIZES = np.dtype([("label", "<u8"), ("documents", "<i8")])

SET = -1  # in place of a shard: what is said of the whole set


def find(finding: Finding, engine: Engine) -> ClusterSet:
    """The set of documents that are connected by similar pairs, or have the same text."""
    bins, all_bins = finding.bins(), finding.bins(new_only=False)
    documents = sum(finding.documents[number] for part in bins for number in part)
    parameters: Any = finding.related.method.parameters
    parts = finding.parts(documents, int(parameters["bands"]) * BANDS.itemsize)
    label = f"dedup {finding.related.method.use}"
    scratch = storage.join(finding.layer, "rounds")
    with engine.watched(label, Counts(documents=documents)) as watched:
        watched.tasks = len(bins) + (8 if is_verified(finding) else 4) * parts + 2 * len(all_bins)
        work = _Work(finding, watched, parts, all_bins, scratch, lambda line: engine.progress.say(f"{label}: {line}"))
        sent = delivered(send(watched.spark, bins, functools.partial(send_records, finding, parts)), parts)
        edges, about, held = work.edges(sent, everything=False, counting=functools.partial(
            watched.counting, sizes=_even(documents, parts)))
        labels, rounds = components.label(watched.spark, edges, about["edges"], parts, storage.join(scratch, "edges"),
                                          work.tell)
        written = work.members(labels)
        for each in held:
            each.unpersist()
    storage.remove_below(scratch)
    told = [value for number, value in written if number == SET]
    kinds = ("bands", "names", "labels", "pairs") if is_verified(finding) else ("bands", "names", "labels")
    about |= {"rounds": rounds, "linked_texts": sum(each["linked_texts"] for each in told),
              "largest_cluster": max(each["largest_cluster"] for each in told)}
    return finding.finish(sum(each["clusters"] for each in told),
                          {number: value for number, value in written if number != SET}, parts,
                          about_of(finding, about), kinds)


def about_of(finding: Finding, counted: Mapping[str, int]) -> dict[str, Any]:
    """What the set says of its work. Of pairs, those of the base are counted too where they were not made again."""
    pairs = ("candidate_pairs", "verified_pairs", "skipped_pairs") if is_verified(finding) else ()
    buckets = ("largest_bucket", "buckets_above_max") if is_verified(finding) else ("largest_bucket",)
    found: dict[str, Any] = {name: counted[name] for name in (*pairs, *buckets, "largest_cluster", "linked_texts")}
    found["components"] = f"in {counted['rounds']} rounds" if counted["rounds"] else "in memory"
    base = finding.base
    if base is None:
        return found
    if counted["anew"]:
        return {**found, "found": f"from {base.name}, with all pairs made anew: {counted['anew']:,} buckets have grown "
                                  "past max_bucket or have other representatives"}
    for name in set(pairs) - {"skipped_pairs"}:
        found[name] += base.about[name]
    return {**found, "found": f"from {base.name}"}


def _even(documents: int, parts: int) -> list[Counts]:
    return [Counts(documents=documents * (part + 1) // parts - documents * part // parts) for part in range(parts)]


# ---- what is run, step by step


@dataclass(frozen=True)
class _Work:
    """One set under way."""

    finding: Finding
    watched: Any
    parts: int
    bins: list[list[int]]  # of all shards
    scratch: str
    tell: Callable[[str], None]

    def edges(self, sent: Any, everything: bool, counting: Any = lambda function: function
              ) -> tuple[Any, dict[str, int], list[Any]]:
        """(an RDD of blocks of all edges, what was counted, RDDs to let go of in the end)."""
        finding, context = self.finding, self.watched.spark.sparkContext
        pairs, about = self._pairs(sent, everything, counting)
        if about["lost"]:
            self.tell(f"{about['lost']:,} buckets have grown past max_bucket or have other representatives: all pairs "
                      "are made anew, of which the known ones are not verified again")
            pairs.unpersist()
            edges, anew, held = self.edges(sent, everything=True)
            return edges, anew | {"anew": about["lost"]}, held
        edges, held = [of_records(pairs, "edges")], [pairs]
        if is_verified(finding):
            judged = verify.verdicts(self.watched.spark, finding, of_records(pairs, "pairs"), about["unknown"],
                                     self.parts, self.bins, storage.join(self.scratch, "pairs"), self.tell)
            held.append(judged.persist(on_disk()))
            about["verified_pairs"] = about["edges"] + counted(judged)["verified_pairs"]
            about["edges"] = about["verified_pairs"]
            edges.append(of_records(judged, "edges"))
        if finding.base is not None and not everything:
            edges.append(send(self.watched.spark, list(range(self.parts)), functools.partial(old_labels, finding)))
            about["edges"] += int(finding.base.about["linked_texts"])
        return context.union(edges), about | {"anew": 0}, held

    def _pairs(self, sent: Any, everything: bool, counting: Any) -> tuple[Any, dict[str, int]]:
        made = taken(sent, {"bands": BANDS, "names": NAMES},
                     functools.partial(meet, self.finding, self.parts, everything), counting)
        pairs = exchange_kinds(made, self.parts, {"pairs": PAIRS, STATS: None},
                               functools.partial(settle, self.finding, everything)).persist(on_disk())
        return pairs, counted(pairs)

    def members(self, labels: Any) -> list[tuple[int, Any]]:
        """What write_members gives of all parts."""
        back = np.zeros(len(self.finding.shards), np.int64)
        for place, numbers in enumerate(self.bins):
            back[numbers] = place
        changes = exchange_kinds(labels, self.parts, {"labels": LABELS},
                                 functools.partial(relabel, self.finding, back, len(self.bins), self.parts))
        found: list[tuple[int, Any]] = exchange_kinds(
            changes, len(self.bins) + self.parts, {"changes": CHANGES, "sizes": SIZES, STATS: None},
            functools.partial(write_members, self.finding, len(self.bins))).collect()
        return found


def of_records(blocks: Any, kind: str) -> Any:
    """The blocks of one kind, as blocks that say no kind."""
    return blocks.filter(is_kind(kind)).mapValues(_records)


def _records(value: tuple[str, bytes]) -> bytes:
    return value[1]


def counted(blocks: Any) -> dict[str, int]:
    """What the STATS of these blocks add up to; of what is largest, the largest."""
    found: dict[str, int] = {}
    for _, (_, data) in blocks.filter(is_kind(STATS)).collect():
        for name, value in json.loads(data).items():
            found[name] = max(found.get(name, 0), value) if name.startswith("largest") else found.get(name, 0) + value
    return found


# ---- labels of names


def old_labels(finding: Finding, part: int) -> Iterator[Block]:
    """The base's labels of the names of a part, as edges."""
    yield part, layers.read(finding.layers[-1:], part, LABELS, "labels").tobytes()


def relabel(finding: Finding, back: Array, bins: int, parts: int, part: int, found: dict[str, Array]
            ) -> Iterator[KindBlock]:
    """To each shard's task what has changed for its texts; to later parts how many documents each cluster has."""
    labels = _by_name(found["labels"])
    layers.put(finding.layer, part, labels, "labels")
    old = _by_name(layers.read(finding.layers[-1:], part, LABELS, "labels"))
    texts = layers.read([*finding.layers, own_layer(finding, parts)], part, NAMES, "names")
    texts = texts[np.argsort(texts["name"])]
    is_new = finding.is_new[texts["shard"]]
    starts = np.flatnonzero(is_first(texts["name"]))
    of_text = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(texts)))
    names = texts["name"][starts]
    times = _sums(texts["times"], starts)
    label, together = _labelled(names, times, labels)
    old_label, was_together = _labelled(names, _sums(np.where(is_new, 0, texts["times"]), starts), old)
    differs = (together != was_together) | (together & (label != old_label))
    changed = np.where(is_new, together[of_text], differs[of_text])
    changes = np.empty(int(changed.sum()), CHANGES)
    changes["shard"], changes["name"] = texts["shard"][changed], texts["name"][changed]
    changes["label"], changes["stays"] = label[of_text[changed]], together[of_text[changed]]
    out = Outbox(CHANGES)
    yield from of_kind("changes", out.add(back[changes["shard"]], changes))
    yield from of_kind("changes", out.rest())
    sizes = _summed(label[together], times[together])
    out = Outbox(SIZES)
    yield from of_kind("sizes", out.add(bins + part_of(sizes["label"], parts), sizes))
    yield from of_kind("sizes", out.rest())
    yield bins, (STATS, json.dumps(len(labels)).encode())


def _by_name(labels: Array) -> Array:
    """The different labels in order of name."""
    labels = labels[np.argsort(labels["name"])]
    found: Array = labels[is_first(labels["name"])]
    return found


def _labelled(names: Array, times: Array, labels: Array) -> tuple[Array, Array]:
    """(the label of each name, which is itself where none is given; whether it is in a cluster)."""
    label, together = names.copy(), times > 1
    places = np.searchsorted(names, labels["name"])
    label[places], together[places] = labels["label"], True
    return label, together


def _summed(labels: Array, documents: Array) -> Array:
    by = np.argsort(labels)
    labels = labels[by]
    starts = np.flatnonzero(is_first(labels))
    found = np.empty(len(starts), SIZES)
    found["label"], found["documents"] = labels[starts], _sums(documents[by], starts)
    return found


def _sums(values: Array, starts: Array) -> Array:
    """int64: the sum from each start to the next."""
    found: Array = np.add.reduceat(values.astype(np.int64), starts) if len(starts) else np.zeros(0, np.int64)
    return found


# ---- members


def write_members(finding: Finding, bins: int, part: int, found: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """(shard, {rows, digest}) of each shard whose members have changed, None in place of these where it has none any
    more; (SET, counts) of a part of clusters.
    """
    if part >= bins:
        sizes = _summed(found["sizes"]["label"], found["sizes"]["documents"])
        yield SET, {"clusters": len(sizes), "largest_cluster": int(sizes["documents"].max(initial=0)),
                    "linked_texts": sum(json.loads(block) for block in found[STATS])}
        return
    changes = found["changes"][np.lexsort([found["changes"]["name"], found["changes"]["shard"]])]
    for start, end in runs(changes["shard"]):
        number = int(changes["shard"][start])
        members = _members(finding, number, changes[start:end])
        yield number, finding.write(number, members) if members.num_rows else None


def _members(finding: Finding, number: int, changes: Array) -> pa.Table:
    """What the base knows of a shard, but for the rows whose texts are in `changes`, which are sorted by name."""
    names = names_of(finding.read(number, ["minhash.text"]))
    places = np.minimum(np.searchsorted(changes["name"], names), len(changes) - 1)
    is_changed = changes["name"][places] == names
    rows = np.flatnonzero(is_changed & changes["stays"][places])
    old = finding.old_members(number)
    old = old.filter(pa.array(~is_changed[np.asarray(old.column("row"))]))
    labels = np.ascontiguousarray(cluster_bytes(changes["label"][places[rows]]))
    clusters = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(rows), [None, pa.py_buffer(labels)])
    return pa.concat_tables([old, pa.table([pa.array(rows), clusters], schema=old.schema)]).sort_by("row")
