"""Tables and numbers as people read them on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from jobs import progress
from jobs.progress import Stage, brief, megabytes
from mixer import errors

WIDTH = 120  # columns that a table should do with
SPANS_SHOWN = 3  # of a column of spans
LEAST_NAME = 24  # of them for what a row is called, before it is given a line of its own


class Marked(str):
    """A cell that is to be seen first."""


def table(head: Sequence[str], body: Sequence[Sequence[object]], indent: str = "  ", left: int = 1,
          colour: bool = False) -> str:
    """Columns under their heads, as wide as they need; the first ones are left-aligned, numbers right-aligned. With
    colour where it is asked for, of cells that are Marked.
    """
    cells = [[*map(_cell, head)], *([*map(_cell, row)] for row in body)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        indent + "  ".join(_painted(cell, cell.ljust(width) if number < left else cell.rjust(width), colour)
                           for number, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    )


def fitted(
    head: Sequence[str], body: Sequence[Sequence[str]], keys: int = 1, width: int = WIDTH, colour: bool = False
) -> str:
    """The same, on so many columns: without those that say nothing of any row, and, where that is not enough, with what
    is long at the start of a row on a line of its own. The first `keys` columns are never left out.
    """
    says = [place < keys or any(row[place] not in ("", "0", "-") for row in body) for place in range(len(head))]
    rows = [[visible(cell) for cell, said in zip(row, says, strict=True) if said] for row in (head, *body)]
    widths = [max(len(row[place]) for row in rows) + 2 for place in range(len(rows[0]))]
    room = max(LEAST_NAME, width - sum(widths[1:]) - 2)
    if widths[0] - 2 <= room:
        return table(rows[0], rows[1:], left=keys, colour=colour)
    short_rows = [[cells[0] if len(cells[0]) <= room else "", *cells[1:]] for cells in rows]
    lines = table(short_rows[0], short_rows[1:], left=keys, colour=colour).splitlines()
    return "\n".join(line if len(row[0]) <= room else f"  {_painted(row[0], row[0], colour)}\n{line}"
                     for row, line in zip(rows, lines, strict=True))


def visible(text: str) -> str:
    """On one line, with nothing that a terminal would act on."""
    if text.isprintable():
        return text
    shown = errors.visible(text)
    return Marked(shown) if isinstance(text, Marked) else shown


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


def value(found: object) -> str:
    """What was measured, as a person reads it: of spans where they are, and their scores."""
    if isinstance(found, list):
        shown = [f"{span['start']}-{span['end']} {value(span['score'])}" for span in found[:SPANS_SHOWN]]
        return ", ".join([*shown, *([f"… {len(found):,} in all"] if len(found) > SPANS_SHOWN else [])]) or "none"
    return "missing" if found is None else f"{found:.6g}" if isinstance(found, float) else str(found)


def stages(done: Sequence[Stage]) -> str:
    """The closing table of a command: what each stage did, counted, and how long it took."""
    body = [[stage.name, stage.did, count(stage.counts.documents), megabytes(stage.counts.bytes)
             if stage.counts.bytes else "-", count(stage.counts.quarantined),
             f"{stage.tasks:,}" + (f" ({stage.retried:,} retried)" if stage.retried else ""), brief(stage.seconds),
             progress.rate(stage.counts, stage.seconds) or "-"] for stage in done]
    width = max([len("what"), *(len(str(row[1])) for row in body)])
    return table(["stage", "what".ljust(width), "docs", "text", "quarantined", "tasks", "time", "rate"],
                 [[row[0], str(row[1]).ljust(width), *row[2:]] for row in body])


def _cell(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _painted(cell: str, text: str, colour: bool) -> str:
    return f"\x1b[1;33m{text}\x1b[0m" if colour and isinstance(cell, Marked) else text
