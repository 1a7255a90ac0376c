"""Every tagger there is, as one tuple, and how to find one by its name or by a column's. Declarations only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from taggers.declare import Column, Tagger, Use
from taggers.declared.code import CODE_TAGGERS
from taggers.declared.dedup import DEDUP_TAGGERS
from taggers.declared.language import LANGUAGE_TAGGERS
from taggers.declared.models import MODEL_TAGGERS
from taggers.declared.perplexity import PERPLEXITY_TAGGERS
from taggers.declared.pii import PII_TAGGERS
from taggers.declared.text import TEXT_TAGGERS
from taggers.declared.url import URL_TAGGERS

TAGGERS: tuple[Tagger, ...] = (
    *TEXT_TAGGERS, *LANGUAGE_TAGGERS, *MODEL_TAGGERS, *PERPLEXITY_TAGGERS, *PII_TAGGERS, *URL_TAGGERS, *CODE_TAGGERS,
    *DEDUP_TAGGERS,
)


# What the rows of a shard say themselves, so that a source may be a slice of it. Nothing has to be measured for it.
SLICES = 1_000_000
DOCUMENT = Tagger(
    name="document", version=1, doc="What every document has, whatever was measured of it.", run=None,
    columns=(
        Column("document.source", "string", "name", "The document's own source, never null."),
        Column("document.slice", "int64", "slice",
               f"From 0 to {SLICES - 1:_}, from the document's own source and id alone: any range of it is a fixed "
               "part of a corpus, as large as the range. Never null."),
    ),
    parameters={},
)


class Found(NamedTuple):
    """Where a column comes from."""

    tagger: Tagger
    column: Column  # under the name that was looked for
    needed: Mapping[str, Any]  # the parameters that it needs: {"languages": ["en"]} for "language.en"
    name: str  # what the tagger is called there


_NONE: Mapping[str, Use] = {}
# What a family has for a value where its file is not the one that comes with the tagger: a label of some model.
_VALUE = re.compile(r"\S+")


def find_tagger(name: str, own: Iterable[Tagger] = ()) -> Tagger | None:
    """The tagger of that name, such as "words", or None. `own` are a user's, beside those of the registry."""
    return next((tagger for tagger in (*TAGGERS, *own) if tagger.name == name), None)


def find_column(column_name: str, named: Mapping[str, Use] = _NONE, own: Iterable[Tagger] = ()) -> Found | None:
    """The column of that name and its tagger, or None if there is none.

    `named` are the uses that a recipe has given a name, the tagger's own or another, by that name: "quality.score" is
    a column where `quality` uses `fasttext`. The tagger of "dolma.pii.email.count" is the imported experiment, with
    this one column.
    """
    if found := DOLMA_COLUMN.fullmatch(column_name):
        experiment, _, measure = found.groups()
        column = Column(column_name, *DOLMA_MEASURES[measure])
        return Found(dolma_tagger(experiment, (column,)), column, {}, f"dolma.{experiment}")
    for column in DOCUMENT.columns:
        if column.name == column_name:
            return Found(DOCUMENT, column, {}, DOCUMENT.name)
    for name, tagger, file in _called(named, own):
        for column in tagger.columns:
            if name + column.name.removeprefix(tagger.name) == column_name:
                return Found(tagger, Column(column_name, column.type, column.unit, column.doc), {}, name)
        family = tagger.family
        if family is None:
            continue
        prefix = name + family.prefix.removeprefix(tagger.name)
        value = column_name.removeprefix(prefix)
        if column_name.startswith(prefix) and (
            value in family.values or ((file or not family.values) and _VALUE.fullmatch(value))
        ):
            column = Column(column_name, family.type, family.unit, family.doc)
            return Found(tagger, column, {family.parameter: [value]}, name)
    return None


def column_names(named: Mapping[str, Use] = _NONE, own: Iterable[Tagger] = ()) -> tuple[str, ...]:
    """The names of all columns that can be computed, those of families included, for "did you mean"."""
    names = [column.name for column in DOCUMENT.columns]
    for name, tagger, _ in _called(named, own):
        names += [name + column.name.removeprefix(tagger.name) for column in tagger.columns]
        if tagger.family is not None:
            prefix = name + tagger.family.prefix.removeprefix(tagger.name)
            names += [prefix + value for value in tagger.family.values]
    return tuple(names)


def _called(named: Mapping[str, Use], own: Iterable[Tagger]) -> list[tuple[str, Tagger, str | None]]:
    """Each tagger with what it is called, and the file that it is given there."""
    used = [(name, use.tagger, use.file) for name, use in named.items()]
    return used + [(tagger.name, tagger, None) for tagger in (*TAGGERS, *own) if tagger.name not in named]


# What is imported from attribute files of the dolma toolkit: measure -> (type, unit, doc).
DOLMA_MEASURES = {
    "score": ("float64", "score", "Score of the attribute's first span, [0][2] in dolma's filters. Null without one."),
    "count": ("int64", "spans", "Spans of the attribute. 0 if there are none, never null."),
    "spans": ("spans", "span", "The attribute's spans, in the order of the file. Never null."),
}
DOLMA_EXPERIMENT = re.compile("[A-Za-z0-9_-]+")
DOLMA_COLUMN = re.compile(rf"dolma\.({DOLMA_EXPERIMENT.pattern})\.(\S+)\.({'|'.join(DOLMA_MEASURES)})")


def dolma_tagger(experiment: str, columns: tuple[Column, ...] = ()) -> Tagger:
    """An imported experiment as a tagger, with those of its columns that are asked for; it has what was imported."""
    doc = f"The attributes of dolma's experiment {experiment}, as `solera import` found them."
    return Tagger(name=f"dolma.{experiment}", version=2, doc=doc, run=None, columns=columns, parameters={})
