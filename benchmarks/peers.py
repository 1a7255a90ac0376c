"""Compares the columns of Gopher, C4 and FineWeb with what dolma and datatrove compute of the same real documents.

    python benchmarks/peers.py [FOLDER ...] [--every 25 | --all] [--venvs DIR] [--dolma-python P] [--datatrove-python P]

FOLDER holds shards at any depth; the default is the web shards of $SOLERA_CORPORA. The peers run in environments of
their own, which are made below --venvs where no Python of theirs is given. Every disagreement is put into a class
that says whose definition it is or whose fault, and only if that is verified for the very document; the exit code is
1 if one is left. datatrove's filters run twice: with their tokenizer (spaCy's rules for English, which need no
model), and with words by whitespace and sentences by our rule. Decisions of the second kind have to be those of our
columns; where the first kind differs from the second, the tokenizer is all that differs. Both sides are timed on one
core over the same documents.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
import venv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout, without installing

from mixer.documents import SUFFIXES, ShardReader  # noqa: E402
from taggers import characters  # noqa: E402
from taggers.declare import Use  # noqa: E402
from taggers.registry import find_tagger  # noqa: E402
from taggers.run import run  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

DEFAULT = os.environ.get("SOLERA_CORPORA", str(ROOT.parent / "shared" / "corpora"))
WORKER = Path(__file__).with_name("peers_worker.py")
REQUIREMENTS = {
    "dolma": ["dolma==1.2.1"],
    # Its MinHash imports tokenizers, and gives xxhash text, which version 4 of that refuses.
    "datatrove": ["datatrove==0.10.1", "spacy>=3.8,<4", "nltk>=3.9,<4", "tokenizers>=0.20,<1", "xxhash>=3.4,<4"],
}
GOPHER = ("words", "lines", "paragraphs", "ngrams")
TAGGERS = ("sizes", *GOPHER, "c4", "fineweb")
TINY = 1e-9

CLASSES = {
    "null": "Other definition: a share of nothing is null here, and 0 there, because null is not zero.",
    "no line": "Other definition: an empty text has no line here, and one empty line there.",
    "short": "Other definition: dolma writes no n-gram attribute for a text of fewer than n words; here it is 0, or "
             "null without words.",
    "empty": "Other definition: dolma writes only zeros for an empty text; here shares of it are null.",
    "lower": "Peer's fault: dolma's spans count code points of the lower-cased text, which is longer where it has an "
             "İ.",
    "unicode": "Other Unicode version: a character of the text has another category in the peer's Python.",
    "joined": "Peer's fault: datatrove joins the words of an n-gram with nothing between, so that two may seem alike.",
    "blank": "Other definition: datatrove divides by zero, or by the one empty paragraph, for a text without words; "
             "here it is null.",
    "tokens": "Other tokenisation: datatrove's own tokenizer parts words from punctuation and knows abbreviations; "
              "with words by whitespace and sentences by our rule it decides as our columns do.",
}


class Comparison:
    """Counts what agrees, and keeps disagreements by class; None is the class of what nobody has explained."""

    def __init__(self) -> None:
        self.agreed: Counter[str] = Counter()
        self.disagreed: dict[str | None, list[tuple[str, str]]] = defaultdict(list)

    def take(self, what: str, document: int, ours: Any, theirs: Any, explained: str | None = None) -> None:
        if _alike(ours, theirs):
            self.agreed[what] += 1
        else:
            self.disagreed[explained].append((what, f"document {document}: ours {ours!r:.120}, theirs {theirs!r:.120}"))

    def report(self) -> bool:
        """Prints everything; whether all is explained."""
        print(f"{sum(self.agreed.values()):,} values agree, of {len(self.agreed)} kinds")
        for kind, found in sorted(self.disagreed.items(), key=lambda item: item[0] or ""):
            print(f"\n{len(found):,} disagree. {CLASSES[kind] if kind else 'UNEXPLAINED'}")
            for what, count in Counter(what for what, _ in found).most_common():
                examples = [text for each, text in found if each == what]
                print(f"  {count:6,} {what}; {examples[0]}")
                for text in examples[1:20] if kind is None else ():
                    print(f"         {text}")
        return None not in self.disagreed


def main() -> int:
    options = _options()
    texts = list(_texts(options))
    if not texts:
        print(f"no shards below {', '.join(options.folder)}; SOLERA_CORPORA says where real data is", file=sys.stderr)
        return 2
    # Beside real documents, what those seldom are.
    texts += ["", " \n\n ", "\n", "one", "İ no end\nshort\n", "ab c a bc x y z a bc ab c x y z " * 4]
    batch = TextBatch.of_strings(texts)
    megabytes = len(batch.data) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.2f} MB")
    uses = {name: _use(name) for name in TAGGERS}
    columns: dict[str, list[Any]] = {}
    for measured in run(uses.values(), batch).values():
        columns |= {name: values.to_pylist() for name, values in measured.items()}
    ours = [{name: values[place] for name, values in columns.items()} for place in range(len(texts))]
    comparison = Comparison()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        dolma, dolma_results = _ask("dolma", options.dolma_python or _python(options.venvs, "dolma"), path)
        trove, trove_results = _ask("datatrove", options.datatrove_python or _python(options.venvs, "datatrove"), path)
    for place, (text, mine, his) in enumerate(zip(texts, ours, dolma_results, strict=True)):
        compare_gopher(comparison, place, text, mine, dict(_scores(his["gopher_v2"])), dolma["unicode"])
        compare_c4(comparison, place, text, mine, his["c4_v2"])
    _compare_characters(comparison, trove)
    for place, (text, mine, his) in enumerate(zip(texts, ours, trove_results, strict=True)):
        compare_parts(comparison, place, text, mine, his["parts"])
        compare_decisions(comparison, place, text, mine, his)
    explained = comparison.report()
    print(f"\nSpeed, one core, the same {megabytes:.2f} MB; ours is the median of 15 runs")
    gopher, c4 = _seconds([uses[name] for name in GOPHER], batch), _seconds([uses["c4"]], batch)
    peers = [
        ("dolma gopher_v2", dolma["seconds"]["gopher_v2"], "words, lines, paragraphs, ngrams", gopher),
        ("dolma c4_v2", dolma["seconds"]["c4_v2"], "c4", c4),
        ("datatrove Gopher repetition, with its tokenizer", trove["seconds"]["repetition"],
         "words, lines, paragraphs, ngrams", gopher),
        ("datatrove C4, with its sentencizer", trove["seconds"]["c4"], "c4", c4),
    ]
    for name, seconds, mine_name, mine_seconds in peers:
        print(f"  {name}: {megabytes / seconds:.2f} MB/s; {mine_name}: {megabytes / mine_seconds:.1f} MB/s; "
              f"{seconds / mine_seconds:.0f} times as fast")
    print(f"peers: dolma {dolma['version']}, datatrove {trove['version']} with {trove['sentencizer']}, "
          f"Unicode {dolma['unicode']}, {trove['unicode']} and ours {unicodedata.unidata_version}")
    return 0 if explained else 1


def compare_gopher(
    comparison: Comparison, place: int, text: str, ours: Mapping[str, Any], theirs: Mapping[str, float], unicode: str
) -> None:
    """dolma's gopher_v2, an attribute at a time."""
    pairs = {
        "character_count": "sizes.chars",
        "word_count": "words.count",
        "median_word_length": "words.median_length",
        "symbol_to_word_ratio": "words.symbols",
        "fraction_of_words_with_alpha_character": "words.alphabetic",
        "required_word_count": "words.required",
        "fraction_of_lines_starting_with_bullet_point": "lines.bullets_dolma",
        "fraction_of_lines_ending_with_ellipsis": "lines.ellipsis_dolma",
        "fraction_of_duplicate_lines": "lines.duplicate_dolma",
        "fraction_of_characters_in_duplicate_lines": "lines.duplicate_chars_dolma",
        **{f"fraction_of_characters_in_most_common_{n}grams": f"ngrams.top_{n}" for n in (2, 3, 4)},
        **{f"fraction_of_characters_in_duplicate_{n}grams": f"ngrams.duplicate_{n}" for n in range(5, 11)},
    }
    for attribute, column in pairs.items():
        value = ours[column]
        explained = None
        if attribute not in theirs:
            size = re.search("[0-9]+", attribute)
            if size and len(text.split()) < int(size[0]) and not value:
                explained = "short"
        elif value is None and theirs[attribute] == 0:
            explained = "null" if text else "empty"
        elif value is None and not text.split():  # lines of nothing but whitespace, over max(0, 1) characters
            explained = "null"
        elif unicode != unicodedata.unidata_version and column == "words.alphabetic":
            explained = "unicode" if any(unicodedata.category(each) == "Cn" for each in text) else None
        comparison.take(f"dolma {attribute}", place, value, theirs.get(attribute), explained)


