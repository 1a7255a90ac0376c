"""The phases of a plan, each a pure function of a bin of slices. Sidecars in, partial sums out; no text is read.

A slice is what one source has of a shard. Slices of one shard lie in one bin, and a row that no rule of a source keeps
is dropped in that slice: so each row is alive in one slice at most, and no phase after the first sees it twice.

What a phase decides of a row is kept in its bin's draft, an int16 a row: 0 while the row is alive, else the number of
its reason. Each phase that decides writes a draft of its own, so that no file is ever written with two contents: a task
that is run twice, or ends late, changes nothing. The scratch folder has a file a bin, not a file a shard: opening one
costs as much as a thousand rows of it, and there may be a hundred thousand shards. So all phases have the same bins.
The last phase writes the selection: copies and reason of each row.
All sums are exact integers, so bins may be cut and merged in any way.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import attributes, clusters, cuts, draw, edits, keepers, rows, rules, sampling, sidecars, storage
from mixer.clusters import ClusterSet
from mixer.corpus import slice_file
from mixer.errors import StorageError
from mixer.recipe import DedupMethod, Edit, Recipe
from mixer.recipe_reference import METHODS
from mixer.sidecars import fixed_bytes
from mixer.workspace import Workspace
from taggers import registry

Array = np.ndarray[Any, np.dtype[Any]]

# (source, what, of which rule or method) -> [documents, units, text bytes]; of what is cut from texts or replaced
# [documents, spans, units, bytes, bytes added]. What is lost: (source, method, lost to) -> [documents, units, bytes,
# repeats cut, their units, their bytes]
Tallies = dict[tuple[str, str, str], Array]

TOKENIZED = "tokens@1"  # the counter of tokens that reads texts

BUCKET_BITS = 16  # of the draw value, in the histogram that finds where an allocation ends

SHOWN = 3  # documents that an error names

CANDIDATE_ROWS = 1 << 18  # that a task holds before it writes them
RESOLVED_ROWS = 1 << 19  # of candidates that are resolved at a time, about

READ = ("", "read", "")  # the tally of what was read, of shards that sources share once
NOT_DRAWN = "not drawn"
NOT_HELD_OUT = "not held out"  # of a mixture of what is held out: all else

SELECTION_SCHEMA = pa.schema([("copies", pa.int32()), ("reason", pa.int16())])
LOSER_SCHEMA = pa.schema([("row", pa.int64()), ("keeper_shard", pa.int32()), ("keeper_row", pa.int64())])
# The losers of a method of spans are spans.
CUT_SCHEMA = pa.schema([*cuts.SCHEMA, *list(LOSER_SCHEMA)[1:], ("keeper_start", pa.int64())])


@dataclass(frozen=True)
class Context:
    """What a phase needs to know, of the whole corpus or of the slices of one task alone: a hundred thousand shards are
    not sent to every task. Slices are named by their number in the corpus, in order of path and source.
    """

    workspace: Workspace
    folder: str  # of the plan
    recipe: Recipe
    paths: Mapping[int, str]  # of the shards that these are slices of
    sources: Mapping[int, str]  # of the recipe, whose slices they are
    columns: Mapping[str, tuple[str, str]]  # column, as the recipe calls it -> sidecar key, and its name there
    digests: Mapping[str, Mapping[int, str]]  # sidecar key -> content digest for each slice's shard, as the lock has it
    sets: tuple[ClusterSet, ...]  # of the recipe's dedup methods, in their order, with the members of these shards
    holdouts: tuple[ClusterSet, ...]  # of the recipe's splits, the same
    arguments: str  # that name recipe and work folder, for the commands that messages suggest
    shared: frozenset[int] = frozenset()  # the slices of shards that have several
    run: str = ""  # of all makings of this plan, which one: its scratch is its own

    def part(self, numbers: Sequence[int], keys: Sequence[str]) -> Context:
        """What a task needs to know of these slices that opens sidecars of these keys; one that opens none needs no
        members of clusters either.
        """
        paths = {number: self.paths[number] for number in numbers}
        inside = set(paths.values()) if keys else set()
        return replace(
            self, paths=paths, sources={number: self.sources[number] for number in numbers},
            digests={key: {number: self.digests[key][number] for number in numbers if number in self.digests[key]}
                     for key in keys},
            sets=tuple(each.among(inside) for each in self.sets),
            holdouts=tuple(each.among(inside) for each in self.holdouts), shared=self.shared.intersection(numbers),
        )

    def slices_of(self, path: str) -> list[int]:
        """The numbers of a shard's slices."""
        return [number for number, each in self.paths.items() if each == path]

    def file(self, number: int) -> str:
        """What the files of a slice are called in the plan's folder."""
        return slice_file(self.paths[number], self.sources[number], number in self.shared)

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """What a reason number means: 0 is kept, the others are in the order of the phases."""
        recipe, names = self.recipe, [source.name for source in self.recipe.sources]
        texts = [rule.text for name in names for rule in recipe.rules_for(name)]
        texts += [rule.text for name in names for rule in recipe.tops_for(name)]
        texts += map(method_text, recipe.dedup)
        texts += [edit.text for name in names for edit in recipe.edits_for(name)]
        texts += [split.text for split in recipe.holdout]
        texts += [NOT_HELD_OUT] if recipe.split is not None else []
        texts += [source.sample.text for source in recipe.sources if source.sample is not None]
        texts += [source.curve.text for source in recipe.sources if source.curve is not None]
        return tuple(dict.fromkeys(["kept", *texts, NOT_DRAWN]))

    @cached_property
    def reason_numbers(self) -> Mapping[str, int]:
        """The number of each reason."""
        return {text: number for number, text in enumerate(self.reasons)}

    def dedup_reason(self, method: int) -> int:
        return self.reason_numbers[method_text(self.recipe.dedup[method])]

    @cached_property
    def ranking(self) -> tuple[str, ...]:
        """Whose document stays, the best first: references, then the recipe's sources as it prefers them."""
        return (*(reference.name for reference in self.recipe.reference), *self.recipe.prefer)

    def is_reference(self, shard: int) -> bool:
        return self.ranking.index(self.sources[shard]) < len(self.recipe.reference)

    def columns_of(self, methods: int, shard: int) -> list[str]:
        """The columns that decide between a shard's candidates of the method after so many; after the last, those that
        edits and samples of its source look at.
        """
        if self.is_reference(shard):
            return []
        if methods < len(self.sets):
            return [self.recipe.prefer_by.column] if self.recipe.prefer_by is not None else []
        sample = self.recipe.source(self.sources[shard]).sample
        return [*self.edited_columns(shard), *([sample.column] if sample is not None else [])]

    def edited_columns(self, shard: int) -> list[str]:
        """The columns of the spans that are edited in a shard's texts."""
        return [] if self.is_reference(shard) else [edit.column for edit in self.recipe.edits_for(self.sources[shard])]

    def finds_spans(self, method: int) -> bool:
        return self.sets[method].kind == "spans"

    def selection_uri(self, shard: int) -> str:
        return storage.join(self.folder, "selection", f"{self.file(shard)}.parquet")

    @property
    def scratch(self) -> str:
        return storage.join(self.folder, "scratch", self.run)

    @property
    def bin(self) -> int:
        """The name of these shards as a bin: the number of the first."""
        return next(iter(self.paths))

    @cached_property
    def tops(self) -> int:
        """How many rules for the best share a source has, at most: so many phases come before dedup."""
        return max(len(self.recipe.tops_for(source.name)) for source in self.recipe.sources)

    def draft_uri(self, after: int | str) -> str:
        """The draft of these slices after so many dedup methods, or after a phase that comes before them."""
        return storage.join(self.scratch, f"draft-{after}", f"{self.bin}.npy")

    def pool_uri(self) -> str:
        """Where the rows of these shards that reach the draw come in it, roughly."""
        return storage.join(self.scratch, "pool", f"{self.bin}.npz")

    def curved_uri(self) -> str:
        """Where the copies of these slices' rows stand that curves decide; see mixer.curves.grant."""
        return storage.join(self.scratch, "curved", f"{self.bin}.npy")

    def histograms_uri(self, bin: int) -> str:
        return storage.join(self.scratch, "histograms", f"{bin}.npz")

    def candidates_uri(self, method: int, bin: int) -> str:
        return storage.join(self.scratch, f"candidates-{method}", str(bin))

    def keepers_uri(self, method: int, bin: int) -> str:
        """The folder of what each who decides keepers has told this bin of them."""
        return storage.join(self.scratch, f"keepers-{method}", str(bin))

    def losers_uri(self, method: int, shard: int) -> str:
        return storage.join(self.folder, "losers", str(method), f"{self.file(shard)}.parquet")

    def edits_uri(self, shard: int) -> str:
        return storage.join(self.folder, "edits", f"{self.file(shard)}.parquet")


