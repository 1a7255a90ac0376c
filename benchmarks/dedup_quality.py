"""How good MinHash is on real documents: labels under our shingles, the candidate curve, the bias of the estimate.

    python benchmarks/dedup_quality.py [--pairs 200] [--seeds 50] [--corpora DIR]

1. Labels of corpora/neardup, which were made of lower-cased words without punctuation, are computed anew of our
   shingles: pairs that cross 0.8 by that alone are counted, and what banding and verifying at 0.8 find of all pairs.
2. Real documents are changed in words here and there, or in one stretch, until so many pairs lie in each 0.05 of
   similarity from 0.2 to 0.95. How often a pair is a candidate, over many seeds, is held against 1-(1-s^r)^b at the
   pair's own similarity. What seeds say of one pair is not independent of it, so errors are over pairs.
3. The mean of estimate - similarity over the same pairs and seeds.
4. How alike different texts in Chinese and Thai are by how many code points a shingle has, beside English words.

The exit code is 1 if more than three of a curve's sixteen intervals lie beyond two standard errors, which by chance
one run in 200 has, or if the estimate is biased by more than three of its own.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

ROOT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout, without installing

from mixer.banding import candidate_odds  # noqa: E402
from taggers.declared.dedup import MINHASH  # noqa: E402
from taggers.minhash import band_keys, signatures  # noqa: E402
from taggers.shingles import are_by_chars, are_similar, common_of_pairs, shingle_sets  # noqa: E402
from taggers.text import TextBatch  # noqa: E402

DEFAULT = os.environ.get("SOLERA_CORPORA", str(ROOT.parent / "shared" / "corpora"))
PARAMETERS = dict(MINHASH.parameters)
BANDINGS = ((14, 8), (26, 11), (20, 13))
CENTRES = tuple(step / 20 for step in range(4, 20))  # 0.2 to 0.95
THRESHOLD = Fraction(4, 5)


def main() -> int:
    options = _options()
    corpora = Path(options.corpora)
    if not corpora.is_dir():
        print(f"no real data in {corpora}; SOLERA_CORPORA says where it is", file=sys.stderr)
        return 2
    report_labels(corpora / "neardup")
    texts = changed_pairs(corpora, options.pairs)
    fine = report_curves(texts, options.seeds)
    fine = report_bias(texts, options.seeds) and fine
    report_code_points(corpora)
    return 0 if fine else 1


# ---- 1. labels


def report_labels(folder: Path) -> None:
    documents = list(documents_of(folder / "versions_docs.jsonl.zst"))
    place = {document["id"]: number for number, document in enumerate(documents)}
    batch = TextBatch.of_strings([document["text"] for document in documents])
    labels = {}
    with open(folder / "versions_pairs.tsv", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            pair = sorted((place[row["id1"]], place[row["id2"]]))
            labels[pair[0], pair[1]] = float(row["jaccard_word5"]) >= 0.8
    print(f"neardup/versions: {len(documents)} documents, {len(labels)} labelled pairs, {sum(labels.values())} at 0.8 "
          "or more by words in lower case without punctuation")
    left, right = np.triu_indices(len(documents), 1)
    for way in ("words", "auto"):
        first, hashes = shingle_sets(batch, {**PARAMETERS, "shingles": way})
        sizes = np.diff(first)
        shared = common_of_pairs(first, hashes, left, right)
        similar = are_similar(shared, sizes[left], sizes[right], THRESHOLD)
        true = set(zip(left[similar].tolist(), right[similar].tolist(), strict=True))
        near = {pair for pair, is_near in labels.items() if is_near}
        print(f"  shingles: {way}: {len(true)} at 0.8 or more; {len(near - true)} labelled so fall below, "
              f"{len(true - near)} others rise above ({len(true - labels.keys())} of them have no label)")
    similarity = shared / np.maximum(sizes[left] + sizes[right] - shared, 1)
    for bands, rows in BANDINGS:
        keys, _ = band_keys(batch, {**PARAMETERS, "bands": bands, "rows": rows})
        met = np.zeros(len(left), bool)
        for band in range(bands):
            met |= keys[left, band] == keys[right, band]
        verified = set(zip(left[met & similar].tolist(), right[met & similar].tolist(), strict=True))
        exact = {pair for pair in zip(left[met].tolist(), right[met].tolist(), strict=True)
                 if _exact(batch, *pair) >= THRESHOLD}
        expected = sum(candidate_odds(each, bands, rows) for each in similarity[similar])
        print(f"  {bands} x {rows}: {met.sum():,} candidates, {len(verified):,} of {len(true):,} pairs found "
              f"({expected:.1f} expected); of those whose shingles as text say so, precision "
              f"{len(verified & exact) / len(verified):.4f}, recall {len(verified & exact) / len(exact):.4f}")


def _exact(batch: TextBatch, one: int, other: int) -> Fraction:
    """The Jaccard similarity of two texts' shingles as text, without any hash."""
    sets = []
    for number in (one, other):
        units: Sequence[str] = batch.string(number).split()
        size = 5
        if bool(are_by_chars(batch, PARAMETERS)[number]):
            units, size = "".join(units), 10
        sets.append({tuple(units[place : place + size]) for place in range(max(len(units) - size + 1, 1))})
    return Fraction(len(sets[0] & sets[1]), len(sets[0] | sets[1]))


