"""The language tagger: its labels, its model, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taggers import language
from taggers.declared.language import LANGUAGE
from taggers.language_codes import LANGUAGE_CODES
from taggers.text import TextBatch


def test_the_codes_are_the_labels_of_the_model() -> None:
    # Without a threshold in reach, which -1 gives (the logarithm is not a number), every label comes back.
    found = language._model().f.predict("text\n", 1000, -1.0, "strict")
    assert tuple(sorted(label.removeprefix("__label__") for _, label in found)) == LANGUAGE_CODES


def test_the_model_is_the_one_that_versions_stand_for() -> None:
    assert language.model_digest() == "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"


def test_an_unknown_language_is_refused_rather_than_0() -> None:
    with pytest.raises(ValueError, match="knows no klingon"):
        language.run(TextBatch.of_strings(["a"]), {**LANGUAGE.parameters, "languages": ["en", "klingon"]})


@given(st.text(), st.integers(1, 20))
def test_the_head_is_the_first_code_points(text: str, max_chars: int) -> None:
    assert language._head(TextBatch.of_strings(["é", text]), 1, max_chars) == text[:max_chars]


def test_the_head_holds_code_points_of_four_bytes() -> None:
    assert language._head(TextBatch.of_strings(["😀" * 10]), 0, 7) == "😀" * 7


def test_scores_are_probabilities() -> None:
    texts = ["Ein ganz gewöhnlicher deutscher Satz, wie er im Buche steht.", "a", "日本語", "\0", "1 2 3"]
    columns = language.run(TextBatch.of_strings(texts), {"languages": list(LANGUAGE_CODES), "max_chars": 0})
    for document in range(len(texts)):
        scores = {code: columns[f"language.{code}"][document].as_py() for code in LANGUAGE_CODES}
        assert min(scores.values()) >= 0
        assert sum(scores.values()) == pytest.approx(1, abs=0.01)
        assert scores[columns["language.top"][document].as_py()] == max(scores.values())
        assert columns["language.score"][document].as_py() == max(scores.values()) <= 1
