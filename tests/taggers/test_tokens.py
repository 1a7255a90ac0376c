"""Counts of tokens: what stays out of them, and long texts, whose windows give what the whole does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_tokenizers
from tagger_uses import use_of

from taggers import tokens
from taggers.declared.models import TOKENS
from taggers.run import run
from taggers.text import TextBatch

FORMATS = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
KINDS: dict[str, Callable[[], Any]] = {
    "bytes": small_tokenizers.bytes_bpe, "one word": small_tokenizers.words_bpe, "unigram": small_tokenizers.unigram,
    "pieces": small_tokenizers.word_piece,
}
SIZE = 40_000
LONG = {
    "prose": (FORMATS * 9)[:SIZE],
    "one letter": "a" * SIZE,
    "spaces": " " * SIZE,
    "digits": "12" * (SIZE // 2),
    "short words": "ab " * (SIZE // 3),
    "no spaces": "日本語" * (SIZE // 3),
    "marks": "e\u0301" * (SIZE // 2),
    "people": "👩\u200d👩\u200d👧" * (SIZE // 5),
    "all in turn": (" " * 999 + "a" * 1777 + "1\n" * 333 + "<|end|>" + FORMATS[:1500]) * 8,
}


class Watched:
    """A tokenizer that remembers how much it was given at a time."""

    def __init__(self, tokenizer: Any) -> None:
        tokenizer.no_truncation()
        self.tokenizer, self.sizes = tokenizer, list[int]()

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        self.sizes.append(len(text))
        return self.tokenizer.encode(text, add_special_tokens=add_special_tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_count_what_the_whole_text_has(kind: str) -> None:
    tokenizer = KINDS[kind]()
    for shows, text in LONG.items():
        watched = Watched(tokenizer)
        whole = len(tokenizer.encode(text, add_special_tokens=False))
        assert tokens.count(watched, text, window=8000, overlap=1000) == whole, (kind, shows)
        if kind == "bytes" or shows == "prose":
            assert max(watched.sizes) <= 8000 and sum(watched.sizes) < 1.5 * len(text), (kind, shows)
        assert sum(watched.sizes) < 20 * len(text), (kind, shows)


def test_a_text_that_no_window_can_cut_is_encoded_whole() -> None:
    watched = Watched(small_tokenizers.word_piece())
    assert tokens.count(watched, "a" * 40_000, window=8000, overlap=1000) == 1
    assert max(watched.sizes) == 40_000


def test_a_long_text_of_a_batch() -> None:
    text = FORMATS * (2 * tokens.WINDOW // len(FORMATS) + 1)
    use = use_of(TOKENS)
    columns = run([use], TextBatch.of_strings(["a", text, ""]))[use.key]
    whole = len(tokens._tokenizer(use.parameters["tokenizer"]).encode(text, add_special_tokens=False))
    assert columns["tokens.count"].to_pylist() == [1, whole, 0]
    assert columns["tokens.bytes_per_token"].to_pylist() == [1.0, len(text.encode()) / whole, None]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"model": 1}', b"\x00\xff", b"word\nword\n"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"no tokenizer\.json of the library tokenizers"):
        tokens.check({"tokenizer": str(tmp_path / "tokenizer.json")})
