"""What is wrong in a recipe, and where: mistakes are collected while the file is read, to be told all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    def add(self, line: int, path: str | Sequence[str], value: str, message: str, remedy: str) -> None:
        shown = path if isinstance(path, str) else ".".join(path)
        self.mistakes.append(Mistake(self.file, line, shown, value, message, remedy))


def found_text(node: Node) -> str:
    """A value as it was written, for a message."""
    if isinstance(node, Scalar):
        raw = "nothing" if node.value is None else node.raw
        return raw if len(raw) <= 60 else raw[:60] + "…"
    return "a list" if isinstance(node, Items) else "a mapping"


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(word, names, 1)
    return f"did you mean `{close[0]}`?" if close else otherwise or f"write one of: {', '.join(names)}"

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

