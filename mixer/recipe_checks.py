"""What has to fit together in a recipe whose keys are right by themselves: weights, names, rules, columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, cast

from mixer import storage
from mixer.notes import Notes, did_you_mean, line_of
from mixer.recipe import TOKENS, DedupMethod, Edit, Reference, Rule, Source, shown
from mixer.yamls import Items, Section


def check_together(notes: Notes, root: Section, fields: Mapping[str, Any]) -> None:
    """Notes what is wrong between keys that are right by themselves. A field with a mistake of its own is None."""
    sources: tuple[Source, ...] = fields["sources"] or ()
    _check_policy(notes, root, fields, sources)
    _check_counter(notes, root, fields)
    _check_holdout(notes, root, fields)
    _check_edits(notes, root, fields["edit"] or (), sources)
    check_uri(notes, line_of(root, "corpus"), "corpus", fields["corpus"])
    _check_prefer(notes, root, fields["prefer"] or ())
    _check_globs(notes, root, sources)
    _check_references(notes, root, fields["reference"] or (), sources)
    _check_rules(notes, root, fields["keep"] or (), sources)


def _check_policy(notes: Notes, root: Section, fields: Mapping[str, Any], sources: tuple[Source, ...]) -> None:
    kind = None if fields["policy"] is None else fields["policy"].kind
    if kind is None:
        return
    if kind != "proportional" and "budget" not in root.nodes:
        notes.add(root.line, "budget", "", "missing", f"add `budget: …`: policy {kind} shares out a stated amount")
    weights = {name: "weight" in node.nodes for name, node in _source_nodes(root).items()}
    for name, is_given in weights.items():
        at = ("sources", name, "weight")
        if is_given and kind != "fixed":
            notes.add(line_of(root, *at), at, "", f"a weight under policy {kind}", "remove it, or use fixed")
        elif not is_given and kind == "fixed":
            notes.add(line_of(root, *at), at, "", "missing", "add `weight: …`: policy fixed needs one for each source")
    if kind == "fixed" and weights and all(weights.values()):
        _check_sum(notes, root, sources, len(weights))
    _check_least(notes, root, sources)


def _check_sum(notes: Notes, root: Section, sources: tuple[Source, ...], count: int) -> None:
    """Of this many sources. One that says `rest` has what the others leave, which is not nothing."""
    given = [source.weight for source in sources if isinstance(source.weight, Fraction)]
    rest = [source.name for source in sources if isinstance(source.weight, str)]
    for name in rest[1:]:
        at = ("sources", name, "weight")
        notes.add(line_of(root, *at), at, "rest", f"{rest[0]} has the rest already", "give one of them a number")
    if len(given) + len(rest) < count or len(rest) > 1:
        return
    total, line = sum(given, Fraction(0)), line_of(root, "sources")
    if rest and total >= 1:
        at = ("sources", rest[0], "weight")
        notes.add(line_of(root, *at), at, "rest", f"the other weights sum to {_exactly(total)} and leave nothing",
                  "lower them, or remove the source")
    elif not rest and total != 1:
        change = f"raise them by {_exactly(1 - total)}" if total < 1 else f"lower them by {_exactly(total - 1)}"
        notes.add(line, "sources", "", f"the weights sum to {_exactly(total)}, not 1",
                  f"{change} in all, or write `rest` for one of them")


def _check_least(notes: Notes, root: Section, sources: tuple[Source, ...]) -> None:
    least = sum((Fraction(source.min_weight) for source in sources if source.min_weight is not None), Fraction(0))
    if least > 1:
        notes.add(line_of(root, "sources"), "sources", "", f"the least weights sum to {_exactly(least)}, more than 1",
                  f"lower them by {_exactly(least - 1)} in all")
    given = sum((source.weight for source in sources if isinstance(source.weight, Fraction)), Fraction(0))
    for source in sources:
        weight = 1 - given if isinstance(source.weight, str) else source.weight
        if source.min_weight is not None and weight is not None and 0 <= weight < source.min_weight:
            at = ("sources", source.name, "min_weight")
            notes.add(line_of(root, *at), at, shown(source.min_weight), f"more than the weight {_exactly(weight)}",
                      "raise the weight, or lower this")


def _exactly(number: Fraction) -> str:
    """As a decimal where that is exact and short."""
    decimal = _EXACT.divide(Decimal(number.numerator), Decimal(number.denominator))
    return shown(decimal) if Fraction(decimal) == number and len(str(decimal)) < 30 else str(number)


def with_rest(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """With a number for `rest`."""
    given = sum((source.weight for source in sources if isinstance(source.weight, Fraction)), Fraction(0))
    return tuple(replace(source, weight=1 - given) if isinstance(source.weight, str) else source
                 for source in sources)


def last_of_documents(methods: Sequence[DedupMethod]) -> DedupMethod | None:
    return next((method for method in reversed(methods) if method.about.kind == "documents"), None)


def _check_holdout(notes: Notes, root: Section, fields: Mapping[str, Any]) -> None:
    if last_of_documents(fields["dedup"] or ()) is not None:
        return
    for split in fields["holdout"] or ():
        if split.by is None:
            at = ("holdout", split.name, "by")
            notes.add(line_of(root, *at), at, "", "no method says which documents are the same",
                      "add `by: {use: minhash@1}`, or such a method to `dedup`")


def _check_edits(notes: Notes, root: Section, edits: tuple[Edit, ...], sources: tuple[Source, ...]) -> None:
    """One column is edited once in a source."""
    columns = {edit.column for edit in edits}
    for source in sources:
        for edit in source.edit or ():
            if edit.column in columns:
                at = ("sources", source.name, "edit", edit.column)
                notes.add(line_of(root, *at), at, "", "the recipe's own `edit` has this column already",
                          "remove one of the two")


def check_uri(notes: Notes, line: int, path: str, uri: object) -> None:
    """Without the value: the recipe is copied into the mixture, and its mistakes go to a terminal and a log."""
    if isinstance(uri, str) and storage.carries_credentials(uri):
        notes.add(line, path, "", "a URI that carries credentials", "take them out: the usual chain finds them")


def _check_counter(notes: Notes, root: Section, fields: Mapping[str, Any]) -> None:
    if fields["unit"] in ("bytes", "docs") and "counter" in root.nodes:
        remedy = "remove it, or write `unit: tokens`"
        notes.add(line_of(root, "counter"), "counter", "", f"no tokens are counted with unit {fields['unit']}", remedy)
    use = notes.named.get(TOKENS)
    is_named = use is not None and use.tagger.name == "tokens"
    if fields["counter"] == "tokens@1" and not is_named and TOKENS not in notes.unusable:
        notes.add(line_of(root, "counter"), "counter", "tokens@1", "no tokenizer is named",
                  f"add to `taggers`: `{TOKENS}: {{use: tokens@1, tokenizer: FILE}}`")


def _check_prefer(notes: Notes, root: Section, prefer: tuple[str, ...]) -> None:
    names = _source_nodes(root)
    for name in prefer:
        if names and name not in names:
            notes.add(line_of(root, "prefer"), "prefer", name, "unknown source", did_you_mean(name, names))


def _check_globs(notes: Notes, root: Section, sources: tuple[Source, ...]) -> None:
    """The same glob twice in a source says nothing; two sources may share one."""
    for source in sources:
        for glob in sorted(glob for glob, count in Counter(source.shards or ()).items() if count > 1):
            at = ("sources", source.name, "shards")
            notes.add(line_of(root, *at), at, glob, "this glob stands here twice", "keep one of the two")


def _check_references(
    notes: Notes, root: Section, references: tuple[Reference, ...], sources: tuple[Source, ...]
) -> None:
    """One name is one thing, since losses are counted by it. A reference without dedup does nothing."""
    for name in sorted({each.name for each in references} & {source.name for source in sources}):
        notes.add(line_of(root, "reference", name), ("reference", name), "", "a source is called so, too",
                  "give the reference another name")
    if references and not (isinstance(dedup := root.nodes.get("dedup"), Items) and dedup.nodes):
        notes.add(line_of(root, "reference"), "reference", "", "nothing is compared, since there is no `dedup`",
                  "add a method, such as `dedup: [{use: text@1}]`")


def _check_rules(notes: Notes, root: Section, keep: tuple[Rule, ...], sources: tuple[Source, ...]) -> None:
    """The recipe's rules hold for a source too, so a source's min may lie above the recipe's max."""
    shared, everywhere = set(keep), _by_column(keep)
    for source in sources:
        for rule in source.keep or ():
            if rule in shared:  # counted twice, neither would have exclusive losses
                own = ("sources", source.name, "keep", rule.column, rule.kind)
                message = "the recipe's own `keep` has this rule already"
                notes.add(line_of(root, *own), own, "", message, "remove it here")
        for column, mine in _by_column(source.keep or ()).items():
            both = [everywhere.get(column, []), mine]
            if not any(_empty_range(rules) for rules in both):
                at = ("sources", source.name, "keep", column)
                lines = [line_of(root, *at)] * 2
                check_range(notes, both[0] + both[1], lines, ".".join(at))


def _by_column(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    found: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        found[rule.column].append(rule)
    return dict(found)


def check_range(notes: Notes, rules: Sequence[Rule], lines: Sequence[int], path: str) -> None:
    clash = _empty_range(rules)
    if clash is not None:
        low, high = clash
        notes.add(lines[0], path, "", f"nothing passes both {low.text} and {high.text}", "lower min or raise max")


def _empty_range(rules: Sequence[Rule]) -> tuple[Rule, Rule] | None:
    lows = [rule for rule in rules if rule.kind == "min"]
    highs = [rule for rule in rules if rule.kind == "max"]
    pairs = [(low, high) for low in lows for high in highs if cast(Decimal, low.value) > cast(Decimal, high.value)]
    return pairs[0] if pairs else None


def _source_nodes(root: Section) -> dict[str, Section]:
    """The sources that are mappings, whatever is wrong inside them."""
    sources = root.nodes.get("sources")
    nodes = sources.nodes if isinstance(sources, Section) else {}
    return {name: node for name, node in nodes.items() if isinstance(node, Section)}



_EXACT = Context(prec=200)  # holds any sum of the numbers that mixer.yamls lets through
