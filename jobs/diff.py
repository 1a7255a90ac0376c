"""Diff: what changed between two recipes, locks, plans or mixtures, and whether the new version says so."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs import tables
from jobs.engine import Engine
from jobs.progress import Counts
from mixer import amounts_diff, lock_diff, packing, recipe_diff, selection_diff, sides, version_bump
from mixer.amounts_diff import Amounts, Pair
from mixer.lock_diff import LockDiff
from mixer.recipe import Recipe
from mixer.recipe_diff import Change
from mixer.selection_diff import WHATS, Example, Found, MixtureSide, PlanSide, What
from mixer.sides import Side
from mixer.version_bump import BUMP_OF, Verdict

SHOWN = 5  # shards of a kind, and reasons of a source, that the text names; --json has all


@dataclass(frozen=True)
class Difference:
    """All that differs between two sides. A part is None where a side does not say enough of it."""

    old: Side
    new: Side
    changes: tuple[Change, ...] | None
    amounts: tuple[Pair, ...] | None
    lock: LockDiff | None
    documents: Found | None
    examples: tuple[Mapping[str, Any], ...]
    asks: tuple[str, ...]  # kinds of version_bump.KINDS
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        found = self.documents
        return {
            "old": _side_json(self.old), "new": _side_json(self.new),
            "recipe": None if self.changes is None else [{**asdict(change), "bump": change.bump}
                                                         for change in self.changes],
            "sources": None if self.amounts is None else [asdict(pair) for pair in self.amounts],
            "lock": None if self.lock is None else _lock_json(self.lock),
            "documents": None if found is None else {
                "same": found.same, "changed": found.changed,
                **{what: found.total(what) for what in WHATS},
                "counts": [{"what": what, "source": source, "reason": reason, "docs": int(sums[0]),
                            "units": int(sums[1]), "bytes": int(sums[2])}
                           for (what, source, reason), sums in _by_weight(found)],
                "examples": list(self.examples),
            },
            "version": {"old": self.verdict.old, "new": self.verdict.new, "asked": self.verdict.asked,
                        "given": self.verdict.given, "enough": self.verdict.enough,
                        "because": [kind.what for kind in version_bump.KINDS if kind.name in self.asks]},
        }

    @property
    def text(self) -> str:
        parts = [[f"from  {_called(self.old)}", f"to    {_called(self.new)}"], _recipe_lines(self),
                 _amount_lines(self), _lock_lines(self), _document_lines(self), _version_lines(self)]
        return "\n\n".join("\n".join(lines) for lines in parts if lines)


def compare(old: Side, new: Side, engine: Engine, examples: int) -> Difference:
    """Everything that both sides say enough of. `examples` is how many documents of each kind and source are named."""
    called = {} if old.recipe is None or new.recipe is None else recipe_diff.renamed(old.recipe, new.recipe)
    changes = None if old.recipe is None or new.recipe is None else recipe_diff.changes(old.recipe, new.recipe)
    locks = None if old.lock is None or new.lock is None else lock_diff.compare(old.lock, new.lock)
    if changes is not None and locks is not None and locks.same_contents:
        changes = tuple(_by_contents(change, locks) for change in changes)
    found, named = _documents(old, new, engine, examples, called)
    amounts = None if old.counts is None or new.counts is None else \
        amounts_diff.compare(old.counts, new.counts, called)
    asks = _asks(old, new, changes, locks, found)
    asked = version_bump.highest(BUMP_OF[kind] for kind in asks)
    verdict = version_bump.judge(asked, old.version, new.version, old.name != new.name)
    return Difference(old, new, changes, amounts, locks, found, named, asks, verdict)


def _by_contents(change: Change, locks: LockDiff) -> Change:
    """Where the same shards lie, and by which patterns they are found, decides nothing."""
    place = change.path == "corpus" or (change.path.startswith("reference.") and change.path.endswith(".corpus"))
    pattern = change.path.endswith(".shards") and not locks.resourced
    return replace(change, kind="words") if place or pattern else change


def _asks(
    old: Side, new: Side, changes: Sequence[Change] | None, locks: LockDiff | None, found: Found | None
) -> tuple[str, ...]:
    """The kinds of change that there are, in the order of the table."""
    kinds = {change.kind for change in changes or ()}
    if found is not None:
        kinds |= {"taken"} if found.differ else set()
    elif (locks is not None and locks.differs) or (changes is None and old.recipe_sha256 != new.recipe_sha256):
        kinds.add("read")
    if not kinds and ((locks is not None and locks.differs)
                      or (None not in (old.digest, new.digest) and old.digest != new.digest)):
        kinds.add("bytes")
    return tuple(kind.name for kind in version_bump.KINDS if kind.name in kinds)


# ---- documents


def _documents(
    old: Side, new: Side, engine: Engine, examples: int, called: Mapping[str, str]
) -> tuple[Found | None, tuple[Mapping[str, Any], ...]]:
    """What differs in documents, with those that are named; None where one side has none."""
    if old.counts is None or new.counts is None:
        return None, ()
    if _surely_same(old, new, called):
        return Found(examples, same=sum(count["selected"]["docs"] for count in new.counts)), ()
    one, other = _side_of(old), _side_of(new)
    if isinstance(one, PlanSide) and isinstance(other, PlanSide):
        found = _between_plans(old, new, one, other, engine, examples, called)
    else:
        form: selection_diff.Form = "hash" if isinstance(one, MixtureSide) and isinstance(other, MixtureSide) else \
            "bytes"
        found = selection_diff.joined(one, other, form, examples, called)
    named = [_named(one, other, what, example) for what in WHATS for source in (*other.sources, *one.sources)
             for example in found.examples.pop((what, source), ())]
    return found, tuple(named)


def _surely_same(old: Side, new: Side, called: Mapping[str, str]) -> bool:
    """Whether nothing has to be read: the same plan, or the same documents of the same sources in two mixtures."""
    if old.lock_sha256 == new.lock_sha256:
        return True
    if old.manifest is None or new.manifest is None:
        return False
    roots = {side.manifest["mixture"]["documents"]["root"] for side in (old, new) if side.manifest is not None}
    held = [{name: count["selected"] for count in side.counts or () for name in [count["source"]]}
            for side in (old, new)]
    return len(roots) == 1 and not called and held[0] == held[1]


def _between_plans(
    old: Side, new: Side, one: PlanSide, other: PlanSide, engine: Engine, examples: int, called: Mapping[str, str]
) -> Found:
    """Shards that are the same on both sides row by row, in a pool; all others joined."""
    assert old.lock is not None and new.lock is not None
    alike = sorted(lock_diff.alike(old.lock, new.lock) & one.slices.keys() & other.slices.keys())
    sizes = {shard["path"]: shard["rows"] for shard in (*old.lock["shards"], *new.lock["shards"])}
    costs = [sizes[path] + packing.SHARD_ROWS for path in alike]
    bins = packing.pack(alike, costs, packing.bin_count(costs, engine.slots, packing.BIN_ROWS)) if alike else []
    tasks = [(one.of(paths, 0), other.of(paths, 0)) for paths in bins]
    counts = [Counts(documents=sum(sizes[path] for path in paths)) for paths in bins]
    found = Found(examples)
    for part in engine.in_pool(functools.partial(selection_diff.aligned_task, examples, called), tasks, "diff",
                               sum(each.documents for each in counts), sizes=counts):
        found.merge(part)
    rest = [side.of(side.slices.keys() - {*alike}, sum(sizes[path] for path in side.slices.keys() - {*alike}))
            for side in (one, other)]
    if rest[0].slices or rest[1].slices:
        found.merge(selection_diff.joined(rest[0], rest[1], "spans", examples, called))
    return found


def _side_of(side: Side) -> PlanSide | MixtureSide:
    assert side.lock is not None and side.recipe is not None and side.counts is not None
    shards = {shard["path"]: shard["sha256"] for shard in side.lock["shards"]}
    if side.plan is not None:
        context = selection_diff.context_of(side.plan, side.lock)
        return PlanSide(context, shards, frozenset(shards), sum(shard["rows"] for shard in side.lock["shards"]))
    table = sides.shard_table(side)
    return MixtureSide(side.uri, side.recipe, side.counts, shards, tuple(table.column("index_path").to_pylist()),
                       sum(table.column("docs").to_pylist()))


def _named(
    old: PlanSide | MixtureSide, new: PlanSide | MixtureSide, what: What, example: Example
) -> Mapping[str, Any]:
    """An example as it is told: whose document it is, where it lies, and why it is not taken on one side."""
    place = old.place(*example.old) if example.old is not None and (what != "in" or example.new is None) else None
    if place is None:
        assert example.new is not None
        place = new.place(*example.new)
    other, where = (new, example.new) if what == "out" else (old, example.old)
    why = example.reason if where is None else other.why(*where, example.reason)
    names = {} if what != "source" or example.old is None or example.new is None else \
        {"was": old.mix_source(*example.old), "is": new.mix_source(*example.new)}
    return {"what": what, "mix_source": example.source, **place, "why": why, "copies": list(example.copies), **names}


def _by_weight(found: Found) -> list[tuple[tuple[What, str, str], Any]]:
    """Kind by kind, those of most documents first."""
    return sorted(found.tallies.items(), key=lambda item: (WHATS.index(item[0][0]), -int(item[1][0]), item[0]))


# ---- text


def _called(side: Side) -> str:
    digest = f", sha256:{side.digest[:16]}" if side.digest is not None else ""
    return f"{side.name} {side.version} ({side.kind} {side.uri}{digest})"


def _recipe_lines(found: Difference) -> list[str]:
    if found.changes is None:
        same = found.old.recipe_sha256 == found.new.recipe_sha256
        return ["recipe: the same" if same else "recipe: another one; a lock does not say what is in it, so name the "
                "recipe, its plan or its mixture"]
    if not found.changes:
        return ["recipe: the same" if found.old.recipe_sha256 == found.new.recipe_sha256 else
                "recipe: the same, but for how it is written"]
    body = [[change.path, _arrow(change.old, change.new), change.bump] for change in found.changes]
    return [f"recipe: {_many(len(body), 'change')}", *_left(body)]


def _arrow(old: str | None, new: str | None) -> str:
    if old is None:
        return f"added: {_plain(str(new))}"
    return f"removed: {_plain(old)}" if new is None else f"{_plain(old)} -> {_plain(new)}"


def _amount_lines(found: Difference) -> list[str]:
    lines = [f"not planned: {side.uri}: {side.unplanned}" for side in (found.old, found.new) if side.unplanned]
    if found.amounts is None:
        return lines
    old, new = found.old.recipe, found.new.recipe
    assert old is not None and new is not None
    alike = (old.unit, old.counter) == (new.unit, new.counter)
    unit = new.unit if alike and new.unit != "docs" else "docs"
    pairs = [pair for pair in found.amounts if pair.old != pair.new]
    same = len(found.amounts) - len(pairs)
    if not pairs:
        return [*lines, f"amounts: the same for all {same - 1:,} sources"]
    body = [[pair.source or "all", *_amount_cells(pair, unit)] for pair in pairs]
    head = ["source", unit, "change", "", "share", "epochs", "pool docs", "selected"]
    said = [] if alike else [f"  in documents, since one counts {_unit(old)} and the other {_unit(new)}"]
    kept = [f"  the same for {_many(same, 'source')} more"] if same else []
    return [*lines, "amounts:", tables.table(head, body), *said, *kept]


def _amount_cells(pair: Pair, unit: str) -> list[str]:
    def cell(show: Callable[[Amounts], str]) -> str:
        was, now = (None if side is None else show(side) for side in (pair.old, pair.new))
        return str(now) if was == now else f"{was or '-'} -> {now or '-'}"

    def amount(side: Amounts | None) -> int:
        return 0 if side is None else side.docs if unit == "docs" else side.units

    was, now = amount(pair.old), amount(pair.new)
    relative = f"{(now - was) / was:+.2%}" if was else "new"
    return [cell(lambda side: tables.short(amount(side))), _signed(now - was), relative if now != was else "",
            cell(lambda side: f"{side.share:.2%}"), cell(lambda side: f"{side.epochs:.2f}"),
            cell(lambda side: tables.count(side.pool)), cell(lambda side: tables.count(side.selected))]


def _unit(recipe: Recipe) -> str:
    return str(recipe.unit) + (f" ({recipe.counter})" if recipe.counter else "")


def _lock_lines(found: Difference) -> list[str]:
    lock = found.lock
    if lock is None:
        return []
    if not lock.differs:
        return [f"lock: the same {_many(lock.same, 'shard')}, measures and clusters"]
    body = [
        ["shards added", _some(lock.added, _shard)], ["shards removed", _some(lock.removed, _shard)],
        ["shards changed", _some(lock.changed, lambda pair: f"{pair[0]['path']} ({pair[0]['bytes']:,} -> "
                                 f"{pair[1]['bytes']:,} bytes, {pair[0]['rows']:,} -> {pair[1]['rows']:,} documents)")],
        ["shards moved", _some(lock.moved, lambda pair: f"{pair[0]} -> {pair[1]}")],
        ["of other sources", _some(lock.resourced,
                                   lambda each: f"{each[0]}: {'+'.join(each[1])} -> {'+'.join(each[2])}")],
        *([f"tagger {name}", _arrow(was, now)] for name, was, now in lock.taggers),
        *([f"{key} again", f"other values in {_many(count, 'shard')}, by the same measure"]
          for key, count in lock.remeasured),
        *([f"clusters of {name}", _arrow(was, now)] for name, was, now in lock.clusters),
        *([["how a plan decides", _arrow(*lock.plan)]] if lock.plan is not None else []),
    ]
    return [f"lock: {_many(lock.same, 'shard')} the same", *_left([row for row in body if row[1]])]


def _shard(shard: Mapping[str, Any]) -> str:
    return f"{shard['path']} ({shard['rows']:,} documents)"


def _document_lines(found: Difference) -> list[str]:
    documents = found.documents
    if documents is None:
        return []
    if not documents.differ:
        return [f"documents: the same {documents.same:,}"]
    recipe = found.new.recipe
    assert recipe is not None
    lines = [f"documents: {documents.total('out'):,} out, {documents.total('in'):,} in, {documents.changed:,} "
             f"otherwise than before, {documents.same:,} as before"]
    body = []
    shown: dict[tuple[What, str], int] = {}
    for (what, source, reason), sums in _by_weight(documents):
        shown[what, source] = shown.get((what, source), 0) + 1
        if shown[what, source] <= SHOWN:
            body.append([_SAID[what], source, _plain(reason), tables.count(int(sums[0])),
                         tables.short(int(sums[1])) if recipe.unit != "docs" else ""])
    lines += _left(body, right=2)
    more = sum(count - SHOWN for count in shown.values() if count > SHOWN)
    lines += [f"  … and {_many(more, 'rarer reason')}; --json has all"] if more else []
    if found.examples:
        lines += ["  such as", *_left([_example_cells(each) for each in found.examples], indent="    ")]
    return lines


_SAID: Mapping[What, str] = {"out": "out", "in": "in", "fewer": "fewer copies", "more": "more copies",
                             "text": "cut otherwise", "source": "of another source"}


def _example_cells(each: Mapping[str, Any]) -> list[str]:
    what, copies = each["what"], each["copies"]
    why = {"out": f"now: {each['why']}", "in": f"was: {each['why']}"}.get(what)
    if why is None:
        why = f"{each['was']} -> {each['is']}" if "was" in each else \
            f"{copies[0]} -> {copies[1]} copies" if copies[0] != copies[1] else ""
    line = f" line {each['line']}" if "line" in each else f" row {each['row']}"
    return [_SAID[what], each["mix_source"], _plain(why), _plain(f"{each['shard']}{line}"),
            _plain(f"{each['source']} {each['id']}")]


def _version_lines(found: Difference) -> list[str]:
    verdict = found.verdict
    if verdict.asked == "none" and not verdict.renamed:
        return [f"version: nothing differs that asks for another; {verdict.old} -> {verdict.new}"
                if verdict.old != verdict.new else f"version: nothing differs, and it is {verdict.new} still"]
    because = [f"  {kind.bump.ljust(5)}  {kind.what.replace('`', '')}" for kind in version_bump.KINDS
               if kind.name in found.asks and kind.bump == verdict.asked]
    went = {"none": f"is {verdict.new} still", "less": f"went back from {verdict.old} to {verdict.new}"}.get(
        verdict.given, f"went from {verdict.old} to {verdict.new}, which is {verdict.given}")
    if verdict.renamed:
        return ["version: another name, so another mixture, whose versions are its own", *because]
    last = "that says enough" if verdict.enough and verdict.given != "none" else \
        "nothing that decides differs, so it may stay" if verdict.enough else f"raise it to {_wanted(verdict)}"
    return [f"version: this asks for {verdict.asked}; it {went}: {last}", *because]


def _wanted(verdict: Verdict) -> str:
    first, second, third = map(int, verdict.old.split("."))
    return {"major": f"{first + 1}.0.0", "minor": f"{first}.{second + 1}.0"}.get(verdict.asked,
                                                                                 f"{first}.{second}.{third + 1}")


def _left(body: Sequence[Sequence[str]], indent: str = "  ", right: int = 0) -> list[str]:
    """Columns as wide as they need, left-aligned but for so many of the last."""
    if not body:
        return []
    widths = [max(len(row[column]) for row in body) for column in range(len(body[0]))]
    first = len(widths) - right
    return [(indent + "  ".join(cell.rjust(width) if number >= first else cell.ljust(width)
                                for number, (cell, width) in enumerate(zip(row, widths, strict=True)))).rstrip()
            for row in body]


def _some(found: Sequence[Any], show: Callable[[Any], str]) -> str:
    """How many, and the first of them."""
    if not found:
        return ""
    more = [f"and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
    return f"{len(found):,}: " + ", ".join([*(_plain(show(each)) for each in found[:SHOWN]), *more])


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _signed(value: int) -> str:
    return "" if not value else f"{'+' if value > 0 else '-'}{tables.short(abs(value))}"


def _plain(text: str) -> str:
    """On one line, with nothing that a terminal would act on."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