# ---- 2. and 3. changed documents


def changed_pairs(corpora: Path, pairs: int) -> list[str]:
    """Texts of which each two in a row are a pair; so many for each centre, and some more."""
    sources = [document["text"] for folder in ("web", "wiki") for path in sorted((corpora / folder).glob("*.zst"))
               for document in documents_of(path)]
    sources = [text for text in sources if 100 <= len(text.split()) <= 1500]
    chance = np.random.default_rng(20261122)
    chosen = chance.permutation(len(sources))
    found: list[str] = []
    for number in range(len(CENTRES) * (pairs + pairs // 10)):
        words = sources[chosen[number % len(chosen)]].split()
        target = CENTRES[number % len(CENTRES)] + chance.uniform(-0.025, 0.025)
        others = sources[chance.integers(len(sources))].split()
        found += [" ".join(words), " ".join(changed(words, others, target, chance))]
    return found


def changed(words: list[str], others: list[str], target: float, chance: Any) -> list[str]:
    """The words with so many of them replaced by others that about this similarity is left."""
    lost = len(words) * (1 - target) / (1 + target)  # shingles of each of the two that the other has not
    result = list(words)
    if chance.random() < 0.5:
        size = min(max(round(lost) - 4, 1), len(words))
        start = chance.integers(len(words) - size + 1)
        result[start : start + size] = [others[place % len(others)] for place in range(size)]
        return result
    edits = 0
    order = chance.permutation(len(words))
    gone = np.zeros(len(words) + 4, bool)  # shingles, by the word that they end with
    while gone.sum() < lost and edits < len(words):
        place = order[edits]
        result[place] = others[edits % len(others)] + "~"
        gone[place : place + 5] = True
        edits += 1
    return result


def report_curves(texts: Sequence[str], seeds: int) -> bool:
    batch = TextBatch.of_strings(texts)
    true = similarities(batch)
    fine = True
    for bands, rows in BANDINGS:
        parameters = {**PARAMETERS, "bands": bands, "rows": rows}
        met = np.zeros(len(true))
        for seed in range(1, seeds + 1):
            keys, _ = band_keys(batch, {**parameters, "seed": seed})
            met += (keys[::2] == keys[1::2]).any(axis=1)
        met /= seeds
        odds = np.array([candidate_odds(similarity, bands, rows) for similarity in true])
        print(f"\n{bands} bands of {rows} rows, {seeds} seeds: how often pairs are candidates")
        print(f"{'similarity':>12} {'pairs':>6} {'measured':>9} {'expected':>9} {'error':>8} {'errors off':>10}")
        beyond = 0
        square = 0.0
        for centre in CENTRES:
            chosen = np.abs(true - centre) <= 0.025
            residual = (met - odds)[chosen]
            # Where hardly any pair is ever met, or missed, what was measured says too little of its own error.
            least = math.sqrt((odds * (1 - odds))[chosen].sum() / seeds) / chosen.sum()
            error = max(residual.std(ddof=1) / math.sqrt(chosen.sum()), least)
            off = residual.mean() / error
            beyond += abs(off) > 2
            square += off * off
            print(f"{centre:>12.2f} {chosen.sum():>6} {met[chosen].mean():>9.4f} {odds[chosen].mean():>9.4f} "
                  f"{error:>8.4f} {off:>10.2f}")
        all_off = (met - odds).mean() / ((met - odds).std(ddof=1) / math.sqrt(len(true)))
        print(f"  {beyond} of {len(CENTRES)} beyond two standard errors (0.7 by chance); sum of squares {square:.1f} "
              f"for {len(CENTRES)}; over all pairs {all_off:.2f} errors off")
        fine = fine and beyond <= 3
    return fine


def report_bias(texts: Sequence[str], seeds: int) -> bool:
    batch = TextBatch.of_strings(texts)
    true = similarities(batch)
    total = np.zeros(len(true))
    squares = 0.0
    for seed in range(1, seeds + 1):
        minima, _ = signatures(batch, {**PARAMETERS, "seed": seed})
        estimate = (minima[::2] == minima[1::2]).mean(axis=1)
        total += estimate - true
        squares += float(((estimate - true) ** 2).sum())
    mean = total / seeds
    bias, error = mean.mean(), mean.std(ddof=1) / math.sqrt(len(mean))
    rms, expected = math.sqrt(squares / seeds / len(true)), math.sqrt((true * (1 - true)).mean() / minima.shape[1])
    print(f"\nestimate of {minima.shape[1]} hashes, {len(true):,} pairs x {seeds} seeds: bias {bias:+.6f}, standard "
          f"error {error:.6f}; root mean square error {rms:.5f}, that of independent hashes {expected:.5f}")
    return bool(abs(bias) < 3 * error)


# ---- 4. code points


def report_code_points(corpora: Path) -> None:
    """How alike the shingles of different articles are, which they should not be."""
    by_language: dict[str, list[str]] = {"zh": [], "th": [], "en": []}
    for path in sorted((corpora / "wiki").glob("*.zst")):
        for document in documents_of(path):
            language = (document.get("metadata") or {}).get("lang")
            if language in by_language and len(document["text"]) > 500 and len(by_language[language]) < 400:
                by_language[language].append(document["text"][:4000])
    print("\ndifferent articles: mean similarity, and the share of their shingles that another of 400 has too")
    for language, ways in (("en", [("words", 5)]), ("zh", [("chars", n) for n in (2, 3, 4, 5, 7)]),
                           ("th", [("chars", n) for n in (2, 3, 4, 5, 7)])):
        for way, ngram in ways:
            first, hashes = shingle_sets(TextBatch.of_strings(by_language[language]),
                                         {**PARAMETERS, "shingles": way, "ngram": ngram})
            left, right = np.triu_indices(len(first) - 1, 1)
            shared = common_of_pairs(first, hashes, left, right)
            sizes = np.diff(first)
            similarity = shared / (sizes[left] + sizes[right] - shared)
            _, counts = np.unique(hashes, return_counts=True)
            size = f"{ngram} words" if way == "words" else f"{2 * ngram} code points"
            print(f"  {language} {size:>15}: {len(sizes)} articles, {similarity.mean():.6f}, "
                  f"{counts[counts > 1].sum() / len(hashes):.4f}; pairs at 0.5 or more {(similarity >= 0.5).sum()}")


# ---- helpers


def similarities(batch: TextBatch) -> Any:
    """The Jaccard similarity of texts 0 and 1, 2 and 3, and so on."""
    first, hashes = shingle_sets(batch, PARAMETERS)
    left = np.arange(0, len(batch), 2)
    shared = common_of_pairs(first, hashes, left, left + 1)
    sizes = np.diff(first)
    return shared / (sizes[left] + sizes[left + 1] - shared)


def documents_of(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        for line in io.TextIOWrapper(stream, "utf-8", newline="\n"):
            yield json.loads(line)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--corpora", default=DEFAULT)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
