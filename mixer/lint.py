"""Lint: what a valid recipe had better not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mixer import licenses, published, yamls
from mixer.errors import Mistake, SoleraError
from mixer.notes import Notes, line_of
from mixer.recipe import Recipe, Rule, Source, shown
from mixer.recipe_reference import USUAL_EPOCHS
from mixer.yamls import Node
from taggers import registry
from taggers.declare import SHA256


def warnings(recipe: Recipe, file: str = "", text: bytes | None = None) -> list[Mistake]:
    """What a valid recipe had better not say, in the order of its lines; [] if nothing. `text`: see `judge`."""
    return judge(recipe, file, text=text)[0]


def judge(
    recipe: Recipe, file: str = "", counts: Sequence[Mapping[str, Any]] | None = None, text: bytes | None = None
) -> tuple[list[Mistake], list[Mistake]]:
    """The warnings, and what could not be judged, which is no fault of the recipe; each in the order of its lines.

    `counts` are those of the recipe's last plan, as plan.json has them, of which there are warnings, too. `text` is
    what stands in the file, where the recipe was made of that.
    """
    root, _ = yamls.read(recipe.text if text is None else text, file)
    notes, remarks = Notes(file, []), Notes(file, [])
    for check in CHECKS:
        check(notes, root, recipe)
    if counts is not None:
        _check_counts(notes, root, recipe, counts)
    _check_unknown_licenses(remarks, root, recipe)
    return _sorted(notes.mistakes), _sorted(remarks.mistakes)


def _sorted(mistakes: Sequence[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda mistake: mistake.line)


Check = Callable[[Notes, Node, Recipe], None]


def _check_epochs(notes: Notes, root: Node, recipe: Recipe) -> None:
    found: list[tuple[tuple[str, ...], Decimal | None]] = [(("policy", "max_epochs"), recipe.policy.max_epochs)]
    for source in recipe.sources:
        at = ("sources", source.name)
        found.append(((*at, "max_epochs"), source.max_epochs))
        found.append(((*at, "curve", "max_upsample"), None if source.curve is None else source.curve.max_upsample))
    for place, epochs in found:
        if epochs is not None and epochs > USUAL_EPOCHS:
            message = f"more than {USUAL_EPOCHS} epochs: further repeats add less and less"
            notes.add(line_of(root, *place), place, shown(epochs), message, "lower it, or be sure of it")


def _check_caps(notes: Notes, root: Node, recipe: Recipe) -> None:
    """Caps that never bind, or that no pools whatever can meet, as far as the recipe alone shows it."""
    is_all = recipe.policy.kind == "proportional" and recipe.budget is None
    for source in recipe.sources:
        at, epochs = ("sources", source.name, "max_epochs"), source.max_epochs
        if epochs is None:
            continue
        line, most = line_of(root, *at), _most_of_curve(source)
        if is_all and epochs < 1 and recipe.on_shortfall == "error":
            notes.add(line, at, shown(epochs), "cannot be met: without a budget, all there is of each source is asked "
                      "for", "name a budget, or write `on_shortfall: redistribute`")
        if recipe.policy.max_epochs is not None and epochs >= recipe.policy.max_epochs:
            notes.add(line, at, shown(epochs), f"never decides, since the policy has {shown(recipe.policy.max_epochs)}",
                      "lower it, or remove it")
        elif most is not None and epochs >= most:
            notes.add(line, at, shown(epochs), f"never decides, since the curve gives {shown(most)} at most: "
                      "max_upsample of what it does not discard", "lower it, or remove it")
    caps = [source.max_epochs for source in recipe.sources]
    if is_all and recipe.on_shortfall == "redistribute" and all(cap is not None and cap < 1 for cap in caps):
        notes.add(line_of(root, "sources"), "sources", "", "their max_epochs cannot be met: without a budget, all "
                  "there is is asked for, and every source gives less", "name a budget, or raise one of them")
    least = sum((Fraction(source.min_weight or 0) for source in recipe.sources), Fraction(0))
    if least == 1 and recipe.policy.kind != "fixed":
        notes.add(line_of(root, "sources"), "sources", "", f"the least weights sum to 1, so that policy "
                  f"{recipe.policy.kind} decides nothing", "lower one, or write them as weights of policy fixed")


def _most_of_curve(source: Source) -> Decimal | None:
    return None if source.curve is None else source.curve.max_upsample * (1 - source.curve.discard)


def _check_weights(notes: Notes, root: Node, recipe: Recipe) -> None:
    for source in recipe.sources:
        if source.weight == 0:
            at = ("sources", source.name, "weight")
            notes.add(line_of(root, *at), at, "0", "nothing of this source is taken",
                      "remove the source, unless it is there for dedup")


def _check_licenses(notes: Notes, root: Node, recipe: Recipe) -> None:
    own = None if recipe.license is None else licenses.obligations(recipe.license)
    asking = []
    for source in recipe.sources:
        at = ("sources", source.name, "about", "license")
        named = source.about.get("license")
        if named is None and source.shards:
            notes.add(line_of(root, *at), at, "", "missing",
                      "name the license its documents are under, or say that it is not known")
        asks = None if named is None else licenses.obligations(named)
        if named is None or asks is None or source.weight == 0:
            continue
        lost = licenses.dropped(asks, frozenset() if own is None else own)
        if own is not None and lost:
            notes.add(line_of(root, *at), at, named, f"{licenses.ASKS[lost[0]]}, which the mixture's own "
                      f"{recipe.license} does not pass on", "change the recipe's license, or leave the source out")
        if recipe.license is None and set(lost) - {licenses.ATTRIBUTION}:
            asking.append(f"{named} of {source.name} {licenses.ASKS[lost[0]]}")
    if asking:
        notes.add(root.line, "license", "", f"missing, and {'; '.join(asking)}", "name the mixture's own license")


def _check_unknown_licenses(notes: Notes, root: Node, recipe: Recipe) -> None:
    """All at once: what is free text for one source is so for many."""
    unknown: list[tuple[tuple[str, ...], str]] = []
    if recipe.license is not None and licenses.obligations(recipe.license) is None:
        unknown.append((("license",), recipe.license))
    for source in recipe.sources:
        named = source.about.get("license")
        if named is not None and licenses.obligations(named) is None:
            unknown.append((("sources", source.name, "about", "license"), named))
    if unknown:
        places = ", ".join(".".join(at) for at, _ in unknown)
        notes.add(line_of(root, *unknown[0][0]), unknown[0][0], unknown[0][1],
                  "no SPDX name of a license that is known here, so it was not judged",
                  f"nor was {places.partition(', ')[2]}" if len(unknown) > 1 else "")


def _check_dedup(notes: Notes, root: Node, recipe: Recipe) -> None:
    if recipe.prefer_by is not None and not recipe.dedup:
        notes.add(line_of(root, "prefer_by"), "prefer_by", "", "nothing to choose between: no `dedup` says which "
                  "documents are the same", "add one, or remove this")


def _check_taggers(notes: Notes, root: Node, recipe: Recipe) -> None:
    used = {use.name for use in recipe.uses()}
    for use in recipe.taggers:
        at = ("taggers", use.name)
        if use.name not in used:
            notes.add(line_of(root, *at), at, "", "no rule uses this tagger", "remove it")
        if use.file is not None and use.sha256 is None and all(source.shards for source in recipe.sources):
            assert use.tagger.file is not None
            notes.add(line_of(root, *at, use.tagger.file), (*at, use.tagger.file), "",
                      f"a {use.tagger.file} without its sha256",
                      f"add `{SHA256}: …`, or another file in its place makes another mixture")


def _check_rules(notes: Notes, root: Node, recipe: Recipe) -> None:
    """Rules that decide nothing: their column has no such value, or another rule of it is stricter."""
    for at, rule, others in _rules(recipe):
        line, remedy = line_of(root, *at), "remove it, or make it stricter"
        if _is_empty(rule):
            notes.add(line, at, shown(rule.value), "drops nothing but what is missing", remedy)
            continue
        stricter = next((other for other in others if implies(other, rule)), None)
        if stricter is not None:
            notes.add(line, at, shown(rule.value), f"never decides: what passes {stricter.text} passes it", remedy)


def _rules(recipe: Recipe) -> Iterator[tuple[tuple[str, ...], Rule, list[Rule]]]:
    """Each rule with its place, and the others that what it judges has to pass, of its column."""
    shared = _by_column(recipe.keep)
    for rule in recipe.keep:
        yield ("keep", rule.column, rule.kind), rule, [other for other in shared[rule.column] if other is not rule]
    for source in recipe.sources:
        own = _by_column(source.keep)
        for rule in source.keep:
            yield ("sources", source.name, "keep", rule.column, rule.kind), rule, [
                other for other in (*shared.get(rule.column, ()), *own[rule.column]) if other is not rule]


def _by_column(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.column, []).append(rule)
    return found


def _is_empty(rule: Rule) -> bool:
    """Whether every value there can be passes, as far as the column's declaration says."""
    if rule.kind == "top":
        return rule.value == 1
    found = registry.find_column(rule.column)
    if found is None or isinstance(rule.value, tuple | str):
        return False
    if found.column.type == "float64":
        return rule.kind == "min" and found.column.unit in ("share", "probability") and rule.value <= 0
    if found.column.type != "int64":
        return False
    is_count = found.tagger is registry.DOCUMENT or found.column.unit not in ("hash", "yes or no")
    if rule.kind == "min":
        return is_count and rule.value <= 0
    return rule.kind == "max" and rule.column == "document.slice" and rule.value >= registry.SLICES - 1