@dataclass(frozen=True)
class Histogram:
    """Alive units of one source by the top bits of the draw value; sparse, sorted by bucket."""

    buckets: Array
    units: Array


@dataclass(frozen=True)
class Part:
    """What a phase says of a bin: tallies, and its candidates for the next dedup method; the first also which rows the
    rules of several sources keep.
    """

    tallies: Tallies
    candidates: Mapping[int, int]  # bin -> documents, or spans; empty where it has none
    losses: Tallies = field(default_factory=dict)
    overlap: Overlap = field(default_factory=lambda: Overlap(0, ()))


@dataclass(frozen=True)
class Overlap:
    """Documents that the rules of several sources keep, and the first few: (shard, row, sources)."""

    documents: int
    examples: tuple[tuple[str, int, tuple[str, ...]], ...]

    @staticmethod
    def of(parts: Iterable[Overlap]) -> Overlap:
        """All of these together, which are of different shards."""
        held = list(parts)
        examples = sorted(example for each in held for example in each.examples)
        return Overlap(sum(each.documents for each in held), tuple(examples[:SHOWN]))


@dataclass(frozen=True)
class Grant:
    """What a source's rows get: `copies` each, and one more for rows before `cutoff` in draw order."""

    copies: int
    cutoff: tuple[int, ...]


NO_EXTRA: tuple[int, ...] = (0,) * 7
MOST_COPIES = 2**31 - 2  # what an int32 holds, less the extra one


def cutoff_text(cutoff: tuple[int, ...]) -> str:
    """A cutoff as plans and manifests spell it."""
    return "".join(f"{word:016x}" for word in cutoff)


def cutoff_of(text: str) -> tuple[int, ...]:
    """The same read back."""
    return tuple(int(text[at : at + 16], 16) for at in range(0, len(text), 16))


def method_text(method: DedupMethod) -> str:
    """How a dedup method is named as a reason, as in "dedup text@1 normalise=[lower, nfc]"."""
    return f"dedup {method.text}"


def cuts_spans(text: str) -> bool:
    """Whether the method of this reason is one of spans."""
    return any(each.kind == "spans" for each in METHODS if each.use in text.split()[1:2])


# ---- phase 1: keep rules


def judge(context: Context) -> Part:
    """Draft of the bin after the keep rules, with each rule's losses: first reason, own, exclusive and missing."""
    tallies: Tallies = {}
    kept: dict[str, dict[str, Array]] = {}  # of shared shards: by source, the rows that its rules keep
    with ExitStack() as stack:
        following = Following(stack, context, after_top(context, 0), tallies)
        for number, source in context.sources.items():
            if context.is_reference(number):
                table = load(context, number, [])
                following.take(number, np.zeros(len(table), np.int16), table)
                continue
            source_rules = context.recipe.rules_for(source)
            table = load(context, number, [*(rule.column for rule in source_rules), *context.columns_of(0, number)])
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

            everything = np.ones(len(units), bool)
            add("read", "", everything)
            if context.paths[number] not in kept:
                _add(tallies, READ, everything, units, sizes)
            for text, bad, missing in failed:
                first = bad & (draft == 0)
                draft[first] = context.reason_numbers[text]
                add("first", text, first)
                add("own", text, bad)
                add("only", text, bad & (fails == 1))
                add("missing", text, missing)
            if not context.tops:
                add("kept", "", draft == 0)
            if number in context.shared:
                kept.setdefault(context.paths[number], {})[source] = draft == 0
            following.take(number, draft, table)
        return replace(following.finish(), overlap=Overlap.of(_overlap(*each) for each in kept.items()))


