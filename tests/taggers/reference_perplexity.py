"""The tagger of perplexity, as slow and obvious Python: a model in dicts, and a text word by word."""

from __future__ import annotations

import functools
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Values = dict[str, Any]
UNKNOWN, END, BEGIN = 0, 1, 2

MARKS = {
    "'": "’‘‚‛`´′", '"': "“”„‟«»″「」『』《》", "-": "–—―−‐‑‒", ".": "。．", ",": "、，،", ":": "：", ";": "；؛",
    "?": "？؟", "!": "！", "(": "（【", ")": "）】", "%": "％", "/": "／", "<": "〈", ">": "〉", "~": "～", "*": "•●",
}
ASCII = {mark: plain for plain, marks in MARKS.items() for mark in marks}
UNPARTED = (
    ("\u0e00", "\u0eff"), ("\u0f00", "\u0fff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u3005", "\u3007"),
    ("\u3040", "\u30ff"), ("\u31f0", "\u31ff"), ("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"),
    ("\uff66", "\uff9f"), ("\U00020000", "\U000323af"),
)


def perplexity(text: str, parameters: Mapping[str, Any]) -> Values:
    model = read(parameters["model"])
    total, count, words, known = 0.0, 0, 0, 0
    for line in text.split("\n"):
        numbers = [model.words.get(word_hash(word), UNKNOWN) for word in plain_words(line)]
        if not numbers:
            continue
        words += len(numbers)
        known += len(numbers) - numbers.count(UNKNOWN)
        before, last = BEGIN, BEGIN
        for number in [*numbers, END]:
            total += log2_probability(model, before, last, number)
            count += 1
            before, last = last, number
    if not words:
        return {"perplexity.value": None, "perplexity.known": None}
    return {"perplexity.value": 2 ** (-total / count), "perplexity.known": known / words}


def plain_words(line: str) -> list[str]:
    words: list[str] = []
    open_word = False
    for character in line:
        category = unicodedata.category(character)
        if character in ASCII:
            words.append(ASCII[character])
            open_word = False
        elif character.isspace():
            open_word = False
        elif category in ("Mn", "Me", "Cc", "Cf", "Cs"):
            continue
        elif character.isalnum() or category == "Mc":
            if category == "Nd":
                plain = "0"
            elif "가" <= character <= "힣":
                plain = character
            else:
                plain = unicodedata.normalize("NFD", character.lower())[0]
            alone = category != "Nd" and any(low <= plain <= high for low, high in UNPARTED)
            if alone or not open_word:
                words.append(plain)
            else:
                words[-1] += plain
            open_word = not alone
        else:
            words.append(character)
            open_word = False
    return words


def word_hash(word: str) -> int:
    """FNV-1a over code points, finished as MurmurHash3 is."""
    state = 0xCBF29CE484222325
    for character in word:
        state = (state ^ ord(character)) * 0x100000001B3 % 2**64
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD % 2**64
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 % 2**64
    return state ^ state >> 33


@dataclass(frozen=True)
class Model:
    words: dict[int, int]  # hash -> number
    unigram: list[float]
    unigram_weight: list[float]
    bigram: dict[tuple[int, int], float]
    bigram_weight: dict[tuple[int, int], float]
    trigram: dict[tuple[int, int, int], float]
    unknown: int


def log2_probability(model: Model, before: int, last: int, this: int) -> float:
    if (before, last, this) in model.trigram:
        return model.trigram[before, last, this]
    weight = model.bigram_weight.get((before, last), 0.0)
    if (last, this) in model.bigram:
        return weight + model.bigram[last, this]
    return weight + (model.unigram_weight[last] + model.unigram[this])


@functools.cache
def read(path: str) -> Model:
    data = Path(path).read_bytes()
    word_slots, numbers, bigram_slots, trigram_slots, unknown = struct.unpack_from("<5q", data, 16)
    at = 128

    def array(kind: str, length: int) -> list[Any]:
        nonlocal at
        values = struct.unpack_from(f"<{length}{kind}", data, at)
        at += -(-struct.calcsize(f"<{length}{kind}") // 64) * 64
        return list(values)

    hashes, places = array("Q", word_slots), array("i", word_slots)
    unigram, unigram_weight = array("f", numbers), array("f", numbers)
    pairs, bigram, bigram_weight = array("q", bigram_slots), array("f", bigram_slots), array("f", bigram_slots)
    triples, trigram = array("q", trigram_slots), array("f", trigram_slots)
    two = [(key // 2**21, key % 2**21) for key in pairs]
    three = [(key // 2**42, key // 2**21 % 2**21, key % 2**21) for key in triples]
    return Model(
        {key: place for key, place in zip(hashes, places, strict=True) if place >= 0},
        unigram, unigram_weight,
        {key: value for key, value in zip(two, bigram, strict=True) if key[0] >= 0},
        {key: value for key, value in zip(two, bigram_weight, strict=True) if key[0] >= 0},
        {key: value for key, value in zip(three, trigram, strict=True) if key[0] >= 0},
        unknown,
    )


REFERENCES = {"perplexity": perplexity}
