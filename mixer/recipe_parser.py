"""Reading recipes: from a file's text to a Recipe, or to every mistake in it, each with its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from mixer import yamls
from mixer.errors import RecipeError
from mixer.notes import Enough, Notes, did_you_mean, found_text, join, line_of
from mixer.recipe import (
    Curve,
    DedupMethod,
    Edit,
    Figures,
    HoldOut,
    Policy,
    PreferBy,
    Recipe,
    Reference,
    Rule,
    RuleKind,
    RuleValue,
    Sample,
    Source,
    Stage,
    registered,
    shown,
)
from mixer.recipe_checks import check_range, check_together, check_uri, last_of_documents, with_rest
from mixer.recipe_reference import (
    CURVE,
    DEDUP,
    EDIT,
    HOLDOUT,
    METHODS,
    POLICY,
    PREFER_BY,
    PUBLISHED,
    PUBLISHED_SOURCE,
    RECIPE,
    REFERENCE,
    REQUIRED,
    RULE,
    SAMPLE,
    SOURCE,
    STAGE,
    TAGGER,
    TAKES,
    Key,
    Vocabulary,
)
from mixer.yamls import Items, Node, Scalar, Section
from taggers import registry
from taggers.declare import SHA256, Column, Tagger, Use


def parse(text: bytes, file: str, own: Sequence[Tagger] = ()) -> Recipe:
    """The recipe that `text` holds. Raises RecipeError with every mistake at once; `file` is named in them.

    `own` are taggers beside the registry's whose columns its rules may name.
    """
    root, mistakes = yamls.read(text, file)
    notes = Notes(file, list(mistakes), own, most=yamls.MOST_MISTAKES)
    try:
        fields = _section(notes, root, RECIPE, "")
        if fields is not None and isinstance(root, yamls.Section):
            check_together(notes, root, fields)
    except Enough:
        raise RecipeError(yamls.first_of(notes.mistakes)) from None
    if notes.mistakes or fields is None:
        raise RecipeError(notes.mistakes)
    fields["sources"] = with_rest(fields["sources"])
    fields["holdout"] = tuple(replace(split, by=split.by or last_of_documents(fields["dedup"]))
                              for split in fields["holdout"])
    names = [source.name for source in fields["sources"]]
    fields["prefer"] = tuple(dict.fromkeys((*fields["prefer"], *names)))
    if fields["unit"] != "tokens":
        fields["counter"] = None
    return Recipe(**fields, text=text, sha256=hashlib.sha256(text).hexdigest(), own=tuple(own))


Reader = Callable[[Notes, Node, Key, str], Any]


def _section(
    notes: Notes, node: Node, vocabulary: Vocabulary, path: str, has_parameters: bool = False
) -> dict[str, Any] | None:
    """The value of each key of the vocabulary; None where a mistake was noted. None if it is no section at all."""
    if isinstance(node, yamls.Unusable):
        return None
    if not isinstance(node, yamls.Section):
        keys = ", ".join(key.name for key in vocabulary.keys)
        notes.add(node.line, path, found_text(node), "not a mapping", f"write `key: value` lines with the keys {keys}")
        return None
    if not has_parameters:
        for name in node.nodes:
            _check_known(notes, name, vocabulary, join(path, name), node.lines[name])
    values: dict[str, Any] = {}
    for key in vocabulary.keys:
        where = join(path, key.name)
        if key.name in node.nodes:
            values[key.name] = _value(notes, node.nodes[key.name], key, where)
        elif key.default is REQUIRED:
            notes.add(node.line, where, "", "missing", f"add `{key.name}: …`, {_takes(key)}")
            values[key.name] = None
        else:
            values[key.name] = key.default
    return values


def _check_known(notes: Notes, name: str, vocabulary: Vocabulary, path: str, line: int) -> None:
    known = [key.name for key in vocabulary.keys]
    if name not in known:
        notes.add(line, path, "", "unknown key", did_you_mean(name, known))


def _value(notes: Notes, node: Node, key: Key, path: str) -> Any:
    """What a key's value means; None if there was a mistake, which is noted."""
    if isinstance(node, yamls.Unusable):
        return None
    if isinstance(node, Scalar) and node.value is None:
        if key.nullable:
            return ()
        notes.add(node.line, path, "", "nothing stands here", f"write {_takes(key)}, or remove the key")
        return None
    return _READERS[key.takes](notes, node, key, path)


