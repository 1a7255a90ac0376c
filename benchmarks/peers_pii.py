"""Personal data as dolma 1.2.1 finds it and as we do, on the same real documents: every disagreement, by class.

    python benchmarks/peers_pii.py [--dolma-python VENV/bin/python] [--every N] [FOLDER ...]

dolma runs in an environment of its own: the one that is named, or one made with pip in the cache folder. Two of our
taggers are compared with its pii_regex_with_counts_fast_v2:

    pii_dolma   is meant to be equal to the last code point; any difference but by Unicode's version is unexplained
    pii         has rules of its own; finds that overlap agree, and each other one has to be of a class below

Chunks of documents go to each program in turn, so that a slow spell of the machine falls on both alike; the times are
of finding alone, not of starting, reading or writing. The exit status is 1 if anything is unexplained.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).absolute().parents[1]
# First, so that it runs from a checkout, and `taggers` is not the program of that name beside this one.
sys.path.insert(0, str(ROOT))

import pyarrow as pa  # noqa: E402
import zstandard  # noqa: E402

from taggers.declare import Use  # noqa: E402
from taggers.declared.pii import PII, PII_DOLMA  # noqa: E402
from taggers.pii_tables import FILE_SUFFIXES, RESERVED_DOMAINS  # noqa: E402
from taggers.run import run  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

DOLMA = "1.2.1"
# What its taggers import.
NEEDED = ["anyascii", "blingfire", "boto3", "charset-normalizer", "fasttext-wheel", "fsspec", "jq", "jsonpath-ng",
          "msgspec", "necessary", "nltk", "numpy<2", "omegaconf", "platformdirs", "python-dotenv", "pyyaml", "requests",
          "requirements-parser", "rich", "s3fs==0.4.2", "smart-open", "tokenizers", "tqdm", "uniseg", "zstandard"]
KINDS = {"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "IP_ADDRESS": "ip"}
CHUNK = 4_000_000  # code points

# Reads texts as lines of JSON, answers each chunk, which an empty line ends, with its spans and the seconds it took.
PEER = """
import json, sys, time, unicodedata, warnings
warnings.simplefilter("ignore")
from dolma.core.data_types import Document
from dolma.taggers.pii import FastPiiRegex
tagger = FastPiiRegex()
print(json.dumps(unicodedata.unidata_version), flush=True)
texts = []
for line in sys.stdin:
    if line != "\\n":
        texts.append(json.loads(line))
        continue
    documents = [Document(source="", id="", text=text) for text in texts]
    start = time.perf_counter()
    results = [tagger.predict(document) for document in documents]
    seconds = time.perf_counter() - start
    found = [[(span.type, span.start, span.end) for span in result.spans if not span.type.startswith("doc")]
             for result in results]
    print(json.dumps([seconds, found]), flush=True)
    texts = []
"""


class Difference(NamedTuple):
    """A find of one program alone."""

    kind: str
    text: str  # of the document
    start: int
    end: int

    @property
    def found(self) -> str:
        return self.text[self.start : self.end]

    @property
    def line(self) -> tuple[int, int]:
        """Where its line begins and ends, the newline included, as dolma cuts them."""
        end = self.text.find("\n", max(self.start, self.end - 1))
        return self.text.rfind("\n", 0, self.start) + 1, len(self.text) if end < 0 else end + 1


class Class(NamedTuple):
    """Why one program finds what the other does not."""

    side: str  # whose finds these are: "dolma" or "pii"
    kind: str
    whose: str  # peer's fault, other definition, other Unicode version, other tokenisation
    why: str
    holds: Callable[[Difference], Any]


_LOCAL = r"[A-Za-z0-9_][A-Za-z0-9_%+'-]*(?:\.[A-Za-z0-9_%+'-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_LOCAL})@((?:{_LABEL}\.)+[A-Za-z]{{2,63}})(?![A-Za-z0-9])")
_NOBODYS = re.compile(rf"(?:.*\.)?(?:{'|'.join(re.escape(word) for word in RESERVED_DOMAINS + FILE_SUFFIXES)})")


def address(find: Difference) -> tuple[str, str] | None:
    """The part before the "@" and the domain of what we would take for an address there, but for exceptions."""
    found = _ADDRESS.search(find.found)
    return (found[1], found[2].lower()) if found else None


def digits(find: Difference) -> str:
    return re.sub(r"\D", "", find.found)


def octets(find: Difference) -> tuple[int, ...]:
    return tuple(map(int, find.found.split(".")))


def ends_as_dolma_wants(find: Difference) -> bool:
    """Whether whitespace follows in the line, after one mark at most."""
    return re.match(r"[.@,?!;:)(]?\s", find.text[find.end : find.line[1]]) is not None


def special(find: Difference) -> bool:
    """Whether an address is in a range that is nobody's."""
    a, b, c, _ = octets(find)
    return (a in (0, 10, 127) or a >= 224 or (a, b) in ((169, 254), (192, 168), (198, 18), (198, 19))
            or (a == 100 and 64 <= b <= 127) or (a == 172 and 16 <= b <= 31)
            or (a, b, c) in ((192, 0, 0), (192, 0, 2), (198, 51, 100), (203, 0, 113)))


