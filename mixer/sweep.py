"""Sweep: what each threshold on a column would keep, of each source, from sidecars alone.

Two passes over the bins of a plan. The first finds where to look: quantiles of the rows whose draw values are lowest in
each bin, rounded to two digits, and the recipe's own bounds. The second counts exactly. Rows are those that pass all
rules but those on the column; dedup and the draw come later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import draw, rules
from mixer.recipe import Recipe
from mixer.selection import Context, load, sizes_of
from mixer.sidecars import fixed_bytes

Array = np.ndarray[Any, np.dtype[Any]]

SAMPLE = 1024  # rows of each bin that the thresholds are chosen from
QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MOST_VALUES = 10_000  # of a column of text that a bin tells apart; what is rarer is counted together
OTHERS = "\0others"


@dataclass(frozen=True)
class Swept:
    """What a column's values would keep of one source; every array is int64 of (documents, units, text bytes)."""

    whole: Array  # shape (3,): of the rows that pass all other rules
    missing: Array  # shape (3,): of those without a value, which no threshold keeps
    at_least: Array  # shape (thresholds, 3): kept by a `min` of that threshold; empty for text
    at_most: Array  # shape (thresholds, 3): kept by a `max` of it
    values: Mapping[str, Array]  # for text and true or false: of each value, shape (3,)


def sampled(column: str, context: Context) -> Array:
    """Values of a numeric column, float64, in some rows of a bin: those with the lowest draw values."""
    found, order = [], []
    for number in context.paths:
        table = load(context, number, [column])
        known = ~np.asarray(table.column(column).combine_chunks().is_null())
        found.append(np.asarray(table.column(column).fill_null(0), np.float64)[known])
        order.append(draw.draws(context.recipe.seed, "sweep", fixed_bytes(table.column("identity")))[known])
    values = np.concatenate(found)
    return values[np.argsort(np.concatenate(order), kind="stable")[:SAMPLE]]


def thresholds(recipe: Recipe, column: str, parts: Sequence[Array], whole: bool) -> list[int | Decimal]:
    """Where to look, ascending: quantiles of all samples to two digits, and the bounds of the recipe's own rules."""
    values = np.concatenate([*parts, np.empty(0)])
    values = values[np.isfinite(values)]
    found: set[int | Decimal] = {rule.value for rule in _rules_on(recipe, column) if rule.kind in ("min", "max")
                                 and isinstance(rule.value, int | Decimal)}
    for each in np.quantile(values, QUANTILES, method="inverted_cdf") if len(values) else ():
        found.add(_two_digits(float(each), whole))
    return sorted(found)


def count(column: str, at: Sequence[int | Decimal], context: Context) -> dict[str, Swept]:
    """By source what each threshold keeps of the rows of a bin."""
    found: dict[str, Swept] = {}
    for number, source in context.sources.items():
        others = [rule for rule in context.recipe.rules_for(source) if rule.column != column]
        table = load(context, number, [column, *(rule.column for rule in others)])
        alive = np.ones(table.num_rows, bool)
        for rule in others:
            alive &= rules.passes(rule, table.column(rule.column).combine_chunks())[0]
        values = table.column(column).combine_chunks().filter(pa.array(alive))
        sizes = sizes_of(context.recipe, table)[alive]
        missing = np.asarray(values.is_null())
        known, weights = values.filter(pa.array(~missing)), sizes[~missing]
        if pa.types.is_string(values.type) or pa.types.is_boolean(values.type):
            kept = Swept(sizes.sum(axis=0), sizes[missing].sum(axis=0), _none(0), _none(0), _by_value(known, weights))
        else:
            numbers = np.asarray(known)
            bounds = np.array([numbers.dtype.type(each) for each in at], numbers.dtype)  # as rules compare
            kept = Swept(sizes.sum(axis=0), sizes[missing].sum(axis=0), _sums(numbers, weights, bounds, "min"),
                         _sums(numbers, weights, bounds, "max"), {})
        found[source] = _added(found[source], kept) if source in found else kept
    return found


def merged(parts: Sequence[Mapping[str, Swept]]) -> dict[str, Swept]:
    """The sum of what was counted of all bins."""
    whole: dict[str, Swept] = {}
    for part in parts:
        for source, each in part.items():
            whole[source] = _added(whole[source], each) if source in whole else each
    return whole


def _rules_on(recipe: Recipe, column: str) -> list[Any]:
    return [rule for source in recipe.sources for rule in recipe.rules_for(source.name) if rule.column == column]


def _two_digits(value: float, whole: bool) -> int | Decimal:
    rounded = Decimal(f"{value:.2g}")
    return int(rounded) if whole else rounded.normalize() + 0


def _sums(numbers: Array, weights: Array, bounds: Array, kind: str) -> Array:
    """Shape (bounds, 3): the weights of the numbers that a rule of this kind with each bound keeps."""
    if not len(bounds):
        return _none(0)
    good = ~np.isnan(numbers) if numbers.dtype.kind == "f" else np.ones(len(numbers), bool)
    numbers, weights = numbers[good], weights[good]  # no comparison holds for what is not a number
    place = np.searchsorted(bounds, numbers, side="right" if kind == "min" else "left")
    sums = np.zeros((len(bounds) + 1, 3), np.int64)
    np.add.at(sums, place, weights)
    if kind == "min":
        return np.cumsum(sums[::-1], axis=0)[::-1][1:].copy()
    return np.cumsum(sums, axis=0)[:-1]


def _by_value(values: pa.Array, weights: Array) -> dict[str, Array]:
    encoded = values.dictionary_encode()
    sums = np.zeros((len(encoded.dictionary), 3), np.int64)
    np.add.at(sums, np.asarray(encoded.indices), weights)
    names = [str(each).lower() if isinstance(each, bool) else each for each in encoded.dictionary.to_pylist()]
    return _capped(dict(zip(names, sums, strict=True)))


def _capped(values: dict[str, Array]) -> dict[str, Array]:
    if len(values) <= MOST_VALUES:
        return values
    by = sorted(values, key=lambda name: (-int(values[name][1]), name))
    rest = sum((values[name] for name in by[MOST_VALUES:]), np.zeros(3, np.int64))
    kept = {name: values[name] for name in by[:MOST_VALUES]}
    return {**kept, OTHERS: kept.get(OTHERS, np.zeros(3, np.int64)) + rest}


def _added(one: Swept, other: Swept) -> Swept:
    values = {name: one.values.get(name, np.zeros(3, np.int64)) + other.values.get(name, np.zeros(3, np.int64))
              for name in {**one.values, **other.values}}
    return Swept(one.whole + other.whole, one.missing + other.missing, one.at_least + other.at_least,
                 one.at_most + other.at_most, _capped(values))


def _none(size: int) -> Array:
    return np.zeros((size, 3), np.int64)
