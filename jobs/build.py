"""Build: zip the selection with its shards, put each record in its place, write data shards, then the manifest."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs import progress
from jobs.engine import Engine
from jobs.progress import Counts
from mixer import (
    attributes,
    cuts,
    draw,
    edits,
    lock,
    manifest,
    mixture,
    packing,
    rows,
    selection,
    sidecars,
    storage,
    tree,
)
from mixer.corpus import Corpus, slice_file
from mixer.documents import ShardReader, canonical_json
from mixer.errors import BadInput, JobFailed, StorageError, StoreUnavailable
from mixer.mixture import Edit, Record
from mixer.plan import Plan
from mixer.workspace import Workspace

# What a task holds of other tasks' records before it sends them on, and the most that one block of them may be.
HELD_BYTES = 64 << 20
BLOCK_SCHEMA = pa.schema(
    [("place", pa.uint64()), ("identity", pa.binary(16)), ("line", pa.large_binary()), ("mix_source", pa.string()),
     ("source", pa.large_string()), ("id", pa.large_string()), ("shard", pa.string()), ("row", pa.int64()),
     ("copy", pa.int32()), ("text_sha256", pa.binary(32)), ("text_bytes", pa.int64()),
     ("emitted_sha256", pa.binary(32)), ("emitted_bytes", pa.int64()), ("cuts", pa.int32()), ("added", pa.int64()),
     ("units", pa.int64())]
)


@dataclass(frozen=True)
class Job:
    """What the tasks of a build share."""

    workspace: Workspace
    plan_folder: str
    out: str
    seed: int
    measure: str  # of units, as selection.measure says it
    counted: tuple[str, str] | None  # the sidecar key and column of each row's units, where bytes do not say them
    key: str  # of this plan and layout: tells its data shards from another build's
    count: int  # of data shards, in shuffled order
    todo: frozenset[str]  # names of the data shards that are not finished
    arguments: str  # that name the recipe, for the commands that messages suggest


@dataclass(frozen=True)
class Input:
    """A slice of a shard of the lock, and the content digests of its selection and of its edits, as the plan has them.
    Only its own task has it.
    """

    path: str
    source: str
    file: str  # what its selection and its edits are called
    sha256: str
    counted: str | None  # content digest of the sidecar that says how many units each row has, if there is one
    selection: str
    edits: str | None  # None: nothing is cut or replaced


@dataclass(frozen=True)
class Piece:
    """A data shard in by-source order: the records of some shards with more copies than `copy`."""

    name: str
    copy: int
    shards: tuple[Input, ...]


@dataclass(frozen=True)
class BuildSummary:
    """What a build did. `manifest` is the whole manifest."""

    out: str
    manifest: Mapping[str, Any]
    was_there: bool  # with its manifest, so that nothing was done
    made: int  # data shards written by this run
    kept: int  # by an earlier one
    seconds: float
    moved_documents: int  # by this run
    moved_bytes: int  # of their text


def build(plan: Plan, corpus: Corpus, out: str, engine: Engine) -> BuildSummary:
    """Builds the mixture of a plan at `out`, or finds that it is there. It exists once its manifest is put, last."""
    if plan.folder != corpus.workspace.plan(plan.body["lock_sha256"]):
        raise BadInput("a plan of a sample is an estimate, which nothing is built of", remedy="plan the whole corpus")
    began, started = time.monotonic(), _now()
    out = storage.absolute(out)
    done = _existing(plan, out)
    if done is not None:
        return BuildSummary(out, done, True, 0, done["mixture"]["totals"]["shards"], time.monotonic() - began, 0, 0)
    recipe = plan.recipe
    inputs = _inputs(plan)
    count = shard_count(plan)
    layout = [plan.body["lock_sha256"], recipe.order, count, mixture.FRAME_BYTES, mixture.ZSTD_LEVEL]
    key = hashlib.sha256(canonical_json(layout)).hexdigest()
    claim = _claim(out, key)
    done = _existing(plan, out, claim)  # put by another while this one was looking
    if done is not None:
        return BuildSummary(out, done, True, 0, done["mixture"]["totals"]["shards"], time.monotonic() - began, 0, 0)
    pieces = pieces_of(plan, inputs)
    names = [f"{number:05d}" for number in range(count)] if recipe.order == "shuffled" else \
        [piece.name for piece in pieces]
    finished = _finished(out, names, key)
    job = Job(corpus.workspace, plan.folder, out, recipe.seed, selection.measure(recipe.unit, recipe.counter),
              _counted(plan), key, count,
              frozenset(names) - set(finished), corpus.arguments)
    written = [*finished.values()]
    if job.todo and emitted_totals(plan)["docs"]:
        engine.check_seen(storage.join(out, "building.json"))
        if recipe.order == "shuffled":
            written += _shuffled(job, plan, inputs, engine)
        else:
            parts = [piece for piece in pieces if piece.name in job.todo]
            found = engine.on_spark(functools.partial(write_piece, job), parts, f"build {len(parts):,} shards",
                                    counts=counts, totals=_left(plan, finished))
            written += [row for row in found if row is not None]
    table = mixture.shards_table(written)
    files = write_tree(out, table, engine)
    _check_claim(out, claim)
    _tidy(out, table, files)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.put(storage.join(out, "shards.parquet"), buffer.getvalue())
    storage.put(storage.join(out, "recipe.yaml"), recipe.text)
    storage.put(storage.join(out, "recipe.lock"), plan.lock)
    mixture_part = manifest.mixture_part(plan, table, files)
    _check_totals(plan, out, mixture_part)
    seconds = time.monotonic() - began
    whole = manifest.encode(mixture_part, manifest.build_part(out, started, _now(), {"build": round(seconds, 3)}))
    made = json.loads(whole)
    _check_claim(out, claim)
    if not storage.put_if_absent(storage.join(out, "manifest.json"), whole):
        there = manifest.read(out)
        if there["digest"] != made["digest"]:
            raise JobFailed(f"{out}: another build has put the mixture {there['mixture'].get('name')} "
                            f"{there['mixture'].get('version')} here meanwhile, and both wrote to this folder; remove "
                            "it, and build each to an --out of its own")
        made = there
    storage.remove(storage.join(out, "building.json"))
    moved = progress.total(map(counts, written[len(finished):]))
    return BuildSummary(out, made, False, len(written) - len(finished), len(finished), seconds, moved.documents,
                        moved.bytes)


def _left(plan: Plan, finished: Mapping[str, Mapping[str, Any]]) -> Counts:
    """What is to be emitted still."""
    there = progress.total(map(counts, finished.values()))
    totals = emitted_totals(plan)
    return Counts(documents=totals["docs"] - there.documents, bytes=totals["text_bytes"] - there.bytes)


def counts(row: Mapping[str, Any] | None) -> Counts:
    """What a data shard holds, by its row of shards.parquet; None where it came out empty."""
    return Counts(documents=row["docs"], bytes=row["text_bytes"]) if row else Counts()


def _inputs(plan: Plan) -> list[Input]:
    locked = {shard["path"]: shard for shard in json.loads(plan.lock)["shards"]}
    counted = _counted(plan)
    found = []
    for about in plan.body["selections"]:
        shard, path, source = locked[about["shard"]], about["shard"], about["source"]
        found.append(Input(path, source, slice_file(path, source, len(lock.sources_of(shard)) > 1), shard["sha256"],
                           shard["sidecars"].get(counted[0]) if counted is not None else None,
                           about["digest"], about["edits"]))
    return found


def _counted(plan: Plan) -> tuple[str, str] | None:
    """The sidecar key, and the column in it, that says how many units each row has, where bytes do not."""
    column = plan.recipe.unit_column
    if column is None:
        return None
    use, stored = plan.recipe.stored()[column]
    return attributes.key_of(use), stored


def _finished(out: str, names: Sequence[str], key: str) -> dict[str, dict[str, Any]]:
    """The rows of the data shards that an earlier, interrupted build of this plan has finished, by name."""
    there = storage.names(storage.join(out, "index"))
    begun = [name for name in names if f"{name}.parquet" in there]
    with ThreadPoolExecutor(16) as pool:  # each is a look at a few files, which a store is slow to answer
        found = pool.map(lambda name: mixture.finished_shard(out, name, key), begun)
        return {name: row for name, row in zip(begun, found, strict=True) if row}


def emitted_totals(plan: Plan) -> dict[str, int]:
    """Documents of the mixture, and units and bytes of their texts as they are once edited."""
    totals = {"docs": 0, "units": 0, "text_bytes": 0}
    for count in plan.body["counts"]:
        totals["docs"] += count["emitted"]["docs"]
        totals["units"] += count["emitted"]["units"] - count["edited"]["units"]
        totals["text_bytes"] += count["emitted"]["bytes"] - count["edited"]["bytes"] + count["edited"]["added"]
    return totals


def shard_count(plan: Plan) -> int:
    """How many data shards a mixture has in shuffled order."""
    return max(1, -(-emitted_totals(plan)["text_bytes"] // plan.recipe.shard_bytes))


def data_shards(plan: Plan, path: str, source: str, identity: Any, copies: int) -> list[str]:
    """The names of the data shards in which the copies of a document are: a row of the recipe's `source` in the shard
    at `path`, whose identity is uint8 of shape (1, 16).
    """
    if plan.recipe.order == "shuffled":
        places = [draw.draws(plan.recipe.seed, "order", identity, copy) for copy in range(copies)]
        return [f"{int(mixture.shard_of(place, shard_count(plan))[0]):05d}" for place in places]
    pieces = pieces_of(plan, _inputs(plan))
    return [next(piece.name for piece in pieces if piece.copy == copy and piece.name.startswith(f"{source}/")
                 and any(shard.path == path for shard in piece.shards)) for copy in range(copies)]


# ---- shuffled order: place = draw(seed, "order", copy), data shard = place scaled to their number


def _shuffled(job: Job, plan: Plan, inputs: Sequence[Input], engine: Engine) -> list[dict[str, Any]]:
    context = engine.spark.sparkContext
    numbers = [number for number, about in enumerate(plan.body["selections"]) if about["docs"]]
    sizes = [plan.body["selections"][number]["bytes"] for number in numbers]
    bins = packing.pack([inputs[number] for number in numbers], sizes, packing.bin_count(sizes, engine.slots))
    with engine.watched(f"build {len(job.todo):,} shards") as watched:
        blocks = context.parallelize(bins, len(bins)).flatMap(functools.partial(blocks_of, job))
        placed = blocks.partitionBy(job.count, _same)
        rows: list[dict[str, Any]] = placed.mapPartitionsWithIndex(
            watched.counting(functools.partial(write_blocks, job), counts)).collect()
    return rows


def blocks_of(job: Job, shards: Sequence[Input]) -> Iterator[tuple[int, bytes]]:
    """(number of the data shard, compressed block of records), for every record that the shards emit."""
    held: dict[int, list[tuple[int, bytes, Record]]] = {}
    size = 0
    for shard in shards:
        for identity, copies, record, edit in emitted(job, shard):
            for copy in range(copies):
                place = draw.draws(job.seed, "order", identity, copy)
                target = int(mixture.shard_of(place, job.count)[0])
                if f"{target:05d}" not in job.todo:
                    continue
                line = mixture.record_line(record.line, record.mix_source, record.shard, record.row, copy, edit)
                copied = replace(record, line=line, copy=copy)
                held.setdefault(target, []).append((int(place[0]), identity.tobytes(), copied))
                size += len(line)
                if size >= HELD_BYTES:
                    yield from ((number, _pack(records)) for number, records in held.items())
                    held, size = {}, 0
    yield from ((target, _pack(records)) for target, records in held.items())


def write_blocks(job: Job, number: int, blocks: Iterable[tuple[int, bytes]]) -> Iterator[dict[str, Any]]:
    """Writes one data shard from its blocks, in order of place. Memory: the data shard's records, uncompressed."""
    name = f"{number:05d}"
    tables = [pa.ipc.open_stream(block).read_all() for _, block in blocks]
    if name in job.todo and tables:
        table = pa.concat_tables(tables)
        identity = sidecars.fixed_bytes(table.column("identity")).view(">u8").reshape(-1, 2)
        by = np.lexsort([np.asarray(table.column("copy")), identity[:, 1], identity[:, 0],
                         np.asarray(table.column("place"))])
        row = mixture.write_shard(job.out, name, _records(table, by), job.measure, job.key)
        if row is not None:
            yield row


