"""Dedup: find which documents are the same, by Spark SQL over the keys in sidecars, and write cluster sets."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.engine import Engine
from jobs.progress import Counts
from mixer import clusters, packing, sidecars
from mixer.clusters import ClusterSet, Relation
from mixer.corpus import Corpus
from mixer.errors import StorageError
from mixer.index import Index
from mixer.recipe import Recipe
from mixer.workspace import Workspace

KEYS_SCHEMA = "shard int, row bigint, key binary"


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
            found = find_set(related, name, corpus, entries, engine)
            made.append(name)
            keys += entries.at(corpus.paths).sum("rows")
        sets.append(found)
    return DedupSummary(tuple(sets), tuple(made), keys, time.monotonic() - began)


def find_set(related: Relation, name: str, corpus: Corpus, entries: Index, engine: Engine) -> ClusterSet:
    """One cluster set: keys from sidecars, those that occur twice or more, their rows written beside each shard."""
    place = corpus.workspace
    shards = [shard.path for shard in corpus.shards]
    entries = entries.at(corpus.paths)
    documents = entries.sum("rows")
    with engine.watched(f"dedup {related.method.use}", Counts(documents=documents)) as watched:
        spark = watched.spark
        partitions(spark, documents, engine.slots)
        # 1. (shard, row, key) of every row that has a key; keys travel, texts do not.
        sizes = [rows + packing.SHARD_ROWS for rows in entries.pylist("rows")]
        bins = packing.pack(list(zip(range(len(shards)), shards, entries.pylist("digest"), strict=True)), sizes,
                            packing.bin_count(sizes, engine.slots, packing.BIN_ROWS))
        watched.tasks = 2 * (len(bins) + int(spark.conf.get("spark.sql.shuffle.partitions")))  # the keys, twice
        read = watched.counting(functools.partial(_read_keys, place, related.sidecar, related.column), sizes=[
            Counts(documents=sum(entries[shard].rows for _, shard, _ in part)) for part in bins])
        paths = spark.sparkContext.parallelize(bins, len(bins)).map(lambda part: (part,)).toDF(
            "part array<struct<_1:int,_2:string,_3:string>>")
        paths.mapInArrow(read, KEYS_SCHEMA).createOrReplaceTempView("keys")
        # 2. Counts come first, so that only keys seen twice are joined back to their rows.
        repeated = spark.sql("SELECT key FROM keys GROUP BY key HAVING count(*) > 1").persist()
        count = repeated.count()
        repeated.createOrReplaceTempView("repeated")
        members = spark.sql("SELECT keys.shard, keys.row, keys.key AS cluster FROM keys JOIN repeated USING (key)")
        # 3. Back to their shards, in order of row; each task writes the member files of its shards itself.
        written = (
            members.repartition("shard").sortWithinPartitions("shard", "row")
            .mapInArrow(functools.partial(_write_members, place, name, shards),
                        "shard int, rows bigint, digest string")
            .collect()
        ) if count else []
        repeated.unpersist()
        spark.catalog.dropTempView("repeated")
    # A task that was run twice wrote the same file twice, and is counted once.
    per_shard = {shards[row["shard"]]: {"rows": row["rows"], "digest": row["digest"]} for row in written}
    found = ClusterSet(
        name=name, method=related.method.use, parameters=dict(related.method.parameters), clusters=count,
        documents=sum(int(str(member["rows"])) for member in per_shard.values()),
        members=dict(sorted(per_shard.items())),
    )
    clusters.put_set(place, found)
    return found


def partitions(spark: Any, rows: int, slots: int) -> None:
    """Nothing; sets how many partitions the next shuffles of so many rows have, unless the user has."""
    if not spark.sparkContext.getConf().contains("spark.sql.shuffle.partitions"):
        spark.conf.set("spark.sql.shuffle.partitions", packing.shuffle_partitions(rows, slots))


def _read_keys(place: Workspace, key: str, column: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for part in batch.column("part").to_pylist():
            for item in part:
                uri = place.sidecar(key, item["_2"])
                table, meta = sidecars.read(uri, [column])
                if meta["digest"] != item["_3"]:  # the set is named by what the index says of it
                    raise StorageError(f"{uri}: not the sidecar that the index names; make it again with "
                                       "`solera tag --verify`")
                keys = table.column(column).combine_chunks().cast(pa.binary())
                size = len(keys)
                yield pa.RecordBatch.from_arrays(
                    [pa.array(np.full(size, item["_1"], np.int32)), pa.array(np.arange(size)), keys],
                    names=["shard", "row", "key"],
                ).filter(keys.is_valid())


def _write_members(
    place: Workspace, name: str, shards: Sequence[str], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Writes the members of each shard that comes by, whole; says (shard, rows, digest)."""
    for number, table in by_shard(batches):
        members = pa.table({"row": table.column("row"), "cluster": table.column("cluster").cast(pa.binary(16))},
                           schema=clusters.SCHEMA)
        meta = sidecars.write(clusters.member_uri(place, name, shards[number]), members,
                              {"set": name, "shard": shards[number]})
        yield pa.RecordBatch.from_arrays(
            [pa.array([number], pa.int32()), pa.array([meta["rows"]], pa.int64()), pa.array([meta["digest"]])],
            names=["shard", "rows", "digest"],
        )


def by_shard(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Cuts batches that are sorted by their column `shard` into one table a shard."""
    held: list[pa.RecordBatch] = []
    number: int | None = None
    for batch in batches:
        numbers = batch.column("shard").to_numpy()
        start = 0
        while start < len(numbers):
            end = int(numbers.searchsorted(numbers[start], side="right"))
            if number is not None and numbers[start] != number:
                yield number, pa.Table.from_batches(held)
                held = []
            number = int(numbers[start])
            held.append(batch.slice(start, end - start))
            start = end
    if number is not None:
        yield number, pa.Table.from_batches(held)


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["dedup", *sys.argv[1:]]))
