"""The size of each text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from taggers.columns import counts
from taggers.text import TextBatch


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """sizes.bytes and sizes.chars, int64: UTF-8 bytes and code points, 0 for an empty text."""
    return {"sizes.bytes": counts(np.diff(batch.offsets)), "sizes.chars": counts(batch.chars)}
