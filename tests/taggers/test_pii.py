"""Personal data: wild mixtures of what it is made of, and hostile texts in linear time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tagger_uses import use_of
from test_taggers_equal_reference import WILD, assert_equal_reference, seconds_of

from taggers.declared.pii import PII, PII_DOLMA
from taggers.pii_tables import CALLING_CODES, IBAN_LENGTHS, ISSUERS
from taggers.run import run
from taggers.text import TextBatch

USES = [use_of(PII), use_of(PII_DOLMA)]
PARTS = (
    *("bob", "a", ".", "@", "x.com", "example.com", "com", "xn--p1ai", "git@", "2x.png", "a.b", "'", "%", "_", "-"),
    *(" ", "  ", "\n", "\t", "\u3000", ",", ":", "::", "?", "!", ";", "#", "(", ")", "@@", "..", "é", "日本", "😀"),
    *("+", "+44", "+1", "1", "0", "25", "256", "6", "201", "555", "0123", "2345", "20 7946 0958", "(0)", "٣"),
    *("8.8.8.8", "192.168.1.1", "2001:4860::8888", "2001:db8::1", "2a00:1450:4001:81b:0:0:0:200e", "abcd", "f"),
    *("DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "4539 1488 0343 6467", "4539148803436467"),
    *("378734493671000", "3787 344936 71000", "  201-555-2345", "(201) 234-5678"),
)
TEXTS = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=25).map("".join),
    st.text(alphabet="@.a( \n)x-:,", max_size=25),
    st.text(alphabet="+12345.-() 2x:0", max_size=45),
)


@WILD
@given(st.lists(TEXTS, max_size=8))
def test_wild_mixtures(texts: list[str]) -> None:
    assert_equal_reference(USES, texts)


HOSTILE = {
    "digits": "1", "at signs": "@", "words and at signs": "a.a.a.a@", "addresses cut short": "a@a.", "colons": ":",
    "groups": "2001:", "spaced digits": "4539 1488 ", "hyphens": "+1-", "brackets": "+49(0)(", "dots": "1.",
    "local parts": "a.", "labels": "@a.a", "marks with addresses": ".@. ", "marks": ".@@", "letters": "DE89",
    "bracketed": "(201) ", "numbers": " 201", "joints": " 201 - ", "wide spaces": "\u3000", "wide digits": "٣",
    "question marks": "? 8.8.8.8",
}  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_time_grows_with_the_text(unit: str) -> None:
    def hostile(size: int) -> Any:
        return unit * (size // len(unit.encode()))

    run(USES, TextBatch.of_strings(["warm up"]))
    small, large = (seconds_of(USES, hostile(size)) for size in (50_000, 1_600_000))
    # 32 times the text; a thousand times the time if it were the square. The addend is for clocks and busy machines.
    assert large < 100 * small + 0.1


def test_a_hostile_text_has_the_spans_of_the_reference() -> None:
    assert_equal_reference(USES, [unit * 40 for unit in HOSTILE.values()])


def test_a_find_of_a_kind_is_as_long_as_the_room_for_finds_takes_it_to_be() -> None:
    # 1 / 6 + 1 / 9 + 1 / 7 + 1 / 15 + 1 / 13 of the text's bytes at most, which is under 3 / 5.
    for text, most in (("a@b.cc ", 1), ("+49123456 ", 1), ("8.8.8.8 ", 1)):
        values = run(USES[:1], TextBatch.of_strings([text * 1000]))[USES[0].key]
        assert values["pii.count"][0].as_py() == 1000 * most
    assert min(IBAN_LENGTHS.values()) == 15
    assert min(length for _, _, lengths in ISSUERS for length in lengths) == 13


def test_calling_codes_are_free_of_prefixes() -> None:
    codes = [str(code) for code in CALLING_CODES]
    for code in codes:
        assert not any(other != code and other.startswith(code) for other in codes)
        assert code[0] not in "17"
