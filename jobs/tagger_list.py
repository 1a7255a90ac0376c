"""The taggers as `solera taggers` lists them: columns, versions, units, sources, and what each costs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from taggers.declare import Column, Tagger

_MOST = 20  # values of a family


def as_json(tagger: Tagger) -> dict[str, Any]:
    """A tagger's declaration as plain data."""
    family = tagger.family
    return {
        "tagger": tagger.key, "doc": tagger.doc, "source": tagger.source, "mb_per_second": tagger.cost,
        "parameters": dict(tagger.parameters), "file": tagger.file, "needs_file": tagger.needs_file,
        "columns": [column.__dict__ for column in tagger.columns],
        "family": family and {"prefix": family.prefix, "type": family.type, "unit": family.unit,
                              "values": family.values, "doc": family.doc},
    }


def text(taggers: Sequence[Tagger], width: int) -> str:
    """Each tagger with its columns, in lines of this many characters."""
    return "\n\n".join("\n".join(_lines(tagger, max(60, width))) for tagger in taggers)


def _lines(tagger: Tagger, width: int) -> Iterator[str]:
    cost = f", {tagger.cost:,} MB/s a core" if tagger.cost is not None else ""
    yield f"{tagger.key}{cost}"
    yield from _wrapped(tagger.doc, width, "  ")
    if tagger.source:
        yield from _wrapped(f"Source: {tagger.source}", width, "  ")
    if tagger.parameters:
        shown = ", ".join(f"{name}: {_default(tagger, name)}" for name in tagger.parameters)
        yield from _wrapped(f"Parameters: {shown}", width, "  ")
    columns = list(tagger.columns)
    if tagger.family is not None:
        family = tagger.family
        values = f" {family.what}: {', '.join(family.values[:_MOST])}" if family.values else ""
        more = f" and {len(family.values) - _MOST} more" if len(family.values) > _MOST else ""
        columns.append(Column(family.prefix + family.what, family.type, family.unit, family.doc + values + more))
    names = max(len(column.name) for column in columns)
    kinds = max(len(column.type) for column in columns)
    units = max(len(column.unit) for column in columns)
    for column in columns:
        head = f"    {column.name.ljust(names)}  {column.type.ljust(kinds)}  {column.unit.ljust(units)}  "
        if width - len(head) >= 40:
            yield from textwrap.wrap(column.doc, width, initial_indent=head, subsequent_indent=" " * len(head))
        else:
            yield head.rstrip()
            yield from _wrapped(column.doc, width, "        ")


def _default(tagger: Tagger, name: str) -> str:
    value = tagger.parameters[name]
    if name == tagger.file:
        return "a file, which a recipe has to name" if tagger.needs_file else "a file; by default the one it comes with"
    if value is None:
        return "none"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value).lower() if isinstance(
        value, bool) else str(value)


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
