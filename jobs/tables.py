"""Tables and numbers as people read them on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs import progress
from jobs.progress import Stage, brief, megabytes


def table(head: Sequence[str], body: Sequence[Sequence[object]], indent: str = "  ") -> str:
    """Columns under their heads, as wide as they need; the first is left-aligned, numbers right-aligned."""
    cells = [[*map(str, head)], *([*map(str, row)] for row in body)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        indent + "  ".join(cell.ljust(width) if number == 0 else cell.rjust(width)
                           for number, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    )


def count(value: int) -> str:
    return f"{value:,}"


def short(value: int) -> str:
    """A count in three digits and a letter: 1.23M."""
    for limit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{letter}" if value / limit < 999.5 else f"{value / limit:.0f}{letter}"
    return str(value)


def percent(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def rate(size: float, seconds: float) -> str:
    return f"{size / 1e6 / seconds:,.1f} MB/s" if seconds > 0 else "-"


def stages(done: Sequence[Stage]) -> str:
    """The closing table of a command: what each stage did, counted, and how long it took."""
    body = [[stage.name, stage.did, count(stage.counts.documents), megabytes(stage.counts.bytes)
             if stage.counts.bytes else "-", count(stage.counts.quarantined),
             f"{stage.tasks:,}" + (f" ({stage.retried:,} retried)" if stage.retried else ""), brief(stage.seconds),
             progress.rate(stage.counts, stage.seconds) or "-"] for stage in done]
    width = max([len("what"), *(len(str(row[1])) for row in body)])
    return table(["stage", "what".ljust(width), "docs", "text", "quarantined", "tasks", "time", "rate"],
                 [[row[0], str(row[1]).ljust(width), *row[2:]] for row in body])


def funnel(counts: Sequence[Mapping[str, Any]], unit: str) -> str:
    """What each rule and dedup method drops: by first reason, by itself, and what only it drops."""
    names: dict[str, dict[str, Any]] = {}
    for each in counts:
        for rule in each["rules"]:
            held = names.setdefault(rule["rule"], {"first": 0, "units": 0, "own": 0, "only": 0, "missing": 0,
                                                   "sources": []})
            held["first"] += rule["first"]["docs"]
            held["units"] += rule["first"]["units"]
            for what in ("own", "only", "missing"):
                held[what] += rule[what]["docs"]
            held["sources"].append(each["source"])
    body: list[list[object]] = []
    for rule, held in names.items():
        where = "" if len(held["sources"]) == len(counts) else f"  ({', '.join(held['sources'])})"
        body.append([rule + where, count(held["first"]), short(held["units"]), count(held["own"]),
                     count(held["only"]), count(held["missing"])])
    methods: dict[str, list[int]] = {}
    for each in counts:
        for method in each["dedup"]:
            held_method = methods.setdefault(method["method"], [0, 0])
            held_method[0] += method["dropped"]["docs"]
            held_method[1] += method["dropped"]["units"]
    body += [[name, count(docs), short(units), "", "", ""] for name, (docs, units) in methods.items()]
    return table(["dropped by", "docs", unit, "fail it", "only it", "missing"], body)


def plan_table(counts: Sequence[Mapping[str, Any]], unit: str, budget: int | None) -> str:
    """Each source from what was read to what is emitted."""
    total_requested = sum(each["requested"] for each in counts)
    emitted = sum(each["emitted"]["units"] for each in counts)
    cut = sum(each["edited"]["units"] for each in counts)
    body: list[list[object]] = []
    for each in counts:
        pool = each["pool"]["units"]
        realised = each["emitted"]["units"] - each["edited"]["units"]
        body.append([
            each["source"], count(each["read"]["docs"]), short(each["read"]["units"]), count(each["pool"]["docs"]),
            short(pool), count(each["selected"]["docs"]), short(each["requested"]),
            percent(each["requested"], total_requested), short(each["allocated"]) + ("*" if each["capped"] else ""),
            short(realised), percent(realised, emitted - cut),
            f"{each['emitted']['units'] / pool:.2f}" if pool else "-", each["max_copies"],
        ])

    def total(*path: str) -> int:
        return sum(each[path[0]][path[1]] if len(path) == 2 else each[path[0]] for each in counts)

    pool = total("pool", "units")
    body.append(["total", count(total("read", "docs")), short(total("read", "units")), count(total("pool", "docs")),
                 short(pool), count(total("selected", "docs")), short(total_requested), percent(1, 1),
                 short(total("allocated")), short(emitted - cut), percent(1, 1),
                 f"{emitted / pool:.2f}" if pool else "-", max((each["max_copies"] for each in counts), default=0)])
    text = table(["source", "read docs", unit, "pool docs", unit, "selected", "requested", "share", "allocated",
                  "realised", "share", "epochs", "max"], body)
    if any(each["capped"] for each in counts):
        text += "\n  * held back by max_epochs; the rest of its share went to the others"
    if any(each["edited"]["docs"] for each in counts):
        text += f"\n  realised is what is left of {short(emitted)} {unit} after {short(cut)} are cut from the texts"
    bad = [f"{count(each['bad'])} in {each['source']}" for each in counts if each["bad"]]
    if bad:
        text += f"\n  records that could not be read, beside these: {', '.join(bad)}"
    return text


def cuts(counts: Sequence[Mapping[str, Any]], unit: str) -> str:
    """What each method cuts from documents that stay, and what all of them together cut from what is emitted; empty
    where no method cuts anything.
    """
    methods: dict[str, list[int]] = {}
    for each in counts:
        for method in each["dedup"]:
            held = methods.setdefault(method["method"], [0] * 4)
            mine = [method["edited"][what] for what in ("docs", "spans", "units", "bytes")]
            methods[method["method"]] = [sum(pair) for pair in zip(held, mine, strict=True)]
    found = [(name, sums) for name, sums in methods.items() if any(sums)]
    if not found:
        return ""
    emitted = [sum(each["edited"][what] for each in counts) for what in ("docs", "spans", "units", "bytes")]
    found.append(("all of these, from the copies that are taken", emitted))
    return table(["cut from documents that stay", "docs", "spans", unit, "bytes"],
                 [[name, count(docs), count(spans), short(units), short(size)]
                  for name, (docs, spans, units, size) in found])


def losses(rows: Sequence[Mapping[str, Any]], unit: str) -> str:
    """Who lost to whom: by which method, where there are several, and what was cut, where something was."""
    head, body = ["lost in", "to", "docs", unit], []
    several = len({row["method"] for row in rows}) > 1
    cut = any(row["cut"]["repeats"] for row in rows)
    for row in rows:
        cells: list[object] = [row["source"], row["lost_to"], count(row["docs"]), short(row["units"])]
        if cut:
            cells += [count(row["cut"]["repeats"]), short(row["cut"]["units"]), short(row["cut"]["bytes"])]
        body.append([row["method"], *cells] if several else cells)
    head += ["repeats cut", unit, "bytes"] if cut else []
    return table(["by", *head] if several else head, body)
