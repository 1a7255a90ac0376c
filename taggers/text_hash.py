"""A key by which equal texts are found, up to a stated normalisation."""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import xxhash

from taggers.text import TextBatch

STEPS = ("lower", "nfc", "punctuation", "whitespace")


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """text_hash.key, 16 bytes: xxh3-128 (big-endian) of the UTF-8 of the normalised text. Never null."""
    steps: list[str] = parameters["normalise"]
    check_steps("text_hash", steps)
    if steps:
        keys = [_key(normalise(batch.string(document), steps).encode()) for document in range(len(batch))]
    else:
        keys = [_key(batch.utf8(document)) for document in range(len(batch))]
    return {"text_hash.key": pa.array(keys, pa.binary(16))}


def check_steps(tagger: str, steps: Sequence[str]) -> None:
    """Nothing; ValueError where there is no such step."""
    unknown = sorted(set(steps) - set(STEPS))
    if unknown:
        raise ValueError(f"{tagger}: normalise has {', '.join(unknown)}; known are {', '.join(STEPS)}")


def normalise(text: str, steps: Sequence[str]) -> str:
    """The text after those of these steps that are asked for, always in this order.

    1. nfc: Unicode normalisation form C.
    2. lower: str.lower.
    3. punctuation: code points of the general categories P* go.
    4. whitespace: runs become one space, and go at both ends.
    5. nfc again, because what was between two code points may have gone.
    """
    if "nfc" in steps:
        text = unicodedata.normalize("NFC", text)
    if "lower" in steps:
        text = text.lower()
    if "punctuation" in steps:
        # A text has few kinds of punctuation, and to replace each is five times as fast as one str.translate.
        for mark in _punctuation().intersection(text):
            text = text.replace(mark, "")
    if "whitespace" in steps:
        text = " ".join(text.split())
    if "nfc" in steps:
        text = unicodedata.normalize("NFC", text)
    return text


def _key(data: bytes | memoryview) -> bytes:
    return xxhash.xxh3_128_digest(data)


@functools.cache
def _punctuation() -> frozenset[str]:
    characters = map(chr, range(sys.maxunicode + 1))
    return frozenset(character for character in characters if unicodedata.category(character).startswith("P"))
