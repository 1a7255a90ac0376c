"""A recipe: what to keep, what counts as the same, and how much of each source."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal

from mixer.errors import BadInput
from mixer.recipe_reference import METHODS, Method
from taggers import registry
from taggers.declare import Column, Tagger, Use

RuleKind = Literal["min", "max", "is", "in", "not_in", "top"]
RuleValue = int | Decimal | str | bool | tuple[int | Decimal | str | bool, ...]
Parameters = Mapping[str, object]

TOKENS = "tokens"  # what a recipe with `counter: tokens@1` calls the tagger that counts


@dataclass(frozen=True)
class Rule:
    """One bound on one column. A number is an int for int64 columns and a Decimal for float columns; of `top` it is a
    Decimal, the share of the units that are left.
    """

    column: str
    kind: RuleKind
    value: RuleValue

    @property
    def text(self) -> str:
        """As in "words.count min 50"; equal rules have equal texts, however their numbers were written."""
        return f"{self.column} {self.kind} {shown(self.value)}"


@dataclass(frozen=True)
class Policy:
    """How the budget is shared. A source counts for its weight, its pool, its pool^(1/tau), or as much as any other."""

    kind: Literal["fixed", "proportional", "temperature", "unimax"]
    tau: Decimal | None = None  # of temperature, above 0
    max_epochs: Decimal | None = None  # of unimax: the most epochs of any source


@dataclass(frozen=True)
class DedupMethod:
    """What counts as the same document, or as the same part of one. `parameters` are complete, with every default."""

    use: str  # "text@1", "minhash@1" or another of METHODS
    parameters: Parameters

    @property
    def about(self) -> Method:
        return next(each for each in METHODS if each.use == self.use)

    @property
    def tagger_use(self) -> Use | None:
        """The tagger that measures what is compared, with those of the parameters that are its own; None if none is
        needed but what rows and other columns say.
        """
        if self.about.tagger is None:
            return None
        tagger = registered(self.about.tagger)
        return Use(tagger, {name: self.parameters[name] for name in tagger.parameters})

    @property
    def finds_by(self) -> dict[str, object]:
        """The parameters that decide what is found: all but those that only a plan reads."""
        return {name: value for name, value in self.parameters.items() if name not in self.about.planned}

    @property
    def text(self) -> str:
        """As in "text@1 normalise=[lower, nfc]": the method, and the parameters that are not its defaults."""
        defaults = method_defaults(self.about)
        return " ".join([self.use, *(f"{name}={shown(tuple(value) if isinstance(value, list) else value)}"
                                     for name, value in sorted(self.parameters.items())
                                     if value != defaults.get(name))])


@dataclass(frozen=True)
class PreferBy:
    """Which of documents that are the same stays, where their sources are equally good."""

    column: str  # of numbers
    best: Literal["max", "min"]


@dataclass(frozen=True)
class Edit:
    """What becomes of the spans in a column: they are cut out of the text, or replaced."""

    column: str  # of spans
    replace: str | None  # None: they are cut
    min_score: Decimal | None  # spans of a lower score are left alone; None: all are meant
    max_removed: Decimal  # a document goes of whose bytes this edit alone would cut or replace more than this share

    @property
    def text(self) -> str:
        """As in "edit pii.email replace \"|||\" max_removed=0.3"."""
        what = "cut" if self.replace is None else f"replace {json.dumps(self.replace, ensure_ascii=False)}"
        more = [] if self.min_score is None else [f"min_score={shown(self.min_score)}"]
        more += [] if self.max_removed == 1 else [f"max_removed={shown(self.max_removed)}"]
        return " ".join([f"edit {self.column} {what}", *more])


@dataclass(frozen=True)
class Sample:
    """Documents are kept by chance, with a probability that follows from a score: score, or (2 - score)^-alpha."""

    column: str  # of numbers
    rule: Literal["pareto", "proportional"]
    alpha: int | None  # of pareto

    @property
    def text(self) -> str:
        """As in "sample quality.score pareto alpha=9"."""
        return f"sample {self.column} {self.rule}" + ("" if self.alpha is None else f" alpha={self.alpha}")


@dataclass(frozen=True)
class Curve:
    """Better documents are repeated more: upsampling by the rank of a score, in buckets of equal units."""

    column: str  # of numbers
    buckets: int
    discard: Decimal  # the share of the pool with the lowest scores, of which nothing is taken
    max_upsample: Decimal  # the most epochs of a bucket

    @property
    def text(self) -> str:
        """As in "curve quality.score buckets=20 discard=0.4 max_upsample=7"."""
        return (f"curve {self.column} buckets={self.buckets} discard={shown(self.discard)} "
                f"max_upsample={shown(self.max_upsample)}")


@dataclass(frozen=True)
class HoldOut:
    """Documents that are kept from the mixture for evaluation, chosen by a draw of their clusters."""

    name: str
    share: Decimal  # of the clusters, and of the documents that are like no other
    by: DedupMethod  # whose clusters

    @property
    def text(self) -> str:
        """As in "held out validation"."""
        return held_out(self.name)


def held_out(split: str) -> str:
    """The reason of what a split holds out."""
    return f"held out {split}"


@dataclass(frozen=True)
class Stage:
    """A later stage of the same training: a recipe of its own."""

    name: str
    recipe: str  # its file; a relative one starts at the folder of the recipe that names it


# What was published of a mixture, by the names of mixer.recipe_reference.PUBLISHED and PUBLISHED_SOURCE: as written, so
# that it is known to how many digits; None is what was not published.
Figures = Mapping[str, str | None]


@dataclass(frozen=True)
class Source:
    """One named part of the mixture: a slice of the corpus. `shards` are glob patterns relative to the corpus."""

    name: str
    shards: tuple[str, ...]  # () only in a recipe of published figures, which does not say where they are
    kind: str | None  # what it is, such as "web": what a stand-in for it is chosen by
    weight: Fraction | None  # the share under policy fixed; None under the others
    max_epochs: Decimal | None  # None: no cap
    min_weight: Decimal | None  # the least share, whatever the policy says; None: 0
    keep: tuple[Rule, ...]  # this source's own rules, which come after the recipe's
    edit: tuple[Edit, ...]  # its own, beside the recipe's
    sample: Sample | None
    curve: Curve | None
    about: Mapping[str, str]
    published: Figures


@dataclass(frozen=True)
class Reference:
    """Shards that documents are only compared with. `shards` are glob patterns relative to `corpus`."""

    name: str
    shards: tuple[str, ...]
    corpus: str | None  # None: the recipe's


@dataclass(frozen=True)
class Recipe:
    """A recipe that holds together: every name in it is known, and fixed weights sum to exactly 1, `rest` included."""

    name: str
    version: str
    seed: int
    corpus: str
    unit: Literal["tokens", "bytes", "docs"]
    counter: str | None  # how tokens are counted, "approx" or "tokens@1"; None for the other units
    budget: int | None  # None: all there is (policy proportional only)
    policy: Policy
    taggers: tuple[Use, ...]  # taggers that the recipe sets parameters of, or names; the rest follow from the columns
    dedup: tuple[DedupMethod, ...]
    prefer: tuple[str, ...]  # all sources, the best first
    prefer_by: PreferBy | None
    reference: tuple[Reference, ...]
    keep: tuple[Rule, ...]
    edit: tuple[Edit, ...]
    holdout: tuple[HoldOut, ...]
    stages: tuple[Stage, ...]
    sources: tuple[Source, ...]
    on_shortfall: Literal["error", "redistribute"]
    order: Literal["shuffled", "by-source"]
    shard_bytes: int  # uncompressed
    license: str | None
    description: str | None
    about: Mapping[str, str]
    published: Figures
    text: bytes  # the recipe file as it was read
    sha256: str  # of `text`, in hex
    own: tuple[Tagger, ...] = ()  # a user's own taggers, which the command line names and a recipe never does
    split: str | None = None  # one of `holdout`: the mixture is of what it holds out, which the command line says

    def for_split(self, name: str) -> Recipe:
        """The recipe of a mixture of what one of its splits holds out: each document of it once, and nothing else."""
        names = [split.name for split in self.holdout]
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            known = f"it has {', '.join(names)}" if names else "it has no `holdout`"
            hint = f"did you mean {near[0]}?" if near else known
            raise BadInput(f"the recipe {self.name} has no split {name!r}; {hint}")
        sources = tuple(replace(source, weight=None, max_epochs=None, min_weight=None, sample=None, curve=None)
                        for source in self.sources)
        return replace(self, split=name, policy=Policy("proportional"), budget=None, sources=sources)

    def rules_for(self, source: str) -> tuple[Rule, ...]:
        """The recipe's rules, then the source's own: the order in which the first that fails is the reason. Without
        `top`, which is no bound on a single document.
        """
        return tuple(rule for rule in self.keep + self.source(source).keep if rule.kind != "top")

    def tops_for(self, source: str) -> tuple[Rule, ...]:
        """The rules for the best share of a source, in the same order: each among what those before it leave."""
        return tuple(rule for rule in self.keep + self.source(source).keep if rule.kind == "top")

    def edits_for(self, source: str) -> tuple[Edit, ...]:
        """The recipe's edits, then the source's own."""
        return self.edit + self.source(source).edit

    def source(self, name: str) -> Source:
        return next(each for each in self.sources if each.name == name)

    @property
    def unit_column(self) -> str | None:
        """The column that says how many units a document has; None where that follows from its bytes."""
        return f"{TOKENS}.count" if self.counter == "tokens@1" else None

    def find_column(self, name: str) -> registry.Found | None:
        """Where a column of this name comes from in this recipe, or None if there is none."""
        return registry.find_column(name, self._named, self.own)

    def column_names(self) -> tuple[str, ...]:
        """The names of all columns that a rule of this recipe could name."""
        return registry.column_names(self._named, self.own)

    def uses(self, also: Iterable[str] = ()) -> tuple[Use, ...]:
        """The taggers that rules and dedup need, and the columns `also`, each with its parameters; () if none.

        Sorted by key and name. An imported one has the columns that rules name, sorted.
        """
        wanted: dict[str, tuple[Tagger, set[str]]] = {}  # by name: the tagger, and the family's values asked for
        imported: dict[str, tuple[Tagger, dict[str, Column]]] = {}  # by name: the tagger, and the columns asked for
        related = [*self.dedup, *(split.by for split in self.holdout)]
        for each in (*self._columns(), *also):
            found = self.find_column(each)
            assert found is not None, each  # parse() lets no other rule through
            tagger, column, needed, name = found
            if tagger is registry.DOCUMENT:
                continue
            if tagger.is_imported:
                imported.setdefault(name, (tagger, {}))[1][column.name] = column
                continue
            asked = wanted.setdefault(name, (tagger, set()))[1]
            if tagger.family is not None:
                asked.update(needed.get(tagger.family.parameter, ()))
        uses = [self._use(name, tagger, asked) for name, (tagger, asked) in wanted.items()]
        uses += [Use(replace(tagger, columns=tuple(column for _, column in sorted(columns.items()))), {})
                 for tagger, columns in imported.values()]
        uses += [use for method in related if (use := method.tagger_use) is not None]
        return tuple(use for _, use in sorted({(use.key, use.name): use for use in uses}.items()))

    def stored(self, also: Iterable[str] = ()) -> dict[str, tuple[Use, str]]:
        """By column, as the recipe calls it, the use that measures it, and its name in the sidecar."""
        return {column.name: (use, stored.name) for use in self.uses(also)
                for column, stored in zip(use.columns, use.stored, strict=True)}

    def _columns(self) -> list[str]:
        """The columns that this recipe names, but for those of the taggers of dedup methods."""
        found = [rule.column for rule in self.keep] + [edit.column for edit in self.edit]
        for source in self.sources:
            found += [rule.column for rule in source.keep] + [edit.column for edit in source.edit]
            found += [source.sample.column] if source.sample is not None else []
            found += [source.curve.column] if source.curve is not None else []
        related = [*self.dedup, *(split.by for split in self.holdout)]
        found += [str(method.parameters["column"]) for method in related if method.use == "column@1"]
        if self.prefer_by is not None and self.dedup:
            found.append(self.prefer_by.column)
        return found + ([] if self.unit_column is None else [self.unit_column])

    @property
    def _named(self) -> dict[str, Use]:
        return {use.name: use for use in self.taggers}

    def _use(self, name: str, tagger: Tagger, asked: Iterable[str]) -> Use:
        """With the defaults, or what the recipe sets; a family's parameter lists what is set and what is asked for."""
        use = self._named.get(name, Use(tagger, tagger.parameters, name))
        if tagger.family is None:
            return use
        parameter = tagger.family.parameter
        return replace(use, parameters={**use.parameters, parameter: sorted({*use.parameters[parameter], *asked})})


def registered(name: str) -> Tagger:
    tagger = registry.find_tagger(name)
    assert tagger is not None, name  # METHODS names no other
    return tagger


def method_defaults(method: Method) -> dict[str, object]:
    tagger = {} if method.tagger is None else registered(method.tagger).parameters
    return {**tagger, **{key.name: key.default for key in method.settings}}


_EXACT = Context(prec=200)  # holds any number that mixer.yamls lets through


def shown(value: object) -> str:
    """A value as one would write it in a recipe."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Decimal):
        return format(value.normalize(_EXACT), "f")
    if isinstance(value, tuple):
        return "[" + ", ".join(shown(each) for each in value) + "]"
    text = str(value)
    return text if re.fullmatch(r"[\w.-]+", text) else json.dumps(text, ensure_ascii=False)
