"""The quality model that is shipped: made by its script, and able to tell what it was shown."""

from __future__ import annotations

import hashlib
from typing import Any

import fasttext
import pytest

from taggers import fasttext_file, quality_model
from taggers.quality_texts import BAD, GOOD, texts


@pytest.fixture(scope="module")
def model() -> Any:
    return fasttext.load_model(str(quality_model.path()))


def good(model: Any, text: str) -> float:
    found = model.f.predict(text.replace("\n", " ") + "\n", 2, 0.0, "strict")
    return next(float(score) for score, label in found if label == f"__label__{quality_model.LABEL}")


def test_training_anew_gives_the_same_file() -> None:
    """Byte for byte, on any machine: the trainer uses no function of a library of mathematics, and fuses nothing."""
    assert hashlib.sha256(quality_model.make()).hexdigest() == quality_model.digest()


def test_it_is_small_and_whole() -> None:
    assert quality_model.path().stat().st_size < 300_000
    assert fasttext_file.labels(str(quality_model.path())) == (BAD, GOOD)
    assert quality_model.LABEL == GOOD


def test_it_knows_what_it_was_taught(model: Any) -> None:
    """On texts by the same generator that it has not seen: no more is claimed."""
    unseen = texts(400, seed=1)
    right = sum((good(model, text) >= 0.5) == (label == GOOD) for label, text in unseen)
    assert 0.9 < right / len(unseen) < 1  # of word salads it has no notion


def test_it_has_an_opinion_on_what_nobody_generated(model: Any) -> None:
    prose = ("A lock is a stretch of water between two gates, by which a boat can be brought from one level of a canal "
             "to another. When the lower gates are closed, water is let in from above until the boat has risen.")
    sale = "Buy 2 get 1 FREE! Best deals on shoes, cheap flights and hotel bookings. Click here to sign up now!"
    assert good(model, prose) > 0.7
    assert good(model, sale) < 0.1


def test_texts_are_the_same_each_time_and_do_not_repeat() -> None:
    assert texts(50) == texts(100)[:50]
    assert texts(50) != texts(50, seed=1)
    assert len({text for _, text in texts(500)}) == 500
    assert "{" not in "".join(text for _, text in texts(500))
    assert {label for label, _ in texts(2)} == {GOOD, BAD}
