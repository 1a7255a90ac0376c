"""Repeated stretches of text: every run of `length` bytes or words that occurs twice or more in the corpus, exactly.

1. Each task reads the keys of its shards' fingerprints from sidecars, and sends each different one of a shard on.
2. Keys meet in parts, where they are counted. Those that occur twice or more go back to the shards that have them.
3. Documents with such a key are read again. The text around each anchor with such a key, its segment, goes to the part
   of that key: each different segment of a task once, with its occurrences.
4. In a part, taggers.stretches finds which windows of the segments are repeated, and where. Those go back to the shards.
5. There, what follows one another and occurs in the same places is put together. The documents are read once more, for
   code points, and the members are written.

Memory of a task: 1. to 3. and 5. what a batch of the reader takes and HELD_BYTES, and in 5. 150 bytes for each repeated
stretch of its shards; 4. its segments, of which PART_BYTES are wanted; what is more lies in a file. Of one key all
segments come together: then it is 300 bytes for each different one, beside that file.
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
    exchange,
    exchange_blocks,
    part_count,
    part_of,
    runs,
    send,
    sorted_out,
)
from jobs.finding import Finding
from jobs.progress import Counts
from mixer.clusters import SPAN_SCHEMA, ClusterSet
from taggers.matching import Scheme, Symbols, code_points, fingerprints, symbols
from taggers.stretches import OCCURRENCE, PIECE, SEGMENT, cut, gather, pieces_of, spans_of
from taggers.text import TextBatch

# A key of a shard, and how often it occurs, where each document counts as two at the most.
KEYS = np.dtype([("key", "<u8"), ("shard", "<i4"), ("times", "<i4")])
# A document's number is its shard's, followed by its row.
ROW_BITS = 40
IN_MEMORY = 4 * PART_BYTES  # of segments of one part; more lie in a file

COUNTS = -1


def find(finding: Finding, engine: Engine) -> ClusterSet:
    """The set of spans that are repeated stretches."""
    scheme = Scheme.of(finding.related.method.parameters)
    bins = finding.text_bins(range(len(finding.shards))) or [[]]
    back = np.zeros(len(finding.shards), np.int64)
    for place, numbers in enumerate(bins):
        back[numbers] = place
    documents, text = sum(finding.documents), sum(finding.text_bytes)
    key_parts = part_count(2 * text // scheme.grams, KEYS.itemsize, finding.slots)
    with engine.watched(f"dedup {finding.related.method.use}", Counts(documents=documents)) as watched:
        watched.tasks = 4 * len(bins) + key_parts + 1
        sent = send(watched.spark, bins, functools.partial(send_keys, finding, key_parts))
        found = exchange(sent, key_parts, KEYS, functools.partial(find_repeated, back))
        told = sorted_out(found, len(bins))
        parts = part_count(told.map(_times).sum(), 2 * scheme.length * scheme.width, finding.slots)
        watched.tasks += parts
        read = told.mapPartitionsWithIndex(functools.partial(send_segments, finding, scheme, parts))
        pieces = exchange_blocks(read, parts, functools.partial(send_pieces, scheme, back))
        counting = functools.partial(watched.counting, sizes=_documents(finding, bins))
        written = exchange(pieces, len(bins), PIECE, functools.partial(write_members, finding, scheme),
                           counting).collect()
    count = sum(value for shard, value in written if shard == COUNTS)
    return finding.finish(count, {shard: value for shard, value in written if shard != COUNTS})


def _times(block: Block) -> int:
    return int(np.frombuffer(block[1], KEYS)["times"].sum())


def _documents(finding: Finding, bins: Sequence[Sequence[int]]) -> list[Counts]:
    return [Counts(documents=sum(finding.documents[number] for number in numbers)) for numbers in bins]


# ---- 1. and 2. keys


def send_keys(finding: Finding, parts: int, numbers: Sequence[int]) -> Iterator[Block]:
    """Each different key of these shards, for the part where it meets its like."""
    out = Outbox(KEYS)
    for number in numbers:
        keys, times = np.unique(_keys(finding, number)[0], return_counts=True)
        records = np.empty(len(keys), KEYS)
        records["key"], records["shard"], records["times"] = keys, number, times
        yield from out.add(part_of(keys, parts), records)
    yield from out.rest()


def _keys(finding: Finding, number: int) -> tuple[Array, Array]:
    """(keys, the row that each is of) of a shard."""
    column = finding.read(number, [finding.related.column]).column(0).combine_chunks()
    return np.asarray(pc.list_flatten(column)), np.asarray(pc.list_parent_indices(column)).astype(np.int64)


def find_repeated(back: Array, part: int, records: Array) -> Iterator[Block]:
    """The keys that occur twice or more, to each shard that has them."""
    records = records[np.lexsort([records["shard"], records["key"]])]
    first = np.flatnonzero(np.append(True, records["key"][1:] != records["key"][:-1])[: len(records)])
    if not len(first):
        return
    times = np.add.reduceat(records["times"].astype(np.int64), first)
    repeated = records[np.repeat(times > 1, np.diff(first, append=len(records)))]
    out = Outbox(KEYS)
    yield from out.add(back[repeated["shard"]], repeated)
    yield from out.rest()


# ---- 3. segments


def send_segments(finding: Finding, scheme: Scheme, parts: int, number: int, blocks: Any) -> Iterator[Block]:
    """The segments around every anchor with a repeated key, for the part of that key."""
    records = np.frombuffer(b"".join(block for _, block in blocks), KEYS)
    records = records[np.argsort(records["shard"], kind="stable")]
    out = SegmentBox(scheme, parts)
    for start, end in runs(records["shard"]):
        shard = int(records["shard"][start])
        told = np.sort(records["key"][start:end])
        keys, rows = _keys(finding, shard)
        wanted = np.zeros(finding.documents[shard], bool)
        wanted[rows[_is_in(keys, told)]] = True
        for chosen, texts in finding.texts(shard, wanted):
            batch = symbols(TextBatch.of_arrow(texts), scheme.unit)
            prints = fingerprints(batch, scheme)
            found = gather(batch, prints, np.flatnonzero(_is_in(prints.key, told)), scheme.length)
            document = (shard << ROW_BITS) + chosen
            found.occurrences["document"] = document[found.occurrences["document"]]
            yield from out.add(batch, found.segments, found.occurrences)
    yield from out.rest()


def _is_in(keys: Array, told: Array) -> Array:
    """bool, keys: whether each is one of those, which are sorted."""
    place = np.searchsorted(told, keys)
    return told[np.minimum(place, len(told) - 1)] == keys if len(told) else np.zeros(len(keys), bool)


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


# ---- 4. pieces of stretches


def send_pieces(scheme: Scheme, back: Array, part: int, blocks: Iterator[bytes]) -> Iterator[Block]:
    """The pieces of repeated stretches that are found at the keys of a part, each to the shard that it is in."""
    with tempfile.TemporaryFile() as file:
        segments, occurrences, data = _received(scheme, blocks, file)
        out = Outbox(PIECE)
        for pieces in pieces_of(data, scheme.width, scheme.length, segments, occurrences):
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


# ---- 5. members


def write_members(finding: Finding, scheme: Scheme, part: int, pieces: Array) -> Iterator[tuple[int, Any]]:
    """(shard, {rows, digest}) of each shard whose members were written; (COUNTS, stretches) of those that begin here."""
    shards = pieces["document"] >> ROW_BITS
    by = np.argsort(shards, kind="stable")
    pieces, shards = pieces[by], shards[by]
    for start, end in runs(shards):
        number = int(shards[start])
        spans, led = spans_of(pieces[start:end], scheme.length)
        yield COUNTS, led
        members = members_of(finding, scheme, number, spans)
        if len(members):
            yield number, finding.write(number, members)


def members_of(finding: Finding, scheme: Scheme, number: int, spans: Array) -> pa.Table:
    """The spans of a shard in code points and bytes, without what is less than a code point."""
    rows = spans["document"] & ((1 << ROW_BITS) - 1)
    wanted = np.zeros(finding.documents[number], bool)
    wanted[rows] = True
    found = [SPAN_SCHEMA.empty_table()]
    for chosen, texts in finding.texts(number, wanted):
        low, high = np.searchsorted(rows, [chosen[0], chosen[-1] + 1])
        mine, of = spans[low:high], np.searchsorted(chosen, rows[low:high])
        start, end, sizes = code_points(TextBatch.of_arrow(texts), scheme.unit, of, mine["start"], mine["end"])
        columns = [rows[low:high], start, end, sizes, mine["key"]]
        found.append(pa.table([pa.array(column[end > start]) for column in columns], schema=SPAN_SCHEMA))
    order = [(name, "ascending") for name in ("row", "start", "end", "key")]
    return pa.concat_tables(found).sort_by(order)
