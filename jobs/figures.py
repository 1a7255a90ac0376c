"""The figures of a plan as tables of words, so that the terminal, the page and the watch all say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from jobs.tables import count, percent, short
from mixer import repeats
from mixer.plan import Plan

Count = Mapping[str, Any]  # what a plan says of one source
THREE = ("docs", "units", "bytes")
SOURCES_NAMED = 4  # beside a rule that is not of all sources

CUT = ("docs", "spans", "units", "bytes", "added")


@dataclass(frozen=True)
class Table:
    """Cells as they are shown. The first `keys` of a row name it: no two rows of a table have the same."""

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """What one step of a plan drops, of all sources or of one. None is what the step does not count."""

    name: str
    docs: int
    units: int
    own: int | None = None  # documents that fail it, whatever came before
    only: int | None = None  # documents that fail nothing else
    missing: int | None = None  # documents without a value


def tables(plan: Plan) -> list[Table]:
    """Every table of a plan that says something."""
    counts, unit = plan.body["counts"], plan.recipe.unit
    found = [funnel(counts, unit), cuts(counts, unit), losses(plan.body["losses"], unit), documents(plan.body, unit),
             shares(counts, unit), *(curve(each, unit) for each in counts if each["curve"] is not None)]
    return [table for table in found if table.rows]


# ---- the funnel


def steps(each: Count) -> list[Step]:
    """What each step drops of one source, in the order in which it is dropped; the draw is the last."""
    found = [Step(rule["rule"], *_two(rule["first"]), *(rule[what]["docs"] for what in ("own", "only", "missing")))
             for rule in each["rules"]]
    found += [Step(top["rule"], *_two(top["dropped"]), missing=top["missing"]["docs"]) for top in each["tops"]]
    found += [Step(method["method"], *_two(method["dropped"])) for method in each["dedup"]]
    found += [Step(edit["edit"], *_two(edit["dropped"])) for edit in each["edits"]]
    found += [Step(f"held out {split['split']}", *_two(split)) for split in each["held_out"]]
    if each["not_held_out"]["docs"]:
        found.append(Step("not held out", *_two(each["not_held_out"])))
    if each["sample"] is not None:
        sample = each["sample"]
        found.append(Step(sample["sample"], *_two(sample["dropped"]), missing=sample["missing"]["docs"]))
    if each["curve"] is not None:
        curve = each["curve"]
        both = {what: curve["discarded"][what] + curve["missing"][what] for what in THREE}
        found.append(Step(curve["curve"], *_two(both), missing=curve["missing"]["docs"]))
    return [*found, Step("not drawn", *_two(each["not_drawn"]))]


def funnel(counts: Sequence[Count], unit: str) -> Table:
    """What each step drops: by first reason, by itself and what only it drops, and how much is left after it."""
    sums: dict[str, list[Step]] = {}
    sources: dict[str, list[str]] = {}
    for each in counts:
        for step in steps(each):
            sums.setdefault(step.name, []).append(step)
            sources.setdefault(step.name, []).append(each["source"])
    left = [sum(each["read"][what] for each in counts) for what in ("docs", "units")]
    rows = [("read", "", "", "", "", "", count(left[0]), short(left[1]))]
    for name in in_order(counts):
        whole = _sum(name, sums[name])
        left = [left[0] - whole.docs, left[1] - whole.units]
        rows.append((name + _of(sources[name], counts), count(whole.docs), short(whole.units), _known(whole.own),
                     _known(whole.only), _known(whole.missing), count(left[0]), short(left[1])))
    return _in_unit(Table("funnel", ("dropped by", "docs", unit, "fail it", "only it", "missing", "left", unit),
                          tuple(rows)), unit)


def in_order(counts: Sequence[Count]) -> list[str]:
    """The steps of all sources in the order of the phases: a source's own rules come after those of the recipe."""
    phases: list[dict[str, None]] = [{} for _ in range(8)]
    for each in counts:
        sizes = [len(each["rules"]), len(each["tops"]), len(each["dedup"]), len(each["edits"]), len(each["held_out"]),
                 each["not_held_out"]["docs"] > 0, each["sample"] is not None, each["curve"] is not None]
        names = iter([step.name for step in steps(each)])
        for phase, size in zip(phases, sizes, strict=True):
            phase.update(dict.fromkeys(next(names) for _ in range(size)))
    return [*(name for phase in phases for name in phase), "not drawn"]


