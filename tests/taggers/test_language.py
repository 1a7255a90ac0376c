"""The language tagger: its labels, its model, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import fasttext_models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taggers import fasttext_file, fasttext_predict, langid, language
from taggers.declare import Use
from taggers.declared.language import LANGID, LANGUAGE
from taggers.language_codes import LANGID_CODES, LANGUAGE_CODES
from taggers.registry import find_column
from taggers.run import run
from taggers.text import TextBatch


def test_the_codes_are_the_labels_of_the_models() -> None:
    assert fasttext_file.labels(language.model_path()) == LANGUAGE_CODES
    assert tuple(sorted(langid._identifier().labels)) == LANGID_CODES


def test_the_models_are_the_ones_that_versions_stand_for() -> None:
    assert language.model_digest() == "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"


def test_an_unknown_language_is_refused_rather_than_0() -> None:
    with pytest.raises(ValueError, match="knows no klingon"):
        language.run(TextBatch.of_strings(["a"]), {**LANGUAGE.parameters, "languages": ["en", "klingon"]})
    with pytest.raises(ValueError, match="knows no klingon"):
        langid.run(TextBatch.of_strings(["a"]), {**LANGID.parameters, "languages": ["en", "klingon"]})


@settings(deadline=None)  # the first call compiles
@given(st.text(), st.integers(1, 20))
def test_the_head_is_the_first_code_points(text: str, max_chars: int) -> None:
    batch = TextBatch.of_strings(["é", text, "😀" * 10])
    start, end = fasttext_predict.heads(batch, max_chars)
    heads = [bytes(batch.data[begin:stop]).decode() for begin, stop in zip(start, end, strict=True)]
    assert heads == ["é", text[:max_chars], ("😀" * 10)[:max_chars]]


def test_scores_are_probabilities() -> None:
    texts = ["Ein ganz gewöhnlicher deutscher Satz, wie er im Buche steht.", "a", "日本語", "\0", "1 2 3"]
    columns = language.run(TextBatch.of_strings(texts), {"languages": list(LANGUAGE_CODES), "max_chars": 0})
    for document in range(len(texts)):
        scores = {code: columns[f"language.{code}"][document].as_py() for code in LANGUAGE_CODES}
        assert min(scores.values()) >= 0
        assert sum(scores.values()) == pytest.approx(1, abs=0.01)
        assert scores[columns["language.top"][document].as_py()] == max(scores.values())
        assert columns["language.score"][document].as_py() == max(scores.values()) <= 1


@pytest.mark.parametrize("labels", [("eng_Latn", "deu_Latn", "zho_Hans"), ("zh-Hans", "zh-Hant", "en")])
def test_another_models_codes_are_its_labels(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """GlotLID writes language_Script, and others write BCP 47."""
    path = tmp_path / "lid.bin"
    path.write_bytes(fasttext_models.model(labels=labels))
    found = find_column(f"language.{labels[0]}", {"language": Use(LANGUAGE, {**LANGUAGE.parameters, "model": "x"})})
    assert found is not None and found.needed == {"languages": [labels[0]]}
    use = Use(LANGUAGE, {**LANGUAGE.parameters, "languages": list(labels), "model": str(path)})
    language.check(use.parameters)
    columns = run([use], TextBatch.of_strings(["the good"]))[use.key]
    scores = [columns[f"language.{label}"][0].as_py() for label in labels]
    assert columns["language.top"][0].as_py() == labels[scores.index(max(scores))]
    assert sum(scores) == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match=f"knows no en_US; its labels are {', '.join(sorted(labels))}"):
        language.check({**use.parameters, "languages": ["en_US"]})