def continues(find: Difference, marks: str) -> bool:
    """Whether a number is part of a word, or goes on behind one of these marks."""
    start = find.end - len(find.found.lstrip())
    before, after = find.text[max(0, start - 2) : start], find.text[find.end : find.end + 2]
    return bool(re.search(rf"[A-Za-z0-9_]\Z|[0-9][{marks}]\Z", before)
                or re.match(rf"[A-Za-z0-9_]|[{marks}][0-9]", after))


_DOLMA_PHONE = re.compile(r"\s\(?\d{3}\)?[-. ]*\d{3}[-. ]?\d{4}")
_QUESTIONS = "dolma skips a document with more than 10,000 question marks"
CLASSES = (
    Class("dolma", "email", "other definition", "nobody's address: RFC 2606, .local, git@, image@2x.png",
          lambda find: address(find) and (_NOBODYS.fullmatch(address(find)[1]) or address(find)[0].lower() == "git")),
    Class("dolma", "email", "peer's fault", "no address: what dolma takes has no domain with a top level, or no name",
          lambda find: address(find) is None),
    Class("dolma", "email", "other definition", "a call in code, matrix@other.mean(",
          lambda find: re.search(rf"{re.escape('@'.join(address(find)))}\(", find.text[find.start :], re.IGNORECASE)),
    Class("pii", "email", "other definition", _QUESTIONS, lambda find: find.text.count("?") > 10_000),
    Class("pii", "email", "peer's fault",
          "dolma wants whitespace behind an address, one mark between at most: not at the end, not before > or \"",
          lambda find: not ends_as_dolma_wants(find)),
    Class("dolma", "phone", "other Unicode version", "digits of other scripts",
          lambda find: not digits(find).isascii()),
    Class("dolma", "phone", "other definition", "ten digits, or seven of them, without a mark between",
          lambda find: not re.search(r"[-. )]\d{3}[-. ]\d{4}\Z", find.found)),
    Class("dolma", "phone", "peer's fault", "no number: an area or exchange begins with 0 or 1 or is a service code",
          lambda find: re.search("^(?:[01]|.11|...[01]|....11)", digits(find))),
    Class("dolma", "phone", "other definition", "555-0100 to 555-0199 are for fiction",
          lambda find: digits(find)[3:8] == "55501"),
    Class("dolma", "phone", "peer's fault", "part of a longer number, of a word, or of a row of numbers",
          lambda find: continues(find, "-. ")),
    Class("dolma", "phone", "other definition", "more than one mark between, or a bracket alone",
          lambda find: not re.fullmatch(r"\s*(?:\(\d{3}\)[-. ]?|\d{3}[-. ])\d{3}[-. ]\d{4}", find.found)),
    Class("pii", "phone", "other definition", _QUESTIONS, lambda find: find.text.count("?") > 10_000),
    Class("pii", "phone", "other definition", "international forms that are not ten digits parted 3-3-4",
          lambda find: find.found.startswith("+") and not _DOLMA_PHONE.search(find.found)),
    Class("pii", "phone", "other tokenisation",
          "dolma looks in each line, and wants whitespace there right before the area code",
          lambda find: not any(match.end() == find.end - find.line[0]
                               for match in _DOLMA_PHONE.finditer(find.text[slice(*find.line)]))),
    Class("dolma", "ip", "other definition", "private, documentation, multicast and other special ranges", special),
    Class("dolma", "ip", "peer's fault", "part of a longer number, a word or a row: 1.2.3.4.5, v1.2.3.4",
          lambda find: continues(find, ".")),
    Class("dolma", "ip", "other definition", "a leading zero: a version or a date",
          lambda find: re.search(r"(?:^|\.)0[0-9]", find.found)),
    Class("pii", "ip", "other definition", _QUESTIONS, lambda find: find.text.count("?") > 10_000),
    Class("pii", "ip", "other definition", "IPv6", lambda find: ":" in find.found),
)  # fmt: skip


