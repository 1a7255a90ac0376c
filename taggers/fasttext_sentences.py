"""The probability of one label of a fastText model for each sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers import fasttext_predict
from taggers.columns import counts, numbers, ratios, spans
from taggers.compiled import kernel
from taggers.pieces import keep
from taggers.sentences import sentences
from taggers.text import TextBatch

Array = NDArray[Any]


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The fasttext_sentences.* columns; max and mean are null where the model knows nothing in any sentence."""
    found = sentences(batch)
    given = fasttext_predict.predict(batch, found.start, found.end, parameters["model"], [parameters["label"]])
    scores = given.asked[0].astype(np.float64)
    most, known_chars, weighed = np.zeros((3, len(batch)))
    _sum_up(found.first, found.length, given.known, scores, most, known_chars, weighed)
    first, start, end, kept = keep(found, given.known & (scores >= parameters["least"]))
    return {
        "fasttext_sentences.count": counts(np.diff(found.first)),
        "fasttext_sentences.spans": spans(batch, first, start, end, scores[kept]),
        "fasttext_sentences.max": numbers(most, known_chars > 0),
        "fasttext_sentences.mean": ratios(weighed, known_chars),
    }


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where the model is no whole fastText model, or has no such label, or none is asked for."""
    label = parameters["label"]
    if label is None:
        raise ValueError("no label of it is asked for; give `label`")
    fasttext_predict.check_labels(parameters["model"], [label])


@kernel
def _sum_up(
    first: Array, length: Array, known: Array, scores: Array, most: Array, known_chars: Array, weighed: Array
) -> None:
    for document in range(len(first) - 1):
        for sentence in range(first[document], first[document + 1]):
            if known[sentence]:
                most[document] = max(most[document], scores[sentence])
                known_chars[document] += length[sentence]
                weighed[document] += length[sentence] * scores[sentence]
