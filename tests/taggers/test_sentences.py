"""Sentences, and scores of sentences and paragraphs as spans of the text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_models import sentences as reference
from tagger_uses import use_of

from taggers.registry import TAGGERS
from taggers.run import run
from taggers.sentences import sentences
from taggers.text import TextBatch


def cut(text: str) -> list[str]:
    batch = TextBatch.of_strings(["é.", text, "b"])
    found = sentences(batch)
    return [bytes(batch.data[found.start[piece] : found.end[piece]]).decode()
            for piece in range(found.first[1], found.first[2])]


@pytest.mark.parametrize(("text", "expected"), [
    ("", []),
    (" \n\t", []),
    ("one", ["one"]),
    ("One. Two? Three!", ["One.", "Two?", "Three!"]),
    ("Pi is 3.14 at example.org. Yes", ["Pi is 3.14 at example.org.", "Yes"]),
    ("Well... no?! \"Yes.\" (Fine.) …", ["Well...", "no?!", '"Yes."', "(Fine.)", "…"]),
    ("一。二！「三？」四", ["一。", "二！", "「三？」", "四"]),
    ("  a line\r\n another \n", ["a line", "another"]),
    ("no.\u00a0space.\u2028is \u3000 too. ", ["no.", "space.", "is \u3000 too."]),
    (". . .", [".", ".", "."]),
    ("\0. \0", ["\0.", "\0"]),
])
def test_sentences_end_where_the_rule_says(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.sampled_from((*".!?…。！？\"')」 \n\r\u2028aé日😀", "ab c")), max_size=40).map("".join))
def test_any_text_as_the_reference(text: str) -> None:
    assert cut(text) == [text[start:end] for start, end in reference(text)]
    batch = TextBatch.of_strings([text])
    assert sentences(batch).length.tolist() == [end - start for start, end in reference(text)]


def spans(name: str, column: str, text: str, **parameters: Any) -> list[tuple[str, float]]:
    use = use_of(next(tagger for tagger in TAGGERS if tagger.name == name), **parameters)
    found = run([use], TextBatch.of_strings(["", text]))[use.key][column].to_pylist()
    assert found[0] == []
    for span in found[1]:
        assert len(text[span["start"] : span["end"]].encode()) == span["bytes"]
    return [(text[span["start"] : span["end"]], span["score"]) for span in found[1]]


def test_sentences_are_stored_from_the_least_score_on() -> None:
    text = "😀 the of. bad bad bad. good. \n日本。"
    every = spans("fasttext_sentences", "fasttext_sentences.spans", text, least=0.0)
    assert [sentence for sentence, _ in every] == ["😀 the of.", "bad bad bad.", "good.", "日本。"]
    least = sorted(score for _, score in every)[2]
    assert spans("fasttext_sentences", "fasttext_sentences.spans", text, least=least) == \
        [(sentence, score) for sentence, score in every if score >= least]


def test_paragraphs_are_spans_with_the_probability_of_each_language() -> None:
    text = "Das hier ist ein deutscher Satz, wie er im Buche steht.\n \n\n😀 これも日本語の文章です。\n"
    found = {code: spans("language_paragraphs", f"language_paragraphs.{code}", text, languages=["de", "ja"])
             for code in ("de", "ja")}
    assert [paragraph for paragraph, _ in found["de"]] == [paragraph for paragraph, _ in found["ja"]] == \
        ["Das hier ist ein deutscher Satz, wie er im Buche steht.", "😀 これも日本語の文章です。"]
    assert [score > 0.9 for _, score in found["de"]] == [True, False]
    assert [score > 0.9 for _, score in found["ja"]] == [False, True]


def test_a_label_has_to_be_named() -> None:
    from taggers import fasttext_sentences

    use = use_of(next(tagger for tagger in TAGGERS if tagger.name == "fasttext_sentences"))
    fasttext_sentences.check(use.parameters)
    with pytest.raises(ValueError, match="no label of it is asked for; give `label`"):
        fasttext_sentences.check({**use.parameters, "label": None})
    with pytest.raises(ValueError, match="knows no toxic"):
        fasttext_sentences.check({**use.parameters, "label": "toxic"})