def _pack(records: list[tuple[int, bytes, Record]]) -> bytes:
    columns = [[place for place, _, _ in records], [identity for _, identity, _ in records],
               *([getattr(record, field) for _, _, record in records] for field in Record.__annotations__)]
    table = pa.table([pa.array(values, field.type) for values, field in zip(columns, BLOCK_SCHEMA, strict=True)],
                     schema=BLOCK_SCHEMA)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, BLOCK_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table)
    return out.getvalue()


def _records(table: pa.Table, by: Any) -> Iterator[Record]:
    names = list(Record.__annotations__)
    for start in range(0, len(by), 1024):
        part = table.select(names).take(pa.array(by[start : start + 1024]))
        for values in zip(*(part.column(name).to_pylist() for name in names), strict=True):
            yield Record(*values)


def _same(number: int) -> int:
    return number


# ---- by-source order: shards in order of path, pass after pass; no text is shuffled


def pieces_of(plan: Plan, inputs: Sequence[Input]) -> list[Piece]:
    """The data shards in by-source order: for each source and copy, runs of shards of about shard_bytes emitted."""
    pieces = []
    for source in plan.recipe.sources:
        numbers = [number for number, shard in enumerate(inputs) if shard.source == source.name]
        about = plan.body["selections"]
        made = 0
        for copy in range(max((about[number]["max_copies"] for number in numbers), default=0)):
            run: list[Input] = []
            size = 0
            for number in numbers:
                if about[number]["max_copies"] <= copy:
                    continue
                run.append(inputs[number])
                size += about[number]["bytes"] // about[number]["max_copies"]
                if size >= plan.recipe.shard_bytes:
                    pieces.append(Piece(f"{source.name}/{made:05d}", copy, tuple(run)))
                    made, run, size = made + 1, [], 0
            if run:
                pieces.append(Piece(f"{source.name}/{made:05d}", copy, tuple(run)))
                made += 1
    return pieces


