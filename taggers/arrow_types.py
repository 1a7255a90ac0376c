"""The Arrow type of each type that a column may be declared with."""

from __future__ import annotations

import pyarrow as pa

ARROW_TYPES: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "float32": pa.float32(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "key128": pa.binary(16),
    # Start and end count code points of the text, first_byte the UTF-8 before the span, and bytes that of the span: so
    # that what several spans cover together is known without the text, in bytes too.
    "spans": pa.list_(pa.struct(
        [("start", pa.int64()), ("end", pa.int64()), ("first_byte", pa.int64()), ("bytes", pa.int64()),
         ("score", pa.float64())]
    )),
    # Hashes that relate parts of documents, as a dedup method compares them.
    "keys": pa.list_(pa.uint64()),
    # Spans whose key says which of them are equal, in any document. Sorted by start, then end.
    "keyed_spans": pa.list_(pa.struct(
        [("start", pa.int64()), ("end", pa.int64()), ("first_byte", pa.int64()), ("bytes", pa.int64()),
         ("key", pa.uint64())]
    )),
}
