"""Plan: judge rows, resolve clusters, weigh pools, allocate, select; in a pool of processes, or in Spark."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobs.engine import Engine
from jobs.progress import Counts
from mixer import attributes, clusters, dolma, index, lock, plan, rows, selection
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.errors import BadInput, NotDone
from mixer.index import Index
from mixer.plan import Plan
from mixer.recipe import Recipe
from mixer.selection import Context
from taggers import registry
from taggers.declare import Tagger

# A corpus of more documents is planned in Spark: below it, a plan of a pool takes seconds and no JVM.
POOL_ROWS = 5_000_000


def make_plan(recipe: Recipe, corpus: Corpus, engine: Engine, where: str = "auto") -> Plan:
    """Plans from sidecars and cluster sets that are there and current. `where` is auto, pool or spark."""
    indexes = current_indexes(recipe, corpus)
    return plan_from(recipe, corpus, indexes, current_sets(recipe, corpus, indexes), engine, where)


def plan_from(
    recipe: Recipe, corpus: Corpus, indexes: Mapping[str, Index], sets: Sequence[ClusterSet], engine: Engine,
    where: str = "auto",
) -> Plan:
    """The same from indexes and cluster sets that have been looked for already."""
    run = runner(corpus, indexes, engine, where)
    bins = plan.bins_of(corpus, indexes[rows.KEY], engine.slots, sets)
    return plan.make(recipe, corpus, indexes, sets, bins, run, resolver(indexes, sets, engine, where))


def resolver(indexes: Mapping[str, Index], sets: Sequence[ClusterSet], engine: Engine, where: str) -> plan.Resolver:
    """What decides keepers. Not in this process, whose memory is then the same for any number of documents."""

    def resolve(context: Context, method: int, bins: Sequence[int]) -> None:
        if where == "spark" or sets[method].documents > plan.KEEPERS_CAP:
            from jobs.keepers import resolve_on_spark

            resolve_on_spark(engine, context, method, bins)
            return
        tasks, label = selection.resolving(context, method, bins), f"plan: keepers {method + 1}"
        resolve_part = functools.partial(selection.resolve_part, context.part([], []), method)
        if runs_on_spark(indexes, where):
            engine.on_spark(resolve_part, tasks, label)
        else:
            engine.in_pool(resolve_part, tasks, label, indexes[rows.KEY].sum("rows"))

    return resolve


def runner(corpus: Corpus, indexes: Mapping[str, Index], engine: Engine, where: str) -> plan.Runner:
    """What runs a phase over the bins of a plan: a pool of processes, or Spark. `where` is auto, pool or spark."""
    total = indexes[rows.KEY].sum("rows")
    on_spark = runs_on_spark(indexes, where)
    if on_spark:
        engine.spark  # noqa: B018 - the number of slots is known once Spark is there
    by_shard = indexes[rows.KEY].pylist("rows")
    documents = [by_shard[each.shard] for each in corpus.slices]

    def run(phase: Callable[[Context], Any], parts: Sequence[Context], label: str) -> list[Any]:
        sizes = [Counts(documents=sum(documents[number] for number in part.paths)) for part in parts]
        if on_spark:
            return engine.on_spark(phase, parts, label, sizes=sizes)
        return engine.in_pool(phase, parts, label, total, sizes=sizes)

    return run


def runs_on_spark(indexes: Mapping[str, Index], where: str) -> bool:
    """Whether the phases of a plan are Spark's, by what is asked for and the size of the corpus."""
    return where == "spark" or (where == "auto" and indexes[rows.KEY].sum("rows") > POOL_ROWS)


def expand(recipe: Recipe, names: Sequence[str]) -> list[str]:
    """The columns that these names and patterns stand for: `words.*` is every column of words.

    A pattern leaves out what needs a file that the recipe does not name.
    """
    found: dict[str, None] = {}
    for name in names:
        if not set("*?[") & set(name):
            check_column(recipe, name)
            found[name] = None
            continue
        there = [each for each in fnmatch.filter(recipe.column_names(), name) if _lacks_file(recipe, each) is None]
        if not there:
            raise BadInput(f"--columns {name}: matches no column; `solera taggers` lists them")
        found |= dict.fromkeys(there)
    return list(found)


