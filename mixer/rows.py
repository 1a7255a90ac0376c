"""The rows sidecar: a shard's good records in order, and the quarantine beside it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixer.documents import Bad, Batch

# Reader and schema version: a change of what is read, or of what is said of it, is a new one.
KEY = "rows@1"

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("source", pa.large_string()),
        ("id", pa.large_string()),
        ("identity", pa.binary(16)),
        ("text_sha256", pa.binary(32)),
        ("bytes", pa.int64()),
        ("chars", pa.int64()),
    ]
)

QUARANTINE_SCHEMA = pa.schema(
    [("line", pa.int64()), ("offset", pa.int64()), ("reason", pa.string()), ("raw", pa.binary()),
     ("length", pa.int64())]
)


def identity(source: str, id: str) -> bytes:
    """16 bytes that stand for a document's (source, id): sha256 of the source's length (int64), source and id."""
    encoded = source.encode()
    return hashlib.sha256(len(encoded).to_bytes(8, "little") + encoded + id.encode()).digest()[:16]


def texts_of(batch: Batch) -> pa.LargeStringArray:
    return pa.array([document.text for document in batch.documents], pa.large_string())


def rows_of(batch: Batch, texts: pa.LargeStringArray, first_row: int) -> pa.RecordBatch:
    """The rows of a batch whose first document has this row number. `bytes` and `chars` measure the text."""
    documents = batch.documents
    size = len(documents)
    sha256s = b"".join(hashlib.sha256(text).digest() for text in text_bytes(texts))
    identities = b"".join(identity(document.source, document.id) for document in documents)
    columns: list[Any] = [
        pa.array(np.arange(first_row, first_row + size, dtype=np.int64)),
        pa.array(batch.lines, pa.int64()),
        pa.array(batch.offsets, pa.int64()),
        pa.array([document.source for document in documents], pa.large_string()),
        pa.array([document.id for document in documents], pa.large_string()),
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), size, [None, pa.py_buffer(identities)]),
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), size, [None, pa.py_buffer(sha256s)]),
        pc.binary_length(texts),
        pc.cast(pc.utf8_length(texts), pa.int64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def text_bytes(texts: pa.LargeStringArray) -> list[memoryview]:
    """Each text's UTF-8 bytes, without a copy."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1].tolist()
    data = memoryview(texts.buffers()[2] or b"")
    return [data[start:end] for start, end in itertools.pairwise(offsets)]


def quarantine_of(bad: Sequence[Bad]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{"line": b.line, "offset": b.offset, "reason": b.reason, "raw": b.raw, "length": b.length} for b in bad],
        schema=QUARANTINE_SCHEMA,
    )
