"""YAML for recipes: what stands in the file and on which line, and nothing that could surprise its reader.

It is YAML less what makes the same file mean something else elsewhere, or a small file become a large tree: no
anchors, aliases, merge keys, tags or second document, and no key twice. Scalars follow the core schema of YAML 1.2
(section 10.3.2 of its specification), so `no`, `on` and 2026-11-21 are text, with these changes: digits may be grouped
(6_000_000), and a number that is not whole is an exact Decimal. A number with a leading zero is text, since YAML 1.1
reads 010 as 8; so are hexadecimal and octal numbers, .inf and .nan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mixer.errors import Mistake, RecipeError

if TYPE_CHECKING:
    from yaml.events import Event

ScalarValue = None | bool | int | Decimal | str

# Recipes come from strangers: these bounds keep a short file from costing much time or memory.
MOST_BYTES = 512 * 1024
MOST_MISTAKES = 200
LONGEST_NUMBER = 60
LARGEST_EXPONENT = 60
DEEPEST = 20


@dataclass(frozen=True)
class Scalar:
    """One value. `raw` is as written, without quotes."""

    value: ScalarValue
    raw: str
    line: int


@dataclass(frozen=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    line: int


@dataclass(frozen=True)
class Section:
    """A mapping in the order of the file. Keys are text as written, whatever they look like (`on`, 2026)."""

    nodes: Mapping[str, Node]
    lines: Mapping[str, int]  # the line of each key
    line: int


@dataclass(frozen=True)
class Unusable:
    """Stands where a mistake was reported already, so that nobody reports it twice."""

    line: int


Node = Scalar | Items | Section | Unusable


def read(text: bytes, file: str) -> tuple[Node, tuple[Mistake, ...]]:
    """The tree of the one document in `text`, and its mistakes. An empty document is a null on line 1.

    Raises RecipeError where nothing can be read past the first mistake: bad UTF-8, bad syntax.
    """
    import yaml  # 36 ms: only when a recipe is read

    if len(text) > MOST_BYTES:
        message = f"larger than the {MOST_BYTES:_} bytes that a recipe may have"
        raise RecipeError([Mistake(file, 0, "", f"{len(text):_}", message, "name shards by globs, not one by one")])
    characters = _decode(text, file)
    builder = _Builder(file)
    try:
        for event in yaml.parse(characters, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark else 0
        raise RecipeError([*builder.mistakes, Mistake(file, line, "", "", message, "correct the YAML")]) from None
    except yaml.reader.ReaderError as error:
        line = characters.count("\n", 0, error.position) + 1
        shown = f"U+{ord(characters[error.position]):04X}"
        raise RecipeError([Mistake(file, line, "", shown, "a character YAML does not allow", "remove it")]) from None
    except _TooDeep as error:
        message = f"nested more than {DEEPEST} deep"
        raise RecipeError([*builder.mistakes, Mistake(file, error.line, "", "", message, "flatten it")]) from None
    root = Scalar(None, "", 1) if builder.root is None else builder.root
    return root, tuple(builder.mistakes)


def first_of(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """Of a file with more of them than are told, the first, and that there are more."""
    message = f"many mistakes, of which these are the first {len(mistakes)}"
    return [Mistake(mistakes[0].file, 0, "", "", message, "correct them to see the others"), *mistakes]


def resolve(raw: str) -> ScalarValue:
    """What an unquoted scalar means: null, a bool, an int, a Decimal, or else the text itself."""
    if raw in _WORDS:
        return _WORDS[raw]
    if _WHOLE.fullmatch(raw):
        return int(raw)  # which takes the underscores too
    if _DECIMAL.fullmatch(raw):
        return Decimal(raw)
    return raw


_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DIGITS = r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)"
_WHOLE = re.compile(rf"[-+]?{_DIGITS}")
_DECIMAL = re.compile(rf"[-+]?(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


_NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass
class _Open:
    """A list or mapping whose end has not come yet. `key` is the one whose value comes next."""

    path: str
    line: int
    usable: bool
    is_section: bool
    nodes: list[Node] = field(default_factory=list)
    named: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    key: str | None = None
    wants_key: bool = True
    repeated: bool = False


class _TooDeep(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


class _Builder:
    """Makes the tree from parser events. PyYAML's own composer recurses, and forgets anchors and written tags."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.mistakes: list[Mistake] = []
        self.stack: list[_Open] = []
        self.documents = 0

    def take(self, event: Event) -> None:
        from yaml import events

        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, events.DocumentStartEvent):
            self.documents += 1
            if self.documents == 2:
                self.note(line, "", "---", "a second document", "keep one recipe in a file")
        elif self.documents > 1:
            return
        elif isinstance(event, events.AliasEvent):
            self.note(line, self.path(), f"*{event.anchor}", "aliases are not allowed", "write the value out")
            self.put(Unusable(line), None)
        elif isinstance(event, events.ScalarEvent):
            usable = self.plain(event, line) and self.encodable(event.value, line)
            self.put(self.scalar(event, line) if usable else Unusable(line), event.value if usable else None)
        elif isinstance(event, events.SequenceStartEvent | events.MappingStartEvent):
            if len(self.stack) == DEEPEST:
                raise _TooDeep(line)
            usable = self.plain(event, line)
            is_section = isinstance(event, events.MappingStartEvent)
            self.stack.append(_Open(self.path(), line, usable, is_section))
        elif isinstance(event, events.SequenceEndEvent | events.MappingEndEvent):
            done = self.stack.pop()
            node: Node = (
                Section(done.named, done.lines, done.line) if done.is_section else Items(tuple(done.nodes), done.line)
            )
            self.put(node if done.usable else Unusable(done.line), None)

    def plain(self, event: Any, line: int) -> bool:
        """Whether the node has neither a tag (then it is unusable, and noted) nor an anchor (noted)."""
        if event.anchor is not None:
            self.note(line, self.path(), f"&{event.anchor}", "anchors are not allowed", "remove it")
        if event.tag is not None:
            self.note(line, self.path(), event.tag, "tags are not allowed", "remove it")
        return event.tag is None

    def encodable(self, text: str, line: int) -> bool:
        r"""Whether this can be written to a file and name one, which an escaped \0 or \ud800 cannot (noted)."""
        wrong = _NO_TEXT.search(text)
        if wrong is not None:
            self.note(line, self.path(), f"U+{ord(wrong[0]):04X}", "a character that no text can have", "remove it")
        return wrong is None

    def scalar(self, event: Any, line: int) -> Node:
        raw = event.value
        if event.style is not None:  # quoted or a block: text
            return Scalar(raw, raw, line)
        if _DECIMAL.fullmatch(raw):
            exponent = re.split("[eE]", raw)[1] if re.search("[eE]", raw) else "0"
            if len(raw) > LONGEST_NUMBER or abs(int(exponent)) > LARGEST_EXPONENT:
                self.note(line, self.path(), raw[:LONGEST_NUMBER], "a number out of range", "write a smaller one")
                return Unusable(line)
        return Scalar(resolve(raw), raw, line)

    def put(self, node: Node, key: str | None) -> None:
        """Puts a finished node where it belongs. `key` is its text if it may serve as a key."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if not top.is_section:
            top.nodes.append(node)
        elif top.wants_key:
            self.put_key(top, node.line, key, already_noted=isinstance(node, Unusable))
        else:
            if top.key is not None and not top.repeated:
                top.named[top.key] = node
            top.key, top.wants_key = None, True

    def put_key(self, top: _Open, line: int, key: str | None, already_noted: bool) -> None:
        top.key, top.wants_key, top.repeated = key, False, False
        if key is None:
            if not already_noted:
                self.note(line, top.path, "", "a list or mapping as a key", "use text as the key")
        elif key == "<<":
            top.repeated = True
            self.note(line, top.path, "<<", "merge keys are not allowed", "write the values out")
        elif key in top.lines:
            top.repeated = True
            first = top.lines[key]
            self.note(line, self.path(), "", f"this key stands on line {first} already", "keep one of the two")
        else:
            top.lines[key] = line

    def path(self) -> str:
        """Where the next node goes, as in sources.web.shards[0]."""
        if not self.stack:
            return ""
        top = self.stack[-1]
        if not top.is_section:
            return f"{top.path}[{len(top.nodes)}]"
        return ".".join(part for part in (top.path, top.key) if part)

    def note(self, line: int, path: str, value: str, message: str, remedy: str) -> None:
        self.mistakes.append(Mistake(self.file, line, path, value, message, remedy))
        if len(self.mistakes) == MOST_MISTAKES:
            raise RecipeError(first_of(self.mistakes))


def _decode(text: bytes, file: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        shown = text[error.start : error.end].hex(" ")
        raise RecipeError(
            [Mistake(file, line, "", shown, "bytes that are not UTF-8", "save the file as UTF-8")]
        ) from None