def check_column(recipe: Recipe, name: str) -> registry.Found:
    """Where a column comes from that the command line names; BadInput where there is none, or none can be measured."""
    found = recipe.find_column(name)
    if found is None:
        near = difflib.get_close_matches(name, recipe.column_names(), 1)
        hint = f"did you mean {near[0]}?" if near else "`solera taggers` lists the columns"
        raise BadInput(f"{name}: no column of this name; {hint}")
    lacking = _lacks_file(recipe, name)
    if lacking is not None:
        raise BadInput(f"{name}: {lacking.key} needs a {lacking.file}; name one in the recipe's `taggers`")
    return found


def _lacks_file(recipe: Recipe, name: str) -> Tagger | None:
    """The tagger of a column that cannot run, since it needs a file and the recipe names none."""
    found = recipe.find_column(name)
    assert found is not None
    has_file = any(use.name == found.name and use.file is not None for use in recipe.taggers)
    return found.tagger if found.tagger.needs_file and not has_file else None


def existing_plan(recipe: Recipe, corpus: Corpus) -> tuple[Plan, Context]:
    """The plan that was made of what lies there now, and what its phases knew; NotDone where there is none."""
    indexes = current_indexes(recipe, corpus)
    sets = current_sets(recipe, corpus, indexes)
    found = plan.find(corpus, lock.encode(lock.make(recipe, corpus, indexes, sets)))
    if found is None:
        raise NotDone("this recipe has not been planned over these shards", command=f"solera plan {corpus.arguments}")
    return found, plan.context_of(recipe, corpus, found.folder, indexes, sets)


def current_indexes(
    recipe: Recipe, corpus: Corpus, known: Mapping[str, Index] | None = None, also: Sequence[str] = ()
) -> dict[str, Index]:
    """By sidecar key the entries of the corpus's shards, in their order; NotDone where a sidecar is missing, or a shard
    has changed since it was tagged. `known` are those that are known to be current, `also` columns that no rule names.
    """
    uses = {attributes.key_of(use): use for use in recipe.uses(also)}
    more = f" --columns {','.join(also)}" if also else ""
    found = dict(known or {})
    asked = [key for key in (rows.KEY, *uses) if key not in found]
    indexes, there = index.survey(corpus.workspace, asked)
    for key, entries in indexes.items():
        use = uses.get(key)
        imported = use is not None and use.tagger.is_imported
        command = dolma.import_command(corpus.arguments, key) if imported else f"solera tag {corpus.arguments}{more}"
        found[key] = _current(clusters.measured(recipe, corpus, key), key, entries, found.get(rows.KEY, entries),
                              there[key], command)
        if use is not None and imported:
            dolma.check_columns(use, found[key].infos())
    return {key: found[key] for key in (rows.KEY, *uses)}


def current_index(corpus: Corpus, key: str, of_rows: Index | None, command: str) -> Index:
    """The same of one sidecar key, None for `of_rows` of rows; NotDone, with the command, as above."""
    indexes, there = index.survey(corpus.workspace, [key])
    return _current(corpus, key, indexes[key], indexes[key] if of_rows is None else of_rows, there[key], command)


def _current(corpus: Corpus, key: str, entries: Index, of_rows: Index, there: set[str], command: str) -> Index:
    stale = index.stale(corpus, entries, of_rows, there)
    if stale.any():
        raise NotDone(f"{key} is missing or out of date for {stale.sum():,} of {len(corpus.shards):,} shards, "
                      f"{corpus.shards[int(stale.argmax())].path} among them", command=command)
    return entries.at(corpus.paths)


def current_sets(recipe: Recipe, corpus: Corpus, indexes: Mapping[str, Index]) -> list[ClusterSet]:
    """The recipe's cluster sets in order, repeated identities last unless listed; NotDone where one is missing."""
    sets = []
    for related in clusters.relations(recipe):
        name = clusters.name_of(related, corpus, indexes[related.sidecar])
        found = clusters.read_set(corpus.workspace, name)
        if found is None or clusters.missing(corpus, [found]):
            why = " (whether a source and id occur twice, which every plan asks)" if name.startswith("id@1-") else ""
            raise NotDone(f"the cluster set {name} is not there, or not whole, for these shards{why}",
                          command=f"solera dedup {corpus.arguments}")
        sets.append(found)
    return sets


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["plan", *sys.argv[1:]]))
