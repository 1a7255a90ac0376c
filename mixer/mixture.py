"""A mixture on disk: its records, its data shards, and the document index of each.

A record is the input's own JSON, field by field as it came, with `provenance` added: the recipe's source, the input
shard and row, and the copy (from 0). Where spans were cut from its text or replaced, that is what came of it, and the
provenance says which they were, what replaced them, and what text it was. A data shard is JSONL in zstd frames of about
4 MiB, each with a checksum; its index has one row a record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import zstandard

from mixer import sidecars, storage
from mixer.documents import canonical_json, encode, raw_fields
from mixer.selection import units_left_by

FRAME_BYTES = 4 << 20
ZSTD_LEVEL = 3

FIELDS = ("id", "text", "source", "added", "created", "metadata")

INDEX_SCHEMA = pa.schema(
    [("start", pa.int64()), ("end", pa.int64()), ("mix_source", pa.string()), ("source", pa.large_string()),
     ("id", pa.large_string()), ("shard", pa.string()), ("row", pa.int64()), ("copy", pa.int32()),
     ("text_sha256", pa.binary(32)), ("text_bytes", pa.int64()), ("emitted_sha256", pa.binary(32)),
     ("emitted_bytes", pa.int64()), ("cuts", pa.int32()), ("added", pa.int64()), ("units", pa.int64())]
)

# What shards.parquet says of each data shard. The first columns are digested; files depend on the writers' versions.
SHARD_SCHEMA = pa.schema(
    [("path", pa.string()), ("docs", pa.int64()), ("units", pa.int64()), ("text_bytes", pa.int64()),
     ("record_bytes", pa.int64()), ("sources", pa.string()), ("content_sha256", pa.string()),
     ("index_digest", pa.string()), ("merkle_root", pa.string()),
     ("index_path", pa.string()), ("file_bytes", pa.int64()), ("file_sha256", pa.string()),
     ("index_file_bytes", pa.int64()), ("index_file_sha256", pa.string())]
)
CONTENT_COLUMNS = SHARD_SCHEMA.names[:9]


@dataclass(frozen=True)
class Record:
    """One record to be written, and what the index says of it."""

    line: bytes  # JSON without the newline
    mix_source: str
    source: str
    id: str
    shard: str
    row: int
    copy: int
    text_sha256: bytes  # of the original text
    text_bytes: int
    emitted_sha256: bytes  # of the text of the record, which is another where spans were cut or replaced
    emitted_bytes: int
    cuts: int  # how many spans were cut or replaced
    added: int  # bytes that replaced them
    units: int  # of the original text


@dataclass(frozen=True)
class Edit:
    """What was cut from a text and what was replaced in it: start and end of each span, in code points of the original,
    and what stands in its place; and what came of it.
    """

    cut: tuple[tuple[int, int], ...]
    replaced: tuple[tuple[int, int, str], ...]
    text: str
    sha256: bytes  # of the original, as its bytes and chars are
    bytes: int
    chars: int

    @property
    def spans(self) -> int:
        return len(self.cut) + len(self.replaced)

    @property
    def added(self) -> int:
        """Bytes that replace others."""
        return sum(len(text.encode()) for _, _, text in self.replaced)


def record_line(raw: bytes, mix_source: str, shard: str, row: int, copy: int, edit: Edit | None = None) -> bytes:
    """A document's JSON with its provenance; fields stay as they came, Dolma's first, an older provenance inside."""
    fields = raw_fields(raw)
    provenance: dict[str, Any] = {"source": mix_source, "shard": shard, "row": row, "copy": copy}
    if edit is not None:
        fields["text"] = msgspec.Raw(encode(edit.text))
        provenance |= {"cut": edit.cut} if edit.cut else {}
        provenance |= {"replaced": edit.replaced} if edit.replaced else {}
        provenance["original"] = {"sha256": edit.sha256.hex(), "bytes": edit.bytes, "chars": edit.chars}
    if "provenance" in fields:
        provenance["from"] = fields.pop("provenance")
    names = [name for name in FIELDS if name in fields]
    names += [name for name in fields if name not in FIELDS]
    parts = [encode(name) + b":" + bytes(fields[name]) for name in names]
    return b"{" + b",".join([*parts, b'"provenance":' + encode(provenance)]) + b"}"


def is_written_so(line: bytes) -> bool:
    """Whether a record is fields and values as `record_line` joins them: none stands twice, nothing between them."""
    parts = [encode(name) + b":" + bytes(value) for name, value in raw_fields(line).items()]
    return b"{" + b",".join(parts) + b"}" == line


def shard_paths(name: str) -> tuple[str, str]:
    """Paths of a data shard and of its index, relative to the mixture."""
    return f"data/{name}.jsonl.zst", f"index/{name}.parquet"


def shard_of(places: np.ndarray[Any, np.dtype[np.uint64]], count: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Of `count` data shards in shuffled order, the number of each record's: its place (64 bits) times count / 2^64."""
    low, high = places & np.uint64(0xFFFFFFFF), places >> np.uint64(32)
    return (high * np.uint64(count) + (low * np.uint64(count) >> np.uint64(32))) >> np.uint64(32)


