"""What a tagger declares: its name, version, columns and parameters. Imports neither numba nor pyarrow."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

# The parameter that says what sha256 the file has which another parameter of the tagger names (`Tagger.file`).
SHA256 = "sha256"

COLUMN_TYPES = ("int64", "float64", "float32", "bool", "string", "key128", "spans", "keys", "keyed_spans")


@dataclass(frozen=True)
class Column:
    """One measured value for each document. `doc` says what it is, when it is null, and whose definition it is."""

    name: str  # "words.count": the tagger's name, a dot, the measure
    # One of COLUMN_TYPES; key128 is 16 raw bytes, spans a list of (start, end, bytes, score), keys a list of uint64,
    # keyed_spans a list of (start, end, first_byte, bytes, key). No rule can name the last two: dedup methods read
    # them.
    type: str
    unit: str  # what a number counts, or "share", "probability", "yes or no"; of spans what each one is
    doc: str


@dataclass(frozen=True)
class Family:
    """Columns named by a value that a recipe asks for, such as `language.en`; the values become a parameter."""

    prefix: str  # "language."
    parameter: str  # the parameter that lists the values asked for, sorted
    values: tuple[str, ...]  # those of the file that comes with the tagger; () if none does
    type: str
    unit: str
    doc: str
    what: str = "CODE"  # how a value is called in lists of columns


@dataclass(frozen=True)
class Tagger:
    """A declaration. `run` is "module:function" with signature (TextBatch, parameters) -> {column: pyarrow array}.

    Without `run` nothing is computed: the columns are imported, and here are those of them that a recipe asks for.

    A tagger may need a file: a model, a tokenizer, a list. `file` is the parameter that names it, by path or URI, and
    SHA256 the one that says what it has to be; the function is given a local path. Where `bundled` gives the digest
    of what comes with the tagger, the default of `file` is None and stands for that; else a recipe has to name one. A
    tagger may have `bundled` alone, for data of a library that its results depend on.
    """

    name: str
    version: int
    doc: str
    run: str | None
    columns: tuple[Column, ...]
    parameters: Mapping[str, Any]  # every parameter with its default; None: a recipe has to give it, but for files
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # least and most of a whole number among them
    family: Family | None = None
    file: str | None = None  # the parameter that names a file
    bundled: str | None = None  # "module:function" that gives the hex sha256 of what comes with it: () -> str
    check: str | None = None  # "module:function" (parameters) -> None; ValueError if it cannot run with its file
    source: str = ""  # whose rules these are: papers and programs
    cost: float | None = None  # MB of text a second, one core, defaults: benchmarks/taggers.py on web pages
    own: str | None = None  # of a user's own tagger: the hex sha256 of the module that it comes from

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def is_imported(self) -> bool:
        return self.run is None

    @property
    def needs_file(self) -> bool:
        """Whether it cannot run unless a recipe names a file for it."""
        return self.file is not None and self.bundled is None

    def all_columns(self, parameters: Mapping[str, Any]) -> tuple[Column, ...]:
        """The columns that a run with these parameters writes, in order."""
        if self.family is None:
            return self.columns
        family = self.family
        asked = parameters[family.parameter]
        return self.columns + tuple(Column(family.prefix + value, family.type, family.unit, family.doc)
                                    for value in asked)


@dataclass(frozen=True)
class Use:
    """A tagger with its parameters, as a recipe needs it, and under the name that the recipe gives it."""

    tagger: Tagger
    parameters: Mapping[str, Any]
    name: str = ""  # empty: the tagger's own

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns as the tagger gives them and a sidecar has them, in order."""
        return self.tagger.all_columns(self.parameters)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The same columns under the recipe's name: `quality.score` of a tagger `fasttext` with `fasttext.score`."""
        if self.name in ("", self.tagger.name):
            return self.stored
        return tuple(replace(column, name=self.name + column.name.removeprefix(self.tagger.name))
                     for column in self.stored)

    @property
    def file(self) -> str | None:
        """The path or URI of its file, None if it has none but what comes with the tagger."""
        return None if self.tagger.file is None else self.parameters.get(self.tagger.file)

    @property
    def sha256(self) -> str | None:
        """What its file has to be, None if nobody says."""
        return None if self.tagger.file is None else self.parameters.get(SHA256)

    def with_file(self, uri: str | None, sha256: str | None) -> Use:
        assert self.tagger.file is not None
        return replace(self, parameters={**self.parameters, self.tagger.file: uri, SHA256: sha256})

    @property
    def identity(self) -> dict[str, Any]:
        """The parameters that decide what is measured: all but where the file lies, and its sha256 if it has one."""
        return {name: value for name, value in self.parameters.items()
                if name != self.tagger.file and (name, value) != (SHA256, None)}

    @property
    def parameters_digest(self) -> str:
        """Hex sha256 of the identity as canonical JSON."""
        text = json.dumps(self.identity, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def key(self) -> str:
        """Folder name and lock key: name@version, and a digest of parameters if there are any."""
        return f"{self.tagger.key}-{self.parameters_digest[:12]}" if self.parameters else self.tagger.key


def problems(tagger: Tagger) -> Iterator[str]:
    """What is wrong with a declaration; nothing of the registry's, and of a user's own to be told."""
    if not re.fullmatch("[a-z][a-z0-9_]*", tagger.name):
        yield f"{tagger.name!r} is no name of a tagger; use a-z, 0-9 and _"
    if tagger.version < 1:
        yield f"its version is {tagger.version}; the first is 1"
    names = [column.name for column in tagger.columns]
    if not names and tagger.family is None:
        yield "it declares no columns"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the column {name} is declared twice"
    for column in tagger.columns:
        if not re.fullmatch(rf"{re.escape(tagger.name)}\.\S+", column.name):
            yield f"the column {column.name} does not begin with `{tagger.name}.`, and all of its columns do"
        if column.type not in COLUMN_TYPES:
            yield f"the column {column.name} is of type {column.type}; the types are {', '.join(COLUMN_TYPES)}"
        if not column.unit:
            yield f"the column {column.name} has no unit; write one, such as words, share or yes or no"
    for name, (least, most) in tagger.bounds.items():
        default = tagger.parameters.get(name)
        if not isinstance(default, int) or not least <= default <= most:
            yield f"{name} is bounded from {least} to {most}; its default has to be a whole number between them"
    family = tagger.family
    if family is not None and (family.prefix, family.type in COLUMN_TYPES) != (f"{tagger.name}.", True):
        yield (f"its family has the prefix {family.prefix} and the type {family.type}; write `{tagger.name}.`, and "
               f"one of {', '.join(COLUMN_TYPES)}")
    if family is not None and tagger.parameters.get(family.parameter) != []:
        yield f"its family needs a parameter {family.parameter}, whose default is []"
    if tagger.file is not None and any(tagger.parameters.get(name, "") is not None for name in (tagger.file, SHA256)):
        yield f"it has a file, so its parameters need {tagger.file} and {SHA256}, both None"
    try:
        if from_json(as_json(tagger)) != tagger:
            yield "its parameters do not survive JSON; use text, numbers, true or false, and lists of them"
    except (TypeError, ValueError):
        yield "its parameters are no JSON; use text, numbers, true or false, and lists of them"


def as_json(tagger: Tagger) -> dict[str, Any]:
    """A declaration as plain data, from which `from_json` makes it again; ValueError where parameters are none."""
    data: dict[str, Any] = json.loads(json.dumps({**asdict(tagger), "parameters": dict(tagger.parameters)},
                                                 allow_nan=False))
    return data


def from_json(data: Mapping[str, Any]) -> Tagger:
    family = data["family"]
    return Tagger(**{
        **data,
        "columns": tuple(Column(**column) for column in data["columns"]),
        "bounds": {name: tuple(pair) for name, pair in data["bounds"].items()},
        "family": None if family is None else Family(**{**family, "values": tuple(family["values"])}),
    })


def load(reference: str) -> Callable[..., Any]:
    """The function that "module:function" names.

    Only declarations are ever loaded this way: the registry's, and those that the command line names, never a recipe's.
    """
    module, _, function = reference.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded
