"""A corpus of millions of attribute rows, made of the sidecars of a real one. Has no texts: a plan reads none.

Each source is the real one over and over. A copy of a row has an identity and a text hash of its own, and numbers that
are up to a twentieth more or less, but within the range of the real ones; what is missing stays missing, and text stays
as it is. The clusters of the real corpus come again with each round of copies, under other names: so as many rows are
in clusters, and these as large and across as many sources, as in reality; their members lie in different shards. Shards
are empty files, as the index says of them.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.plan import current_indexes, current_sets
from jobs.spark import usable_cores
from jobs.tagging import entry_of
from mixer import clusters, corpus, draw, index, rows, sidecars, storage
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.index import Index
from mixer.models import resolve
from mixer.recipe import Recipe
from mixer.recipe_parser import parse

CHANGED = 0.05  # the most by which a number of a copy differs from the real one
KEPT_AS_IT_IS = ("row", "line", "offset", "source", "id", "identity", "text_sha256", "chars")


@dataclass(frozen=True)
class Order:
    """One shard to be made: every `step`-th of the copies of a source's rows, from the `first`."""

    recipe: str  # of the real corpus
    work: str
    target: str  # the recipe of the corpus that is made
    target_work: str
    source: str
    shard: str
    first: int
    step: int
    size: int  # copies of the source's rows in all shards together


def opened(recipe_uri: str, work: str) -> tuple[Recipe, Corpus]:
    """A recipe and its corpus, as every command begins."""
    recipe = resolve(parse(storage.read(recipe_uri), recipe_uri), recipe_uri)
    return recipe, corpus.find(recipe, recipe_uri, work)


def make(recipe_uri: str, work: str, folder: Path, documents: int, shard_rows: int) -> str:
    """The recipe over a corpus of so many rows below `folder`, which is ready to be planned with the work folder
    `folder`/work; what is there already is not made again.
    """
    target, done = folder / "recipe.yaml", folder / "done"
    if done.exists():
        return str(target)
    recipe, real = opened(recipe_uri, work)
    of_rows = current_indexes(recipe, real)[rows.KEY]
    sizes = dict.fromkeys((source.name for source in recipe.sources), 0)
    for shard, count in zip(real.shards, of_rows.pylist("rows"), strict=True):
        sizes[shard.sources[0]] += count  # which has it alone
    times = documents / sum(sizes.values())
    orders = []
    for source, real_size in sizes.items():
        size = round(real_size * times)
        shards = -(-size // shard_rows)
        for number in range(shards):
            path = f"{source}/{number:05d}.jsonl.zst"
            file = folder / "corpus" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            orders.append(Order(recipe_uri, work, str(target), str(folder / "work"), source, path, number, shards,
                                size))
    target.write_bytes(recipe_text(recipe, folder / "corpus", times))
    with ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("spawn")) as pool:
        written = list(pool.map(make_shard, orders, chunksize=4))
    made, place = opened(str(target), str(folder / "work"))
    entries = {key: Index.of(each[key] for each, _ in written) for key in written[0][0]}
    for key, found in entries.items():
        index.write(place.workspace.index(key), found)
    for number, related in enumerate(clusters.relations(made)):
        name = clusters.name_of(related, place, entries[related.sidecar])
        members = {order.shard: dict(each[number]) for order, (_, each) in zip(orders, written, strict=True)
                   if each[number] is not None}
        folder_now = Path(place.workspace.clusters(name))
        folder_now.parent.mkdir(parents=True, exist_ok=True)
        if members:
            Path(place.workspace.clusters(f"set-{number}")).rename(folder_now)
        count = sum(each.pop("clusters") for each in members.values())
        clusters.put_set(place.workspace, ClusterSet(
            name, related.method.use, related.method.finds_by, count, sum(each["rows"] for each in members.values()),
            dict(sorted(members.items()))))
    done.touch()
    return str(target)


def recipe_text(recipe: Recipe, folder: Path, times: float) -> bytes:
    """The same recipe over another folder, with a budget as many times as large."""
    lines = []
    for line in recipe.text.decode().splitlines():
        line = f"corpus: {folder}" if line.startswith("corpus:") else line
        lines.append(f"budget: {round((recipe.budget or 0) * times)}" if line.startswith("budget:") else line)
    return ("\n".join(lines) + "\n").encode()


