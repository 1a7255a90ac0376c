"""The documents in which two plans or mixtures differ: which came, which went and why, and which stand another number
of times, are cut otherwise or are of another source.

A document is its text with its own source and id; one with another text is another. Two plans over the same shard have
aligned selections, which are compared row by row, and its documents are looked at only where these differ. All others
are joined by the hash of the text, in parts that fit into memory: a part that came too large is cut again.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from mixer import attributes, draw, rows, rules, selection, sidecars, storage
from mixer.errors import StorageError
from mixer.ledger import Spill
from mixer.plan import Plan
from mixer.recipe import Recipe
from mixer.selection import Context
from mixer.sidecars import fixed_bytes
from mixer.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]

What = Literal["in", "out", "more", "fewer", "text", "source"]
WHATS: tuple[What, ...] = ("out", "in", "fewer", "more", "text", "source")

LIMIT = 2_000_000  # records of either side that are joined at once, about 400 bytes each while they are
FILES = 128  # of temporary ones for each side, beyond that

KEY = np.dtype("S48")  # sha256 of the text, identity
RECORD = np.dtype([("key", KEY), ("copies", "<i4"), ("source", "<i4"), ("reason", "<i4"), ("units", "<i8"),
                   ("bytes", "<i8"), ("form", "<u8"), ("shard", "<i4"), ("file", "<i4"), ("row", "<i8")])

# Why a side does not have a document at all, as far as that can be known. The draw of a mixture is known, so of what it
# reads and does not hold it is known whether the draw alone would have left it out.
UNREAD = "its shard is not read"
CHANGED = "its shard is another"
DRAWN = "dropped before the draw"
UNKNOWN = "not taken"

# What an emitted text is told apart by, where both sides know it: spans between plans, hashes between mixtures, else
# its length.
Form = Literal["spans", "hash", "bytes"]


@dataclass(frozen=True)
class Example:
    """A document that is not as it was, and where it is: file and row on each side, None where it is not there."""

    key: bytes
    source: str
    reason: str
    copies: tuple[int, int]
    old: tuple[int, int] | None
    new: tuple[int, int] | None


@dataclass
class Found:
    """What differs. `tallies` are [documents, units, bytes] by (what, the recipe's source, reason of the other side):
    units and bytes once for each copy more or fewer. `examples` are by (what, source) those of the lowest hashes.
    """

    most: int  # examples of each kind
    tallies: dict[tuple[What, str, str], Array] = field(default_factory=dict)
    examples: dict[tuple[What, str], list[Example]] = field(default_factory=dict)
    same: int = 0  # documents that are in both as they were
    changed: int = 0  # that are in both, and not as they were

    def merge(self, other: Found) -> None:
        for key, value in other.tallies.items():
            self.tallies[key] = self.tallies[key] + value if key in self.tallies else value
        for about, more in other.examples.items():
            self.take(about, more)
        self.same += other.same
        self.changed += other.changed

    def take(self, about: tuple[What, str], more: Iterable[Example]) -> None:
        held = [*self.examples.get(about, ()), *more]
        self.examples[about] = heapq.nsmallest(self.most, held, key=lambda each: each.key)

    @property
    def differ(self) -> bool:
        return bool(self.tallies)

    def total(self, what: What) -> int:
        return sum(int(value[0]) for key, value in self.tallies.items() if key[0] == what)


class Side(Protocol):
    """One side of a comparison: the documents that it knows, those that it does not take among them."""

    @property
    def reasons(self) -> Sequence[str]:
        """What the reason numbers of its records mean."""

    @property
    def sources(self) -> Sequence[str]: ...

    @property
    def shards(self) -> Mapping[str, str]:
        """Paths and sha256 of what it reads, in the order of the lock, by which records number them."""

    @property
    def records(self) -> int:
        """About how many there are."""

    def blocks(self, form: Form) -> Iterator[Array]:
        """Its documents as records, some at a time; more than one of a document, if it stands several times."""

    def without(self, records: Array, sources: Array) -> Array:
        """The numbers of the reasons for which it does not have records of another side, of shards that it reads. Of
        its own sources these would be of those numbered so; below 0: of none.
        """

    def place(self, file: int, row: int) -> dict[str, Any]:
        """Source and id of a record's document, and where it is."""

    def mix_source(self, file: int, row: int) -> str:
        """The recipe's source of a record."""

    def why(self, file: int, row: int, reason: str) -> str:
        """The reason for which a record's document is not taken, with what was measured."""


# ---- the two ways


def joined(old: Side, new: Side, form: Form, most: int, called: Mapping[str, str]) -> Found:
    """What differs between all documents of two sides. `called` are names of sources as they are now, by old name."""
    found = Found(most)
    piles = [_Pile(old.records), _Pile(new.records)]
    count = max(pile.files for pile in piles)
    with _opened(piles, count):
        for side, pile in zip((old, new), piles, strict=True):
            for block in side.blocks(form):
                pile.add(block)
        for one, other in _parts(piles, count):
            _judge(found, old, new, *_matched(_once(one), _once(other)), called)
    return found


def aligned(old: PlanSide, new: PlanSide, most: int, called: Mapping[str, str]) -> Found:
    """What differs between two plans over the same shards with the same rows."""
    found = Found(most)
    now_called = _renumbered(old, new, called)
    for path in old.slices:
        one, other = old.selected(path, "spans"), new.selected(path, "spans")
        either = (one["copies"] > 0) | (other["copies"] > 0)
        differ = either & ((one["copies"] != other["copies"]) | (one["form"] != other["form"])
                           | (now_called[one["source"]] != other["source"]))
        found.same += int((either & ~differ).sum())
        at = np.flatnonzero(differ)
        if len(at):
            known = np.ones(len(at), bool)
            for side, records in ((old, one), (new, other)):
                side.fill(path, records, at, "spans")
            _judge(found, old, new, one[at], other[at], known, known, called)
    return found


def aligned_task(most: int, called: Mapping[str, str], sides: tuple[PlanSide, PlanSide]) -> Found:
    """`aligned` as a pool runs it."""
    return aligned(*sides, most, called)


def _renumbered(old: Side, new: Side, called: Mapping[str, str]) -> Array:
    """The new number of each of the old side's sources; below 0 where there is none."""
    return np.array([new.sources.index(called.get(name, name)) if called.get(name, name) in new.sources else -1
                     for name in old.sources], np.int64)


def _judge(found: Found, old: Side, new: Side, one: Array, other: Array, here: Array, there: Array,
           called: Mapping[str, str]) -> None:
    """Adds what differs between records of the same documents, of which `here` and `there` are known on each side."""
    was, now = np.where(here, one["copies"], 0), np.where(there, other["copies"], 0)
    there_numbers, here_numbers = _renumbered(old, new, called), _renumbered(new, old, {now: was for was, now in
                                                                                       called.items()})
    reasons = [_reasons(old, one, here, new, other, now > 0, here_numbers),
               _reasons(new, other, there, old, one, was > 0, there_numbers)]
    both = (was > 0) & (now > 0)
    recut = both & (one["form"] != other["form"])
    moved = both & (there_numbers[one["source"]] != other["source"])
    changed = recut | moved | (both & (was != now))
    found.same += int((both & ~changed).sum())
    found.changed += int(changed.sum())
    cases: tuple[tuple[What, Array, bool], ...] = (
        ("out", (was > 0) & (now == 0), True), ("in", (was == 0) & (now > 0), False),
        ("fewer", both & (now < was), True), ("more", both & (now > was), False),
        ("text", recut, False), ("source", moved, False))
    for what, mine, by_old in cases:
        at = np.flatnonzero(mine)
        if len(at):
            side, record = (old, one) if by_old else (new, other)
            why = {"out": (new.reasons, reasons[1]), "in": (old.reasons, reasons[0])}.get(what)
            times = np.abs(now - was)[at] if what not in ("text", "source") else now[at]
            _add(found, what, at, side.sources, record, times, why, (was, now), (one, other), (here, there))


def _reasons(side: Side, records: Array, known: Array, other: Side, others: Array, taken: Array, numbers: Array
             ) -> Array:
    """The number of the reason for which a side does not take each document. `numbers` are its own of the other side's
    sources.
    """
    found = records["reason"].astype(np.int64)
    at = np.flatnonzero(~known & taken)
    if not len(at):
        return found
    mine, theirs = side.shards, other.shards
    state = np.array([0 if path not in mine else 1 if mine[path] != sha256 else 2
                      for path, sha256 in theirs.items()], np.int64)[others["shard"][at]]
    found[at] = np.where(state == 0, side.reasons.index(UNREAD), side.reasons.index(CHANGED))
    read = state == 2
    found[at[read]] = side.without(others[at[read]], numbers[others["source"][at[read]]])
    return found


def _add(
    found: Found, what: What, at: Array, sources: Sequence[str], record: Array, times: Array,
    why: tuple[Sequence[str], Array] | None, copies: tuple[Array, Array], records: tuple[Array, Array],
    known: tuple[Array, Array],
) -> None:
    mine = record[at]
    reasons = np.zeros(len(at), np.int64) if why is None else why[1][at].astype(np.int64)
    values = np.stack([np.ones(len(at), np.int64), mine["units"] * times, mine["bytes"] * times], axis=1)
    keys, place = np.unique(mine["source"].astype(np.int64) << 32 | reasons, return_inverse=True)
    sums = np.zeros((len(keys), 3), np.int64)
    np.add.at(sums, place, values)
    for key, value in zip(keys.tolist(), sums, strict=True):
        about = what, sources[key >> 32], why[0][key & 0xFFFFFFFF] if why is not None else ""
        found.tallies[about] = found.tallies[about] + value if about in found.tallies else value
    for number in np.unique(mine["source"]).tolist():
        inside = np.flatnonzero(mine["source"] == number)
        lowest = inside[np.argsort(mine["key"][inside], kind="stable")[: found.most]]
        found.take((what, sources[number]), [
            Example(bytes(mine["key"][place]).ljust(KEY.itemsize, b"\0"), sources[number],
                    why[0][int(reasons[place])] if why is not None else "",
                    (int(copies[0][at[place]]), int(copies[1][at[place]])),
                    *(_where(each, which, int(at[place])) for each, which in zip(records, known, strict=True)))
            for place in lowest.tolist()])


def _where(records: Array, known: Array, at: int) -> tuple[int, int] | None:
    return (int(records["file"][at]), int(records["row"][at])) if known[at] else None


# ---- joining


@dataclass
class _Pile:
    """The records of one side: in memory, or, if they may be many, in temporary files by the hash of their texts."""

    expected: int
    held: list[Array] = field(default_factory=list)
    spill: Spill | None = None

    @property
    def files(self) -> int:
        return FILES if self.expected > LIMIT else 0

    def add(self, records: Array) -> None:
        if self.spill is None:
            self.held.append(records)
        else:
            self.spill.add(_hash(records) % FILES, records)

    def part(self, file: int, part: int, parts: int) -> Array:
        if self.spill is None:
            return np.concatenate([np.empty(0, RECORD), *self.held])
        found = [block[_hash(block) // FILES % parts == part] for block in self.spill.blocks(file)]
        return np.concatenate([np.empty(0, RECORD), *found])


class _opened:
    """Gives piles their temporary files, both or neither, and takes them away at the end."""

    def __init__(self, piles: Sequence[_Pile], count: int) -> None:
        self._piles = piles
        for pile in piles if count else ():
            pile.spill = Spill(RECORD, count)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for pile in self._piles:
            if pile.spill is not None:
                pile.spill.close()


def _parts(piles: Sequence[_Pile], count: int) -> Iterator[tuple[Array, Array]]:
    """The records of both sides with the same hashes, about LIMIT of each at a time."""
    if not count:
        yield piles[0].part(0, 0, 1), piles[1].part(0, 0, 1)
        return
    for file in range(count):
        parts = 1 + max(pile.spill.sizes[file] for pile in piles if pile.spill is not None) // LIMIT
        for part in range(parts):
            yield piles[0].part(file, part, parts), piles[1].part(file, part, parts)


def _hash(records: Array) -> Array:
    """uint32 of each record's text, as good as random."""
    keys = np.ascontiguousarray(records["key"]).view(np.uint8).reshape(-1, KEY.itemsize)
    return np.ascontiguousarray(keys[:, :4]).view("<u4").reshape(-1).astype(np.int64)


def _once(records: Array) -> Array:
    """One record of each document, sorted, with all of its copies; of several the one that has most."""
    by = np.lexsort([records["row"], records["file"], -records["copies"], records["key"]])
    records = records[by]
    first = np.ones(len(records), bool)
    first[1:] = records["key"][1:] != records["key"][:-1]
    start = np.flatnonzero(first)
    found = records[start]
    if len(found):
        found["copies"] = np.add.reduceat(records["copies"], start)
    return found


def _matched(one: Array, other: Array) -> tuple[Array, Array, Array, Array]:
    """The records of either side by document, with those of the other beside them, and which of them are there."""
    keys = np.union1d(one["key"], other["key"])
    found, known = [], []
    for records in (one, other):
        wide, here = np.zeros(len(keys), RECORD), np.zeros(len(keys), bool)
        at = np.searchsorted(keys, records["key"])
        wide[at], here[at] = records, True
        found.append(wide)
        known.append(here)
    return found[0], found[1], known[0], known[1]


# ---- plans


@dataclass(frozen=True)
class _Placed(Workspace):
    """A workspace that is known by its own folder alone, as a plan's lies in it."""

    at: str = ""

    @property
    def folder(self) -> str:
        return self.at


def context_of(plan: Plan, locked: Mapping[str, Any]) -> Context:
    """What a finished plan's phases knew, from its own folder; no corpus is looked at."""
    listed = {shard["path"]: shard for shard in locked["shards"]}
    slices = [(each["shard"], each["source"]) for each in plan.body["selections"]]
    times = Counter(path for path, _ in slices)
    keys = {key for shard in listed.values() for key in shard["sidecars"]}
    columns = {name: (key, stored) for name, (use, stored) in plan.recipe.stored().items()
               if (key := _key(use.tagger.key, use, keys)) is not None}
    folder = plan.folder.rstrip("/").rsplit("/", 2)[0]
    return Context(
        workspace=_Placed("", "", at=folder), folder=plan.folder, recipe=plan.recipe,
        paths={number: path for number, (path, _) in enumerate(slices)},
        sources={number: source for number, (_, source) in enumerate(slices)}, columns=columns,
        digests={key: {number: listed[path]["sidecars"][key] for number, (path, _) in enumerate(slices)
                       if key in listed[path]["sidecars"]} for key in sorted(keys)},
        sets=(), holdouts=(), arguments="RECIPE",
        shared=frozenset(number for number, (path, _) in enumerate(slices) if times[path] > 1),
    )


def _key(tagger: str, use: Any, keys: Iterable[str]) -> str | None:
    """The sidecar key of a use; of one whose file is not at hand that of its tagger, if there is only one."""
    if use.file is None or use.sha256 is not None:
        key = attributes.key_of(use)
        return key if key in keys else None
    mine = [key for key in keys if key == tagger or key.startswith(f"{tagger}-")]
    return mine[0] if len(mine) == 1 else None


@dataclass(frozen=True)
class PlanSide:
    """The documents of a plan's sources, or of some of the shards; those that are not taken among them."""

    context: Context
    shards: Mapping[str, str]  # of the whole lock
    mine: frozenset[str]  # the shards whose documents these are
    records: int  # rows of these

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        return (*self.context.reasons, UNREAD, CHANGED)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        return tuple(source.name for source in self.context.recipe.sources)

    @cached_property
    def slices(self) -> dict[str, list[int]]:
        """By shard the numbers of its slices, without references'."""
        found: dict[str, list[int]] = {}
        for number, path in self.context.paths.items():
            if path in self.mine and self.context.sources[number] in self.sources:
                found.setdefault(path, []).append(number)
        return found

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {path: number for number, path in enumerate(self.shards)}

    def of(self, shards: Iterable[str], records: int) -> PlanSide:
        """The same of these shards alone, which is what a task is sent."""
        mine = frozenset(shards)
        numbers = [number for number, path in self.context.paths.items() if path in mine]
        unit = self.context.columns.get(self.context.recipe.unit_column or "", (rows.KEY, ""))
        return PlanSide(self.context.part(numbers, sorted({rows.KEY, unit[0]})), self.shards, mine, records)

    def without(self, records: Array, sources: Array) -> Array:
        return np.full(len(records), self.reasons.index(UNREAD), np.int64)  # not as a source's, which it would know

    def blocks(self, form: Form) -> Iterator[Array]:
        for path in self.slices:
            records = self.selected(path, form)
            self.fill(path, records, np.arange(len(records)), form)
            yield records

    def selected(self, path: str, form: Form) -> Array:
        """The records of a shard without keys and sizes, from its selections alone."""
        whole: Array | None = None
        for number in self.slices[path]:
            table, _ = sidecars.read(self.context.selection_uri(number), ["copies", "reason"])
            found = np.zeros(len(table), RECORD)
            found["copies"], found["reason"] = np.asarray(table.column("copies")), np.asarray(table.column("reason"))
            found["source"] = self.sources.index(self.context.sources[number])
            found["file"], found["row"], found["shard"] = number, np.arange(len(table)), self._numbers[path]
            self._put_form(number, found, form)
            if whole is None:
                whole = found
            else:  # of several sources that have judged a row, the one in which it got furthest
                better = (found["copies"] > whole["copies"]) | \
                    ((whole["copies"] == 0) & (found["reason"] > whole["reason"]))
                whole[better] = found[better]
        assert whole is not None, path
        return whole

    def fill(self, path: str, records: Array, at: Array, form: Form) -> None:
        """Puts keys and sizes into some of a shard's records."""
        table = selection.load(self.context, self.slices[path][0], [])
        keys = np.concatenate([fixed_bytes(table.column("text_sha256")), fixed_bytes(table.column("identity"))],
                              axis=1)
        sizes = np.asarray(table.column("bytes"))[at]
        records["key"][at] = np.ascontiguousarray(keys).view(KEY).reshape(-1)[at]
        records["units"][at] = selection.units_of(self.context.recipe, table)[at]
        records["bytes"][at] = sizes
        if form == "bytes":  # until now how many fewer they are
            records["form"][at] = sizes.view("<u8") - records["form"][at]

    def _put_form(self, number: int, records: Array, form: Form) -> None:
        """What is cut from the texts of a slice, or replaced in them: as one number, or how many bytes they lose."""
        uri = self.context.edits_uri(number)
        if storage.exists(uri):
            table, _ = sidecars.read(uri)
            held = np.zeros(len(records), "<u8")  # spans of a row do not overlap, so their order says nothing
            np.add.at(held, np.asarray(table.column("row")), _less(table) if form == "bytes" else _spans(table))
            records["form"] = held

    def place(self, file: int, row: int) -> dict[str, Any]:
        table, _ = sidecars.read(self.context.workspace.sidecar(rows.KEY, self.context.paths[file]),
                                 ["line", "source", "id"])
        about = table.slice(row, 1).to_pylist()[0]
        return {"source": about["source"], "id": about["id"], "shard": self.context.paths[file], "row": row,
                "line": about["line"]}

    def mix_source(self, file: int, row: int) -> str:
        return self.context.sources[file]

    def why(self, file: int, row: int, reason: str) -> str:
        """With the value that failed a rule, or the copy that it lost to."""
        source = self.context.sources[file]
        methods = [selection.method_text(method) for method in self.context.recipe.dedup]
        if reason in methods:
            return reason + self._lost_to(methods.index(reason), file, row)
        rule = next((each for each in self.context.recipe.rules_for(source) if each.text == reason), None)
        if rule is None or rule.column not in self.context.columns:
            return reason
        key, stored = self.context.columns[rule.column]
        part, _ = attributes.read(self.context.workspace.sidecar(key, self.context.paths[file]), [stored])
        return rules.verdict(rule, part.column(stored).slice(row, 1).to_pylist()[0])


    def _lost_to(self, method: int, file: int, row: int) -> str:
        """The first document that keeps what this one has too, as the plan numbers it; empty where it is not known."""
        uri = self.context.losers_uri(method, file)
        if not storage.exists(uri):
            return ""
        table, _ = sidecars.read(uri, ["row", "keeper_shard", "keeper_row"])
        lost = table.filter(pc.equal(table.column("row"), row)).slice(0, 1).to_pylist()
        if not lost or lost[0]["keeper_shard"] not in self.context.paths:
            return ""
        keeper = self.place(lost[0]["keeper_shard"], lost[0]["keeper_row"])
        return f", lost to {keeper['source']} {keeper['id']} ({keeper['shard']} line {keeper['line']})"


def _spans(table: pa.Table) -> Array:
    """uint64 of each span, that tells it from others, with what stands in its place."""
    names = [name for name in table.column_names if name != "row"]
    lines = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    return np.array([xxhash.xxh3_64_intdigest(repr(line).encode()) for line in lines], "<u8")


def _less(table: pa.Table) -> Array:
    """uint64, modulo 2^64: by how many bytes a text gets shorter with each span."""
    found: Array = np.asarray(table.column("bytes")).astype(np.int64)
    added = pc.binary_length(table.column("replacement").cast(pa.large_binary())).fill_null(0)
    found = found - np.asarray(added)
    return found.view("<u8")


# ---- mixtures


@dataclass(frozen=True)
class MixtureSide:
    """The documents of a mixture, from its indexes."""

    folder: str
    recipe: Recipe
    counts: Sequence[Mapping[str, Any]]  # of the manifest, one a source
    shards: Mapping[str, str]
    indexes: tuple[str, ...]  # paths, in the order of the data shards
    records: int
    reasons: tuple[str, ...] = ("kept", UNREAD, CHANGED, selection.NOT_DRAWN, DRAWN, UNKNOWN)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        return tuple(count["source"] for count in self.counts)

    def without(self, records: Array, sources: Array) -> Array:
        """By the draw, which the manifest says the end of; of a curve it does not."""
        found = np.full(len(records), self.reasons.index(UNREAD), np.int64)
        keys = np.ascontiguousarray(records["key"]).view(np.uint8).reshape(-1, KEY.itemsize)
        identity, sha256 = np.ascontiguousarray(keys[:, 32:]), np.ascontiguousarray(keys[:, :32])
        order = draw.order_keys(draw.draws(self.recipe.seed, "draw", identity), identity, sha256)
        for number, count in enumerate(self.counts):
            mine = sources == number
            drawn = (count["copies"] > 0) | draw.below(order, selection.cutoff_of(count["cutoff"]))
            why = np.where(drawn, self.reasons.index(DRAWN), self.reasons.index(selection.NOT_DRAWN))
            found[mine] = why[mine] if count.get("curve") is None else self.reasons.index(UNKNOWN)
        return found

    def blocks(self, form: Form) -> Iterator[Array]:
        numbers = {name: number for number, name in enumerate(self.sources)}
        for file, path in enumerate(self.indexes):
            table, _ = sidecars.read(storage.join(self.folder, path))
            found = np.zeros(len(table), RECORD)
            found["key"] = _index_keys(table)
            found["copies"], found["file"], found["row"] = 1, file, np.arange(len(table))
            found["source"] = _numbered(table.column("mix_source"), numbers)
            found["shard"] = _numbered(table.column("shard"), self._numbers)
            found["bytes"] = np.asarray(table.column("text_bytes"))
            found["units"] = np.asarray(table.column("units")) if "units" in table.column_names else \
                selection.units_of_bytes(self.recipe.unit, found["bytes"])
            found["form"] = np.asarray(table.column("emitted_bytes")) if form == "bytes" else \
                np.ascontiguousarray(fixed_bytes(table.column("emitted_sha256"))[:, :8]).view("<u8").reshape(-1)
            yield found

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {path: number for number, path in enumerate(self.shards)}

    def place(self, file: int, row: int) -> dict[str, Any]:
        table, _ = sidecars.read(storage.join(self.folder, self.indexes[file]), ["source", "id", "shard", "row"])
        return dict(table.slice(row, 1).to_pylist()[0])

    def mix_source(self, file: int, row: int) -> str:
        table, _ = sidecars.read(storage.join(self.folder, self.indexes[file]), ["mix_source"])
        return str(table.column("mix_source")[row].as_py())

    def why(self, file: int, row: int, reason: str) -> str:
        return reason


def _numbered(names: pa.ChunkedArray, numbers: Mapping[str, int]) -> Array:
    """int64: the number of each name; StorageError where one has none."""
    codes = names.combine_chunks().dictionary_encode()
    try:
        of = np.array([numbers[name] for name in codes.dictionary.to_pylist()], np.int64)
    except KeyError as error:
        raise StorageError(f"an index names {error}, which is not in its recipe or lock; run `solera audit`") from None
    found: Array = of[np.asarray(codes.indices)]
    return found


def _index_keys(table: pa.Table) -> Array:
    identities = b"".join(map(rows.identity, table.column("source").to_pylist(), table.column("id").to_pylist()))
    keys = np.concatenate([fixed_bytes(table.column("text_sha256")),
                           np.frombuffer(identities, np.uint8).reshape(-1, 16)], axis=1)
    return np.ascontiguousarray(keys).view(KEY).reshape(-1)