def implies(one: Rule, other: Rule) -> bool:
    """Whether every value that passes one rule passes another of the same column."""
    if one.kind == "top" or other.kind == "top":
        return False
    if one.kind in ("is", "in"):
        return all(_passes(other, value) for value in _values(one))
    if other.kind == "not_in":
        return all(not _passes(one, value) for value in _values(other))
    return one.kind == other.kind and one.kind in ("min", "max") and _passes(other, one.value)


def _passes(rule: Rule, value: Any) -> bool:
    bound: Any = rule.value
    if rule.kind == "min":
        return bool(value >= bound)
    if rule.kind == "max":
        return bool(value <= bound)
    return (value in _values(rule)) != (rule.kind == "not_in")


def _values(rule: Rule) -> tuple[Any, ...]:
    return rule.value if isinstance(rule.value, tuple) else (rule.value,)


def _check_holdout(notes: Notes, root: Node, recipe: Recipe) -> None:
    for split in recipe.holdout:
        at = ("holdout", split.name, "share")
        if split.share == 1:
            notes.add(line_of(root, *at), at, "1", "everything is held out, and nothing is left", "lower it")
        elif split.share == 0:
            notes.add(line_of(root, *at), at, "0", "nothing is held out", "raise it, or remove the split")


def _check_stages(notes: Notes, root: Node, recipe: Recipe) -> None:
    from mixer import stages

    for stage in recipe.stages:
        at = ("stages", stage.name, "recipe")
        try:
            other = stages.of_training(recipe, notes.file, stage)
        except SoleraError as error:
            notes.add(line_of(root, *at), at, stage.recipe, str(error).replace("\n", "; "), "correct it, or the path")
            continue
        if (other.unit, other.counter) != (recipe.unit, recipe.counter):
            notes.add(line_of(root, *at), at, stage.recipe, f"counts {_unit(other)}, and this recipe {_unit(recipe)}: "
                      "what the stages take does not add up", "give both the same unit")