def write_piece(job: Job, piece: Piece) -> dict[str, Any] | None:
    """Writes one data shard in by-source order; its row of shards.parquet, None if it came out empty."""

    def records() -> Iterator[Record]:
        for shard in piece.shards:
            for _, copies, record, edit in emitted(job, shard):
                if copies > piece.copy:
                    line = mixture.record_line(record.line, record.mix_source, record.shard, record.row, piece.copy,
                                               edit)
                    yield replace(record, line=line, copy=piece.copy)

    return mixture.write_shard(job.out, piece.name, records(), job.measure, job.key)


# ---- the document tree


def write_tree(out: str, shards: pa.Table, engine: Engine) -> list[dict[str, Any]]:
    """Writes the document tree from the indexes; {path, leaves, root, digest} of each file, in order."""
    paths = [path for path in shards.column("index_path").to_pylist()]
    bits = tree.prefix_bits(sum(shards.column("docs").to_pylist()))
    if bits == 0:
        leaves = [leaves for path in paths for _, leaves in tree_leaves(out, 0, path)]
        return [tree.write_file(out, 0, _leaves(leaves))]
    context = engine.spark.sparkContext
    with engine.watched(f"build {1 << bits:,} files of the document tree"):
        parts = context.parallelize(paths, len(paths)).flatMap(functools.partial(tree_leaves, out, bits))
        placed = parts.partitionBy(1 << bits, _same)
        files: list[dict[str, Any]] = placed.mapPartitionsWithIndex(functools.partial(write_tree_file, out)).collect()
    return files


