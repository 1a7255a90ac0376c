"""Examples: documents that a reason of a plan drops, and those that come nearest to it and stay.

Of a bound they are chosen by nearness: the best of what `min` drops and of what it keeps the worst. Of other reasons by
the order of the draw, so that they are some of all and the same wherever they are looked for. One pass over the bins of
a plan; each gives its few best. Decided by sidecars and selections; texts are read of those alone that are shown.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import draw, sidecars
from mixer.errors import BadInput
from mixer.recipe import Rule
from mixer.selection import NOT_DRAWN, Context, load, method_text
from mixer.sidecars import fixed_bytes

Array = np.ndarray[Any, np.dtype[Any]]

NEAREST, FURTHEST, KEPT, DROPPED, MISSING = (
    "dropped, the nearest to the bound", "dropped, the furthest from it", "kept, the nearest to the bound",
    "dropped, in order of the draw", "dropped without a value, in order of the draw")
KEPT_BY_DRAW = "kept, in order of the draw"
LAST = "kept, the last of the draw"
NAMES = (NEAREST, FURTHEST, DROPPED, KEPT, KEPT_BY_DRAW, LAST, MISSING)

# (number that orders the group, draw, identity), slice, row, value: of two the lesser is the better example.
Example = tuple[tuple[Any, int, bytes], int, int, Any]
# By source, "" for those of all sources together, and name.
Groups = dict[tuple[str, str], list[Example]]


@dataclass(frozen=True)
class Asked:
    """A reason of a plan, and what has to be known of it to choose examples."""

    reason: str
    number: int  # of the reason
    past: int  # what has a greater number, or none, has passed the phase of this one
    sources: tuple[str, ...]  # of the recipe, that have it
    column: str | None  # that it looks at
    best: str | None  # of a bound: "max" where greater values are kept, "min" where lesser ones are
    method: int | None = None  # of a dedup method its number
    by_source: bool = False  # whether its bound is another in each source


def asked(context: Context, words: str) -> list[Asked]:
    """What these words mean: a reason as the funnel prints it, or some words of it, such as a column; BadInput, with
    what is near, where no reason has them.
    """
    wanted = words.split()
    every = list(context.reasons[1:])
    found = [reason for reason in every if reason.split() == wanted] or \
        [reason for reason in every if wanted and _within(wanted, reason.split())]
    if found:
        return [_asked(context, reason) for reason in found]
    asked_for = " ".join(wanted)
    names = {word: reason for reason in every for word in reason.split()[:2] if set(word) & set(".@")}
    near = [reason for reason in every if asked_for and asked_for in reason][:3] or \
        difflib.get_close_matches(asked_for, {**names, **{each: each for each in every}}, 1, 0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it drops by {'; '.join(every)}"
    raise BadInput(f"{words}: no rule, dedup method or other reason of this recipe is called so; {hint}")


def best(questions: Sequence[Asked], most: int, context: Context) -> list[Groups]:
    """Of each question the best examples in a bin, at most so many of each group."""
    found: list[Groups] = [{} for _ in questions]
    for number, source in context.sources.items():
        here = [(question, groups) for question, groups in zip(questions, found, strict=True)
                if source in question.sources]
        if not here:
            continue
        reasons = np.asarray(sidecars.read(context.selection_uri(number), ["reason"])[0].column("reason"))
        columns = sorted({question.column for question, _ in here if question.column is not None})
        table = load(context, number, columns)
        identities = fixed_bytes(table.column("identity"))
        draws = draw.draws(context.recipe.seed, "draw", identities)
        for question, groups in here:
            values = None if question.column is None else table.column(question.column).combine_chunks()
            for name, where, order in _groups(question, reasons, values, draws):
                mine = _least(np.flatnonzero(where), order, draws, identities, values, number, most)
                of = (source if question.by_source else "", name)
                groups[of] = heapq.nsmallest(most, [*groups.get(of, []), *mine], key=_key)
    return found


def merged(parts: Iterable[Sequence[Groups]], most: int) -> list[Groups]:
    """The best of all bins. What is among the nearest is not among the furthest as well."""
    whole: list[Groups] = []
    for part in parts:
        whole += [{} for _ in part[len(whole) :]]
        for groups, more in zip(whole, part, strict=True):
            for name, examples in more.items():
                groups[name] = heapq.nsmallest(most, [*groups.get(name, []), *examples], key=_key)
    for groups in whole:
        near = {example[1:3] for (_, name), examples in groups.items() if name == NEAREST for example in examples}
        for of, examples in groups.items():
            if of[1] == FURTHEST:
                groups[of] = [example for example in examples if example[1:3] not in near]
    return [{of: groups[of] for of in sorted(groups, key=_place) if groups[of]} for groups in whole]


def _place(of: tuple[str, str]) -> tuple[str, int]:
    return of[0], NAMES.index(of[1])


def _within(part: Sequence[str], whole: Sequence[str]) -> bool:
    return any(list(whole[at : at + len(part)]) == list(part) for at in range(len(whole)))


def _asked(context: Context, reason: str) -> Asked:
    recipe, numbers = context.recipe, context.reason_numbers
    names = tuple(source.name for source in recipe.sources)
    for of in (recipe.rules_for, recipe.tops_for):
        having = tuple(name for name in names if reason in [rule.text for rule in of(name)])
        if having:
            rule = next(rule for rule in of(having[0]) if rule.text == reason)
            past = max(numbers[each.text] for name in names for each in (*recipe.rules_for(name), *of(name)))
            return Asked(reason, numbers[reason], past, having, rule.column, _best(rule), by_source=rule.kind == "top")
    methods = [number for number, method in enumerate(recipe.dedup) if method_text(method) == reason]
    if methods:
        return Asked(reason, numbers[reason], len(context.reasons), names, None, None, methods[0])
    for phase in ("sample", "curve"):
        of_phase = {source.name: getattr(source, phase) for source in recipe.sources
                    if getattr(source, phase) is not None}
        having = tuple(name for name, each in of_phase.items() if each.text == reason)
        if having:
            past = max(numbers[each.text] for each in of_phase.values())
            return Asked(reason, numbers[reason], past, having, of_phase[having[0]].column, None)
    edited = tuple(name for name in names if reason in [edit.text for edit in recipe.edits_for(name)])
    past = numbers[reason] if reason == NOT_DRAWN else len(context.reasons)
    return Asked(reason, numbers[reason], past, edited or names, None, None)


def _best(rule: Rule) -> str | None:
    return {"min": "max", "top": "max", "max": "min"}.get(rule.kind)


def _groups(
    question: Asked, reasons: Array, values: pa.Array | None, draws: Array
) -> list[tuple[str, Array, Array | None]]:
    """(name, which rows, what orders them, less is better) of each group; None is the order of the draw."""
    dropped = reasons == question.number
    kept = (reasons == 0) | (reasons > question.past)
    if values is None:  # what is kept for want of spans or copies is all the rest, and shows nothing
        return [(DROPPED, dropped, None), *([(LAST, kept, ~draws)] if question.reason == NOT_DRAWN else [])]
    missing = np.asarray(values.is_null())
    if question.best is None:
        return [(DROPPED, dropped & ~missing, None), (MISSING, dropped & missing, None), (KEPT_BY_DRAW, kept, None)]
    numbers = np.asarray(values.fill_null(0))
    better = ~numbers if numbers.dtype.kind == "i" else -numbers  # less is better, and nothing is lost of an integer
    nearest, furthest = (better, numbers) if question.best == "max" else (numbers, better)
    if numbers.dtype.kind == "f":  # no number at all is further than any
        furthest = np.where(np.isnan(numbers), -np.inf, furthest)
    return [(NEAREST, dropped & ~missing, nearest), (FURTHEST, dropped & ~missing, furthest),
            (KEPT, kept & ~missing, furthest), (MISSING, dropped & missing, None)]


def _least(rows: Array, order: Array | None, draws: Array, identities: Array, values: pa.Array | None, number: int,
           most: int) -> list[Example]:
    """The first of these rows in this order, and of equals in that of the draw."""
    keys = [draws[rows]] if order is None else [draws[rows], order[rows]]
    chosen = rows[np.lexsort(keys)[:most]] if len(rows) else rows
    found: list[Example] = []
    for row in chosen.tolist():
        key = 0 if order is None else _ordered(order[row].item())
        value = None if values is None else values[row].as_py()
        found.append(((key, int(draws[row]), identities[row].tobytes()), number, row, value))
    return found


def _ordered(value: Any) -> Any:
    """A number that compares: what is none comes last."""
    return float("inf") if value != value else value


def _key(example: Example) -> tuple[Any, int, bytes]:
    return example[0]


def rows_of(groups: Iterable[Groups]) -> dict[int, list[int]]:
    """By slice the rows that are shown, sorted."""
    found: dict[int, set[int]] = {}
    for each in groups:
        for examples in each.values():
            for _, number, row, _ in examples:
                found.setdefault(number, set()).add(row)
    return {number: sorted(rows) for number, rows in sorted(found.items())}
