"""From numpy results to the Arrow columns that taggers give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Array = NDArray[Any]

ARROW_TYPES: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "float32": pa.float32(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "key128": pa.binary(16),
    # Start and end count code points of the text, bytes the UTF-8 between them.
    "spans": pa.list_(pa.struct(
        [("start", pa.int64()), ("end", pa.int64()), ("bytes", pa.int64()), ("score", pa.float64())]
    )),
}


def counts(values: Array) -> pa.Array:
    """int64 of the values, never null."""
    return pa.array(values, pa.int64())


def numbers(values: Array, known: Array) -> pa.Array:
    """float64 of the values, null where they are not known."""
    return pa.array(values, pa.float64(), mask=~known)


def ratios(parts: Array, wholes: Array) -> pa.Array:
    """float64, parts / wholes, null where the whole is 0: a share of nothing is unknown, not zero."""
    known = wholes != 0
    return numbers(np.divide(parts, wholes, out=np.zeros(len(parts)), where=known), known)
