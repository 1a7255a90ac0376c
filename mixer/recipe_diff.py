"""What changed between two recipes: in what they mean, not in how they are written.

Every field of a recipe and of its sources stands in FIELDS or SOURCE_FIELDS with the kind of change that another value
of it is, or in NOT_COMPARED with the reason. Below them values are walked as they come, so that a field which is added
to an edit, a method or a policy is compared without being named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mixer.recipe import Curve, DedupMethod, Edit, HoldOut, Recipe, Reference, Sample, Source, Stage, shown
from mixer.version_bump import BUMP_OF, Bump
from taggers.declare import SHA256, Use

ALL = "all sources"


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was. `old` and `new` are as one would write them; None: it is not there."""

    path: str  # where it stands in the file, as in "sources.web.weight"; of rules as in "keep words.count min"
    old: str | None
    new: str | None
    kind: str  # of version_bump.KINDS

    @property
    def bump(self) -> Bump:
        return BUMP_OF[self.kind]


# In the order in which a reviewer asks: what is counted and what of, how much, which documents, which words.
FIELDS: Mapping[str, str] = {
    "name": "name", "unit": "unit", "counter": "unit", "license": "license", "corpus": "corpus", "split": "leak",
    "budget": "amounts", "policy": "amounts", "on_shortfall": "amounts", "sources": "source", "keep": "documents",
    "dedup": "documents", "prefer": "documents", "prefer_by": "documents", "reference": "documents",
    "holdout": "documents", "seed": "documents", "edit": "texts", "taggers": "documents", "first": "words",
    "own": "documents",
    "stages": "documents", "order": "order", "shard_bytes": "words", "description": "words", "about": "words",
    "published": "words",
}
SOURCE_FIELDS: Mapping[str, str] = {
    "name": "source", "shards": "documents", "weight": "amounts", "max_epochs": "amounts", "min_weight": "amounts",
    "keep": "documents", "sample": "documents", "curve": "amounts", "edit": "texts", "kind": "words", "about": "words",
    "published": "words",
    "published_elsewhere": "words",
}
NOT_COMPARED: Mapping[str, str] = {
    "version": "what the changes are held against",
    "text": "how the recipe is written; what it means is compared",
    "sha256": "that of `text`",
}


def changes(old: Recipe, new: Recipe) -> tuple[Change, ...]:
    """Every change, in the order of FIELDS; none where the recipes mean the same. From new to old it is the same with
    `old` and `new` exchanged.
    """
    pairs = _pairs(old, new)
    found: list[Change] = []
    for name, kind in FIELDS.items():
        own_way = _OWN_WAYS.get(name)
        found += own_way(old, new, pairs) if own_way is not None else \
            _of_field(name, kind, getattr(old, name), getattr(new, name))
    return tuple(_held_against(change, old, new) for change in found)


def renamed(old: Recipe, new: Recipe) -> dict[str, str]:
    """What sources of the old recipe are called in the new one, where that is another name."""
    return {one.name: other.name for one, other in _pairs(old, new) if one.name != other.name}


Pairs = Sequence[tuple[Source, Source]]  # each source of both recipes, as it was and as it is


def _pairs(old: Recipe, new: Recipe) -> Pairs:
    """The sources that both have, by name; and one that is called otherwise and is the only one of the same shards."""
    names = {source.name for source in old.sources} & {source.name for source in new.sources}
    gone = [source for source in old.sources if source.name not in names]
    come = [source for source in new.sources if source.name not in names]
    called = {}
    for source in gone:
        alike = [each for each in come if each.shards == source.shards]
        if len(alike) == 1 and sum(each.shards == source.shards for each in gone) == 1:
            called[source.name] = alike[0].name
    return [(source, new.source(called.get(source.name, source.name))) for source in old.sources
            if source.name in names or source.name in called]


# ---- what is compared in a way of its own


def _sources(old: Recipe, new: Recipe, pairs: Pairs) -> Iterator[Change]:
    """Sources added, removed and renamed; then what is another in each of the others."""
    here, there = ({pair[side].name for pair in pairs} for side in (0, 1))
    for source in old.sources:
        if source.name not in here:
            yield Change(f"sources.{source.name}", _text(source), None, SOURCE_FIELDS["name"])
    for source in new.sources:
        if source.name not in there:
            yield Change(f"sources.{source.name}", None, _text(source), SOURCE_FIELDS["name"])
    for one, other in pairs:
        if one.name != other.name:
            yield Change(f"sources.{other.name}", one.name, other.name, SOURCE_FIELDS["name"])
    for name, kind in SOURCE_FIELDS.items():
        if name not in ("name", "keep"):  # rules are compared over all sources
            for one, other in pairs:
                yield from _of_field(f"sources.{other.name}.{name}", kind, getattr(one, name), getattr(other, name))
    was, now = [other.name for _, other in pairs], [source.name for source in new.sources if source.name in there]
    if was != now:
        yield Change("sources (order)", _listed(one.name for one, _ in pairs), _listed(now), "words")


