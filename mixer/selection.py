"""The phases of a plan, each a pure function of a bin of shards. Sidecars in, partial sums out; no text is read.

What a phase decides of a row is kept in its bin's draft, an int16 a row: 0 while the row is alive, else the number of
its reason. Each phase that decides writes a draft of its own, so that no file is ever written with two contents: a task
that is run twice, or ends late, changes nothing. The scratch folder has a file a bin, not a file a shard: opening one
costs as much as a thousand rows of it, and there may be a hundred thousand shards. So all phases have the same bins.
The last phase writes the selection: copies and reason of each row.
All sums are exact integers, so bins may be cut and merged in any way.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import attributes, clusters, draw, rows, rules, sidecars, storage
from mixer.clusters import ClusterSet
from mixer.errors import StorageError
from mixer.recipe import DedupMethod, Recipe
from mixer.sidecars import fixed_bytes
from mixer.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]

# (source, what, of which rule or method) -> [documents, units, text bytes]
Tallies = dict[tuple[str, str, str], Array]

BUCKET_BITS = 16  # of the draw value, in the histogram that finds where an allocation ends

CANDIDATE_ROWS = 1 << 18  # that a task holds before it writes them

NOT_DRAWN = "not drawn"

SELECTION_SCHEMA = pa.schema([("copies", pa.int32()), ("reason", pa.int16())])
CANDIDATE_SCHEMA = pa.schema(
    [("cluster", pa.binary(16)), ("order", pa.binary(64)), ("shard", pa.int32()), ("row", pa.int64()),
     ("units", pa.int64()), ("bytes", pa.int64())]
)
LOSER_SCHEMA = pa.schema([("row", pa.int64()), ("keeper_shard", pa.int32()), ("keeper_row", pa.int64())])


@dataclass(frozen=True)
class Context:
    """What a phase needs to know, of the whole corpus or of the shards of one task alone: a hundred thousand shards are
    not sent to every task. Shards are named by their number in the lock.
    """

    workspace: Workspace
    folder: str  # of the plan
    recipe: Recipe
    paths: Mapping[int, str]  # of the shards
    sources: Mapping[int, str]  # of the recipe, that the shards belong to
    columns: Mapping[str, tuple[str, str]]  # column, as the recipe calls it -> sidecar key, and its name there
    digests: Mapping[str, Mapping[int, str]]  # sidecar key -> content digest for each shard, as the lock has it
    sets: tuple[ClusterSet, ...]  # of the recipe's dedup methods, in their order, with the members of these shards
    arguments: str  # that name recipe and work folder, for the commands that messages suggest
    run: str = ""  # of all makings of this plan, which one: its scratch is its own

    def part(self, numbers: Sequence[int], keys: Sequence[str]) -> Context:
        """What a task needs to know of these shards that opens sidecars of these keys; one that opens none needs no
        members of clusters either.
        """
        paths = {number: self.paths[number] for number in numbers}
        inside = set(paths.values()) if keys else set()
        return replace(
            self, paths=paths, sources={number: self.sources[number] for number in numbers},
            digests={key: {number: self.digests[key][number] for number in numbers if number in self.digests[key]}
                     for key in keys},
            sets=tuple(each.among(inside) for each in self.sets),
        )

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """What a reason number means: 0 is kept; rules, then dedup methods, then the draw."""
        texts = dict.fromkeys(rule.text for source in self.recipe.sources
                              for rule in self.recipe.rules_for(source.name))
        return ("kept", *texts, *map(method_text, self.recipe.dedup), NOT_DRAWN)

    def dedup_reason(self, method: int) -> int:
        return len(self.reasons) - 1 - len(self.sets) + method

    def rank(self, source: str) -> int:
        """Place in the recipe's order of preference; sources that it does not list come last, in the recipe's order."""
        names = [*self.recipe.prefer, *(each.name for each in self.recipe.sources)]
        return names.index(source)

    def selection_uri(self, shard: int) -> str:
        return storage.join(self.folder, "selection", f"{self.paths[shard]}.parquet")

    @property
    def scratch(self) -> str:
        return storage.join(self.folder, "scratch", self.run)

    @property
    def bin(self) -> int:
        """The name of these shards as a bin: the number of the first."""
        return next(iter(self.paths))

    def draft_uri(self, methods: int) -> str:
        """The draft of these shards after the keep rules and so many dedup methods."""
        return storage.join(self.scratch, f"draft-{methods}", f"{self.bin}.npy")

    def pool_uri(self) -> str:
        """Where the rows of these shards that reach the draw come in it, roughly."""
        return storage.join(self.scratch, "pool", f"{self.bin}.npz")

    def candidates_uri(self, method: int, bin: int) -> str:
        return storage.join(self.scratch, f"candidates-{method}", f"{bin}.parquet")

    def losers_uri(self, method: int, shard: int) -> str:
        return storage.join(self.folder, "losers", str(method), f"{self.paths[shard]}.parquet")


@dataclass(frozen=True)
class Histogram:
    """Alive units of one source by the top bits of the draw value; sparse, sorted by bucket."""

    buckets: Array
    units: Array


@dataclass(frozen=True)
class Part:
    """What a phase says of a bin: tallies, its candidates for the next dedup method, and after the last the pools."""

    tallies: Tallies
    candidates: Mapping[int, int]  # bin -> rows; empty where it has none
    pools: Mapping[str, Histogram]


@dataclass(frozen=True)
class Grant:
    """What a source's rows get: `copies` each, and one more for rows before `cutoff` in draw order."""

    copies: int
    cutoff: tuple[int, ...]


