"""The taggers of words, lines, paragraphs and characters, and text_hash, as slow and obvious Python."""

from __future__ import annotations

import itertools
import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import xxhash

from taggers import characters

Values = dict[str, Any]

REQUIRED = {"the", "be", "to", "of", "and", "that", "have", "with"}


def sizes(text: str, parameters: Mapping[str, Any]) -> Values:
    size = len(text.encode())
    return {"sizes.bytes": size, "sizes.chars": len(text), "sizes.tokens_approx": math.ceil(size / 4)}


# What datatrove takes for punctuation.
PUNCTUATION = {
    chr(code) for low, high in characters.STOPS + characters.PUNCTUATION for code in range(low, high + 1)
}


def words(text: str, parameters: Mapping[str, Any]) -> Values:
    found = text.split()
    lengths = [len(word) for word in found]
    more = [word for word in found if not set(word) <= PUNCTUATION]
    symbols = [word for word in found if "#" in word or "…" in word]
    symbols_paper = [word for word in found if "#" in word or "…" in word or "..." in word]
    alphabetic = [word for word in found if any(unicodedata.category(char).startswith("L") for char in word)]
    required = [word for word in found if word in REQUIRED]
    return {
        "words.count": len(found),
        "words.count_datatrove": len(more),
        "words.mean_length_datatrove": ratio(sum(map(len, more)), len(more)),
        "words.mean_length": ratio(sum(lengths), len(found)),
        "words.median_length": statistics.median(lengths) if found else None,
        "words.symbols": ratio(len(symbols), len(found)),
        "words.symbols_paper": ratio(len(symbols_paper), len(found)),
        "words.hashes_datatrove": ratio(text.count("#"), len(found)),
        "words.ellipses_datatrove": ratio(text.count("...") + text.count("…"), len(found)),
        "words.alphabetic": ratio(len(alphabetic), len(found)),
        "words.required": len(required),
        "words.required_distinct": len(set(required)),
    }


def lines(text: str, parameters: Mapping[str, Any]) -> Values:
    found = re.split(r"\n+", text) if text else []
    bullets_dolma = [line for line in found if line.startswith(("*", "-"))]
    split = text.splitlines()
    bullets_datatrove = [line for line in split if line.lstrip().startswith(("•", "-"))]
    ellipsis_datatrove = [line for line in split if line.rstrip().endswith(("…", "..."))]
    ellipsis_dolma = [line for line in found if line.endswith("…")]
    ellipsis_paper = [line for line in found if line.rstrip().endswith(("…", "..."))]
    return {
        "lines.count": len(found),
        "lines.bullets_dolma": ratio(len(bullets_dolma), len(found)),
        "lines.bullets_datatrove": ratio(len(bullets_datatrove), len(split)),
        "lines.ellipsis_dolma": ratio(len(ellipsis_dolma), len(found)),
        "lines.ellipsis_datatrove": ratio(len(ellipsis_datatrove), len(split)),
        "lines.ellipsis_paper": ratio(len(ellipsis_paper), len(found)),
        **duplicates("lines", text, found),
    }


def paragraphs(text: str, parameters: Mapping[str, Any]) -> Values:
    found = re.split(r"\n{2,}", text) if text else []
    stripped = re.split(r"\n{2,}", text.strip()) if text.strip() else []
    later = after_the_first(stripped)
    return {
        "paragraphs.count": len(found),
        **duplicates("paragraphs", text, found),
        "paragraphs.duplicate_datatrove": ratio(len(later), len(stripped)),
        "paragraphs.duplicate_chars_datatrove": ratio(len("".join(later)), len(text)) if stripped else None,
    }


def duplicates(prefix: str, text: str, pieces: list[str]) -> Values:
    counts = Counter(pieces)
    repeated = [piece for piece in pieces if counts[piece] > 1]
    later = after_the_first(pieces)
    return {
        f"{prefix}.duplicate_dolma": ratio(len(repeated), len(pieces)),
        f"{prefix}.duplicate_chars_dolma": ratio(len("".join(repeated)), len("".join(text.split()))),
        f"{prefix}.duplicate_repeats": ratio(len(later), len(pieces)),
        f"{prefix}.duplicate_chars_repeats": ratio(len("".join(later)), len(text)),
    }


def after_the_first(pieces: list[str]) -> list[str]:
    seen: set[str] = set()
    later = []
    for piece in pieces:
        if piece in seen:
            later.append(piece)
        seen.add(piece)
    return later


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


POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")


