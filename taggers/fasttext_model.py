"""What a supervised fastText model of anybody's says of a text: quality, topic, toxicity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from taggers import fasttext_predict, quality_model
from taggers.text import TextBatch


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """fasttext.top, fasttext.score and a fasttext.<label> for each of `labels`.

    Null where the text is only whitespace or has nothing that the model knows. `model` is a local path, None for the
    small model of taggers.quality_model; `max_chars` is how many code points are read, 0 for all.
    """
    asked: list[str] = parameters["labels"]
    model = parameters["model"] or str(quality_model.path())
    start, end = fasttext_predict.heads(batch, parameters["max_chars"])
    return fasttext_predict.predict(batch, start, end, model, asked).columns("fasttext", asked)


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where the model is no whole fastText model, or has no such label as is asked for."""
    fasttext_predict.check_labels(parameters["model"], parameters["labels"])
