"""MinHash: what its reference and datasketch give, estimates without bias, and the odds that banding promises."""

from __future__ import annotations

import itertools
import math
import random
import time
import tracemalloc
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st
from reference_dedup import REFERENCES, shingles
from test_taggers_equal_reference import TEXTS, WILD, documents_of

from mixer.banding import candidate_odds
from taggers.characters import spaceless
from taggers.declared.dedup import MINHASH
from taggers.minhash import run, signatures
from taggers.shingles import CHUNK, are_similar, common, common_of_pairs, shingle_sets
from taggers.text import TextBatch

DEFAULTS = dict(MINHASH.parameters)
CHINESE = (
    "中华人民共和国位于亚洲东部，太平洋西岸，是工人阶级领导的、以工农联盟为基础的社会主义国家。"
    "首都北京，省级行政区划为二十三个省。"
)
THAI = "ประเทศไทยมีชื่ออย่างเป็นทางการว่าราชอาณาจักรไทยเป็นรัฐชาติอันตั้งอยู่ในภูมิภาคเอเชียตะวันออกเฉียงใต้"
PARAMETERS = st.fixed_dictionaries({
    "ngram": st.integers(1, 7), "bands": st.integers(1, 6), "rows": st.integers(1, 7),
    "seed": st.integers(-(1 << 63), (1 << 63) - 1), "shingles": st.sampled_from(("auto", "words", "chars")),
})


@WILD
@given(st.lists(TEXTS | st.text("一二三 aé", max_size=30), max_size=6), PARAMETERS)
def test_wild_texts_and_parameters(texts: list[str], parameters: dict[str, Any]) -> None:
    assert_equal_reference(texts, parameters)


@pytest.mark.parametrize("way", ["auto", "chars"])
def test_texts_of_several_chunks(way: str) -> None:
    words = [" ".join(map(str, range(count))) for count in (CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 5, 3 * CHUNK)]
    chars = ["".join(chr(0x4E00 + place % 9000) for place in range(count)) for count in (CHUNK, CHUNK + 9, 2 * CHUNK)]
    assert_equal_reference(words + chars, {**DEFAULTS, "bands": 2, "rows": 2, "shingles": way})


def test_a_shingle_may_be_longer_than_a_chunk_or_the_text() -> None:
    texts = ["日本" * 1500, "a b " * 900, "a b c", "日本語", " ", ""]
    assert_equal_reference(texts, {**DEFAULTS, "ngram": 1000, "bands": 2, "rows": 1})


def test_real_texts(corpora: Path) -> None:
    texts = [document["text"][:20_000] for folder in ("web", "wiki", "book")
             for document in itertools.islice(documents_of(corpora / folder), 0, None, 200)]
    assert_equal_reference(texts, {**DEFAULTS, "bands": 2, "rows": 3})


def test_signatures_have_the_minima_that_keys_are_of() -> None:
    texts = ["one two three four five six", "", CHINESE]
    minima, known = signatures(TextBatch.of_strings(texts), DEFAULTS)
    assert minima.shape == (3, 112)
    assert known.tolist() == [True, False, True]
    alone = signatures(TextBatch.of_strings(texts[:1]), {**DEFAULTS, "bands": 1, "rows": 3})[0]
    assert alone[0].tolist() == minima[0, :3].tolist()  # hash i is the same however many there are


@WILD
@given(st.lists(TEXTS, max_size=5))
def test_sets_of_shingles(texts: list[str]) -> None:
    first, hashes = shingle_sets(TextBatch.of_strings(texts), DEFAULTS)
    sets = [hashes[first[place] : first[place + 1]] for place in range(len(texts))]
    assert [each.tolist() for each in sets] == [sorted(shingles(text, DEFAULTS)) for text in texts]
    pairs = list(itertools.product(range(len(texts)), repeat=2))
    expected = [len(set(sets[left].tolist()) & set(sets[right].tolist())) for left, right in pairs]
    assert [common(sets[left], sets[right]) for left, right in pairs] == expected
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    assert common_of_pairs(first, hashes, left, right).tolist() == expected


@WILD
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40),
       st.fractions(0, 1) | st.sampled_from([Fraction(4, 5), Fraction(10**17 + 1, 10**18)]))