def c4(text: str, parameters: Mapping[str, Any]) -> Values:
    dolma = re.findall(r"[^\n]*\n|[^\n]*\Z", text) if text else []
    if text and not text.endswith("\n"):
        dolma.pop()  # what is found behind the last character
    unended = [not line.lower().strip().endswith((".", "?", "!", '"')) for line in dolma]
    few = [len(line.split()) < 3 for line in dolma]
    values: Values = {
        "c4.lines": len(dolma),
        "c4.no_punctuation": runs_of_lines(dolma, unended),
        "c4.no_punctuation_lines": sum(unended),
        "c4.few_words": runs_of_lines(dolma, few),
        "c4.few_words_lines": sum(few),
        "c4.curly_brace": "{" in text,
        "c4.lorem_ipsum": "lorem ipsum" in text.lower(),
        "c4.javascript": "javascript" in text.lower(),
    }
    lines = text.splitlines(keepends=True)
    cut = [CITATION.sub("", line.strip()) for line in lines]
    long_word = [any(len(word) > 1000 for word in line.split()) for line in lines]
    unended = [not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...") for line in cut]
    few = [len(line.split()) < 3 for line in lines]
    javascript = ["javascript" in line.lower() for line in cut]
    policy = [any(phrase in line.lower() for phrase in POLICIES) for line in cut]
    early = [any(reasons) for reasons in zip(long_word, unended, few, strict=True)]
    dropped = [any(reasons) for reasons in zip(early, javascript, policy, strict=True)]
    left = [line.split() for line, drop in zip(lines, dropped, strict=True) if not drop]
    return values | {
        "c4.lines_datatrove": len(lines),
        "c4.no_punctuation_datatrove": runs_of_lines(lines, unended),
        "c4.few_words_datatrove": runs_of_lines(lines, few),
        "c4.long_word": runs_of_lines(lines, long_word),
        "c4.javascript_lines": runs_of_lines(lines, javascript),
        "c4.policy_lines": runs_of_lines(lines, policy),
        "c4.citations": [span(text, match.start(), match.end()) for match in CITATION.finditer(text)],
        "c4.dropped_lines": sum(dropped),
        "c4.sentences_left": sum(sentences(words) for words in left),
        "c4.curly_brace_datatrove": any(
            "{" in line and not drop and not script
            for line, drop, script in zip(cut, early, javascript, strict=True)
        ),
        "c4.lorem_ipsum_datatrove": any(
            "lorem ipsum" in line.lower() and not drop for line, drop in zip(cut, early, strict=True)
        ),
    }


def sentences(line: list[str]) -> int:
    ends = [word for word in line[:-1] if (word[0] + word[1:].rstrip("\"')]")).endswith((".", "?", "!"))]
    return len(ends) + 1


def runs_of_lines(lines: list[str], which: list[bool]) -> list[Values]:
    """Spans of lines that follow one another, without empty ones."""
    text = "".join(lines)
    spans = []
    at = 0
    for chosen, group in itertools.groupby(zip(which, lines, strict=True), key=lambda pair: pair[0]):
        end = at + sum(len(line) for _, line in group)
        if chosen and end > at:
            spans.append(span(text, at, end))
        at = end
    return spans


def span(text: str, start: int, end: int, score: float = 1.0) -> Values:
    return {"start": start, "end": end, "first_byte": len(text[:start].encode()),
            "bytes": len(text[start:end].encode()), "score": score}


# FineWeb's stop characters.
STOPS = {chr(code) for low, high in characters.STOPS for code in range(low, high + 1)}


def fineweb(text: str, parameters: Mapping[str, Any]) -> Values:
    found = [line for line in text.split("\n") if line.strip()]
    later = after_the_first(found)
    return {
        "fineweb.lines": len(found),
        "fineweb.punctuation": ratio(len([line for line in found if line[-1] in STOPS]), len(found)),
        "fineweb.short_lines": ratio(len([line for line in found if len(line) <= 30]), len(found)),
        "fineweb.duplicate_chars": ratio(len("".join(later)), len(text.replace("\n", ""))) if found else None,
        "fineweb.newlines": ratio(text.count("\n"), len(text.split())),
    }


def repetition(text: str, parameters: Mapping[str, Any]) -> Values:
    runs = [(character, len(list(group))) for character, group in itertools.groupby(text)]
    runs = [(character, length) for character, length in runs if length >= 4]
    times, period = most_periods(text.split())
    return {
        "repetition.char_runs": len(runs),
        "repetition.char_run_share": ratio(sum(length for _, length in runs), len(text)),
        "repetition.longest_char_run": max((length for _, length in runs), default=0),
        "repetition.longest_visible_run": max((size for char, size in runs if not char.isspace()), default=0),
        "repetition.word_period_times": times,
        "repetition.word_period": period,
    }


def most_periods(words: list[str]) -> tuple[int, int]:
    """(times, period) of the run that repeats most often, at least three times; (0, 0) without one."""
    best = (0, 0)
    for period in range(1, 14):
        alike = [words[place] == words[place - period] for place in range(period, len(words))]
        for same, group in itertools.groupby(alike):
            times = (len(list(group)) + period) // period if same else 0
            if times >= 3 and times > best[0]:
                best = (times, period)
    return best


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
    "c4": c4,
    "fineweb": fineweb,
    "repetition": repetition,
    "text_hash": text_hash,
}
