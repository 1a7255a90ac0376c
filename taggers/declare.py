"""What a tagger declares: its name, version, columns and parameters. Imports neither numba nor pyarrow."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# The parameters of a tagger whose model a recipe may name: where it lies, which says nothing about what is measured,
# and its sha256, which does. Both null: the model that comes with the tagger.
MODEL = "model"
MODEL_SHA256 = "sha256"

COLUMN_TYPES = ("int64", "float64", "float32", "bool", "string", "key128", "spans")


@dataclass(frozen=True)
class Column:
    """One measured value for each document. `doc` says what it is, its unit, when it is null, and its source."""

    name: str  # "words.count": the tagger's name, a dot, the measure
    type: str  # one of COLUMN_TYPES; key128 is 16 raw bytes, spans a list of (start, end, bytes, score)
    doc: str


@dataclass(frozen=True)
class Family:
    """Columns named by a value that a recipe asks for, such as `language.en`; the values become a parameter."""

    prefix: str  # "language."
    parameter: str  # the parameter that lists the values asked for, sorted
    values: tuple[str, ...]
    type: str
    doc: str


@dataclass(frozen=True)
class Tagger:
    """A declaration. `run` is "module:function" with signature (TextBatch, parameters) -> {column: pyarrow array}.

    Without `run` nothing is computed: the columns are imported, and here are those of them that a recipe asks for.
    """

    name: str
    version: int
    doc: str
    run: str | None
    columns: tuple[Column, ...]
    parameters: Mapping[str, Any]  # every parameter with its default
    family: Family | None = None
    model: str | None = None  # "module:function" that gives the hex sha256 of the model it comes with: () -> str
    check: str | None = None  # "module:function" (parameters) -> None; ValueError if it cannot run with its model

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def is_imported(self) -> bool:
        return self.run is None

    def all_columns(self, parameters: Mapping[str, Any]) -> tuple[Column, ...]:
        """The columns that a run with these parameters writes, in order."""
        if self.family is None:
            return self.columns
        family = self.family
        asked = parameters[family.parameter]
        return self.columns + tuple(Column(family.prefix + value, family.type, family.doc) for value in asked)


@dataclass(frozen=True)
class Use:
    """A tagger with its parameters, as a recipe needs it."""

    tagger: Tagger
    parameters: Mapping[str, Any]

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.tagger.all_columns(self.parameters)

    @property
    def identity(self) -> dict[str, Any]:
        """The parameters that decide what is measured: all but where the model lies, and its sha256 if it has one."""
        return {name: value for name, value in self.parameters.items()
                if name != MODEL and (name, value) != (MODEL_SHA256, None)}

    @property
    def parameters_digest(self) -> str:
        """Hex sha256 of the identity as canonical JSON."""
        text = json.dumps(self.identity, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def key(self) -> str:
        """Folder name and lock key: name@version, and a digest of parameters if there are any."""
        return f"{self.tagger.key}-{self.parameters_digest[:12]}" if self.parameters else self.tagger.key


def load(reference: str) -> Callable[..., Any]:
    """The function that "module:function" names. Only declarations in the registry are ever loaded this way."""
    module, _, function = reference.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded
