"""Repeated stretches of text: every run of `length` bytes or words that occurs twice or more in the corpus, exactly.

1. Each task reads the keys of its shards' fingerprints from sidecars, and sends each different one of a shard on.
2. Keys meet in parts, where they are counted. Those of earlier shards, if the set is found from an earlier one, lie
   there already. Repeated ones go back to the shards that have them; of those from an earlier set, those that are new
   somewhere.
3. What is known of a document stands while it has no key that is new somewhere. Where it has one, all its other
   repeated keys are asked for as well.
4. Documents with such keys are read again. The text around each of their anchors, its segment, goes to the part of the
   anchor's key: each different segment of a task once, with its occurrences.
5. In a part, taggers.stretches finds which windows of the segments are repeated, and where, and tells the shards.
6. There, what follows one another and occurs in the same places is put together. The documents are read once more, for
   code points, and the members are written.

Memory of a task: a batch of the reader with its fingerprints, and HELD_BYTES; in 5 its segments, of which PART_BYTES
are wanted (what is more lies in a file) and 300 bytes for each different one of the key with the most of them; in 6
60 bytes for each piece of a stretch in its shards, and 200 for each in one document: where a text is one letter over
and over, each byte begins one.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine import Engine
from jobs.exchange import (
    HELD_BYTES,
    PART_BYTES,
    Array,
    Block,
    Outbox,
    delivered,
    exchange,
    exchange_blocks,
    part_count,
    part_of,
    received,
    runs,
    send,
)
from jobs.finding import Finding
from jobs.progress import Counts
from mixer import layers
from mixer.clusters import SPAN_SCHEMA, ClusterSet
from mixer.layers import Layer
from taggers.matching import Scheme, Symbols, code_points, fingerprints, symbols
from taggers.stretches import OCCURRENCE, PIECE, SEGMENT, cut, gather, pieces_of, spans_of
from taggers.text import TextBatch

# A key of a shard, and how often it occurs, where each document counts as two at the most. `changed` are keys with an
# occurrence that the base does not know.
KEYS = np.dtype([("key", "<u8"), ("shard", "<i4"), ("times", "<i4"), ("changed", "u1")])
# A document's number: whether it stays as it is, then its shard, then its row. So what changes comes first.
ROW_BITS, STAYS = 38, 1 << 62
IN_MEMORY = 4 * PART_BYTES  # of segments of one part; more lie in a file
OCCURRENCES = 1 << 20  # that are put together at a time, unless one document has more

COUNTS = -1


def find(finding: Finding, engine: Engine) -> ClusterSet:
    """The set of spans that are repeated stretches."""
    scheme = Scheme.of(finding.related.method.parameters)
    numbers = range(len(finding.shards))
    bins = finding.text_bins(numbers) or [[]]
    new = finding.text_bins([number for number in numbers if finding.is_new[number]])
    back = np.zeros(len(finding.shards), np.int64)
    for place, mine in enumerate(bins):
        back[mine] = place
    documents, text = sum(finding.documents), sum(finding.text_bytes)
    key_parts = finding.parts(2 * text // scheme.grams, KEYS.itemsize)
    with engine.watched(f"dedup {finding.related.method.use}", Counts(documents=documents)) as watched:
        watched.tasks = len(new) + key_parts + 3 * len(bins) + 1
        sent = send(watched.spark, new, functools.partial(send_keys, finding, key_parts))
        found = exchange(sent, key_parts, KEYS, functools.partial(find_repeated, finding, back))
        if finding.base is not None:
            asked = exchange(found, len(bins), KEYS, functools.partial(ask_for_others, finding, key_parts))
            found = found.union(exchange(asked, key_parts, KEYS, functools.partial(answer, finding, back, key_parts)))
        told = delivered(found, len(bins))
        parts = part_count(told.map(_times).sum(), 2 * scheme.length * scheme.width, finding.slots)
        watched.tasks += parts
        read = told.mapPartitionsWithIndex(functools.partial(send_segments, finding, scheme, parts))
        pieces = delivered(exchange_blocks(read, parts, functools.partial(send_pieces, scheme, back)), len(bins))
        counting = functools.partial(watched.counting, sizes=_documents(finding, bins))
        written = received(pieces, PIECE, functools.partial(write_members, finding, scheme), counting).collect()
        count = sum(value for shard, value in written if shard == COUNTS)
        if finding.base is not None:
            old = received(pieces, PIECE, functools.partial(send_old_keys, finding, key_parts))
            gone = exchange(old, key_parts, KEYS, count_keys).sum()
            count += finding.base.clusters - int(gone)
    return finding.finish(count, {shard: value for shard, value in written if shard != COUNTS}, key_parts)


def _times(block: Block) -> int:
    return int(np.frombuffer(block[1], KEYS)["times"].sum())


def _documents(finding: Finding, bins: Sequence[Sequence[int]]) -> list[Counts]:
    return [Counts(documents=sum(finding.documents[number] for number in numbers)) for numbers in bins]


# ---- 1. to 3. keys


def send_keys(finding: Finding, parts: int, numbers: Sequence[int]) -> Iterator[Block]:
    """Each different key of these shards, for the part where it meets its like."""
    out = Outbox(KEYS)
    for number in numbers:
        keys, times = np.unique(_keys(finding, number)[0], return_counts=True)
        yield from out.add(part_of(keys, parts), _records(keys, number, times))
    yield from out.rest()


def _records(keys: Array, shard: int, times: Array | int) -> Array:
    records = np.zeros(len(keys), KEYS)
    records["key"], records["shard"], records["times"] = keys, shard, times
    return records


def _keys(finding: Finding, number: int) -> tuple[Array, Array]:
    """(keys, the row that each is of) of a shard."""
    column = finding.read(number, [finding.related.column]).column(0).combine_chunks()
    return np.asarray(pc.list_flatten(column)), np.asarray(pc.list_parent_indices(column)).astype(np.int64)


def find_repeated(finding: Finding, back: Array, part: int, records: Array) -> Iterator[Block]:
    """The keys that occur twice or more, once or more in a new shard, to each shard that has them."""
    records = records[np.lexsort([records["shard"], records["key"]])]
    layers.put(finding.layer, part, records)
    old = layers.read(finding.layers, part, KEYS)
    known = old[_is_in(old["key"], records["key"])]
    found = _repeated(np.concatenate([known, records]))
    found["changed"] = 1
    out = Outbox(KEYS)
    yield from out.add(back[found["shard"]], found)
    yield from out.rest()


def ask_for_others(finding: Finding, parts: int, bin: int, records: Array) -> Iterator[Block]:
    """The other keys of documents that are known and have a changed key, for the parts of those."""
    out = Outbox(KEYS)
    for number, told in _by_shard(records):
        if finding.is_new[number]:  # it was told of all
            continue
        keys, rows = _keys(finding, number)
        is_changed = _is_in(keys, np.sort(told["key"]))
        changes = np.zeros(finding.documents[number], bool)
        changes[rows[is_changed]] = True
        asked = np.unique(keys[changes[rows] & ~is_changed])
        yield from out.add(part_of(asked, parts), _records(asked, number, 0))
    yield from out.rest()


def answer(finding: Finding, back: Array, parts: int, part: int, records: Array) -> Iterator[Block]:
    """Those of the keys asked for that occur twice or more, to each shard that has them."""
    own = Layer(finding.layer, parts, np.arange(len(finding.shards), dtype=np.int32))
    known = layers.read((*finding.layers, own), part, KEYS)
    found = _repeated(known[_is_in(known["key"], np.unique(records["key"]))])
    out = Outbox(KEYS)
    yield from out.add(back[found["shard"]], found)
    yield from out.rest()


def _repeated(records: Array) -> Array:
    """The records of keys that occur twice or more."""
    records = records[np.lexsort([records["shard"], records["key"]])]
    first = np.flatnonzero(np.append(True, records["key"][1:] != records["key"][:-1])[: len(records)])
    times = np.add.reduceat(records["times"].astype(np.int64), first) if len(first) else np.zeros(0, np.int64)
    return records[np.repeat(times > 1, np.diff(first, append=len(records)))]


def _is_in(keys: Array, told: Array) -> Array:
    """bool, keys: whether each is one of those, which are sorted."""
    place = np.searchsorted(told, keys)
    return told[np.minimum(place, len(told) - 1)] == keys if len(told) else np.zeros(len(keys), bool)


def _by_shard(records: Array) -> Iterator[tuple[int, Array]]:
    records = records[np.argsort(records["shard"], kind="stable")]
    for start, end in runs(records["shard"]):
        yield int(records["shard"][start]), records[start:end]


# ---- 4. segments


def send_segments(finding: Finding, scheme: Scheme, parts: int, bin: int, blocks: Any) -> Iterator[Block]:
    """The segments around every anchor with one of the keys that the shards were told, for the part of that key."""
    out = SegmentBox(scheme, parts)
    for number, records in _by_shard(np.frombuffer(b"".join(block for _, block in blocks), KEYS)):
        told = np.unique(records["key"])
        keys, rows = _keys(finding, number)
        wanted, stays = np.zeros(finding.documents[number], bool), np.ones(finding.documents[number], bool)
        wanted[rows[_is_in(keys, told)]] = True
        stays[rows[_is_in(keys, np.unique(records["key"][records["changed"] == 1]))]] = False
        for chosen, texts in finding.texts(number, wanted):
            batch = symbols(TextBatch.of_arrow(texts), scheme.unit)
            prints = fingerprints(batch, scheme)
            found = gather(batch, prints, np.flatnonzero(_is_in(prints.key, told)), scheme.length)
            document = (number << ROW_BITS) + chosen + stays[chosen] * STAYS
            found.occurrences["document"] = document[found.occurrences["document"]]
            yield from out.add(batch, found.segments, found.occurrences)
    yield from out.rest()


class SegmentBox:
    """Takes segments for parts and gives them on as blocks; what it holds is bounded by HELD_BYTES and one `add`."""

    def __init__(self, scheme: Scheme, parts: int) -> None:
        self._scheme, self._parts = scheme, parts
        self._held: list[tuple[Array, Array, Array]] = []
        self._bytes = 0

    def add(self, texts: Symbols, segments: Array, occurrences: Array) -> Iterator[Block]:
        """Takes segments of these texts; gives blocks where enough are held. Has to be iterated."""
        data = cut(texts.bytes, segments["begin"], _sizes(segments, self._scheme))
        self._held.append((segments, occurrences, data))
        self._bytes += segments.nbytes + occurrences.nbytes + len(data)
        if self._bytes >= HELD_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[Block]:
        """All that is held."""
        held, self._held, self._bytes = self._held, [], 0
        segments, occurrences = _joined([each[:2] for each in held])
        data = np.concatenate([np.empty(0, np.uint8), *(each[2] for each in held)])
        del held
        sizes = _sizes(segments, self._scheme)
        begins = np.cumsum(sizes) - sizes
        part = part_of(segments["key"], self._parts)
        by = np.argsort(part, kind="stable")
        place = np.empty(len(by), np.int64)
        place[by] = np.arange(len(by))
        occurrences["segment"] = place[occurrences["segment"]]
        occurrences = occurrences[np.argsort(occurrences["segment"], kind="stable")]
        for start, end in runs(part[by]):
            low, high = np.searchsorted(occurrences["segment"], [start, end])
            mine = occurrences[low:high].copy()
            mine["segment"] -= start
            some = by[start:end]
            yield int(part[some[0]]), b"".join([
                np.array([end - start, high - low], "<i8").tobytes(), segments[some].tobytes(), mine.tobytes(),
                cut(data, begins[some], sizes[some]).tobytes()])


def _sizes(segments: Array, scheme: Scheme) -> Array:
    """How many bytes each segment has; int64."""
    return (segments["windows"].astype(np.int64) - 1 + scheme.length) * scheme.width


def _joined(parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The segments and the occurrences of all parts, numbered anew."""
    numbers = np.cumsum([0, *(len(segments) for segments, _ in parts)])
    segments = np.concatenate([np.empty(0, SEGMENT), *(segments for segments, _ in parts)])
    occurrences = np.concatenate([np.empty(0, OCCURRENCE), *(each for _, each in parts)])
    occurrences["segment"] += np.repeat(numbers[:-1], [len(each) for _, each in parts])
    return segments, occurrences


