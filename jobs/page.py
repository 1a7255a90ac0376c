"""A plan as one page: the funnel and the shares drawn, and every figure. It needs nothing but itself, nor JavaScript.

All words come from recipes and corpora, of which a stranger may have written any: each goes through `_text`. The page
is well-formed XML, so that a test, or anybody, can read the figures out of it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from jobs import figures, report, tables
from jobs.rates import Rate
from mixer import storage
from mixer.plan import Plan

# Of Okabe and Ito, which the colour-blind tell apart too; where there are more sources, they come again paler.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d1f", "#5b5b5b")
PALER = (1.0, 0.65, 0.4)  # opacity

# Of the drawings, in pixels.
WIDE = 1160
LABEL = 380
GAP = 20
ROW = 22
BAR = 14
HEAD = 26
FIGURES = 74  # to the right of a bar
LETTER = 6.6  # a letter of a label is at most about so wide

_STYLE = """\
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1160px; padding: 0 1em; color: #1a1a1a; \
background: #fff }
h1 { font-size: 1.5em; margin-bottom: 0 } h2 { font-size: 1.15em; margin: 2em 0 .5em }
svg { display: block; width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a }
svg .figure { text-anchor: start; fill: #444 } svg .label { text-anchor: end } svg .head { font-weight: 600 }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: .5em 0 }
th, td { padding: .15em .7em; text-align: right; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; \
white-space: nowrap }
th { font-weight: 600 } .name { text-align: left; white-space: normal }
.note, .about { color: #555; margin: .2em 0 } .warning { color: #8a3b00; margin: .2em 0 }
.legend span { display: inline-block; margin-right: 1.2em } .legend svg { display: inline-block; width: 12px; \
height: 12px; vertical-align: -1px; margin-right: .4em }
code { font-size: .92em; overflow-wrap: anywhere } summary { cursor: pointer }"""


def write(plan: Plan, uri: str, rate: Rate | None = None) -> None:
    """Puts the page of a plan, whole or not at all."""
    storage.put(uri, page(plan, rate).encode())


def page(plan: Plan, rate: Rate | None = None) -> str:
    """The page of a plan, as XHTML. `rate` is that of the last build, None where none was measured."""
    recipe, counts = plan.recipe, plan.body["counts"]
    title = _text(f"{recipe.name} {recipe.version}")
    parts = [
        f"<h1>{title}</h1>", _paragraph("about", report.plan_title(plan)),
        *([_paragraph("about", recipe.description)] if recipe.description else []),
        f"<p class=\"about\">lock <code>sha256:{_text(plan.body['lock_sha256'])}</code><br/>"
        f"recipe <code>sha256:{_text(recipe.sha256)}</code></p>",
        _paragraph("about", report.build_estimate(plan, rate)),
        *(_paragraph("warning", f"warning: {warning}") for warning in report.findings(plan)),
        _legend(counts),
        "<h2>What is left after each step</h2>", funnel_svg(counts, recipe.unit),
        "<h2>Requested, allocated and realised</h2>", shares_svg(counts),
        "<h2>Epochs</h2>", epochs_svg(counts),
    ]
    for table in figures.tables(plan):
        parts += [f"<h2>{_text(_TITLES.get(table.name, table.name))}</h2>", _table(table)]
        if table.name == "losses" and plan.body["references"]:
            parts.append(_paragraph("note", report.compared_text(plan)))
    parts += ["<h2>Every figure</h2>", "<details><summary>documents, units and bytes of each source at each step"
              "</summary>", _table(every_figure(plan)), "</details>"]
    body = "\n".join(parts)
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
            f'<html xmlns="http://www.w3.org/1999/xhtml" lang="en">\n<head>\n<meta charset="UTF-8"/>\n'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'"/>\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
            f"<title>{title}: plan</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n")


_TITLES = {"funnel": "What each step drops", "cuts": "What is cut and replaced", "losses": "Who lost to whom",
           "documents": "Documents", "shares": "Shares and epochs"}


# ---- drawings


@dataclass(frozen=True)
class Left:
    """What is left of each source after a step, in the order of the sources."""

    name: str
    docs: tuple[int, ...]
    units: tuple[int, ...]


def left_after(counts: Sequence[figures.Count]) -> list[Left]:
    """What was read, and what is left after each step, in the order of the funnel."""
    docs = [each["read"]["docs"] for each in counts]
    units = [each["read"]["units"] for each in counts]
    found = [Left("read", tuple(docs), tuple(units))]
    dropped = [{step.name: step for step in figures.steps(each)} for each in counts]
    for name in figures.in_order(counts):
        for place, steps in enumerate(dropped):
            if name in steps:
                docs[place] -= steps[name].docs
                units[place] -= steps[name].units
        found.append(Left(name, tuple(docs), tuple(units)))
    return found


def funnel_svg(counts: Sequence[figures.Count], unit: str) -> str:
    """Bars of what is left after each step, cut by source: units on the left, documents on the right."""
    lefts = left_after(counts)
    names = [each["source"] for each in counts]
    width = (WIDE - LABEL - 2 * GAP) // 2 - FIGURES
    panels = [(LABEL + GAP, unit, [left.units for left in lefts]),
              (LABEL + 2 * GAP + width + FIGURES, "documents", [left.docs for left in lefts])]
    parts = []
    for x, called, rows in panels:
        parts.append(_words(x, HEAD - 10, called, "head"))
        most = sum(rows[0])
        for number, row in enumerate(rows):
            y = HEAD + number * ROW
            ends = [x, *(x + _share_of(sum(row[: place + 1]), most, width) for place in range(len(row)))]
            parts += [_bar(ends[place], y, ends[place + 1] - ends[place], place,
                           f"{lefts[number].name}: {value:,} {called} of {names[place]}")
                      for place, value in enumerate(row) if value]
            parts.append(_words(x + _share_of(sum(row), most, width) + 5, y + BAR - 3, _brief(sum(row)), "figure"))
    for number, left in enumerate(lefts):
        parts.append(_label(left.name, HEAD + number * ROW + BAR - 3))
    return _svg(HEAD + len(lefts) * ROW, parts, "What is left after each step, by source")


def shares_svg(counts: Sequence[figures.Count]) -> str:
    """Three bars a source, of one scale: its shares of what was requested, is allocated and is realised."""
    wholes = {"requested": [each["requested"] for each in counts],
              "allocated": [each["allocated"] for each in counts],
              "realised": [figures.realised_of(each) for each in counts]}
    width = WIDE - LABEL - 2 * GAP - 2 * FIGURES
    most = max([value / (sum(values) or 1) for values in wholes.values() for value in values], default=0)
    parts = []
    for place, each in enumerate(counts):
        for number, (what, values) in enumerate(wholes.items()):
            y = HEAD + place * (3 * ROW + 8) + number * ROW
            size = _share_of(values[place] / (sum(values) or 1), most, width)
            said = tables.percent(values[place], sum(values))
            parts.append(_bar(LABEL + GAP, y, size, place, f"{each['source']} {what}: {values[place]:,}, {said}",
                              0.45 + 0.275 * number))
            parts.append(_words(LABEL + GAP + size + 5, y + BAR - 3, f"{said} ({tables.short(values[place])})",
                                "figure"))
            parts.append(_label(f"{each['source']} {what}" if number == 0 else what, y + BAR - 3))
    return _svg(HEAD + len(counts) * (3 * ROW + 8), parts, "Shares by source")


def epochs_svg(counts: Sequence[figures.Count]) -> str:
    """A bar a source: how often its pool is seen in the mean, and its most frequent documents beside it."""
    means = [each["emitted"]["units"] / each["pool"]["units"] if each["pool"]["units"] else 0.0 for each in counts]
    width = WIDE - LABEL - 2 * GAP - 2 * FIGURES
    parts = []
    for place, (each, mean) in enumerate(zip(counts, means, strict=True)):
        y = HEAD + place * ROW
        size = _share_of(mean, max(means), width)
        parts.append(_bar(LABEL + GAP, y, size, place, f"{each['source']}: {mean:.4f} epochs"))
        parts.append(_words(LABEL + GAP + size + 5, y + BAR - 3, f"{mean:.2f}, at most {each['max_copies']}", "figure"))
        parts.append(_label(each["source"], y + BAR - 3))
    return _svg(HEAD + len(counts) * ROW, parts, "Epochs by source")


def _brief(value: int) -> str:
    """As long as there is room for beside a bar."""
    return tables.count(value) if value < 10_000_000 else tables.short(value)


def _share_of(part: float, whole: float, width: int) -> float:
    return width * part / whole if whole else 0.0


def _svg(height: int, parts: Iterable[str], says: str) -> str:
    inside = "\n".join(parts)
    return (f'<div class="scroll"><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height}" role="img" '
            f"aria-label={_attribute(says)}>\n{inside}\n</svg></div>")


def _bar(x: float, y: float, width: float, place: int, says: str, strength: float = 1.0) -> str:
    colour, paler = _colour(place)
    return (f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{BAR}" fill="{colour}" '
            f'fill-opacity="{paler * strength:.3f}"><title>{_text(says)}</title></rect>')


def _words(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}">{_text(words)}</text>'


def _label(words: str, y: float) -> str:
    """To the left of the bars, shortened to the room that there is; the whole of it where one points at it."""
    most = int(LABEL / LETTER)
    shown = words if len(words) <= most else words[: most - 1] + "…"
    return f'<text class="label" x="{LABEL}" y="{y:.2f}">{_text(shown)}<title>{_text(words)}</title></text>'


def _legend(counts: Sequence[figures.Count]) -> str:
    def one(place: int, name: str) -> str:
        colour, paler = _colour(place)
        return ('<span><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 12 12"><rect width="12" height="12" '
                f'fill="{colour}" fill-opacity="{paler}"/></svg>{_text(name)}</span>')

    return f"<p class=\"legend\">{''.join(one(place, each['source']) for place, each in enumerate(counts))}</p>"


def _colour(place: int) -> tuple[str, float]:
    return COLOURS[place % len(COLOURS)], PALER[place // len(COLOURS) % len(PALER)]


# ---- tables


def every_figure(plan: Plan) -> figures.Table:
    """Documents, units and bytes of each source at each step, to the last digit, and its numbers beside them."""
    rows: list[tuple[str, ...]] = []
    for each in plan.body["counts"]:
        for name, value in _flat(each):
            rows.append((each["source"], name, value))
    return figures.Table("every figure", ("source", "figure", "value"), tuple(rows), keys=2)


_NAMES = ("rule", "method", "edit", "split")  # under which what a plan lists is called something


def _flat(value: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    """(name, as written) of every figure; docs, units and bytes that belong together on one line."""
    for name, inside in value.items():
        called = f"{above} {name}".strip()
        if isinstance(inside, Mapping):
            if all(isinstance(each, int) for each in inside.values()):
                order = dict.fromkeys([*(what for what in figures.CUT if what in inside), *inside])
                yield called, ", ".join(f"{inside[what]:,} {what}" for what in order)
            else:
                yield from _flat(inside, called)
        elif isinstance(inside, list):
            for number, each in enumerate(inside, 1):
                key = next((key for key in _NAMES if key in each), None)
                three = {what: each[what] for what in figures.THREE if what in each}
                rest = {name: part for name, part in each.items() if name != key and name not in three}
                yield from _flat(({"of it": three} if three else {}) | rest,
                                 f"{called}: {number if key is None else each[key]}:")
        elif name != "source" and inside is not None:
            yield called, f"{inside:,}" if isinstance(inside, int) and not isinstance(inside, bool) else str(inside)


def _table(table: figures.Table) -> str:
    head = "".join(_cell("th", cell, place < table.keys) for place, cell in enumerate(table.head))
    rows = "\n".join(f"<tr>{''.join(_cell('td', cell, place < table.keys) for place, cell in enumerate(row))}</tr>"
                     for row in table.rows)
    notes = "".join(_paragraph("note", note) for note in table.notes)
    return (f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
            f"{notes}")


def _cell(tag: str, cell: str, is_name: bool) -> str:
    kind = ' class="name"' if is_name else ""
    return f"<{tag}{kind}>{_text(cell)}</{tag}>"


def _paragraph(kind: str, words: str) -> str:
    return f'<p class="{kind}">{_text(words)}</p>'


def _text(words: str) -> str:
    """Words as they stand between tags; what XML cannot hold is made visible."""
    return escape(tables.visible(words), {'"': "&quot;"})


def _attribute(words: str) -> str:
    return quoteattr(tables.visible(words))