def main() -> int:
    beside = Path(os.environ.get("SOLERA_CORPORA") or ROOT.parent / "shared" / "corpora")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[beside / "web", beside / "wiki"],
                        help="of .jsonl.zst shards (default web and wiki of $SOLERA_CORPORA)")
    parser.add_argument("--dolma-python", metavar="PYTHON", help="the python of an environment with dolma 1.2.1")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th document alone")
    parser.add_argument("--show", type=int, default=2, metavar="N", help="examples of each class (default 2)")
    options = parser.parse_args()
    texts = [text for folder in options.folders for text in texts_of(folder)][:: options.every]
    if not texts:
        parser.error(f"no documents in {', '.join(map(str, options.folders))}; SOLERA_CORPORA says where real data is")
    return compare(texts, options.dolma_python or python_with_dolma(), options.show)


def compare(texts: list[str], dolma_python: str, show: int) -> int:
    seconds = dict.fromkeys(("dolma", "pii_dolma", "pii"), 0.0)
    counts: dict[str, Counter[str]] = {program: Counter() for program in seconds}
    unequal: list[tuple[str, Difference]] = []
    others: list[tuple[str, Difference]] = []
    agreed: Counter[str] = Counter()
    with subprocess.Popen([dolma_python, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, encoding="utf-8") as process:
        unicode_version = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        for tagger in (PII, PII_DOLMA):
            ours(tagger, ["warm up"])
        for chunk in chunks(texts):
            peer = ask(process, chunk, seconds)
            found_by = {tagger.name: timed(tagger, chunk, seconds) for tagger in (PII_DOLMA, PII)}
            for place, text in enumerate(chunk):
                for kind in KINDS.values():
                    theirs = peer[place][kind]
                    same, different = (found_by[name][place][kind] for name in ("pii_dolma", "pii"))
                    for program, found in zip(counts, (theirs, same, different), strict=True):
                        counts[program][kind] += len(found)
                    unequal += [("dolma", Difference(kind, text, *find)) for find in theirs if find not in same]
                    unequal += [("pii_dolma", Difference(kind, text, *find)) for find in same if find not in theirs]
                    apart = [("dolma", find) for find in theirs if not any(overlap(find, own) for own in different)]
                    apart += [("pii", find) for find in different if not any(overlap(find, own) for own in theirs)]
                    agreed[kind] += len(theirs) - sum(side == "dolma" for side, _ in apart)
                    others += [(side, Difference(kind, text, *find)) for side, find in apart]
                for kind in ("iban", "card"):
                    counts["pii"][kind] += len(found_by["pii"][place][kind])
        assert process.stdin is not None
        process.stdin.close()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB; Unicode {unicode_version} there, "
          f"{unicodedata.unidata_version} here")
    for program, took in seconds.items():
        found_counts = ", ".join(f"{count:,} {kind}" for kind, count in counts[program].items())
        print(f"{program:10} {took:8.2f} s {megabytes / took:8.1f} MB/s   {found_counts}")
    strange = report("pii_dolma", unequal, show, unicode_version)
    print("\npii: " + ", ".join(f"{count:,} {kind}" for kind, count in agreed.items()) + " of dolma's finds are ours")
    return 1 if strange + report_classes(others, show) else 0