NO_EXTRA: tuple[int, ...] = (0,) * 7
MOST_COPIES = 2**31 - 2  # what an int32 holds, less the extra one


def method_text(method: DedupMethod) -> str:
    """How a dedup method is named as a reason, as in "dedup text@1 normalise=[lower, nfc]"."""
    return f"dedup {method.text}"


# ---- phase 1: keep rules


def judge(context: Context) -> Part:
    """Draft of the bin after the keep rules, with each rule's losses: first reason, own, exclusive and missing."""
    tallies: Tallies = {}
    with ExitStack() as stack:
        following = _Following(stack, context, 0, tallies)
        for number, source in context.sources.items():
            source_rules = context.recipe.rules_for(source)
            table = load(context, number, [rule.column for rule in source_rules])
            units = units_of(context.recipe, table)
            sizes = np.asarray(table.column("bytes"))
            draft = np.zeros(len(units), np.int16)
            fails = np.zeros(len(units), np.int32)
            failed = []
            for rule in source_rules:
                good, missing = rules.passes(rule, table.column(rule.column).combine_chunks())
                failed.append((rule.text, ~good, missing))
                fails += ~good

            def add(what: str, rule: str, where: Array, source: str = source, units: Array = units,
                    sizes: Array = sizes) -> None:
                _add(tallies, (source, what, rule), where, units, sizes)

            add("read", "", np.ones(len(units), bool))
            for text, bad, missing in failed:
                first = bad & (draft == 0)
                draft[first] = context.reasons.index(text)
                add("first", text, first)
                add("own", text, bad)
                add("only", text, bad & (fails == 1))
                add("missing", text, missing)
            add("kept", "", draft == 0)
            following.take(number, draft, table)
        return following.finish()


# ---- phase 3: dedup; what relates rows is decided by the resolvers, between these two


def drop_losers(method: int, context: Context) -> Part:
    """Draft of the bin without the losers of a dedup method."""
    tallies: Tallies = {}
    with ExitStack() as stack:
        following = _Following(stack, context, method + 1, tallies)
        drafts = _Drafts(context, method)
        for number, source in context.sources.items():
            table = load(context, number, [])
            draft = drafts.next(len(table))
            lost = np.zeros(len(draft), bool)
            losers = read_losers(context, method, number)
            lost[np.asarray(losers.column("row"))] = True
            draft[lost] = context.dedup_reason(method)
            key = (source, "dedup", context.reasons[context.dedup_reason(method)])
            _add(tallies, key, lost, units_of(context.recipe, table), np.asarray(table.column("bytes")))
            following.take(number, draft, table)
        return following.finish()


