"""Lists of words: what a file may hold, C4's own rule as the oracle, and time that does not grow with the list."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagger_uses import DATA, use_of

from taggers import badwords
from taggers.declared.models import BADWORDS
from taggers.run import run
from taggers.text import TextBatch


def measure(path: Path, *texts: str, boundaries: bool = True) -> list[int]:
    use = use_of(BADWORDS, list=str(path), boundaries=boundaries)
    return [int(count) for count in run([use], TextBatch.of_strings(texts))[use.key]["badwords.count"].to_pylist()]


WORDS = badwords.words(str(DATA / "bad_words.txt"))
SAME_CASE = [word for word in WORDS if "σ" not in word.lower() and "ς" not in word.lower() and word != "İ"]

PARTS = (*SAME_CASE, *(word.upper() for word in SAME_CASE if word != "weiß"),
         *(" ", "\n", "é", "_", "1", "x", "\u0301", "$", "語", "\0"))


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_a_text_has_one_where_c4_finds_one(text: str) -> None:
    either = "|".join(re.escape(word.lower()) for word in SAME_CASE)
    path = DATA / "bad_words.txt"
    assert (measure(path, text)[0] > 0) == (re.search(rf"(?:\W|^)({either})(?:\W|$)", text.lower()) is not None)
    assert (measure(path, text, boundaries=False)[0] > 0) == (re.search(either, text.lower()) is not None)


def test_blank_lines_and_comments_are_no_entries_and_ends_of_lines_are_any(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffone\r\n\r\n# a comment\n#\n  #two \nthree four".encode())
    assert badwords.words(str(path)) == ["one", "#two", "three four"]


@pytest.mark.parametrize(("data", "said"), [
    (b"", "a list without a word"), (b"\n# nothing\n", "a list without a word"),
    (b"ok\n\xff\xfe", "no text in UTF-8 (invalid start byte at byte 3)"),
    (b"x" * 1001, "a line of 1,001 characters (x")])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(said)):
        badwords.check({"list": str(path)})


def test_long_lists_and_nested_entries(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join([*map(str, range(30_000)), *("a" * length for length in range(1, 500))]))
    assert measure(path, "29999 30000 12 a", "a" * 499 + " " + "a" * 500, "77-78") == [3, 1, 2]
    assert measure(path, "a" * 1000, "30000", boundaries=False) == [3, 2]


HARD = {
    "starts of a long entry": lambda size: "a" * size,
    "parted starts": lambda size: "a " * (size // 2),
    "an entry over and over": lambda size: ("a" * 200 + " ") * (size // 201),
    "boundaries": lambda size: "$" * size,
}


@pytest.mark.parametrize("boundaries", [True, False])
@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_time_grows_with_the_text_not_with_its_square(text: Any, boundaries: bool, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(["a" * 200, "a" * 199 + "b", "a " * 100 + "b", "$" * 200 + "b"]))
    measure(path, "warm up", boundaries=boundaries)
    small, large = (min(_seconds(path, text(size), boundaries) for _ in range(2)) for size in (20_000, 320_000))
    # 16 times the text; 256 times the time if it were the square. The addend is for clocks and busy machines.
    assert large < 64 * small + 0.2


def _seconds(path: Path, text: str, boundaries: bool) -> float:
    start = time.perf_counter()
    measure(path, text, boundaries=boundaries)
    return time.perf_counter() - start