def _rules(old: Recipe, new: Recipe, pairs: Pairs) -> Iterator[Change]:
    """By column and kind of rule, for which sources it had which bound; and where only the order is another."""
    sides = [_stated(old, [one for one, _ in pairs], {}), _stated(new, [other for _, other in pairs],
                                                                  {other.name: one.name for one, other in pairs})]
    same_effect = all(_effect(old, one.name) == _effect(new, other.name) for one, other in pairs)
    listed = False
    for column, kind in dict.fromkeys([*sides[0], *sides[1]]):
        was, now = (side.get((column, kind), {}) for side in sides)
        if was != now:
            listed = True
            yield Change(f"keep {column} {kind}", _bounds(was), _bounds(now), "words" if same_effect else "documents")
    if not listed:
        for where, one, other in [("keep", old.keep, new.keep),
                                  *((f"sources.{now.name}.keep", was.keep, now.keep) for was, now in pairs)]:
            texts = [_listed(rule.text for rule in each) for each in (one, other)]
            if texts[0] != texts[1]:
                yield Change(f"{where} (order)", texts[0], texts[1], "words" if same_effect else "documents")


def _stated(recipe: Recipe, sources: Sequence[Source], called: Mapping[str, str]) -> dict[tuple[str, str],
                                                                                        dict[str, str]]:
    """By column and kind: where a rule stands, "" for all sources, and its bound. `called` are names as they were."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for place, keep in [("", recipe.keep), *((called.get(each.name, each.name), each.keep) for each in sources)]:
        for rule in keep:
            found.setdefault((rule.column, rule.kind), {})[place] = shown(rule.value)
    return found


def _bounds(stated: Mapping[str, str]) -> str | None:
    """As in "50 for all sources, 100 for web and code"."""
    by_bound: dict[str, list[str]] = {}
    for place, bound in sorted(stated.items()):
        by_bound.setdefault(bound, []).append(place or ALL)
    return ", ".join(f"{bound} for {' and '.join(places)}" for bound, places in by_bound.items()) or None


def _effect(recipe: Recipe, source: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """What a source's documents have to pass; only of `top` does the order decide anything."""
    return (frozenset(rule.text for rule in recipe.rules_for(source)),
            tuple(rule.text for rule in recipe.tops_for(source)))


def _prefer(old: Recipe, new: Recipe, pairs: Pairs) -> Iterator[Change]:
    """Where two sources of both recipes are preferred the other way round; a name alone prefers nothing."""
    called = {other.name: one.name for one, other in pairs}
    was = [name for name in old.prefer if name in called.values()]
    now = [name for name in new.prefer if name in called]
    if was != [called[name] for name in now]:
        yield Change("prefer", _listed(was), _listed(now), FIELDS["prefer"])


def _own(old: Recipe, new: Recipe, pairs: Pairs) -> Iterator[Change]:
    """A user's own taggers that the recipes use, by the modules that they come from."""
    was, now = ({use.tagger.key: use.tagger.own for use in recipe.uses() if use.tagger.own} for recipe in (old, new))
    yield from _of_field("own taggers", FIELDS["own"], was, now)


def _first(old: Recipe, new: Recipe, pairs: Pairs) -> Iterator[Change]:
    """What a training begins with; what that holds out is compared as `holdout`."""
    was, now = (None if recipe.first is None else replace(recipe.first, holdout=()) for recipe in (old, new))
    yield from _of_field("first", FIELDS["first"], was, now)


_OWN_WAYS: Mapping[str, Callable[[Recipe, Recipe, Pairs], Iterator[Change]]] = {
    "sources": _sources, "keep": _rules, "prefer": _prefer, "own": _own, "first": _first,
}


# ---- any other value


