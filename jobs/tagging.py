"""What one task of the tag stage does with one shard: read it once, tag it, and write its sidecars."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.live import Report
from jobs.progress import Counts
from mixer import attributes, models, rows, sidecars, storage
from mixer.documents import READ_BYTES, Batch
from mixer.errors import StorageError, StoreUnavailable
from mixer.index import Entry
from mixer.workspace import Workspace
from taggers.arrow_types import ARROW_TYPES
from taggers.declare import Use


@dataclass(frozen=True)
class Order:
    """One shard to bring up to date. `keys` are the sidecars that are not known to be current: rows@1 or taggers'."""

    shard: str
    bytes: int
    keys: frozenset[str]


@dataclass(frozen=True)
class Settings:
    """What all tasks of a tag stage share. `uses` are all taggers of the recipe by key."""

    workspace: Workspace
    uses: Mapping[str, Use]
    keep_broken: bool = False  # keep what was read of a compressed stream before it broke
    verify: bool = False  # trust no size, time or footer: hash shards and sidecars


@dataclass(frozen=True)
class Outcome:
    """What became of a shard: an index entry for each key asked for, or how its stream broke."""

    shard: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    made: tuple[str, ...] = ()  # the keys whose sidecars were written anew
    broken: str | None = None
    read_bytes: int = 0


def tag_shard(settings: Settings, order: Order, report: Report = lambda counts: None) -> Outcome:
    """Makes every sidecar of `order.keys` that is not current, in one reading of the shard.

    A sidecar left by a run that was killed before its index was written is found here, by its footer.
    """
    place = settings.workspace
    uri = place.shard(order.shard)
    stat = storage.stat(uri)
    if stat is None:
        return Outcome(order.shard, broken="missing: the file has gone since it was listed")
    try:
        storage.open_read(uri).close()
    except StoreUnavailable:
        raise
    except StorageError as error:
        return Outcome(order.shard, broken=f"unreadable: {str(error).removeprefix(f'{uri}: ')}")
    wanted = sorted(order.keys | {rows.KEY})
    known = {key: sidecars.metadata(place.sidecar(key, order.shard)) for key in wanted}
    sha256 = None
    if any(known.values()) and (settings.verify or not all(_same(meta, stat) for meta in known.values() if meta)):
        sha256 = file_sha256(uri)
    current = {key: meta for key, meta in known.items() if meta and _is_current(settings, order, key, meta, sha256)}
    row_meta = current.get(rows.KEY)
    if row_meta is None:
        current = {}  # attributes are aligned with rows, so they are made with them
    else:
        current = {key: meta for key, meta in current.items() if meta["rows_digest"] == row_meta["digest"]}
    missing = [key for key in wanted if key not in current]
    read = 0
    if missing:
        made, broken, read = _make(settings, order.shard, missing, row_meta, report)
        if broken == _CHANGED:  # under us, or since its rows were written, with size and time as they were: all anew
            current, missing = {}, sorted({rows.KEY, *settings.uses})
            made, broken, again = _make(settings, order.shard, missing, None)
            read += again
        if broken is None and rows.KEY in missing:
            # Rows that were deleted can come back as others, and then what was aligned with them is not any more.
            others = _misaligned(settings, order.shard, settings.uses.keys() - set(missing), made[rows.KEY]["digest"])
            if others:
                rest, broken, again = _make(settings, order.shard, others, made[rows.KEY])
                made, missing, read = made | rest, sorted([*missing, *others]), read + again
        if broken is not None:
            return Outcome(order.shard, broken=broken, read_bytes=read)
        current |= made
    entries = {key: entry_of(order.shard, stat, meta) for key, meta in current.items()}
    return Outcome(order.shard, entries, tuple(missing), read_bytes=read)


def entry_of(shard: str, stat: storage.Stat, meta: Mapping[str, Any]) -> Entry:
    return Entry(shard, stat.bytes, stat.token, meta["shard_sha256"], meta["rows"], meta["digest"],
                 meta["rows_digest"], meta["info"])


def file_sha256(uri: str) -> str:
    """Hex sha256 of a file's stored bytes."""
    digest = hashlib.sha256()
    with storage.open_read(uri) as stream:
        while block := stream.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


_CHANGED = "changed: the shard is not the one that its rows were read from"


def _same(meta: Mapping[str, Any], stat: storage.Stat) -> bool:
    return bool(meta["shard_bytes"] == stat.bytes and meta["shard_token"] == stat.token)


def _is_current(settings: Settings, order: Order, key: str, meta: Mapping[str, Any], sha256: str | None) -> bool:
    if sha256 is not None and meta["shard_sha256"] != sha256:
        return False
    if settings.verify:
        try:
            table, _ = sidecars.read(settings.workspace.sidecar(key, order.shard))
        except StorageError:
            return False
        return bool(sidecars.digest(table) == meta["digest"])
    return True


