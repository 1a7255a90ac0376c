"""Keepers on Spark: which row of each cluster stays, where the candidates are too many for one process's memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from jobs.dedup import by_shard, partitions
from jobs.engine import Engine
from mixer import selection, sidecars
from mixer.selection import Context, Tallies

CANDIDATES = "cluster binary, order binary, shard int, row bigint, units bigint, bytes bigint"


def resolve_on_spark(engine: Engine, context: Context, method: int, bins: Sequence[int]) -> Tallies:
    """The same as selection.resolve_in_memory, as one shuffle of candidates by cluster and one of losers by shard."""
    if not bins:
        return {}
    with engine.watched(f"plan: keepers {method + 1}") as watched:
        spark = watched.spark
        partitions(spark, context.sets[method].documents, engine.slots)
        # A task for each file of candidates: a plan's bins are of even size.
        parts = spark.sparkContext.parallelize(list(bins), len(bins)).map(lambda number: (number,)).toDF("bin int")
        parts.mapInArrow(functools.partial(_read_candidates, context, method), CANDIDATES) \
            .createOrReplaceTempView("candidates")
        # Binary values compare as unsigned bytes, so the least order key is the keeper's.
        losers = spark.sql("""
            WITH keepers AS (
                SELECT cluster, min(struct(order, shard, row)) AS keeper FROM candidates GROUP BY cluster
            )
            SELECT candidates.shard, candidates.row, keeper.shard AS keeper_shard, keeper.row AS keeper_row,
                   candidates.units, candidates.bytes
            FROM candidates JOIN keepers USING (cluster)
            WHERE (candidates.shard, candidates.row) != (keeper.shard, keeper.row)
        """)
        rows = (
            losers.repartition("shard").sortWithinPartitions("shard", "row")
            .mapInArrow(functools.partial(_write_losers, context, method),
                        "loser int, keeper int, docs bigint, units bigint, bytes bigint")
            .groupBy("loser", "keeper").sum("docs", "units", "bytes").collect()
        )
        spark.catalog.dropTempView("candidates")
    names = [source.name for source in context.recipe.sources]
    return {(names[row[0]], "lost to", names[row[1]]): np.array(row[2:], np.int64) for row in rows}


def _read_candidates(context: Context, method: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number in batch.column("bin").to_pylist():
            table = sidecars.read(context.candidates_uri(method, number))[0]
            plain = [column.cast(pa.binary()) if pa.types.is_fixed_size_binary(column.type) else column
                     for column in table.columns]
            yield from pa.table(plain, names=table.column_names).to_batches()


def _write_losers(context: Context, method: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    sources = {source.name: number for number, source in enumerate(context.recipe.sources)}
    of_shard = np.array([sources[context.sources[number]] for number in range(len(context.paths))])
    for number, table in by_shard(batches):
        row, keeper_shard, keeper_row, units, sizes = (
            np.asarray(table.column(name)) for name in ("row", "keeper_shard", "keeper_row", "units", "bytes"))
        selection.write_losers(context, method, number, row, keeper_shard, keeper_row)
        keepers = of_shard[keeper_shard]
        for keeper in np.unique(keepers):
            where = keepers == keeper
            values = [of_shard[number], keeper, where.sum(), units[where].sum(), sizes[where].sum()]
            kinds = [pa.int32(), pa.int32(), pa.int64(), pa.int64(), pa.int64()]
            yield pa.RecordBatch.from_arrays(
                [pa.array([int(value)], kind) for value, kind in zip(values, kinds, strict=True)],
                names=["loser", "keeper", "docs", "units", "bytes"],
            )