class _Following:
    """What a phase leaves to those that follow it: the draft of its bin after so many dedup methods, and either the
    candidates of the next method, or, after the last, the pools.
    """

    def __init__(self, stack: ExitStack, context: Context, methods: int, tallies: Tallies) -> None:
        self._stack, self._context, self._methods, self._tallies = stack, context, methods, tallies
        self._drafts: list[Array] = []
        self._held: list[pa.Table] = []
        self._candidates = 0
        self._out: sidecars.Writer | None = None
        self._buckets: list[Array] = []
        self._units: dict[str, Array] = {}

    def take(self, number: int, draft: Array, table: pa.Table) -> None:
        """One shard more: its rows, and what has been decided of them."""
        self._drafts.append(draft)
        if self._methods == len(self._context.sets):
            self._pool(self._context.sources[number], draft == 0, table)
            return
        found = _candidates(self._context, number, self._methods, draft, table)
        self._candidates += len(found)
        self._held += [found] if len(found) else []
        if sum(map(len, self._held)) >= CANDIDATE_ROWS:
            self._flush()

    def _pool(self, source: str, alive: Array, table: pa.Table) -> None:
        units = units_of(self._context.recipe, table)
        _add(self._tallies, (source, "pool", ""), alive, units, np.asarray(table.column("bytes")))
        buckets = (_draws(self._context, table) >> np.uint64(64 - BUCKET_BITS)).astype(np.uint16)
        self._buckets.append(buckets)
        held = self._units.setdefault(source, np.zeros(1 << BUCKET_BITS, np.int64))
        np.add.at(held, buckets[alive], units[alive])

    def _flush(self) -> None:
        if self._out is None:
            uri = self._context.candidates_uri(self._methods, self._context.bin)
            self._out = self._stack.enter_context(sidecars.writer(uri, CANDIDATE_SCHEMA))
        self._out.write(pa.concat_tables(self._held))
        self._held = []

    def finish(self) -> Part:
        context = self._context
        with storage.writer(context.draft_uri(self._methods)) as out:
            np.save(out, np.concatenate(self._drafts))
        if self._held:
            self._flush()
        if self._out is not None:
            self._out.finish({})
        if self._buckets:
            with storage.writer(context.pool_uri()) as out:
                np.savez(out, rows=np.array([len(each) for each in self._buckets]),
                         buckets=np.concatenate(self._buckets))
        pools = {source: Histogram(np.flatnonzero(held), held[np.flatnonzero(held)])
                 for source, held in self._units.items()}
        return Part(self._tallies, {context.bin: self._candidates} if self._candidates else {}, pools)


