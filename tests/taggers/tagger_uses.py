"""Taggers as the tests use them: with their defaults, and with small files of our own where they need one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from taggers.declare import Tagger, Use

DATA = Path(__file__).with_name("data")

# The file in DATA of each tagger that cannot run without one, and of those whose own is too large or plain for tests.
FILES: dict[str, str] = {
    "fasttext": "quality.bin",
    "fasttext_sentences": "quality.bin",
    "badwords": "bad_words.txt",
    "tokens": "tokenizer.json",
    "perplexity": "trigrams.bin",  # by trigram_model.py
    "blocklist": "listed_domains.txt",
    "url_words": "url_words.txt",
}
# Parameters that have no default which would do.
_NEEDED: dict[str, dict[str, Any]] = {"fasttext_sentences": {"label": "hq"}}


def use_of(tagger: Tagger, **parameters: Any) -> Use:
    """The tagger with these parameters, defaults for the others, and a file of ours where it needs one."""
    use = Use(tagger, {**tagger.parameters, **_NEEDED.get(tagger.name, {}), **parameters})
    if tagger.name not in FILES or use.file is not None:
        return use
    path = DATA / FILES[tagger.name]
    return use.with_file(str(path), hashlib.sha256(path.read_bytes()).hexdigest())
