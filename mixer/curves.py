"""Quality curves: better documents are repeated more, in buckets of equal units by the rank of a score.

The pool P of a source is the units of its rows that reach the draw and have a score. In order of the score, the worst
first, and of the draw where scores are equal, bucket k of B holds the rows that end within k / B of P, and in no bucket
before: up to and including each of its rows the sum is k P / B or less. Nothing is taken from the first of them, that
share of all that `discard` says. A rank x runs from 0, where they end, to 1 - discard, and of the units at x
f(x) = C x^p e^(g x) are taken, which is how often they are repeated.

1. C is such that T, what the source was allocated, is P times the integral of f.
2. p is the greatest power from 0.01 to 2 with which, at g = 0, the mean of f over the best bucket is max_upsample or
   less; 0.01 where even that is more.
3. g is the greatest growth from 0 to 2 that keeps it so. Below p = 2 that is 0, since the mean grows with either.
4. A bucket's target is P times the integral of f over it, rounded down; where p or g was held back by max_upsample the
   best bucket's is that share of P / B, which is what its integral then is, but for the last digit of p or g.
5. No bucket gives more than max_upsample times its own pool, rounded down. What is over goes to the best bucket that
   has room, what is over there to the next, and so on. What rounding down leaves is given to none.

So more T never takes a document away. While p and g stay, all targets grow with T. Where T grows and p or g falls, the
ratio of the new f to the old falls with x, and over the best bucket their integrals are equal: so it is above 1 up to
some x in that bucket, and no target is less. Then step 5: as no target falls and no bucket's limit moves, what is over
does not fall, nor the room in any bucket grow. So whatever was filled stays filled, and the bucket that what is over
reaches last has its target, which does not fall, and what the full ones leave over, which does not either.

Powers are of 60 digits; p and g are rounded down to 30 places, and so recorded. That moves a target by less than
T 10^-30 of what one unit more of T does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context as Digits
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np

from mixer import draw, quantiles, storage
from mixer.quantiles import MISSING, OUT, Key
from mixer.recipe import Curve, Recipe
from mixer.selection import Context, Grant, Tallies, count, load, order_of, pool_drafts, sizes_of

Array = np.ndarray[Any, np.dtype[Any]]

DIGITS = 60
PLACES = 30  # of what is recorded of p and g
LEAST_POWER, MOST_POWER, MOST_GROWTH = Decimal("0.01"), Decimal(2), Decimal(2)
_CLEAN = Decimal("1e-20")  # a target is rounded to this, then down: a whole number that came out a hair less is one
# A mean that is greater by less is max_upsample itself, computed: without this, where p is a whole number exactly, the
# sixtieth digit would decide whether it fits.
HAIR = Decimal("1e-45")
TERMS = 70  # of the series of e^(g x): 2^70 / 70! is below 10^-78

SCORES, DRAWS = "scores", "draws"  # what rows are ranked by


# ---- the curve itself


@dataclass(frozen=True)
class Fit:
    """What a curve gives of its buckets, the best last."""

    power: Decimal
    growth: Decimal
    allocated: tuple[int, ...]


def discarded(curve: Curve) -> int:
    """How many buckets are not taken from; recipes have a whole number of them."""
    return int(Fraction(curve.discard) * curve.buckets)


def limit(curve: Curve, pools: Sequence[int]) -> int:
    """The most that a source of a curve can give, over these buckets."""
    return int(Fraction(curve.max_upsample) * sum(pools))


def fit(curve: Curve, allocated: int, pool: int, pools: Sequence[int]) -> Fit:
    """What each bucket gives of what was allocated, which is `limit` at most. `pool` is P, and `pools` are the units of
    the buckets that are taken from.
    """
    with localcontext(Digits(prec=DIGITS)):
        if not allocated or not pool:
            return Fit(LEAST_POWER, Decimal(0), (0,) * len(pools))
        # The mean of f over the best bucket is its part of the integral, times this.
        most = Decimal(curve.max_upsample) * pool / (allocated * curve.buckets)
        power, growth, is_held = _shape(curve, most)
        wholes = _integrals(curve, power, growth)
        targets = [int((allocated * (wholes[number + 1] - wholes[number]) / wholes[-1]).quantize(_CLEAN))
                   for number in range(len(pools))]
        if is_held:
            targets[-1] = int(Fraction(curve.max_upsample) * pool / curve.buckets)
    return Fit(power, growth, _within(targets, [int(Fraction(curve.max_upsample) * each) for each in pools]))


def _shape(curve: Curve, most: Decimal) -> tuple[Decimal, Decimal, bool]:
    """(p, g, whether they are held back), so that the best bucket's part of the integral is at most `most`."""

    def fits(power: Decimal, growth: Decimal) -> bool:
        return _best_part(curve, power, growth) <= most + HAIR

    if not fits(LEAST_POWER, Decimal(0)):
        return LEAST_POWER, Decimal(0), False
    if not fits(MOST_POWER, Decimal(0)):
        return _greatest(LEAST_POWER, MOST_POWER, lambda power: fits(power, Decimal(0))), Decimal(0), True
    if not fits(MOST_POWER, MOST_GROWTH):
        return MOST_POWER, _greatest(Decimal(0), MOST_GROWTH, lambda growth: fits(MOST_POWER, growth)), True
    return MOST_POWER, MOST_GROWTH, False


def _greatest(low: Decimal, high: Decimal, fits: Any) -> Decimal:
    """The greatest value of PLACES places that fits: `low` does, `high` does not, and there is one change between."""
    unit = Decimal(1).scaleb(-PLACES)
    one, other = 0, int((high - low) / unit)
    while other - one > 1:
        middle = (one + other) // 2
        if fits(low + middle * unit):
            one = middle
        else:
            other = middle
    return low + one * unit


