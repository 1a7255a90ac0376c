"""The language of a text by py3langid's naive Bayes model, walked on the Arrow buffers."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.fasttext_predict import heads
from taggers.language_codes import LANGID_CODES
from taggers.text import TextBatch

Array = NDArray[Any]


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """langid.top, langid.score and a langid.<code> for each of `languages`; null where no n-gram of the model occurs.

    `max_chars` is how many code points are read, 0 for all. The probabilities are float32.
    """
    asked: list[str] = parameters["languages"]
    unknown = sorted(set(asked) - set(LANGID_CODES))
    if unknown:
        raise ValueError(f"langid: py3langid knows no {', '.join(unknown)}; see taggers/language_codes.py")
    model = _model()
    known = np.zeros(len(batch), np.bool_)
    probabilities = np.zeros((len(batch), len(model.prior)), np.float64)
    _measure(batch, *heads(batch, parameters["max_chars"]), model, known, probabilities)
    for first, other in _aliases():
        probabilities[:, first] += probabilities[:, other]
        probabilities[:, other] = 0
    top = probabilities.argmax(axis=1) if len(batch) else np.zeros(0, np.int64)
    tops = pa.DictionaryArray.from_arrays(pa.array(top, pa.int32(), mask=~known), pa.array(_codes(), pa.string()))
    return {
        "langid.top": tops.cast(pa.string()),
        "langid.score": _floats(probabilities[np.arange(len(batch)), top], known),
        **{f"langid.{code}": _floats(probabilities[:, _codes().index(code)], known) for code in asked},
    }


@functools.cache
def model_digest() -> str:
    """Hex sha256 of the model file."""
    spec = importlib.util.find_spec("py3langid")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the tagger `langid` needs the model of py3langid: pip install py3langid")
    return hashlib.sha256((Path(spec.origin).parent / "data" / "model.npz.xz").read_bytes()).hexdigest()


class _Model(NamedTuple):
    """An automaton over bytes that finds n-grams, and the logarithms that each adds to the score of each class."""

    next: Array  # uint16, rows x 256: the state after a byte
    row: Array  # uint16, states: its row of `next`
    gram: Array  # int32, states: the n-gram that ends there, or -1
    weights: Array  # float32, n-grams x classes
    prior: Array  # float32, classes


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.cache
def _model() -> _Model:
    found = _identifier()
    return _Model(
        np.array(found.tk_nextmove, np.uint32).reshape(-1, 256), np.array(found.tk_row, np.uint32),
        np.array(found.tk_output, np.int32), found.nb_ptc.astype(np.float32), found.nb_pc.astype(np.float32),
    )


def _codes() -> Sequence[str]:
    """The code of each class; a language in two scripts has two classes."""
    codes: list[str] = _identifier().nb_classes
    return codes


def _aliases() -> list[tuple[int, int]]:
    codes = _codes()
    return [(codes.index(code), number) for number, code in enumerate(codes) if codes.index(code) != number]


def _floats(values: Array, known: Array) -> pa.Array:
    return pa.array(values.astype(np.float32), pa.float32(), mask=~known)


def _measure(batch: TextBatch, start: Array, end: Array, model: _Model, known: Array, probabilities: Array) -> None:
    """Fills `known` and the probabilities of all classes. Texts that are read otherwise than they are get own bytes."""
    changed = [(document, text) for document in range(len(batch))
               if (text := _evened(batch, int(start[document]), int(end[document]))) is not None]
    as_they_are = np.ones(len(batch), np.bool_)
    as_they_are[[document for document, _ in changed]] = False
    _classify(batch.data, np.flatnonzero(as_they_are), start[as_they_are], end[as_they_are], *_room(model), model,
              known, probabilities)
    if changed:
        ends = np.cumsum([len(text) for _, text in changed])
        starts = np.concatenate(([0], ends[:-1]))
        data = np.frombuffer(b"".join(text for _, text in changed), np.uint8)
        documents = np.array([document for document, _ in changed], np.int64)
        _classify(data, documents, starts, ends, *_room(model), model, known, probabilities)


def _evened(batch: TextBatch, start: int, end: int) -> bytes | None:
    """The text as py3langid reads it: upper case made lower, and NFC; None if that is how it is."""
    text = str(batch.data[start:end].data, "utf-8")
    even = unicodedata.normalize("NFC", text.lower() if text.isupper() else text)
    return None if even == text else even.encode()


def _room(model: _Model) -> tuple[Array, Array]:
    return np.zeros(len(model.weights), np.int32), np.empty(len(model.weights), np.int32)


@kernel
def _classify(
    data: Array,
    documents: Array,
    start: Array,
    end: Array,
    counts: Array,  # by n-gram, zeros
    found: Array,  # room for all n-grams
    model: _Model,
    known: Array,
    probabilities: Array,
) -> None:
    classes = len(model.prior)
    for each in range(len(documents)):
        document = documents[each]
        state = np.uint32(0)
        distinct = 0
        for position in range(start[each], end[each]):
            state = model.next[model.row[state], data[position]]
            gram = model.gram[state]
            if gram >= 0:
                if counts[gram] == 0:
                    found[distinct] = gram
                    distinct += 1
                counts[gram] += 1
        if distinct == 0:
            continue
        known[document] = True
        scores = probabilities[document]
        for number in range(classes):
            scores[number] = model.prior[number]
        for place in range(distinct):
            gram = found[place]
            weight = np.log1p(np.float64(counts[gram]))
            counts[gram] = 0
            weights = model.weights[gram]
            for number in range(classes):
                scores[number] += weight * weights[number]
        # The square root of the bytes keeps probabilities comparable between lengths, says py3langid.
        most = scores.max()
        total = 0.0
        for number in range(classes):
            scores[number] = np.exp((scores[number] - most) / np.sqrt(np.float64(end[each] - start[each])))
            total += scores[number]
        for number in range(classes):
            scores[number] /= total
