"""Cluster sets by Spark are what a dict over the texts says, on any number of partitions, and are found once."""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict

import pyarrow as pa
import pytest
import zstandard
from plan_cases import NORMALISE, TEXTS, Case, case, opened, recipe_text, tagged, write_shards, write_sidecar
from plan_oracle import Doc

from jobs.dedup import dedup
from jobs.engine import engine
from mixer import clusters, rows, sidecars, storage
from mixer.errors import SoleraError
from mixer.index import Index


@pytest.fixture
def on_spark(spark, tmp_path):
    with engine(None, {}, str(tmp_path / "spark.log"), quiet=True) as made:
        yield made


def find(made: Case, on_spark):
    return dedup(made.recipe, made.corpus, made.indexes, on_spark)


def files(made: Case) -> dict[str, storage.Stat]:
    return storage.listing(storage.join(made.corpus.workspace.folder, "clusters"))


def many() -> dict[str, list[Doc]]:
    """Texts that are the same within and across shards and sources, also only once normalised, and identities too."""
    choose = random.Random(5)
    return {f"{'abc'[shard % 3]}/{shard}.jsonl": [
        Doc(choose.choice("xy"), str(choose.randrange(300)), choose.choice([*TEXTS, str(choose.randrange(80)) + " z"]))
        for _ in range(0 if shard == 4 else 40)
    ] for shard in range(9)}


METHODS = [{"use": "text@1"}, {"use": "id@1"}, {"use": "text@1", "normalise": NORMALISE}]


@pytest.mark.parametrize(("parts", "methods"), [(1, METHODS[:2]), (7, METHODS)])
def test_sets_are_those_of_a_dict(on_spark, tmp_path, monkeypatch, parts, methods):
    """Names, counts and the digest of every member file; so also equal for any number of parts."""
    made = case(tmp_path, recipe_text({"a": {}, "b": {}, "c": {}}, dedup=methods), many())
    storage.remove_below(storage.join(made.corpus.workspace.folder, "clusters"))
    monkeypatch.setattr("jobs.finding.part_count", lambda records, record_bytes, slots: parts)
    found = find(made, on_spark)
    assert {layer["parts"] for each in found.sets for layer in each.layers} == {parts}
    assert list(found.sets) == made.sets
    assert list(found.made) == [each.name for each in made.sets]
    assert len({each.clusters for each in made.sets}) == len(methods)
    assert [clusters.read_set(made.corpus.workspace, each.name) for each in made.sets] == made.sets
    assert clusters.missing(made.corpus, made.sets) == []
    for each in made.sets:  # whose digests are checked while they are read
        for shard, member in each.members.items():
            assert clusters.read_members(made.corpus.workspace, each, shard).num_rows == member["rows"]
        assert "b/4.jsonl" not in each.members


def test_corpus_without_copies_has_empty_sets(on_spark, tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", str(number), str(number)) for number in range(5)], "web/1.jsonl": []}
    made = case(tmp_path, recipe_text({"web": {}}, dedup=[{"use": "text@1"}]), docs)
    storage.remove_below(storage.join(made.corpus.workspace.folder, "clusters"))
    found = find(made, on_spark)
    assert [(each.clusters, each.documents, each.members) for each in found.sets] == [(0, 0, {})] * 2
    assert {path for path in files(made) if "/layer/" not in path} == {f"{each.name}/set.json" for each in found.sets}
    assert find(made, on_spark).made == ()


def test_null_keys_relate_to_nothing(on_spark, tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", str(number), "same") for number in range(4)],
            "web/1.jsonl": [Doc("crawl", str(number), "same") for number in range(4, 7)]}
    made = case(tmp_path, recipe_text({"web": {}}, dedup=[{"use": "text@1"}]), docs)
    key, = (key for key in made.indexes if key.startswith("text_hash"))
    use, = made.recipe.uses()
    one, other = b"k" * 16, b"K" * 16
    for shard, values in {"web/0.jsonl": [None, one, None, other], "web/1.jsonl": [one, None, None]}.items():
        entry = write_sidecar(made.corpus, shard, use, {"text_hash.key": values}, made.indexes[rows.KEY])
        made.indexes[key] = made.indexes[key].updated(Index.of([entry]))
    found = find(made, on_spark).sets[0]
    members = [clusters.read_members(made.corpus.workspace, found, shard).to_pylist() for shard in docs]
    assert members == [[{"row": 1, "cluster": one}], [{"row": 0, "cluster": one}]]
    assert (found.clusters, found.documents) == (1, 2)


def test_finished_sets_are_found_and_not_made_again(on_spark, tmp_path):
    made = case(tmp_path, recipe_text({"a": {}, "b": {}, "c": {}}, dedup=METHODS), many())
    before = files(made)
    with engine(None, {}, str(tmp_path / "none.log"), quiet=True) as unused:
        found = find(made, unused)
        assert unused._spark is None  # nor is Spark started to say so
    assert found.made == () and list(found.sets) == made.sets
    assert files(made) == before


def test_what_has_gone_is_made_again_and_nothing_else(on_spark, tmp_path):
    made = case(tmp_path, recipe_text({"a": {}, "b": {}, "c": {}}, dedup=METHODS), many())
    place = made.corpus.workspace
    before = files(made)
    for number, name in [(0, "c/2.jsonl.parquet"), (2, "set.json")]:
        storage.remove(storage.join(place.clusters(made.sets[number].name), name))
    found = find(made, on_spark)
    assert found.made == (made.sets[0].name, made.sets[2].name)
    assert list(found.sets) == made.sets
    after = {path: stat for path, stat in files(made).items() if "/layer/" not in path}
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] == before[path]} == \
        {path for path in after if path.startswith(made.sets[1].name)}