# ---- 5. pieces of stretches


def send_pieces(scheme: Scheme, back: Array, part: int, blocks: Iterator[bytes]) -> Iterator[Block]:
    """The pieces of repeated stretches that are found at the keys of a part, each to the shard that it is in; but for
    those in documents that stay as they are.
    """
    with tempfile.TemporaryFile() as file:
        segments, occurrences, data = _received(scheme, blocks, file)
        out = Outbox(PIECE)
        for pieces in pieces_of(data, scheme.width, scheme.length, segments, occurrences):
            pieces = pieces[pieces["document"] < STAYS]
            yield from out.add(back[pieces["document"] >> ROW_BITS], pieces)
        yield from out.rest()


def _received(scheme: Scheme, blocks: Iterator[bytes], file: IO[bytes]) -> tuple[Array, Array, Array]:
    """Segments, occurrences and the segments' bytes; those lie in the file where there are more than IN_MEMORY."""
    parts: list[tuple[Array, Array]] = []
    texts: list[bytes] = []
    held = filed = 0
    for block in blocks:
        counts = np.frombuffer(block, "<i8", 2)
        segments = np.frombuffer(block, SEGMENT, counts[0], 16)
        occurrences = np.frombuffer(block, OCCURRENCE, counts[1], 16 + segments.nbytes)
        parts.append((segments.copy(), occurrences.copy()))
        texts.append(block[16 + segments.nbytes + occurrences.nbytes :])
        held += len(texts[-1])
        if held > IN_MEMORY:
            file.writelines(texts)
            texts, held, filed = [], 0, filed + held
    segments, occurrences = _joined(parts)
    sizes = _sizes(segments, scheme)
    segments["begin"] = np.cumsum(sizes) - sizes
    if not filed:
        return segments, occurrences, np.frombuffer(b"".join(texts), np.uint8)
    file.writelines(texts)
    file.flush()
    return segments, occurrences, np.asarray(np.memmap(file, np.uint8, "r"))


