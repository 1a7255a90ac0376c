"""What paragraph_keys means, in plain Python over code points: lines by split, keys by the xxhash package."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import xxhash
from reference_models import sentences

Piece = tuple[int, int, int]  # where it begins with its indentation, where without, and where it ends


def paragraph_keys(text: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"paragraph_keys.spans": [
        {"start": start, "end": end, "first_byte": len(text[:start].encode()), "bytes": len(text[start:end].encode()),
         "key": key_of(piece)}
        for start, end, piece in pieces(text, parameters)
    ]}


def key_of(piece: str) -> int:
    return xxhash.xxh3_64_intdigest(piece.encode())


def pieces(text: str, parameters: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    """Start and end of the span of each piece, and what is left of the piece once normalised."""
    size = 1
    if parameters["unit"] == "sentences":
        size = parameters["sentences"]
        parts = [(start, start, end) for start, end in sentences(text)]
    else:
        parts = _lines(text, parameters["unit"] == "paragraphs")
    found = []
    for number in range(len(parts) - size + 1):
        (begin, start, _), (_, _, end) = parts[number], parts[number + size - 1]
        piece = _even(text[start:end], parameters["normalise"]).strip()
        if len(piece) < max(1, parameters["min_length"]):
            continue
        after = parts[number + size][0] if number + size < len(parts) else len(text)
        if end == len(text) and number:
            begin = parts[number - 1][2]
        found.append((begin, after, piece))
    return found


def _lines(text: str, join: bool) -> list[Piece]:
    found: list[Piece] = []
    at, parted = 0, True
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped:
            start = at + line.index(stripped)
            if parted or not join:
                found.append((at, start, start + len(stripped)))
            else:
                found[-1] = (*found[-1][:2], start + len(stripped))
        parted = not stripped
        at += len(line) + 1
    return found


def _even(text: str, steps: list[str]) -> str:
    nfc: Callable[[str], str] = lambda text: unicodedata.normalize("NFC", text) if "nfc" in steps else text  # noqa: E731
    text = nfc(text)
    text = text.lower() if "lower" in steps else text
    if "punctuation" in steps:
        text = "".join(char for char in text if unicodedata.category(char)[0] != "P")
    return nfc(" ".join(text.split()) if "whitespace" in steps else text)


REFERENCES = {"paragraph_keys": paragraph_keys}
