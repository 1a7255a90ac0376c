"""A recipe: what to keep, what counts as the same, and how much of each source."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from typing import Any, Literal, cast

from mixer import storage, yamls
from mixer.errors import Mistake, RecipeError
from mixer.recipe_reference import (
    DEDUP,
    METHODS,
    POLICY,
    PREFER_BY,
    RECIPE,
    REFERENCE,
    REQUIRED,
    RULE,
    SOURCE,
    TAGGER,
    TAKES,
    USUAL_EPOCHS,
    Key,
    Method,
    Vocabulary,
)
from mixer.yamls import Items, Node, Scalar, Section
from taggers import registry
from taggers.declare import SHA256, Column, Tagger, Use

RuleKind = Literal["min", "max", "is", "in", "not_in"]
RuleValue = int | Decimal | str | bool | tuple[int | Decimal | str | bool, ...]
Parameters = Mapping[str, object]


@dataclass(frozen=True)
class Rule:
    """One bound on one column. A number is an int for int64 columns and a Decimal for float columns."""

    column: str
    kind: RuleKind
    value: RuleValue

    @property
    def text(self) -> str:
        """As in "words.count min 50"; equal rules have equal texts, however their numbers were written."""
        return f"{self.column} {self.kind} {_shown(self.value)}"


@dataclass(frozen=True)
class Policy:
    kind: Literal["fixed", "proportional"]


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
        tagger = _registered(self.about.tagger)
        return Use(tagger, {name: self.parameters[name] for name in tagger.parameters})

    @property
    def finds_by(self) -> dict[str, object]:
        """The parameters that decide what is found: all but those that only a plan reads."""
        return {name: value for name, value in self.parameters.items() if name not in self.about.planned}

    @property
    def text(self) -> str:
        """As in "text@1 normalise=[lower, nfc]": the method, and the parameters that are not its defaults."""
        defaults = _method_defaults(self.about)
        return " ".join([self.use, *(f"{name}={_shown(tuple(value) if isinstance(value, list) else value)}"
                                     for name, value in sorted(self.parameters.items())
                                     if value != defaults.get(name))])


@dataclass(frozen=True)
class PreferBy:
    """Which of documents that are the same stays, where their sources are equally good."""

    column: str  # of numbers
    best: Literal["max", "min"]


@dataclass(frozen=True)
class Source:
    """One named part of the mixture. `shards` are glob patterns relative to the corpus."""

    name: str
    shards: tuple[str, ...]
    weight: Decimal | None  # the share under policy fixed; None under proportional
    max_epochs: Decimal | None  # None: no cap
    keep: tuple[Rule, ...]  # this source's own rules, which come after the recipe's
    about: Mapping[str, str]


@dataclass(frozen=True)
class Reference:
    """Shards that documents are only compared with. `shards` are glob patterns relative to `corpus`."""

    name: str
    shards: tuple[str, ...]
    corpus: str | None  # None: the recipe's


@dataclass(frozen=True)
class Recipe:
    """A recipe that holds together: every name in it is known, and fixed weights sum to exactly 1."""

    name: str
    version: str
    seed: int
    corpus: str
    unit: Literal["tokens", "bytes", "docs"]
    counter: str | None  # how tokens are counted; None for the other units
    budget: int | None  # None: all there is (policy proportional only)
    policy: Policy
    taggers: tuple[Use, ...]  # taggers that the recipe sets parameters of, or names; the rest follow from the columns
    dedup: tuple[DedupMethod, ...]
    prefer: tuple[str, ...]  # all sources, the best first
    prefer_by: PreferBy | None
    reference: tuple[Reference, ...]
    keep: tuple[Rule, ...]
    sources: tuple[Source, ...]
    on_shortfall: Literal["error", "redistribute"]
    order: Literal["shuffled", "by-source"]
    shard_bytes: int  # uncompressed
    license: str | None
    description: str | None
    about: Mapping[str, str]
    text: bytes  # the recipe file as it was read
    sha256: str  # of `text`, in hex
    own: tuple[Tagger, ...] = ()  # a user's own taggers, which the command line names and a recipe never does

    def rules_for(self, source: str) -> tuple[Rule, ...]:
        """The recipe's rules, then the source's own: the order in which the first that fails is the reason."""
        return self.keep + next(each.keep for each in self.sources if each.name == source)

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
        named = (rule.column for rule in (*self.keep, *(rule for source in self.sources for rule in source.keep)))
        compared = [str(method.parameters["column"]) for method in self.dedup if method.use == "column@1"]
        if self.prefer_by is not None and self.dedup:
            compared.append(self.prefer_by.column)
        for each in (*named, *compared, *also):
            found = self.find_column(each)
            assert found is not None, each  # parse() lets no other rule through
            tagger, column, needed, name = found
            if tagger.is_imported:
                imported.setdefault(name, (tagger, {}))[1][column.name] = column
                continue
            asked = wanted.setdefault(name, (tagger, set()))[1]
            if tagger.family is not None:
                asked.update(needed.get(tagger.family.parameter, ()))
        uses = [self._use(name, tagger, asked) for name, (tagger, asked) in wanted.items()]
        uses += [Use(replace(tagger, columns=tuple(column for _, column in sorted(columns.items()))), {})
                 for tagger, columns in imported.values()]
        uses += [use for method in self.dedup if (use := method.tagger_use) is not None]
        return tuple(use for _, use in sorted({(use.key, use.name): use for use in uses}.items()))

    def stored(self, also: Iterable[str] = ()) -> dict[str, tuple[Use, str]]:
        """By column, as the recipe calls it, the use that measures it, and its name in the sidecar."""
        return {column.name: (use, stored.name) for use in self.uses(also)
                for column, stored in zip(use.columns, use.stored, strict=True)}

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


def parse(text: bytes, file: str, own: Sequence[Tagger] = ()) -> Recipe:
    """The recipe that `text` holds. Raises RecipeError with every mistake at once; `file` is named in them.

    `own` are taggers beside the registry's whose columns its rules may name.
    """
    root, mistakes = yamls.read(text, file)
    notes = _Notes(file, list(mistakes), own)
    fields = _section(notes, root, RECIPE, "")
    if fields is not None and isinstance(root, yamls.Section):
        _check_together(notes, root, fields)
    if notes.mistakes or fields is None:
        raise RecipeError(notes.mistakes)
    names = [source.name for source in fields["sources"]]
    fields["prefer"] += tuple(name for name in names if name not in fields["prefer"])
    if fields["unit"] != "tokens":
        fields["counter"] = None
    return Recipe(**fields, text=text, sha256=hashlib.sha256(text).hexdigest(), own=tuple(own))


def warnings(recipe: Recipe, file: str = "") -> list[Mistake]:
    """What a valid recipe had better not say, in the order of its lines; [] if nothing."""
    root, _ = yamls.read(recipe.text, file)
    notes = _Notes(file, [])
    for source in recipe.sources:
        at = ("sources", source.name)
        if source.max_epochs is not None and source.max_epochs > USUAL_EPOCHS:
            message = f"more than {USUAL_EPOCHS} epochs: further repeats add less and less"
            notes.add(_line(root, *at, "max_epochs"), (*at, "max_epochs"), _shown(source.max_epochs), message, _LOWER)
        if source.weight == 0:
            remedy = "remove the source, unless it is there for dedup"
            notes.add(_line(root, *at, "weight"), (*at, "weight"), "0", "nothing of this source is taken", remedy)
        if "license" not in source.about:
            remedy = "name the license its documents are under, or say that it is not known"
            notes.add(_line(root, *at, "about"), (*at, "about", "license"), "", "missing", remedy)
    if recipe.prefer_by is not None and not recipe.dedup:
        notes.add(_line(root, "prefer_by"), "prefer_by", "", "nothing to choose between: no `dedup` says which "
                  "documents are the same", "add one, or remove this")
    used = {use.name for use in recipe.uses()}
    for use in recipe.taggers:
        at = ("taggers", use.name)
        if use.name not in used:
            notes.add(_line(root, *at), at, "", "no rule uses this tagger", "remove it")
        if use.file is not None and use.sha256 is None:
            assert use.tagger.file is not None
            notes.add(_line(root, *at, use.tagger.file), (*at, use.tagger.file), "",
                      f"a {use.tagger.file} without its sha256",
                      f"add `{SHA256}: …`, or another file in its place makes another mixture")
    return sorted(notes.mistakes, key=lambda mistake: mistake.line)


_LOWER = "lower it, or be sure of it"


# --- one section


@dataclass(frozen=True)
class _Notes:
    """Where the mistakes are collected while the file is read."""

    file: str
    mistakes: list[Mistake]
    own: Sequence[Tagger] = ()
    named: dict[str, Use] = field(default_factory=dict)  # the recipe's taggers, which are read before its rules
    unusable: set[str] = field(default_factory=set)  # names of taggers that a mistake has made unknown

    def add(self, line: int, path: str | Sequence[str], value: str, message: str, remedy: str) -> None:
        shown = path if isinstance(path, str) else ".".join(path)
        self.mistakes.append(Mistake(self.file, line, shown, value, message, remedy))


Reader = Callable[[_Notes, Node, Key, str], Any]


def _section(
    notes: _Notes, node: Node, vocabulary: Vocabulary, path: str, has_parameters: bool = False
) -> dict[str, Any] | None:
    """The value of each key of the vocabulary; None where a mistake was noted. None if it is no section at all."""
    if isinstance(node, yamls.Unusable):
        return None
    if not isinstance(node, yamls.Section):
        keys = ", ".join(key.name for key in vocabulary.keys)
        notes.add(node.line, path, _found(node), "not a mapping", f"write `key: value` lines with the keys {keys}")
        return None
    if not has_parameters:
        for name in node.nodes:
            _check_known(notes, name, vocabulary, _join(path, name), node.lines[name])
    values: dict[str, Any] = {}
    for key in vocabulary.keys:
        where = _join(path, key.name)
        if key.name in node.nodes:
            values[key.name] = _value(notes, node.nodes[key.name], key, where)
        elif key.default is REQUIRED:
            notes.add(node.line, where, "", "missing", f"add `{key.name}: …`, {_takes(key)}")
            values[key.name] = None
        else:
            values[key.name] = key.default
    return values


def _check_known(notes: _Notes, name: str, vocabulary: Vocabulary, path: str, line: int) -> None:
    known = [key.name for key in vocabulary.keys]
    if name in vocabulary.planned:
        notes.add(line, path, "", f"`{name}` is not supported by this version", "remove it")
    elif name not in known:
        notes.add(line, path, "", "unknown key", _did_you_mean(name, known))


def _value(notes: _Notes, node: Node, key: Key, path: str) -> Any:
    """What a key's value means; None if there was a mistake, which is noted."""
    if isinstance(node, yamls.Unusable):
        return None
    if isinstance(node, Scalar) and node.value is None:
        notes.add(node.line, path, "", "nothing stands here", f"write {_takes(key)}, or remove the key")
        return None
    if isinstance(node, Scalar) and node.raw in key.planned:
        notes.add(node.line, path, "", f"`{node.raw}` is not supported by this version", f"write {_takes(key)}")
        return None
    return _READERS[key.takes](notes, node, key, path)