def _overlap(path: str, kept: Mapping[str, Array]) -> Overlap:
    """Rows of a shard that several sources keep."""
    several = np.stack(list(kept.values())).sum(axis=0) > 1
    examples = [(path, int(row), tuple(sorted(source for source, mine in kept.items() if mine[row])))
                for row in np.flatnonzero(several)[:SHOWN]]
    return Overlap(int(several.sum()), tuple(examples))


# ---- phase 3: dedup; which candidate of each key stays is decided by the resolvers, between these two


def drop_losers(method: int, context: Context) -> Part:
    """Draft of the bin without the losers of a dedup method; writes the losers of each shard."""
    tallies: Tallies = {}
    losses: Tallies = {}
    with ExitStack() as stack:
        following = Following(stack, context, method + 1, tallies)
        drafts, kept = Drafts(context, method), _Keepers(context, method)
        reason = context.reasons[context.dedup_reason(method)]
        lose = _lose_spans if context.finds_spans(method) else _lose_documents
        for number, source in context.sources.items():
            table = load(context, number, context.columns_of(method + 1, number))
            draft = drafts.next(len(table))
            if context.is_reference(number):  # it loses nothing, not even to another reference
                following.take(number, draft, table)
                continue
            lost = _Lost(context, method, source, tallies, losses, units_of(context.recipe, table),
                         np.asarray(table.column("bytes")))
            gone = lose(lost, number, kept, draft)
            draft[gone] = context.dedup_reason(method)
            _add(tallies, (source, "dedup", reason), gone, lost.units, lost.sizes)
            following.take(number, draft, table)
        part = following.finish()
    return replace(part, losses=losses)


@dataclass(frozen=True)
class _Lost:
    """What one shard loses by a method, as it is counted."""

    context: Context
    method: int
    source: str
    tallies: Tallies
    losses: Tallies
    units: Array
    sizes: Array

    def to(self, ranks: Array, *values: Array) -> None:
        """Adds these columns of values to the losses, by the rank of the source that keeps what is lost."""
        reason = self.context.reasons[self.context.dedup_reason(self.method)]
        for rank in np.unique(ranks).tolist():
            mine = ranks == rank
            sums = np.array([value[mine].sum() for value in values], np.int64)
            _plus(self.losses, (self.source, reason, self.context.ranking[rank]), sums)


def _lose_documents(lost: _Lost, number: int, kept: _Keepers, draft: Array) -> Array:
    """bool: the rows of a shard that another copy beats, which it writes."""
    context = lost.context
    members = _alive(context, lost.method, number, draft)
    row = np.asarray(members.column("row"))
    keeper = kept.of(members)
    other = (keeper["shard"] != number) | (keeper["row"] != row)
    row, keeper = row[other], keeper[other]
    gone = np.zeros(len(draft), bool)
    gone[row] = True
    if len(row):
        losers = pa.table([row, keeper["shard"], keeper["row"]], schema=LOSER_SCHEMA)
        _write_losers(context, lost.method, number, losers)
    nothing = np.zeros(len(row), np.int64)
    lost.to(keeper["rank"], nothing + 1, lost.units[row], lost.sizes[row], nothing, nothing, nothing)
    return gone


def _lose_spans(lost: _Lost, number: int, kept: _Keepers, draft: Array) -> Array:
    """bool: the rows of a shard of which too much is cut, by this method, or nothing left by it and those before it.

    Writes the cuts of all its rows. A row that goes is lost to the source that keeps most of what would be cut from it.
    """
    context = lost.context
    members = _alive(context, lost.method, number, draft)
    keeper = kept.of(members)
    found = cuts.of(members)  # which are in this order
    # What begins where the keeper does is the keeper, however long it is said to be.
    other = (keeper["shard"] != number) | (keeper["row"] != found["row"]) | (keeper["start"] != found["start"])
    found, keeper = found[other], keeper[other]
    gone = np.zeros(len(draft), bool)
    if not len(found):
        return gone
    _write_losers(context, lost.method, number, pa.table(
        [*cuts.table_of(found).columns, keeper["shard"], keeper["row"], keeper["start"]], schema=CUT_SCHEMA))
    taken = cuts.taken(found)
    removed = cuts.by_row(found, taken, len(draft))
    gone = cuts.is_over(removed, lost.sizes, context.recipe.dedup[lost.method].parameters["max_removed"])
    touched = removed > 0
    whole = cuts.union(_all_cuts(context, lost.method + 1, number, touched))
    gone |= touched & (cuts.by_row(whole, whole["bytes"], len(draft)) == lost.sizes)
    # Documents that go: to whom most of each is lost, of two the better source.
    ranks = np.zeros((int(gone.sum()), len(context.ranking)), np.int64)
    place = np.cumsum(gone) - 1
    inside = gone[found["row"]]
    np.add.at(ranks, (place[found["row"][inside]], keeper["rank"][inside]), taken[inside])
    nothing = np.zeros(len(ranks), np.int64)
    lost.to(ranks.argmax(axis=1), nothing + 1, lost.units[gone], lost.sizes[gone], nothing, nothing, nothing)
    # Documents that stay: each cut takes what those before it in its document have left.
    found, rank, taken = found[~inside], keeper["rank"][~inside], taken[~inside]
    units = _units_cut(context.recipe, found["row"], taken, lost)
    nothing = np.zeros(len(found), np.int64)
    lost.to(rank, nothing, nothing, nothing, nothing + 1, units, taken)
    edited = touched & ~gone
    key = (lost.source, "edited", context.reasons[context.dedup_reason(lost.method)])
    _plus(lost.tallies, key, np.array([edited.sum(), len(cuts.union(found)), units.sum(), taken.sum(), 0], np.int64))
    return gone


