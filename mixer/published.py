"""Published figures: what follows from them, and where they do not follow from each other.

Every figure stands for a range: half a unit of its last printed digit on either side. What a formula makes of ranges is
a range too, and only where that and the printed one have nothing in common is there something to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from mixer.notes import Notes, line_of
from mixer.recipe import FIGURE_UNITS, Figures, Recipe, Source
from mixer.yamls import Node

# Budgets and settings are what they say.
EXACT = frozenset(("trained_tokens", "trained_words", "trained_docs", "copies", "max_upsample"))
# What is compared with figures of the same thing in another place; its tokens only where they are of one unit.
COMPARED = ("tokens", "words", "bytes", "docs", "pool_tokens", "pool_docs")
# From here on a sum of weights is no matter of rounding, however many there are.
LEAST_EXCESS = Fraction(1, 200)


def inconsistencies(notes: Notes, root: Node, recipe: Recipe) -> None:
    """Notes every published figure that does not follow from the others. `root` is the recipe's tree, for lines."""
    here = _Here(recipe, root, notes)
    for check in (_weights, _totals, _epochs, _shares, _copies, _selected, _dedup, _upsampling, _elsewhere):
        check(here)


# ---- ranges


@dataclass(frozen=True)
class Range:
    """What a printed figure may have been, and the figure itself; or what a formula makes of such figures."""

    low: Fraction
    value: Fraction
    high: Fraction

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.value + other.value, self.high + other.high)

    def __mul__(self, other: Range) -> Range:
        """Of two ranges at or above 0, as all figures are."""
        return Range(self.low * other.low, self.value * other.value, self.high * other.high)

    def __truediv__(self, other: Range) -> Range:
        """What is divided by what may be nothing may be anything."""
        return Range(self.low / other.high if other.high else _ZERO, self.value / other.value if other.value else _ZERO,
                     self.high / other.low if other.low else _MOST)

    def meets(self, other: Range) -> bool:
        return self.low <= other.high and other.low <= self.high


def range_of(raw: str, is_exact: bool = False) -> Range:
    """The range of a number as it was printed. Zeros at the end of a whole number say nothing of its precision."""
    unit = FIGURE_UNITS.get(raw[-1:], Fraction(1))
    digits = raw[:-1] if raw[-1:] in FIGURE_UNITS else raw
    number = Decimal(digits)
    value = Fraction(number) * unit
    if is_exact:
        return Range(value, value, value)
    if raw.replace("_", "").isdigit():
        number = number.normalize(_EXACT) if number else number
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    half = Fraction(10) ** exponent / 2 * unit
    return Range(max(value - half, _ZERO), value, value + half)


_EXACT = Context(prec=200)  # holds any number that mixer.yamls lets through
_ZERO, _MOST = Fraction(0), Fraction(10) ** 200  # more than mixer.yamls lets through
_NOTHING = Range(_ZERO, _ZERO, _ZERO)


def total(ranges: Iterable[Range]) -> Range:
    return sum(ranges, _NOTHING)


def figure(figures: Figures, name: str) -> Range | None:
    """None for what was not published."""
    raw = figures.get(name)
    return None if raw is None else range_of(raw, name in EXACT)


# ---- checks


@dataclass(frozen=True)
class _Here:
    recipe: Recipe
    root: Node
    notes: Notes

    @property
    def sources(self) -> tuple[Source, ...]:
        return self.recipe.sources

    def of_mixture(self, name: str) -> Range | None:
        return figure(self.recipe.published, name)

    def of_all(self, *names: str) -> list[tuple[Range, ...]] | None:
        """These figures of every source; None unless all are there."""
        found = [self.of_one(source, *names) for source in self.sources]
        return None if None in found else [each for each in found if each is not None]

    def of_one(self, source: Source, *names: str) -> tuple[Range, ...] | None:
        ranges = tuple(figure(source.published, name) for name in names)
        return None if None in ranges else tuple(each for each in ranges if each is not None)

    def add(self, path: Sequence[str], value: str, message: str, remedy: str) -> None:
        self.notes.add(line_of(self.root, *path), path, value, message, remedy)

    def differs(self, path: Sequence[str], formula: str, follows: Range, printed: Range, remedy: str) -> None:
        """Notes a figure that is not what a formula gives, if it is not."""
        if not follows.meets(printed):
            self.add(path, shown(printed), f"{formula} is {shown(follows)}, and {_span(follows)} allowing for rounding",
                     remedy)


