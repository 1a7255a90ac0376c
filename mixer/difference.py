"""How two texts differ, in words, shown short: what a person asks who is told that one is a copy of the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

# Words of each text that are compared, from the first that differs on; matching takes the square of them.
WINDOW = 400
MOST_SHOWN = 5  # places
CONTEXT = 30  # characters on each side of a place
SHOWN = 120  # characters of what stands there
JOINED = 3  # places with no more words between them are one

WORD = 16  # characters, so that what is written without spaces is compared in parts too

_WORDS = re.compile(rf"\s+|[^\W_]{{1,{WORD}}}|.", re.DOTALL)


def difference(one: str, other: str) -> dict[str, Any]:
    """{same, places, more}. `same` is "equal", "normalised" (but for case, spaces, punctuation and the way in which
    characters are composed) or "different"; `places` the first where they differ: where in either, what stands before,
    in one, in the other, and after; `more` whether there are, or may be, others.

    Time follows from the length of the texts, and for the rest from WINDOW.
    """
    if one == other:
        return {"same": "equal", "places": [], "more": False}
    same = "normalised" if _normalised(one) == _normalised(other) else "different"
    same_to = _common(one, other)
    start = same_to
    while start and same_to - start < WORD and one[start - 1].isalnum():  # to where the word begins
        start -= 1
    parts = [_words(text, start) for text in (one, other)]
    whole = all(len(words) < WINDOW for words in parts)
    places = _places(one, other, start, parts)
    return {"same": same, "places": places[:MOST_SHOWN], "more": len(places) > MOST_SHOWN or not whole}


def shortened(text: str, most: int = SHOWN) -> str:
    """The text, or its beginning and end."""
    return text if len(text) <= most else f"{text[: most - most // 3]} … {text[len(text) - most // 3 :]}"


def _normalised(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFC", text.lower()) if character.isalnum())


def _common(one: str, other: str) -> int:
    """How many characters are the same from the beginning on."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _words(text: str, start: int) -> list[str]:
    found = []
    for match in _WORDS.finditer(text, start):
        found.append(match.group())
        if len(found) == WINDOW:
            break
    return found


def _places(one: str, other: str, start: int, parts: Sequence[list[str]]) -> list[dict[str, Any]]:
    ends = [[start], [start]]
    for words, found in zip(parts, ends, strict=True):
        for word in words:
            found.append(found[-1] + len(word))
    joined: list[tuple[int, int, int, int]] = []
    matcher = SequenceMatcher(None, parts[0], parts[1], autojunk=False)
    for what, first, last, other_first, other_last in matcher.get_opcodes():
        if what == "equal":
            continue
        if joined and first - joined[-1][1] <= JOINED:
            joined[-1] = joined[-1][0], last, joined[-1][2], other_last
        else:
            joined.append((first, last, other_first, other_last))
    places = []
    for first, last, other_first, other_last in joined:
        at, end = ends[0][first], ends[0][last]
        other_at, other_end = ends[1][other_first], ends[1][other_last]
        places.append({
            "at": at, "other_at": other_at, "before": one[max(0, at - CONTEXT) : at], "one": shortened(one[at:end]),
            "other": shortened(other[other_at:other_end]), "after": one[end : end + CONTEXT],
        })
    return places
