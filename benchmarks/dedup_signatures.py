"""How fast signatures are beside datatrove's, on the same real documents, and why the pairs that both find differ.

    python benchmarks/dedup_signatures.py [--rounds 5] [--every 20] [--venvs DIR] [--datatrove-python P] [--corpora DIR]

Speed: each round times ours on all web pages and on each N-th of them, and datatrove's MinhashDedupSignature on each
N-th, in turn; medians count, of seconds of the processor, since one core is all that either uses and others may want
it. Of datatrove only get_shingles and get_signature are timed, neither
its pipeline nor its files; of ours the tagger with its words and hashes of texts, from Arrow to Arrow.

Pairs: candidates among the documents of corpora/neardup, with 14 bands of 8 rows and 5-grams on both sides. Between
datatrove's and ours lie three steps: words by whitespace in place of its tokenizer; text as it is written; our hashes.
And ours has a shingle for a text of fewer than five words, and code points where there are no spaces. A pair that only
one side has is put to the first step that brings it to the other's verdict. Where the two shingle sets are equally
alike before and after that step, chance decided it, as banding does of a pair with odds between 0 and 1.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout, without installing

from benchmarks.dedup_quality import documents_of  # noqa: E402
from benchmarks.peers import _python as python_of  # noqa: E402
from mixer.banding import candidate_odds  # noqa: E402
from taggers.declared.dedup import MINHASH  # noqa: E402
from taggers.minhash import band_keys, run  # noqa: E402
from taggers.shingles import shingle_sets  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

DEFAULT = os.environ.get("SOLERA_CORPORA", str(ROOT.parent / "shared" / "corpora"))
WORKER = Path(__file__).with_name("dedup_worker.py")
PARAMETERS = dict(MINHASH.parameters)
STEPS = {
    "own": "datatrove as it is",
    "whitespace": "words by whitespace in place of its tokenizer",
    "plain": "text as written: neither lower case, nor punctuation, accents and numbers evened out",
    "words": "our hashes",
    "auto": "code points where there are no spaces",
}

Pairs = set[tuple[int, int]]


class Peer:
    """datatrove, in a process of its own that answers one question at a time."""

    def __init__(self, python: str, texts: Sequence[str], folder: Path) -> None:
        path = folder / "texts.jsonl"
        path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        self._process = subprocess.Popen([python, str(WORKER), str(path)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, **question: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit("datatrove's process has ended; run it by itself to see why")
        return json.loads(answer)

    def close(self) -> None:
        self._process.communicate()


def main() -> int:
    options = _options()
    corpora = Path(options.corpora)
    if not corpora.is_dir():
        print(f"no real data in {corpora}; SOLERA_CORPORA says where it is", file=sys.stderr)
        return 2
    python = options.datatrove_python or python_of(options.venvs, "datatrove")
    with tempfile.TemporaryDirectory() as folder:
        report_speed(corpora, python, Path(folder), options.rounds, options.every)
        report_pairs(corpora, python, Path(folder))
    return 0


# ---- speed


def report_speed(corpora: Path, python: str, folder: Path, rounds: int, every: int) -> None:
    texts = [document["text"] for path in sorted((corpora / "web").glob("*.zst")) for document in documents_of(path)]
    whole, some = (TextBatch.of_strings(chosen) for chosen in (texts, texts[::every]))
    peer = Peer(python, texts, folder)
    tasks = {"all": whole, "some": some}
    times: dict[str, list[float]] = {name: [] for name in (*tasks, "words", "peer")}
    for batch in tasks.values():
        run(TextBatch(batch.data, batch.offsets), PARAMETERS)  # compiles
    about = peer.ask(do="about")
    for _ in range(rounds):
        for name, batch in tasks.items():
            fresh = TextBatch(batch.data, batch.offsets)
            start = time.process_time()
            run(fresh, PARAMETERS)
            times[name].append(time.process_time() - start)
        fresh = TextBatch(whole.data, whole.offsets)
        start = time.process_time()
        fresh.words  # noqa: B018
        times["words"].append(time.process_time() - start)
        times["peer"].append(peer.ask(do="time", every=every))
    peer.close()
    median = {name: statistics.median(seconds) for name, seconds in times.items()}
    size, part = len(whole.data) / 1e6, len(some.data) / 1e6
    ratios = sorted(theirs / ours for theirs, ours in zip(times["peer"], times["some"], strict=True))
    print(f"{len(texts):,} web pages, {size:.1f} MB; each {every}-th: {len(some):,}, {part:.2f} MB; {rounds} rounds, "
          f"medians; {about}")
    print(f"  ours, all pages: {size / median['all']:.1f} MB/s, of which words alone {size / median['words']:.1f} MB/s")
    print(f"  ours, each {every}-th: {part / median['some']:.1f} MB/s")
    print(f"  datatrove, each {every}-th: {part / median['peer']:.3f} MB/s")
    print(f"  {median['peer'] / median['some']:.0f} times as fast on the same pages (rounds from {ratios[0]:.0f} to "
          f"{ratios[-1]:.0f})")


# ---- pairs


def report_pairs(corpora: Path, python: str, folder: Path) -> None:
    texts = [document["text"] for name in ("versions_docs", "minhash_articles_1000_docs")
             for document in documents_of(corpora / "neardup" / f"{name}.jsonl.zst")]
    texts += [text for text in ("one two three", "a shorter text") for _ in range(2)]
    pairs: dict[str, Pairs] = {}
    sets: dict[str, list[set[int]]] = {}
    peer = Peer(python, texts, folder)
    for variant in ("own", "whitespace", "plain"):
        buckets, shingles = peer.ask(do="sign", variant=variant)
        pairs[variant] = _pairs([[] if each is None else [(band, *minima) for band, minima in enumerate(each)]
                                 for each in buckets])
        sets[variant] = [set(each) for each in shingles]
    peer.close()
    batch = TextBatch.of_strings(texts)
    for way in ("words", "auto"):
        parameters = {**PARAMETERS, "shingles": way}
        keys, known = band_keys(batch, parameters)
        pairs[way] = _pairs([each.tolist() if there else [] for each, there in zip(keys, known, strict=True)])
        first, hashes = shingle_sets(batch, parameters)
        sets[way] = [set(hashes[first[place] : first[place + 1]].tolist()) for place in range(len(texts))]
    print(f"\n{len(texts):,} documents of neardup, 14 bands of 8 rows: " +
          ", ".join(f"{name} {len(found):,}" for name, found in pairs.items()) + " candidate pairs")
    one, other = pairs["own"], pairs["auto"]
    print(f"  both {len(one & other):,}, datatrove alone {len(one - other):,}, ours alone {len(other - one):,}")
    for name, found in pairs.items():
        union = set().union(*pairs.values())
        odds = [candidate_odds(_jaccard(sets[name], pair), 14, 8) for pair in union]
        print(f"  {name:>10}: {len(found):,} found, {sum(odds):.1f} expected of {len(union):,} by their similarity")
    same = [pair for pair in set().union(*pairs.values()) if len(texts[pair[0]].split()) >= 5 <= len(
        texts[pair[1]].split())]
    assert all(_jaccard(sets["plain"], pair) == _jaccard(sets["words"], pair) for pair in same)
    for title, found in (("datatrove alone", one - other), ("ours alone", other - one)):
        causes: Counter[str] = Counter()
        moved: dict[str, list[float]] = defaultdict(list)
        for pair in found:
            before, after = _step(pairs, pair)
            change = _jaccard(sets[after], pair) - _jaccard(sets[before], pair)
            few = min(len(texts[place].split()) for place in pair) < 5
            cause = "a text of fewer than five words has a shingle here, and none there" if few else STEPS[after]
            causes[cause + (", by chance alone" if change == 0 else "")] += 1
            moved[cause + (", by chance alone" if change == 0 else "")].append(change)
        for cause, count in causes.most_common():
            print(f"  {title}: {count:4} {cause}; similarity moved by {np.mean(moved[cause]):+.3f} on the average")


def _step(pairs: dict[str, Pairs], pair: tuple[int, int]) -> tuple[str, str]:
    """The variants before and after the step from which on it is as it is with ours."""
    names = list(STEPS)
    verdicts = [pair in pairs[name] for name in names]
    last = max(place for place in range(len(names) - 1) if verdicts[place] != verdicts[-1])
    return names[last], names[last + 1]


def _pairs(keys: Sequence[Sequence[Any]]) -> Pairs:
    """The pairs of documents with a key in common."""
    holders: dict[Any, list[int]] = defaultdict(list)
    for place, each in enumerate(keys):
        for key in each:
            holders[key].append(place)
    return {(one, other) for held in holders.values() for place, one in enumerate(held) for other in held[place + 1 :]}


def _jaccard(sets: Sequence[set[int]], pair: tuple[int, int]) -> float:
    one, other = (sets[place] for place in pair)
    return len(one & other) / max(len(one | other), 1)


def _options() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--every", type=int, default=20, help="which pages datatrove signs (20: each 20th)")
    parser.add_argument("--venvs", type=Path, default=cache / "solera" / "peers")
    parser.add_argument("--datatrove-python", help="a Python that has datatrove 0.10 and spaCy")
    parser.add_argument("--corpora", default=DEFAULT)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
