"""Pieces of a text, lines or paragraphs, that occur in it more than once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.columns import ratios
from taggers.compiled import kernel
from taggers.text import AGAIN, ONCE, Pieces, TextBatch

Array = NDArray[Any]


def duplicate_columns(prefix: str, batch: TextBatch, pieces: Pieces, repeats: Array) -> dict[str, pa.Array]:
    """The four shares of duplicates, as float64, under names that begin with the prefix; null if the whole is 0."""
    total = np.diff(pieces.first)
    found, chars, again, again_chars = sum_duplicates(pieces, repeats)
    return {
        f"{prefix}.duplicate_dolma": ratios(found, total),
        f"{prefix}.duplicate_chars_dolma": ratios(chars, batch.word_chars),
        f"{prefix}.duplicate_repeats": ratios(again, total),
        f"{prefix}.duplicate_chars_repeats": ratios(again_chars, batch.chars),
    }


def sum_duplicates(pieces: Pieces, repeats: Array) -> Array:
    """int64 of shape (4, documents): pieces that occur more than once, their code points, and those after the first."""
    sums = np.zeros((4, len(pieces.first) - 1), np.int64)
    _sum_duplicates(pieces.first, pieces.length, repeats, *sums)
    return sums


@kernel
def _sum_duplicates(
    first: Array, length: Array, repeats: Array, found: Array, chars: Array, again: Array, again_chars: Array
) -> None:
    for document in range(len(found)):
        for piece in range(first[document], first[document + 1]):
            if repeats[piece] == ONCE:
                continue
            found[document] += 1
            chars[document] += length[piece]
            if repeats[piece] == AGAIN:
                again[document] += 1
                again_chars[document] += length[piece]
