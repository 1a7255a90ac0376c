"""How many units each source gives, exactly: fractions until the last step, and integers that sum to the budget.

1. A source's part is its weight; under policy proportional its pool; under temperature its pool^(1/tau), rounded once
   to 50 digits; under unimax 1.
2. Each source is to have clamp(level x part, low, high), with the one level at which these sum to the budget. Low is
   min_weight of the budget, rounded up; high is the least of its caps, each rounded down. Where both cannot be, high
   wins.
3. `requested` is that with what belongs to the policy: min_weight, and the max_epochs of unimax. `allocated` is the
   same with all caps: the source's own max_epochs, and the further limits that a plan knows of.
4. The amounts are rounded to integers with the same sum by largest remainder, ties to the name that sorts first. Low
   and high are integers, so that they hold after rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal

from mixer.errors import BadInput
from mixer.recipe import Policy, shown

PLACE = "sources"  # of errors: what in a recipe they are of


@dataclass(frozen=True)
class Share:
    """What one source gives, in units of the recipe."""

    source: str
    part: str | None  # of policy temperature: the 50 digits of pool^(1/tau) that all else follows from
    requested: int  # what the policy asks for, before the source's own caps
    allocated: int
    cap: int | None  # None: may be repeated without limit
    capped: bool  # whether the cap decided `allocated`


def allocate(
    policy: Policy,
    budget: int | None,
    pools: Mapping[str, int],
    weights: Mapping[str, Fraction | None],
    max_epochs: Mapping[str, Decimal | None],
    on_shortfall: Literal["error", "redistribute"],
    min_weights: Mapping[str, Decimal | None] | None = None,
    limits: Mapping[str, int] | None = None,
) -> tuple[Share, ...]:
    """One share for each source, in the order of `pools`; what each gets does not depend on that order.

    The requested sum to the budget, as do the allocated; without a budget it is the sum of the pools. `limits` are
    further caps. Raises BadInput where caps leave less than the budget, or where one binds and `on_shortfall` is
    "error".
    """
    total = sum(pools.values()) if budget is None else budget
    parts = _parts(policy, pools, weights)
    least = _least(total, min_weights or {})
    by_policy = {name: _epochs(pool, policy.max_epochs) for name, pool in pools.items()}
    own = {name: _epochs(pool, max_epochs.get(name)) for name, pool in pools.items()}
    caps = {
        name: _lowest(by_policy[name], own[name], (limits or {}).get(name)) if pool else 0
        for name, pool in pools.items()
    }
    bounds = _bounds(least, by_policy)
    _check_enough(policy, total, parts, bounds, pools)
    exact, capped = _level(total, parts, bounds)
    requested = _round(exact)
    short = [name for name in sorted(pools) if _is_below(caps[name], requested[name])]
    if short and on_shortfall == "error":
        raise BadInput(
            "\n".join(
                _shortfall(name, pools[name], caps[name], max_epochs.get(name), requested[name]) for name in short
            ),
            place=PLACE,
            remedy="raise max_epochs or max_upsample, lower the budget or the weight, "
            "or write `on_shortfall: redistribute`",
        )
    allocated = requested
    if on_shortfall == "redistribute":
        bounds = _bounds(least, caps)
        _check_enough(policy, total, parts, bounds, pools)
        exact, capped = _level(total, parts, bounds)
        allocated = _round(exact)
    recorded = {name: f"{part.normalize(_ROUNDED):f}" for name, part in parts.items() if isinstance(part, Decimal)}
    return tuple(
        Share(name, recorded.get(name), requested[name], allocated[name], caps[name], name in capped) for name in pools
    )


Bounds = Mapping[str, tuple[int, int | None]]  # the least and the most of a source; None: no most

_ROUNDED = Context(prec=50)
_GUARDED = Context(prec=90)


def _parts(
    policy: Policy, pools: Mapping[str, int], weights: Mapping[str, Fraction | None]
) -> Mapping[str, Fraction | Decimal]:
    """What each source counts for, to no particular sum."""
    if policy.kind == "proportional":
        return {name: Fraction(pool) for name, pool in pools.items()}
    if policy.kind == "temperature":
        assert policy.tau is not None
        return {name: _root(pool, policy.tau) for name, pool in pools.items()}
    if policy.kind == "unimax":
        return {name: Fraction(1) for name in pools}
    return {name: Fraction(weights[name] or 0) for name in pools}


def _root(pool: int, tau: Decimal) -> Decimal:
    """pool^(1/tau) to 50 digits, the same on every machine: decimal rounds logarithms and powers of e correctly."""
    if pool == 0:
        return Decimal(0)
    return _ROUNDED.plus(_GUARDED.exp(_GUARDED.divide(_GUARDED.ln(Decimal(pool)), tau)))


def _least(total: int, min_weights: Mapping[str, Decimal | None]) -> dict[str, int]:
    """Rounded up, or all down where that would come to more than the total: the weights themselves sum to 1 at most."""
    exact = {name: Fraction(weight) * total for name, weight in min_weights.items() if weight is not None}
    up = {name: math.ceil(amount) for name, amount in exact.items()}
    return up if sum(up.values()) <= total else {name: math.floor(amount) for name, amount in exact.items()}


def _epochs(pool: int, max_epochs: Decimal | None) -> int | None:
    return None if max_epochs is None else math.floor(Fraction(max_epochs) * pool)


def _lowest(*caps: int | None) -> int | None:
    return min((cap for cap in caps if cap is not None), default=None)


def _bounds(least: Mapping[str, int], caps: Mapping[str, int | None]) -> Bounds:
    """A cap wins over what is least."""
    return {name: (least.get(name, 0) if cap is None else min(least.get(name, 0), cap), cap)
            for name, cap in caps.items()}


def _level(
    total: int, parts: Mapping[str, Fraction | Decimal], bounds: Bounds
) -> tuple[dict[str, Fraction], frozenset[str]]:
    """What clamp(level x part, low, high) comes to where the sum is the total, and whose high decided.

    Each round shares what is left among the sources that are still open, in proportion to their parts. Where highs are
    passed by more than lows are missed, the level can only rise, so these sources stay at their high; and the other way
    round. Each round closes one source at least.
    """
    amounts = {name: Fraction(bounds[name][0]) for name in parts}
    open_to = {name: Fraction(part) for name, part in parts.items() if part}  # without a part there is the low alone
    capped: set[str] = set()
    while open_to:
        left = total - sum(amount for name, amount in amounts.items() if name not in open_to)
        whole = sum(open_to.values())
        shares = {name: left * part / whole for name, part in open_to.items()}
        over = {name: Fraction(most) for name, share in shares.items()
                if (most := bounds[name][1]) is not None and most < share}
        under = {name: Fraction(least) for name, share in shares.items() if (least := bounds[name][0]) > share}
        excess = sum(shares[name] - most for name, most in over.items())
        lack = sum(least - shares[name] for name, least in under.items())
        closed = (over if excess >= lack else {}) | (under if lack >= excess else {})
        if excess == lack:
            closed = shares | closed
        amounts |= closed
        capped |= over.keys() & closed.keys()
        open_to = {name: part for name, part in open_to.items() if name not in closed}
    return amounts, frozenset(capped)


def _round(amounts: Mapping[str, Fraction]) -> dict[str, int]:
    """Integers with the same sum, by largest remainder (Hamilton); ties go to the name that sorts first."""
    rounded = {name: int(amount) for name, amount in amounts.items()}
    missing = sum(amounts.values()) - sum(rounded.values())
    by_remainder = sorted(amounts, key=lambda name: (rounded[name] - amounts[name], name))
    for name in by_remainder[: int(missing)]:
        rounded[name] += 1  # never above an integer cap that the amount was within
    return rounded


def _is_below(cap: int | None, amount: int) -> bool:
    return cap is not None and cap < amount


def _check_enough(
    policy: Policy, total: int, parts: Mapping[str, Fraction | Decimal], bounds: Bounds, pools: Mapping[str, int]
) -> None:
    """A source without a part gives what is least of it, so its cap is no help."""
    able = [name for name, part in parts.items() if part]
    least = sum(bounds[name][0] for name in parts if name not in able)
    if total > least and not able:
        remedy = "give weight to a source that has documents" if policy.kind == "fixed" else "loosen the keep rules"
        raise BadInput(f"no source can give any of the budget of {total:_}", place=PLACE, remedy=remedy)
    limits = [bounds[name][1] for name in able]
    most = least + sum(limit for limit in limits if limit is not None)
    if None not in limits and most < total:
        raise BadInput(
            f"all sources together can give {most:_} of the budget of {total:_} ({_each(able, bounds, pools)})",
            place=PLACE,
            remedy=f"raise max_epochs, loosen the keep rules, or lower the budget to {most:_}",
        )


def _each(names: Iterable[str], bounds: Bounds, pools: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: pool {pools[name]:_}, cap {bounds[name][1]:_}" for name in names)


def _shortfall(name: str, pool: int, cap: int | None, max_epochs: Decimal | None, requested: int) -> str:
    limit = ""
    if pool:
        is_own = max_epochs is not None and _epochs(pool, max_epochs) == cap
        limit = f" at max_epochs {shown(max_epochs)}" if is_own else " by its curve's max_upsample"
    return f"{name}: {requested:_} requested, but a pool of {pool:_} gives at most {cap:_}{limit}"