# --- one value: each reads a node, and gives None after noting what is wrong


def _text(notes: _Notes, node: Node, key: Key, path: str) -> str | None:
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
        return node.value
    quote = isinstance(node, Scalar) and not isinstance(node.value, str)
    notes.add(node.line, path, _found(node), "not text", "put it in quotes" if quote else f"write {_takes(key)}")
    return None


def _pattern(pattern: re.Pattern[str]) -> Reader:
    def read(notes: _Notes, node: Node, key: Key, path: str) -> str | None:
        if isinstance(node, Scalar) and pattern.fullmatch(node.raw):
            return node.raw
        _misfit(notes, node, key, path)
        return None

    return read


def _choice(notes: _Notes, node: Node, key: Key, path: str) -> str | None:
    if isinstance(node, Scalar) and node.raw in key.choices:
        return node.raw
    remedy = _did_you_mean(node.raw, key.choices) if isinstance(node, Scalar) else f"write {_takes(key)}"
    notes.add(node.line, path, _found(node), "not one of the choices", remedy)
    return None


def _whole(notes: _Notes, node: Node, key: Key, path: str) -> int | None:
    number = _integer(node)
    least = 0 if key.least is None else key.least
    if number is not None and least <= number < 2**63:
        return number
    _misfit(notes, node, key, path)
    return None


