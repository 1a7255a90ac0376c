r"""Duplicate paragraphs of Gopher (Rae et al. 2021, Table A1). Paragraphs are what re.split(r"\n{2,}", text) gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from taggers.columns import counts
from taggers.duplicates import duplicate_columns
from taggers.text import TextBatch


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The paragraphs.* columns; an empty text has none, so a count of 0 and null for all else."""
    total = counts(np.diff(batch.paragraphs.first))
    return {"paragraphs.count": total} | duplicate_columns("paragraphs", batch, batch.paragraphs)
