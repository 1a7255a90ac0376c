"""The language of each paragraph, and how much of a text is in its most common one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers import fasttext_predict, language
from taggers.columns import counts, ratios, spans
from taggers.compiled import kernel
from taggers.pieces import keep
from taggers.text import TextBatch

Array = NDArray[Any]


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The language_paragraphs.* columns, and for each of `languages` a span with its probability for each paragraph.

    `max_chars` is how many code points of a paragraph are read, 0 for all. Without paragraphs main and its share are
    null.
    """
    asked: list[str] = parameters["languages"]
    lines = batch.lines
    end = fasttext_predict.cut(batch, lines.start, lines.end, parameters["max_chars"])
    given = language.predict(batch, lines.start, end, asked, parameters)
    chars, main_chars, languages, main = np.zeros((4, len(batch)), np.int64)
    _sum_up(lines.first, lines.length, given.known, given.top, np.zeros(len(given.labels), np.int64), chars, main_chars,
            languages, main)
    first, start, end, kept = keep(lines, given.known)
    mains = pa.DictionaryArray.from_arrays(pa.array(main, pa.int32(), mask=chars == 0),
                                           pa.array(given.labels, pa.string()))
    return {
        "language_paragraphs.count": counts(np.diff(first)),
        "language_paragraphs.main": mains.cast(pa.string()),
        "language_paragraphs.main_share": ratios(main_chars, chars),
        "language_paragraphs.languages": counts(languages),
        **{f"language_paragraphs.{code}": spans(batch, first, start, end, scores[kept].astype(np.float64))
           for code, scores in zip(asked, given.asked, strict=True)},
    }


@kernel
def _sum_up(
    first: Array,
    length: Array,
    known: Array,
    top: Array,
    weights: Array,  # by language, zeros
    chars: Array,
    main_chars: Array,
    languages: Array,
    main: Array,
) -> None:
    for document in range(len(first) - 1):
        for line in range(first[document], first[document + 1]):
            if known[line]:
                languages[document] += weights[top[line]] == 0
                weights[top[line]] += length[line]
                chars[document] += length[line]
        for line in range(first[document], first[document + 1]):  # in order, so that of equals the first to come is it
            if known[line] and weights[top[line]] > main_chars[document]:
                main_chars[document] = weights[top[line]]
                main[document] = top[line]
        for line in range(first[document], first[document + 1]):
            if known[line]:
                weights[top[line]] = 0
