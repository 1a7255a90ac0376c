"""Equal keys: which documents, or spans of them, have a key that occurs twice or more in the corpus.

1. Each task reads the keys of its shards from sidecars, and sends each different one of a shard on, with its counts.
2. Keys meet in parts, where they are counted. Those of earlier shards, if the set is found from an earlier one, lie
   there already; those of new shards are put beside them for later.
3. Keys that occur twice or more go back to the shards that have them. No position ever travels: each shard's task looks
   its own up again, and writes its members.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from jobs.engine import Engine
from jobs.exchange import Array, Block, Outbox, exchange, part_of, runs, send
from jobs.finding import Finding
from jobs.progress import Counts
from mixer import layers
from mixer.clusters import ClusterSet
from mixer.sidecars import fixed_bytes

# A document's key has 16 bytes, as two numbers; a span's has 8.
DOCUMENTS = np.dtype([("key", "<u8"), ("rest", "<u8"), ("shard", "<i4"), ("times", "<i4"), ("documents", "<i4")])
SPANS = np.dtype([("key", "<u8"), ("shard", "<i4"), ("times", "<i4"), ("documents", "<i4")])

COUNTS = -1  # in place of a shard: the record says how many keys a part found to be repeated


def find(finding: Finding, engine: Engine) -> ClusterSet:
    """The set of documents, or spans, with equal keys."""
    dtype = DOCUMENTS if finding.related.kind == "documents" else SPANS
    bins, all_bins = finding.bins(), finding.bins(new_only=False)
    documents = [sum(finding.documents[number] for number in part) for part in bins]
    parts = finding.parts(sum(documents), dtype.itemsize)
    back = np.zeros(len(finding.shards), np.int64)
    for place, numbers in enumerate(all_bins):
        back[numbers] = place
    with engine.watched(f"dedup {finding.related.method.use}", Counts(documents=sum(documents))) as watched:
        watched.tasks = len(bins) + parts + len(all_bins) + 1
        sent = send(watched.spark, bins, functools.partial(send_keys, finding, dtype, parts))
        found = exchange(sent, parts, dtype, functools.partial(find_repeated, finding, dtype, back, len(all_bins)),
                         functools.partial(watched.counting, sizes=_even(sum(documents), parts)))
        written = exchange(found, len(all_bins) + 1, dtype, functools.partial(write_members, finding)).collect()
    count = sum(value for shard, value in written if shard == COUNTS)
    return finding.finish(count, {shard: value for shard, value in written if shard != COUNTS}, parts)


def _even(documents: int, parts: int) -> list[Counts]:
    return [Counts(documents=documents * (part + 1) // parts - documents * part // parts) for part in range(parts)]


# ---- 1. keys of shards


def send_keys(finding: Finding, dtype: Any, parts: int, numbers: Sequence[int]) -> Iterator[Block]:
    """Each different key of these shards, for the part where it meets its like."""
    out = Outbox(dtype)
    for number in numbers:
        keys, rows = keys_of(finding, number)
        records = _counted(keys, rows, dtype)
        records["shard"] = number
        yield from out.add(part_of(records["key"], parts), records)
    yield from out.rest()


def keys_of(finding: Finding, number: int) -> tuple[Array, Array]:
    """The keys of a shard as uint64 of shape (keys, 2 or 1), and the row that each is of."""
    name = finding.related.column
    table = finding.read_rows(number, [name]) if finding.related.method.use == "id@1" else finding.read(number, [name])
    column = table.column(name).combine_chunks()
    if finding.related.kind == "spans":
        spans = pc.list_flatten(column)
        rows = np.asarray(pc.list_parent_indices(column)).astype(np.int64)
        return np.asarray(pc.struct_field(spans, "key")).astype(np.uint64).reshape(-1, 1), rows
    valid = np.flatnonzero(np.asarray(column.is_valid()))
    return _words(column.drop_null()), valid


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


def _counted(keys: Array, rows: Array, dtype: Any) -> Array:
    """One record for each different key: how often it occurs, and in how many documents."""
    by = np.lexsort([rows, *keys.T[::-1]])
    keys, rows = keys[by], rows[by]
    is_first = np.ones(len(keys), bool)
    is_first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    first = np.flatnonzero(is_first)
    is_other_row = is_first.copy()
    is_other_row[1:] |= rows[1:] != rows[:-1]
    records = np.zeros(len(first), dtype)
    for name, column in zip(_names(dtype), keys[first].T, strict=True):
        records[name] = column
    records["times"] = np.diff(first, append=len(keys))
    records["documents"] = np.add.reduceat(is_other_row, first) if len(first) else 0
    return records


def _names(dtype: Any) -> list[str]:
    return [name for name in dtype.names if name in ("key", "rest")]


# ---- 2. keys that occur twice or more


def find_repeated(finding: Finding, dtype: Any, back: Array, bins: int, part: int, records: Array) -> Iterator[Block]:
    """Back to each shard the repeated keys that it did not know to be repeated; to one part more, their number."""
    records = records[np.lexsort([records["shard"], *(records[name] for name in _names(dtype)[::-1])])]
    layers.put(finding.layer, part, records)
    old = layers.read(finding.layers, part, dtype)
    whole = np.concatenate([old, records])
    was_there = np.arange(len(whole)) < len(old)
    names = _names(dtype)
    by = np.lexsort([whole["shard"], *(whole[name] for name in names[::-1])])
    whole, was_there = whole[by], was_there[by]
    same = np.ones(len(whole), bool)
    for name in names:
        same[1:] &= whole[name][1:] == whole[name][:-1]
    first = np.flatnonzero(~same | (np.arange(len(whole)) == 0))
    group = np.cumsum(~same | (np.arange(len(whole)) == 0)) - 1
    times = np.add.reduceat(whole["times"].astype(np.int64), first) if len(first) else np.zeros(0, np.int64)
    before = np.add.reduceat(np.where(was_there, whole["times"], 0).astype(np.int64), first) if len(first) else times
    repeated = times > 1
    told = repeated[group] & (~was_there | (before < 2)[group]) if len(whole) else np.zeros(0, bool)
    out = Outbox(dtype)
    yield from out.add(back[whole["shard"][told]], whole[told])
    yield from out.rest()
    count = np.zeros(1, dtype)
    count["shard"], count["key"] = COUNTS, int(repeated.sum())
    yield bins, count.tobytes()


# ---- 3. members


def write_members(finding: Finding, part: int, records: Array) -> Iterator[tuple[int, Any]]:
    """(shard, {rows, digest}) of each shard whose members were written; (COUNTS, repeated keys) of a part's count."""
    records = records[np.argsort(records["shard"], kind="stable")]
    for start, end in runs(records["shard"]):
        mine = records[start:end]
        number = int(mine["shard"][0])
        if number == COUNTS:
            yield COUNTS, int(mine["key"].sum())
        else:
            yield number, finding.write(number, _members(finding, number, mine))


def _members(finding: Finding, number: int, wanted: Array) -> pa.Table:
    """What the base knows of a shard, and the rows or spans that have one of these keys."""
    keys, rows = keys_of(finding, number)
    names = _names(wanted.dtype)
    asked = np.stack([wanted[name] for name in names], axis=1)
    chosen = np.flatnonzero(_is_in(keys, asked))
    old = finding.old_members(number)
    if finding.related.kind == "documents":
        clusters = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(chosen), [None, pa.py_buffer(np.ascontiguousarray(keys[chosen]).tobytes())])
        return pa.concat_tables([old, pa.table([pa.array(rows[chosen]), clusters], schema=old.schema)]).sort_by("row")
    spans = pc.list_flatten(finding.read(number, [finding.related.column]).column(0).combine_chunks())
    named = {name: pc.struct_field(spans, name).take(pa.array(chosen)) for name in old.schema.names[1:]}
    table = pa.table({"row": pa.array(rows[chosen]), **named}, schema=old.schema)
    order = [(name, "ascending") for name in ("row", "start", "end", "key")]
    return pa.concat_tables([old, table]).sort_by(order)


def _is_in(keys: Array, asked: Array) -> Array:
    """bool, keys: whether each is one of those that are asked for."""
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


