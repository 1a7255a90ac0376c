"""List files as taggers read them: lines with a form each, comments, and how much of a file was of no use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


class Unknown:
    """Lines that are of no form that a tagger knows: how many, of how many, and the first of them."""

    def __init__(self) -> None:
        self.lines = 0
        self.count = 0
        self.first = ""

    def add(self, number: int, line: str) -> None:
        self.count += 1
        self.first = self.first or f"line {number}: {line[:80]!r}"

    def check(self, path: str, useful: int, forms: str) -> None:
        """ValueError where a file has nothing of use, or more than half of its lines are of no known form."""
        name = Path(path).name
        if useful == 0:
            why = f"{self.count} of its {self.lines} lines are of no known form" if self.count else "it has no entries"
        elif 2 * self.count > self.lines:
            why = f"{self.count} of its {self.lines} lines are of no known form, which is more than half"
        else:
            return
        first = f" (first {self.first})" if self.first else ""
        raise ValueError(f"{name}: {why}{first}; it needs lines such as {forms}")


def entries(path: str, unknown: Unknown, comments: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line number, line) of each line that says something, without whitespace at its ends; counted in `unknown`.

    UTF-8, with or without a mark at its beginning; a line with broken bytes has U+FFFD there.
    """
    with open(path, encoding="utf-8-sig", errors="replace", newline=None) as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if text and not text.startswith(comments):
                unknown.lines += 1
                yield number, text
