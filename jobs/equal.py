"""Equal keys: which documents, or spans of them, have a key that occurs twice or more in the corpus.

1. Each task reads the keys of its shards from sidecars, and sends each different one of a shard on, with its counts.
2. Keys meet in parts, where they are counted. Those of earlier shards, if the set is found from an earlier one, lie
   there already; those of new shards are put beside them for later.
3. Keys that occur twice or more go back to the shards that have them. No position ever travels: each shard's task looks
   its own up again, and writes its members.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from jobs.engine import Engine
from jobs.exchange import Array, Block, Outbox, exchange, part_of, runs, send
from jobs.finding import Finding
from jobs.progress import Counts
from mixer import layers, packing, sidecars
from mixer.clusters import ClusterSet
from mixer.sidecars import fixed_bytes

# A document's key has 16 bytes, as two numbers; a span's has 8.
DOCUMENTS = np.dtype([("key", "<u8"), ("rest", "<u8"), ("shard", "<i4"), ("times", "<i4"), ("documents", "<i4")])
SPANS = np.dtype([("key", "<u8"), ("shard", "<i4"), ("times", "<i4"), ("documents", "<i4")])
# What goes back to shards, and what goes to one part more: how many keys a part found to be repeated, and in more
# documents than is asked for, under COUNTS in place of a shard; and the most frequent of the latter, with the first
# shard that has them.
BACK = {DOCUMENTS: np.dtype([("key", "<u8"), ("rest", "<u8"), ("shard", "<i4")]),
        SPANS: np.dtype([("key", "<u8"), ("shard", "<i4")])}
FREQUENT = np.dtype([("key", "<u8"), ("shard", "<i4"), ("times", "<i8"), ("documents", "<i8")])
COUNTS = -1
BYTES = np.dtype("u1")  # of records of either kind

LEAST_KEYS = 1 << 18  # for which a task of its own pays
SAMPLED = 16  # shards, to know about how many keys a document has


@dataclass(frozen=True)
class Asked:
    """Which keys are to be counted: those in more documents than this; and how many of them to give at most."""

    documents: int
    most: int


@dataclass(frozen=True)
class Equal:
    """What `relate` found. `written` are the members of shards, by their numbers, as Finding.finish takes them."""

    keys: int  # that are repeated
    written: Mapping[int, Mapping[str, Any]]
    parts: int
    frequent: Array  # FREQUENT: the keys that were asked for, by documents, then by key
    frequent_keys: int  # how many there are in all


def find(finding: Finding, engine: Engine) -> ClusterSet:
    """The set of documents with equal keys."""
    found = relate(finding, engine)
    return finding.finish(found.keys, found.written, found.parts)


def relate(finding: Finding, engine: Engine, asked: Asked | None = None) -> Equal:
    """Writes the members of all shards that have news, and says which keys are in many documents, if that is asked."""
    dtype = DOCUMENTS if finding.related.kind == "documents" else SPANS
    keys = keys_of_shards(finding)
    bins = _bins(finding, keys, np.flatnonzero(finding.is_new).tolist())
    all_bins = _bins(finding, keys, list(range(len(finding.shards))))
    parts = finding.parts(sum(keys[number] for part in bins for number in part), dtype.itemsize)
    documents = sum(finding.documents[number] for part in bins for number in part)
    back = np.zeros(len(finding.shards), np.int64)
    for place, numbers in enumerate(all_bins):
        back[numbers] = place
    with engine.watched(f"dedup {finding.related.method.use}", Counts(documents=documents)) as watched:
        watched.tasks = len(bins) + parts + len(all_bins) + 1
        sent = send(watched.spark, bins, functools.partial(send_keys, finding, dtype, parts))
        found = exchange(sent, parts, dtype, functools.partial(find_repeated, finding, dtype, back, asked),
                         functools.partial(watched.counting, sizes=_even(documents, parts)))
        done = exchange(found, len(all_bins) + 1, BYTES,
                        functools.partial(write_members, finding, BACK[dtype], len(all_bins), asked)).collect()
    written = {number: member for number, member in done if number != COUNTS}
    (frequent,) = (each for number, each in done if number == COUNTS)
    totals, frequent = frequent[0], frequent[1:]
    return Equal(int(totals["key"]), written, parts, frequent, int(totals["documents"]))


def keys_of_shards(finding: Finding) -> list[int]:
    """About how many keys each shard has: of documents one each; of spans, by what the footers of some sidecars say."""
    documents = finding.documents
    if finding.related.kind == "documents":
        return list(documents)
    by_size = sorted(range(len(documents)), key=lambda number: -documents[number])
    sample = by_size[:: -(-len(by_size) // SAMPLED)]
    known = sum(documents[number] for number in sample)
    spans = sum(sidecars.count_values(finding.uri(number), _key_column(finding)) for number in sample)
    return [-(-rows * spans // known) if known else 0 for rows in documents]


def _key_column(finding: Finding) -> str:
    """Of spans the keys alone, as Parquet calls them."""
    return f"{finding.related.column}.list.element.key"


def _bins(finding: Finding, keys: Sequence[int], numbers: Sequence[int]) -> list[list[int]]:
    """Numbers of shards, in tasks of about equal numbers of keys: as a shard's repeated keys go back to its task."""
    sizes = [keys[number] + packing.SHARD_ROWS for number in numbers]
    count = min(packing.bin_count(sizes, finding.slots, packing.BIN_ROWS), -(-sum(sizes) // LEAST_KEYS))
    return packing.pack(numbers, sizes, count)


def _even(documents: int, parts: int) -> list[Counts]:
    return [Counts(documents=documents * (part + 1) // parts - documents * part // parts) for part in range(parts)]


# ---- 1. keys of shards


def send_keys(finding: Finding, dtype: Any, parts: int, numbers: Sequence[int]) -> Iterator[Block]:
    """Each different key of these shards, for the part where it meets its like."""
    out = Outbox(dtype)
    for number in numbers:
        records = counted(*keys_of(finding, number), dtype)
        records["shard"] = number
        yield from out.add(part_of(records["key"], parts), records)
    yield from out.rest()


def keys_of(finding: Finding, number: int) -> tuple[Array, Array]:
    """The keys of a shard as uint64 of shape (keys, 2 or 1), and the row that each is of, ascending."""
    name = finding.related.column
    if finding.related.kind == "spans":
        spans, rows = spans_of(finding.read(number, [_key_column(finding)]).column(name))
        return np.asarray(spans.field("key")).reshape(-1, 1), rows
    table = finding.read_rows(number, [name]) if finding.related.method.use == "id@1" else finding.read(number, [name])
    column = table.column(name).combine_chunks()
    valid = np.flatnonzero(np.asarray(column.is_valid()))
    return _words(column.drop_null()), valid


def spans_of(column: pa.ChunkedArray) -> tuple[pa.StructArray, Array]:
    """All spans of a shard one after another, and the row that each is of."""
    lists = column.combine_chunks()
    return lists.flatten(), np.repeat(np.arange(len(lists)), np.asarray(lists.value_lengths().fill_null(0)))


def _words(values: pa.Array) -> Array:
    """16 bytes that stand for each value, as two numbers: those of a key itself, else xxh3-128 of a text's UTF-8, or of
    a number's eight bytes.
    """
    if pa.types.is_fixed_size_binary(values.type):
        return fixed_bytes(values).view("<u8").reshape(-1, 2)
    coded = values.dictionary_encode()
    texts = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if texts:
        hashed = [xxhash.xxh3_128_digest(text) for text in coded.dictionary.cast(pa.binary()).to_pylist()]
    else:
        plain = np.asarray(coded.dictionary.cast(pa.float64() if pa.types.is_floating(values.type) else pa.int64()))
        plain = plain + 0 if plain.dtype.kind == "i" else plain + 0.0  # -0.0 is 0.0
        hashed = [xxhash.xxh3_128_digest(each.tobytes()) for each in plain]
    found: Array = np.frombuffer(b"".join(hashed), "<u8").reshape(-1, 2)[np.asarray(coded.indices)]
    return found


def counted(keys: Array, rows: Array, dtype: Any) -> Array:
    """One record for each different key: how often it occurs, and in how many documents. `rows` ascend."""
    by = np.lexsort(keys.T[::-1])  # which leaves the rows of a key in order
    keys, rows = keys[by], rows[by]
    is_first = np.ones(len(keys), bool)
    is_first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    first = np.flatnonzero(is_first)
    is_new_row = is_first.copy()
    is_new_row[1:] |= rows[1:] != rows[:-1]
    records = np.zeros(len(first), dtype)
    for name, column in zip(_names(dtype), keys[first].T, strict=True):
        records[name] = column
    records["times"] = np.diff(first, append=len(keys))
    records["documents"] = _sums(is_new_row, first)
    return records


def _names(dtype: Any) -> list[str]:
    return [name for name in dtype.names if name in ("key", "rest")]


# ---- 2. keys that occur twice or more


def find_repeated(
    finding: Finding, dtype: Any, back: Array, asked: Asked | None, part: int, records: Array
) -> Iterator[Block]:
    """Back to each shard the repeated keys that it did not know to be repeated; to one part more, what is FREQUENT."""
    names = _names(dtype)
    records = records[_order(records, names)]
    layers.put(finding.layer, part, records)
    was_there = np.zeros(len(records), bool)
    old = layers.read(finding.layers, part, dtype)
    if len(old):
        records = np.concatenate([old, records])
        by = _order(records, names)
        records, was_there = records[by], by < len(old)
    del old
    is_first = np.ones(len(records), bool)
    is_first[1:] = np.any([records[name][1:] != records[name][:-1] for name in names], axis=0)
    first = np.flatnonzero(is_first)
    times = _sums(records["times"], first)
    repeated = times > 1
    # A shard that was there knows of the keys that were repeated before.
    news = np.repeat(repeated, np.diff(first, append=len(records)))
    if was_there.any():
        known = _sums(np.where(was_there, records["times"], 0), first) > 1
        news &= ~(was_there & np.repeat(known, np.diff(first, append=len(records))))
    told = np.zeros(int(news.sum()), BACK[dtype])
    for name in (*names, "shard"):
        told[name] = records[name][news]
    bins = int(back.max()) + 1
    out = Outbox(told.dtype)
    yield from out.add(back[told["shard"]], told)
    yield from out.rest()
    frequent = np.zeros(1, FREQUENT)
    frequent["shard"], frequent["key"] = COUNTS, int(repeated.sum())
    if asked is not None:
        documents = _sums(records["documents"], first)
        many = np.flatnonzero(documents > asked.documents)
        frequent["documents"] = len(many)
        each = np.zeros(len(many), FREQUENT)
        each["times"], each["documents"] = times[many], documents[many]
        for name in ("key", "shard"):
            each[name] = records[name][first[many]]
        frequent = np.concatenate([frequent, most_frequent(each, asked)])
    yield bins, frequent.tobytes()


def most_frequent(records: Array, asked: Asked) -> Array:
    """Of FREQUENT records those of the most documents, equally many in order of key."""
    return records[np.lexsort([records["key"], -records["documents"]])[: asked.most]]


def _order(records: Array, names: Sequence[str]) -> Array:
    return np.lexsort([records["shard"], *(records[name] for name in names[::-1])])


def _sums(values: Array, first: Array) -> Array:
    """int64: the sum of each run of values that begins at `first`."""
    return np.add.reduceat(values, first, dtype=np.int64) if len(first) else np.zeros(0, np.int64)


# ---- 3. members


def write_members(
    finding: Finding, dtype: Any, bins: int, asked: Asked | None, part: int, data: Array
) -> Iterator[tuple[int, Any]]:
    """(shard, {rows, digest}) of each shard whose members were written; of the last part (COUNTS, FREQUENT records):
    the sums of all parts, then the most frequent keys.
    """
    if part == bins:
        records = data.view(FREQUENT)
        totals, records = records[records["shard"] == COUNTS], records[records["shard"] != COUNTS]
        whole = np.zeros(1, FREQUENT)
        whole["key"], whole["documents"] = totals["key"].sum(), totals["documents"].sum()
        yield COUNTS, np.concatenate([whole, most_frequent(records, asked or Asked(0, 0))])
        return
    records = data.view(dtype)
    records = records[np.argsort(records["shard"], kind="stable")]
    for start, end in runs(records["shard"]):
        number = int(records["shard"][start])
        yield number, finding.write(number, _members(finding, number, records[start:end]))


def _members(finding: Finding, number: int, wanted: Array) -> pa.Table:
    """What the base knows of a shard, and the rows or spans that have one of these keys."""
    asked = np.stack([wanted[name] for name in _names(wanted.dtype)], axis=1)
    old = finding.old_members(number)
    if finding.related.kind == "documents":
        keys, rows = keys_of(finding, number)
        chosen = np.flatnonzero(is_in(keys, asked))
        clusters = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(chosen), [None, pa.py_buffer(np.ascontiguousarray(keys[chosen]).tobytes())])
        return pa.concat_tables([old, pa.table([pa.array(rows[chosen]), clusters], schema=old.schema)]).sort_by("row")
    name = finding.related.column
    spans, rows = spans_of(finding.read(number, [name]).column(name))
    chosen = np.flatnonzero(is_in(np.asarray(spans.field("key")).reshape(-1, 1), asked))
    named = {name: spans.field(name).take(pa.array(chosen)) for name in old.schema.names[1:]}
    table = pa.table({"row": pa.array(rows[chosen]), **named}, schema=old.schema)
    if not len(old):
        return table  # in order of row, start and end, as the tagger gives them
    order = [(name, "ascending") for name in ("row", "start", "end", "key")]
    return pa.concat_tables([old, table]).sort_by(order)


def is_in(keys: Array, asked: Array) -> Array:
    """bool, keys: whether each is one of those that are asked for; both of shape (…, 2 or 1)."""
    asked = asked[np.lexsort(asked.T[::-1])]
    low = np.searchsorted(asked[:, 0], keys[:, 0], side="left")
    found = np.zeros(len(keys), bool)
    place = low.copy()
    todo = np.flatnonzero(place < len(asked))
    while len(todo):  # once, but for keys whose first halves are equal
        same_first = asked[place[todo], 0] == keys[todo, 0]
        todo = todo[same_first]
        same = (asked[place[todo]] == keys[todo]).all(axis=1)
        found[todo[same]] = True
        todo = todo[~same]
        place[todo] += 1
        todo = todo[place[todo] < len(asked)]
    return found