def test_a_threshold_is_compared_by_whole_numbers(shared: int, mine: int, other: int, threshold: Fraction) -> None:
    union = shared + mine + other
    expected = union > 0 and Fraction(shared, union) >= threshold
    sizes = np.array([shared + mine]), np.array([shared + other])
    assert are_similar(np.array([shared]), *sizes, threshold).tolist() == [expected]


def test_a_threshold_of_many_digits_meets_large_sets() -> None:
    size = np.array([10**9, 10**9])
    shared = np.array([8 * 10**9 // 9, 8 * 10**9 // 9 + 1])  # of a union of 10^9 * 10 / 9: just under 0.8, and over
    assert are_similar(shared, size, size, Fraction(4, 5)).tolist() == [False, True]
    assert are_similar(shared, size, size, Fraction("0.80000000000000000001")).tolist() == [False, True]


def test_datasketch_finds_the_same_pairs_from_the_same_signatures() -> None:
    texts = [text for place in range(40) for text in pair_of_texts(place, 60, place % 13)]
    parameters = {**DEFAULTS, "bands": 9, "rows": 4}
    batch = TextBatch.of_strings(texts)
    theirs = [MinHash(36, hashvalues=minima, scheme="affine32") for minima in signatures(batch, parameters)[0]]
    index = MinHashLSH(num_perm=36, params=(9, 4))
    for place, each in enumerate(theirs):
        index.insert(place, each)
    found = {(place, other) for place, each in enumerate(theirs) for other in index.query(each)}
    keys = [set(keys) for keys in run(batch, parameters)["minhash.bands"].to_pylist()]
    assert {(a, b) for a in range(80) for b in range(80) if keys[a] & keys[b]} == found
    assert 100 < len(found) < 1000


def test_estimates_are_as_good_as_those_of_datasketch_and_without_bias() -> None:
    texts = [text for place in range(150) for text in pair_of_texts(place, 120, place % 30)]
    batch = TextBatch.of_strings(texts)
    first, hashes = shingle_sets(batch, DEFAULTS)
    true = similarities(first, hashes)
    minima, _ = signatures(batch, {**DEFAULTS, "bands": 16, "rows": 16})
    ours = (minima[::2] == minima[1::2]).mean(axis=1)
    sketches = [MinHash(256, hashfunc=lambda value: int(value) & 0xFFFFFFFF) for _ in texts]
    for place, sketch in enumerate(sketches):
        sketch.update_batch(hashes[first[place] : first[place + 1]])
    theirs = np.array([one.jaccard(other) for one, other in zip(sketches[::2], sketches[1::2], strict=True)])
    expected = np.sqrt((true * (1 - true) / 256).mean())  # the error of 256 independent hashes
    for estimates in (ours, theirs):
        errors = estimates - true
        assert abs(errors.mean()) < 3 * errors.std() / math.sqrt(len(errors))
        assert 0.8 < np.sqrt((errors**2).mean()) / expected < 1.2


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (26, 11), (9, 4)])
def test_pairs_are_candidates_with_the_odds_of_the_banding(bands: int, rows: int) -> None:
    """benchmarks/dedup_quality.py does this with real documents, and more of them."""
    texts = [text for place in range(160) for text in pair_of_texts(place, 100, 1 + place % 16)]
    batch = TextBatch.of_strings(texts)
    true = similarities(*shingle_sets(batch, DEFAULTS))
    odds = np.array([candidate_odds(similarity, bands, rows) for similarity in true])
    seeds = [np.array(run(batch, {**DEFAULTS, "bands": bands, "rows": rows, "seed": seed})["minhash.bands"].to_pylist())
             for seed in range(40)]
    met = np.mean([(keys[::2] == keys[1::2]).any(axis=1) for keys in seeds], axis=0)
    for low in (0.2, 0.4, 0.6, 0.8):
        chosen = (true >= low) & (true < low + 0.2)
        residual = (met - odds)[chosen]  # one for each pair: what a pair's seeds have in common is in it once
        assert chosen.sum() > 15
        assert abs(residual.mean()) < 3 * residual.std() / math.sqrt(len(residual)) + 1e-4, low