def compare_c4(comparison: Comparison, place: int, text: str, ours: Mapping[str, Any], theirs: list[Any]) -> None:
    """dolma's c4_v2: flags, numbers of lines, and which lines."""
    by_kind: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for kind, start, end, _ in theirs:
        by_kind[kind].append((start, end))
    (lines,) = [score for kind, _, _, score in theirs if kind == "line_count"]
    none = "no line" if not text else None
    comparison.take("dolma line_count", place, ours["c4.lines"], lines, none)
    for kind, column in (("has_curly_brace", "curly_brace"), ("has_lorem_ipsum", "lorem_ipsum"),
                         ("has_javascript", "javascript")):
        comparison.take(f"dolma {kind}", place, ours[f"c4.{column}"], kind in by_kind)
    for kind, column in (("lines_with_no_ending_punctuation", "no_punctuation"),
                         ("lines_with_too_few_words", "few_words")):
        found = by_kind[kind]
        comparison.take(f"dolma {kind}, number", place, ours[f"c4.{column}_lines"], len(found), none)
        mine = [(span["start"], span["end"]) for span in ours[f"c4.{column}"]]
        longer = "lower" if len(text.lower()) != len(text) else None
        comparison.take(f"dolma {kind}, which", place, mine, _joined(found), longer)


