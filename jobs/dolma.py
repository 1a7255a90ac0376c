"""Export and import: attribute files of the dolma toolkit from our sidecars, and sidecars from attribute files.

As files of their own they are `spark-submit jobs/dolma.py export …` and `… import …`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.engine import Engine
from jobs.plan import current_index, current_indexes, existing_plan
from jobs.tagging import entry_of, file_sha256
from mixer import dolma, index, packing, rows, sidecars, storage
from mixer.corpus import Corpus
from mixer.dolma import Export, Misaligned
from mixer.errors import BadInput, JobFailed
from mixer.index import Entry, Index
from mixer.recipe import Recipe
from mixer.workspace import Workspace
from taggers import registry

SHOWN = 20


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote. `attributes` are (name, column); `left_out` the columns that are no numbers."""

    folder: str
    shards: int
    documents: int
    bytes: int  # as stored
    attributes: list[tuple[str, str]]
    left_out: list[str]

    @property
    def text(self) -> str:
        lines = [f"{attribute}  {column}" for attribute, column in self.attributes]
        if self.left_out:
            lines.append(f"left out, since a score is a number: {', '.join(self.left_out)}")
        wrote = f"{self.shards:,} shards, {self.documents:,} documents, {self.bytes / 1e6:,.1f} MB in {self.folder}"
        return "\n".join([*lines, wrote])


@dataclass(frozen=True)
class ImportSummary:
    """What an import read. `columns` are those of all shards, without their measures."""

    shards: int
    redone: int
    documents: int
    columns: list[str]

    @property
    def text(self) -> str:
        read = f"{self.redone:,} of {self.shards:,} shards read, {self.documents:,} documents"
        return "\n".join([*self.columns, f"{read}; a rule names a column with .score or .count"])


def export_attributes(
    recipe: Recipe, corpus: Corpus, engine: Engine, to: str, experiment: str, columns: Sequence[str] | None,
    with_plan: bool,
) -> ExportSummary:
    """Writes an attribute file for each shard of the recipe. `with_plan` needs the plan to be there."""
    dolma.check_experiment(experiment)
    found, left_out = dolma.exported_columns(recipe, experiment, columns, with_plan)
    unread = [shard.path for shard in corpus.own.shards if shard.path.endswith(".parquet")]
    if unread:
        raise BadInput(f"dolma reads no Parquet, and {len(unread):,} of the shards are, such as {unread[0]}; export "
                       "from a recipe over the others")
    indexes = current_indexes(recipe, corpus)
    for key in {each.key for each in found if each.key is not None} - indexes.keys():  # named in `columns` alone
        current_index(corpus, key, indexes[rows.KEY], dolma.import_command(corpus.arguments, key))
    context = existing_plan(recipe, corpus)[1] if with_plan else None
    if context is not None:
        context = context.part(list(context.paths), [])  # no sidecar is opened through it
    export = Export(corpus.workspace, storage.absolute(to), experiment, tuple(found), context)
    counts = zip(corpus.shards, indexes[rows.KEY].pylist("rows"), strict=True)
    documents = [count for shard, count in counts if not shard.is_reference]
    sizes = [rows + packing.SHARD_ROWS for rows in documents]
    engine.spark  # noqa: B018 - the number of slots is known once Spark is there
    paths = [shard.path for shard in corpus.own.shards]
    bins = packing.pack(paths, sizes, packing.bin_count(sizes, engine.slots, packing.BIN_ROWS))
    done = [size for part in engine.on_spark(functools.partial(_export_bin, export), bins, "export")
            for size in part]
    return ExportSummary(
        folder=storage.join(export.to, "attributes", experiment), shards=len(done),
        documents=sum(documents), bytes=sum(done),
        attributes=[(each.attribute, each.column) for each in found], left_out=left_out,
    )


def _export_bin(export: Export, paths: Sequence[str]) -> list[int]:
    return [dolma.export_shard(export, path) for path in paths]


@dataclass(frozen=True)
class _Order:
    """One shard to import. `known_sha256` is of the attribute file that its sidecar, if current, was made from."""

    shard: str
    stat: storage.Stat
    known_sha256: str | None


@dataclass(frozen=True)
class _Outcome:
    """The index entry of a shard that was imported, or what is wrong; neither where its file is as it was."""

    shard: str
    entry: Entry | None = None
    wrong: str | None = None


def import_attributes(recipe: Recipe, corpus: Corpus, engine: Engine, origin: str, experiment: str) -> ImportSummary:
    """Brings the sidecars of an experiment up to date with the attribute files, all of which are hashed."""
    dolma.check_experiment(experiment)
    corpus = corpus.own
    place = corpus.workspace
    row_entries = current_index(corpus, rows.KEY, None, f"solera tag {corpus.arguments}")
    key = registry.dolma_tagger(experiment).key
    entries = index.read(place.index(key))
    stale = index.stale(corpus, entries, row_entries, index.present(place.sidecars(key)))
    orders = [_Order(shard.path, shard.stat, None if is_stale else entries[shard.path].info["file_sha256"])
              for shard, is_stale in zip(corpus.shards, stale.tolist(), strict=True)]
    sizes = [shard.stat.bytes for shard in corpus.shards]
    engine.spark  # noqa: B018 - the number of slots is known once Spark is there
    bins = packing.pack(orders, sizes, packing.bin_count(sizes, engine.slots))
    work = functools.partial(_import_bin, place, storage.absolute(origin), experiment)
    outcomes = [outcome for part in engine.on_spark(work, bins, f"import {len(orders)} shards") for outcome in part]
    news = Index.of(outcome.entry for outcome in outcomes if outcome.entry is not None)
    if news:
        entries = index.read(place.index(key)).updated(news)
        index.write(place.index(key), entries)
    wrong = [outcome.wrong for outcome in sorted(outcomes, key=lambda outcome: outcome.shard) if outcome.wrong]
    if wrong:
        more = [f"… and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        raise JobFailed("\n".join([*wrong[:SHOWN], *more, f"{len(wrong)} attribute file(s) could not be imported; the "
                                   "others are. Mend them, and give the same command again"]))
    mine = entries.at(corpus.paths)
    names = sorted({name for info in mine.infos() for name in info["attributes"]})
    return ImportSummary(shards=len(mine), redone=len(news), documents=mine.sum("rows"),
                         columns=[f"dolma.{experiment}.{name}" for name in names])


def _import_bin(place: Workspace, origin: str, experiment: str, orders: Sequence[_Order]) -> list[_Outcome]:
    return [_import(place, origin, experiment, order) for order in orders]


def _import(place: Workspace, origin: str, experiment: str, order: _Order) -> _Outcome:
    uri = storage.join(origin, dolma.attribute_path(order.shard, experiment))
    if not storage.exists(uri):
        return _Outcome(order.shard, wrong=f"{uri}: there is no such file; every shard needs one")
    if order.known_sha256 is not None and file_sha256(uri) == order.known_sha256:
        return _Outcome(order.shard)
    row_meta = sidecars.metadata(place.sidecar(rows.KEY, order.shard))
    if row_meta is None:
        damaged = place.sidecar(rows.KEY, order.shard)
        return _Outcome(order.shard, wrong=f"{damaged}: cannot be read; tag its shard again")
    try:
        meta = dolma.import_shard(place, experiment, order.shard, uri, order.stat, row_meta)
    except Misaligned as error:
        return _Outcome(order.shard, wrong=str(error))
    return _Outcome(order.shard, entry_of(order.shard, order.stat, meta))


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(sys.argv[1:]))