def test_scripts_without_spaces_are_cut_by_code_points() -> None:
    for text in (CHINESE, THAI):
        assert similarity(text * 3 + text, text * 3 + text[:-20] + text[:20]) > 0.75
        assert similarity(text, text[: len(text) // 2]) > 0.3
        assert similarity(text, text[: len(text) // 2], shingles="words") == 0
    assert similarity(CHINESE, THAI) == 0
    spaced = "\n".join(CHINESE[place : place + 10] for place in range(0, len(CHINESE), 10))
    assert similarity(CHINESE, spaced) == 1  # where lines are broken says nothing


def test_auto_goes_by_more_than_half_of_the_code_points() -> None:
    half, more = "日本語x y z", "日本語文x y z"
    for text, alike in ((half, "words"), (more, "chars")):
        assert sets_of([text]) == sets_of([text], shingles=alike)
        assert sets_of([text]) != sets_of([text], shingles="chars" if alike == "words" else "words")
    spaced = [text * 3 for text in ("по русски есть пробелы ", "한국어에는 띄어쓰기가 있다 ", "शब्दों के बीच जगह ")]
    assert sets_of(spaced) == sets_of(spaced, shingles="words")


def test_scripts_without_spaces_are_all_there() -> None:
    names = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA LETTER", "KATAKANA LETTER", "THAI ",
             "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "YI SYLLABLE", "BOPOMOFO LETTER", "TANGUT ", "TAI ", "JAVANESE ",
             "BALINESE ", "HALFWIDTH KATAKANA LETTER", "NEW TAI LUE ")
    spaced = ("LATIN ", "GREEK ", "CYRILLIC ", "HANGUL SYLLABLE", "ARABIC ", "HEBREW ", "DEVANAGARI ", "ETHIOPIC ")
    for code in range(0x110000):
        name = unicodedata.name(chr(code), "")
        if name.startswith(names):
            assert spaceless()[code], name
        assert not (name.startswith(spaced) and spaceless()[code]), name
    assert not any(spaceless()[code] for code in range(0x110000) if chr(code).isspace())


@pytest.mark.parametrize(("text", "way"), [
    ("a" * 10_000_000, "auto"), ("a" * 10_000_000, "chars"), ("日" * 3_300_000, "auto"), ("a " * 5_000_000, "auto"),
], ids=["a word of 10 MB", "its code points", "10 MB of Han", "one word again and again"])
def test_hostile_texts_take_linear_time_and_no_memory(text: str, way: str) -> None:
    parameters = {**DEFAULTS, "shingles": way}
    small, batch = TextBatch.of_strings([text[: len(text) // 10]]), TextBatch.of_strings([text])
    for each in (small, batch):
        each.word_chars, each.chars  # noqa: B018 - shared by all taggers
        run(each, parameters)
    tracemalloc.start()
    seconds = []
    for each in (small, batch):
        start = time.perf_counter()
        run(each, parameters)
        seconds.append(time.perf_counter() - start)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert seconds[1] < 40 * seconds[0] + 0.2  # ten times the text


# ---- helpers


def assert_equal_reference(texts: Sequence[str], parameters: dict[str, Any]) -> None:
    given = {name: column.to_pylist() for name, column in run(TextBatch.of_strings(texts), parameters).items()}
    for place, text in enumerate(texts):
        expected = REFERENCES["minhash"](text, parameters)
        assert {name: values[place] for name, values in given.items()} == expected, (text[:200], parameters)


def pair_of_texts(seed: int, words: int, edits: int) -> tuple[str, str]:
    """A text of random words, and the same with so many of them replaced: each changes up to five shingles."""
    chance = random.Random(seed)
    text = [f"w{chance.randrange(5_000)}" for _ in range(words)]
    other = list(text)
    for place in chance.sample(range(words), edits):
        other[place] = f"x{chance.randrange(5_000)}"
    return " ".join(text), " ".join(other)


def similarities(first: Any, hashes: Any) -> Any:
    """The Jaccard similarity of texts 0 and 1, 2 and 3, and so on."""
    left = np.arange(0, len(first) - 1, 2)
    shared = common_of_pairs(first, hashes, left, left + 1)
    sizes = np.diff(first)
    return shared / (sizes[left] + sizes[left + 1] - shared)


def similarity(one: str, other: str, **parameters: Any) -> float:
    batch = TextBatch.of_strings([one, other])
    return float(similarities(*shingle_sets(batch, {**DEFAULTS, **parameters}))[0])


def sets_of(texts: list[str], **parameters: Any) -> list[list[int]]:
    first, hashes = shingle_sets(TextBatch.of_strings(texts), {**DEFAULTS, **parameters})
    return [hashes[first[place] : first[place + 1]].tolist() for place in range(len(texts))]