def _number(fits: Callable[[Decimal], bool]) -> Reader:
    def read(notes: _Notes, node: Node, key: Key, path: str) -> Decimal | None:
        number = _decimal(node)
        if number is not None and fits(number):
            return number
        _misfit(notes, node, key, path)
        return None

    return read


def _names(notes: _Notes, node: Node, key: Key, path: str) -> tuple[str, ...] | None:
    if not isinstance(node, Items):
        _misfit(notes, node, key, path)
        return None
    names: list[str] = []
    for index, each in enumerate(node.nodes):
        where = f"{path}[{index}]"
        if not isinstance(each, Scalar) or each.value is None:
            _misfit(notes, each, key, where)
        elif each.raw in names:
            notes.add(each.line, where, each.raw, "named twice", "keep one of the two")
        else:
            names.append(each.raw)
    return tuple(names)


def _about(notes: _Notes, node: Node, key: Key, path: str) -> dict[str, str] | None:
    """Numbers and dates are kept as written: a snapshot of 2026 is the text "2026"."""
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    texts: dict[str, str] = {}
    for name, each in node.nodes.items():
        if isinstance(each, Scalar) and each.value is not None:
            texts[name] = each.raw
        else:
            _misfit(notes, each, key, _join(path, name))
    return texts


def _globs(notes: _Notes, node: Node, key: Key, path: str) -> tuple[str, ...] | None:
    if not isinstance(node, Items):
        glob = _glob(notes, node, key, path)
        return None if glob is None else (glob,)
    if not node.nodes:
        _misfit(notes, node, key, path)
        return None
    globs = [_glob(notes, each, key, f"{path}[{index}]") for index, each in enumerate(node.nodes)]
    return tuple(glob for glob in globs if glob is not None)


def _glob(notes: _Notes, node: Node, key: Key, path: str) -> str | None:
    glob = _text(notes, node, key, path)
    if glob is None:
        return None
    parts = glob.split("/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", glob):
        problem, remedy = "a shard outside the corpus", "put the scheme and bucket in `corpus`"
    elif glob.startswith(("/", "~")):
        problem, remedy = "a shard outside the corpus", "write it relative to `corpus`"
    elif ".." in parts:
        problem, remedy = "`..` may lead outside the corpus", "write it relative to `corpus`"
    elif "\\" in glob or "." in parts or "" in parts or glob != glob.strip():
        problem, remedy = "matches no shard", "join the parts with single slashes: web/*.jsonl.zst"
    else:
        return glob
    notes.add(node.line, path, glob, problem, remedy)
    return None


def _policy(notes: _Notes, node: Node, key: Key, path: str) -> Policy | None:
    fields = _section(notes, node, POLICY, path)
    return None if fields is None else Policy(fields["kind"])


def _prefer_by(notes: _Notes, node: Node, key: Key, path: str) -> PreferBy | None:
    fields = _section(notes, node, PREFER_BY, path)
    if fields is None or not isinstance(node, Section):
        return None
    if fields["column"] is not None:
        _check_column(notes, _line(node, "column"), _join(path, "column"), fields["column"], _NUMERIC,
                      "which has no greatest value", "name one of numbers")
    return PreferBy(**fields)