# --- one value: each reads a node, and gives None after noting what is wrong


def _text(notes: Notes, node: Node, key: Key, path: str) -> str | None:
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
        return node.value
    quote = isinstance(node, Scalar) and not isinstance(node.value, str)
    notes.add(node.line, path, found_text(node), "not text", "put it in quotes" if quote else f"write {_takes(key)}")
    return None


def _pattern(pattern: re.Pattern[str]) -> Reader:
    def read(notes: Notes, node: Node, key: Key, path: str) -> str | None:
        if isinstance(node, Scalar) and pattern.fullmatch(node.raw):
            return node.raw
        _misfit(notes, node, key, path)
        return None

    return read


def _choice(notes: Notes, node: Node, key: Key, path: str) -> str | None:
    if isinstance(node, Scalar) and node.raw in key.choices:
        return node.raw
    remedy = did_you_mean(node.raw, key.choices) if isinstance(node, Scalar) else f"write {_takes(key)}"
    notes.add(node.line, path, found_text(node), "not one of the choices", remedy)
    return None


def _whole(notes: Notes, node: Node, key: Key, path: str) -> int | None:
    number = _integer(node)
    least = 0 if key.least is None else key.least
    if number is not None and least <= number < 2**63:
        return number
    _misfit(notes, node, key, path)
    return None


def _number(fits: Callable[[Decimal], bool]) -> Reader:
    def read(notes: Notes, node: Node, key: Key, path: str) -> Decimal | None:
        number = _decimal(node)
        if number is not None and fits(number):
            return number
        _misfit(notes, node, key, path)
        return None

    return read


def _names(notes: Notes, node: Node, key: Key, path: str) -> tuple[str, ...] | None:
    if not isinstance(node, Items):
        _misfit(notes, node, key, path)
        return None
    names: dict[str, None] = {}
    for index, each in enumerate(node.nodes):
        where = f"{path}[{index}]"
        if not isinstance(each, Scalar) or each.value is None:
            _misfit(notes, each, key, where)
        elif each.raw in names:
            notes.add(each.line, where, each.raw, "named twice", "keep one of the two")
        else:
            names[each.raw] = None
    return tuple(names)


def _about(notes: Notes, node: Node, key: Key, path: str) -> dict[str, str] | None:
    """Numbers and dates are kept as written: a snapshot of 2026 is the text "2026"."""
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    texts: dict[str, str] = {}
    for name, each in node.nodes.items():
        if isinstance(each, Scalar) and each.value is not None:
            texts[name] = each.raw
        elif not isinstance(each, yamls.Unusable):
            notes.add(each.line, join(path, name), found_text(each), "not text", "write text, or remove the key")
    return texts


def _globs(notes: Notes, node: Node, key: Key, path: str) -> tuple[str, ...] | None:
    if not isinstance(node, Items):
        glob = _glob(notes, node, key, path)
        return None if glob is None else (glob,)
    if not node.nodes:
        _misfit(notes, node, key, path)
        return None
    globs = [_glob(notes, each, key, f"{path}[{index}]") for index, each in enumerate(node.nodes)]
    return tuple(glob for glob in globs if glob is not None)


def _glob(notes: Notes, node: Node, key: Key, path: str) -> str | None:
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


def _policy(notes: Notes, node: Node, key: Key, path: str) -> Policy | None:
    fields = _section(notes, node, POLICY, path)
    if fields is None or not isinstance(node, Section):
        return None
    for kind, name in _POLICY_NEEDS.items():
        if fields["kind"] == kind and name not in node.nodes:
            notes.add(node.line, join(path, name), "", "missing", f"add `{name}: …`: policy {kind} needs it")
        elif fields["kind"] not in (kind, None) and name in node.nodes:
            notes.add(line_of(node, name), join(path, name), "", f"policy {fields['kind']} has no {name}",
                      "remove it" if name == "tau" else "remove it, or set that of the sources")
    if fields["tau"] is not None and fields["tau"] < LEAST_TAU:
        notes.add(line_of(node, "tau"), join(path, "tau"), shown(fields["tau"]), "out of range",
                  f"write {LEAST_TAU} or more")
    return Policy(**fields)


