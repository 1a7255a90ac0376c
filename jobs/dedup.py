"""Dedup: find which documents, or parts of them, are the same, from what sidecars hold, and write cluster sets."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from jobs.engine import Engine
from jobs.finding import Finding, finding_of
from mixer import clusters, rows
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.index import Index
from mixer.recipe import Recipe


@dataclass(frozen=True)
class DedupSummary:
    """What a dedup stage did. `sets` are all that the recipe needs, in its order; `made` the names found anew."""

    sets: tuple[ClusterSet, ...]
    made: tuple[str, ...]
    keys: int
    seconds: float


def dedup(recipe: Recipe, corpus: Corpus, indexes: Mapping[str, Index], engine: Engine) -> DedupSummary:
    """Finds every cluster set of the recipe that there is not yet. `indexes` are the current ones by sidecar key."""
    began = time.monotonic()
    place = corpus.workspace
    sets, made, keys = [], [], 0
    for related in clusters.relations(recipe):
        entries = indexes[related.sidecar]
        name = clusters.name_of(related, corpus, entries)
        found = clusters.read_set(place, name)
        if found is None or clusters.missing(corpus, [found]):
            engine.spark  # noqa: B018 - the number of slots is known once Spark is there
            finding = finding_of(related, name, corpus, entries, indexes[rows.KEY], engine.slots)
            found = find_set(finding, engine)
            made.append(name)
            keys += sum(number for number, new in zip(finding.documents, finding.is_new, strict=True) if new)
        sets.append(found)
    return DedupSummary(tuple(sets), tuple(made), keys, time.monotonic() - began)


def find_set(finding: Finding, engine: Engine) -> ClusterSet:
    """One cluster set, found as its method finds it."""
    module = FINDERS.get(finding.related.method.use, "jobs.equal")
    found: ClusterSet = importlib.import_module(module).find(finding, engine)
    return found


# Which module finds the clusters of a method; the others look for equal keys.
FINDERS = {"minhash@1": "jobs.fuzzy", "paragraph@1": "jobs.paragraphs", "substring@1": "jobs.substrings"}


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["dedup", *sys.argv[1:]]))
