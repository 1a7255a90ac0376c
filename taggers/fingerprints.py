"""Keys of sampled fingerprints, by which texts with a long stretch in common are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from taggers.arrow_types import ARROW_TYPES
from taggers.matching import Scheme, fingerprint_keys, symbols
from taggers.text import TextBatch


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """fingerprints.keys: the keys of a text's anchors, ascending, twice where there are more than one; never null."""
    try:
        scheme = Scheme.of(parameters)
    except ValueError as error:
        raise ValueError(f"fingerprints: {error}") from None
    first, keys = fingerprint_keys(symbols(batch, scheme.unit), scheme)
    lists = pa.ListArray.from_arrays(pa.array(first, pa.int32()), pa.array(keys), type=ARROW_TYPES["keys"])
    return {"fingerprints.keys": lists}