def tree_leaves(out: str, bits: int, index_path: str) -> Iterator[tuple[int, bytes]]:
    """(number of the tree's file, its leaves) of one data shard."""
    table, _ = sidecars.read(storage.join(out, index_path), tree.COLUMNS)
    leaves = tree.leaves_of(table)
    numbers = tree.file_numbers(leaves, bits)
    for number in np.unique(numbers):
        yield int(number), leaves[numbers == number].tobytes()


def write_tree_file(out: str, number: int, parts: Iterable[tuple[int, bytes]]) -> Iterator[dict[str, Any]]:
    yield tree.write_file(out, number, _leaves([part for _, part in parts]))


def _leaves(parts: Sequence[bytes]) -> Any:
    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, tree.LEAF_BYTES)


# ---- what both orders read


def emitted(job: Job, shard: Input) -> Iterator[tuple[Any, int, Record, Edit | None]]:
    """(identity as uint8 of shape (1, 16), copies, record with its raw line, what is cut from its text or replaced) of
    each selected row of a shard.

    Selection and edits are zipped with the shard: their digests, identity, text and, at the end, the shard's sha256
    have to be the plan's.
    """
    path, place = shard.path, job.workspace
    known, meta = sidecars.read(place.sidecar(rows.KEY, path), ["identity", "text_sha256", "bytes"])
    selected, about = _planned(job, shard, "selection", shard.selection)
    if about["rows_digest"] != meta["digest"]:
        raise BadInput(f"{place.sidecar(rows.KEY, path)}: not the rows that were planned; {_again(job)}")
    changes = edits.SCHEMA.empty_table() if shard.edits is None else _planned(job, shard, "edits", shard.edits)[0]
    edited = np.asarray(changes.column("row"))  # in order
    copies = np.asarray(selected.column("copies"))
    identities = sidecars.fixed_bytes(known.column("identity"))
    text_sha256s = sidecars.fixed_bytes(known.column("text_sha256"))
    units = _units(job, shard, np.asarray(known.column("bytes")))
    reader = ShardReader(place.shard(path), keep_raw=True)
    row = 0
    for batch in reader:
        for document, raw in zip(batch.documents, batch.raws, strict=True):
            if row < len(copies) and copies[row]:
                text = document.text.encode()
                text_sha256 = hashlib.sha256(text).digest()
                identity = rows.identity(document.source, document.id)
                if identity != identities[row].tobytes() or text_sha256 != text_sha256s[row].tobytes():
                    raise BadInput(f"{place.shard(path)}: row {row} is not the document that was planned; "
                                   f"{_again(job)}")
                low, high = np.searchsorted(edited, (row, row + 1)).tolist()
                mine = changes.slice(low, high - low).to_pylist() if low < high else []
                edit = _edit(job, path, document.text, text_sha256, mine)
                left = text if edit is None else edit.text.encode()
                record = Record(raw, shard.source, document.source, document.id, path, row, 0, text_sha256, len(text),
                                text_sha256 if edit is None else hashlib.sha256(left).digest(), len(left),
                                0 if edit is None else edit.spans, 0 if edit is None else edit.added,
                                int(units[row]))
                yield identities[row : row + 1], int(copies[row]), record, edit
            row += 1
    if reader.sha256 != shard.sha256 or row != len(copies):
        raise BadInput(f"{place.shard(path)}: its sha256 is {reader.sha256}, and the lock has {shard.sha256}; "
                       f"{_again(job)}")