def test_another_shard_is_another_set_and_the_old_one_stays(on_spark, tmp_path):
    docs = {"web/0.jsonl": [Doc("crawl", "a", "same")], "web/1.jsonl": [Doc("crawl", "b", "other")]}
    recipe = recipe_text({"web": {}}, dedup=[{"use": "text@1"}])
    first = case(tmp_path, recipe, docs)
    before = files(first)
    more = {**docs, "web/2.jsonl": [Doc("crawl", "c", "same")]}
    for path, each in more.items():
        (tmp_path / "corpus" / path).write_text(
            "".join(json.dumps({"id": doc.id, "source": doc.source, "text": doc.text}) + "\n" for doc in each))
    recipe_and_corpus = opened(tmp_path, recipe)
    indexes = tagged(recipe_and_corpus, more)
    found = dedup(*recipe_and_corpus, indexes, on_spark)
    assert {each.name for each in found.sets}.isdisjoint(each.name for each in first.sets)
    assert list(found.sets[0].members) == ["web/0.jsonl", "web/2.jsonl"]
    assert {path: stat for path, stat in files(first).items() if path in before} == before


def test_keys_of_a_sidecar_that_the_index_does_not_name_make_no_set(on_spark, tmp_path):
    """As a run leaves it that was killed before it wrote its index, once the shard is what it was before."""
    docs = {"web/0.jsonl": [Doc("crawl", "1", "one"), Doc("crawl", "2", "one")]}
    made = case(tmp_path, recipe_text({"web": {}}, dedup=[{"use": "text@1"}]), docs)
    place = made.corpus.workspace
    storage.remove_below(storage.join(place.folder, "clusters"))
    uri = place.sidecar(clusters.relations(made.recipe)[0].sidecar, "web/0.jsonl")
    table, meta = sidecars.read(uri)
    sidecars.write(uri, table.take([1, 1]), {name: meta[name] for name in meta if name not in ("rows", "digest")})
    changed = sidecars.read(uri)[0]
    sidecars.write(uri, changed.set_column(0, changed.schema.field(0), pa.array([bytes(16)] * 2, pa.binary(16))), meta)
    with pytest.raises(SoleraError, match="not the sidecar that the index names"):
        find(made, on_spark)
    assert not [path for path in files(made) if path.startswith("text@1")]


def test_real_pages_are_the_same_where_their_sha256_is(on_spark, corpora, tmp_path):
    """The keys are xxh3-128 of the text: not one of two web shards collides, or is missed."""
    shards = ["web/0000.jsonl.zst", "web/0001.jsonl.zst"]
    if not all((corpora / shard).exists() for shard in shards):
        pytest.skip("no web shards")
    recipe_and_corpus = opened(tmp_path, recipe_text({"web": {"shards": shards}}, corpus=str(corpora),
                                                     dedup=[{"use": "text@1"}]))
    indexes = tagged(recipe_and_corpus, {})
    found = dedup(*recipe_and_corpus, indexes, on_spark).sets[0]
    same: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    for shard in shards:
        data = zstandard.ZstdDecompressor().stream_reader((corpora / shard).read_bytes(), read_across_frames=True)
        for row, line in enumerate(data.read().splitlines()):
            same[hashlib.sha256(json.loads(line)["text"].encode()).hexdigest()].add((shard, row))
    clustered: defaultdict[bytes, set[tuple[str, int]]] = defaultdict(set)
    for shard in shards:
        for member in clusters.read_members(recipe_and_corpus[1].workspace, found, shard).to_pylist():
            clustered[member["cluster"]].add((shard, member["row"]))
    expected = [places for places in same.values() if len(places) > 1]
    assert sorted(map(sorted, clustered.values())) == sorted(map(sorted, expected))
    assert len(expected) > 1
    assert any(len({shard for shard, _ in places}) == 2 for places in expected)


def test_columns_and_urls_relate_documents_by_equal_values(on_spark, tmp_path):
    """Numbers, texts, yes or no, and keys; what is missing is like nothing else."""
    choose = random.Random(3)
    values = {"words.count": [None, 0, 1, 2], "language.en": [None, 0.0, -0.0, 0.65],
              "language.top": [None, "", "en", "é"], "url.has_query": [None, True, False],
              "url_key.key": [None, b"k" * 16, b"K" * 16]}
    docs = {f"web/{shard}.jsonl": [
        Doc("crawl", f"{shard}-{row}", "text", {name: choose.choice(each) for name, each in values.items()})
        for row in range(9)
    ] for shard in range(3)}
    columns = [name for name in values if name != "url_key.key"]
    methods = [{"use": "column@1", "column": name} for name in columns] + [{"use": "url@1"}]
    recipe = recipe_text({"web": {}}, dedup=methods)
    write_shards(tmp_path, docs)
    recipe_and_corpus = opened(tmp_path, recipe)
    found = dedup(*recipe_and_corpus, tagged(recipe_and_corpus, docs), on_spark).sets
    for each, name in zip(found, [*columns, "url_key.key"], strict=False):
        expected = defaultdict(set)
        for shard, rows_of in docs.items():
            for row, doc in enumerate(rows_of):
                if doc.values[name] is not None:
                    expected[doc.values[name]].add((shard, row))
        got = defaultdict(set)
        for shard in docs:
            for member in clusters.read_members(recipe_and_corpus[1].workspace, each, shard).to_pylist():
                got[member["cluster"]].add((shard, member["row"]))
        assert sorted(map(sorted, got.values())) == sorted(map(sorted, expected.values())), name
        assert each.clusters == len(expected) > 1
