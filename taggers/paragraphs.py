r"""Duplicate paragraphs of Gopher (Rae et al. 2021, Table A1). Paragraphs are what re.split(r"\n{2,}", text) gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from taggers.columns import counts, ratios
from taggers.duplicates import duplicate_columns, sum_duplicates
from taggers.text import TextBatch, find_repeats


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The paragraphs.* columns; an empty text has none, so a count of 0 and null for all else."""
    repeats = find_repeats(batch.data, batch.paragraphs)
    _, _, again, again_chars = sum_duplicates(batch.paragraphs, repeats)
    total = np.diff(batch.paragraphs.first)
    # datatrove strips the text first, which matters only where whitespace stands at an end.
    words = batch.words
    empty = words.first[:-1] == words.first[1:]
    begin, stop = batch.offsets[:-1].copy(), batch.offsets[:-1].copy()
    begin[~empty] = words.start[words.first[:-1][~empty]]
    stop[~empty] = words.end[words.first[1:][~empty] - 1]
    unlike = (begin != batch.offsets[:-1]) | (stop != batch.offsets[1:])
    stripped = batch.paragraphs_between(np.where(unlike, begin, stop), stop)
    _, _, again_stripped, chars_stripped = sum_duplicates(stripped, find_repeats(batch.data, stripped))
    return {"paragraphs.count": counts(total)} | duplicate_columns("paragraphs", batch, batch.paragraphs, repeats) | {
        "paragraphs.duplicate_datatrove": ratios(
            np.where(unlike, again_stripped, again), np.where(unlike, np.diff(stripped.first), total)
        ),
        "paragraphs.duplicate_chars_datatrove": ratios(
            np.where(unlike, chars_stripped, again_chars), np.where(empty, 0, batch.chars)
        ),
    }