def write_shard(
    folder: str, name: str, records: Iterable[Record], measure: str, build_key: str
) -> dict[str, Any] | None:
    """Writes a data shard and its index; returns its row of shards.parquet, None if there were no records. `measure`
    is what selection.measure says.

    The index is put last: a data shard without its index was not finished. So the index of another build goes first.
    """
    path, index_path = shard_paths(name)
    index_uri = storage.join(folder, index_path)
    if (sidecars.metadata(index_uri) or {}).get("build_key") != build_key:
        storage.remove(index_uri)
    content, file_sha = hashlib.sha256(), hashlib.sha256()
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True, write_content_size=True)
    rows: list[Record] = []
    starts: list[int] = []
    at, file_bytes = 0, 0
    with storage.writer(storage.join(folder, path), durable=True) as out:
        frame: list[bytes] = []
        held = 0
        for record in records:
            line = record.line + b"\n"
            starts.append(at)
            rows.append(Record(b"", *(getattr(record, field) for field in list(Record.__annotations__)[1:])))
            content.update(line)
            frame.append(line)
            at, held = at + len(line), held + len(line)
            if held >= FRAME_BYTES:
                file_bytes += _put_frame(out, compressor, frame, file_sha)
                frame, held = [], 0
        if frame:
            file_bytes += _put_frame(out, compressor, frame, file_sha)
    if not rows:
        storage.remove(storage.join(folder, path))
        return None
    table = index_table(rows, [*starts, at])
    digest = sidecars.digest(table)
    sizes = np.asarray(table.column("emitted_bytes"))
    units = emitted_units(table, measure)
    row = {
        "path": path, "docs": len(rows), "units": int(units.sum()), "text_bytes": int(sizes.sum()), "record_bytes": at,
        "sources": canonical_json(per_source(table, units)).decode(), "content_sha256": content.hexdigest(),
        "index_digest": digest, "merkle_root": merkle_root([each.emitted_sha256 for each in rows]).hex(),
        "index_path": index_path, "file_bytes": file_bytes, "file_sha256": file_sha.hexdigest(),
    }
    # On disk before the manifest is: no other build makes it again once there is one.
    sidecars.write(index_uri, table, {"build_key": build_key, "shard": row}, durable=True)
    return {**row, **index_file(index_uri)}


def finished_shard(folder: str, name: str, build_key: str) -> dict[str, Any] | None:
    """The row of a data shard that an earlier, interrupted build of the same plan has finished; None if it has not."""
    path, index_path = shard_paths(name)
    index_uri = storage.join(folder, index_path)
    meta = sidecars.metadata(index_uri)
    stat = storage.stat(storage.join(folder, path))
    if meta is None or stat is None or meta.get("build_key") != build_key:
        return None
    row: dict[str, Any] = meta["shard"]
    return {**row, **index_file(index_uri)} if stat.bytes == row["file_bytes"] else None


def index_file(uri: str) -> dict[str, Any]:
    data = storage.read(uri)
    return {"index_file_bytes": len(data), "index_file_sha256": hashlib.sha256(data).hexdigest()}


def index_table(rows: list[Record], bounds: list[int]) -> pa.Table:
    columns = [bounds[:-1], bounds[1:], *([getattr(row, field) for row in rows]
                                          for field in list(Record.__annotations__)[1:])]
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, INDEX_SCHEMA, strict=True)],
                    schema=INDEX_SCHEMA)


def per_source(index: pa.Table, units: Any) -> dict[str, dict[str, int]]:
    """Documents and units of each of the recipe's sources, from an index and the units of its records' texts."""
    sums = index.select(["mix_source"]).append_column("units", pa.array(units)).group_by("mix_source") \
        .aggregate([("units", "sum"), ("units", "count")])
    return {row["mix_source"]: {"docs": row["units_count"], "units": row["units_sum"]} for row in sums.to_pylist()}


def emitted_units(index: pa.Table, measure: str) -> Any:
    """int64: units of each record's text as it stands in the mixture, from an index."""
    units, sizes, left = (np.asarray(index.column(name)) for name in ("units", "text_bytes", "emitted_bytes"))
    return units_left_by(measure, units, sizes, left)


def merkle_root(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 (sha256, prefixes 0 and 1) over leaves in order."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        # A node without a sibling moves up as it is, which is the RFC's split at the largest power of two.
        level = [hashlib.sha256(b"\1" + level[at] + level[at + 1]).digest() if at + 1 < len(level) else level[at]
                 for at in range(0, len(level), 2)]
    return level[0]


def shards_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """shards.parquet, sorted by path."""
    return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["path"])), schema=SHARD_SCHEMA)


def content_digest(shards: pa.Table) -> str:
    """Content digest `columns@1` of what shards.parquet says of contents, not of files."""
    return sidecars.digest(shards.select(CONTENT_COLUMNS))


def _put_frame(out: Any, compressor: Any, frame: list[bytes], digest: Any) -> int:
    data = compressor.compress(b"".join(frame))
    digest.update(data)
    out.write(data)
    return len(data)
