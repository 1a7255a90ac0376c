"""Sidecars: Parquet tables beside a shard, one row a document, with a digest that no writer version can change.

The content digest `columns@1`: each column gives sha256 streams. `valid` takes a byte 0/1 for each row (1: there is a
value); `values` the values (fixed width: little-endian, zero where null; text and bytes: the bytes); `lengths` an int64
for each text or list; elements of lists and fields of structs are streams of their own. The digest is the sha256 of the
canonical JSON of [rows, [[name, type] for each column in order], {stream: hex}]. Batches do not enter it. Types are
named as Arrow prints them; lists as list<type>.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mixer import storage
from mixer.documents import canonical_json
from mixer.errors import StorageError, StoreUnavailable

METADATA_KEY = b"solera"
# Parquet has no checksum of its footer.
SHA256_KEY = b"solera_sha256"
SMALL_BYTES = 256 << 10


class ColumnsDigest:
    """Takes batches of columns; `hexdigest` is the content digest `columns@1` of all of them."""

    def __init__(self, schema: pa.Schema) -> None:
        self._columns = [[field.name, _type_name(field.type)] for field in schema]
        self._streams: defaultdict[str, Any] = defaultdict(hashlib.sha256)
        self._rows = 0

    def update(self, table: pa.Table | pa.RecordBatch) -> None:
        if not table.num_rows:
            return
        self._rows += table.num_rows
        for name, _ in self._columns:
            column = table.column(name)
            for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                _digest(chunk, name, self._streams)

    def hexdigest(self) -> str:
        streams = {name: stream.hexdigest() for name, stream in self._streams.items()}
        return hashlib.sha256(canonical_json([self._rows, self._columns, streams])).hexdigest()


class Writer:
    """Writes batches to a Parquet stream; `finish` puts the metadata, with rows and digest, into the footer."""

    def __init__(self, stream: Any, schema: pa.Schema) -> None:
        self._schema = schema
        self._digest = ColumnsDigest(schema)
        self._parquet = pq.ParquetWriter(stream, schema, compression="zstd", write_statistics=False,
                                         **_encodings(schema))
        self.rows = 0
        self.finished = False

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        if table.num_rows:
            table = table.cast(self._schema) if table.schema != self._schema else table
            self._digest.update(table)
            self.rows += table.num_rows
            self._parquet.write(table)

    def finish(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata as stored: what was given, `rows`, and `digest`."""
        whole = {**metadata, "rows": self.rows, "digest": self._digest.hexdigest()}
        text = canonical_json(whole)
        self._parquet.add_key_value_metadata({METADATA_KEY: text, SHA256_KEY: hashlib.sha256(text).hexdigest()})
        self._parquet.close()
        self.finished = True
        return whole

    def peek_digest(self) -> str:
        """The content digest of what was written so far."""
        return self._digest.hexdigest()

    def abandon(self) -> None:
        self._parquet.close()


@contextmanager
def writer(uri: str, schema: pa.Schema, durable: bool = False) -> Iterator[Writer]:
    """A sidecar that appears at `uri` when the block ends well; the block has to call `finish`."""
    with storage.writer(uri, durable) as stream:
        out = Writer(stream, schema)
        try:
            yield out
        except BaseException:
            out.abandon()
            raise
        if not out.finished:
            out.abandon()
            raise AssertionError(f"{uri}: finish was not called")


def write(uri: str, table: pa.Table, metadata: Mapping[str, Any], durable: bool = False) -> dict[str, Any]:
    """Writes one table as a sidecar; returns its metadata with rows and digest."""
    with writer(uri, table.schema, durable) as out:
        out.write(table)
        return out.finish(metadata)


def metadata(uri: str) -> dict[str, Any] | None:
    """What a sidecar's footer says of it, or None where there is no readable sidecar."""
    if not storage.exists(uri):
        return None
    try:
        with storage.open_read(uri) as stream:
            return _checked(pq.read_metadata(stream).metadata)
    except StoreUnavailable:
        raise  # it may be well
    except (pa.ArrowException, OSError, ValueError, StorageError):
        return None  # what cannot be read is as good as absent: it is made again


