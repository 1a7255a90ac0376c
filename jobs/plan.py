"""Plan: judge rows, resolve clusters, weigh pools, allocate, select; in a pool of processes, or in Spark."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobs.engine import Engine
from jobs.progress import Counts
from mixer import attributes, clusters, dolma, index, lock, packing, plan, rows, selection
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.errors import NotDone
from mixer.index import Entry
from mixer.plan import Plan
from mixer.recipe import Recipe
from mixer.selection import Context, Tallies

# A corpus of more documents is planned in Spark: below it, a plan of a pool takes seconds and no JVM.
POOL_ROWS = 5_000_000


def make_plan(recipe: Recipe, corpus: Corpus, engine: Engine, where: str = "auto") -> Plan:
    """Plans from sidecars and cluster sets that are there and current. `where` is auto, pool or spark."""
    indexes = current_indexes(recipe, corpus)
    sets = current_sets(recipe, corpus, indexes)
    total = sum(indexes[rows.KEY][shard.path].rows for shard in corpus.shards)
    on_spark = where == "spark" or (where == "auto" and total > POOL_ROWS)
    if on_spark:
        engine.spark  # noqa: B018 - the number of slots is known once Spark is there
    slots = engine.slots
    bins = plan.bins_of(corpus, indexes[rows.KEY], max(1, min(len(corpus.shards), slots * packing.BINS_PER_SLOT)))

    documents = [indexes[rows.KEY][shard.path].rows for shard in corpus.shards]
    sizes = [Counts(documents=sum(documents[number] for number in part)) for part in bins]

    def run(phase: Callable[[Sequence[int]], Any], label: str) -> list[Any]:
        if on_spark:
            return engine.on_spark(phase, bins, label, sizes=sizes)
        return engine.in_pool(phase, bins, label, total, sizes=sizes)

    def resolve(context: Context, method: int, shards: Sequence[int]) -> Tallies:
        if where == "spark" or sets[method].documents > plan.KEEPERS_CAP:
            from jobs.keepers import resolve_on_spark

            return resolve_on_spark(engine, context, method, shards)
        return selection.resolve_in_memory(context, method, shards)

    return plan.make(recipe, corpus, indexes, sets, run, resolve)


def existing_plan(recipe: Recipe, corpus: Corpus) -> tuple[Plan, Context]:
    """The plan that was made of what lies there now, and what its phases knew; NotDone where there is none."""
    indexes = current_indexes(recipe, corpus)
    sets = current_sets(recipe, corpus, indexes)
    found = plan.find(corpus, lock.encode(lock.make(recipe, corpus, indexes, sets)))
    if found is None:
        raise NotDone("this recipe has not been planned over these shards", command=f"solera plan {corpus.arguments}")
    return found, plan.context_of(recipe, corpus, found.folder, indexes, sets)


def current_indexes(recipe: Recipe, corpus: Corpus) -> dict[str, dict[str, Entry]]:
    """Index entries by sidecar key; NotDone where a sidecar is missing, or a shard has changed since it was tagged."""
    tag = f"solera tag {corpus.arguments}"
    indexes = {rows.KEY: current_index(corpus, rows.KEY, None, tag)}
    for use in recipe.uses():
        key, command = attributes.key_of(use), tag
        if use.tagger.is_imported:
            command = dolma.import_command(corpus.arguments, key)
        indexes[key] = current_index(corpus, key, indexes[rows.KEY], command)
        if use.tagger.is_imported:
            dolma.check_columns(use, [indexes[key][shard.path] for shard in corpus.shards])
    return indexes


def current_index(
    corpus: Corpus, key: str, rows_entries: Mapping[str, Entry] | None, command: str
) -> dict[str, Entry]:
    """The index entries of one sidecar key, None for `rows_entries` of rows; NotDone, with the command, as above."""
    entries = index.read(corpus.workspace.index(key))
    stale = stale_shards(corpus, key, entries, entries if rows_entries is None else rows_entries)
    if stale:
        raise NotDone(f"{key} is missing or out of date for {len(stale):,} of {len(corpus.shards):,} shards, "
                      f"{stale[0]} among them", command=command)
    return entries


def stale_shards(
    corpus: Corpus, key: str, entries: Mapping[str, Entry], rows_entries: Mapping[str, Entry]
) -> list[str]:
    """The shards, in order, whose sidecar is missing or was made of another shard or of other rows."""
    present = index.present(corpus.workspace.sidecars(key))
    return [shard.path for shard in corpus.shards
            if shard.path not in entries or not entries[shard.path].unchanged(shard.stat)
            or shard.path not in present
            or entries[shard.path].rows_digest != rows_entries[shard.path].rows_digest]


def current_sets(recipe: Recipe, corpus: Corpus, indexes: Mapping[str, Mapping[str, Entry]]) -> list[ClusterSet]:
    """The recipe's cluster sets in order, repeated identities last unless listed; NotDone where one is missing."""
    sets = []
    for related in clusters.relations(recipe):
        name = clusters.name_of(related, corpus, indexes[related.sidecar])
        found = clusters.read_set(corpus.workspace, name)
        if found is None or clusters.missing(corpus, [found]):
            raise NotDone(f"the cluster set {name} is not there, or not whole, for these shards",
                          command=f"solera dedup {corpus.arguments}")
        sets.append(found)
    return sets


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["plan", *sys.argv[1:]]))
