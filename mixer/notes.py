"""What is wrong in a recipe, and where: mistakes are collected while the file is read, to be told all at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mixer.errors import Mistake
from mixer.yamls import Items, Node, Scalar, Section
from taggers.declare import Tagger, Use


@dataclass(frozen=True)
class Notes:
    """Where the mistakes are collected while the file is read."""

    file: str
    mistakes: list[Mistake]
    own: Sequence[Tagger] = ()
    named: dict[str, Use] = field(default_factory=dict)  # the recipe's taggers, which are read before its rules
    unusable: set[str] = field(default_factory=set)  # names of taggers that a mistake has made unknown
    most: int | None = None  # mistakes before it is enough

    def add(self, line: int, path: str | Sequence[str], value: str, message: str, remedy: str) -> None:
        """Raises Enough with the last mistake that is told."""
        shown = path if isinstance(path, str) else ".".join(path)
        self.mistakes.append(Mistake(self.file, line, shown, value, message, remedy))
        if len(self.mistakes) == self.most:
            raise Enough


class Enough(Exception):
    """There are more mistakes than anybody reads at once."""


def found_text(node: Node) -> str:
    """A value as it was written, for a message."""
    if isinstance(node, Scalar):
        raw = "nothing" if node.value is None else node.raw
        return raw if len(raw) <= 60 else raw[:60] + "…"
    return "a list" if isinstance(node, Items) else "a mapping"


def did_you_mean(
    word: str, known: Iterable[str], otherwise: str = "", fits: Callable[[str], bool] = lambda name: True
) -> str:
    """The known word that is closest, of those that fit; else what to do otherwise, or all that could be written."""
    from difflib import get_close_matches

    names = list(itertools.islice(known, MOST_COMPARED))
    close = [name for name in get_close_matches(word, names, 5) if fits(name)]
    return f"did you mean `{close[0]}`?" if close else otherwise or f"write one of: {_listed(names)}"


MOST_COMPARED = 1000


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:50]) + (", …" if len(names) > 50 else "")


def line_of(node: Node, *keys: str) -> int:
    """The line of the deepest of the keys that stands in the file."""
    line = node.line
    for key in keys:
        if not isinstance(node, Section) or key not in node.nodes:
            break
        line, node = node.lines[key], node.nodes[key]
    return line


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