# ---- 6. members


def write_members(finding: Finding, scheme: Scheme, bin: int, pieces: Array) -> Iterator[tuple[int, Any]]:
    """(shard, {rows, digest}) of each shard whose members were written; (COUNTS, stretches) of those first met here."""
    for number, mine in _pieces_by_shard(pieces):
        found = []
        for some in _by_documents(mine):
            spans, led = spans_of(some, scheme.length)
            found.append(spans)
            yield COUNTS, led
        spans = np.concatenate(found)
        rows = np.unique(spans["document"]) & ((1 << ROW_BITS) - 1)
        old = finding.old_members(number)
        kept = old.filter(pa.array(~np.isin(np.asarray(old.column("row")), rows)))
        members = pa.concat_tables([kept, members_of(finding, scheme, number, spans)])
        if len(members):
            order = [(name, "ascending") for name in ("row", "start", "end", "key")]
            yield number, finding.write(number, members.sort_by(order))


def _pieces_by_shard(pieces: Array) -> Iterator[tuple[int, Array]]:
    """(shard, its pieces by document)."""
    pieces = pieces[np.argsort(pieces["document"], kind="stable")]
    shards = pieces["document"] >> ROW_BITS
    for start, end in runs(shards):
        yield int(shards[start]), pieces[start:end]