def read(uri: str, columns: list[str] | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """A sidecar's columns (all unless named) and its metadata."""
    try:
        with storage.open_read(uri) as stream:
            # What is small is read at once: Arrow asks a Python file for piece after piece, and a store for each again.
            start = stream.read(SMALL_BYTES)
            file = pq.ParquetFile(pa.BufferReader(start) if len(start) < SMALL_BYTES else stream)
            table = file.read(columns=columns, use_threads=False)
            stored = _checked(file.metadata.metadata)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StorageError(f"{uri}: this sidecar cannot be read ({error}); remove it and run again") from None
    if stored is None:
        raise StorageError(f"{uri}: this sidecar has no metadata; remove it and run again")
    return table.replace_schema_metadata(None), stored


def count_values(uri: str, path: str) -> int:
    """How many values a column has, called as Parquet calls it (`spans.list.element.key`), by the footer alone. A list
    without any counts as one.
    """
    try:
        with storage.open_read(uri) as stream:
            found = pq.read_metadata(stream)
            groups = [found.row_group(number) for number in range(found.num_row_groups)]
            columns = [group.column(number) for group in groups for number in range(group.num_columns)]
            return sum(column.num_values for column in columns if column.path_in_schema == path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StorageError(f"{uri}: this sidecar cannot be read ({error}); remove it and run again") from None


def _checked(found: Mapping[bytes, bytes] | None) -> dict[str, Any] | None:
    """Our metadata of a footer's; None where there is none. ValueError where it is not as it was written."""
    if not found or METADATA_KEY not in found:
        return None
    text = found[METADATA_KEY]
    if hashlib.sha256(text).hexdigest().encode() != found.get(SHA256_KEY):
        raise ValueError("its metadata is damaged")
    stored: dict[str, Any] = json.loads(text)
    return stored


def table_of(data: bytes) -> pa.Table:
    """The table that a whole Parquet file holds, without its metadata.

    Read in this thread, from memory: Arrow's own threads may still hold a Python file when the interpreter ends, which
    then aborts.
    """
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False).replace_schema_metadata(None)


def digest(table: pa.Table) -> str:
    """Content digest `columns@1` of a whole table."""
    whole = ColumnsDigest(table.schema)
    whole.update(table)
    return whole.hexdigest()


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """How a table with keys is written: keys, of which each is another, as they are, and the positions beside them as
    differences. By dictionaries, Parquet's usual way, it takes 2.3 times as long and a third more room.
    """
    leaves = [leaf for field in schema for leaf in _leaves(field)]
    if not any(kind == pa.uint64() for _, kind in leaves):
        return {}
    return {"use_dictionary": [path for path, kind in leaves if kind not in (pa.uint64(), pa.int64())],
            "column_encoding": {path: "DELTA_BINARY_PACKED" for path, kind in leaves if kind == pa.int64()}}


def _leaves(field: pa.Field, above: str = "") -> list[tuple[str, pa.DataType]]:
    """The columns that Parquet makes of one, by its names for them."""
    path, kind = above + field.name, field.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _leaves(pa.field("element", kind.value_type), f"{path}.list.")
    if pa.types.is_struct(kind):
        return [leaf for inner in kind for leaf in _leaves(inner, f"{path}.")]
    return [(path, kind)]


def _type_name(kind: pa.DataType) -> str:
    """The type as Arrow prints it, but for the name of a list's elements, which Parquet changes."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{'large_' if pa.types.is_large_list(kind) else ''}list<{_type_name(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_type_name(field.type)}' for field in kind)}>"
    return str(kind)


def _digest(array: pa.Array, name: str, streams: defaultdict[str, Any]) -> None:
    kind = array.type
    present = np.asarray(array.is_valid()) if array.null_count else np.ones(len(array), bool)
    streams[f"{name} valid"].update(present.astype(np.uint8).tobytes())
    values = streams[f"{name} values"]
    if any(test(kind) for test in _VARIABLE):
        plain = array.cast(pa.large_binary()).fill_null(b"")
        streams[f"{name} lengths"].update(np.asarray(pc.binary_length(plain)).astype("<i8").tobytes())
        values.update(b"".join(buffer_slice(plain)))
    elif pa.types.is_fixed_size_binary(kind):
        values.update(np.ascontiguousarray(fixed_bytes(array) * present[:, None].astype(np.uint8)).tobytes())
    elif pa.types.is_boolean(kind):
        values.update(np.asarray(array.fill_null(False)).astype(np.uint8).tobytes())
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = array.value_lengths().fill_null(0)
        streams[f"{name} lengths"].update(np.asarray(lengths).astype("<i8").tobytes())
        _digest(array.flatten(), f"{name}[]", streams)
    elif pa.types.is_struct(kind):
        for field, child in zip(kind, array.flatten(), strict=True):
            _digest(child, f"{name}.{field.name}", streams)
    else:
        plain = np.asarray(array.fill_null(0) if array.null_count else array)
        values.update(plain.astype(plain.dtype.newbyteorder("<"), copy=False).tobytes())


_VARIABLE = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def buffer_slice(array: pa.LargeBinaryArray) -> list[memoryview]:
    """The bytes of all values of a large_binary or large_string array, one after another, without a copy."""
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = array.buffers()[2]
    return [memoryview(data)[offsets[0] : offsets[-1]]] if len(array) and data is not None else []


def fixed_bytes(array: pa.FixedSizeBinaryArray | pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The bytes of a fixed-size binary array as uint8 of shape (rows, width); null rows hold whatever they hold."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    width = array.type.byte_width
    if not len(array):
        return np.empty((0, width), np.uint8)
    whole = np.frombuffer(array.buffers()[1], np.uint8)
    return whole[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)