def _units(job: Job, shard: Input, sizes: Any) -> Any:
    """int64: units of the text of each row."""
    if job.counted is None:
        return selection.units_of_bytes(job.measure, sizes)
    key, column = job.counted
    table, about = attributes.read(job.workspace.sidecar(key, shard.path), [column])
    if about["digest"] != shard.counted:
        raise BadInput(f"{job.workspace.sidecar(key, shard.path)}: not the sidecar that was planned with; "
                       f"{_again(job)}")
    return np.asarray(table.column(column))


def _planned(job: Job, shard: Input, what: str, digest: str) -> tuple[pa.Table, dict[str, Any]]:
    """A slice's "selection" or "edits" in the plan, which has to be the one that plan.json names."""
    uri = storage.join(job.plan_folder, what, f"{shard.file}.parquet")
    called = "selection" if what == "selection" else "list of edits"
    anew = f"remove {job.plan_folder} and build again, which plans anew"
    try:
        table, about = sidecars.read(uri)
    except StoreUnavailable:
        raise
    except StorageError:
        raise BadInput(f"{uri}: this {called} cannot be read; {anew}") from None
    if sidecars.digest(table) != digest:
        raise BadInput(f"{uri}: not the {called} that plan.json names; {anew}")
    return table, about


def _edit(job: Job, path: str, text: str, sha256: bytes, spans: Sequence[Mapping[str, Any]]) -> Edit | None:
    """What these spans of the plan, in order, make of the text of their row; None where there are none."""
    if not spans:
        return None
    at = before = 0
    for span in spans:
        start, end = span["start"], span["end"]
        before += len(text[at:start].encode())
        size = len(text[start:end].encode())
        if not at <= start < end <= len(text) or (before, size) != (span["first_byte"], span["bytes"]):
            raise JobFailed(f"{job.workspace.shard(path)}: what is to be cut from row {span['row']} or replaced is not "
                            "in its text as cluster sets and columns of spans have it, one of which is wrong; remove "
                            f"{job.workspace.folder}/clusters and the sidecars of the columns that the recipe edits, "
                            "and run tag and dedup again")
        at, before = end, before + size
    cut = tuple((span["start"], span["end"]) for span in spans if span["replacement"] is None)
    replaced = tuple((span["start"], span["end"], span["replacement"]) for span in spans
                     if span["replacement"] is not None)
    left = cuts.edited(text, [(span["start"], span["end"], span["replacement"]) for span in spans])
    return Edit(cut, replaced, left, sha256, len(text.encode()), len(text))