def _units_cut(recipe: Recipe, row: Array, taken: Array, lost: _Lost) -> Array:
    """int64: what each cut takes in units, in their order, so that a row's sum is what it has less."""
    if recipe.unit == "docs" or not len(row):
        return np.zeros(len(row), np.int64)
    total = np.cumsum(taken)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    before = np.repeat(total[first] - taken[first], np.diff(first, append=len(row)))  # of the rows before
    units, sizes = lost.units[row], lost.sizes[row]
    left = sizes - (total - before)
    return units_left(recipe, units, sizes, left + taken) - units_left(recipe, units, sizes, left)


def _all_cuts(context: Context, methods: int, number: int, chosen: Array) -> Array:
    """The cuts by the first methods of a shard's chosen rows, sorted."""
    found = [np.empty(0, cuts.CUT)]
    for method in range(methods):
        if context.finds_spans(method):
            each = cuts.of(read_losers(context, method, number))
            found.append(each[chosen[each["row"]]])
    return cuts.in_order(np.concatenate(found))


def _alive(context: Context, method: int, number: int, draft: Array) -> pa.Table:
    """The members of a shard in a method's set whose rows are still alive; no empty spans."""
    members = clusters.read_members(context.workspace, context.sets[method], context.paths[number])
    alive = draft[np.asarray(members.column("row"))] == 0
    if context.finds_spans(method):
        alive &= np.asarray(members.column("bytes")) > 0
    return members.filter(pa.array(alive)) if not alive.all() else members


def _keys_of(members: pa.Table) -> Array:
    """uint64 of shape (members, 2): clusters, or the keys of spans."""
    if "cluster" in members.column_names:
        return fixed_bytes(members.column("cluster")).view("<u8").reshape(-1, 2)
    keys = np.zeros((len(members), 2), np.uint64)
    keys[:, 0] = np.asarray(members.column("key"))
    return keys


class _Keepers:
    """The keepers of a bin's keys, read when they are asked for first."""

    def __init__(self, context: Context, method: int) -> None:
        self._where, self._uri = (context, method, context.bin), context.keepers_uri(method, context.bin)
        self._found: Array | None = None

    def of(self, members: pa.Table) -> Array:
        if not len(members):
            return np.empty(0, keepers.KEEPER)
        if self._found is None:
            self._found = read_keepers(*self._where)
        try:
            return keepers.find(self._found, _keys_of(members))
        except KeyError:
            raise StorageError(f"{self._uri}: not the keepers of these shards; something else has written into the "
                               "plan's folder: make sure that nothing does, and plan again") from None


def after_top(context: Context, tops: int) -> int | str:
    """What the draft after so many rules for the best share is called: after the last of them dedup begins."""
    return 0 if tops == context.tops else f"top-{tops}"


class Following:
    """What a phase leaves to those that follow it: the draft of its bin, and after so many dedup methods either the
    candidates of the next one, or, after the last, the pools.
    """

    def __init__(self, stack: ExitStack, context: Context, after: int | str, tallies: Tallies) -> None:
        self._stack, self._context, self._after, self._tallies = stack, context, after, tallies
        self._drafts: list[Array] = []
        self._held: list[Array] = []
        self._candidates = 0
        self._out: Any = None
        self._buckets: list[Array] = []
        self._units: dict[str, Array] = {}

    def take(self, number: int, draft: Array, table: pa.Table) -> None:
        """One shard more: its rows, and what has been decided of them."""
        self._drafts.append(draft)
        if isinstance(self._after, str):
            return
        if self._after == len(self._context.sets):
            if not self._context.is_reference(number):
                _before_the_draw(self._context, number, draft, table, self._tallies)
            alive = (draft == 0) & (not self._context.is_reference(number))
            self._pool(number, alive, table)
            return
        count, found = _candidates(self._context, number, self._after, draft, table)
        self._candidates += count
        self._held += [found] if len(found) else []
        if sum(map(len, self._held)) >= CANDIDATE_ROWS:
            self._flush()

    def _pool(self, number: int, alive: Array, table: pa.Table) -> None:
        source, units = self._context.sources[number], _units(self._context, number, table)
        if alive.any():
            _add(self._tallies, (source, "pool", ""), alive, units, np.asarray(table.column("bytes")))
        buckets = (_draws(self._context, table) >> np.uint64(64 - BUCKET_BITS)).astype(np.uint16)
        self._buckets.append(buckets)
        if alive.any():
            held = self._units.setdefault(source, np.zeros(1 << BUCKET_BITS, np.int64))
            np.add.at(held, buckets[alive], units[alive])

    def _flush(self) -> None:
        if self._out is None:
            uri = self._context.candidates_uri(int(self._after), self._context.bin)
            self._out = self._stack.enter_context(storage.writer(uri))
        self._out.write(keepers.best(np.concatenate(self._held)).tobytes())
        self._held = []

    def finish(self) -> Part:
        context = self._context
        with storage.writer(context.draft_uri(self._after)) as out:
            np.save(out, np.concatenate(self._drafts))
        if self._held:
            self._flush()
        if self._buckets:
            with storage.writer(context.pool_uri()) as out:
                np.savez(out, rows=np.array([len(each) for each in self._buckets]),
                         buckets=np.concatenate(self._buckets))
            put_histograms(context, {source: Histogram(np.flatnonzero(held), held[np.flatnonzero(held)])
                                     for source, held in self._units.items()})
        return Part(self._tallies, {context.bin: self._candidates} if self._candidates else {})


def resolve_in_memory(context: Context, method: int, bins: Sequence[int]) -> None:
    """Decides the keeper of each key from the candidates of these bins, and tells each bin its own."""
    for part in resolving(context, method, bins):
        resolve_part(context, method, part)