def resolve_in_memory(context: Context, method: int, bins: Sequence[int]) -> Tallies:
    """Decides the keeper of each cluster from the candidates of these bins; writes every shard's losers.

    `context` is of all shards. Tallies are (loser's source, "lost to", keeper's source). Memory: 263 bytes a
    candidate, measured with a million.
    """
    tables = [sidecars.read(context.candidates_uri(method, number))[0] for number in bins]
    table = pa.concat_tables(tables) if tables else CANDIDATE_SCHEMA.empty_table()
    del tables
    order, cluster = draw.words(fixed_bytes(table.column("order"))), draw.words(fixed_bytes(table.column("cluster")))
    table = table.drop_columns(["order", "cluster"])
    number, row = np.asarray(table.column("shard")), np.asarray(table.column("row"))
    by = np.lexsort([row, number, *(order[:, i] for i in range(7, -1, -1)), cluster[:, 1], cluster[:, 0]])
    del order
    cluster, number, row = cluster[by], number[by], row[by]
    first = np.ones(len(by), bool)
    first[1:] = (cluster[1:] != cluster[:-1]).any(axis=1)
    del cluster
    keeper = np.maximum.accumulate(np.where(first, np.arange(len(by)), 0))
    lost = np.flatnonzero(~first)
    names = [source.name for source in context.recipe.sources]
    places = {name: place for place, name in enumerate(names)}
    source = np.array([places[context.sources[each]] for each in range(len(context.paths))], np.int64)[number]
    pairs, pair = np.unique(source[lost] * len(names) + source[keeper[lost]], return_inverse=True)
    sums = np.zeros((len(pairs), 3), np.int64)
    np.add.at(sums[:, 0], pair, 1)
    np.add.at(sums[:, 1], pair, np.asarray(table.column("units"))[by[lost]])
    np.add.at(sums[:, 2], pair, np.asarray(table.column("bytes"))[by[lost]])
    tallies: Tallies = {(names[code // len(names)], "lost to", names[code % len(names)]): found
                        for code, found in zip(pairs.tolist(), sums, strict=True)}
    lost = lost[np.lexsort([row[lost], number[lost]])]
    edges = np.flatnonzero(np.diff(number[lost], prepend=-1))
    for part in np.split(lost, edges[1:]) if len(lost) else []:
        write_losers(context, method, int(number[part[0]]), row[part], number[keeper[part]], row[keeper[part]])
    return tallies


def write_losers(context: Context, method: int, shard: int, row: Array, keeper_shard: Array, keeper_row: Array) -> None:
    table = pa.table([row, keeper_shard, keeper_row], schema=LOSER_SCHEMA)
    sidecars.write(context.losers_uri(method, shard), table, {"shard": context.paths[shard]})


def read_losers(context: Context, method: int, shard: int) -> pa.Table:
    """(row, keeper_shard, keeper_row) of a shard in order of row; empty where nothing was lost."""
    uri = context.losers_uri(method, shard)
    return sidecars.read(uri)[0] if storage.exists(uri) else LOSER_SCHEMA.empty_table()


# ---- phases 5 and 6: the draw, and what each row gets


def boundary(buckets: Mapping[str, int], context: Context) -> dict[str, Array]:
    """Alive rows in the bucket where their source's allocation ends: order keys and units, uint64 (rows, 7 + 1).

    Few shards have one, and no other is opened.
    """
    found: dict[str, list[Array]] = {}
    drafts = _Drafts(context, len(context.sets))
    with np.load(io.BytesIO(storage.read(context.pool_uri()))) as pool:
        sizes, places = pool["rows"].tolist(), pool["buckets"]
    at = 0
    for (number, source), size in zip(context.sources.items(), sizes, strict=True):
        draft, mine = drafts.next(size), places[at : at + size]
        at += size
        inside = (mine == buckets[source]) & (draft == 0) if source in buckets else np.zeros(size, bool)
        if inside.any():
            table = load(context, number, [])
            columns = [*_keys(table, _draws(context, table)), units_of(context.recipe, table).astype(np.uint64)]
            found.setdefault(source, []).append(np.stack([column[inside] for column in columns], axis=1))
    return {source: np.concatenate(parts) for source, parts in found.items()}


def select(grants: Mapping[str, Grant], context: Context) -> tuple[Tallies, dict[int, Any]]:
    """Writes the selection of each shard; says what was emitted, and each selection's metadata."""
    tallies: Tallies = {}
    written = {}
    drafts = _Drafts(context, len(context.sets))
    for number, source in context.sources.items():
        grant = grants[source]
        table = load(context, number, [])
        draft = drafts.next(len(table))
        alive = draft == 0
        extra = draw.below(_keys(table, _draws(context, table)), grant.cutoff)
        copies = np.where(alive, grant.copies + extra, 0).astype(np.int32)
        draft[alive & (copies == 0)] = len(context.reasons) - 1
        units, sizes = units_of(context.recipe, table), np.asarray(table.column("bytes"))
        chosen = copies > 0
        _add(tallies, (source, "selected", ""), chosen, units, sizes)
        _add(tallies, (source, NOT_DRAWN, ""), alive & ~chosen, units, sizes)
        emitted = np.array([copies.sum(dtype=np.int64), (units * copies).sum(), (sizes * copies).sum()])
        _plus(tallies, (source, "emitted", ""), emitted)
        meta = {"shard": context.paths[number], "rows_digest": context.digests[rows.KEY][number]}
        table = pa.table([copies, draft], schema=SELECTION_SCHEMA)
        meta = sidecars.write(context.selection_uri(number), table, meta)
        written[number] = {
            "digest": meta["digest"], "rows": len(draft), "docs": int(emitted[0]), "bytes": int(emitted[2]),
            "max_copies": int(copies.max(initial=0)),
        }
    return tallies, written


# ---- merging


def merge_tallies(parts: Sequence[Tallies]) -> Tallies:
    whole: Tallies = {}
    for part in parts:
        for key, value in part.items():
            _plus(whole, key, value)
    return whole


def merge_histograms(parts: Sequence[Mapping[str, Histogram]]) -> dict[str, Array]:
    """Dense histograms by source, int64 of 2^BUCKET_BITS."""
    whole: dict[str, Array] = {}
    for part in parts:
        for source, histogram in part.items():
            held = whole.setdefault(source, np.zeros(1 << BUCKET_BITS, np.int64))
            held[histogram.buckets] += histogram.units
    return whole


def units_of(recipe: Recipe, table: pa.Table) -> Array:
    """Units of each row, int64: documents, text bytes, or approximate tokens (bytes / 4, rounded up)."""
    sizes = np.asarray(table.column("bytes"))
    return units_of_bytes(recipe.unit, sizes)


def units_of_bytes(unit: str, sizes: Array) -> Array:
    if unit == "docs":
        return np.ones(len(sizes), np.int64)
    return sizes if unit == "bytes" else (sizes + 3) // 4


# ---- helpers


def load(context: Context, number: int, columns: Sequence[str]) -> pa.Table:
    """Rows of a shard, zipped with columns of its attribute sidecars; sidecars that are not aligned are an error."""
    place, shard = context.workspace, context.paths[number]
    wanted = ["bytes", "identity", "text_sha256"]
    table, meta = sidecars.read(place.sidecar(rows.KEY, shard), wanted)
    _check(context, rows.KEY, number, meta)
    by_sidecar: dict[str, dict[str, str]] = {}
    for column in columns:
        key, stored = context.columns[column]
        by_sidecar.setdefault(key, {})[column] = stored
    for key, names in by_sidecar.items():
        part, about = attributes.read(place.sidecar(key, shard), sorted(set(names.values())))
        _check(context, key, number, about)
        if about["rows_digest"] != meta["digest"] or part.num_rows != table.num_rows:
            raise StorageError(f"{place.sidecar(key, shard)}: not aligned with the rows of its shard; "
                               f"{_tag_again(context)}")
        for name, stored in names.items():
            table = table.append_column(name, part.column(stored))
    return table


def _check(context: Context, key: str, number: int, meta: Mapping[str, Any]) -> None:
    """A plan decides by the sidecars that its lock names, or not at all."""
    if meta["digest"] != context.digests[key][number]:
        uri = context.workspace.sidecar(key, context.paths[number])
        raise StorageError(f"{uri}: not the sidecar that the index names; {_tag_again(context)}")


def _tag_again(context: Context) -> str:
    """Without --verify, tag would trust the index, and find nothing to do."""
    return f"run `solera tag {context.arguments} --verify`"


def _candidates(context: Context, number: int, method: int, draft: Array, table: pa.Table) -> pa.Table:
    """The rows of a shard that a dedup method relates to others, among those still alive."""
    members = clusters.read_members(context.workspace, context.sets[method], context.paths[number])
    members = members.filter(pa.array(draft[np.asarray(members.column("row"))] == 0)) if len(members) else members
    if not len(members):
        return CANDIDATE_SCHEMA.empty_table()
    row = np.asarray(members.column("row"))
    chosen = table.take(row).combine_chunks()
    keys = [np.full(len(row), context.rank(context.sources[number]), np.uint64),
            *_keys(chosen, _draws(context, chosen, "keep"))]
    order = np.stack(keys, axis=1).astype(">u8")
    size = len(row)
    columns = [
        members.column("cluster").combine_chunks(),
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(64), size, [None, pa.py_buffer(order.tobytes())]),
        pa.array(np.full(size, number, np.int32)), row, units_of(context.recipe, chosen), chosen.column("bytes"),
    ]
    return pa.table(columns, schema=CANDIDATE_SCHEMA)


def _draws(context: Context, table: pa.Table, purpose: str = "draw") -> Array:
    """Draw values of the rows. Which copy stays is drawn apart from what is taken: else whatever won over copies would
    also be more likely to be taken.
    """
    return draw.draws(context.recipe.seed, purpose, fixed_bytes(table.column("identity")))


def _keys(table: pa.Table, values: Array) -> list[Array]:
    return draw.order_keys(values, fixed_bytes(table.column("identity")), fixed_bytes(table.column("text_sha256")))


class _Drafts:
    """The draft of a bin after so many dedup methods, taken shard by shard."""

    def __init__(self, context: Context, methods: int) -> None:
        self._whole: Array = np.load(io.BytesIO(storage.read(context.draft_uri(methods))))
        self._at = 0

    def next(self, size: int) -> Array:
        """Of the next shard, which has so many rows; may be written to."""
        self._at += size
        return self._whole[self._at - size : self._at]


def _add(tallies: Tallies, key: tuple[str, str, str], where: Array, units: Array, sizes: Array) -> None:
    _plus(tallies, key, np.array([where.sum(), units[where].sum(), sizes[where].sum()], np.int64))


def _plus(tallies: Tallies, key: tuple[str, str, str], value: Array) -> None:
    tallies[key] = tallies[key] + value if key in tallies else value