def _compare_characters(comparison: Comparison, about: Mapping[str, Any]) -> None:
    def text(*ranges: tuple[int, int]) -> str:
        return "".join(sorted(chr(code) for first, last in ranges for code in range(first, last + 1)))

    comparison.take("datatrove stop characters", -1, text(*characters.STOPS), about["stops"])
    comparison.take("datatrove punctuation", -1, text(*characters.STOPS, *characters.PUNCTUATION), about["punctuation"])


def compare_parts(
    comparison: Comparison, place: int, text: str, ours: Mapping[str, Any], parts: Mapping[str, Any]
) -> None:
    """What datatrove's functions give for words by whitespace, as the shares that its filters make of that."""
    blank = "blank" if not text.strip() else None
    for kind, number, chars in (("paragraphs", "duplicate_datatrove", "duplicate_chars_datatrove"),
                                ("lines", "duplicate_repeats", "duplicate_chars_repeats")):
        total, repeats, repeat_chars = parts[kind]
        comparison.take(f"datatrove duplicate {kind}", place, ours[f"{kind}.{number}"], repeats / total, blank)
        comparison.take(f"datatrove characters in duplicate {kind}", place, ours[f"{kind}.{chars}"],
                        repeat_chars / len(text) if text else 0.0, blank)
    for n in (2, 3, 4):
        comparison.take(f"datatrove top {n}-gram", place, ours[f"ngrams.top_{n}_datatrove"],
                        parts[f"top_{n}"] / len(text) if text else 0.0, blank)
    for n in range(5, 11):
        value = ours[f"ngrams.covered_{n}"]
        explained = blank
        if value is not None and parts[f"marked_{n}"] != parts[f"covered_{n}"]:
            # With a mark after each word no two n-grams are joined by chance, and the marks are counted with them.
            marked = _covered(text.split(), n)
            explained = "joined" if _alike(value, marked / len(text)) else None
        comparison.take(f"datatrove duplicate {n}-grams", place, value,
                        parts[f"covered_{n}"] / len(text) if text else 0.0, explained)


