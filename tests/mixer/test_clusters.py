"""Cluster sets: their names follow from what decides them and nothing else, and what lies on disk is what they say."""

from __future__ import annotations

import dataclasses
import os

import pytest
from plan_cases import case, opened, recipe_text, tagged, write_shards
from plan_oracle import Doc

from mixer import clusters, storage
from mixer.errors import StorageError

DOCS = {"web/0.jsonl": [Doc("crawl", "a", "one"), Doc("crawl", "b", "two")],
        "wiki/0.jsonl": [Doc("wiki", "a", "One"), Doc("wiki", "b", "two")]}
BOTH = {"web": {}, "wiki": {}}


def names(folder, docs=DOCS, sources=BOTH, **fields) -> dict[str, str]:
    """Names by method, found anew: as they are for a corpus that was tagged just now."""
    recipe = recipe_text(sources, **{"dedup": [{"use": "text@1"}, {"use": "id@1"}], **fields})
    write_shards(folder, docs)
    made = opened(folder, recipe)
    indexes = tagged(made, docs)
    return {related.method.use: clusters.name_of(related, made[1], indexes[related.sidecar])
            for related in clusters.relations(made[0])}


def test_names_follow_from_method_parameters_and_content_alone(tmp_path):
    first = names(tmp_path)
    assert [name.partition("-")[0] for name in first.values()] == ["text@1", "id@1"]
    # Not from time, seed, policy, the order of methods and sources, what is kept, or a shard that no source names.
    os.utime(tmp_path / "corpus/web/0.jsonl", (1, 1))
    write_shards(tmp_path, {"other/0.jsonl": [Doc("crawl", "a", "one")]})
    assert first == names(tmp_path, sources={"wiki": {"weight": 0}, "web": {"weight": 1}}, policy={"kind": "fixed"},
                          budget=3, seed=99, keep={"sizes.bytes": {"min": 1}},
                          dedup=[{"use": "id@1"}, {"use": "text@1", "normalise": []}])
    # A source under another name reads the same shards.
    assert first == names(tmp_path, sources={"a": {"shards": "web/*.jsonl"}, "b": {"shards": "wiki/*.jsonl"}})
    # Nor from where the corpus lies.
    assert first == names(tmp_path / "elsewhere")


@pytest.mark.parametrize(("change", "changed"), [
    ({"dedup": [{"use": "text@1", "normalise": ["lower"]}, {"use": "id@1"}]}, {"text@1"}),
    ({"docs": {**DOCS, "web/0.jsonl": [Doc("crawl", "a", "one"), Doc("crawl", "b", "TWO")]}}, {"text@1", "id@1"}),
    ({"docs": {**DOCS, "web/0.jsonl": [Doc("crawl", "a", "one"), Doc("crawl", "c", "two")]}}, {"id@1"}),
    ({"docs": {**DOCS, "web/0.jsonl": DOCS["web/0.jsonl"][::-1]}}, {"text@1", "id@1"}),
    ({"docs": {**DOCS, "web/1.jsonl": []}}, {"text@1", "id@1"}),
    ({"sources": {"web": {}}}, {"text@1", "id@1"}),
    # Though no text is changed by it, and so no key.
    ({"dedup": [{"use": "text@1", "normalise": ["nfc"]}, {"use": "id@1"}]}, {"text@1"}),
    # Though the content is the same, under another path.
    ({"docs": {"web/9.jsonl": DOCS["web/0.jsonl"], "wiki/0.jsonl": DOCS["wiki/0.jsonl"]}}, {"text@1", "id@1"}),
])
def test_names_change_with_method_parameters_and_content(tmp_path, change, changed):
    first, second = names(tmp_path / "one"), names(tmp_path / "two", **change)
    assert {use for use in first if first[use] != second[use]} == changed


def test_order_of_normalisation_in_the_recipe_is_none(tmp_path):
    found = [names(tmp_path, dedup=[{"use": "text@1", "normalise": steps}])["text@1"]
             for steps in (["lower", "nfc"], ["nfc", "lower"], ["nfc"])]
    assert found[0] == found[1] != found[2]