def resolving(context: Context, method: int, bins: Sequence[int]) -> list[Resolving]:
    """What has to be resolved, cut by key into parts that share nothing: tasks for `resolve_part`. Each reads the
    candidates of all, so there are few of them.
    """
    parts = max(1, -(-context.sets[method].documents // RESOLVED_ROWS)) if bins else 0
    return [Resolving(tuple(bins), part, parts) for part in range(parts)]


@dataclass(frozen=True)
class Resolving:
    """The keys of one part, among the candidates of these bins."""

    bins: tuple[int, ...]
    part: int
    parts: int

    def of(self, candidates: Array) -> Array:
        """Those of this part."""
        if self.parts == 1:
            return candidates
        keys = draw.mixed(candidates["key"][:, 0], candidates["key"][:, 1])
        found: Array = candidates[keys % np.uint64(self.parts) == np.uint64(self.part)]
        return found


def resolve_part(context: Context, method: int, task: Resolving) -> None:
    """Decides the keepers of a part's keys, and tells each bin its own.

    Memory: 220 bytes a candidate of the part, and those of one bin.
    """
    held = [task.of(read_candidates(context, method, number)) for number in task.bins]
    sizes = [len(each) for each in held]
    records = np.concatenate([*held, np.empty(0, keepers.CANDIDATE)])
    del held
    found = keepers.keepers_of(records, keepers.winners(records))
    del records
    at = 0
    for number, size in zip(task.bins, sizes, strict=True):
        put_keepers(context, method, number, found[at : at + size], task.part)
        at += size


def read_candidates(context: Context, method: int, bin: int) -> Array:
    """The best candidates of a bin, of dtype keepers.CANDIDATE; a key may stand there more than once."""
    return np.frombuffer(storage.read(context.candidates_uri(method, bin)), keepers.CANDIDATE)


def put_keepers(context: Context, method: int, bin: int, found: Array, part: int = 0) -> None:
    """Tells a bin the keepers of its keys, or of those of one part, of dtype keepers.KEEPER."""
    with storage.writer(storage.join(context.keepers_uri(method, bin), f"{part}.npy")) as out:
        np.save(out, keepers.by_key(found))


def read_keepers(context: Context, method: int, bin: int) -> Array:
    """All that a bin was told of the keepers of its keys, in order of key."""
    folder = context.keepers_uri(method, bin)
    told: list[Array] = [np.load(io.BytesIO(storage.read(storage.join(folder, name))))
                         for name in storage.listing(folder)]
    return told[0] if len(told) == 1 else keepers.by_key(np.concatenate([np.empty(0, keepers.KEEPER), *told]))


def _write_losers(context: Context, method: int, shard: int, table: pa.Table) -> None:
    sidecars.write(context.losers_uri(method, shard), table, {"shard": context.paths[shard]})


def read_losers(context: Context, method: int, shard: int) -> pa.Table:
    """What a shard has lost by a method, in order: (row, keeper_shard, keeper_row), or of a method of spans its cuts
    with what keeps each, as CUT_SCHEMA has it; empty where nothing was lost.
    """
    uri = context.losers_uri(method, shard)
    schema = CUT_SCHEMA if context.finds_spans(method) else LOSER_SCHEMA
    return sidecars.read(uri)[0] if storage.exists(uri) else schema.empty_table()


# ---- phases 4 and 5: edits, hold-outs and samples, each among the rows still alive


def _before_the_draw(context: Context, number: int, draft: Array, table: pa.Table, tallies: Tallies) -> None:
    """Judges the rows of a shard that dedup leaves: enters reasons into its draft, and what they drop into tallies."""
    judged = _Judged(context, number, draft, table, tallies)
    _judge_edits(judged)
    _judge_holdouts(judged)
    _judge_sample(judged)


@dataclass(frozen=True)
class _Judged:
    """A shard that is judged, and what has been decided of its rows."""

    context: Context
    number: int
    draft: Array
    table: pa.Table
    tallies: Tallies

    @property
    def source(self) -> str:
        return self.context.sources[self.number]

    @cached_property
    def units(self) -> Array:
        return units_of(self.context.recipe, self.table)

    @cached_property
    def sizes(self) -> Array:
        return np.asarray(self.table.column("bytes"))

    @cached_property
    def identities(self) -> Array:
        return fixed_bytes(self.table.column("identity"))

    @property
    def alive(self) -> Array:
        found: Array = self.draft == 0
        return found

    def count(self, what: str, of: str, where: Array) -> None:
        if where.any():
            _add(self.tallies, (self.source, what, of), where, self.units, self.sizes)

    def drop(self, where: Array, reason: str, what: str, of: str = "") -> None:
        self.draft[where] = self.context.reason_numbers[reason]
        self.count(what, of, where)


def _judge_edits(judged: _Judged) -> None:
    """Drops documents of which an edit would take too much, or, together with all cuts before it, everything."""
    context, sizes = judged.context, judged.sizes
    chosen = context.recipe.edits_for(judged.source)
    if not chosen or not judged.alive.any():
        return
    cut = _all_cuts(context, len(context.sets), judged.number, judged.alive)
    replaced = np.empty(0, edits.SPAN)
    for place, edit in enumerate(chosen):
        found = _spans(context, judged.number, judged.table, edit, judged.alive)
        removed = cuts.by_row(found, cuts.taken(found), len(sizes))
        gone = edits.exceeds(removed, sizes, edit.max_removed)
        mine = edits.of_edit(found, edit, place)
        cut, replaced = (cuts.in_order(np.concatenate([cut, mine[0]])), np.concatenate([replaced, mine[1]]))
        gone |= (removed > 0) & _leaves_nothing(cut, replaced, chosen, sizes)
        judged.drop(gone, edit.text, "edit", edit.text)
        cut, replaced = (each[~gone[each["row"]]] for each in (cut, replaced))
        whole = edits.merged(*(each[~gone[each["row"]]] for each in mine))
        five = _edited(context.recipe, whole, chosen, judged.units, sizes, np.ones(len(sizes), np.int64))
        _plus(judged.tallies, (judged.source, "edited", edit.text), five)


def _leaves_nothing(cut: Array, replaced: Array, chosen: Sequence[Edit], sizes: Array) -> Array:
    """bool: of which rows nothing is left by all of these together. Few are looked at closely: those of which there is
    as much to take as they have.
    """
    most = cuts.by_row(cut, cut["bytes"], len(sizes)) + cuts.by_row(replaced, replaced["bytes"], len(sizes))
    near = (most >= sizes) & (most > 0)
    removed, added = edits.removed_and_added(
        edits.merged(cut[near[cut["row"]]], replaced[near[replaced["row"]]]), chosen, len(sizes))
    found: Array = near & (removed == sizes) & (added == 0)
    return found


def _spans(context: Context, number: int, table: pa.Table, edit: Edit, wanted: Array) -> Array:
    """The spans that an edit means in the wanted rows of a shard; an error where one cannot be in its text."""
    column = table.column(edit.column).combine_chunks()
    uri = context.workspace.sidecar(context.columns[edit.column][0], context.paths[number])
    if column.type.value_type.get_field_index("first_byte") < 0:  # of a tagger of the user's, whose version is its own
        raise StorageError(f"{uri}: spans of an earlier form, without first_byte; remove it, and {_tag_again(context)}")
    found = edits.spans_of(column, wanted, edit.min_score)
    sizes = np.asarray(table.column("bytes"))
    inside = edits.are_inside(found, sizes)
    if not inside.all():
        wrong = found[~inside][0]
        place = ", ".join(f"{name} {wrong[name]}" for name in ("start", "end", "first_byte", "bytes"))
        raise StorageError(f"{uri}: row {wrong['row']} has a span of {edit.column} ({place}) which cannot be in its "
                           f"text of {sizes[wrong['row']]} bytes; if its tagger is your own, correct it; else remove "
                           f"this sidecar, and {_tag_again(context)}")
    return found


def _edited(
    recipe: Recipe, spans: Array, chosen: Sequence[Edit], units: Array, sizes: Array, copies: Array
) -> Array:
    """What these merged spans change in so many copies of each row: documents, spans, units and bytes that are taken
    from them, and bytes that are put in their place.
    """
    removed, added = edits.removed_and_added(spans, chosen, len(sizes))
    fewer = units - units_left(recipe, units, sizes, sizes - removed + added)
    return np.array([copies[removed > 0].sum(dtype=np.int64), copies[spans["row"]].sum(dtype=np.int64),
                     (fewer * copies)[removed > 0].sum(), (removed * copies).sum(), (added * copies).sum()], np.int64)


def _judge_holdouts(judged: _Judged) -> None:
    """Drops what is held out; of a plan of one split, all else. The first split that takes a document has it."""
    context, recipe = judged.context, judged.context.recipe
    free = judged.alive
    if not recipe.holdout or not free.any():
        return
    mine = np.zeros(len(free), bool)
    for split, found in zip(recipe.holdout, context.holdouts, strict=True):
        members = clusters.read_members(context.workspace, found, context.paths[judged.number])
        held = free & sampling.holds_out(recipe.holdout_seed, split, sampling.keys_of(judged.identities, members))
        free &= ~held
        if split.name == recipe.split:
            mine = held
        elif recipe.split is None:
            judged.drop(held, split.text, "held out", split.name)
    if recipe.split is not None:
        judged.drop(judged.alive & ~mine, NOT_HELD_OUT, NOT_HELD_OUT)


def _judge_sample(judged: _Judged) -> None:
    """Drops what the source's sample by a score does not keep."""
    recipe = judged.context.recipe
    sample = recipe.source(judged.source).sample
    alive = judged.alive
    if sample is None or not alive.any():
        return
    scores = judged.table.column(sample.column).combine_chunks()
    missing = np.asarray(scores.is_null())
    values = draw.draws(recipe.seed, sampling.PURPOSE, judged.identities)
    kept = ~missing & sampling.keeps(sample, values, np.asarray(scores.fill_null(0)))
    judged.count("sample missing", "", alive & missing)
    judged.drop(alive & ~kept, sample.text, "sample dropped")


# ---- phase 6: the draw, and what each row gets


def boundary(buckets: Mapping[str, int], context: Context) -> dict[str, Array]:
    """Alive rows in the bucket where their source's allocation ends: order keys and units, uint64 (rows, 7 + 1).

    Few shards have one, and no other is opened.
    """
    found: dict[str, list[Array]] = {}
    drafts = pool_drafts(context)
    with np.load(io.BytesIO(storage.read(context.pool_uri()))) as pool:
        sizes, places = pool["rows"].tolist(), pool["buckets"]
    at = 0
    for (number, source), size in zip(context.sources.items(), sizes, strict=True):
        draft, mine = drafts.next(size), places[at : at + size]
        at += size
        inside = (mine == buckets[source]) & (draft == 0) if source in buckets else np.zeros(size, bool)
        if inside.any():
            table = load(context, number, [])
            columns = [*order_of(context, table), units_of(context.recipe, table).astype(np.uint64)]
            found.setdefault(source, []).append(np.stack([column[inside] for column in columns], axis=1))
    return {source: np.concatenate(parts) for source, parts in found.items()}


def select(grants: Mapping[str, Grant], context: Context) -> tuple[Tallies, dict[int, Any]]:
    """Writes the selection of each slice; says what was emitted, and each selection's metadata. `grants` are of the
    sources without a curve.
    """
    tallies: Tallies = {}
    written = {}
    curves = {source.name: source.curve.text for source in context.recipe.sources if source.curve is not None}
    curved = _Curved(context) if curves else None
    drafts = pool_drafts(context)
    for number, source in context.sources.items():
        grant = grants.get(source, Grant(0, NO_EXTRA))  # nothing of a reference is taken
        table = load(context, number, context.edited_columns(number))
        draft = drafts.next(len(table))
        alive = draft == 0
        extra = draw.below(order_of(context, table), grant.cutoff)
        copies = np.where(alive, grant.copies + extra, 0).astype(np.int32)
        by_curve = curved.next(len(table)) if curved is not None else copies
        left_out = np.zeros(len(table), bool)
        if source in curves:
            left_out = alive & (by_curve < 0)
            copies = np.where(alive, np.maximum(by_curve, 0), 0).astype(np.int32)
        draft[alive & (copies == 0)] = len(context.reasons) - 1
        if source in curves:
            draft[left_out] = context.reason_numbers[curves[source]]
        units, sizes = _units(context, number, table), np.asarray(table.column("bytes"))
        chosen = copies > 0
        edited = () if context.is_reference(number) else context.recipe.edits_for(source)
        spans = _all_edits(context, number, table, edited, chosen)
        _add(tallies, (source, "selected", ""), chosen, units, sizes)
        _add(tallies, (source, NOT_DRAWN, ""), alive & ~chosen & ~left_out, units, sizes)
        emitted = np.array([copies.sum(dtype=np.int64), (units * copies).sum(), (sizes * copies).sum()])
        _plus(tallies, (source, "emitted", ""), emitted)
        five = _edited(context.recipe, spans, edited, units, sizes, copies.astype(np.int64))
        _plus(tallies, (source, "edited", ""), five)
        about = {"shard": context.paths[number], "source": source, "rows_digest": context.digests[rows.KEY][number]}
        table = pa.table([copies, draft], schema=SELECTION_SCHEMA)
        meta = sidecars.write(context.selection_uri(number), table, about)
        written[number] = {
            "digest": meta["digest"], "rows": len(draft), "docs": int(emitted[0]),
            "bytes": int(emitted[2] - five[3] + five[4]), "max_copies": int(copies.max(initial=0)),
            "edits": _write_edits(context, number, edits.table_of(spans, edited), about),
        }
    return tallies, written


def _all_edits(context: Context, number: int, table: pa.Table, chosen: Sequence[Edit], wanted: Array) -> Array:
    """What is cut from the texts of a shard's wanted rows or replaced, by dedup and by edits together."""
    mine = [edits.of_edit(_spans(context, number, table, edit, wanted), edit, place)
            for place, edit in enumerate(chosen)]
    cut = [_all_cuts(context, len(context.sets), number, wanted), *(each for each, _ in mine)]
    return edits.merged(np.concatenate(cut), np.concatenate([np.empty(0, edits.SPAN), *(each for _, each in mine)]))


def _write_edits(context: Context, number: int, table: pa.Table, about: Mapping[str, Any]) -> str | None:
    """The content digest of what is cut from texts of a shard's selected rows or replaced; None where nothing is."""
    if not len(table):
        return None
    digest: str = sidecars.write(context.edits_uri(number), table, about)["digest"]
    return digest


# ---- merging


def merge_tallies(parts: Iterable[Tallies]) -> Tallies:
    whole: Tallies = {}
    for part in parts:
        for key, value in part.items():
            _plus(whole, key, value)
    return whole


def put_histograms(context: Context, pools: Mapping[str, Histogram]) -> None:
    """Leaves a bin's histograms for `read_histograms`. They are as large as those of any bin, and there is no end of
    bins: so they do not come back with what the tasks say, to lie beside each other.
    """
    names = [source.name for source in context.recipe.sources]
    found: dict[str, Any] = {}
    for source, held in pools.items():
        number = names.index(source)
        found |= {f"buckets-{number}": held.buckets, f"units-{number}": held.units}
    with storage.writer(context.histograms_uri(context.bin)) as out:
        np.savez(out, **found)


def read_histograms(context: Context, bin: int) -> dict[str, Histogram]:
    """Alive units of a bin by source, and by the top bits of the draw value."""
    with np.load(io.BytesIO(storage.read(context.histograms_uri(bin)))) as found:
        return {source.name: Histogram(found[f"buckets-{number}"], found[f"units-{number}"])
                for number, source in enumerate(context.recipe.sources) if f"units-{number}" in found}


def merge_histograms(parts: Iterable[Mapping[str, Histogram]]) -> dict[str, Array]:
    """Dense histograms by source, int64 of 2^BUCKET_BITS."""
    whole: dict[str, Array] = {}
    for part in parts:
        for source, histogram in part.items():
            held = whole.setdefault(source, np.zeros(1 << BUCKET_BITS, np.int64))
            held[histogram.buckets] += histogram.units
    return whole


def units_of(recipe: Recipe, table: pa.Table) -> Array:
    """Units of each row, int64: documents, text bytes, approximate tokens (bytes / 4, rounded up), or those of the
    column that the recipe counts by.
    """
    if recipe.unit_column is not None:
        return np.asarray(table.column(recipe.unit_column))
    return units_of_bytes(recipe.unit, np.asarray(table.column("bytes")))


def sizes_of(recipe: Recipe, table: pa.Table) -> Array:
    """Documents (1), units and text bytes of each row, int64 of shape (rows, 3)."""
    return np.stack([np.ones(len(table), np.int64), units_of(recipe, table), np.asarray(table.column("bytes"))], axis=1)


def count(tallies: Tallies, key: tuple[str, str, str], sizes: Array) -> None:
    """Adds up the sizes of rows, as `sizes_of` says them."""
    _plus(tallies, key, sizes.sum(axis=0))


def units_of_bytes(unit: str, sizes: Array) -> Array:
    """The same where they follow from the size of the text."""
    if unit == "docs":
        return np.ones(len(sizes), np.int64)
    return sizes if unit == "bytes" else (sizes + 3) // 4


def units_left(recipe: Recipe, units: Array, sizes: Array, left: Array) -> Array:
    """Units, int64, of texts of so many units and bytes of which so many bytes are left."""
    return units_left_by(measure(recipe.unit, recipe.counter), units, sizes, left)


def measure(unit: str, counter: str | None) -> str:
    """What says how many units a text has: a unit that follows from its bytes, or TOKENIZED."""
    return TOKENIZED if counter == TOKENIZED else unit


def units_left_by(measure: str, units: Array, sizes: Array, left: Array) -> Array:
    """The same by what measures them. Where a tokenizer counts, nobody knows before the text is read: then it is their
    part of the bytes, rounded down.
    """
    if measure != TOKENIZED:
        return units_of_bytes(measure, left)
    return np.where(left == sizes, units, units * left // np.maximum(sizes, 1))


# ---- helpers


def load(context: Context, number: int, columns: Sequence[str]) -> pa.Table:
    """Rows of a slice's shard, zipped with columns of its attribute sidecars, and with the one that says how many units
    each has, if there is one; sidecars that are not aligned are an error.
    """
    place, shard = context.workspace, context.paths[number]
    wanted = ["bytes", "identity", "text_sha256", *(["source"] if "document.source" in columns else [])]
    table, meta = sidecars.read(place.sidecar(rows.KEY, shard), wanted)
    _check(context, rows.KEY, number, meta)
    by_sidecar: dict[str, dict[str, str]] = {}
    counted = [] if context.recipe.unit_column is None or context.is_reference(number) else [context.recipe.unit_column]
    for column in dict.fromkeys([*columns, *counted]):
        if column in DOCUMENT_COLUMNS:
            table = table.append_column(column, DOCUMENT_COLUMNS[column](table))
            continue
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


def _own_source(table: pa.Table) -> pa.ChunkedArray:
    return table.column("source").cast(pa.string())


def _own_slice(table: pa.Table) -> pa.Array:
    return slice_numbers(fixed_bytes(table.column("identity")))


def slice_numbers(identities: Array) -> pa.Array:
    """int64: of each identity (uint8, shape (rows, 16)) its first 8 bytes as a fraction of 2^64, times SLICES."""
    first = draw.words(identities)[:, 0]
    low, high = first & np.uint64(0xFFFFFFFF), first >> np.uint64(32)
    count = np.uint64(registry.SLICES)
    return pa.array(((high * count + (low * count >> np.uint64(32))) >> np.uint64(32)).astype(np.int64))


# The columns that rows have themselves; see registry.DOCUMENT.
DOCUMENT_COLUMNS: Mapping[str, Callable[[pa.Table], Any]] = {
    "document.source": _own_source, "document.slice": _own_slice,
}


def _check(context: Context, key: str, number: int, meta: Mapping[str, Any]) -> None:
    """A plan decides by the sidecars that its lock names, or not at all."""
    if meta["digest"] != context.digests[key][number]:
        uri = context.workspace.sidecar(key, context.paths[number])
        raise StorageError(f"{uri}: not the sidecar that the index names; {_tag_again(context)}")


def _tag_again(context: Context) -> str:
    """Without --verify, tag would trust the index, and find nothing to do."""
    return f"run `solera tag {context.arguments} --verify`"


def _units(context: Context, number: int, table: pa.Table) -> Array:
    """Units of each row of a slice; 0 for those of references, of which nothing is counted."""
    return np.zeros(len(table), np.int64) if context.is_reference(number) else units_of(context.recipe, table)


def order_of(context: Context, table: pa.Table) -> list[Array]:
    """The draw order of rows, as uint64 columns, the most significant first."""
    return _keys(table, _draws(context, table))


def _candidates(context: Context, number: int, method: int, draft: Array, table: pa.Table) -> tuple[int, Array]:
    """How many members a shard has in a method's set whose rows are still alive, and of each key the best of them."""
    members = _alive(context, method, number, draft)
    if not len(members):
        return 0, np.empty(0, keepers.CANDIDATE)
    row = np.asarray(members.column("row"))
    which, place = np.unique(row, return_inverse=True)
    found = np.empty(len(row), keepers.CANDIDATE)
    found["key"] = _keys_of(members)
    found["order"] = _preference(context, number, table.take(which).combine_chunks())[place]
    found["shard"], found["row"] = number, row
    found["start"] = np.asarray(members.column("start")) if context.finds_spans(method) else 0
    found["rank"] = context.ranking.index(context.sources[number])
    return len(found), keepers.best(found)


def _preference(context: Context, number: int, table: pa.Table) -> Array:
    """uint64 of shape (rows, keepers.ORDER_WORDS): the order in which these rows of a shard are preferred."""
    rank = np.full(len(table), context.ranking.index(context.sources[number]), np.uint64)
    missing = value = np.zeros(len(table), np.uint64)
    by = context.recipe.prefer_by
    if by is not None and not context.is_reference(number):
        missing, value = keepers.best_first(table.column(by.column).combine_chunks(), by.best)
    return np.stack([rank << np.uint64(1) | missing, value, *_keys(table, _draws(context, table, "keep"))], axis=1)


def _draws(context: Context, table: pa.Table, purpose: str = "draw") -> Array:
    """Draw values of the rows. Which copy stays is drawn apart from what is taken: else whatever won over copies would
    also be more likely to be taken.
    """
    return draw.draws(context.recipe.seed, purpose, fixed_bytes(table.column("identity")))


def _keys(table: pa.Table, values: Array) -> list[Array]:
    return draw.order_keys(values, fixed_bytes(table.column("identity")), fixed_bytes(table.column("text_sha256")))


class _Curved:
    """The copies of a bin's rows that curves decide, taken slice by slice."""

    def __init__(self, context: Context) -> None:
        self._whole: Array = np.load(io.BytesIO(storage.read(context.curved_uri())))
        self._at = 0

    def next(self, size: int) -> Array:
        """Of the next slice, which has so many rows."""
        self._at += size
        return self._whole[self._at - size : self._at]


def pool_drafts(context: Context) -> Drafts:
    """The draft of a bin before the draw."""
    return Drafts(context, len(context.sets))


class Drafts:
    """The draft of a bin after so many dedup methods, or after a phase before them, taken slice by slice."""

    def __init__(self, context: Context, after: int | str) -> None:
        self._whole: Array = np.load(io.BytesIO(storage.read(context.draft_uri(after))))
        self._at = 0

    def next(self, size: int) -> Array:
        """Of the next slice, which has so many rows; may be written to."""
        self._at += size
        return self._whole[self._at - size : self._at]


def _add(tallies: Tallies, key: tuple[str, str, str], where: Array, units: Array, sizes: Array) -> None:
    _plus(tallies, key, np.array([where.sum(), units[where].sum(), sizes[where].sum()], np.int64))


def _plus(tallies: Tallies, key: tuple[str, str, str], value: Array) -> None:
    tallies[key] = tallies[key] + value if key in tallies else value
