"""The taggers of words, lines, paragraphs and characters, and text_hash, as slow and obvious Python."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import xxhash

Values = dict[str, Any]

REQUIRED = {"the", "be", "to", "of", "and", "that", "have", "with"}


def sizes(text: str, parameters: Mapping[str, Any]) -> Values:
    return {"sizes.bytes": len(text.encode()), "sizes.chars": len(text)}


def words(text: str, parameters: Mapping[str, Any]) -> Values:
    found = text.split()
    lengths = [len(word) for word in found]
    symbols = [word for word in found if "#" in word or "…" in word]
    symbols_paper = [word for word in found if "#" in word or "…" in word or "..." in word]
    alphabetic = [word for word in found if any(unicodedata.category(char).startswith("L") for char in word)]
    required = [word for word in found if word in REQUIRED]
    return {
        "words.count": len(found),
        "words.mean_length": ratio(sum(lengths), len(found)),
        "words.median_length": statistics.median(lengths) if found else None,
        "words.symbols": ratio(len(symbols), len(found)),
        "words.symbols_paper": ratio(len(symbols_paper), len(found)),
        "words.alphabetic": ratio(len(alphabetic), len(found)),
        "words.required": len(required),
        "words.required_distinct": len(set(required)),
    }


def lines(text: str, parameters: Mapping[str, Any]) -> Values:
    found = re.split(r"\n+", text) if text else []
    bullets_dolma = [line for line in found if line.startswith(("*", "-"))]
    bullets_datatrove = [line for line in found if line.lstrip().startswith(("•", "-"))]
    ellipsis_dolma = [line for line in found if line.endswith("…")]
    ellipsis_paper = [line for line in found if line.rstrip().endswith(("…", "..."))]
    return {
        "lines.count": len(found),
        "lines.bullets_dolma": ratio(len(bullets_dolma), len(found)),
        "lines.bullets_datatrove": ratio(len(bullets_datatrove), len(found)),
        "lines.ellipsis_dolma": ratio(len(ellipsis_dolma), len(found)),
        "lines.ellipsis_paper": ratio(len(ellipsis_paper), len(found)),
        **duplicates("lines", text, found),
    }


def paragraphs(text: str, parameters: Mapping[str, Any]) -> Values:
    found = re.split(r"\n{2,}", text) if text else []
    return {"paragraphs.count": len(found), **duplicates("paragraphs", text, found)}


def duplicates(prefix: str, text: str, pieces: list[str]) -> Values:
    counts = Counter(pieces)
    repeated = [piece for piece in pieces if counts[piece] > 1]
    later = [piece for place, piece in enumerate(pieces) if piece in pieces[:place]]
    return {
        f"{prefix}.duplicate_dolma": ratio(len(repeated), len(pieces)),
        f"{prefix}.duplicate_chars_dolma": ratio(len("".join(repeated)), len("".join(text.split()))),
        f"{prefix}.duplicate_repeats": ratio(len(later), len(pieces)),
        f"{prefix}.duplicate_chars_repeats": ratio(len("".join(later)), len(text)),
    }


def ngrams(text: str, parameters: Mapping[str, Any]) -> Values:
    found = text.split()
    columns = [f"ngrams.top_{n}{whose}" for n in range(2, 5) for whose in ("", "_datatrove")]
    columns += [f"ngrams.{what}_{n}" for what in ("duplicate", "covered") for n in range(5, 11)]
    if not found:
        return dict.fromkeys(columns)
    values: Values = dict.fromkeys(columns, 0.0)
    for n in range(2, 11):
        grams = list(zip(*[found[skip:] for skip in range(n)], strict=False))
        if not grams:
            continue
        counts = Counter(grams)
        if n < 5:
            top, count = counts.most_common(1)[0]
            values[f"ngrams.top_{n}"] = count * letters(top) / letters(found)
            values[f"ngrams.top_{n}_datatrove"] = count * len(" ".join(top)) / len(text)
        else:
            repeated = sum(count * letters(gram) for gram, count in counts.items() if count > 1)
            whole = sum(count * letters(gram) for gram, count in counts.items())
            values[f"ngrams.duplicate_{n}"] = repeated / whole
            values[f"ngrams.covered_{n}"] = covered(grams, n) / len(text)
    return values


def covered(grams: list[tuple[str, ...]], n: int) -> int:
    """datatrove's find_all_duplicate, but on tuples: joined words would make "a bc" and "ab c" equal."""
    seen = set()
    total = 0
    place = 0
    while place < len(grams):
        if grams[place] in seen:
            total += letters(grams[place])
            place += n
        else:
            seen.add(grams[place])
            place += 1
    return total


def text_hash(text: str, parameters: Mapping[str, Any]) -> Values:
    steps = parameters["normalise"]
    if "nfc" in steps:
        text = unicodedata.normalize("NFC", text)
    if "lower" in steps:
        text = text.lower()
    if "punctuation" in steps:
        text = "".join(char for char in text if not unicodedata.category(char).startswith("P"))
    if "whitespace" in steps:
        text = re.sub(r"\s+", " ", text).strip(" ")
    if "nfc" in steps:
        text = unicodedata.normalize("NFC", text)
    return {"text_hash.key": int(xxhash.xxh3_128_intdigest(text.encode())).to_bytes(16, "big")}


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def letters(words: tuple[str, ...] | list[str]) -> int:
    return sum(len(word) for word in words)


REFERENCES = {
    "sizes": sizes,
    "words": words,
    "lines": lines,
    "paragraphs": paragraphs,
    "ngrams": ngrams,
    "text_hash": text_hash,
}
