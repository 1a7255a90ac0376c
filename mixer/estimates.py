"""Estimates of a plan's counts from its counts of a sample, with the standard error of each.

Of the corpus each cluster is in the sample with probability p, apart from all others, and then in one of G groups. A
count of the corpus is estimated by the sample's over p, which is right on average. Its error is seen from how the
groups differ, by the delete-a-group jackknife (Wolter, Introduction to Variance Estimation, 2007, chapter 4): each
group is left out once, and what the others say is multiplied by G / (G - 1); the variance is (G - 1) / G of the squared
differences of these G replicates from their mean. For sums that is what the spread of the groups gives (random groups:
G / (G - 1) times the squared differences of the groups' sums from their mean). It is multiplied by 1 - p, which groups
do not show: of the whole corpus there is no error.

What follows from several counts is computed of each replicate anew. What is allocated follows from the pools, and so,
within a document, what is emitted: there the allocation of the whole is put in, or the replicate's own, and documents
and bytes go with the units as they do in the whole pool. Left as it is counted, and so with a larger error than it has,
is what a `top` rule or a curve drops, whose bound would move with the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from statistics import fmean
from typing import Any

from mixer import curves, plan, selection, weights
from mixer.errors import BadInput
from mixer.plan import Plan
from mixer.recipe import Recipe
from mixer.selection import Grant, Tallies

SUMS = frozenset({"docs", "units", "bytes", "spans", "added", "repeats"})
ALLOCATED = frozenset({"requested", "allocated", "cap"})
# Student's t with 19 degrees of freedom: 19 times of 20 the truth is within so many standard errors.
WITHIN = 2.093

Counts = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Estimates:
    """What a plan of the whole corpus would count, about. `counts` and `losses` are as in a plan."""

    share: Fraction  # of the corpus that the sample is
    counts: Counts
    replicates: Sequence[Counts]  # one without each group
    losses: Counts
    loss_replicates: Sequence[Counts]
    shortfall: str | None  # what stops a plan with `on_shortfall: error`, if the pools are as large as estimated

    def of(self, value: Callable[[Counts], float | None]) -> tuple[float, float] | None:
        """(a value of the counts, its standard error), None where the value is."""
        return self._with_error(value, self.counts, self.replicates)

    def of_losses(self, value: Callable[[Counts], float | None]) -> tuple[float, float] | None:
        return self._with_error(value, self.losses, self.loss_replicates)

    def _with_error(
        self, value: Callable[[Counts], float | None], counts: Counts, replicates: Sequence[Counts]
    ) -> tuple[float, float] | None:
        found = value(counts)
        others = [other for each in replicates if (other := value(each)) is not None]
        return None if found is None else (found, error_of(others, self.share))

    @property
    def errors(self) -> Any:
        """The standard errors of the counts, of their shape; null where there is none."""
        return _errors(self.counts, self.replicates, self.share)

    @property
    def loss_errors(self) -> Any:
        return _errors(self.losses, self.loss_replicates, self.share)


def of(
    recipe: Recipe, share: Fraction, groups: Sequence[tuple[Tallies, Tallies]], made: Plan,
    unread: Mapping[str, Mapping[str, int]],
) -> Estimates:
    """From the tallies and losses of each group, and the plan that was made of them. `unread` says of each source what
    is known of its shards.
    """
    counted = made.body["counts"]
    shares = _allocated(recipe_of(recipe, share), counted)
    grants = {each["source"]: Grant(each["copies"], selection.cutoff_of(each["cutoff"])) for each in counted}
    most = {each["source"]: each["max_copies"] for each in counted}
    by_group = [plan.counts_of(recipe, tallies, shares, grants, _curves(counted, tallies), unread, most)
                for tallies, _ in groups]
    counts, replicates = scaled(by_group, share)
    nothing = {key: value * 0 for _, losses in groups for key, value in losses.items()}
    by_group = [plan.losses_of(recipe, nothing | losses) for _, losses in groups]
    losses, loss_replicates = scaled(by_group, share)
    gaps = {share.source: share.allocated - each["emitted"]["units"]
            for share, each in zip(shares, counted, strict=True)}
    redistributed = replace(recipe, on_shortfall="redistribute")
    whole = _allocated(redistributed, counts)
    for each in replicates:
        try:
            own = _allocated(redistributed, each)
        except BadInput:  # they hold less than the budget
            own = whole
        _redraw(each, own, gaps)
    _redraw(counts, whole, gaps)
    _round(counts)
    return Estimates(share, counts, replicates, losses, loss_replicates, _shortfall(recipe, counts))


def check_budget(recipe: Recipe, share: Fraction, groups: Sequence[Tallies]) -> None:
    """Nothing; BadInput where the pools of these groups cannot give the budget, with those of the whole corpus."""
    tallies = selection.merge_tallies(groups)

    def whole(source: str, what: str, of_which: str = "") -> int:
        return round(_three(tallies, source, what, of_which)["units"] / share)

    pools = {source.name: whole(source.name, "pool") for source in recipe.sources}
    plan.allocate(recipe, pools, {
        source.name: [whole(source.name, "curve bucket", str(number))
                      for number in range(source.curve.buckets - curves.discarded(source.curve))]
        for source in recipe.sources if source.curve is not None})


def recipe_of(recipe: Recipe, share: Fraction) -> Recipe:
    """The recipe as a sample of this share is planned by it: its budget is that share, rounded. What a source lacks is
    shared out in any case, since nobody knows of a sample whether the corpus lacks it.
    """
    budget = None if recipe.budget is None else max(1, round(recipe.budget * share))
    return replace(recipe, budget=budget, on_shortfall="redistribute")


def scaled(groups: Sequence[Any], share: Fraction, key: str = "") -> tuple[Any, list[Any]]:
    """(the estimate, the replicates) of values of one shape: sums are scaled up, all else is as it is."""
    first = groups[0]
    if isinstance(first, dict):
        found = {name: scaled([each[name] for each in groups], share, name) for name in first}
        return ({name: each for name, (each, _) in found.items()},
                [{name: others[number] for name, (_, others) in found.items()} for number in range(len(groups))])
    if isinstance(first, list):
        items = [scaled(list(each), share, key) for each in zip(*groups, strict=True)]
        return [each for each, _ in items], [[others[number] for _, others in items] for number in range(len(groups))]
    if key in ALLOCATED and first is not None:  # of a whole plan
        return round(first / share), [round(first / share)] * len(groups)
    if key not in SUMS:
        return first, list(groups)
    total, rest = sum(groups), Fraction(len(groups), len(groups) - 1) / share
    return round(total / share), [float((total - each) * rest) for each in groups]


def _allocated(recipe: Recipe, counts: Counts) -> tuple[weights.Share, ...]:
    """What the sources are given of these pools; BadInput where the budget cannot be met."""
    pools = {each["source"]: round(each["pool"]["units"]) for each in counts}
    buckets = {each["source"]: [round(bucket["units"]) for bucket in each["curve"]["buckets"]]
               for each in counts if each["curve"] is not None}
    return plan.allocate(recipe, pools, buckets)


def _shortfall(recipe: Recipe, counts: Counts) -> str | None:
    try:
        _allocated(recipe, counts)
    except BadInput as error:
        return str(error)
    return None


def _curves(counts: Counts, tallies: Tallies) -> dict[str, dict[str, Any]]:
    """What a plan says of each source's curve, of one group."""
    found = {}
    for each in counts:
        source, curve = each["source"], each["curve"]
        if curve is not None:
            buckets = [{**bucket, **_three(tallies, source, "curve bucket", str(number))}
                       for number, bucket in enumerate(curve["buckets"])]
            lost = {what: _three(tallies, source, f"curve {what}") for what in ("discarded", "missing")}
            found[source] = {**curve, **lost, "buckets": buckets}
    return found