def _sum(name: str, of: Sequence[Step]) -> Step:
    def add(values: Iterable[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    return Step(name, sum(step.docs for step in of), sum(step.units for step in of), add(step.own for step in of),
                add(step.only for step in of), add(step.missing for step in of))


def _of(names: Sequence[str], counts: Sequence[Count]) -> str:
    if len(names) == len(counts):
        return ""
    return f"  ({', '.join(names)})" if len(names) <= SOURCES_NAMED else f"  ({len(names)} of {len(counts)} sources)"


# ---- the others


def documents(body: Mapping[str, Any], unit: str) -> Table:
    """Of each source the documents that each phase drops, from what was read to what is taken."""
    counts = body["counts"]
    lines = [(each["source"], _phases(each)) for each in counts]
    if len(lines) > 1:
        lines.append(("total", {what: sum(line[what] for _, line in lines) for what in lines[0][1]}))
    rows = tuple((name, *(short(value) if what.endswith("units") else count(value) for what, value in line.items()))
                 for name, line in lines)
    head = ("source", "read", unit, "rules", "tops", "dedup", "edits", "held out", "sample", "pool", unit, "curve",
            "not drawn", "selected", "records")
    notes = []
    bad = [f"{count(each['bad'])} in {each['source']}" for each in counts if each["bad"]]
    if bad:
        notes.append(f"records that could not be read, beside these: {', '.join(bad)}")
    read = body.get("read")
    if read is not None and read["docs"] != sum(each["read"]["docs"] for each in counts):
        units = "" if unit == "docs" else f", of {short(read['units'])} {unit}"
        notes.append(f"sources share shards: {count(read['docs'])} different documents were read{units}")
    return _in_unit(Table("documents", head, rows, notes=tuple(notes)), unit)


def _phases(each: Count) -> dict[str, int]:
    """By the columns of `documents`."""
    curve, sample = each["curve"], each["sample"]
    return {
        "read": each["read"]["docs"], "read units": each["read"]["units"],
        "rules": sum(rule["first"]["docs"] for rule in each["rules"]),
        "tops": sum(top["dropped"]["docs"] for top in each["tops"]),
        "dedup": sum(method["dropped"]["docs"] for method in each["dedup"]),
        "edits": sum(edit["dropped"]["docs"] for edit in each["edits"]),
        "held out": sum(split["docs"] for split in each["held_out"]) + each["not_held_out"]["docs"],
        "sample": 0 if sample is None else sample["dropped"]["docs"],
        "pool": each["pool"]["docs"], "pool units": each["pool"]["units"],
        "curve": 0 if curve is None else curve["discarded"]["docs"] + curve["missing"]["docs"],
        "not drawn": each["not_drawn"]["docs"], "selected": each["selected"]["docs"],
        "records": each["emitted"]["docs"],
    }


def shares(counts: Sequence[Count], unit: str) -> Table:
    """Of each source what was asked for, allocated and is emitted, how often, and what that is worth."""
    requested = sum(each["requested"] for each in counts)
    realised = sum(map(realised_of, counts))
    rows = [_share_row(each["source"], [each], requested, realised) for each in counts]
    if len(counts) > 1:
        rows.append(_share_row("total", counts, requested, realised))
    notes = []
    if any(each["capped"] for each in counts):
        notes.append("* held back by max_epochs; the rest of its share went to the others")
    if any(each["edited"]["docs"] for each in counts):
        emitted, cut = (sum(each[what]["units"] for each in counts) for what in ("emitted", "edited"))
        drift = f"{short(cut)} fewer" if cut >= 0 else f"{short(-cut)} more"
        notes.append(f"realised: {drift} than the {short(emitted)} {unit} that are taken, by what is edited in texts")
    if any(each["max_copies"] > 1 for each in counts):
        notes.append("effective: as many new " + unit + " as the repeated ones are worth (arXiv:2305.16264)")
    head = ("source", f"pool {unit}", "requested", "share", "allocated", "realised", "share", "epochs", "max",
            "effective")
    return Table("shares", head, tuple(rows), notes=tuple(notes))


def _share_row(name: str, of: Sequence[Count], requested: int, realised: int) -> tuple[str, ...]:
    pool, asked, allocated = (sum(value) for value in zip(
        *((each["pool"]["units"], each["requested"], each["allocated"]) for each in of), strict=True))
    here = sum(map(realised_of, of))
    capped = "*" if len(of) == 1 and of[0]["capped"] else ""
    emitted = sum(each["emitted"]["units"] for each in of)
    return (name, short(pool), short(asked), percent(asked, requested), short(allocated) + capped, short(here),
            percent(here, realised), f"{emitted / pool:.2f}" if pool else "-",
            str(max(each["max_copies"] for each in of)), short(sum(map(effective_of, of))))


def realised_of(each: Count) -> int:
    """Units of a source as they are emitted, after what is cut from its texts."""
    return int(each["emitted"]["units"] - each["edited"]["units"])


def effective_of(each: Count) -> int:
    """As many different units as a source's emitted ones are worth, where some of them are repeated; rounded down."""
    parts = _repeated(each)
    whole = sum(seen for _, seen in parts)
    if not whole:
        return 0
    worth = sum(repeats.effective(unique, Fraction(seen, unique)) for unique, seen in parts if unique)
    return int(Fraction(worth) * realised_of(each) / whole)


def _repeated(each: Count) -> list[tuple[int, int]]:
    """(different units, units emitted of them) of a source, or of each bucket of its curve."""
    if each["curve"] is None:
        return [(each["selected"]["units"], each["emitted"]["units"])]
    return [(min(bucket["units"], bucket["allocated"]), bucket["allocated"]) for bucket in each["curve"]["buckets"]]


def curve(each: Count, unit: str) -> Table:
    """What each bucket of a source's curve has, the best last."""
    buckets = each["curve"]["buckets"]
    rows = tuple((str(number), count(bucket["docs"]), short(bucket["units"]), short(bucket["allocated"]),
                  f"{bucket['allocated'] / bucket['units']:.2f}" if bucket["units"] else "-")
                 for number, bucket in enumerate(buckets, 1))
    notes = (f"{each['source']}: {each['curve']['curve']}, the best bucket last; weights grow with "
             f"power {_digits(each['curve']['power'])}",)
    return _in_unit(Table(f"curve of {each['source']}", ("bucket", "docs", unit, "allocated", "epochs"), rows,
                          notes=notes), unit)


def cuts(counts: Sequence[Count], unit: str) -> Table:
    """What each method and edit takes from documents that stay, and what all of them take from what is emitted."""
    sums: dict[str, list[int]] = {}
    for each in counts:
        for name, edited in [*((method["method"], method["edited"]) for method in each["dedup"]),
                             *((edit["edit"], edit["edited"]) for edit in each["edits"])]:
            held = sums.setdefault(name, [0] * len(CUT))
            sums[name] = [one + edited[what] for one, what in zip(held, CUT, strict=True)]
    found = [(name, held) for name, held in sums.items() if any(held)]
    if found:
        found.append(("all of these, from the copies that are taken",
                      [sum(each["edited"][what] for each in counts) for what in CUT]))
    rows = tuple((name, count(held[0]), count(held[1]), *map(short, held[2:])) for name, held in found)
    return Table("cuts", ("cut from documents that stay", "docs", "spans", unit, "bytes", "added"), rows)


def losses(lost: Sequence[Mapping[str, Any]], unit: str) -> Table:
    """Who lost to whom by which method, and what was cut of documents that stay."""
    rows = tuple((row["method"], row["source"], row["lost_to"], count(row["docs"]), short(row["units"]),
                  count(row["cut"]["repeats"]), short(row["cut"]["units"]), short(row["cut"]["bytes"])) for row in lost)
    head = ("lost by", "in", "to", "docs", unit, "repeats cut", unit, "bytes")
    return Table("losses", head, rows, keys=3)


# ---- helpers


def _two(three: Mapping[str, int]) -> tuple[int, int]:
    return three["docs"], three["units"]


def _known(value: int | None) -> str:
    return "" if value is None else count(value)


def _digits(number: str) -> str:
    return number[:8]


def _in_unit(table: Table, unit: str) -> Table:
    """Where documents are the unit, a column that counts them a second time says nothing."""
    if unit != "docs":
        return table
    again = {place for place, name in enumerate(table.head) if name == unit and place and
             table.head[place - 1] in ("docs", "left", "read", "pool")}
    keep = [place for place in range(len(table.head)) if place not in again]
    return Table(table.name, tuple(table.head[place] for place in keep),
                 tuple(tuple(row[place] for place in keep) for row in table.rows), table.keys, table.notes)