def report(name: str, unequal: list[tuple[str, Difference]], show: int, unicode_version: str) -> int:
    """How many differences to the equal tagger only one program's Unicode version does not explain."""
    versions_differ = unicode_version != unicodedata.unidata_version
    explained = [each for each in unequal if versions_differ and not each[1].found.isascii()]
    strange = [each for each in unequal if each not in explained]
    print(f"\n{name}: {len(unequal)} differences, {len(explained)} by Unicode's version, {len(strange)} unexplained")
    for side, find in strange[: 10 * show]:
        print(f"    {side} alone, {find.kind}: {context(find)}")
    return len(strange)


def report_classes(others: list[tuple[str, Difference]], show: int) -> int:
    """How many finds of one program alone are of no class."""
    by_class: defaultdict[Class | None, list[tuple[str, Difference]]] = defaultdict(list)
    for side, find in others:
        fits = (each for each in CLASSES if (each.side, each.kind) == (side, find.kind) and each.holds(find))
        by_class[next(fits, None)].append((side, find))
    for each in CLASSES:
        if finds := by_class.get(each):
            print(f"{len(finds):6,} {each.kind:5} of {each.side:5} alone   {each.whose}: {each.why}")
            for _, find in finds[:: max(1, len(finds) // max(1, show))][:show]:
                print(f"           {context(find)}")
    strange = by_class.get(None, [])
    print(f"{len(strange):6,} unexplained")
    for side, find in strange[: 10 * show]:
        print(f"           {side} alone, {find.kind}: {context(find)}")
    return len(strange)


def context(find: Difference) -> str:
    return repr(find.text[max(0, find.start - 12) : find.start]) + f" >{find.found!r}< " + repr(
        find.text[find.end : find.end + 12])


def overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


Found = list[dict[str, list[tuple[int, int]]]]


def ask(process: subprocess.Popen[str], texts: list[str], seconds: dict[str, float]) -> Found:
    """What dolma finds, for each text by kind."""
    assert process.stdin is not None and process.stdout is not None
    for text in texts:
        process.stdin.write(json.dumps(text) + "\n")
    process.stdin.write("\n")
    process.stdin.flush()
    took, spans = json.loads(process.stdout.readline())
    seconds["dolma"] += took
    return [{kind: [(start, end) for name, start, end in each if KINDS[name] == kind] for kind in KINDS.values()}
            for each in spans]


def timed(tagger: Any, texts: list[str], seconds: dict[str, float]) -> Found:
    start = time.perf_counter()
    columns = ours(tagger, texts)
    seconds[tagger.name] += time.perf_counter() - start
    kinds = {name.partition(".")[2]: values.to_pylist() for name, values in columns.items()
             if pa.types.is_list(values.type)}
    return [{kind: [(span["start"], span["end"]) for span in values[place]] for kind, values in kinds.items()}
            for place in range(len(texts))]


def ours(tagger: Any, texts: list[str]) -> dict[str, pa.Array]:
    use = Use(tagger, tagger.parameters)
    return run([use], TextBatch.of_strings(texts))[use.key]


def chunks(texts: list[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if size > CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def texts_of(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.jsonl.zst")):
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for line in io.TextIOWrapper(stream, "utf-8"):
                yield json.loads(line)["text"]


def python_with_dolma() -> str:
    """The python of an environment in the cache folder, made with pip if it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "solera"
    folder = cache / f"dolma-{DOLMA}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making an environment with dolma {DOLMA} in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        # With its own pins of s3fs and boto3 pip looks for many minutes for versions that agree, so without them.
        for packages in (["--no-deps", f"dolma=={DOLMA}"], NEEDED):
            subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        (folder / "complete").touch()
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
