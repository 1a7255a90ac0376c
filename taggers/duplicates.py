"""Pieces of a text, lines or paragraphs, that occur in it more than once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.chunks import same_piece
from taggers.columns import ratios
from taggers.compiled import kernel
from taggers.text import Pieces, TextBatch

Array = NDArray[Any]


@dataclass(frozen=True)
class Duplicates:
    """int64 for each document; equal means equal byte for byte."""

    pieces: Array  # that occur more than once, each occurrence counted
    chars: Array  # their code points
    repeats: Array  # occurrences after the first
    repeat_chars: Array  # their code points


def find_duplicates(batch: TextBatch, pieces: Pieces) -> Duplicates:
    """The duplicates among the pieces of each document, in time linear in the text."""
    sums = np.zeros((4, len(batch)), np.int64)
    most = int(np.max(np.diff(pieces.first), initial=0))
    _count_duplicates(
        batch.data,
        pieces.first,
        pieces.start,
        pieces.end,
        pieces.length,
        pieces.hash,
        np.empty(table_size(most), np.int32),
        np.empty(most, np.bool_),
        *sums,
    )
    return Duplicates(*sums)


def duplicate_columns(prefix: str, batch: TextBatch, pieces: Pieces) -> dict[str, pa.Array]:
    """The four shares of duplicates, as float64, under names that begin with the prefix; null if the whole is 0."""
    duplicates = find_duplicates(batch, pieces)
    total = np.diff(pieces.first)
    return {
        f"{prefix}.duplicate_dolma": ratios(duplicates.pieces, total),
        f"{prefix}.duplicate_chars_dolma": ratios(duplicates.chars, batch.word_chars),
        f"{prefix}.duplicate_repeats": ratios(duplicates.repeats, total),
        f"{prefix}.duplicate_chars_repeats": ratios(duplicates.repeat_chars, batch.chars),
    }


@kernel
def table_size(entries: int) -> int:
    """The slots of a hash table for so many entries: a power of two, at most half of it used."""
    size = 2
    while size < 2 * entries:
        size *= 2
    return size


@kernel
def _count_duplicates(
    data: Array,
    first: Array,
    start: Array,
    end: Array,
    length: Array,
    hashes: Array,
    slots: Array,
    again: Array,
    pieces: Array,
    chars: Array,
    repeats: Array,
    repeat_chars: Array,
) -> None:
    for document in range(len(first) - 1):
        begin = first[document]
        count = first[document + 1] - begin
        size = table_size(count)
        mask = np.uint64(size - 1)
        slots[:size] = -1
        for index in range(count):
            piece = begin + index
            slot = hashes[piece] & mask
            while True:
                other = slots[slot]
                if other < 0:
                    slots[slot] = index
                    again[index] = False
                    break
                known = begin + other
                if same_piece(data, start, end, hashes, piece, known):
                    if not again[other]:
                        again[other] = True
                        pieces[document] += 1
                        chars[document] += length[known]
                    pieces[document] += 1
                    chars[document] += length[piece]
                    repeats[document] += 1
                    repeat_chars[document] += length[piece]
                    break
                slot = (slot + np.uint64(1)) & mask