def _of_field(path: str, kind: str, old: Any, new: Any) -> Iterator[Change]:
    """What differs between two values, as deep as both have the same parts."""
    if old == new:
        return
    one, other = _parts(old), _parts(new)
    is_another = isinstance(old, DedupMethod) and isinstance(new, DedupMethod) and old.use != new.use
    if one is None or other is None or is_another:
        yield Change(path, _text(old), _text(new), kind)
        return
    for name in dict.fromkeys([*one, *other]):
        yield from _of_field(f"{path}.{name}", kind, one.get(name), other.get(name))
    was, now = ([name for name in side if name in one and name in other] for side in (one, other))
    if isinstance(old, tuple) and was != now:
        yield Change(f"{path} (order)", _listed(was), _listed(now), kind if path in ("dedup", "holdout") else "words")


def _parts(value: Any) -> dict[str, Any] | None:
    """The parts of a value by their names in a recipe; None of what is written as a whole."""
    if isinstance(value, tuple) and all(isinstance(each, _NAMED) for each in value):
        named: dict[str, Any] = {}
        for each in value:
            name = _name(each)
            times = sum(other.split(" ")[0] == name for other in named)
            named[name if not times else f"{name} ({times + 1})"] = each
        return named
    if isinstance(value, Use):
        return {"use": value.tagger.key, **value.parameters}
    if isinstance(value, DedupMethod):
        return {"use": value.use, **value.parameters}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(value) if isinstance(value, Mapping) else None


_NAMED = (DedupMethod, Edit, HoldOut, Reference, Stage, Use)


def _name(each: Any) -> str:
    """What a recipe calls one of several."""
    name: str = each.use if isinstance(each, DedupMethod) else each.column if isinstance(each, Edit) else \
        each.name or each.tagger.name if isinstance(each, Use) else each.name
    return name


def _text(value: Any) -> str | None:
    """A value as a recipe has it, or near it; None where there is none."""
    if value is None:
        return None
    if isinstance(value, Source):
        weight = [] if value.weight is None else [f"weight {_decimal(value.weight)}"]
        return " ".join([_listed(value.shards), *weight])
    if isinstance(value, Fraction):
        return _decimal(value)
    if isinstance(value, list | tuple):
        return _listed(text for each in value if (text := _text(each)) is not None)
    if isinstance(value, DedupMethod | Edit | Sample | Curve):
        return value.text
    parts = _parts(value)
    if parts is not None:
        return " ".join(f"{name}={_text(part)}" for name, part in parts.items() if part not in (None, ""))
    return value if isinstance(value, str) else shown(value)


def _decimal(share: Fraction) -> str:
    """A share as a decimal where that ends, as in 0.67; else as a fraction."""
    left = share.denominator
    for factor in (2, 5):
        while left % factor == 0:
            left //= factor
    digits = 4 * len(str(share.denominator))  # more than its factors of 2 or 5
    return shown(Decimal(f"{share.numerator * 10**digits // share.denominator}E-{digits}")) if left == 1 else \
        str(share)


def _listed(texts: Any) -> str:
    return "[" + ", ".join(texts) + "]"


# ---- what a change asks for, where its field alone does not say


def _held_against(change: Change, old: Recipe, new: Recipe) -> Change:
    path = change.path
    if path == "license" or (path.startswith("sources.") and path.endswith(".about.license")):
        return replace(change, kind="licensed" if change.old is None else "license")
    seeds = old.holdout_seed, new.holdout_seed
    if path in ("seed", "first", "first.seed") and old.holdout and new.holdout and seeds[0] != seeds[1]:
        return replace(change, kind="leak")
    if path.startswith("holdout.") and not _grows(change):
        return replace(change, kind="leak")
    if path.startswith("reference.") and change.old is not None:
        return replace(change, kind="leak")
    if path.startswith("taggers.") and _same_file(change, old, new):
        return replace(change, kind="words")
    return change


def _grows(change: Change) -> bool:
    """Whether a hold-out is added, or its share greater."""
    if change.old is None:
        return change.path.count(".") == 1
    return change.path.endswith(".share") and change.new is not None and Decimal(change.old) < Decimal(change.new)


def _same_file(change: Change, old: Recipe, new: Recipe) -> bool:
    """Whether the change is where a file lies that has to be the same, or that it is now said what it has to be."""
    for was in old.taggers:
        for now in new.taggers:
            name = f"taggers.{_name(was)}"
            if _name(was) == _name(now) and change.path == f"{name}.{was.tagger.file}":
                return was.sha256 is not None and was.sha256 == now.sha256
            if _name(was) == _name(now) and change.path == f"{name}.{SHA256}":
                return was.file == now.file and None in (was.sha256, now.sha256)
    return False
