"""Clusters of near-duplicates are what a loop over all texts says, in whatever shards they lie, and however they grew.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_rdd import LocalEngine
from plan_cases import opened, recipe_text, tagged, write_shards
from plan_oracle import Doc

from jobs import components, verify
from jobs.candidates import VERDICTS, Buckets, buckets_of, lost, pairs_of, skipped
from jobs.dedup import find_set
from jobs.engine import Engine, engine
from jobs.finding import Finding, finding_of
from jobs.tagging import Order, Settings, tag_shard
from mixer import attributes, clusters, layers, rows, storage
from mixer.clusters import ClusterSet
from mixer.errors import SoleraError
from mixer.index import Index
from taggers.shingles import shingle_sets
from taggers.text import TextBatch

NGRAM = 2
PARAMETERS = {"ngram": NGRAM, "bands": 2, "rows": 1}
Shards = Mapping[str, Sequence[Doc]]


@pytest.fixture
def on_spark(spark, tmp_path):
    with engine(None, {}, str(tmp_path / "spark.log"), quiet=True) as made:
        yield made


def name_of(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())


def doc(text: str, bands: Iterable[int] | None, id: str = "") -> Doc:
    """A document with these bands; None for one that is like no other."""
    signed = int(np.uint64(name_of(text)).astype(np.int64))
    return Doc("x", id, text, {"minhash.bands": None if bands is None else list(bands), "minhash.text": signed})


def finding_in(folder: Path, shards: Shards, **parameters: Any) -> Finding:
    """What is to be found in a corpus below this folder, which is written there, with a base if there is one."""
    named = {path: [Doc(each.source, f"{path}:{row}", each.text, each.values) for row, each in enumerate(docs)]
             for path, docs in shards.items()}
    write_shards(folder, named)
    recipe, corpus = opened(folder, recipe_text({"web": {}}, dedup=[{"use": "minhash@1", **PARAMETERS, **parameters}]))
    indexes = tagged((recipe, corpus), named)
    related = clusters.relations(recipe)[0]
    entries = indexes[related.sidecar]
    return finding_of(related, clusters.name_of(related, corpus, entries), corpus, entries, indexes[rows.KEY], 1)


def found(
    folder: Path, shards: Shards, engine: Engine | LocalEngine, **parameters: Any
) -> tuple[ClusterSet, dict[int, set[Any]]]:
    """The set, and its members by cluster, as the job finds them in a work folder below this one."""
    finding = finding_in(folder, shards, **parameters)
    cluster_set = find_set(finding, engine)
    members = defaultdict(set)
    for shard in cluster_set.members:
        for member in clusters.read_members(finding.workspace, cluster_set, shard).to_pylist():
            assert member["cluster"][:8] == bytes(8)
            members[int.from_bytes(member["cluster"])].add((shard, member["row"]))
    assert not storage.listing(storage.join(finding.layer, "rounds"))
    return cluster_set, dict(members)


def same(one: Mapping[int, set[Any]], other: Mapping[int, set[Any]]) -> None:
    """Says only what differs: pytest takes minutes to compare large dicts."""
    differs = {label: (one.get(label), other.get(label)) for label in one.keys() | other.keys()
               if one.get(label) != other.get(label)}
    assert differs == {}


# ---- the oracle


def candidates(shards: Shards, verify: float | None = None, max_bucket: int = 64, representatives: int = 8
               ) -> set[tuple[str, str]]:
    """The pairs of texts that are compared, from a loop over buckets."""
    buckets = defaultdict(set)
    for each in itertools.chain(*shards.values()):
        for band in each.values["minhash.bands"] or []:
            buckets[band].add(each.text)
    found = set()
    for bucket in buckets.values():
        for (place, one), (_, other) in itertools.combinations(enumerate(sorted(bucket, key=name_of)), 2):
            if verify is None or len(bucket) <= max_bucket or place < representatives:
                found.add((one, other))
    return found


def expected(shards: Shards, verify: float | None = None, **limits: int) -> dict[int, set[Any]]:
    """Members by cluster, from a walk along the candidates that are similar."""
    where = defaultdict(set)
    for path, docs in shards.items():
        for row, each in enumerate(docs):
            if each.values["minhash.bands"] is not None:
                where[name_of(each.text)].add((path, row))
    near = defaultdict(set)
    for one, other in candidates(shards, verify, **limits):
        if verify is None or jaccard(one, other) >= Fraction(repr(verify)):
            near[name_of(one)].add(name_of(other))
            near[name_of(other)].add(name_of(one))
    result: dict[int, set[Any]] = {}
    seen: set[int] = set()
    for name in sorted(where):
        todo, together = [name], set()
        while todo:
            each = todo.pop()
            if each not in seen:
                seen.add(each)
                together |= where[each]
                todo += near[each]
        if len(together) > 1:
            result[name] = together
    return result


@functools.cache
def shingles(text: str) -> frozenset[int]:
    first, hashes = shingle_sets(TextBatch.of_strings([text]), {"ngram": NGRAM, "shingles": "auto"})
    assert first.tolist() == [0, len(hashes)]
    return frozenset(hashes.tolist())


def jaccard(one: str, other: str) -> Fraction:
    a, b = shingles(one), shingles(other)
    return Fraction(len(a & b), len(a | b))


# ---- corpora


def many(seed: int, shards: int = 6, docs: int = 60) -> dict[str, list[Doc]]:
    """Versions of a few texts, some equal, in buckets of all sizes; a text always has the same bands."""
    choose = random.Random(seed)
    bands: dict[str, list[int] | None] = {}

    def text() -> str:
        base = choose.randrange(40)
        words = [f"w{base}x{place}" for place in range(12)]
        for _ in range(choose.choice([0, 0, 1, 1, 2, 6])):
            words[choose.randrange(12)] = f"n{choose.randrange(5)}"
        made = " ".join(words) if base else ""
        if made not in bands:
            rare = choose.random() < 0.5
            bands[made] = None if not made else [base * 4 + choose.randrange(2 + rare), 1000 + choose.randrange(200)]
        return made

    return {f"web/{shard}.jsonl": [doc(each := text(), bands[each]) for _ in range(docs if shard != 3 else 0)]
            for shard in range(shards)}


def sharded(docs: Sequence[Doc], shards: int) -> dict[str, list[Doc]]:
    return {f"web/{shard}.jsonl": list(docs[shard::shards]) for shard in range(shards)}


@pytest.mark.parametrize(("parameters", "shards", "memory"), [
    ({}, 3, 10_000),
    ({"verify": 0.3, "max_bucket": 4, "representatives": 2}, 7, 10),
])
def test_clusters_are_those_of_a_loop(on_spark, tmp_path, monkeypatch, parameters, shards, memory):
    """On Spark; with components in memory, and by stars."""
    corpus = shuffled(many(1), shards)
    monkeypatch.setattr(components, "MEMORY_EDGES", memory)
    cluster_set, members = found(tmp_path, corpus, on_spark, **parameters)
    check(corpus, cluster_set, members, **parameters)
    assert cluster_set.about["components"].endswith("memory" if memory > 10 else "rounds")


def check(corpus: Shards, cluster_set: ClusterSet, members: Mapping[int, set[Any]], **parameters: Any) -> None:
    """The members are those of a loop, and the set says the right numbers of them."""
    same(members, expected(corpus, **parameters))
    about = cluster_set.about
    assert (cluster_set.clusters, cluster_set.documents) == (len(members), sum(map(len, members.values())))
    assert about["largest_cluster"] == max(map(len, members.values()), default=0)
    if "verify" in parameters:
        compared = candidates(corpus, **parameters)
        assert about["candidate_pairs"] == len(compared)
        assert about["verified_pairs"] == sum(jaccard(*pair) >= Fraction(repr(parameters["verify"]))
                                              for pair in compared)


def shuffled(corpus: Shards, shards: int) -> dict[str, list[Doc]]:
    docs = [each for docs in corpus.values() for each in docs]
    random.Random(shards).shuffle(docs)
    return sharded(docs, shards)


WAYS = st.one_of(st.just({}), st.fixed_dictionaries({
    "verify": st.sampled_from([0.1, 0.3, 0.6, 0.8]), "max_bucket": st.sampled_from([2, 4, 8, 64]),
    "representatives": st.sampled_from([1, 2, 8])}))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 6), st.sampled_from([10, 10_000]), WAYS, st.data())
def test_growth_shards_order_and_parts_change_no_cluster(
    tmp_path_factory, monkeypatch, seed, shards, parts, memory, parameters, data
):
    """In one step or more, the set is the one that is found at once, and all of what it says of its work."""
    corpus = shuffled(many(seed, 3, 50), shards)
    steps = [data.draw(st.integers(0, 3)) for _ in corpus]
    monkeypatch.setattr(components, "MEMORY_EDGES", memory)
    monkeypatch.setattr("jobs.exchange.part_count", lambda *_: parts)
    folder = tmp_path_factory.mktemp("grown")
    made = []
    for step in sorted(set(steps)):
        so_far = {path: docs for (path, docs), since in zip(corpus.items(), steps, strict=True) if since <= step}
        made.append(found(folder, so_far, LocalEngine(), **parameters))
        check(so_far, *made[-1], **parameters)
        assert len(made[-1][0].layers) == len(made)
    whole, members = found(tmp_path_factory.mktemp("whole"), corpus, LocalEngine(), **parameters)
    grown, grown_members = made[-1]
    same(grown_members, members)
    assert (grown.digest, grown.clusters, grown.documents) == (whole.digest, whole.clusters, whole.documents)
    about = {name: value for name, value in grown.about.items() if name != "found"}
    assert {**about, "components": ""} == {**whole.about, "components": ""}


def test_what_a_crawl_does_not_touch_is_not_written_again(on_spark, tmp_path):
    """It joins two clusters, repeats a text and adds one that is like none; all else stays where it is."""
    words = [" ".join(f"{letter}{place}" for place in range(9)) for letter in "abcdefgh"]
    old = {"web/1.jsonl": [doc(words[0], [1]), doc(words[1], [1])],
           "web/3.jsonl": [doc(words[2], [2]), doc(words[3], [2])],
           "web/4.jsonl": [doc(words[4], [3]), doc(words[5], [3]), doc("", None)], "web/6.jsonl": [doc(words[6], [4])]}
    new = {"web/0.jsonl": [doc(words[7], [5]), doc("", None)], "web/5.jsonl": [doc("both " + words[0], [1, 2])],
           "web/7.jsonl": [doc(words[6], [4])]}
    first, _ = found(tmp_path, old, on_spark)
    whole = {**old, **new}
    second, members = found(tmp_path, whole, on_spark)
    same(members, expected(whole))
    assert first.clusters == 3 and second.clusters == 3
    assert second.about["found"] == f"from {first.name}"
    joined = ("web/1.jsonl", "web/3.jsonl", "web/5.jsonl")
    least = {shard: min(name_of(each.text) for each in whole[shard]) for shard in joined}
    kept = {shard for shard, member in second.members.items() if member.get("set") == first.name}
    assert kept == {"web/4.jsonl", *(shard for shard in joined[:2] if least[shard] == min(least.values()))}
    assert set(second.members) == whole.keys() - {"web/0.jsonl"}


def test_what_was_compared_once_may_not_be_any_more(tmp_path):
    """A bucket has grown past max_bucket: two texts of it are in no cluster any more, and nothing says they ever were.
    """
    base = [f"w{place}" for place in range(20)]
    near = sorted((" ".join([*base, f"t{number}"]) for number in range(3)), key=name_of)[1:]
    others = [text for number in range(200)
              if name_of(text := " ".join(f"o{number}x{place}" for place in range(9))) < name_of(near[0])]
    old = {**many(3, 2), "web/7.jsonl": [doc(near[0], [1 << 40]), doc(near[1], [1 << 40])]}
    new = {**many(3), **old, "web/6.jsonl": [doc(others[0], [1 << 40]), doc(others[1], [1 << 40])]}
    parameters: dict[str, Any] = {"verify": 0.8, "max_bucket": 3, "representatives": 1}
    first, _ = found(tmp_path, old, LocalEngine(), **parameters)
    made, members = found(tmp_path, new, LocalEngine(), **parameters)
    same(members, expected(new, **parameters))
    assert first.members["web/7.jsonl"]["rows"] == 2 and "web/7.jsonl" not in made.members
    assert "with all pairs made anew" in made.about["found"]
    assert made.about["candidate_pairs"] == len(candidates(new, **parameters))


def test_a_text_that_is_not_the_one_that_was_tagged_is_not_read(tmp_path):
    shards = {"web/0.jsonl": [doc("a b c", [1]), Doc("x", "1", "other", doc("a b d", [1]).values), doc("a b c", [1])]}
    finding = finding_in(tmp_path, shards, verify=0.1)
    (names, texts), = verify.read_texts(finding, 0, np.array([name_of("a b c")], np.uint64))
    assert (names.tolist(), texts) == ([name_of("a b c")], ["a b c"])
    with pytest.raises(SoleraError, match=r"0\.jsonl: row 1 is not the text that was tagged"):
        list(verify.read_texts(finding, 0, np.sort(np.array([name_of("a b c"), name_of("a b d")], np.uint64))))


# ---- a part's buckets


def records(buckets: Iterable[Iterable[int]]) -> Any:
    from jobs.candidates import BANDS

    return np.array([(key, name) for key, names in enumerate(buckets) for name in names], BANDS)


def pairs(buckets: Buckets, most: int, representatives: int) -> list[tuple[int, int]]:
    return sorted((int(buckets.name[one]), int(buckets.name[other]))
                  for left, right in pairs_of(buckets, most, representatives)
                  for one, other in zip(left, right, strict=True))


def test_pairs_of_buckets():
    buckets = buckets_of(records([[3, 1, 2], [9], [5, 6, 5], [], [4, 3, 2, 1]]), 0)
    assert pairs(buckets, 3, 1) == sorted([(1, 2), (1, 3), (2, 3), (5, 6), (1, 2), (1, 3), (1, 4)])
    assert pairs(buckets, 4, 1) == sorted([(1, 2), (1, 3), (2, 3), (5, 6), *itertools.combinations([1, 2, 3, 4], 2)])
    assert skipped(buckets.sizes, 3, 1) == 3
    assert skipped(buckets.sizes, 3, 2) == 1
    assert skipped(buckets.sizes, 3, 8) == 0
    assert pairs(buckets, 3, 8) == pairs(buckets, 4, 1)


def test_buckets_that_have_lost_pairs():
    def count(old: Sequence[int], new: Sequence[int]) -> int:
        return lost(buckets_of(records([[*old, *new]]), len(old)), 3, 2)

    assert count([1, 2], [3]) == 0  # still small
    assert count([1, 2, 3], [4]) == 1  # 2 and 3 were compared
    assert count([4], [1, 2, 3]) == 0  # nothing was
    assert count([1, 2, 3, 4], [5]) == 0  # the same representatives
    assert count([1, 2, 3, 5], [4, 3]) == 0
    assert count([2, 3, 4, 5], [1]) == 1


def test_a_bucket_of_200_000_texts_melts_no_task():
    names = np.random.default_rng(1).permutation(200_000)
    buckets = buckets_of(records([names]), 0)
    at_a_time = [len(left) for left, _ in pairs_of(buckets, 64, 8)]
    assert sum(at_a_time) == sum(200_000 - 1 - place for place in range(8))
    assert max(at_a_time) < 200_000
    assert skipped(buckets.sizes, 64, 8) == 200_000 * 199_999 // 2 - sum(at_a_time)


def test_blocks_hold_no_more_than_they_may():
    choose = np.random.default_rng(2)
    for _ in range(200):
        component = np.sort(choose.integers(0, choose.integers(1, 30), choose.integers(0, 60)))
        sizes = choose.integers(1, 40, len(component))
        blocks = verify.blocks_of(component, sizes, 100)
        assert set(blocks) == set(range(len(set(blocks))))
        for block in set(blocks):
            inside = blocks == block
            assert sizes[inside].sum() < 200
        for each in set(component):
            inside = component == each
            together = set(blocks[inside])
            assert len(together) == 1 or sizes[inside].sum() > 100
            if len(together) > 1:
                assert not set(component[np.isin(blocks, list(together))]) - {each}
                assert all(sizes[blocks == block].sum() < 140 for block in together)


# ---- real texts


def test_verified_pairs_are_all_similar_candidates_and_no_others(corpora, tmp_path):
    """Precision and recall are 1 among what banding compares, by sets of Python tuples of five words."""
    shards = [f"neardup/{name}_docs.jsonl.zst" for name in ("versions", "minhash_articles_1000")]
    if not all((corpora / shard).exists() for shard in shards):
        pytest.skip("no near-duplicates")
    method = {"use": "minhash@1", "preset": "26x11", "shingles": "words", "verify": 0.8, "max_bucket": 1000}
    recipe, corpus = opened(tmp_path, recipe_text({"web": {"shards": shards}}, corpus=str(corpora), dedup=[method]))
    related, place = clusters.relations(recipe)[0], corpus.workspace
    uses = {attributes.key_of(use): use for use in recipe.uses()}
    done = [tag_shard(Settings(place, uses), Order(each.path, each.stat.bytes, frozenset(uses)))
            for each in corpus.shards]
    entries, of_rows = (Index.of([each.entries[key] for each in done]) for key in (related.sidecar, rows.KEY))
    finding = finding_of(related, clusters.name_of(related, corpus, entries), corpus, entries, of_rows, 1)
    made = find_set(finding, LocalEngine())
    sets, buckets = {}, defaultdict(set)
    for number, shard in enumerate(finding.shards):
        texts = [each.text for batch in place.reader(shard) for each in batch.documents]
        for text, bands in zip(texts, finding.read(number, ["minhash.bands"]).column(0).to_pylist(), strict=True):
            words = text.split()
            if words:
                sets[name_of(text)] = {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}
            for band in bands or []:
                buckets[band].add(name_of(text))
    pairs = {pair for bucket in buckets.values() for pair in itertools.combinations(sorted(bucket), 2)}
    said = {(one, other): same for part in range(made.layers[0]["parts"]) for one, other, same in
            layers.read([verify.own_layer(finding, 1)], part, VERDICTS, "pairs").tolist()}
    assert said == {(one, other): 5 * len(sets[one] & sets[other]) >= 4 * len(sets[one] | sets[other])
                    for one, other in pairs}
    assert len(pairs) > 200 and 100 < sum(said.values()) < len(said)
    assert (made.about["candidate_pairs"], made.about["verified_pairs"]) == (len(said), sum(said.values()))
