"""Keys of normalised texts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taggers import text_hash
from taggers.text import TextBatch
from taggers.text_hash import STEPS, normalise


def key(text: str, *steps: str) -> bytes:
    return bytes(text_hash.run(TextBatch.of_strings([text]), {"normalise": sorted(steps)})["text_hash.key"][0].as_py())


def test_each_step_evens_out_its_own_differences() -> None:
    assert key("e\u0301", "nfc") == key("é", "nfc") != key("e", "nfc")
    assert key("ABC", "lower") == key("abc", "lower") != key("ab c", "lower")
    assert key("\ta \u3000b\n", "whitespace") == key("a b", "whitespace") != key("ab", "whitespace")
    assert key("«a», b!", "punctuation") == key("a b", "punctuation") != key("a  b", "punctuation")


@given(st.text(), st.sets(st.sampled_from(STEPS)))
def test_without_steps_nothing_changes_and_with_nfc_the_result_is_nfc(text: str, steps: set[str]) -> None:
    assert normalise(text, []) == text
    if "nfc" in steps:
        assert unicodedata.is_normalized("NFC", normalise(text, sorted(steps)))


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(ValueError, match="normalise has upper; known are lower, nfc, punctuation, whitespace"):
        key("a", "upper")
