"""The lock: all that a plan used, and nothing that depends on when or where it was made."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_cases import case, opened, recipe_text
from plan_oracle import Doc

from mixer import attributes, lock, sidecars
from mixer.errors import BadInput

DOCS = {
    "web/0.jsonl": [Doc("crawl", "a", "one", {"language.en": 0.5}), Doc("crawl", "b", "two", {"language.en": None})],
    "web/deep/1.jsonl": [Doc("crawl", "c", "one")],
    "wiki/0.jsonl": [],
    "wiki/é.jsonl": [Doc("wiki", "a", "two words")],
}
RECIPE = recipe_text({"web": {"shards": "web/**/*.jsonl"}, "wiki": {}}, dedup=[{"use": "text@1"}],
                     keep={"language.en": {"min": 0.1}, "sizes.bytes": {"min": 1}})


def made(folder):
    found = case(folder, RECIPE, DOCS)
    return found, lock.make(found.recipe, found.corpus, found.indexes, found.sets)


def test_every_shard_of_every_glob_is_there_with_its_digests(tmp_path):
    found, locked = made(tmp_path)
    assert [shard["path"] for shard in locked["shards"]] == sorted(DOCS)
    keys = {"rows@1", *map(attributes.key_of, found.recipe.uses())}
    assert len(keys) == 4
    for shard in locked["shards"]:
        stored = (tmp_path / "corpus" / shard["path"]).read_bytes()
        assert shard["sha256"] == hashlib.sha256(stored).hexdigest()
        assert shard["bytes"] == len(stored)
        assert shard["rows"] == len(DOCS[shard["path"]])
        assert shard["sources"] == shard["path"].split("/")[:1]
        assert shard["sidecars"].keys() == keys
        for key, digest in shard["sidecars"].items():
            table, _ = sidecars.read(found.corpus.workspace.sidecar(key, shard["path"]))
            assert digest == sidecars.digest(table)


def test_cluster_sets_and_taggers_are_there(tmp_path):
    found, locked = made(tmp_path)
    assert [(each["method"], each["digest"]) for each in locked["clusters"]] == \
        [("text@1", found.sets[0].digest), ("id@1", found.sets[1].digest)]
    assert [each["documents"] for each in locked["clusters"]] == [2, 0]
    language = next(value for key, value in locked["taggers"].items() if key.startswith("language@1"))
    assert language["parameters"]["languages"] == ["en"]
    assert len(language["model_sha256"]) == 64
    assert locked["recipe"]["sha256"] == hashlib.sha256(RECIPE).hexdigest()


def test_lock_does_not_know_times_or_places(tmp_path):
    here, locked = made(tmp_path / "here")
    for path in DOCS:
        os.utime(tmp_path / "here" / "corpus" / path, (1, 1))
    assert lock.encode(lock.make(here.recipe, opened(tmp_path / "here", RECIPE)[1], here.indexes, here.sets)) == \
        lock.encode(locked)
    _, elsewhere = made(tmp_path / "elsewhere")
    assert lock.encode(elsewhere) == lock.encode(locked)
    assert str(tmp_path) not in lock.encode(locked).decode()


def test_lock_has_a_line_for_each_shard(tmp_path):
    _, locked = made(tmp_path)
    lines = lock.encode(locked).decode().splitlines()
    assert [line.partition('"path":"')[2].partition('"')[0] for line in lines if line[:2] == '{"'] == sorted(DOCS)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters(exclude_categories=["Cs"]))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab\n}é", max_size=3), inner)))


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["recipe", "taggers", "clusters", "z", "a"]), VALUES),
       st.lists(st.dictionaries(st.sampled_from(["path", "sha256", "rows"]), VALUES), max_size=3))
def test_encoded_lock_decodes_to_the_same(head, shards):
    locked = {**head, "format": lock.FORMAT, "shards": shards}
    text = lock.encode(locked)
    assert lock.decode(text, "recipe.lock") == locked
    assert lock.encode(lock.decode(text, "recipe.lock")) == text
    assert lock.encode({key: locked[key] for key in reversed(locked)}) == text


@pytest.mark.parametrize(("text", "why"), [
    (b"", "not a lock"), (b"{", "not a lock"), (b"\xff\xfe\x00", "not a lock"), (b"[" * 100_000, "not a lock"),
    (b"[]", "expected solera-lock@2"), (b"{}", "expected solera-lock@2"), (b'"solera-lock@2"', "expected solera-lock"),
    (b'{"format": "solera-lock@0", "shards": []}', "expected solera-lock@2"),
    (b'{"format": "solera-lock@2"}', "no shards"), (b'{"format": "solera-lock@2", "shards": {}}', "no shards"),
    (b'{"format": "solera-lock@2", "shards": ["web/0.jsonl"]}', "no shards"),
])
def test_what_is_no_lock_is_an_error_that_names_the_file(text, why):
    with pytest.raises(BadInput, match=rf"^there/recipe.lock: .*{why}"):
        lock.decode(text, "there/recipe.lock")


def test_digest_is_of_the_text():
    assert lock.digest(b"abc") == hashlib.sha256(b"abc").hexdigest()
