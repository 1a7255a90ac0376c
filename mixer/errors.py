"""What can go wrong through no fault of the program. The command line prints these without a stack trace.

SoleraError            exit code 2; names file, place, value and remedy
├── BadInput           a shard, sidecar or option that cannot be used as it is
├── RecipeError        a recipe's mistakes, all at once
├── NotDone            a stage that must run first; says the command
├── JobFailed          a job that started and could not finish
└── StorageError       a file that could not be listed, read or put
    ├── FileMissing        because there is no such file in the store
    └── StoreUnavailable   because the store did not answer, however often it was asked

An audit that ran and found something is no error: it is an answer, with exit code 1. So is a comparison that asks for
another version, and what `lint --strict` warns of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Mistake:
    """One thing to correct in a recipe. `value` is what stands there, as written; empty where nothing does."""

    file: str
    line: int  # 1 is the first; 0 where no line is to blame
    path: str  # "sources.web.keep.words.count"; empty for the file as a whole
    value: str
    message: str
    remedy: str

    @property
    def text(self) -> str:
        """On one line, whatever stands in the recipe."""
        where = _place(self.line, _short(self.path))
        return visible(_sentence(self.message, self.file, where, _short(self.value), self.remedy))


class SoleraError(Exception):
    """An error whose text is for the person who gave the command. The parts that are known are also attributes."""

    exit_code: ClassVar[int] = 2

    def __init__(
        self, message: str, *, file: str = "", place: str = "", value: object = None, remedy: str = ""
    ) -> None:
        super().__init__(_sentence(message, file, place, "" if value is None else str(value), remedy))
        self.file = file
        self.place = place  # a line, row, offset or path inside the file
        self.value = value
        self.remedy = remedy


class BadInput(SoleraError):
    """A shard, sidecar or option that cannot be used as it is."""


class RecipeError(SoleraError):
    """Every mistake found in one recipe, in the order of its lines."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        super().__init__("\n".join(mistake.text for mistake in self.mistakes))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[tuple[Mistake, ...]]]:
        return RecipeError, (self.mistakes,)  # an exception is otherwise unpickled from its text


class NotDone(SoleraError):
    """A stage that must run first. `command` is what to type."""

    def __init__(self, message: str, *, command: str = "", **parts: str) -> None:
        if command:
            parts.setdefault("remedy", f"run `{command}`")
        super().__init__(message, **parts)
        self.command = command


class JobFailed(SoleraError):
    """A job that started and could not finish. What it finished before stays and is not done again."""


class StorageError(SoleraError):
    """A file that could not be listed, read or put."""


class FileMissing(StorageError):
    """A file that is not in the store, where one was expected."""


class StoreUnavailable(StorageError):
    """A store that did not answer, however often it was asked. It says nothing about the file, which may be well."""


def visible(text: str) -> str:
    """On one line, with nothing that a terminal would act on, and nothing that cannot be written to it."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


LONGEST_SHOWN = 200  # characters of a path or value that is told


def _place(line: int, path: str) -> str:
    return " ".join(part for part in (str(line) if line else "", path) if part)


def _sentence(message: str, file: str, place: str, value: str, remedy: str) -> str:
    """`file:place: message (found value); remedy`, without the parts that are empty."""
    where = ":".join(part for part in (file, place) if part)
    found = f" (found {value})" if value else ""
    then = f"; {remedy}" if remedy else ""
    return (f"{where}: " if where else "") + message + found + then