def test_repeated_identities_are_looked_for_once(tmp_path):
    (tmp_path / "corpus").mkdir()
    write_shards(tmp_path, DOCS)
    for dedup, expected in [([], ["id@1"]), ([{"use": "text@1"}], ["text@1", "id@1"]),
                            ([{"use": "id@1"}, {"use": "text@1"}], ["id@1", "text@1"])]:
        recipe, _ = opened(tmp_path, recipe_text(BOTH, dedup=dedup))
        assert [related.method.use for related in clusters.relations(recipe)] == expected


def test_set_reads_back_as_it_was_put(tmp_path):
    made = case(tmp_path, recipe_text(BOTH, dedup=[{"use": "text@1", "normalise": ["lower"]}]), DOCS)
    found, place = made.sets[0], made.corpus.workspace
    assert clusters.read_set(place, found.name) == found
    assert clusters.read_set(place, "text@1-0000000000000000") is None
    assert (found.clusters, found.documents) == (2, 4)
    tables = [clusters.read_members(place, found, shard.path).to_pylist() for shard in made.corpus.shards]
    assert [[row["row"] for row in table] for table in tables] == [[0, 1], [0, 1]]
    assert tables[0][0]["cluster"] == tables[1][0]["cluster"] != tables[0][1]["cluster"]
    assert clusters.read_members(place, found, "web/9.jsonl").to_pylist() == []


@pytest.mark.parametrize("content", [
    b"{", b"[]", b'{"format": "solera-clusters@0"}', b'{"name": "x", "members": {}}',
])
def test_set_of_another_format_is_none(tmp_path, content):
    made = case(tmp_path, recipe_text(BOTH, dedup=[{"use": "text@1"}]), DOCS)
    place, name = made.corpus.workspace, made.sets[0].name
    storage.put(storage.join(place.clusters(name), "set.json"), content)
    assert clusters.read_set(place, name) is None


def test_digest_is_of_members_alone(tmp_path):
    made = case(tmp_path, recipe_text(BOTH, dedup=[{"use": "text@1"}]), DOCS)
    found = made.sets[0]
    assert dataclasses.replace(found, name="other", clusters=9).digest == found.digest
    other = {shard: {**member, "digest": "0" * 64} for shard, member in found.members.items()}
    assert dataclasses.replace(found, members=other).digest != found.digest
    moved = {f"{shard}.json": member for shard, member in found.members.items()}
    assert dataclasses.replace(found, members=moved).digest != found.digest


def test_member_file_that_has_gone_is_missed(tmp_path):
    made = case(tmp_path, recipe_text(BOTH, dedup=[{"use": "text@1"}]), DOCS)
    assert clusters.missing(made.corpus, made.sets) == []
    uri = clusters.member_uri(made.corpus.workspace, made.sets[0].name, "wiki/0.jsonl")
    kept = storage.read(uri)
    storage.remove(uri)
    assert clusters.missing(made.corpus, made.sets) == [made.sets[0].name]
    storage.put(uri, kept)
    assert clusters.missing(made.corpus, made.sets) == []


def test_member_file_that_is_another_is_an_error(tmp_path):
    made = case(tmp_path, recipe_text(BOTH, dedup=[{"use": "text@1", "normalise": ["lower"]}, {"use": "text@1"}]), DOCS)
    lower, plain = made.sets[:2]
    place = made.corpus.workspace
    storage.put(clusters.member_uri(place, lower.name, "web/0.jsonl"),
                storage.read(clusters.member_uri(place, plain.name, "web/0.jsonl")))
    with pytest.raises(StorageError, match=r"web/0.jsonl.parquet: not the file that its set names; remove it and run"):
        clusters.read_members(place, lower, "web/0.jsonl")
    with pytest.raises(StorageError, match="not the file that its set names"):
        made.plan()
