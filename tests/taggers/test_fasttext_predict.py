"""Our way to ask fastText models against fastText's own, over models of all kinds, which are written here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import fasttext_models as models
import numpy as np
import pytest
from reference_models import fasttext_labels
from tagger_uses import DATA, use_of

from taggers import fasttext_file, fasttext_predict
from taggers.registry import TAGGERS
from taggers.run import run
from taggers.text import TextBatch

TEXTS = [
    "the good of 日本", "a bad  thing\tis e\u0301\x0b# \0 bad", "unknown", "__label__hq the", "__label__nobody",
    "the\n\nof", "</s> the end</s>of", "x", "é", "<", ">", "日本日本 a", "\u2028the\u2028of", "good " * 50,
    "one two three four five",
]
KINDS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "of words alone": {"longest": 0, "word_ngrams": 1, "buckets": 0},
    "n-grams of one character": {"shortest": 1, "longest": 4},
    "n-grams of four words": {"word_ngrams": 4, "longest": 0},
    "hierarchical": {"loss": models.HIERARCHICAL},
    "hierarchical, as many labels": {
        "loss": models.HIERARCHICAL, "labels": [f"l{number}" for number in range(60)],
        "counts": [1000 // (number + 1) for number in range(60)],
    },
    "of one label": {"labels": ["all"], "counts": [1], "loss": models.HIERARCHICAL},
    "one against all": {"loss": models.ONE_VS_ALL},
    "negative sampling": {"loss": models.NEGATIVES},
    "quantised": {"quantised": "plain"},
    "quantised with norms": {"quantised": "norms", "columns": 6},
    "pruned": {"quantised": "norms", "pruned": {3: 0, 50: 1, 96: 2, 7: 3}},
    "pruned to nothing": {"quantised": "plain", "pruned": {}},
    "without the end token": {"words": models.WORDS[1:], "longest": 0, "word_ngrams": 1},
    "of the version before": {"version": 11},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_the_same_as_the_library(kind: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(models.model(**kind))
    labels = fasttext_file.labels(str(path))
    batch = TextBatch.of_strings(TEXTS)
    found = fasttext_predict.predict(batch, *fasttext_predict.heads(batch, 0), str(path), labels)
    for document, text in enumerate(TEXTS):
        expected = fasttext_labels(text, str(path))
        assert found.known[document] == bool(expected)
        if expected:
            given = dict(zip(labels, found.asked[:, document].tolist(), strict=True))
            assert given == pytest.approx({label: expected.get(label, 0.0) for label in labels}, abs=2e-5)
            assert given[found.labels[found.top[document]]] == pytest.approx(max(expected.values()), abs=2e-5)
            assert found.score[document] == pytest.approx(max(expected.values()), abs=2e-5)


def test_the_file_of_the_tests_is_what_is_written_here() -> None:
    assert (DATA / "quality.bin").read_bytes() == models.model()


def test_a_model_of_word_vectors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(models.model(kind=1))
    with pytest.raises(ValueError, match="word vectors, which has no labels"):
        fasttext_predict.check_labels(str(tmp_path / "model.bin"), [])


def test_a_label_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"knows no xx; its labels are __label__other, hq, lq$"):
        fasttext_predict.check_labels(str(DATA / "quality.bin"), ["hq", "xx"])
    batch = TextBatch.of_strings(["a"])
    with pytest.raises(ValueError, match="knows no xx"):
        fasttext_predict.predict(batch, *fasttext_predict.heads(batch, 0), str(DATA / "quality.bin"), ["xx"])


@pytest.mark.parametrize("size", range(1, 2498, 61))
def test_a_file_that_was_cut_short_is_refused_wherever(size: int, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(models.model()[:size])
    with pytest.raises(ValueError, match=r"cut short|no fastText model"):
        fasttext_predict.check_labels(str(path), [])


@pytest.mark.parametrize("kind", [
    {"quantised": "plain", "pruned": {3: 0, 50: 2}}, {"quantised": "plain", "pruned": {3: 0, 97: 1}},
    {"quantised": "plain", "pruned": {3: 0, 50: -2}}])
def test_a_file_whose_parts_point_outside_is_refused(kind: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(models.model(**kind))
    with pytest.raises(ValueError, match="parts do not fit each other"):
        fasttext_predict.check_labels(str(path), [])


def test_words_that_share_a_place_in_memory_do_not_share_a_vector(tmp_path: Path) -> None:
    """More words than are remembered, each of them twice, beside a memory that starts anew for each text."""
    path = tmp_path / "model.bin"
    path.write_bytes(models.model(word_ngrams=1))
    words = [f"w{number}" for number in range(100_000)]
    whole = TextBatch.of_strings([" ".join(words), " ".join(words)])
    (first, second) = fasttext_predict.predict(whole, *fasttext_predict.heads(whole, 0), str(path), ["hq"]).asked[0]
    assert first == second
    alone = TextBatch.of_strings(words[:300])
    together = fasttext_predict.predict(alone, *fasttext_predict.heads(alone, 0), str(path), ["hq"]).asked[0]
    for number in range(300):
        one = TextBatch.of_strings([words[number]])
        assert fasttext_predict.predict(one, *fasttext_predict.heads(one, 0), str(path), ["hq"]).asked[0][0] == \
            together[number]
    assert len(np.unique(together)) > 100


HARD = {
    "one word": lambda size: "a" * size,
    "distinct words": lambda size: " ".join(map(str, range(size // 6))),
    "lines": lambda size: "a\n" * (size // 2),
    "ends of sentences": lambda size: ".\"" * (size // 2),
    "sentences": lambda size: "。" * (size // 3),
    "end tokens": lambda size: "</s>" * (size // 4),
    "open brackets": lambda size: "<" * size,
    "whitespace": lambda size: " " * size,
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_time_grows_with_the_text_not_with_its_square(text: Any) -> None:
    names = ("fasttext", "fasttext_sentences", "langid", "language", "language_paragraphs")
    uses = [use_of(tagger, max_chars=0) for tagger in TAGGERS if tagger.name in names]
    run(uses, TextBatch.of_strings(["warm up"]))
    small, large = (min(_seconds(uses, text(size)) for _ in range(2)) for size in (10_000, 160_000))
    # 16 times the text; 256 times the time if it were the square. The addend is for clocks and busy machines.
    assert large < 64 * small + 0.2


def _seconds(uses: Any, text: str) -> float:
    start = time.perf_counter()
    run(uses, TextBatch.of_strings([text]))
    return time.perf_counter() - start
