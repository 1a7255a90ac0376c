"""List files as taggers read them: lines with a form each, comments, and how much of a file was of no use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    number: int
    text: str  # without whitespace at its ends


def lines_of(path: str, comments: tuple[str, ...]) -> list[Line]:
    """The lines that say something: neither empty nor beginning as a comment does.

    UTF-8, with or without a mark at its beginning; a line with broken bytes has U+FFFD there.
    """
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = [Line(number, line.strip()) for number, line in enumerate(file, 1)]
    return [line for line in lines if line.text and not line.text.startswith(comments)]


@dataclass(frozen=True)
class Unknown:
    """The lines of a file that are of no form that a tagger knows."""

    of: int  # lines that say something
    lines: tuple[Line, ...]


def check_list(path: str, useful: int, unknown: Unknown, forms: str) -> None:
    """ValueError where a file has nothing of use, or more than half of its lines are of no known form."""
    count = len(unknown.lines)
    if useful == 0 and count == 0:
        why = "it has no entries"
    elif useful == 0 or 2 * count > unknown.of:
        number, text = unknown.lines[0]
        more = ", which is more than half" if useful else ""
        why = f"{count} of its {unknown.of} lines are of no known form{more} (first line {number}: {text[:80]!r})"
    else:
        return
    raise ValueError(f"{Path(path).name}: {why}; it needs lines such as {forms}")