def _by_documents(pieces: Array) -> Iterator[Array]:
    """The pieces of some documents at a time, all of each."""
    ends = np.flatnonzero(np.append(pieces["document"][1:] != pieces["document"][:-1], True)) + 1
    much = np.cumsum(pieces["count"], dtype=np.int64)[ends - 1]
    start = done = 0
    while start < len(pieces):
        place = max(int(np.searchsorted(ends, start, side="right")),
                    int(np.searchsorted(much, done + OCCURRENCES, side="right")) - 1)
        end, done = int(ends[place]), int(much[place])
        yield pieces[start:end]
        start = end


def members_of(finding: Finding, scheme: Scheme, number: int, spans: Array) -> pa.Table:
    """The spans of a shard in code points and bytes, without what is less than a code point."""
    rows = spans["document"] & ((1 << ROW_BITS) - 1)
    wanted = np.zeros(finding.documents[number], bool)
    wanted[rows] = True
    found = [SPAN_SCHEMA.empty_table()]
    for chosen, texts in finding.texts(number, wanted):
        low, high = np.searchsorted(rows, [chosen[0], chosen[-1] + 1])
        mine, of = spans[low:high], np.searchsorted(chosen, rows[low:high])
        start, end, before, sizes = code_points(TextBatch.of_arrow(texts), scheme.unit, of, mine["start"], mine["end"])
        columns = [rows[low:high], start, end, before, sizes, mine["key"]]
        found.append(pa.table([pa.array(column[end > start]) for column in columns], schema=SPAN_SCHEMA))
    return pa.concat_tables(found)


def send_old_keys(finding: Finding, parts: int, bin: int, pieces: Array) -> Iterator[Block]:
    """The keys that the base has for documents which do not stay as they are, for parts that count them."""
    out = Outbox(KEYS)
    for number, mine in _pieces_by_shard(pieces):
        old = finding.old_members(number)
        rows = np.unique(mine["document"]) & ((1 << ROW_BITS) - 1)
        keys = np.unique(np.asarray(old.column("key"))[np.isin(np.asarray(old.column("row")), rows)])
        yield from out.add(part_of(keys, parts), _records(keys, number, 0))
    yield from out.rest()


def count_keys(part: int, records: Array) -> Iterator[int]:
    """How many different keys there are."""
    yield len(np.unique(records["key"]))
