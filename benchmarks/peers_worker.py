"""What dolma and datatrove say of some texts. Runs in a Python of theirs, and imports nothing of ours.

    python peers_worker.py dolma|datatrove TEXTS RESULTS

TEXTS has a JSON string a line; RESULTS gets a first line about the peer, then an object a line.
"""

from __future__ import annotations

import json
import platform
import sys
import time
import unicodedata
from collections import Counter
from importlib.metadata import version
from typing import Any


def dolma(texts: list[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The spans of gopher_v2 and c4_v2 for each text."""
    from dolma.core.data_types import Document
    from dolma.taggers.c4 import FasterC4Tagger
    from dolma.taggers.gopher import GopherTaggerV2

    taggers = {"gopher_v2": GopherTaggerV2(), "c4_v2": FasterC4Tagger()}
    results: list[dict[str, Any]] = [{} for _ in texts]
    times = dict.fromkeys(taggers, 0.0)
    for name, tagger in taggers.items():
        for text, result in zip(texts, results, strict=True):
            document = Document(source="", version="", id="", text=text)
            start = time.perf_counter()
            found = tagger.predict(document)
            times[name] += time.perf_counter() - start
            result[name] = [[span.type, span.start, span.end, span.score] for span in found.spans]
    return results, {"version": version("dolma"), "seconds": times}


def datatrove(texts: list[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the filters decide for each text, with their tokenizer and with whitespace in its place, and their parts."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import c4_filters as c4
    from datatrove.pipeline.filters import fineweb_quality_filter as fineweb
    from datatrove.pipeline.filters import gopher_quality_filter as quality
    from datatrove.pipeline.filters import gopher_repetition_filter as repetition
    from datatrove.utils import text as utilities

    # In this order the first of them pays for the tokenizer, whose last results datatrove keeps.
    filters = {
        "repetition": repetition.GopherRepetitionFilter(),
        "quality": quality.GopherQualityFilter(),
        "fineweb": fineweb.FineWebQualityFilter(),
        "c4": c4.C4QualityFilter(),
    }
    results: list[dict[str, Any]] = [{} for _ in texts]
    times = dict.fromkeys(filters, 0.0)
    utilities.split_into_words("Load the tokenizer.", "eng")

    def decide(key: str, timed: bool) -> None:
        for text, result in zip(texts, results, strict=True):
            result[key] = {}
            for name, each in filters.items():
                document = Document(text=text, id="")
                start = time.perf_counter()
                try:
                    decision = each.filter(document)
                except ZeroDivisionError:
                    decision = (False, "ZeroDivisionError")
                if timed:
                    times[name] += time.perf_counter() - start
                kept, reason = decision if isinstance(decision, tuple) else (decision, None)
                result[key][name] = [bool(kept), reason]
                if name == "c4" and kept:
                    result[key]["c4_text"] = document.text

    decide("own", timed=True)
    for module in (repetition, quality, fineweb):
        module.split_into_words = lambda text, language: text.split()
    c4.split_into_sentences = lambda line, language: [""] * sentences(line)
    decide("whitespace", timed=False)
    for text, result in zip(texts, results, strict=True):
        result["parts"] = parts(repetition, text)
    about = {"version": version("datatrove"), "seconds": times, "punctuation": "".join(sorted(quality.PUNCTUATION_SET)),
             "stops": "".join(sorted(fineweb.TERMINAL_PUNCTUATION)), "sentencizer": "spaCy " + version("spacy")}
    return results, about


def sentences(line: str) -> int:
    """How many sentences our rule finds in a line, in place of a tokenizer."""
    ends = 0
    for word in line.split()[:-1]:
        while len(word) > 1 and word[-1] in "\"')]":
            word = word[:-1]
        ends += word[-1] in ".?!"
    return ends + 1


def parts(repetition: Any, text: str) -> dict[str, Any]:
    """What the functions give that the repetition filter calls, for words of whitespace."""
    words = text.split()
    paragraphs = repetition.GopherRepetitionFilter().paragraph_exp.split(text.strip())
    lines = repetition.GopherRepetitionFilter()._line_splitter.split(text)
    found: dict[str, Any] = {
        "paragraphs": [len(paragraphs), *repetition.find_duplicates(paragraphs)],
        "lines": [len(lines), *repetition.find_duplicates(lines)],
    }
    for n in (2, 3, 4):
        grams = repetition.get_n_grams(words, n)
        found[f"top_{n}"] = repetition.find_top_duplicate(grams) if grams else 0
    for n in range(5, 11):
        found[f"covered_{n}"] = repetition.find_all_duplicate(words, n)
        # The same with a mark between words, which says whether two n-grams are alike only once they are joined.
        found[f"marked_{n}"] = repetition.find_all_duplicate([word + "\0" for word in words], n)
        grams = Counter(tuple(words[place : place + n]) for place in range(len(words) - n + 1))
        found[f"repeats_{n}"] = sum(grams.values()) - len(grams)
    return found


def main() -> None:
    peer, texts_path, results_path = sys.argv[1:]
    with open(texts_path, encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    results, about = {"dolma": dolma, "datatrove": datatrove}[peer](texts)
    about |= {"python": platform.python_version(), "unicode": unicodedata.unidata_version}
    with open(results_path, "w", encoding="utf-8") as file:
        for row in [about, *results]:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
