"""datatrove's MinHash of some texts, on request. Runs in a Python of its own, and imports nothing of ours.

    python dedup_worker.py TEXTS

TEXTS has a JSON string a line. Commands come in and answers go out as JSON, a line each: {"do": "time", "every": N}
gives seconds; {"do": "sign", "variant": V} gives the buckets of each text, null where it has none, and its shingles,
hashed; {"do": "about"} says what this is.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any


class Whitespace:
    """In place of a tokenizer: words as str.split() gives them."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def signer(variant: str) -> Any:
    """datatrove's step as it is, by "whitespace" with that in place of its tokenizer, and "plain" also as written."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.utils.text import TextNormConfig

    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    if variant == "plain":
        config.norm_config = TextNormConfig(
            lowercase=False, norm_whitespace=False, remove_punctuation=False, norm_unicode_diacritics=False,
            norm_numbers=False, norm_weekdays=False, norm_monthnames=False,
        )
    step = MinhashDedupSignature("/nonexistent", config)
    if variant != "own":
        step.word_tokenizer = Whitespace()
    return step


def sign(step: Any, texts: list[str]) -> tuple[list[Any], list[list[int]]]:
    shingles = [step.get_shingles(text) for text in texts]
    buckets = [step.get_signature(each) if each.size else None for each in shingles]
    return buckets, [sorted(set(each[:, 0].tolist())) for each in shingles]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    own = signer("own")
    sign(own, texts[:3])  # loads the tokenizer
    answer: Any
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "time":
            some = texts[:: asked["every"]]
            start = time.process_time()
            for text in some:
                shingles = own.get_shingles(text)
                if shingles.size:
                    own.get_signature(shingles)
            answer = time.process_time() - start
        elif asked["do"] == "sign":
            answer = sign(signer(asked["variant"]), texts)
        else:
            answer = f"datatrove {version('datatrove')}, spaCy {version('spacy')}, Python {sys.version.split()[0]}"
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