def _three(tallies: Tallies, source: str, what: str, of_which: str = "") -> dict[str, int]:
    found = tallies.get((source, what, of_which))
    return dict(zip(("docs", "units", "bytes"), (0, 0, 0) if found is None else map(int, found), strict=True))


def _redraw(counts: Any, shares: Sequence[weights.Share], gaps: Mapping[str, int]) -> None:
    """Puts in what the sources are allocated, and has what is selected and emitted follow from it: what is more or less
    of it is as the pool is on average. `gaps` is what the last document that fits leaves of each allocation, in the
    sample as in the corpus.
    """
    for each, share in zip(counts, shares, strict=True):
        each |= {name: value for name, value in asdict(share).items() if name in each}
        pool, selected, emitted = each["pool"], each["selected"], each["emitted"]
        if not pool["units"]:
            continue
        target = max(share.allocated - gaps[share.source], 0)
        ratio = target / emitted["units"] if emitted["units"] else 1
        more, many = min(target, pool["units"]) - selected["units"], target - emitted["units"]
        for what in ("docs", "units", "bytes"):
            by_unit = pool[what] / pool["units"]
            if each["curve"] is not None:  # what its buckets give is in no order of the pool
                emitted[what] *= ratio
                continue
            selected[what] += more * by_unit
            emitted[what] += many * by_unit
            each["not_drawn"][what] = pool[what] - selected[what]
        each["edited"] = {what: value * ratio for what, value in each["edited"].items()}
        for bucket in each["curve"]["buckets"] if each["curve"] is not None else ():
            bucket["allocated"] = round(bucket["allocated"] * ratio)


def _round(counts: Any) -> None:
    """Of the estimates, which are of whole documents and units."""
    for each in counts:
        for step in ("selected", "emitted", "not_drawn", "edited"):
            each[step] = {what: round(value) for what, value in each[step].items()}


def _errors(counts: Any, replicates: Sequence[Any], share: Fraction, key: str = "") -> Any:
    if isinstance(counts, dict):
        return {name: _errors(each, [other[name] for other in replicates], share, name)
                for name, each in counts.items()}
    if isinstance(counts, list):
        return [_errors(each, [other[number] for other in replicates], share, key)
                for number, each in enumerate(counts)]
    if isinstance(counts, str):
        return counts
    if key in SUMS | ALLOCATED and all(each is not None for each in replicates):
        return round(error_of(replicates, share), 3)
    return None


def error_of(replicates: Sequence[float], share: Fraction) -> float:
    if len(replicates) < 2:
        return 0.0
    middle, size = fmean(replicates), len(replicates)
    return float((float(1 - share) * (size - 1) / size * sum((each - middle) ** 2 for each in replicates)) ** 0.5)
