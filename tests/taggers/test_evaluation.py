"""What is said of a classifier, against counts over pairs and lists."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taggers.evaluation import BINS, Evaluation, evaluate, held_out
from taggers.text import TextBatch

# Edges of bins, their neighbours, and scores that are equal.
SCORES = st.one_of(
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0, *(math.nextafter(edge, 0) for edge in (0.3, 0.7, 1))]),
    st.floats(0, 1),
)


@given(st.lists(st.tuples(SCORES, st.booleans()), max_size=60), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_it_is_what_counting_gives(pairs: list[tuple[float, bool]], threshold: float) -> None:
    given = evaluate(np.array([score for score, _ in pairs]), np.array([true for _, true in pairs]), threshold)
    true = [score for score, positive in pairs if positive]
    false = [score for score, positive in pairs if not positive]
    called = [positive for score, positive in pairs if score >= threshold]
    assert (given.documents, given.positives) == (len(pairs), len(true))
    assert given.accuracy == mean([(score >= threshold) == positive for score, positive in pairs])
    assert given.precision == mean(called)
    assert given.recall == mean([score >= threshold for score in true])
    assert given.auc == pytest.approx(mean([(p > n) + (p == n) / 2 for p in true for n in false]))
    error = 0.0
    for index, each in enumerate(given.calibration):
        low, high = index / BINS, (index + 1) / BINS
        inside = [(score, positive) for score, positive in pairs if low <= score < high or score == high == 1]
        assert (each.low, each.high, each.count) == (low, high, len(inside))
        assert each.predicted == pytest.approx(mean([score for score, _ in inside]))
        assert each.observed == mean([positive for _, positive in inside])
        if inside:
            error += len(inside) * abs(mean([score - positive for score, positive in inside]) or 0) / len(pairs)
    assert given.calibration_error == (pytest.approx(error, abs=1e-9) if pairs else None)


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def test_a_perfect_classifier_and_none() -> None:
    perfect = evaluate(np.array([0.0, 0.0, 1.0]), np.array([False, False, True]))
    assert (perfect.accuracy, perfect.precision, perfect.recall, perfect.auc) == (1, 1, 1, 1)
    assert perfect.calibration_error == 0
    nothing = evaluate(np.empty(0), np.empty(0, np.bool_))
    assert nothing == Evaluation(0, 0, None, None, None, None, nothing.calibration, None)


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.00001])
def test_what_is_no_probability_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        evaluate(np.array([0.5, score]), np.array([True, False]))


def test_answers_are_as_many_as_scores() -> None:
    with pytest.raises(ValueError, match="2"):
        evaluate(np.array([0.5, 0.5]), np.array([True]))


def test_what_is_held_out_hangs_on_the_text_and_the_seed() -> None:
    texts = [f"text {number}" for number in range(2000)]
    out = held_out(TextBatch.of_strings(texts), 0.1)
    assert 150 < out.sum() < 250
    assert list(held_out(TextBatch.of_strings(texts[::-1]), 0.1)) == list(out[::-1])
    assert list(held_out(TextBatch.of_strings(texts), 0.1, seed=1)) != list(out)
    assert not (out & ~held_out(TextBatch.of_strings(texts), 0.2)).any()
    assert not held_out(TextBatch.of_strings(texts), 0).any()
    assert held_out(TextBatch.of_strings(texts), 1).all()
