"""A stage's index: one file that says, for each shard, what its sidecar is and what it was made from."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixer import sidecars, storage
from mixer.documents import canonical_json
from mixer.errors import StorageError
from mixer.storage import Stat

_SCHEMA = pa.schema(
    [("shard", pa.string()), ("bytes", pa.int64()), ("token", pa.string()), ("sha256", pa.string()),
     ("rows", pa.int64()), ("digest", pa.string()), ("rows_digest", pa.string()), ("info", pa.string())]
)


@dataclass(frozen=True)
class Entry:
    """One sidecar. `bytes`, `token` and `sha256` are the shard's when it was made; `rows_digest` the rows sidecar's."""

    shard: str
    bytes: int
    token: str
    sha256: str
    rows: int
    digest: str
    rows_digest: str
    info: Mapping[str, Any] = field(default_factory=dict)

    def unchanged(self, stat: Stat) -> bool:
        """Whether the shard looks as it did, by size and token alone."""
        return self.bytes == stat.bytes and self.token == stat.token


def read(uri: str) -> dict[str, Entry]:
    """The entries by shard; empty where the stage has never finished."""
    if not storage.exists(uri):
        return {}
    try:
        table = sidecars.table_of(storage.read(uri)).select(_SCHEMA.names).cast(_SCHEMA)
        return {row["shard"]: Entry(**{**row, "info": json.loads(row["info"])}) for row in table.to_pylist()}
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(f"{uri}: this index cannot be read ({error}); remove it, the next run makes it again"
                           ) from None


def present(folder: str) -> set[str]:
    """The shards that have a sidecar below this folder, whatever their names: a recipe may name a hidden one."""
    return {path.removesuffix(".parquet") for path in storage.listing(folder, hidden=True) if path.endswith(".parquet")}


def write(uri: str, entries: Iterable[Entry]) -> None:
    """Puts the whole index, sorted by shard."""
    rows = [{**entry.__dict__, "info": canonical_json(dict(entry.info)).decode()}
            for entry in sorted(entries, key=lambda entry: entry.shard)]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), out, compression="zstd")
    storage.put(uri, out.getvalue())
