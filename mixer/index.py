"""A stage's index: one file that says, for each shard, what its sidecar is and what it was made from."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mixer import storage
from mixer.corpus import Corpus
from mixer.documents import canonical_json
from mixer.errors import StorageError
from mixer.workspace import Workspace

_SCHEMA = pa.schema(
    [("shard", pa.string()), ("bytes", pa.int64()), ("token", pa.string()), ("sha256", pa.string()),
     ("rows", pa.int64()), ("digest", pa.string()), ("rows_digest", pa.string()), ("info", pa.string())]
)
# In memory each `info` is held once: a tagger's are all alike.
_INFO = pa.dictionary(pa.int32(), pa.string())
_HELD = _SCHEMA.set(_SCHEMA.get_field_index("info"), pa.field("info", _INFO))


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


class Index(Mapping[str, Entry]):
    """The entries of a stage by shard, held in columns: an Entry is made only when one is asked for.

    A corpus may have more than a hundred thousand shards, each with ten sidecars.
    """

    def __init__(self, table: pa.Table) -> None:
        """`table` has the fields of an Entry, `info` as JSON; each shard once."""
        self._table = table.cast(_HELD).unify_dictionaries().combine_chunks()

    @staticmethod
    def of(entries: Iterable[Entry]) -> Index:
        """These entries, sorted by shard."""
        made = sorted(entries, key=lambda entry: entry.shard)
        columns = [[getattr(entry, name) for entry in made] for name in _SCHEMA.names[:-1]]
        columns.append([canonical_json(dict(entry.info)).decode() for entry in made])
        return Index(pa.table(columns, schema=_SCHEMA))

    def __getitem__(self, shard: str) -> Entry:
        row, = self._table.slice(self._places[shard], 1).to_pylist()
        return Entry(**{**row, "info": json.loads(row["info"])})

    def __iter__(self) -> Iterator[str]:
        return iter(self.pylist("shard"))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {shard: place for place, shard in enumerate(self.pylist("shard"))}

    @cached_property
    def _infos(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self._info.dictionary.to_pylist()]

    @property
    def _info(self) -> pa.DictionaryArray:
        column = self._table.column("info").combine_chunks()
        return column if isinstance(column, pa.DictionaryArray) else pa.array([], _INFO)

    def column(self, name: str) -> pa.ChunkedArray:
        """A field of all entries but `info`, in order."""
        return self._table.column(name)

    def pylist(self, name: str) -> list[Any]:
        """A field of all entries but `info`, in order."""
        found: list[Any] = self._table.column(name).to_pylist()
        return found

    def sum(self, name: str) -> int:
        return int(pc.sum(self.column(name)).as_py() or 0)

    def info(self, name: str) -> list[Any]:
        """What each entry's `info` says under this name, in order."""
        values = [info[name] for info in self._infos]
        return [values[code] for code in self._info.indices.to_pylist()]

    def infos(self) -> list[dict[str, Any]]:
        """Every different `info` among the entries, that of the first of them first."""
        return [self._infos[code] for code in pc.unique(self._info.indices).to_pylist()]

    def at(self, shards: pa.Array) -> Index:
        """The entries of these shards, in their order; KeyError where one has none."""
        if self.column("shard").equals(pa.chunked_array([shards])):
            return self
        places = pc.index_in(shards, value_set=self.column("shard").combine_chunks())
        if places.null_count:
            raise KeyError(shards[pc.index(places.is_null(), True).as_py()].as_py())
        return Index(self._table.take(places))

    def updated(self, news: Index) -> Index:
        """With the entries of `news` added, or in the place of those of the same shards; sorted by shard."""
        old = pc.is_in(self.column("shard"), value_set=news.column("shard").combine_chunks())
        both = pa.concat_tables([self._table.filter(pc.invert(old)), news._table])
        return Index(both.sort_by("shard"))

    def same(self, other: Index) -> bool:
        """Whether these are the same entries in the same order."""
        return bool(self._table.cast(_SCHEMA).equals(other._table.cast(_SCHEMA)))

    def packed(self) -> bytes:
        """The entries as a task sends them; `unpacked` reads them."""
        out = io.BytesIO()
        with pa.ipc.new_stream(out, _HELD, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
            stream.write_table(self._table)
        return out.getvalue()

    @staticmethod
    def unpacked(parts: Sequence[bytes]) -> Index:
        """The entries of all these, which have no shard in common, sorted by shard."""
        tables = [pa.ipc.open_stream(part).read_all() for part in parts]
        return Index(pa.concat_tables([_HELD.empty_table(), *tables]).sort_by("shard"))

    def encoded(self) -> bytes:
        """As a Parquet file."""
        out = io.BytesIO()
        pq.write_table(self._table.cast(_SCHEMA), out, compression="zstd")
        return out.getvalue()


def read(uri: str) -> Index:
    """The entries by shard; empty where the stage has never finished."""
    if not storage.exists(uri):
        return Index(_SCHEMA.empty_table())
    try:
        # From memory and in this thread, as sidecars.table_of does.
        file = pq.ParquetFile(pa.BufferReader(storage.read(uri)), read_dictionary=["info"])
        found = Index(file.read(columns=_SCHEMA.names, use_threads=False).select(_SCHEMA.names)
                      .replace_schema_metadata(None))
        if any(not isinstance(info, dict) for info in found._infos):
            raise ValueError("an info that is no object")
        return found
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(f"{uri}: this index cannot be read ({error}); remove it, the next run makes it again"
                           ) from None


def write(uri: str, entries: Index) -> None:
    """Puts the whole index."""
    storage.put(uri, entries.encoded())


def present(folder: str) -> set[str]:
    """The shards that have a sidecar below this folder, whatever their names: a recipe may name a hidden one."""
    return {path.removesuffix(".parquet") for path in storage.names(folder) if path.endswith(".parquet")}


def survey(place: Workspace, keys: Sequence[str]) -> tuple[dict[str, Index], dict[str, set[str]]]:
    """For each sidecar key its index, and the shards that have a sidecar of it."""

    def look(key: str) -> tuple[Index, set[str]]:
        return read(place.index(key)), present(place.sidecars(key))

    # A store's listing is one answer after another, a thousand names each; a local one is this process's own work.
    with ThreadPoolExecutor(1 if storage.is_local(place.folder) else max(1, len(keys))) as pool:
        found = dict(zip(keys, pool.map(look, keys), strict=True))
    return {key: each[0] for key, each in found.items()}, {key: each[1] for key, each in found.items()}


def stale(corpus: Corpus, entries: Index, of_rows: Index, there: set[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each shard whether its sidecar is not known to be current: new, changed, gone, or out of step with its rows.

    `entries` and `there` are of one kind of sidecar, `of_rows` are the entries of rows.
    """
    paths, sizes, tokens = corpus.columns
    at = pc.index_in(paths, value_set=entries.column("shard").combine_chunks())
    at_rows = pc.index_in(paths, value_set=of_rows.column("shard").combine_chunks())
    bad = np.array([shard.path not in there for shard in corpus.shards], bool)
    for known, now in ((entries.column("bytes").take(at), sizes), (entries.column("token").take(at), tokens),
                       (entries.column("rows_digest").take(at), of_rows.column("rows_digest").take(at_rows))):
        bad |= ~np.asarray(pc.equal(known, now).fill_null(False))
    return bad