LEAST_TAU = Decimal("0.1")  # below it the largest source has all but everything, by numbers of hundreds of digits
_POLICY_NEEDS = {"temperature": "tau", "unimax": "max_epochs"}


def _weight(notes: Notes, node: Node, key: Key, path: str) -> Fraction | str | None:
    """A share, exactly, or the word `rest`."""
    if isinstance(node, Scalar) and node.raw == "rest":
        return "rest"
    number = _decimal(node)
    share = None if number is None else Fraction(number)
    if isinstance(node, Scalar) and _FRACTION.fullmatch(node.raw):
        over, under = (Fraction(Decimal(each)) for each in node.raw.split("/"))
        share = over / under if under else None
    if share is not None and 0 <= share <= 1:
        return share
    _misfit(notes, node, key, path)
    return None


_FRACTION = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?/[0-9]{1,30}(?:\.[0-9]{1,30})?")


def _true(notes: Notes, node: Node, key: Key, path: str) -> bool | None:
    if _bool(node) is True:
        return True
    _misfit(notes, node, key, path)
    return None


def _published(vocabulary: Vocabulary) -> Reader:
    def read(notes: Notes, node: Node, key: Key, path: str) -> Figures | None:
        if not isinstance(node, Section):
            _misfit(notes, node, key, path)
            return None
        known = {each.name for each in vocabulary.keys}
        found: dict[str, str | None] = {}
        for name, each in node.nodes.items():
            where = join(path, name)
            if name not in known:
                _check_known(notes, name, vocabulary, where, node.lines[name])
            elif isinstance(each, Scalar):
                found[name] = None if each.value is None else each.raw
            else:
                notes.add(each.line, where, found_text(each), "not a figure", f"write {TAKES['figure']}")
        return found

    return read


def _prefer_by(notes: Notes, node: Node, key: Key, path: str) -> PreferBy | None:
    fields = _section(notes, node, PREFER_BY, path)
    if fields is None or not isinstance(node, Section):
        return None
    if fields["column"] is not None:
        _check_score(notes, node, fields["column"], path)
    return PreferBy(**fields)


def _sample(notes: Notes, node: Node, key: Key, path: str) -> Sample | None:
    fields = _section(notes, node, SAMPLE, path)
    if fields is None or not isinstance(node, Section):
        return None
    if fields["column"] is not None:
        _check_score(notes, node, fields["column"], path)
    if fields["rule"] == "pareto" and "alpha" not in node.nodes:
        notes.add(node.line, join(path, "alpha"), "", "missing", "add `alpha: 9`, or another whole number")
    if fields["rule"] == "proportional" and "alpha" in node.nodes:
        notes.add(line_of(node, "alpha"), join(path, "alpha"), "", "only `pareto` has one", "remove it")
    if fields["alpha"] is not None and fields["alpha"] > MOST_ALPHA:
        notes.add(line_of(node, "alpha"), join(path, "alpha"), str(fields["alpha"]), "out of range",
                  f"write 1 to {MOST_ALPHA}")
    return Sample(**fields)


MOST_ALPHA = 100  # of a Pareto rule; its powers are products, so that every machine has the same


def _curve(notes: Notes, node: Node, key: Key, path: str) -> Curve | None:
    fields = _section(notes, node, CURVE, path)
    if fields is None or not isinstance(node, Section):
        return None
    if fields["column"] is not None:
        _check_score(notes, node, fields["column"], path)
    buckets, discard = fields["buckets"], fields["discard"]
    if buckets is not None and buckets > MOST_BUCKETS:
        notes.add(line_of(node, "buckets"), join(path, "buckets"), str(buckets), "out of range",
                  f"write 1 to {MOST_BUCKETS}")
    elif buckets is not None and discard is not None:
        whole = Fraction(discard) * buckets
        if whole.denominator != 1 or whole == buckets:
            notes.add(line_of(node, "discard"), join(path, "discard"), shown(discard),
                      f"not a whole number of the {buckets} buckets, and less than all",
                      f"write a multiple of 1/{buckets} below 1")
    return Curve(**fields)


MOST_BUCKETS = 1000


