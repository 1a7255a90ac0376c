"""The fastText trainer: fastText reads its files and predicts the same, and it learns as the paper says."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taggers import fasttext_file, fasttext_train
from taggers.fasttext_train import Model, Settings
from taggers.numbering import TooManyTokens, number
from taggers.text import TextBatch

GOOD = ("The river was high in the morning, and the mill stood.", "Der Müller wartete bis zum Abend.", "水が高い。")
BAD = ("Buy now!!! Cheap cheap cheap, click here now", "click HERE to win 1000 $$$ now now now", "💰 win 💰 win")
SMALL = Settings(dimensions=6, epochs=3, buckets=101, least_count=1)
# What fastText parts words at, and what it does not; tokens that it would take for labels or for the end of a line.
FRAGMENTS = (
    *("river", "mill", "the", "click", "now", "é", "水", "💰", "__label__good", "__label__x"),
    *("</s>", "a</s>b", "<", "</s"),
    *(" ", " ", " ", "\n", "\t", "\r", "\x0b", "\x0c", "\0", "\x1c", "\x85", "\xa0", "\u3000", "\u2028"),
)
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)


def trained(chosen: Settings = SMALL, good: Sequence[str] = GOOD, bad: Sequence[str] = BAD) -> Model:
    return fasttext_train.train([("good", TextBatch.of_strings(good)), ("bad", TextBatch.of_strings(bad))], chosen)


def saved(model: Model) -> bytes:
    stream = io.BytesIO()
    fasttext_train.save(model, stream)
    return stream.getvalue()


def loaded(model: Model, folder: Path) -> Any:
    import fasttext

    path = folder / "model.bin"
    path.write_bytes(saved(model))
    assert fasttext_file.labels(str(path)) == tuple(sorted(model.labels))
    return fasttext.load_model(str(path))


@pytest.mark.parametrize("chosen", [
    SMALL,
    Settings(dimensions=5, epochs=2, word_ngrams=1, least_count=1),
    Settings(dimensions=16, epochs=2, word_ngrams=5, buckets=1 << 12, least_count=2),
    Settings(dimensions=8, epochs=2, word_ngrams=1, buckets=997, shortest=2, longest=4, least_count=1),
    Settings(dimensions=8, epochs=2, word_ngrams=3, buckets=997, shortest=1, longest=6, least_count=2),
], ids=lambda chosen: f"{chosen.word_ngrams}-{chosen.shortest}-{chosen.longest}")
def test_fasttext_predicts_the_same(tmp_path: Path, chosen: Settings) -> None:
    model = trained(chosen)
    theirs = loaded(model, tmp_path)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(TEXTS, min_size=1, max_size=4))
    def check(texts: list[str]) -> None:
        batch = TextBatch.of_strings(texts)
        ours = {label: fasttext_train.probabilities(model, batch, label) for label in model.labels}
        for document, text in enumerate(texts):
            line = text.replace("\n", " ").replace("</s>", " ") + "\n"
            if any(math.isnan(ours[label][document]) for label in model.labels):
                assert all(not word or word.startswith("__label__") for word in re.split("[ \t\n\r\v\f\0]", line))
                continue
            found = theirs.f.predict(line, 2, 0.0, "strict")
            # fastText adds 0.00001 to each.
            assert {label.removeprefix("__label__"): score for score, label in found} == pytest.approx(
                {label: ours[label][document] + 1e-5 for label in ours}, abs=1e-5
            )

    check()
    assert len({theirs.f.predict(f"{text}\n", 1, 0.0, "strict")[0] for text in (*GOOD, *BAD, "unknown")}) > 3


def test_it_learns_as_the_paper_says() -> None:
    """Against plain Python on the same rows, from the same beginning, in the same order: float32 aside, the same."""
    good, bad = ["a b", "a c a"], ["d b"]
    chosen = Settings(dimensions=3, epochs=3, rate=0.3, word_ngrams=1, least_count=1)
    model = trained(chosen, good, bad)
    untrained = trained(Settings(dimensions=3, epochs=1, rate=1e-30, word_ngrams=1, least_count=1), good, bad)
    names = [word.decode() for word in model.words]
    rows = [([names.index(word) for word in [*text.split(), "</s>"]], model.labels.index(label))
            for label, texts in (("good", good), ("bad", bad)) for text in texts]
    total = sum(len(row) + 1 for row, _ in rows)
    outcomes = []
    for order in orders(len(rows), chosen.epochs):
        matrix, output = untrained.input.astype(np.float64), np.zeros((2, 3))
        done = 0
        for document in order:
            row, label = rows[document]
            rate = chosen.rate * (1 - done / (total * chosen.epochs))
            done += len(row) + 1
            hidden = matrix[row].mean(axis=0)
            scores = np.exp(output @ hidden)
            error = (np.arange(2) == label) - scores / scores.sum()
            gradient = output.T @ error * rate
            output += np.outer(error, hidden) * rate
            for word in row:
                matrix[word] += gradient / len(row)
        outcomes.append(np.abs(matrix - model.input).max() + np.abs(output - model.output).max())
    assert min(outcomes) < 1e-6  # one of the orders in which each epoch has each document once
    assert sorted(outcomes)[1] > 1e-4


def orders(documents: int, epochs: int) -> list[list[int]]:
    """All ways to read each document once in each epoch."""
    one = list(itertools.permutations(range(documents)))
    return [list(itertools.chain(*each)) for each in itertools.product(one, repeat=epochs)]


def test_neither_order_nor_batches_change_a_model() -> None:
    texts = [("good", text) for text in GOOD] + [("bad", text) for text in (*BAD, "", BAD[0])]
    one = saved(fasttext_train.train([(label, TextBatch.of_strings([text])) for label, text in texts], SMALL))
    other = saved(fasttext_train.train([(label, TextBatch.of_strings([text])) for label, text in texts[::-1]], SMALL))
    assert one == other == saved(trained(good=GOOD, bad=["", *BAD, BAD[0]]))


def test_copies_are_not_read_one_after_another() -> None:
    texts = [("good", GOOD[0]), *[("bad", BAD[0])] * 50, *[("good", GOOD[1])] * 50, ("bad", BAD[1])]
    batches = [(label, TextBatch.of_strings([text])) for label, text in texts]
    label_of: list[tuple[str, int]] = []
    numbered = number(fasttext_train._labelled(batches, label_of), 10_000)
    own = fasttext_train._hashes(numbered, np.array([label == "good" for label, _ in texts], np.int32))
    assert len(set(own)) == len(texts)
    changes = sum(texts[one] != texts[other] for one, other in itertools.pairwise(np.argsort(own)))
    assert changes > 30


def test_the_seed_changes_a_model() -> None:
    assert saved(trained()) != saved(trained(Settings(dimensions=6, epochs=3, buckets=101, least_count=1, seed=1)))


def test_what_is_taught_is_learnt() -> None:
    model = trained(Settings(epochs=20, least_count=1, buckets=1 << 10), GOOD * 5, BAD * 5)
    good = fasttext_train.probabilities(model, TextBatch.of_strings([*GOOD, *BAD]), "good")
    assert list(good > 0.5) == [True] * 3 + [False] * 3


def test_exponentials_are_those_of_a_library() -> None:
    values = [0.0, -1e-300, -1e-9, *(-number / 7 for number in range(1, 4900)), -699.9]
    expected = [math.exp(value) for value in values]
    assert [fasttext_train._exp(value) for value in values] == pytest.approx(expected, rel=1e-15)
    assert fasttext_train._exp(-800.0) == 0.0


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    batches = [("good", TextBatch.of_strings(GOOD)), ("bad", TextBatch.of_strings(BAD))]
    model = fasttext_train.train(batches, SMALL, lambda done, total: told.append((done, total)))
    assert told == [(model.tokens * epoch, model.tokens * 3) for epoch in (1, 2, 3)]


def test_labels_are_most_frequent_first_and_words_too() -> None:
    model = trained(good=["a b", "a", "  "], bad=["b a", "b b", "c"])
    assert (model.labels, model.label_counts) == (("bad", "good"), (3, 2))
    assert (model.words[0], model.word_counts[0]) == (b"</s>", 5)
    assert model.word_counts[1:] == (4, 3, 1)
    assert model.tokens == 8 + 5 + 5


def test_what_cannot_be_trained_is_refused() -> None:
    batch = TextBatch.of_strings(["a b c"])
    with pytest.raises(ValueError, match="documents with words have the label good: there must be two"):
        trained(bad=["", " "])
    with pytest.raises(ValueError, match="have no label"):
        fasttext_train.train([], SMALL)
    with pytest.raises(ValueError, match="not 'two words'"):
        fasttext_train.train([("two words", batch)], SMALL)
    with pytest.raises(TooManyTokens, match="more than 5 words: give the trainer less text"):
        fasttext_train.train([("a", batch), ("b", batch)], Settings(most_words=5))
    with pytest.raises(ValueError, match="learning rate of 1e\\+30 is too high"):
        trained(Settings(rate=1e30))
    with pytest.raises(ValueError, match=r"dimensions is 1 to 1,000; word_ngrams is 1 to 10; shortest"):
        fasttext_train.train([("a", batch)], Settings(dimensions=0, word_ngrams=0, shortest=3, longest=2))


def test_a_word_without_end_takes_no_more_than_its_own_room() -> None:
    """A long document beside one with a long word: their product would be terabytes."""
    chosen = Settings(dimensions=2, epochs=1, word_ngrams=1, shortest=2, longest=3, least_count=1)
    model = trained(chosen, good=["a " * 300_000], bad=["x" * 3_000_000])
    assert [word[:1] for word in model.words] == [b"<", b"a", b"x"]