def _covered(words: list[str], n: int) -> int:
    """Letters under n-grams that occurred before, from left to right, none twice; n-grams are tuples."""
    seen, letters, at = set(), 0, 0
    while at + n <= len(words):
        gram = tuple(words[at : at + n])
        letters += len("".join(gram)) if gram in seen else 0
        at += n if gram in seen else 1
        seen.add(gram)
    return letters


def compare_decisions(
    comparison: Comparison, place: int, text: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> None:
    """What datatrove's filters decide with their default thresholds, beside the same thresholds on our columns."""
    decisions = {
        "quality": _gopher_quality(ours),
        "repetition": _gopher_repetition(ours),
        "fineweb": _fineweb(ours),
        "c4": _c4(ours),
    }
    blank = "blank" if not text.strip() else None
    for name, mine in decisions.items():
        by_whitespace, own = theirs["whitespace"][name], theirs["own"][name]
        explained = blank
        joined = name == "repetition" and any(
            theirs["parts"][f"marked_{n}"] != theirs["parts"][f"covered_{n}"] for n in range(5, 11)
        )
        if joined and explained is None and (by_whitespace[1] or "").startswith("duplicated"):
            explained = "joined"
        comparison.take(f"datatrove {name} filter, words by whitespace", place, mine, by_whitespace[1], explained)
        comparison.take(f"datatrove {name} filter, its own tokenizer", place, mine, own[1],
                        blank or ("tokens" if mine == by_whitespace[1] else None))
    if "c4_text" in theirs["whitespace"]:
        comparison.take("datatrove C4 text that is left", place, _left(text, ours), theirs["whitespace"]["c4_text"])


def _gopher_quality(of: Mapping[str, Any]) -> str | None:
    return _first(
        ("gopher_short_doc", of["words.count_datatrove"] < 50),
        ("gopher_long_doc", of["words.count_datatrove"] > 100_000),
        ("gopher_below_avg_threshold", (of["words.mean_length_datatrove"] or 0) < 3),
        ("gopher_above_avg_threshold", (of["words.mean_length_datatrove"] or 0) > 10),
        ("gopher_too_many_hashes", (of["words.hashes_datatrove"] or 0) > 0.1),
        ("gopher_too_many_ellipsis", (of["words.ellipses_datatrove"] or 0) > 0.1),
        ("gopher_too_many_bullets", (of["lines.bullets_datatrove"] or 0) > 0.9),
        ("gopher_too_many_end_ellipsis", (of["lines.ellipsis_datatrove"] or 0) > 0.3),
        ("gopher_below_alpha_threshold", (of["words.alphabetic"] or 0) < 0.8),
        ("gopher_enough_stop_words", of["words.required_distinct"] < 2),
    )


def _gopher_repetition(of: Mapping[str, Any]) -> str | None:
    return _first(
        ("empty", not of["sizes.chars"]),
        ("dup_para_frac", (of["paragraphs.duplicate_datatrove"] or 0) > 0.3),
        ("dup_para_char_frac", (of["paragraphs.duplicate_chars_datatrove"] or 0) > 0.2),
        ("dup_line_frac", (of["lines.duplicate_repeats"] or 0) > 0.3),
        ("dup_line_char_frac", (of["lines.duplicate_chars_repeats"] or 0) > 0.2),
        *((f"top_{n}_gram", (of[f"ngrams.top_{n}_datatrove"] or 0) > most)
          for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))),
        *((f"duplicated_{n}_n_grams", (of[f"ngrams.covered_{n}"] or 0) > most)
          for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))),
    )


