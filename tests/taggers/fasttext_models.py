"""Small fastText models of our own, written byte by byte as its C++ library stores them: no training, no downloads."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

HIERARCHICAL, NEGATIVES, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
SUPERVISED = 3
WORDS = ("</s>", "the", "of", "a", "日本", "e\u0301", "bad", "good", "#")


def model(
    *,
    words: Sequence[str] = WORDS,
    labels: Sequence[str] = ("hq", "lq", "__label__other"),
    counts: Sequence[int] = (50, 30, 20),
    loss: int = SOFTMAX,
    kind: int = SUPERVISED,
    columns: int = 5,
    buckets: int = 97,
    shortest: int = 2,
    longest: int = 3,
    word_ngrams: int = 2,
    pruned: dict[int, int] | None = None,
    quantised: str = "",
    version: int = 12,
) -> bytes:
    """A model's file. `pruned` gives the rows of the buckets that were kept; `quantised` is "", "plain" or "norms"."""
    arguments = [columns, 5, 5, 1, 5, word_ngrams, loss, kind, buckets, shortest, longest, 100]
    file = struct.pack("<ii", 793712314, version) + struct.pack("<12id", *arguments, 1e-4)
    kept = -1 if pruned is None else len(pruned)
    file += struct.pack("<iiiqq", len(words) + len(labels), len(words), len(labels), 1000, kept)
    for word in words:
        file += word.encode() + b"\0" + struct.pack("<qb", 10, 0)
    for label, count in zip(labels, counts, strict=True):
        file += b"__label__" + label.encode() + b"\0" + struct.pack("<qb", count, 1)
    for bucket, row in (pruned or {}).items():
        file += struct.pack("<ii", bucket, row)
    rows = len(words) + (buckets if pruned is None else len(pruned))
    file += _quantised(rows, columns, quantised == "norms") if quantised else _dense(rows, columns, 1.0)
    return file + _dense(len(labels), columns, 2.0)


def _dense(rows: int, columns: int, most: float) -> bytes:
    return struct.pack("<?qq", False, rows, columns) + _floats(rows * columns, most)


def _quantised(rows: int, columns: int, norms: bool) -> bytes:
    width = 2
    parts = -(-columns // width)
    codes = bytes(number * 7 % 256 for number in range(rows * parts))
    file = struct.pack("<?qqi", norms, rows, columns, len(codes)) + codes + _quantiser(columns, parts, width)
    if norms:
        file += bytes(number * 11 % 256 for number in range(rows)) + _quantiser(1, 1, 1)
    return struct.pack("<?", True) + file


def _quantiser(columns: int, parts: int, width: int) -> bytes:
    return struct.pack("<4i", columns, parts, width, columns - (parts - 1) * width) + _floats(256 * columns, 1.0)


def _floats(count: int, most: float) -> bytes:
    """Numbers that no two rows share, which need no random generator."""
    return struct.pack(f"<{count}f", *(most * math.sin(1 + number * number) for number in range(count)))