def _edits(notes: Notes, node: Node, key: Key, path: str) -> tuple[Edit, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    edits = []
    for name, each in node.nodes.items():
        where = join(path, name)
        _check_column(notes, node.lines[name], where, name, ("spans",), "which has no spans",
                      "name one of spans, as `solera taggers` lists them", "")
        fields = _section(notes, each, EDIT, where)
        if fields is None or not isinstance(each, Section):
            continue
        if ("cut" in each.nodes) == ("replace" in each.nodes):
            said = "both cut and replaced" if "cut" in each.nodes else "neither cut nor replaced"
            notes.add(each.line, where, "", said, "write either `cut: true` or `replace: TEXT`")
        edits.append(Edit(name, fields["replace"], fields["min_score"], fields["max_removed"]))
    return tuple(edits)


def _replacement(notes: Notes, node: Node, key: Key, path: str) -> str | None:
    """Text that may be nothing but spaces."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
        return node.value
    if isinstance(node, Scalar) and node.value == "":
        notes.add(node.line, path, "", "replaced by nothing", "write `cut: true` instead")
        return None
    return _text(notes, node, key, path)


def _holdout(notes: Notes, node: Node, key: Key, path: str) -> tuple[HoldOut, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    splits = []
    for name, fields in _named(notes, node, HOLDOUT, path):
        by = fields["by"]
        if by is not None and by.about.kind != "documents":
            notes.add(line_of(node, name, "by"), join(join(path, name), "by"), by.use,
                      "a method that relates parts of documents", "name one that relates documents")
        splits.append(HoldOut(name, **fields))
    return tuple(splits)


def _by_method(notes: Notes, node: Node, key: Key, path: str) -> DedupMethod | None:
    return _method(notes, node, path)


def _stages(notes: Notes, node: Node, key: Key, path: str) -> tuple[Stage, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    stages = [Stage(name, **fields) for name, fields in _named(notes, node, STAGE, path)]
    for stage in stages:
        check_uri(notes, line_of(node, stage.name, "recipe"), join(join(path, stage.name), "recipe"), stage.recipe)
    return tuple(stages)


# --- sources and rules


def _sources(notes: Notes, node: Node, key: Key, path: str) -> tuple[Source, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    if not node.nodes:
        notes.add(node.line, path, "", "no sources", "add one: `web: {shards: web/*.jsonl.zst, …}`")
        return None
    return tuple(Source(name, **fields) for name, fields in _named(notes, node, SOURCE, path))


def _references(notes: Notes, node: Node, key: Key, path: str) -> tuple[Reference, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    references = []
    for name, fields in _named(notes, node, REFERENCE, path):
        check_uri(notes, line_of(node, name, "corpus"), join(join(path, name), "corpus"), fields["corpus"])
        references.append(Reference(name, **fields))
    return tuple(references)


def _named(notes: Notes, node: Section, vocabulary: Vocabulary, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, fields) of each section of a mapping of names to sections."""
    for name, each in node.nodes.items():
        where = join(path, name)
        if not _NAME.fullmatch(name):
            notes.add(node.lines[name], where, name, "not a name", f"write {TAKES['name']}")
        fields = _section(notes, each, vocabulary, where)
        if fields is not None:
            yield name, fields


def _keep(notes: Notes, node: Node, key: Key, path: str) -> tuple[Rule, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    rules: list[Rule] = []
    for name, bounds in node.nodes.items():
        where = join(path, name)
        found = registry.find_column(name, notes.named, notes.own)
        if name.partition(".")[0] in notes.unusable:
            continue
        if found is None:
            remedy = "write dolma.EXPERIMENT.ATTRIBUTE.score, or .count"
            if not name.startswith("dolma."):
                known = registry.column_names(notes.named, notes.own)
                remedy = did_you_mean(name, known, "`solera taggers` lists the columns")
            notes.add(node.lines[name], where, "", "unknown column", remedy)
        elif found[1].type not in _FITTING:
            remedy = "`solera taggers` lists the columns"
            notes.add(node.lines[name], where, "", f"a column of type {found[1].type}, which no rule can judge", remedy)
        elif found.tagger.needs_file and found.name not in notes.named:
            file = found.tagger.file
            notes.add(node.lines[name], where, "", f"{found.tagger.key} needs a {file}",
                      f"add to `taggers`: `{found.name}: {{use: {found.tagger.key}, {file}: FILE}}`")
        else:
            rules += _bounds(notes, bounds, found, where)
    return tuple(rules)


def _bounds(notes: Notes, node: Node, found: registry.Found, path: str) -> list[Rule]:
    """One rule for each bound, in the order of the file."""
    column = found.column
    if isinstance(node, yamls.Unusable):
        return []
    kinds = [key.name for key in RULE.keys]
    if not isinstance(node, Section) or not node.nodes:
        example = "{min: …}" if column.type in _NUMERIC else "{is: …}"
        notes.add(node.line, path, found_text(node), "no bound", f"write {example}; the bounds are {', '.join(kinds)}")
        return []
    rules = []
    for kind, each in node.nodes.items():
        where = join(path, kind)
        if kind not in kinds:
            _check_known(notes, kind, RULE, where, node.lines[kind])
        elif kind in ("min", "max", "top") and column.type not in _NUMERIC:
            notes.add(node.lines[kind], where, "", f"{column.name} is no number", "use is, in or not_in")
        elif kind == "top" and found.tagger is registry.DOCUMENT:
            notes.add(node.lines[kind], where, "", f"{column.name} is no score", "use min and max")
        elif kind == "top":
            share = _value(notes, each, next(key for key in RULE.keys if key.name == kind), where)
            if share is not None:
                rules.append(Rule(column.name, "top", share))
        else:
            value = _many(notes, each, column, where) if kind in ("in", "not_in") else _one(notes, each, column, where)
            if value is not None:
                rules.append(Rule(column.name, cast(RuleKind, kind), value))
    check_range(notes, rules, [node.line] * len(rules), path)
    return rules


def _many(notes: Notes, node: Node, column: Column, path: str) -> RuleValue | None:
    if isinstance(node, yamls.Unusable):
        return None
    if not isinstance(node, Items) or not node.nodes:
        notes.add(node.line, path, found_text(node), "not a list of values", "write them as [a, b]")
        return None
    values: dict[int | Decimal | str | bool, None] = {}
    for index, each in enumerate(node.nodes):
        value = _one(notes, each, column, f"{path}[{index}]")
        if value is not None and value in values:
            notes.add(each.line, f"{path}[{index}]", found_text(each), "listed twice", "keep one of the two")
        elif value is not None:
            values[value] = None
    return tuple(values)


def _one(notes: Notes, node: Node, column: Column, path: str) -> int | Decimal | str | bool | None:
    if isinstance(node, yamls.Unusable):
        return None
    what, read = _FITTING[column.type]
    value = read(node)
    if value is None:
        quote = column.type == "string" and isinstance(node, Scalar) and node.value is not None
        remedy = "put it in quotes" if quote else f"write {what}"
        notes.add(node.line, path, found_text(node), f"does not fit {column.name}, which is {what}", remedy)
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


def _taggers(notes: Notes, node: Node, key: Key, path: str) -> tuple[Use, ...] | None:
    if not isinstance(node, Section):
        _misfit(notes, node, key, path)
        return None
    for name, each in node.nodes.items():
        where, before = join(path, name), len(notes.mistakes)
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


def _check_name(notes: Notes, line: int, name: str, tagger: Tagger, path: str) -> None:
    if not _NAME.fullmatch(name):
        notes.add(line, path, name, "not a name", f"write {TAKES['name']}")
    elif name != tagger.name and (name in ("dolma", registry.DOCUMENT.name)
                                  or registry.find_tagger(name, notes.own) is not None):
        notes.add(line, path, name, "the name of another tagger", f"call it `{tagger.name}`, or anything else")
    if any(method.tagger == tagger.name for method in METHODS):
        remedy = f"write them in `dedup`, beside `use: {_method_of(tagger)}`"
        notes.add(line, path, "", "parameters of a dedup method do not stand here", remedy)


def _check_use(notes: Notes, node: Section, use: Use, path: str) -> None:
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
                line, where = line_of(node, tagger.family.parameter), join(path, tagger.family.parameter)
                notes.add(line, where, item, "unknown value", did_you_mean(item, values))


def _tagger(notes: Notes, node: Node, use: str, path: str) -> Tagger | None:
    name = use.partition("@")[0]
    tagger = registry.find_tagger(name, notes.own)
    line, where = line_of(node, "use"), join(path, "use")
    if tagger is None:
        known = [each.key for each in (*registry.TAGGERS, *notes.own)]
        remedy = did_you_mean(use, known, "`solera taggers` lists the taggers")
        notes.add(line, where, use, "unknown tagger", remedy)
    elif tagger.key != use:
        notes.add(line, where, use, "not the version of this tagger that is here", f"write {tagger.key}")
        return None
    return tagger


def _dedup(notes: Notes, node: Node, key: Key, path: str) -> tuple[DedupMethod, ...] | None:
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


def _method(notes: Notes, node: Node, path: str) -> DedupMethod | None:
    fields = _section(notes, node, DEDUP, path, has_parameters=True)
    if fields is None or fields["use"] is None or not isinstance(node, Section):
        return None
    use = fields["use"]
    method = next((each for each in METHODS if each.use == use), None)
    if method is None:
        line, where = line_of(node, "use"), join(path, "use")
        remedy = did_you_mean(use, [each.use for each in METHODS])
        notes.add(line, where, use, "unknown dedup method", remedy)
        return None
    tagger = None if method.tagger is None else registered(method.tagger)
    settings = {key.name: key for key in method.settings}
    inside = replace(node, nodes={name: each for name, each in node.nodes.items() if name not in settings})
    parameters = _parameters(notes, inside, tagger, path, method.values, settings)
    for key in method.settings:
        where = join(path, key.name)
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


def _check_compared(notes: Notes, node: Section, column: object, path: str) -> None:
    """Notes a column to compare that there is not, or that needs a file which nobody names."""
    if isinstance(column, str):
        _check_column(notes, line_of(node, "column"), join(path, "column"), column, (*_FITTING, "key128"),
                      "which has no single value to compare", "name one of a number, a text, yes or no, or a key")


def _check_score(notes: Notes, node: Section, column: str, path: str) -> None:
    """Notes a `column` that is not of numbers which have been measured."""
    _check_column(notes, line_of(node, "column"), join(path, "column"), column, _NUMERIC, "which has no greatest value",
                  "name one of numbers")


def _check_column(
    notes: Notes, line: int, where: str, column: str, types: Sequence[str], why_not: str, remedy: str,
    value: str | None = None,
) -> None:
    """Notes a column that there is not, that is of none of these types, that needs a file which nobody names, or that
    only rules can name. `value` is what is shown, where that is not the column.
    """
    value = column if value is None else value
    found = registry.find_column(column, notes.named, notes.own)
    if column.partition(".")[0] in notes.unusable:
        return
    if found is None:
        known = registry.column_names(notes.named, notes.own)
        notes.add(line, where, value, "unknown column", did_you_mean(
            column, known, "`solera taggers` lists the columns",
            lambda name: (near := registry.find_column(name, notes.named, notes.own)) is not None
            and near.column.type in types and near.tagger is not registry.DOCUMENT))
    elif found.tagger is registry.DOCUMENT:
        notes.add(line, where, value, f"{column} is for rules alone", "name a column that a tagger measures")
    elif found.column.type not in types:
        notes.add(line, where, value, f"a column of type {found.column.type}, {why_not}", remedy)
    elif found.tagger.needs_file and found.name not in notes.named:
        notes.add(line, where, value, f"{found.tagger.key} needs a {found.tagger.file}",
                  f"add to `taggers`: `{found.name}: {{use: {found.tagger.key}, {found.tagger.file}: FILE}}`")


def _choose_bands(notes: Notes, node: Section, parameters: dict[str, object], path: str) -> None:
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
        notes.add(line_of(node, "hashes"), join(path, "hashes"), "", "hashes are shared out by `threshold` alone",
                  "add `threshold: …`, or remove it")


def _choose_by_threshold(notes: Notes, node: Section, parameters: dict[str, object], path: str) -> None:
    from mixer.banding import MOST_SEARCHED, choose

    threshold, hashes = parameters["threshold"], parameters["hashes"]
    if not isinstance(threshold, float) or not isinstance(hashes, int):
        return
    if not 0 < threshold < 1:
        notes.add(line_of(node, "threshold"), join(path, "threshold"), shown(threshold), "does not fit",
                  "write a number between 0 and 1, neither of them")
        return
    if hashes > MOST_SEARCHED:
        notes.add(line_of(node, "hashes"), join(path, "hashes"), str(hashes), "too many to choose bands of",
                  f"write {MOST_SEARCHED:_} or less, or `bands` and `rows`")
        return
    try:
        parameters["bands"], parameters["rows"] = choose(threshold, hashes)
    except ValueError as error:
        notes.add(line_of(node, "threshold"), join(path, "threshold"), shown(threshold),
                  f"no bands serve it with {hashes} hashes: {error}",
                  "change it or `hashes`, or write `bands` and `rows`")


def _parameters(
    notes: Notes, node: Section, tagger: Tagger | None, path: str, values: Mapping[str, Sequence[str]],
    others: Iterable[str] = (),
) -> dict[str, object]:
    """The tagger's parameters, each as written or else by default; no tagger has none.

    Lists are sorted, since their order says nothing. `values` holds all that may be in a list, or stand alone, by
    parameter; `others` are read elsewhere, and known here for "did you mean" alone.
    """
    declared = {} if tagger is None else tagger.parameters
    parameters: dict[str, object] = dict(declared)
    for name, each in node.nodes.items():
        where = join(path, name)
        if name == "use":
            continue
        if name not in declared:
            known = [*declared, *others]
            otherwise = f"the parameters are {', '.join(known)}" if known else "remove it: there are no parameters"
            notes.add(node.lines[name], where, "", "unknown parameter", did_you_mean(name, known, otherwise))
            continue
        if name == SHA256:
            value: object = _sha256(notes, each, where)
        else:
            value = _parameter(notes, each, declared[name], where)
        if value is None:
            continue
        if tagger is not None and name == tagger.file:
            check_uri(notes, each.line, where, value)
        least, most = ({} if tagger is None else tagger.bounds).get(name, (None, None))
        if isinstance(value, int) and least is not None and most is not None and not least <= value <= most:
            notes.add(each.line, where, str(value), "out of range", f"write {least:_} to {most:_}")
        for item in () if name not in values else value if isinstance(value, list) else [str(value)]:
            if item not in values[name]:
                notes.add(each.line, where, item, "unknown value", did_you_mean(item, values[name]))
        parameters[name] = sorted(set(value)) if isinstance(value, list) else value
    return parameters


def _parameter(notes: Notes, node: Node, default: object, path: str) -> object:
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
        example = f", such as {shown(default)}" if default else ""
        notes.add(node.line, path, found_text(node), "does not fit the parameter", f"write {what}{example}")
    return value


def _sha256(notes: Notes, node: Node, path: str) -> str | None:
    if isinstance(node, Scalar) and re.fullmatch("[0-9a-f]{64}", node.raw):
        return node.raw
    if not isinstance(node, yamls.Unusable):
        remedy = "write 64 digits of 0-9 and a-f, as sha256sum does"
        notes.add(node.line, path, found_text(node), "not a sha256", remedy)
    return None

def _method_of(tagger: Tagger) -> str:
    return next(method.use for method in METHODS if method.tagger == tagger.name)


# --- helpers

_NAME = re.compile("[a-z0-9][a-z0-9_-]*")
_VERSION = re.compile(r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)")
_USE = re.compile(r"[a-z0-9][a-z0-9_-]*@[1-9][0-9]*")

_READERS: dict[str, Reader] = {
    "about": _about,
    "choice": _choice,
    "curve": _curve,
    "dedup": _dedup,
    "edits": _edits,
    "globs": _globs,
    "holdout": _holdout,
    "keep": _keep,
    "method": _by_method,
    "name": _pattern(_NAME),
    "names": _names,
    "policy": _policy,
    "prefer_by": _prefer_by,
    "number": _number(lambda number: True),
    "positive": _number(lambda number: number > 0),
    "published": _published(PUBLISHED),
    "published_source": _published(PUBLISHED_SOURCE),
    "references": _references,
    "replacement": _replacement,
    "sample": _sample,
    "share": _number(lambda number: 0 <= number <= 1),
    "sources": _sources,
    "stages": _stages,
    "taggers": _taggers,
    "text": _text,
    "true": _true,
    "use": _pattern(_USE),
    "version": _pattern(_VERSION),
    "weight": _weight,
    "whole": _whole,
}


def _misfit(notes: Notes, node: Node, key: Key, path: str) -> None:
    if not isinstance(node, yamls.Unusable):
        notes.add(node.line, path, found_text(node), "does not fit", f"write {_takes(key)}")


def _takes(key: Key) -> str:
    """What a key takes, for a message: choices listed, without the links of the documentation."""
    if key.choices:
        return " or ".join(key.choices)
    plain = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", TAKES[key.takes])
    return f"{plain}, {key.least} or more" if key.least is not None else plain