def _again(job: Job) -> str:
    return f"it has changed since it was tagged: run `solera tag {job.arguments} --verify`, then dedup and build again"


# ---- the folder of a mixture


def _claim(out: str, key: str) -> bytes:
    """Says in building.json that this process builds here; an error where another build may be under way.

    What an interrupted build left is taken over: of the same plan from anywhere, of another where that build is known
    to have ended. A process that lives on this machine has not ended.
    """
    uri = storage.join(out, "building.json")
    mine = canonical_json({"key": key, "machine": platform.node(), "process": os.getpid()})
    if storage.put_if_absent(uri, mine):
        return mine
    try:
        there = json.loads(storage.read(uri))
    except ValueError:
        there = {}
    machine, process = there.get("machine"), there.get("process")
    here = machine == platform.node()
    if here and process != os.getpid() and _lives(process):
        raise BadInput(f"{out}: another build is under way here (process {process}); wait for it, or choose another "
                       f"--out; if that process is no build, remove {uri}")
    if there.get("key") != key and machine is not None and not here:
        raise BadInput(f"{out}: a build of another recipe or corpus was begun here from the machine {machine}, and did "
                       f"not end; choose another --out, or, if it is no longer under way, remove {uri}")
    storage.put(uri, mine)
    return mine


def _check_claim(out: str, claim: bytes) -> None:
    """That nobody has taken the folder over, before files that are not this build's are removed or a manifest put."""
    uri = storage.join(out, "building.json")
    there = storage.read(uri) if storage.exists(uri) else b"{}"
    if there != claim and json.loads(there).get("key", _key(claim)) != _key(claim):
        raise JobFailed(f"{out}: another build has begun here meanwhile; nothing was published: choose another --out")


