"""The ledger of an audit: what every record says of its place, to be judged once all records are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixer import draw, lock, selection
from mixer.recipe import Recipe

Array = np.ndarray[Any, np.dtype[Any]]

# Records that are judged at once, about 440 bytes each while they are. More wait in temporary files, 136 bytes each.
LIMIT = 4_000_000
# The most temporary files of one spill.
FILES = 256
BLOCK_BYTES = 16 << 20

RECORD = np.dtype([("identity", "<u8", 2), ("sha256", "<u8", 4), ("row", "<i8"), ("bytes", "<i8"), ("shard", "<i4"),
                   ("copy", "<i4"), ("emitted_sha256", "<u8", 4), ("emitted_bytes", "<i8"), ("cuts", "<i4"),
                   ("added", "<i8"), ("source", "<i4"), ("units", "<i8")])


@dataclass(frozen=True)
class Inputs:
    """The lock's shards in their order: of which sources each is, and how many rows each has."""

    numbers: Mapping[str, int]
    sources: Array  # bool, shape (shards, sources of the recipe)
    rows: Array

    @classmethod
    def of(cls, recipe: Recipe, shards: Sequence[Mapping[str, Any]]) -> Inputs:
        by_name = {source.name: number for number, source in enumerate(recipe.sources)}
        owns = np.zeros((len(shards), len(by_name)), bool)
        for number, shard in enumerate(shards):
            owns[number, [by_name[name] for name in lock.sources_of(shard) if name in by_name]] = True
        return cls({shard["path"]: number for number, shard in enumerate(shards)},
                   owns,
                   np.array([shard["rows"] for shard in shards], np.int64))


