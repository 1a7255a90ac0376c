"""Differences are true, few, and found in no time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer import difference as module
from mixer.difference import difference, shortened

WORDS = st.lists(st.sampled_from(["one ", "two\n", "é", "言葉言葉", "é", ". ", "_", "A"]), max_size=30).map("".join)


@given(WORDS, WORDS)
def test_places_turn_one_text_into_the_other(one, other):
    found = difference(one, other)
    assert (found["same"] == "equal") == (one == other) == (found["places"] == [])
    if found["more"]:
        return
    made, at = "", 0
    for place in found["places"]:
        made += one[at : place["at"]]
        assert len(made) == place["other_at"] and one[: place["at"]].endswith(place["before"])
        made += place["other"]
        at = place["at"] + len(place["one"])
        assert one[place["at"] : at] == place["one"] and one[at:].startswith(place["after"])
    assert made + one[at:] == other


@pytest.mark.parametrize(("one", "other", "same"), [
    ("Same, text", "same  TEXT.", "normalised"), ("é", "e\u0301", "normalised"), ("a b", "a c", "different"),
    ("", " ", "normalised"), ("", "a", "different"), ("", "", "equal"),
])
def test_what_is_evened_out(one, other, same):
    assert difference(one, other)["same"] == same


def test_a_word_is_shown_whole():
    place, = difference("an expected result", "an expecting result")["places"]
    assert [place[name] for name in ("before", "one", "other", "after")] == ["an ", "expected", "expecting", " result"]


def test_long_texts_take_no_longer_than_their_beginnings():
    """Two million words of which none stands in the other text would take years to match."""
    one, other = "a b c " * 300_000, "d e f " * 300_000
    began = time.process_time()
    found = difference("same " + one, "same " + other)
    assert time.process_time() - began < 5
    assert found["more"] and found["same"] == "different" and len(found["places"]) == 1
    assert len(found["places"][0]["one"]) < module.SHOWN + 10


def test_only_the_first_places_are_shown():
    one = "".join(f"{number} and so on, and so forth " for number in range(20))
    found = difference(one, one.replace("so", "thus"))
    assert len(found["places"]) == module.MOST_SHOWN and found["more"]
    assert [place["at"] for place in found["places"]] == sorted(place["at"] for place in found["places"])


def test_shortened():
    assert shortened("short") == "short"
    assert shortened("x" * 80 + "y" * 80, 30) == "x" * 20 + " … " + "y" * 10