def _fineweb(of: Mapping[str, Any]) -> str | None:
    return _first(
        ("empty", not of["fineweb.lines"]),
        ("line_punct_ratio", (of["fineweb.punctuation"] or 0) < 0.12),
        ("short_line_ratio", (of["fineweb.short_lines"] or 0) > 0.67),
        ("char_dup_ratio", (of["fineweb.duplicate_chars"] or 0) > 0.01),
        ("list_ratio", (of["fineweb.newlines"] or 0) > 0.3),
    )


def _c4(of: Mapping[str, Any]) -> str | None:
    if of["c4.lorem_ipsum_datatrove"] and of["c4.curly_brace_datatrove"]:
        return "lorem_ipsum"  # whichever comes first; no real document has both
    return _first(
        ("lorem_ipsum", of["c4.lorem_ipsum_datatrove"]),
        ("curly_bracket", of["c4.curly_brace_datatrove"]),
        ("too_few_sentences", of["c4.sentences_left"] < 5),
    )


def _first(*reasons: tuple[str, bool]) -> str | None:
    return next((name for name, holds in reasons if holds), None)


def _left(text: str, ours: Mapping[str, Any]) -> str:
    """The text once a recipe has cut what the spans mark, with the lines as datatrove joins them."""
    gone = [False] * len(text)
    for name in ("no_punctuation_datatrove", "few_words_datatrove", "long_word", "javascript_lines", "policy_lines",
                 "citations"):
        for span in ours[f"c4.{name}"]:
            gone[span["start"] : span["end"]] = [True] * (span["end"] - span["start"])
    lines, at = [], 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        start = at + line.index(stripped)
        if not all(gone[at : at + len(line)]):
            lines.append("".join(char for place, char in enumerate(stripped, start) if not gone[place]))
        at += len(line)
    return "\n".join(lines).strip()


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """dolma's spans of lines, those that follow one another as one and empty ones gone."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        elif end > start:
            joined.append((start, end))
    return joined


def _scores(spans: list[Any]) -> Iterator[tuple[str, float]]:
    for kind, _, _, score in spans:
        yield kind, score


def _alike(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float | int):
        return math.isclose(ours, theirs, rel_tol=TINY, abs_tol=1e-12)
    return bool(ours == theirs)


def _seconds(uses: list[Use], batch: TextBatch) -> float:
    times = []
    for _ in range(15):
        fresh = TextBatch(batch.data, batch.offsets)
        start = time.perf_counter()
        run(uses, fresh)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _use(name: str) -> Use:
    tagger = find_tagger(name)
    assert tagger is not None
    return Use(tagger, tagger.parameters)


def _texts(options: argparse.Namespace) -> Iterator[str]:
    uris = sorted(str(path) for folder in options.folder for path in Path(folder).rglob("*")
                  if str(path).endswith(SUFFIXES))
    count = 0
    for uri in uris:
        for batch in ShardReader(uri):
            for document in batch.documents:
                count += 1
                if options.all or count % options.every == 0:
                    yield document.text


def _ask(peer: str, python: str, texts: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(about the peer, its results by document)."""
    results = texts.with_name(f"{peer}.jsonl")
    done = subprocess.run([python, str(WORKER), peer, str(texts), str(results)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{peer} failed:\n{done.stderr}")
    about, *rows = (json.loads(line) for line in results.read_text(encoding="utf-8").splitlines())
    return about, rows


def _python(venvs: Path, peer: str) -> str:
    """The Python of an environment that has the peer; made if there is none."""
    folder = venvs / peer
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"making {folder} with {', '.join(REQUIREMENTS[peer])}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[peer]], check=True)
        (folder / "ready").touch()
    return str(python)


def _options() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", default=[f"{DEFAULT}/web"])
    parser.add_argument("--every", type=int, default=25, help="which documents are taken (25: each 25th)")
    parser.add_argument("--all", action="store_true", help="all documents, which takes most of an hour")
    parser.add_argument("--venvs", type=Path, default=cache / "solera" / "peers")
    parser.add_argument("--dolma-python", help="a Python that has dolma 1.2.1")
    parser.add_argument("--datatrove-python", help="a Python that has datatrove 0.10 and spaCy")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
