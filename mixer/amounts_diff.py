"""How much of each source two plans or mixtures hold, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mixer import manifest


@dataclass(frozen=True)
class Amounts:
    """Of one source, or of all. Units are of the texts as they stand in the mixture; pool units before any edit."""

    read: int  # documents
    pool: int  # documents
    pool_units: int
    selected: int  # documents
    docs: int  # with their copies
    units: int
    bytes: int
    share: Decimal  # of the units of all sources
    epochs: Decimal


@dataclass(frozen=True)
class Pair:
    """A source on both sides, None where one does not have it. `source` is what the new side calls it; None: of all."""

    source: str | None
    old: Amounts | None
    new: Amounts | None


def compare(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], called: Mapping[str, str]
            ) -> tuple[Pair, ...]:
    """Each source, in the new order with those that are gone after it, and the sum of all. `called` are sources as they
    are called now, by their old names.
    """
    was, now = _by_source(old), _by_source(new)
    was = {called.get(name, name): amounts for name, amounts in was.items()}
    pairs = [Pair(name, was.get(name), now.get(name)) for name in dict.fromkeys([*now, *was])]
    return (*pairs, Pair(None, _total(old), _total(new)))


def _by_source(counts: Sequence[Mapping[str, Any]]) -> dict[str, Amounts]:
    wholes = {"requested": sum(count["requested"] for count in counts),
              "allocated": sum(count["allocated"] for count in counts),
              "emitted": sum(map(manifest.emitted_units, counts))}
    found = {}
    for count in counts:
        ratios = manifest.weights_of(count, wholes)
        found[count["source"]] = _of([count], Decimal(ratios["realised"] or 0), Decimal(ratios["epochs"] or 0))
    return found


def _total(counts: Sequence[Mapping[str, Any]]) -> Amounts:
    pool = sum(count["pool"]["units"] for count in counts)
    emitted = sum(count["emitted"]["units"] for count in counts)
    return _of(counts, Decimal(1), Decimal(emitted) / pool if pool else Decimal(0))


def _of(counts: Sequence[Mapping[str, Any]], share: Decimal, epochs: Decimal) -> Amounts:
    def total(step: str, what: str) -> int:
        return sum(count[step][what] for count in counts)

    return Amounts(total("read", "docs"), total("pool", "docs"), total("pool", "units"), total("selected", "docs"),
                   total("emitted", "docs"), sum(map(manifest.emitted_units, counts)),
                   sum(count["emitted"]["bytes"] - count["edited"].get("bytes", 0) + count["edited"].get("added", 0)
                       for count in counts), share, epochs)