class Spill:
    """Records of one dtype in numbered temporary files, at most FILES of them. Close it, for these."""

    def __init__(self, dtype: np.dtype[Any], count: int) -> None:
        self._dtype = dtype
        self._stack = ExitStack()
        self._files = [self._stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]  # noqa: SIM115
        self.sizes = [0] * count

    def add(self, numbers: Array, records: Array) -> None:
        """Takes each record into the file of its number, in their order."""
        by = np.argsort(numbers, kind="stable")
        ends = np.searchsorted(numbers[by], np.arange(len(self._files) + 1))
        for number in np.unique(numbers).astype(int).tolist():
            part = records[by[ends[number] : ends[number + 1]]]
            self._files[number].write(part.tobytes())
            self.sizes[number] += len(part)

    def blocks(self, number: int) -> Iterator[Array]:
        """The records of one file, some at a time."""
        file = self._files[number]
        file.seek(0)
        each = max(1, BLOCK_BYTES // self._dtype.itemsize) * self._dtype.itemsize
        while block := file.read(each):
            yield np.frombuffer(block, self._dtype)

    def close(self) -> None:
        self._stack.close()


class Ledger:
    """Records in parts by identity, so that all copies of a document are in one. Close it, for its temporary files.

    How many parts there are follows from the records that came, and from nothing that was said of them.
    """

    def __init__(self) -> None:
        self._held: list[Array] = []
        self._spill: Spill | None = None
        self.records = 0

    def add(self, records: Array) -> None:
        """Takes records of dtype RECORD, whose shards and rows are in the lock."""
        self.records += len(records)
        self._held.append(records)
        if self.records <= LIMIT:
            return
        if self._spill is None:
            self._spill = Spill(RECORD, FILES)
        for each in self._held:
            self._spill.add(each["identity"][:, 0] % np.uint64(FILES), each)
        self._held = []

    def close(self) -> None:
        self._held = []
        if self._spill is not None:
            self._spill.close()

    def parts(self) -> Iterator[Array]:
        """About LIMIT records at a time. A file that holds more is read once for each of its parts."""
        if self._spill is None:
            yield np.concatenate(self._held) if self._held else np.empty(0, RECORD)
            return
        for number, size in enumerate(self._spill.sizes):
            count = np.uint64(size // LIMIT + 1)
            for part in range(int(count)):
                found = [block[block["identity"][:, 0] // np.uint64(FILES) % count == part]
                         for block in self._spill.blocks(number)]
                yield np.concatenate(found) if found else np.empty(0, RECORD)


@dataclass
class _Sums:
    """Of one source: docs, units and bytes of its documents, the same over all copies, and where the draw ended."""

    selected: Array
    emitted: Array
    edited: Array  # docs, spans, units and bytes of what is cut or replaced, and bytes added
    most: int = 0
    least: tuple[int, ...] | None = None  # order key of the first document without an extra copy
    least_units: int = 0


def judge(ledger: Ledger, recipe: Recipe, inputs: Inputs, counts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong: with the copies of a document, with the draw that gave it one more, with the sums of a source.

    `counts` are the manifest's, one a source. Memory: one part, and a bit for each row of the corpus.
    """
    sums = [_Sums(np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(5, np.int64)) for _ in counts]
    grants = [[selection.Grant(each["copies"], selection.cutoff_of(each["cutoff"])) for each in
               (count["curve"]["buckets"] if count["curve"] is not None else [count])] for count in counts]
    starts = np.concatenate([[0], np.cumsum(inputs.rows)])
    seen = np.zeros(int(starts[-1]) // 8 + 1, np.uint8)
    for records in ledger.parts():
        if not len(records):
            continue
        records = records[np.lexsort([records["copy"], records["row"], records["shard"], records["identity"][:, 1],
                                      records["identity"][:, 0]])]
        first = np.ones(len(records), bool)
        first[1:] = (records["identity"][1:] != records["identity"][:-1]).any(axis=1)
        begin = np.flatnonzero(first)
        size = np.diff(begin, append=len(records))
        head = records[np.repeat(begin, size)]
        alike = (records["shard"] == head["shard"]) & (records["row"] == head["row"]) & \
            (records["sha256"] == head["sha256"]).all(axis=1) & (records["source"] == head["source"])
        yield from _places(records, ~alike, inputs, "one source and id stands for two documents, the other")
        cut_alike = (records["emitted_sha256"] == head["emitted_sha256"]).all(axis=1) & \
            (records["cuts"] == head["cuts"]) & (records["added"] == head["added"]) & \
            (records["units"] == head["units"])
        yield from _places(records, alike & ~cut_alike, inputs, "its copies have not the same text:")
        counted = records["copy"] == np.arange(len(records)) - np.repeat(begin, size)
        yield from _places(records, ~counted, inputs, "its copies are not 0, 1, 2 and so on, each once:")
        docs = records[begin]
        global_rows = starts[docs["shard"]] + docs["row"]
        bit = np.left_shift(np.uint8(1), (global_rows & 7).astype(np.uint8))
        _, unique = np.unique(global_rows, return_index=True)
        again = np.ones(len(docs), bool)
        again[unique] = False
        again |= (seen[global_rows >> 3] & bit) != 0
        np.bitwise_or.at(seen, global_rows >> 3, bit)
        yield from _places(docs, again, inputs, "two documents say that they are")
        for number, grant in enumerate(grants):
            mine = docs["source"] == number
            yield from _source(docs[mine], size[mine], grant, recipe, sums[number], inputs)
    for count, grant, summed in zip(counts, grants, sums, strict=True):
        yield from _against(count, grant[0], summed)


def _source(
    docs: Array, copies: Array, grants: Sequence[selection.Grant], recipe: Recipe, sums: _Sums, inputs: Inputs
) -> Iterator[str]:
    """Judges one source's documents of a part, by the draw, and adds them up. Of the buckets of a curve, which have a
    grant each, nobody can tell a document's without its score: one of them has to give it so many copies.
    """
    if not len(docs):
        return
    units = docs["units"]
    each = np.stack([np.ones(len(docs), np.int64), units, docs["bytes"]], axis=1)
    sums.selected += each.sum(axis=0)
    sums.emitted += (each * copies[:, None]).sum(axis=0)
    fewer = units - selection.units_left(recipe, units, docs["bytes"], docs["emitted_bytes"])
    edited = np.stack([docs["cuts"] > 0, docs["cuts"].astype(np.int64), fewer,
                       docs["bytes"] - docs["emitted_bytes"] + docs["added"], docs["added"]], axis=1)
    sums.edited += (edited * copies[:, None]).sum(axis=0)
    sums.most = max(sums.most, int(copies.max()))
    values = draw.draws(recipe.seed, "draw", as_bytes(docs["identity"]))
    keys = draw.order_keys(values, as_bytes(docs["identity"]), as_bytes(docs["sha256"]))
    due = np.zeros(len(docs), bool)
    for grant in grants:
        due |= copies == grant.copies + draw.below(keys, grant.cutoff)
    yield from _places(docs, ~due, inputs, "its draw does not give it so many copies:")
    plain = np.flatnonzero(copies <= grants[0].copies)
    if len(plain) and len(grants) == 1:
        at = plain[draw.argsort([key[plain] for key in keys])[0]]
        key = tuple(int(column[at]) for column in keys)
        if sums.least is None or key < sums.least:
            sums.least, sums.least_units = key, int(units[at])


def _against(count: Mapping[str, Any], grant: selection.Grant, sums: _Sums) -> Iterator[str]:
    """The sums of the records of a source against what the manifest says of it."""
    name = count["source"]
    three, five = ("docs", "units", "bytes"), ("docs", "spans", "units", "bytes", "added")
    for step, names, found in (("selected", three, sums.selected), ("emitted", three, sums.emitted),
                               ("edited", five, sums.edited)):
        for what, value in zip(names, found.tolist(), strict=True):
            if value != count[step][what]:
                yield f"{name}: {step} {what} is {count[step][what]}, and its records hold {value}"
    if sums.most != count["max_copies"]:
        yield f"{name}: max_copies is {count['max_copies']}, and the most of a document here is {sums.most}"
    if count["curve"] is not None:
        return
    rest = count["allocated"] - grant.copies * count["pool"]["units"]
    if grant.copies and rest:
        # Every document of the pool is here, so it shows where the draw had to end.
        if sums.least != grant.cutoff:
            yield f"{name}: cutoff is not the place of the first document that got no extra copy"
        elif sums.least_units <= count["allocated"] - count["emitted"]["units"]:
            yield f"{name}: its draw ends before a document that still fits its allocation"
    if not rest and grant.cutoff != selection.NO_EXTRA:
        yield f"{name}: its allocation leaves nothing for extra copies, and cutoff gives some"


def as_bytes(words: Array) -> Array:
    """Words as the ledger holds them back as bytes, uint8 of shape (rows, 8 times the words)."""
    return np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)


def _places(records: Array, wrong: Array, inputs: Inputs, says: str) -> Iterator[str]:
    paths = list(inputs.numbers)
    for record in records[wrong][:5]:
        yield f"{says} {paths[record['shard']]} row {record['row']}, copy {record['copy']}"
