"""The size of each text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from taggers.columns import counts
from taggers.text import TextBatch


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """sizes.*, int64: UTF-8 bytes, code points, and bytes / 4 rounded up as a guess at tokens; 0 for an empty text."""
    sizes = np.diff(batch.offsets)
    return {
        "sizes.bytes": counts(sizes),
        "sizes.chars": counts(batch.chars),
        "sizes.tokens_approx": counts((sizes + 3) // 4),
    }
