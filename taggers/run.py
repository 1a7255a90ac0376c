"""Applies taggers to one batch of texts and holds them to what they declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from taggers.arrow_types import ARROW_TYPES
from taggers.declare import Use, load
from taggers.text import TextBatch


class ContractError(Exception):
    """A tagger gave other columns, types or lengths than it declares: a mistake in the tagger, not in the data."""


def run(uses: Iterable[Use], batch: TextBatch) -> dict[str, dict[str, pa.Array]]:
    """For each use's key its columns, as they are stored, in declared order, each as long as the batch."""
    return {use.key: _run_one(use, batch) for use in uses}


def _run_one(use: Use, batch: TextBatch) -> dict[str, pa.Array]:
    if use.tagger.run is None:
        raise ContractError(f"tagger {use.key} is imported, and cannot be run")
    given = load(use.tagger.run)(batch, use.parameters)
    mistakes = list(_mistakes(use, given, len(batch)))
    if mistakes:
        raise ContractError(f"tagger {use.key} ({use.tagger.run}): " + "; ".join(mistakes))
    return {column.name: given[column.name] for column in use.stored}


def _mistakes(use: Use, given: Mapping[str, pa.Array], length: int) -> Iterable[str]:
    declared = {column.name: ARROW_TYPES[column.type] for column in use.stored}
    for name in sorted(declared.keys() - given.keys()):
        yield f"column {name} is declared but was not given"
    for name in sorted(given.keys() - declared.keys()):
        yield f"column {name} was given but is not declared"
    for name in sorted(declared.keys() & given.keys()):
        if given[name].type != declared[name]:
            yield f"column {name} is {given[name].type}, declared as {declared[name]}"
        if len(given[name]) != length:
            yield f"column {name} has {len(given[name])} values for {length} documents"