# ---- JSON


def _side_json(side: Side) -> dict[str, Any]:
    return {"uri": side.uri, "kind": side.kind, "name": side.name, "version": side.version,
            "recipe_sha256": side.recipe_sha256, "lock_sha256": side.lock_sha256, "digest": side.digest,
            "plan": None if side.plan is None else side.plan.folder, "unplanned": side.unplanned}


def _lock_json(lock: LockDiff) -> dict[str, Any]:
    def short(shard: Mapping[str, Any]) -> dict[str, Any]:
        return {name: shard[name] for name in ("path", "sources", "bytes", "sha256", "rows")}

    return {
        "same": lock.same, "added": list(map(short, lock.added)), "removed": list(map(short, lock.removed)),
        "moved": [{"old": old, "new": new} for old, new in lock.moved],
        "changed": [{"old": short(old), "new": short(new)} for old, new in lock.changed],
        "sources": [{"path": path, "old": list(old), "new": list(new)} for path, old, new in lock.resourced],
        "taggers": [{"tagger": name, "old": old, "new": new} for name, old, new in lock.taggers],
        "remeasured": [{"sidecar": key, "shards": count} for key, count in lock.remeasured],
        "clusters": [{"method": name, "old": old, "new": new} for name, old, new in lock.clusters],
        "plan": None if lock.plan is None else {"old": lock.plan[0], "new": lock.plan[1]},
    }