def _at(source: Source, name: str) -> tuple[str, ...]:
    return ("sources", source.name, "published", name)


def _weights(here: _Here) -> None:
    for name, called in (("weight", "weights"), ("share", "shares"), ("weight_before", "weights before dedup")):
        found = here.of_all(name)
        if found is None:
            continue
        whole = total(each for (each,) in found).value
        if abs(whole - 1) >= LEAST_EXCESS:
            parts = " + ".join(str(source.published[name]) for source in here.sources)
            here.add(("sources",), "", f"the published {called} sum to {shown(whole * 100)}%: {parts}",
                     f"divide each by {shown(whole)} for the recipe's own weights")


def _totals(here: _Here) -> None:
    for name, of_sources in (("total_tokens", "tokens"), ("pool_tokens", "pool_tokens"),
                             ("effective_gib", "effective_gib")):
        printed, found = here.of_mixture(name), here.of_all(of_sources)
        if printed is not None and found is not None:
            here.differs(("published", name), f"the sum of the sources' {of_sources}", total(each for (each,) in found),
                         printed, _CITE)


def _epochs(here: _Here) -> None:
    """How often a source is seen: its part of the training over its size."""
    trained = here.of_mixture("trained_tokens")
    for source in here.sources:
        found = here.of_one(source, "weight", "tokens", "epochs")
        if trained is not None and found is not None:
            weight, tokens, printed = found
            formula = f"weight {shown(weight)} x {shown(trained)} trained / {shown(tokens)} tokens"
            here.differs(_at(source, "epochs"), formula, weight * trained / tokens, printed,
                         "let the plan count epochs; take none from here")


def _shares(here: _Here) -> None:
    whole = here.of_mixture("total_tokens")
    for source in here.sources:
        found = here.of_one(source, "share", "tokens")
        if whole is not None and found is not None:
            share, tokens = found
            here.differs(_at(source, "share"), f"{shown(tokens)} tokens / {shown(whole)} in all", tokens / whole, share,
                         _CITE)


def _copies(here: _Here) -> None:
    whole = here.of_mixture("effective_gib")
    for source in here.sources:
        found = here.of_one(source, "gib", "copies")
        if found is None:
            continue
        gib, copies = found
        many, formula = gib * copies, f"{shown(gib)} GiB x {shown(copies)} copies"
        for name, follows, how in (("effective_gib", many, formula),
                                   ("weight", None if whole is None else many / whole,
                                    f"{formula} / {'' if whole is None else shown(whole)} GiB")):
            printed = figure(source.published, name)
            if printed is not None and follows is not None:
                here.differs(_at(source, name), how, follows, printed, _CITE)


def _selected(here: _Here) -> None:
    """What was taken of all sources is what was trained on, where each says what part was taken."""
    printed, found = here.of_mixture("trained_tokens"), here.of_all("tokens", "sample")
    if printed is None or found is None:
        return
    taken = total(tokens * sample for tokens, sample in found)
    if taken.meets(printed):
        return
    gap = abs(printed.value - taken.value)
    # A source whose tokens were counted after sampling is halved twice by the formula.
    closing = [source for source, (tokens, sample) in zip(here.sources, found, strict=True)
               if sample.value < 1 and Range(taken.low - (tokens * sample).low + tokens.low,
                                             taken.value - (tokens * sample).value + tokens.value,
                                             taken.high - (tokens * sample).high + tokens.high).meets(printed)]
    why = "".join(f"; it closes if the {shown_raw(source.published['tokens'])} of {source.name} are what was left "
                  "after sampling" for source in closing)
    here.add(("published", "trained_tokens"), shown(printed),
             f"the sum of the sources' tokens x sample is {shown(taken)}, a gap of {shown(gap)}{why}",
             "keep what there was and what was taken in two figures: tokens and selected_tokens")


