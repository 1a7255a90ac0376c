"""Clusters of near-duplicates are what a loop over all texts says, however they lie in shards, and however they grew."""

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
from plan_cases import opened, recipe_text, tagged, write_shards
from plan_oracle import Doc

from jobs import components, verify
from jobs.candidates import Buckets, buckets_of, lost, pairs_of, skipped
from jobs.dedup import dedup
from jobs.engine import engine
from mixer import clusters, storage
from mixer.clusters import ClusterSet
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


def found(folder: Path, shards: Shards, on_spark, **parameters: Any) -> tuple[ClusterSet, dict[int, set[Any]]]:
    """The set, and its members by cluster, as the job finds them in a work folder below this one."""
    named = {path: [Doc(each.source, f"{path}:{row}", each.text, each.values) for row, each in enumerate(docs)]
             for path, docs in shards.items()}
    write_shards(folder, named)
    recipe = recipe_text({"web": {}}, dedup=[{"use": "minhash@1", **PARAMETERS, **parameters}])
    recipe_and_corpus = opened(folder, recipe)
    sets = dedup(*recipe_and_corpus, tagged(recipe_and_corpus, named), on_spark).sets
    place = recipe_and_corpus[1].workspace
    members = defaultdict(set)
    for shard in sets[0].members:
        for member in clusters.read_members(place, sets[0], shard).to_pylist():
            assert member["cluster"][:8] == bytes(8)
            members[int.from_bytes(member["cluster"])].add((shard, member["row"]))
    assert not storage.listing(storage.join(place.clusters(sets[0].name), "layer", "rounds"))
    return sets[0], dict(members)


# ---- the oracle


def expected(shards: Shards, verify: float | None = None, max_bucket: int = 64, representatives: int = 8
             ) -> dict[int, set[Any]]:
    """Members by cluster, from a loop over buckets, pairs and neighbours."""
    where, bands, texts = defaultdict(set), defaultdict(set), {}
    for path, docs in shards.items():
        for row, each in enumerate(docs):
            if each.values["minhash.bands"] is not None:
                name = name_of(each.text)
                where[name].add((path, row))
                texts[name] = each.text
                for band in each.values["minhash.bands"]:
                    bands[band].add(name)
    near = defaultdict(set)
    for bucket in bands.values():
        ordered = sorted(bucket)
        for place, (one, other) in itertools.product(enumerate(ordered), ordered):
            is_compared = verify is None or len(bucket) <= max_bucket or place < representatives
            if is_compared and (verify is None or jaccard(texts[one], texts[other]) >= Fraction(repr(verify))):
                near[one].add(other)
                near[other].add(one)
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


def as_texts(shards: Shards, members: Mapping[int, set[Any]]) -> dict[int, list[str]]:
    """Clusters by what is in them, wherever that lies."""
    return {label: sorted(shards[path][row].text for path, row in places) for label, places in members.items()}


@pytest.mark.parametrize("parameters", [{}, {"verify": 0.8}, {"verify": 0.3, "max_bucket": 4, "representatives": 2}])
def test_clusters_are_those_of_a_loop(on_spark, tmp_path, parameters):
    shards = many(1)
    cluster_set, members = found(tmp_path, shards, on_spark, **parameters)
    assert members == expected(shards, **parameters)
    assert (cluster_set.clusters, cluster_set.documents) == (len(members), sum(map(len, members.values())))
    assert cluster_set.about["largest_cluster"] == max(map(len, members.values()))
    assert cluster_set.about["components"] == "in memory"
