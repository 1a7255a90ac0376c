"""Marked texts: what is in brackets is the span, nothing of the text is lost, and long ones are cut to what matters."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mixer import marks

TEXTS = st.text(alphabet="ab \né😀", max_size=40)
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), st.sampled_from("xyz")), max_size=6)


def test_spans_are_in_brackets_with_what_they_are():
    assert marks.marked("write to a@b.org or call", [(9, 16, "email")]) == "write to [email: a@b.org] or call"
    assert marks.marked("abcdef", [(0, 4, "a"), (2, 6, "b")]) == "[a: ab][a, b: cd][b: ef]"
    assert marks.marked("abcdef", [(0, 6, "a"), (2, 3, "b")]) == "[a: ab][a, b: c][a: def]"
    assert marks.marked("abcd", [(0, 2, "a"), (2, 4, "a")]) == "[a: ab][a: cd]"
    assert marks.marked("abcd", [(1, 3, "a"), (1, 3, "a"), (2, 2, "empty"), (4, 4, "end")]) == \
        "a[a: b][empty: ][a: c]d[end: ]"
    assert marks.marked("", []) == "" and marks.marked("plain", []) == "plain"


def by_character(text: str, spans: list[marks.Span]) -> list[tuple[str, frozenset[str]]]:
    return [(character, frozenset(name for start, end, name in spans if start <= place < end))
            for place, character in enumerate(text)]


@given(TEXTS, SPANS)
def test_each_character_is_marked_by_what_covers_it(text, raw):
    spans = [(start, min(start + size, len(text)), name) for start, size, name in raw if start <= len(text)]
    said = marks.marked(text, spans)
    found = []
    for part in re.finditer(r"\[([xyz, ]*): ([^\]]*)\]|([^\[\]]+)", said):
        names = frozenset((part[1] or "").replace(",", "").split()) if part[1] else frozenset()
        found += [(character, names) for character in (part[2] if part[1] else part[3])]
    assert found == by_character(text, spans)


@given(st.integers(marks.WHOLE, 9000), st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 300)), max_size=40))
def test_long_texts_are_shortened_to_what_is_around_their_spans(size, raw):
    text = "".join(chr(0x4E00 + place % 5000) for place in range(size))
    spans = [(start, min(size, start + length), "x") for start, length in raw if start < size]
    said = marks.marked(text, spans)
    if len({start for start, _, _ in spans}) <= marks.MOST_PLACES:
        unmarked = re.sub(r"\[x: |\]", "", said)
        assert all(text[start:end] in unmarked for start, end, _ in spans)
    assert spans or said == text[: marks.START] + " …" or size == marks.WHOLE
    assert len(said) <= marks.WHOLE + sum(end - start + 2 * marks.AROUND + 20 for start, end, _ in spans)


def test_places_that_are_not_shown_are_counted():
    text = "x" * 50_000
    spans = [(start, start + 3, "a") for start in range(1000, 50_000, 1000)]
    said = marks.marked(text, spans)
    assert said.count("[a: xxx]") == marks.MOST_PLACES
    assert said.endswith(f"… and {49 - marks.MOST_PLACES} more places …")
    assert marks.marked(text, []) == "x" * marks.START + " …"


def test_columns_are_called_shortly_unless_two_are_alike():
    span = [{"start": 1, "end": 2, "bytes": 1, "score": 1.0}]
    found = marks.spans_in({"pii.email": span, "a.phone": span, "b.phone": span, "words.count": 3, "x.none": [],
                            "k.list": ["text"]}, [(0, 1, "cut")])
    assert found == [(0, 1, "cut"), (1, 2, "a.phone"), (1, 2, "b.phone"), (1, 2, "email")]