def _best_part(curve: Curve, power: Decimal, growth: Decimal) -> Decimal:
    """The part of the integral that is over the best bucket."""
    taken = curve.buckets - discarded(curve)
    whole, rest = (_integral(Decimal(number) / curve.buckets, power, growth) for number in (taken, taken - 1))
    return 1 - rest / whole


def _integrals(curve: Curve, power: Decimal, growth: Decimal) -> list[Decimal]:
    """The integrals from 0 to the end of each bucket that is taken from, 0 first; but for C."""
    return [_integral(Decimal(number) / curve.buckets, power, growth)
            for number in range(curve.buckets - discarded(curve) + 1)]


def _integral(x: Decimal, power: Decimal, growth: Decimal) -> Decimal:
    """Of t^p e^(g t) from 0 to x: the sum of g^j / j! x^(p+j+1) / (p+j+1) over j."""
    if not x:
        return Decimal(0)
    total, term = Decimal(0), ((power + 1) * x.ln()).exp()  # ln and exp are rounded correctly everywhere
    for number in range(TERMS if growth else 1):
        total += term / (power + number + 1)
        term = term * growth * x / (number + 1)
    return total


def _within(targets: Sequence[int], caps: Sequence[int]) -> tuple[int, ...]:
    """The targets, none above its cap; what is over goes to the last that have room."""
    given = [min(target, cap) for target, cap in zip(targets, caps, strict=True)]
    over = sum(targets) - sum(given)
    for number in reversed(range(len(given))):
        more = min(over, caps[number] - given[number])
        given[number] += more
        over -= more
    return tuple(given)


# ---- phase 6, for the sources that have a curve


def rank(context: Context) -> tuple[dict[int, int], Tallies]:
    """Ranks the rows of a bin that reach the draw by their source's score, the worst first; the units of each group,
    which is a source by its number in the recipe, and what has no score.
    """
    curves = {number: _curve(context, number) for number in context.sources}
    columns = {number: curve.column for number, curve in curves.items() if curve is not None}
    totals, missing = quantiles.rank(context, SCORES, pool_drafts(context), columns, "min")
    return totals, {(source, "curve missing", ""): sizes for source, sizes in missing.items()}


def targets(recipe: Recipe, totals: Mapping[int, int]) -> dict[int, list[int]]:
    """The units of each group up to the end of each of its buckets but the last."""
    found = {}
    for group, total in totals.items():
        curve = recipe.sources[group].curve
        assert curve is not None
        found[group] = [number * total // curve.buckets for number in range(1, curve.buckets)]
    return found


def split(ends: Mapping[int, Sequence[Key | None]], context: Context) -> Tallies:
    """Ranks the rows of a bin by their draw, those of each bucket together, as the group that `group_of` says; what is
    in each bucket.
    """
    tallies: Tallies = {}
    ranks = quantiles.Ranks(context, SCORES)
    parts = []
    for number, place in ranks.slices():
        source, curve = context.sources[number], _curve(context, number)
        group = ranks.group[place]
        if curve is None:
            nothing = np.zeros(len(group), np.int64)
            parts.append((nothing + OUT, nothing, nothing))
            continue
        table = load(context, number, [])
        sizes = sizes_of(context.recipe, table)
        keys = [ranks.key[place], *order_of(context, table)]
        mine = [end for each, found in ends.items() if context.recipe.sources[each].name == source
                for end in found if end is not None]
        bucket = _passed(keys, mine) - discarded(curve)
        count(tallies, (source, "curve discarded", ""), sizes[(group >= 0) & (bucket < 0)])
        for taken in np.unique(bucket[(group >= 0) & (bucket >= 0)]).tolist():
            count(tallies, (source, "curve bucket", str(taken)), sizes[(group >= 0) & (bucket == taken)])
        into = np.where(bucket < 0, MISSING, group_of(group, bucket))
        parts.append((np.where(group < 0, group, into), keys[1], sizes[:, 1]))
    quantiles.put(context, DRAWS, parts)
    return tallies


def _passed(keys: list[Array], ends: Sequence[Key]) -> Array:
    """int64: how many of these ends, which are in order, each row comes at or after."""
    first = np.array([end[0] for end in ends], np.uint64)
    found = np.searchsorted(first, keys[0], side="left")
    tied = np.flatnonzero(np.searchsorted(first, keys[0], side="right") > found)  # few, but for equal scores
    same = [key[tied] for key in keys]
    for end in ends:
        found[tied] += (same[0] == np.uint64(end[0])) & ~draw.below(same, end)
    return found


def group_of(source: Any, bucket: Any) -> Any:
    """The number of a bucket, from 0, of a source, by its number in the recipe, among all buckets of all sources."""
    return source * BUCKETS + bucket


BUCKETS = 1 << 10  # more than any curve has


def grant(grants: Mapping[int, Grant], context: Context) -> None:
    """Writes how many copies each row of a bin has by its source's curve, as selection.select reads them: -1 where the
    curve leaves it out, 0 where its source has none.
    """
    ranks = quantiles.Ranks(context, DRAWS)
    copies = []
    for number, place in ranks.slices():
        group = ranks.group[place]
        found = np.where(group == MISSING, -1, 0).astype(np.int32)
        if _curve(context, number) is not None:
            keys = order_of(context, load(context, number, []))
            for each in np.unique(group[group >= 0]).tolist():
                mine = group == each
                found[mine] = grants[each].copies + draw.below([key[mine] for key in keys], grants[each].cutoff)
        copies.append(found)
    with storage.writer(context.curved_uri()) as out:
        np.save(out, np.concatenate(copies))


def _curve(context: Context, number: int) -> Curve | None:
    return None if context.is_reference(number) else context.recipe.source(context.sources[number]).curve