def _dedup(here: _Here) -> None:
    """The share after dedup: what is left of the share before, over what is left of all."""
    found = here.of_all("weight", "weight_before", "dedup_rate")
    if found is None:
        return
    left = [before * _rest(rate) for _, before, rate in found]
    for number, (source, (weight, before, rate)) in enumerate(zip(here.sources, found, strict=True)):
        others = total(each for other, each in enumerate(left) if other != number)
        follows = _part(left[number], others)
        formula = f"share {shown(before)} before dedup x (1 - {shown(rate)}) / what dedup leaves of all"
        here.differs(_at(source, "weight"), formula, follows, weight, _CITE)


def _rest(rate: Range) -> Range:
    return Range(*(max(1 - each, _ZERO) for each in (rate.high, rate.value, rate.low)))


def _part(own: Range, others: Range) -> Range:
    """own / (own + others), where own is the same both times."""
    low, value, high = (own.low, others.high), (own.value, others.value), (own.high, others.low)
    return Range(*(one / (one + other) if one + other else _ZERO for one, other in (low, value, high)))


def _upsampling(here: _Here) -> None:
    for source in here.sources:
        found = here.of_one(source, "max_upsample", "realised_upsample")
        if found is not None and found[0].high < found[1].low:
            here.add(_at(source, "realised_upsample"), shown(found[1]),
                     f"more than the documented cap of {shown(found[0])} epochs",
                     "cap after rounding, as a curve's `max_upsample` here does")


def _elsewhere(here: _Here) -> None:
    for source in here.sources:
        for where, others in source.published_elsewhere.items():
            _other_figures(here, source, where, others)
    for where in dict.fromkeys(where for source in here.sources for where in source.published_elsewhere):
        _other_total(here, where)


def _other_figures(here: _Here, source: Source, where: str, others: Figures) -> None:
    """One note for all figures of a source that one place has otherwise; those that are equal say it is the same."""
    unit = source.published.get("unit") or here.recipe.published.get("unit")
    differ, equal = [], []
    for name in COMPARED:
        mine, other = figure(source.published, name), figure(others, name)
        if mine is None or other is None or (name.endswith("tokens") and others.get("unit", unit) != unit):
            continue
        if mine.meets(other):
            equal.append(f"{shown(mine)} {name}")
        else:
            differ.append(f"{name} {shown(mine)} here and {shown(other)} there")
    path = ("sources", source.name, "published_elsewhere", where)
    if differ:
        same = f", with the same {' and '.join(equal)}" if equal else ""
        here.add(path, "", f"figures of one thing differ: {'; '.join(differ)}{same}",
                 "say of what each is counted, and by which tool; until then compare neither")
    taken, other = here.of_one(source, "tokens", "sample"), figure(others, "selected_tokens")
    if taken is not None and other is not None:
        tokens, sample = taken
        here.differs((*path, "selected_tokens"), f"{shown(tokens)} tokens x sample {shown(sample)}", tokens * sample,
                     other, _CITE)


def _other_total(here: _Here, where: str) -> None:
    """What one place says was taken of all sources, against what was trained on."""
    printed = here.of_mixture("trained_tokens")
    found = [figure(source.published_elsewhere.get(where, {}), "selected_tokens") for source in here.sources]
    taken = [each for each in found if each is not None]
    if printed is not None and len(taken) == len(found):
        here.differs(("published", "trained_tokens"), f"the sum of the sources' selected_tokens in {where}",
                     total(taken), printed, _CITE)


_CITE = "cite the one that is recorded, and say which"


# ---- how numbers are shown


def shown(number: Range | Fraction) -> str:
    """To four digits, and with T, B or M for 10 to the power of 12, 9 or 6: 1.645T, 69.85B, 3.474."""
    value = number.value if isinstance(number, Range) else number
    for unit, name in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if value >= unit:
            return _digits(value / unit) + name
    return _digits(value)


def shown_raw(raw: str | None) -> str:
    return "" if raw is None else shown(range_of(raw))


def _span(follows: Range) -> str:
    return f"{shown(follows.low)} to {shown(follows.high)}"


def _digits(value: Fraction) -> str:
    four = Context(prec=4)
    number = four.divide(Decimal(value.numerator), Decimal(value.denominator))
    text = format(number, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text

