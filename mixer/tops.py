"""Phase 2 of a plan: of each source the rows with the greatest values, up to a share of the units of what is left.

A source's rules of this kind apply one after the other, each among what those before it leave; the first ones of all
sources are one step, and so on. Of a step there are two phases, and between them the search for where the shares end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from mixer import draw, quantiles
from mixer.quantiles import MISSING, Key
from mixer.recipe import Recipe, Rule
from mixer.selection import (
    Context,
    Drafts,
    Following,
    Part,
    Tallies,
    after_top,
    count,
    load,
    order_of,
    sizes_of,
)

Array = np.ndarray[Any, np.dtype[Any]]


def ranked_as(step: int) -> str:
    """The name under which a step ranks rows."""
    return f"top-{step}"


def rank(step: int, context: Context) -> dict[int, int]:
    """Ranks the rows of a bin by the column of their source's rule, the greatest value first; the units of each group,
    which is a source by its number in the recipe.
    """
    rules = {number: _rule(context.recipe, source, step) for number, source in context.sources.items()
             if not context.is_reference(number)}
    columns = {number: rule.column for number, rule in rules.items() if rule is not None}
    drafts = Drafts(context, after_top(context, step))
    return quantiles.rank(context, ranked_as(step), drafts, columns, "max")[0]


def targets(recipe: Recipe, step: int, parts: Sequence[Mapping[int, int]]) -> dict[int, list[int]]:
    """How many units of each group may stay."""
    found = {}
    for number, source in enumerate(recipe.sources):
        rule = _rule(recipe, source.name, step)
        if rule is not None and any(number in part for part in parts):
            assert isinstance(rule.value, Decimal)
            total = sum(part.get(number, 0) for part in parts)
            found[number] = [int(Fraction(rule.value) * total)]  # neither is below 0, so this rounds down
    return found


def drop(step: int, ends: Mapping[int, Key | None], context: Context) -> Part:
    """Draft of the bin without the rows from the end of their group on, and without those that have no value."""
    tallies: Tallies = {}
    after = after_top(context, step + 1)
    with ExitStack() as stack:
        following = Following(stack, context, after, tallies)
        drafts, ranks = Drafts(context, after_top(context, step)), quantiles.Ranks(context, ranked_as(step))
        for number, place in ranks.slices():
            source = context.sources[number]
            table = load(context, number, context.columns_of(0, number) if after == 0 else [])
            draft, group = drafts.next(len(table)), ranks.group[place]
            if context.is_reference(number):
                following.take(number, draft, table)
                continue
            sizes = sizes_of(context.recipe, table)
            rule = _rule(context.recipe, source, step)
            if rule is not None:
                missing = group == MISSING
                gone = missing | _past(ends, group, [ranks.key[place], *order_of(context, table)])
                draft[gone] = context.reason_numbers[rule.text]
                count(tallies, (source, "top dropped", rule.text), sizes[gone])
                count(tallies, (source, "top missing", rule.text), sizes[missing])
            if after == 0:
                count(tallies, (source, "kept", ""), sizes[draft == 0])
            following.take(number, draft, table)
        return following.finish()


def _past(ends: Mapping[int, Key | None], group: Array, keys: list[Array]) -> Array:
    """bool: the rows that come at the end of their group or after it."""
    found = np.zeros(len(group), bool)
    for each, end in ends.items():
        if end is not None:
            found |= (group == each) & ~draw.below(keys, end)
    return found


def _rule(recipe: Recipe, source: str, step: int) -> Rule | None:
    rules = recipe.tops_for(source)
    return rules[step] if step < len(rules) else None