def make_shard(order: Order) -> tuple[dict[str, index.Entry], list[Any]]:
    """The index entry of each sidecar of a shard; and of each cluster set its members' rows, digest and clusters whose
    first member is here.
    """
    real = real_source(order.recipe, order.work, order.source)
    place = opened_place(order.target, order.target_work)
    stat = storage.stat(place.shard(order.shard))
    assert stat is not None
    copy = np.arange(order.first, order.size, order.step)
    times, which = np.divmod(copy, real.size)
    choose = np.random.default_rng([order.size, order.first, sorted(order.source.encode())[0]])
    size = len(which)
    fixed = {"row": pa.array(np.arange(size)), "line": pa.array(np.arange(1, size + 1)),
             "offset": pa.array(np.arange(size) * 4000), "id": pa.array(np.char.mod("%d", copy), pa.large_string())}
    for name, width in (("identity", 16), ("text_sha256", 32)):
        fixed[name] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), size, [None, pa.py_buffer(
            choose.bytes(size * width))])
    common = {"shard": order.shard, "shard_bytes": stat.bytes, "shard_token": stat.token,
              "shard_sha256": hashlib.sha256(b"").hexdigest()}
    entries = {}
    rows_digest = ""
    for key, (table, info) in real.tables.items():
        taken = table.take(which)
        columns = [fixed.get(name) if key == rows.KEY and name in fixed else
                   column if key == rows.KEY and name in KEPT_AS_IT_IS else perturbed(column, choose)
                   for name, column in zip(table.column_names, taken.columns, strict=True)]
        about = {**common, "key": key, "info": info}
        with sidecars.writer(place.sidecar(key, order.shard), table.schema) as out:
            out.write(pa.table(columns, schema=table.schema))
            rows_digest = rows_digest or out.peek_digest()
            meta = out.finish({**about, "rows_digest": rows_digest})
        entries[key] = entry_of(order.shard, stat, meta)
    return entries, [put_members(place, number, order, real, found, times, which)
                     for number, found in enumerate(real.members)]


def put_members(place: Any, number: int, order: Order, real: Real, found: pa.Table, times: Any, which: Any) -> Any:
    """Rows, digest and clusters of this shard's members in a set, which it writes; None where it has none."""
    at = np.full(real.size, -1)
    at[np.asarray(found.column("row"))] = np.arange(len(found))
    mine = np.flatnonzero(at[which] >= 0)
    if not len(mine):
        return None
    halves = sidecars.fixed_bytes(found.column("cluster")).view("<u8").reshape(-1, 2)[at[which[mine]]]
    turn = times[mine].astype(np.uint64)
    keys = np.stack([draw.mixed(halves[:, 0], turn), draw.mixed(halves[:, 1], ~turn)], axis=1)
    names = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(mine), [None, pa.py_buffer(keys.tobytes())])
    meta = sidecars.write(clusters.member_uri(place, f"set-{number}", order.shard),
                          pa.table([pa.array(mine), names], schema=clusters.SCHEMA), {"shard": order.shard})
    first = np.asarray(found.column("is_first"))[at[which[mine]]]
    return {"rows": meta["rows"], "digest": meta["digest"], "clusters": int(first.sum())}


def perturbed(column: pa.ChunkedArray, choose: np.random.Generator) -> pa.Array:
    """Numbers a little more or less, within the range of these; other types as they are."""
    column = column.combine_chunks()
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column
    missing = np.asarray(column.is_null())
    values = np.asarray(column.fill_null(0))
    by = 1 + CHANGED * (2 * choose.random(len(values)) - 1)
    there = values[~missing]
    low, high = (there.min(), there.max()) if len(there) else (0, 0)
    changed = np.clip(values * by, low, high)
    changed = (np.rint(changed) if pa.types.is_integer(column.type) else changed).astype(values.dtype)
    return pa.array(changed, column.type, mask=missing)


@dataclass(frozen=True)
class Real:
    """One source of the real corpus: each kind of sidecar as one table, and its members in each cluster set."""

    size: int
    tables: Mapping[str, tuple[pa.Table, Mapping[str, Any]]]
    members: tuple[pa.Table, ...]  # row, cluster, and whether the row is the cluster's first in the corpus


@cache
def real_source(recipe_uri: str, work: str, source: str) -> Real:
    recipe, real = opened(recipe_uri, work)
    indexes = current_indexes(recipe, real)
    sets = current_sets(recipe, real, indexes)
    place = real.workspace
    mine = [shard.path for shard in real.shards if shard.sources == (source,)]
    compared = {related.sidecar for related in clusters.relations(recipe)} - {rows.KEY}
    tables = {}
    for key, entries in indexes.items():
        parts = [sidecars.read(place.sidecar(key, path))[0] for path in mine]
        whole = pa.concat_tables(parts).combine_chunks()
        # What dedup alone reads, a plan only lists: its content is no matter, but for that it is there.
        whole = whole.select(whole.column_names[-1:]) if key in compared else whole
        tables[key] = (whole, dict(entries[mine[0]].info))
    starts = dict(zip(mine, np.cumsum([0, *(indexes[rows.KEY][path].rows for path in mine)])[:-1], strict=True))
    members = []
    for found in sets:
        seen: set[bytes] = set()
        row, cluster, first = [], [], []
        for shard in real.shards:
            table = clusters.read_members(place, found, shard.path)
            for each, name in zip(table.column("row").to_pylist(), table.column("cluster").to_pylist(), strict=True):
                if shard.path in starts:
                    row.append(starts[shard.path] + each)
                    cluster.append(name)
                    first.append(name not in seen)
                seen.add(name)
        members.append(pa.table({"row": pa.array(row, pa.int64()), "cluster": pa.array(cluster, pa.binary(16)),
                                 "is_first": pa.array(first, pa.bool_())}))
    return Real(tables[rows.KEY][0].num_rows, tables, tuple(members))


@cache
def opened_place(recipe_uri: str, work: str) -> Any:
    return opened(recipe_uri, work)[1].workspace