def _misaligned(settings: Settings, shard: str, keys: Set[str], rows_digest: str) -> list[str]:
    metas = {key: sidecars.metadata(settings.workspace.sidecar(key, shard)) for key in keys}
    return sorted(key for key, meta in metas.items() if meta is not None and meta["rows_digest"] != rows_digest)


def _make(
    settings: Settings, shard: str, keys: list[str], row_meta: Mapping[str, Any] | None,
    report: Report = lambda counts: None,
) -> tuple[dict[str, dict[str, Any]], str | None, int]:
    """(metadata by key, how the stream broke or None, bytes read). Publishes nothing of a shard that broke."""
    from taggers.run import run
    from taggers.text import TextBatch

    place = settings.workspace
    uri = place.shard(shard)
    stat = storage.stat(uri)
    assert stat is not None
    uses = {key: models.local(settings.uses[key]) for key in keys if key != rows.KEY}
    reader = place.reader(shard)
    made: dict[str, dict[str, Any]] = {}
    count, bad, text_bytes, chars, stored = 0, 0, 0, 0, 0
    try:
        with ExitStack() as stack:
            outs = {key: stack.enter_context(sidecars.writer(place.sidecar(key, shard), _schema(use)))
                    for key, use in uses.items()}
            row_out = None
            if rows.KEY in keys:
                row_out = stack.enter_context(sidecars.writer(place.sidecar(rows.KEY, shard), rows.SCHEMA))
                quarantine = _Quarantine(stack, place.quarantine(shard))
            for batch in reader:
                texts = rows.texts_of(batch)
                if row_out is not None:
                    table = rows.rows_of(batch, texts, count)
                    row_out.write(table)
                    text_bytes += _total(table, "bytes")
                    chars += _total(table, "chars")
                    quarantine.write(batch)
                if len(texts) and uses:
                    ids = [document.id for document in batch.documents]
                    metadata = [document.metadata for document in batch.documents]
                    measured = run(uses.values(), TextBatch.of_arrow(texts, ids, metadata))
                    for key, use in uses.items():
                        outs[key].write(pa.RecordBatch.from_pydict(measured[use.key], schema=_schema(use)))
                count += len(texts)
                bad += len(batch.bad)
                report(Counts(len(texts), pc.sum(pc.binary_length(texts)).as_py() or 0, reader.bytes - stored,
                              len(batch.bad)))
                stored = reader.bytes
            if reader.broken is not None and not settings.keep_broken:
                raise _Stop(reader.broken)
            if row_meta is not None and (row_meta["shard_sha256"] != reader.sha256 or row_meta["rows"] != count):
                raise _Stop(_CHANGED)
            common = {"shard": shard, "shard_bytes": stat.bytes, "shard_token": stat.token,
                      "shard_sha256": reader.sha256}
            if row_out is not None:
                info = {"bad": bad, "blank_lines": reader.blank_lines, "text_bytes": text_bytes, "chars": chars,
                        "broken": reader.broken}
                digest = row_out.peek_digest()
                row_meta = row_out.finish({**common, "key": rows.KEY, "rows_digest": digest, "info": info})
                made[rows.KEY] = row_meta
                quarantine.finish()
            assert row_meta is not None
            for key, use in uses.items():
                about = {"parameters": use.identity, "model_sha256": attributes.model_sha256(use),
                         "unicode": unicodedata.unidata_version}
                made[key] = outs[key].finish({**common, "key": key, "rows_digest": row_meta["digest"], "info": about})
    except _Stop as stop:
        return {}, str(stop), reader.bytes
    if rows.KEY in keys and not bad:
        storage.remove(place.quarantine(shard))  # of an earlier state of the shard
    return made, None, reader.bytes


def _schema(use: Use) -> pa.Schema:
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in use.stored])


class _Stop(Exception):
    """Leaves the block of open sidecars, so that none is published."""


class _Quarantine:
    """Writes the quarantine of a shard once there is something to put into it."""

    def __init__(self, stack: ExitStack, uri: str) -> None:
        self._stack, self._uri = stack, uri
        self._out: sidecars.Writer | None = None

    def write(self, batch: Batch) -> None:
        if batch.bad:
            if self._out is None:
                self._out = self._stack.enter_context(sidecars.writer(self._uri, rows.QUARANTINE_SCHEMA))
            self._out.write(rows.quarantine_of(batch.bad))

    def finish(self) -> None:
        if self._out is not None:
            self._out.finish({})


def _total(table: pa.RecordBatch, column: str) -> int:
    return pc.sum(table.column(column)).as_py() or 0