def _key(claim: bytes) -> str:
    key: str = json.loads(claim)["key"]
    return key


def _lives(process: Any) -> bool:
    """Whether a process of this machine is there still; where that cannot be told, it is."""
    if not isinstance(process, int) or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _existing(plan: Plan, out: str, claim: bytes | None = None) -> dict[str, Any] | None:
    """The manifest of this very plan at `out`; None if nothing is there yet; an error if something else is.

    Where something is, this build's own claim goes again.
    """
    found = storage.listing(out)
    if "manifest.json" in found:
        if claim is not None:
            storage.remove(storage.join(out, "building.json"))
        there = manifest.read(out)
        if there["mixture"].get("lock", {}).get("sha256") == plan.body["lock_sha256"]:
            _whole(out, there, found)
            storage.remove(storage.join(out, "building.json"))
            return there
        name, version = there["mixture"].get("name"), there["mixture"].get("version")
        raise BadInput(f"{out}: holds the mixture {name} {version}, made from another recipe or corpus; a mixture is "
                       "never changed: choose another --out, or remove it")
    if found and "building.json" not in found:
        raise BadInput(f"{out}: is not empty ({next(iter(found))}) and holds no mixture; choose another --out")
    return None


def _whole(out: str, there: Mapping[str, Any], found: Mapping[str, storage.Stat]) -> None:
    """That every file which the manifest names is among those found, as large as it was; an audit looks inside."""
    remedy = f"remove {out} and build again"
    named: dict[str, int | None] = {name: about["bytes"] for name, about in there["build"]["files"].items()}
    if "shards.parquet" in found:
        try:
            table = sidecars.table_of(storage.read(storage.join(out, "shards.parquet")))
            for path, size in (("path", "file_bytes"), ("index_path", "index_file_bytes")):
                named.update(zip(table.column(path).to_pylist(), table.column(size).to_pylist(), strict=True))
        except (pa.ArrowException, KeyError) as error:
            raise BadInput(f"{out}/shards.parquet: cannot be read ({error}); {remedy}") from None
    named.update((file["path"], None) for file in there["mixture"]["documents"]["files"])
    missing = [name for name, size in named.items()
               if name not in found or (size is not None and found[name].bytes != size)]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise BadInput(f"{out}: {missing[0]}{more}, which its manifest names, is missing or cut short; {remedy}")


def _tidy(out: str, shards: pa.Table, files: Sequence[Mapping[str, Any]]) -> None:
    """Removes what an interrupted build left: temporary files, and in data/ and index/ the shards of another plan."""
    named = {*shards.column("path").to_pylist(), *shards.column("index_path").to_pylist(),
             *(file["path"] for file in files)}
    for folder in ("data", "index", "tree"):
        for path in storage.listing(out, folder, hidden=True):
            if path not in named:
                storage.remove(storage.join(out, path))
    for path in storage.listing(out, hidden=True):
        if path.startswith(".") and path.endswith(".tmp"):
            storage.remove(storage.join(out, path))


def _check_totals(plan: Plan, out: str, part: Mapping[str, Any]) -> None:
    for total, expected in emitted_totals(plan).items():
        if part["totals"][total] != expected:
            raise JobFailed(f"{out}: the build wrote {part['totals'][total]} {total}, and the plan has {expected}; "
                            f"remove {out} and {plan.folder}, and build again, which plans anew")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    from jobs.cli import main

    sys.exit(main(["build", *sys.argv[1:]]))
