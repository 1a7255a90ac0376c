"""How many units each source gives, exactly: fractions until the last step, and integers that sum to the budget.

1. A source's share is its weight over the sum of weights; under policy proportional its pool is its weight.
2. `requested` rounds the shares of the budget to integers by largest remainder.
3. A source's cap is max_epochs times its pool, rounded down. If nothing requested is above its cap, we are done.
4. Otherwise the sources whose cap is below their share are filled to the cap, the rest of the budget is shared among
   the others in proportion to their weights, and so on until no cap binds ("capped fixed"); then rounded as in 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from mixer.errors import BadInput
from mixer.recipe import Policy


@dataclass(frozen=True)
class Share:
    """What one source gives, in units of the recipe."""

    source: str
    requested: int  # what the policy asks for, before caps
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
    limits: Mapping[str, int] | None = None,
) -> tuple[Share, ...]:
    """One share for each source, in the order of `pools`; what each gets does not depend on that order.

    The requested sum to the budget, as do the allocated; without a budget it is the sum of the pools. Raises BadInput
    where caps leave less than the budget, or where one binds and `on_shortfall` is "error".
    """
    total = sum(pools.values()) if budget is None else budget
    parts = _parts(policy, pools, weights)
    if total and not any(parts.values()):
        remedy = "give weight to a source that has documents" if policy.kind == "fixed" else "loosen the keep rules"
        raise BadInput(f"no source can give any of the budget of {total:_}", place="sources", remedy=remedy)
    caps = {name: _lesser(_cap(pool, max_epochs.get(name)), (limits or {}).get(name)) for name, pool in pools.items()}
    requested = _round(_shares(total, parts))
    short = [name for name in sorted(pools) if _is_below(caps[name], requested[name])]
    if not short:
        return tuple(Share(name, requested[name], requested[name], caps[name], False) for name in pools)
    if on_shortfall == "error":
        raise BadInput(
            "\n".join(
                _shortfall(name, pools[name], caps[name], max_epochs.get(name), requested[name]) for name in short
            ),
            place="sources",
            remedy="raise max_epochs, lower the budget or the weight, or write `on_shortfall: redistribute`",
        )
    _check_enough(total, parts, caps, pools)
    filled = _fill(total, parts, caps)
    rest = {name: part for name, part in parts.items() if name not in filled}
    allocated = filled | _round(_shares(total - sum(filled.values()), rest))
    return tuple(Share(name, requested[name], allocated[name], caps[name], name in filled) for name in pools)


def _lesser(cap: int | None, limit: int | None) -> int | None:
    return cap if limit is None else limit if cap is None else min(cap, limit)


def _parts(policy: Policy, pools: Mapping[str, int], weights: Mapping[str, Fraction | None]) -> dict[str, Fraction]:
    """What each source counts for, to no particular sum."""
    if policy.kind == "proportional":
        return {name: Fraction(pool) for name, pool in pools.items()}
    return {name: weights[name] or Fraction(0) for name in pools}


def _cap(pool: int, max_epochs: Decimal | None) -> int | None:
    """The most a source can give. An empty one can give nothing, however often it is repeated."""
    if pool == 0:
        return 0
    return None if max_epochs is None else int(Fraction(max_epochs) * pool)  # positive, so this rounds down


def _shares(total: int, parts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    whole = sum(parts.values())
    return {name: total * part / whole if whole else Fraction(0) for name, part in parts.items()}


def _fill(total: int, parts: Mapping[str, Fraction], caps: Mapping[str, int | None]) -> dict[str, int]:
    """The sources whose cap binds, with that cap. Each round fills one at least, so there are few."""
    filled: dict[str, int] = {}
    while True:
        rest = {name: part for name, part in parts.items() if name not in filled}
        shares = _shares(total - sum(filled.values()), rest)
        bound = {name: cap for name, share in shares.items() if (cap := caps[name]) is not None and cap < share}
        if not bound:
            return filled
        filled |= bound


def _round(shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Integers with the same sum, by largest remainder (Hamilton); ties go to the name that sorts first."""
    rounded = {name: int(share) for name, share in shares.items()}
    missing = sum(shares.values()) - sum(rounded.values())
    by_remainder = sorted(shares, key=lambda name: (rounded[name] - shares[name], name))
    for name in by_remainder[: int(missing)]:
        rounded[name] += 1  # never above an integer cap that the share was within
    return rounded


def _is_below(cap: int | None, amount: int) -> bool:
    return cap is not None and cap < amount


def _check_enough(
    total: int, parts: Mapping[str, Fraction], caps: Mapping[str, int | None], pools: Mapping[str, int]
) -> None:
    """A source without weight gives nothing, so its cap is no help."""
    able = [name for name, part in parts.items() if part]
    limits = [caps[name] for name in able]
    most = sum(limit for limit in limits if limit is not None)
    if None not in limits and most < total:
        raise BadInput(
            f"all sources together can give {most:_} of the budget of {total:_} ({_each(able, caps, pools)})",
            place="sources",
            remedy=f"raise max_epochs, loosen the keep rules, or lower the budget to {most:_}",
        )


def _each(names: Iterable[str], caps: Mapping[str, int | None], pools: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: pool {pools[name]:_}, cap {caps[name]:_}" for name in names)


def _shortfall(name: str, pool: int, cap: int | None, max_epochs: Decimal | None, requested: int) -> str:
    limit = "" if max_epochs is None else f" at max_epochs {max_epochs}"
    return f"{name}: {requested:_} requested, but a pool of {pool:_} gives at most {cap:_}{limit}"