def _unit(recipe: Recipe) -> str:
    return recipe.unit if recipe.counter is None else f"{recipe.unit} by {recipe.counter}"


SCORED = ("share", "probability", "score")


def _check_samples(notes: Notes, root: Node, recipe: Recipe) -> None:
    """A sample takes a score for a probability."""
    for source in recipe.sources:
        found = None if source.sample is None else recipe.find_column(source.sample.column)
        if source.sample is not None and found is not None and found.column.unit not in SCORED:
            at = ("sources", source.name, "sample", "column")
            notes.add(line_of(root, *at), at, source.sample.column,
                      f"counts {found.column.unit}: all documents of 1 or more are kept, and those of 0 or less "
                      f"{'rarely' if source.sample.rule == 'pareto' else 'never'}", "name a column from 0 to 1")


# Each adds what it finds.
CHECKS: tuple[Check, ...] = (
    _check_epochs, _check_caps, _check_weights, _check_licenses, _check_dedup, _check_taggers, _check_rules,
    _check_samples, _check_holdout, _check_stages, published.inconsistencies,
)


# ---- what a plan shows


def _check_counts(notes: Notes, root: Node, recipe: Recipe, counts: Sequence[Mapping[str, Any]]) -> None:
    by_source = {count["source"]: count for count in counts}
    for rule in recipe.keep:
        own = [_dropped(count, rule) for count in counts]
        if not any(own):
            at = ("keep", rule.column, rule.kind)
            notes.add(line_of(root, *at), at, shown(rule.value), "drops nothing in the last plan", "be sure of it")
    for source in recipe.sources:
        count = by_source[source.name]
        for rule in recipe.keep + source.keep:
            is_shared = rule in recipe.keep
            at = (*(() if is_shared else ("sources", source.name)), "keep", rule.column, rule.kind)
            docs, of = _dropped(count, rule), count["read"]["docs"]
            if of and docs == of:
                notes.add(line_of(root, *at), at, shown(rule.value), f"drops all {of:,} documents of {source.name} in "
                          "the last plan", "loosen it")
            elif not docs and not is_shared:
                notes.add(line_of(root, *at), at, shown(rule.value), "drops nothing in the last plan", "be sure of it")
        _check_amounts(notes, root, source, count)


def _dropped(count: Mapping[str, Any], rule: Rule) -> int:
    """Documents of a source that fail a rule."""
    kind, what = ("tops", "dropped") if rule.kind == "top" else ("rules", "own")
    return sum(int(each[what]["docs"]) for each in count[kind] if each["rule"] == rule.text)


def _check_amounts(notes: Notes, root: Node, source: Source, count: Mapping[str, Any]) -> None:
    at, pool, emitted = ("sources", source.name), count["pool"]["units"], count["emitted"]["units"]
    if count["capped"]:
        where = (*at, "max_epochs")
        notes.add(line_of(root, *where), where, "" if source.max_epochs is None else shown(source.max_epochs),
                  f"has decided: {count['requested']:,} were asked for in the last plan, and a pool of {pool:,} gives "
                  f"{count['cap']:,}", "raise the cap, lower the weight, or loosen the rules")
    if pool and emitted > USUAL_EPOCHS * pool:
        notes.add(line_of(root, *at), at, f"{emitted / pool:.1f}", f"more than {USUAL_EPOCHS} epochs in the last plan: "
                  "further repeats add less and less", "lower its share, or set max_epochs")
