"""The attribute sidecars of a shard: one for each tagger with its parameters and model, aligned with `rows`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import sidecars
from mixer.documents import canonical_json
from mixer.errors import StorageError
from taggers import registry
from taggers.declare import Use, load

# Start and end count code points of the text, first_byte the UTF-8 before the span, bytes that of the span.
SPANS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("first_byte", pa.int64()),
                            ("bytes", pa.int64()), ("score", pa.float64())]))


def key_of(use: Use) -> str:
    """name@version, and 12 hex digits of the digest of parameters and file where there are any."""
    model = model_sha256(use)
    if not use.parameters and model is None:
        return use.tagger.key
    digest = hashlib.sha256(canonical_json([use.parameters_digest, model])).hexdigest()
    return f"{use.tagger.key}-{digest[:12]}"


def read(uri: str, columns: Sequence[str]) -> tuple[pa.Table, dict[str, Any]]:
    """These columns of a sidecar, in this order, and its metadata.

    An imported sidecar lacks what no document of its shard has: a count of it is 0, and a score null.
    """
    table, meta = sidecars.read(uri, list(columns))
    found = {name: table.column(name) if name in table.column_names else _absent(uri, name, meta["rows"])
             for name in columns}
    return pa.table(found), meta


def _absent(uri: str, name: str, size: int) -> pa.Array:
    found = registry.find_column(name)
    if found is None or not found[0].is_imported:
        raise StorageError(f"{uri}: this sidecar has no column {name}; remove it and run again")
    if found[1].type == "int64":
        return pa.array(np.zeros(size, np.int64))
    if found[1].type == "spans":
        return pa.array([[]] * size, SPANS)
    return pa.nulls(size, pa.float64())


def model_sha256(use: Use) -> str | None:
    """Hex sha256 of the tagger's file, or of the module of a user's own tagger; None for a tagger without any."""
    if use.file is not None:
        assert use.sha256 is not None, "mixer.models.resolve finds it"
        return use.sha256
    return _bundled(use.tagger.bundled) if use.tagger.bundled else use.tagger.own


@cache
def _bundled(reference: str) -> str:
    digest: str = load(reference)()
    return digest
