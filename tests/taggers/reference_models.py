"""The taggers that run files of the user's, as slow and obvious Python; fastText by its own library."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reference_text import span

Values = dict[str, Any]

ENDS, CLOSED_ENDS, TRAILING = ".!?…。！？", "。！？", "\"')]}”’»›」』）】"


def fasttext(text: str, parameters: Mapping[str, Any]) -> Values:
    asked = parameters["labels"]
    head = text if parameters["max_chars"] == 0 else text[: parameters["max_chars"]]
    found = fasttext_labels(head, parameters["model"])
    if not found:
        return dict.fromkeys(["fasttext.top", "fasttext.score", *(f"fasttext.{label}" for label in asked)])
    top = max(found, key=lambda label: found[label])
    return {"fasttext.top": top, "fasttext.score": found[top],
            **{f"fasttext.{label}": found.get(label, 0.0) for label in asked}}


def fasttext_sentences(text: str, parameters: Mapping[str, Any]) -> Values:
    found = [(start, end, fasttext_labels(text[start:end], parameters["model"])) for start, end in sentences(text)]
    scored = [(start, end, labels.get(parameters["label"], 0.0)) for start, end, labels in found if labels]
    chars = sum(end - start for start, end, _ in scored)
    return {
        "fasttext_sentences.count": len(found),
        "fasttext_sentences.spans": [
            span(text, start, end, score) for start, end, score in scored if score >= parameters["least"]
        ],
        "fasttext_sentences.max": max((score for _, _, score in scored), default=None),
        "fasttext_sentences.mean":
            sum((end - start) * score for start, end, score in scored) / chars if scored else None,
    }


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence."""
    found = []
    for line in re.finditer(r"[^\n]+", text):
        start = line.start()
        for run in re.finditer(f"[{re.escape(ENDS)}][{re.escape(ENDS + TRAILING)}]*", line[0]):
            end = line.start() + run.end()
            if set(run[0]) & set(CLOSED_ENDS) or end == line.end() or text[end].isspace():
                found.append((start, end))
                start = end
        found.append((start, line.end()))
    return [_stripped(text, start, end) for start, end in found if text[start:end].strip()]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return start, start + len(text[start:end].strip())


def badwords(text: str, parameters: Mapping[str, Any]) -> Values:
    lines = [line.strip() for line in Path(parameters["list"]).read_text(encoding="utf-8").split("\n")]
    entries = {fold(line) for line in lines if line and line != "#" and not line.startswith("# ")}
    folded = fold(text)
    found = []
    at = 0
    while at < len(text):
        ends = [at + len(entry) for entry in entries if folded.startswith(entry, at)]
        if parameters["boundaries"]:
            ends = [] if at and in_word(text[at - 1]) else [end for end in ends if not in_word(text[end : end + 1])]
        if ends:
            found.append((at, max(ends)))
        at = max([at + 1, *ends])
    return {
        "badwords.count": len(found),
        "badwords.distinct": len({folded[start:end] for start, end in found}),
        "badwords.spans": [span(text, start, end) for start, end in found],
    }


def tokens(text: str, parameters: Mapping[str, Any]) -> Values:
    encoded = _tokenizer(parameters["tokenizer"]).encode(text, add_special_tokens=parameters["special_tokens"])
    count = len(encoded.ids)
    return {"tokens.count": count, "tokens.bytes_per_token": len(text.encode()) / count if count else None}


@functools.cache
def _tokenizer(path: str) -> Any:
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(path)
    tokenizer.no_truncation()
    return tokenizer


def fold(text: str) -> str:
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text).replace("ς", "σ")


def in_word(char: str) -> bool:
    return re.fullmatch(r"\w", char) is not None


def fasttext_labels(text: str, path: str) -> dict[str, float]:
    """The probabilities that fastText's own library gives, by label; empty for whitespace only."""
    if not text.strip():
        return {}
    labels, scores = _model(path).predict(text.replace("\n", " ").replace("</s>", " "), k=-1)
    return {label.removeprefix("__label__"): min(1.0, score) for label, score in zip(labels, scores, strict=True)}


@functools.cache
def _model(path: str) -> Any:
    import fasttext

    return fasttext.load_model(path)


REFERENCES = {"fasttext": fasttext, "fasttext_sentences": fasttext_sentences, "badwords": badwords,
              "tokens": tokens}