# --- sources and rules


def _sources(notes: _Notes, node: Node, key: Key, path: str) -> tuple[Source, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    if not node.nodes:
        notes.add(node.line, path, "", "no sources", "add one: `web: {shards: web/*.jsonl.zst, …}`")
        return None
    return tuple(Source(name, **fields) for name, fields in _named(notes, node, SOURCE, path))


def _references(notes: _Notes, node: Node, key: Key, path: str) -> tuple[Reference, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    references = []
    for name, fields in _named(notes, node, REFERENCE, path):
        _check_uri(notes, _line(node, name, "corpus"), _join(_join(path, name), "corpus"), fields["corpus"])
        references.append(Reference(name, **fields))
    return tuple(references)


def _named(notes: _Notes, node: Section, vocabulary: Vocabulary, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, fields) of each section of a mapping of names to sections."""
    for name, each in node.nodes.items():
        where = _join(path, name)
        if not _NAME.fullmatch(name):
            notes.add(node.lines[name], where, name, "not a name", f"write {TAKES['name']}")
        fields = _section(notes, each, vocabulary, where)
        if fields is not None:
            yield name, fields


def _keep(notes: _Notes, node: Node, key: Key, path: str) -> tuple[Rule, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    rules: list[Rule] = []
    for name, bounds in node.nodes.items():
        where = _join(path, name)
        found = registry.find_column(name, notes.named, notes.own)
        if name.partition(".")[0] in notes.unusable:
            continue
        if found is None:
            remedy = "write dolma.EXPERIMENT.ATTRIBUTE.score, or .count"
            if not name.startswith("dolma."):
                known = registry.column_names(notes.named, notes.own)
                remedy = _did_you_mean(name, known, "`solera taggers` lists the columns")
            notes.add(node.lines[name], where, "", "unknown column", remedy)
        elif found[1].type not in _FITTING:
            remedy = "`solera taggers` lists the columns"
            notes.add(node.lines[name], where, "", f"a column of type {found[1].type}, which no rule can judge", remedy)
        elif found.tagger.needs_file and found.name not in notes.named:
            file = found.tagger.file
            notes.add(node.lines[name], where, "", f"{found.tagger.key} needs a {file}",
                      f"add to `taggers`: `{found.name}: {{use: {found.tagger.key}, {file}: FILE}}`")
        else:
            rules += _bounds(notes, bounds, found[1], where)
    return tuple(rules)


def _bounds(notes: _Notes, node: Node, column: Column, path: str) -> list[Rule]:
    """One rule for each bound, in the order of the file."""
    if isinstance(node, yamls.Unusable):
        return []
    kinds = [key.name for key in RULE.keys]
    if not isinstance(node, Section) or not node.nodes:
        example = "{min: …}" if column.type in _NUMERIC else "{is: …}"
        notes.add(node.line, path, _found(node), "no bound", f"write {example}; the bounds are {', '.join(kinds)}")
        return []
    rules = []
    for kind, each in node.nodes.items():
        where = _join(path, kind)
        if kind not in kinds:
            _check_known(notes, kind, RULE, where, node.lines[kind])
        elif kind in ("min", "max") and column.type not in _NUMERIC:
            notes.add(node.lines[kind], where, "", f"{column.name} is no number", "use is, in or not_in")
        else:
            value = _many(notes, each, column, where) if kind in ("in", "not_in") else _one(notes, each, column, where)
            if value is not None:
                rules.append(Rule(column.name, cast(RuleKind, kind), value))
    _check_range(notes, rules, [node.line] * len(rules), path)
    return rules


def _many(notes: _Notes, node: Node, column: Column, path: str) -> RuleValue | None:
    if isinstance(node, yamls.Unusable):
        return None
    if not isinstance(node, Items) or not node.nodes:
        notes.add(node.line, path, _found(node), "not a list of values", "write them as [a, b]")
        return None
    values: list[int | Decimal | str | bool] = []
    for index, each in enumerate(node.nodes):
        value = _one(notes, each, column, f"{path}[{index}]")
        if value is not None and value in values:
            notes.add(each.line, f"{path}[{index}]", _found(each), "listed twice", "keep one of the two")
        elif value is not None:
            values.append(value)
    return tuple(values)


def _one(notes: _Notes, node: Node, column: Column, path: str) -> int | Decimal | str | bool | None:
    if isinstance(node, yamls.Unusable):
        return None
    what, read = _FITTING[column.type]
    value = read(node)
    if value is None:
        quote = column.type == "string" and isinstance(node, Scalar) and node.value is not None
        remedy = "put it in quotes" if quote else f"write {what}"
        notes.add(node.line, path, _found(node), f"does not fit {column.name}, which is {what}", remedy)
        return None
    return value


def _integer(node: Node) -> int | None:
    """A whole number, also one written as 6e12. A bool is none."""
    number = _decimal(node)
    return int(number) if number is not None and number == number.to_integral_value() else None


def _decimal(node: Node) -> Decimal | None:
    if not isinstance(node, Scalar) or isinstance(node.value, bool):
        return None
    return Decimal(node.value) if isinstance(node.value, int | Decimal) else None


def _int64(node: Node) -> int | None:
    number = _integer(node)
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _bool(node: Node) -> bool | None:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, bool) else None


def _string(node: Node) -> str | None:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


# What fits a column of each type that rules can judge; whole numbers have no bound between two of them.
_FITTING: dict[str, tuple[str, Callable[[Node], int | Decimal | str | bool | None]]] = {
    "int64": ("a whole number", _int64),
    "float64": ("a number", _decimal),
    "float32": ("a number", _decimal),
    "bool": ("true or false", _bool),
    "string": ("text", _string),
}
_NUMERIC = ("int64", "float64", "float32")


# --- taggers and dedup


def _taggers(notes: _Notes, node: Node, key: Key, path: str) -> tuple[Use, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    for name, each in node.nodes.items():
        where, before = _join(path, name), len(notes.mistakes)
        fields = _section(notes, each, TAGGER, where, has_parameters=True)
        tagger = None if fields is None or fields["use"] is None else _tagger(notes, each, fields["use"], where)
        if tagger is not None and isinstance(each, Section):
            _check_name(notes, node.lines[name], name, tagger, where)
            parameters = _parameters(notes, each, tagger, where, {})
            use = Use(tagger, parameters, name)
            _check_use(notes, each, use, where)
            notes.named[name] = use
        if len(notes.mistakes) > before:
            notes.unusable.add(name)
    return tuple(notes.named.values())


def _check_name(notes: _Notes, line: int, name: str, tagger: Tagger, path: str) -> None:
    if not _NAME.fullmatch(name):
        notes.add(line, path, name, "not a name", f"write {TAKES['name']}")
    elif name != tagger.name and (name == "dolma" or registry.find_tagger(name, notes.own) is not None):
        notes.add(line, path, name, "the name of another tagger", f"call it `{tagger.name}`, or anything else")
    if any(method.tagger == tagger.name for method in METHODS):
        remedy = f"write them in `dedup`, beside `use: {_method_of(tagger)}`"
        notes.add(line, path, "", "parameters of a dedup method do not stand here", remedy)


def _check_use(notes: _Notes, node: Section, use: Use, path: str) -> None:
    tagger = use.tagger
    if tagger.needs_file and tagger.file not in node.nodes:
        notes.add(node.line, path, "", f"{tagger.key} needs a {tagger.file}", f"add `{tagger.file}: FILE`")
    for name, default in tagger.parameters.items():
        if default is None and name not in (tagger.file, SHA256, *node.nodes):
            notes.add(node.line, path, "", f"{tagger.key} needs a {name}", f"add `{name}: …`")
    if tagger.family is not None and use.file is None:
        values = tagger.family.values
        for item in use.parameters[tagger.family.parameter]:
            if values and item not in values:
                line, where = _line(node, tagger.family.parameter), _join(path, tagger.family.parameter)
                notes.add(line, where, item, "unknown value", _did_you_mean(item, values))


def _tagger(notes: _Notes, node: Node, use: str, path: str) -> Tagger | None:
    name = use.partition("@")[0]
    tagger = registry.find_tagger(name, notes.own)
    line, where = _line(node, "use"), _join(path, "use")
    if tagger is None:
        known = [each.key for each in (*registry.TAGGERS, *notes.own)]
        remedy = _did_you_mean(use, known, "`solera taggers` lists the taggers")
        notes.add(line, where, use, "unknown tagger", remedy)
    elif tagger.key != use:
        notes.add(line, where, use, "not the version of this tagger that is here", f"write {tagger.key}")
        return None
    return tagger


def _dedup(notes: _Notes, node: Node, key: Key, path: str) -> tuple[DedupMethod, ...] | None:
    if not isinstance(node, Items):
        _misfit(notes, node, key, path)
        return None
    methods: list[DedupMethod] = []
    for index, each in enumerate(node.nodes):
        method = _method(notes, each, f"{path}[{index}]")
        if method is not None and method in methods:
            notes.add(each.line, f"{path}[{index}]", method.use, "the same method twice", "keep one of the two")
        elif method is not None:
            methods.append(method)
    return tuple(methods)


def _method(notes: _Notes, node: Node, path: str) -> DedupMethod | None:
    fields = _section(notes, node, DEDUP, path, has_parameters=True)
    if fields is None or fields["use"] is None or not isinstance(node, Section):
        return None
    use = fields["use"]
    method = next((each for each in METHODS if each.use == use), None)
    if method is None:
        line, where = _line(node, "use"), _join(path, "use")
        remedy = _did_you_mean(use, [each.use for each in METHODS])
        notes.add(line, where, use, "unknown dedup method", remedy)
        return None
    tagger = None if method.tagger is None else _registered(method.tagger)
    settings = {key.name: key for key in method.settings}
    inside = replace(node, nodes={name: each for name, each in node.nodes.items() if name not in settings})
    parameters = _parameters(notes, inside, tagger, path, method.values, settings)
    for key in method.settings:
        where = _join(path, key.name)
        if key.name in node.nodes:
            value = _value(notes, node.nodes[key.name], key, where)
            parameters[key.name] = float(value) if isinstance(value, Decimal) else value
        elif key.default is REQUIRED:
            notes.add(node.line, where, "", "missing", f"add `{key.name}: …`, {_takes(key)}")
        else:
            parameters[key.name] = key.default
    if use == "column@1":
        _check_compared(notes, node, parameters.get("column"), path)
    if use == "minhash@1":
        _choose_bands(notes, node, parameters, path)
    return DedupMethod(use, {name: value for name, value in parameters.items() if name not in method.shorthands})


def _check_compared(notes: _Notes, node: Section, column: object, path: str) -> None:
    """Notes a column to compare that there is not, or that needs a file which nobody names."""
    if isinstance(column, str):
        _check_column(notes, _line(node, "column"), _join(path, "column"), column, (*_FITTING, "key128"),
                      "which has no single value to compare", "name one of a number, a text, yes or no, or a key")


def _check_column(
    notes: _Notes, line: int, where: str, column: str, types: Sequence[str], why_not: str, remedy: str
) -> None:
    """Notes a column that there is not, that is of none of these types, or that needs a file which nobody names."""
    found = registry.find_column(column, notes.named, notes.own)
    if column.partition(".")[0] in notes.unusable:
        return
    if found is None:
        known = registry.column_names(notes.named, notes.own)
        notes.add(line, where, column, "unknown column", _did_you_mean(column, known, "see `solera taggers`"))
    elif found.column.type not in types:
        notes.add(line, where, column, f"a column of type {found.column.type}, {why_not}", remedy)
    elif found.tagger.needs_file and found.name not in notes.named:
        notes.add(line, where, column, f"{found.tagger.key} needs a {found.tagger.file}",
                  f"add to `taggers`: `{found.name}: {{use: {found.tagger.key}, {found.tagger.file}: FILE}}`")


def _choose_bands(notes: _Notes, node: Section, parameters: dict[str, object], path: str) -> None:
    """Puts the bands and rows of `preset` or `threshold` in their place."""
    ways = [name for name in ("preset", "threshold") if parameters.get(name) is not None]
    ways += ["bands and rows"] if {"bands", "rows"} & node.nodes.keys() else []
    if len(ways) > 1:
        notes.add(node.line, path, "", f"{' and '.join(ways)} each say how many bands there are", "keep one of them")
    elif ways == ["preset"]:
        parameters["bands"], parameters["rows"] = map(int, str(parameters["preset"]).split("x"))
    elif ways == ["threshold"]:
        _choose_by_threshold(notes, node, parameters, path)
    if "hashes" in node.nodes and "threshold" not in node.nodes:
        notes.add(_line(node, "hashes"), _join(path, "hashes"), "", "hashes are shared out by `threshold` alone",
                  "add `threshold: …`, or remove it")


def _choose_by_threshold(notes: _Notes, node: Section, parameters: dict[str, object], path: str) -> None:
    from mixer.banding import MOST_SEARCHED, choose

    threshold, hashes = parameters["threshold"], parameters["hashes"]
    if not isinstance(threshold, float) or not isinstance(hashes, int):
        return
    if not 0 < threshold < 1:
        notes.add(_line(node, "threshold"), _join(path, "threshold"), _shown(threshold), "does not fit",
                  "write a number between 0 and 1, neither of them")
        return
    if hashes > MOST_SEARCHED:
        notes.add(_line(node, "hashes"), _join(path, "hashes"), str(hashes), "too many to choose bands of",
                  f"write {MOST_SEARCHED:_} or less, or `bands` and `rows`")
        return
    try:
        parameters["bands"], parameters["rows"] = choose(threshold, hashes)
    except ValueError as error:
        notes.add(_line(node, "threshold"), _join(path, "threshold"), _shown(threshold),
                  f"no bands serve it with {hashes} hashes: {error}",
                  "change it or `hashes`, or write `bands` and `rows`")


def _parameters(
    notes: _Notes, node: Section, tagger: Tagger | None, path: str, values: Mapping[str, Sequence[str]],
    others: Iterable[str] = (),
) -> dict[str, object]:
    """The tagger's parameters, each as written or else by default; no tagger has none.

    Lists are sorted, since their order says nothing. `values` holds all that may be in a list, or stand alone, by
    parameter; `others` are read elsewhere, and known here for "did you mean" alone.
    """
    declared = {} if tagger is None else tagger.parameters
    parameters: dict[str, object] = dict(declared)
    for name, each in node.nodes.items():
        where = _join(path, name)
        if name == "use":
            continue
        if name not in declared:
            known = [*declared, *others]
            otherwise = f"the parameters are {', '.join(known)}" if known else "remove it: there are no parameters"
            notes.add(node.lines[name], where, "", "unknown parameter", _did_you_mean(name, known, otherwise))
            continue
        if name == SHA256:
            value: object = _sha256(notes, each, where)
        else:
            value = _parameter(notes, each, declared[name], where)
        if value is None:
            continue
        if tagger is not None and name == tagger.file:
            _check_uri(notes, each.line, where, value)
        least, most = ({} if tagger is None else tagger.bounds).get(name, (None, None))
        if isinstance(value, int) and least is not None and most is not None and not least <= value <= most:
            notes.add(each.line, where, str(value), "out of range", f"write {least:_} to {most:_}")
        for item in () if name not in values else value if isinstance(value, list) else [str(value)]:
            if item not in values[name]:
                notes.add(each.line, where, item, "unknown value", _did_you_mean(item, values[name]))
        parameters[name] = sorted(set(value)) if isinstance(value, list) else value
    return parameters


def _parameter(notes: _Notes, node: Node, default: object, path: str) -> object:
    """A parameter's value, which is of the type of its default; None after noting that it is not."""
    if isinstance(node, yamls.Unusable):
        return None
    value: object
    if isinstance(default, bool):
        what, value = "true or false", _bool(node)
    elif isinstance(default, int):
        what, value = "a whole number", _int64(node)
    elif isinstance(default, float):
        number = _decimal(node)
        what, value = "a number", None if number is None else float(number)
    elif isinstance(default, list | tuple):
        what, value = "a list of text", None
        if isinstance(node, Items):
            texts = [_string(each) for each in node.nodes]
            value = None if None in texts else texts
    else:
        what, value = "text", _string(node)
    if value is None:
        example = f", such as {_shown(default)}" if default else ""
        notes.add(node.line, path, _found(node), "does not fit the parameter", f"write {what}{example}")
    return value


def _sha256(notes: _Notes, node: Node, path: str) -> str | None:
    if isinstance(node, Scalar) and re.fullmatch("[0-9a-f]{64}", node.raw):
        return node.raw
    if not isinstance(node, yamls.Unusable):
        notes.add(node.line, path, _found(node), "not a sha256", "write 64 digits of 0-9 and a-f, as sha256sum does")
    return None


def _registered(name: str) -> Tagger:
    tagger = registry.find_tagger(name)
    assert tagger is not None, name  # METHODS names no other
    return tagger


def _method_defaults(method: Method) -> dict[str, object]:
    tagger = {} if method.tagger is None else _registered(method.tagger).parameters
    return {**tagger, **{key.name: key.default for key in method.settings}}


def _method_of(tagger: Tagger) -> str:
    return next(method.use for method in METHODS if method.tagger == tagger.name)


# --- what must fit together


def _check_together(notes: _Notes, root: Section, fields: Mapping[str, Any]) -> None:
    """Notes what is wrong between keys that are right by themselves. A field with a mistake of its own is None."""
    sources: tuple[Source, ...] = fields["sources"] or ()
    _check_policy(notes, root, fields, sources)
    _check_counter(notes, root, fields)
    _check_uri(notes, _line(root, "corpus"), "corpus", fields["corpus"])
    _check_prefer(notes, root, fields["prefer"] or ())
    _check_globs(notes, root, sources)
    _check_references(notes, root, fields["reference"] or (), sources)
    _check_rules(notes, root, fields["keep"] or (), sources)


def _check_policy(notes: _Notes, root: Section, fields: Mapping[str, Any], sources: tuple[Source, ...]) -> None:
    kind = None if fields["policy"] is None else fields["policy"].kind
    weights = {name: "weight" in node.nodes for name, node in _source_nodes(root).items()}
    if kind == "proportional":
        for name, is_given in weights.items():
            if is_given:
                at = ("sources", name, "weight")
                notes.add(_line(root, *at), at, "", "a weight under policy proportional", "remove it, or use fixed")
    if kind != "fixed":
        return
    if "budget" not in root.nodes:
        notes.add(root.line, "budget", "", "missing", "add `budget: …`: policy fixed shares out a stated amount")
    for name, is_given in weights.items():
        if not is_given:
            at = ("sources", name, "weight")
            notes.add(_line(root, *at), at, "", "missing", "add `weight: …`: policy fixed needs one for each source")
    if weights and all(weights.values()):
        given = [source.weight for source in sources if source.weight is not None]
        total = _EXACT.create_decimal(0)
        for weight in given:
            total = _EXACT.add(total, weight)
        if len(given) == len(weights) and total != 1:
            gap = _EXACT.subtract(Decimal(1), total)
            change = f"raise them by {_shown(gap)}" if gap > 0 else f"lower them by {_shown(-gap)}"
            line = _line(root, "sources")
            notes.add(line, "sources", "", f"the weights sum to {_shown(total)}, not 1", f"{change} in all")


def _check_uri(notes: _Notes, line: int, path: str, uri: object) -> None:
    """Without the value: the recipe is copied into the mixture, and its mistakes go to a terminal and a log."""
    if isinstance(uri, str) and storage.carries_credentials(uri):
        notes.add(line, path, "", "a URI that carries credentials", "take them out: the usual chain finds them")


def _check_counter(notes: _Notes, root: Section, fields: Mapping[str, Any]) -> None:
    if fields["unit"] in ("bytes", "docs") and "counter" in root.nodes:
        remedy = "remove it, or write `unit: tokens`"
        notes.add(_line(root, "counter"), "counter", "", f"no tokens are counted with unit {fields['unit']}", remedy)


def _check_prefer(notes: _Notes, root: Section, prefer: tuple[str, ...]) -> None:
    names = list(_source_nodes(root))
    for name in prefer:
        if names and name not in names:
            notes.add(_line(root, "prefer"), "prefer", name, "unknown source", _did_you_mean(name, names))


def _check_globs(notes: _Notes, root: Section, sources: tuple[Source, ...]) -> None:
    """The same glob twice is a mistake here already; globs that overlap show when the shards are listed."""
    owners: dict[str, str] = {}
    for source in sources:
        for glob in source.shards or ():
            if glob in owners:
                at = ("sources", source.name, "shards")
                message = f"this glob stands under {owners[glob]} already"
                notes.add(_line(root, *at), at, glob, message, "a shard belongs to one source, once")
            owners[glob] = source.name


def _check_references(
    notes: _Notes, root: Section, references: tuple[Reference, ...], sources: tuple[Source, ...]
) -> None:
    """One name is one thing, since losses are counted by it. A reference without dedup does nothing."""
    for name in sorted({each.name for each in references} & {source.name for source in sources}):
        notes.add(_line(root, "reference", name), ("reference", name), "", "a source is called so, too",
                  "give the reference another name")
    if references and not (isinstance(dedup := root.nodes.get("dedup"), Items) and dedup.nodes):
        notes.add(_line(root, "reference"), "reference", "", "nothing is compared, since there is no `dedup`",
                  "add a method, such as `dedup: [{use: text@1}]`")


def _check_rules(notes: _Notes, root: Section, keep: tuple[Rule, ...], sources: tuple[Source, ...]) -> None:
    """The recipe's rules hold for a source too, so a source's min may lie above the recipe's max."""
    for source in sources:
        for rule in source.keep or ():
            if rule in keep:  # counted twice, neither would have exclusive losses
                own = ("sources", source.name, "keep", rule.column, rule.kind)
                notes.add(_line(root, *own), own, "", "the recipe's own `keep` has this rule already", "remove it here")
        for column in {rule.column: None for rule in source.keep or ()}:
            both = [[rule for rule in rules if rule.column == column] for rules in (keep, source.keep)]
            if not any(_empty_range(rules) for rules in both):
                at = ("sources", source.name, "keep", column)
                lines = [_line(root, *at)] * 2
                _check_range(notes, both[0] + both[1], lines, ".".join(at))


def _check_range(notes: _Notes, rules: Sequence[Rule], lines: Sequence[int], path: str) -> None:
    clash = _empty_range(rules)
    if clash is not None:
        low, high = clash
        notes.add(lines[0], path, "", f"nothing passes both {low.text} and {high.text}", "lower min or raise max")


def _empty_range(rules: Sequence[Rule]) -> tuple[Rule, Rule] | None:
    lows = [rule for rule in rules if rule.kind == "min"]
    highs = [rule for rule in rules if rule.kind == "max"]
    pairs = [(low, high) for low in lows for high in highs if cast(Decimal, low.value) > cast(Decimal, high.value)]
    return pairs[0] if pairs else None


# --- helpers

_NAME = re.compile("[a-z0-9][a-z0-9_-]*")
_VERSION = re.compile(r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)")
_USE = re.compile(r"[a-z0-9][a-z0-9_-]*@[1-9][0-9]*")
_EXACT = Context(prec=200)  # holds any sum of the numbers that mixer.yamls lets through

_READERS: dict[str, Reader] = {
    "about": _about,
    "choice": _choice,
    "dedup": _dedup,
    "globs": _globs,
    "keep": _keep,
    "name": _pattern(_NAME),
    "names": _names,
    "policy": _policy,
    "prefer_by": _prefer_by,
    "positive": _number(lambda number: number > 0),
    "references": _references,
    "share": _number(lambda number: 0 <= number <= 1),
    "sources": _sources,
    "taggers": _taggers,
    "text": _text,
    "use": _pattern(_USE),
    "version": _pattern(_VERSION),
    "whole": _whole,
}


def _misfit(notes: _Notes, node: Node, key: Key, path: str) -> None:
    if not isinstance(node, yamls.Unusable):
        notes.add(node.line, path, _found(node), "does not fit", f"write {_takes(key)}")


def _takes(key: Key) -> str:
    """What a key takes, for a message: choices listed, without the links of the documentation."""
    if key.choices:
        return " or ".join(key.choices)
    plain = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", TAKES[key.takes])
    return f"{plain}, {key.least} or more" if key.least is not None else plain


def _found(node: Node) -> str:
    if isinstance(node, Scalar):
        raw = "nothing" if node.value is None else node.raw
        return raw if len(raw) <= 60 else raw[:60] + "…"
    return "a list" if isinstance(node, Items) else "a mapping"


def _did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(word, names, 1)
    return f"did you mean `{close[0]}`?" if close else otherwise or f"write one of: {', '.join(names)}"


def _source_nodes(root: Section) -> dict[str, Section]:
    """The sources that are mappings, whatever is wrong inside them."""
    sources = root.nodes.get("sources")
    nodes = sources.nodes if isinstance(sources, Section) else {}
    return {name: node for name, node in nodes.items() if isinstance(node, Section)}


def _line(node: Node, *keys: str) -> int:
    """The line of the deepest of the keys that stands in the file."""
    line = node.line
    for key in keys:
        if not isinstance(node, Section) or key not in node.nodes:
            break
        line, node = node.lines[key], node.nodes[key]
    return line


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(value: object) -> str:
    """A value as one would write it in a recipe."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value.normalize(_EXACT), "f")
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(each) for each in value) + "]"
    text = str(value)
    return text if re.fullmatch(r"[\w.-]+", text) else json.dumps(text, ensure_ascii=False)
