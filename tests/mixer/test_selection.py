"""The phases of a plan by themselves: what they refuse, what a row weighs, and sums that may be cut anywhere."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import case, recipe_text, write_sidecar
from plan_oracle import Doc

from mixer import selection, sidecars, storage
from mixer.errors import StorageError
from mixer.index import Index
from mixer.recipe import DedupMethod
from mixer.recipe_parser import parse

DOCS = {"web/0.jsonl": [Doc("crawl", f"{number}", "x" * number, {"words.count": number}) for number in range(6)],
        "web/1.jsonl": []}
RECIPE = recipe_text({"web": {}}, keep={"words.count": {"min": 2}, "sizes.bytes": {"max": 4}}, unit="docs", budget=2)


@pytest.fixture
def made(tmp_path):
    return case(tmp_path, RECIPE, DOCS)


@pytest.mark.parametrize(("unit", "expected"), [
    ("docs", [1, 1, 1, 1, 1, 1]), ("bytes", [0, 1, 3, 4, 5, 9]), ("tokens", [0, 1, 1, 1, 2, 3]),
])
def test_units_of_a_row(unit, expected):
    found = selection.units_of_bytes(unit, np.array([0, 1, 3, 4, 5, 9]))
    assert found.tolist() == expected
    assert found.dtype == np.int64
    assert selection.units_of_bytes(unit, np.zeros(0, np.int64)).shape == (0,)


def test_units_are_exact_far_beyond_floats():
    assert selection.units_of_bytes("tokens", np.array([2**60 + 1])).tolist() == [2**58 + 1]


def test_reasons_name_what_a_number_means(made):
    assert made.context(made.plan()[0]).reasons == ("kept", "words.count min 2", "sizes.bytes max 4", "not drawn")


@pytest.mark.parametrize(("parameters", "text"), [
    ({"normalise": []}, "dedup text@1"), ({"normalise": ["lower", "nfc"]}, "dedup text@1 normalise=[lower, nfc]"),
    ({"b": 2, "a": 0.5}, "dedup text@1 a=0.5 b=2"), ({}, "dedup text@1"),
])
def test_method_as_a_reason(parameters, text):
    assert selection.method_text(DedupMethod("text@1", parameters)) == text


@pytest.mark.parametrize(("prefer", "ranks"), [
    (["c", "a"], {"c": 0, "a": 1, "b": 2, "d": 3}), ([], {"b": 0, "a": 1, "d": 2, "c": 3}),
    (["d"], {"d": 0, "b": 1, "a": 2, "c": 3}),
])
def test_rank_is_by_preference_then_by_the_order_of_the_file(made, prefer, ranks):
    text = recipe_text({name: {} for name in "badc"}, prefer=prefer)
    context = dataclasses.replace(made.context(made.plan()[0]), recipe=parse(text, "recipe.yaml"))
    by_rank = sorted("abcd", key=context.ranking.index)
    assert by_rank == sorted(ranks, key=ranks.__getitem__)
    assert len({context.ranking.index(name) for name in "abcd"}) == 4


def test_what_was_selected_is_written_with_its_rows_digest(made):
    found, _ = made.plan()
    table, meta = sidecars.read(made.context(found).selection_uri(0))
    assert table.schema == selection.SELECTION_SCHEMA
    assert meta["rows_digest"] == made.indexes["rows@1"]["web/0.jsonl"].digest
    assert meta["digest"] == found.body["selections"][0]["digest"] == sidecars.digest(table)


# ---- sidecars that are not those of the lock


def test_rows_that_have_changed_are_refused(made):
    place = made.corpus.workspace
    storage.put(place.sidecar("rows@1", "web/0.jsonl"), storage.read(place.sidecar("rows@1", "web/1.jsonl")))
    with pytest.raises(StorageError, match=r"rows@1/web/0.jsonl.parquet: not the sidecar that the index names; "
                                           r"run `solera tag .*recipe.yaml --work .* --verify`$"):
        made.plan()


def test_values_that_are_not_those_of_the_lock_are_refused(made):
    """The same shard measured again with another result, by a run that did not live to write its index."""
    use = next(use for use in made.recipe.uses() if use.tagger.name == "words")
    values = {column.name: [9] * 6 if column.name == "words.count" else [None] * 6 for column in use.columns}
    write_sidecar(made.corpus, "web/0.jsonl", use, values, made.indexes["rows@1"])
    with pytest.raises(StorageError, match=r"words@2/web/0.jsonl.parquet: not the sidecar that the index names"):
        made.plan()


@pytest.mark.parametrize("rows_digest", ["other", "same"])
def test_values_of_other_rows_are_refused(made, rows_digest):
    """As many rows are no proof, and the right digest of rows is none for another number of them."""
    use = next(use for use in made.recipe.uses() if use.tagger.name == "words")
    size = 6 if rows_digest == "other" else 5
    of_rows = dict(made.indexes["rows@1"])
    if rows_digest == "other":
        of_rows["web/0.jsonl"] = dataclasses.replace(of_rows["web/0.jsonl"], digest="0" * 64)
    values = {column.name: [9] * size if column.name == "words.count" else [None] * size for column in use.columns}
    entry = write_sidecar(made.corpus, "web/0.jsonl", use, values, of_rows)
    made.indexes["words@2"] = made.indexes["words@2"].updated(Index.of([entry]))
    with pytest.raises(StorageError, match=r"words@2/web/0.jsonl.parquet: not aligned with the rows of its shard; "
                                           "run `solera tag .* --verify`$"):
        made.plan()


def test_broken_sidecar_is_named(made):
    uri = made.corpus.workspace.sidecar("words@2", "web/0.jsonl")
    storage.put(uri, storage.read(uri)[:-9])
    with pytest.raises(StorageError, match=r"words@2/web/0.jsonl.parquet: this sidecar cannot be read"):
        made.plan()


# ---- sums

KEYS = st.tuples(st.sampled_from("ab"), st.sampled_from(["read", "own"]), st.sampled_from(["", "r"]))
TALLIES = st.dictionaries(KEYS, st.lists(st.integers(0, 2**60), min_size=3, max_size=3))


@given(st.lists(TALLIES, max_size=4))
def test_tallies_add_up_and_their_parts_stay(parts):
    given = [{key: np.array(value) for key, value in part.items()} for part in parts]
    found = selection.merge_tallies(given)
    keys = {key for part in parts for key in part}
    assert {key: value.tolist() for key, value in found.items()} == \
        {key: [sum(part[key][at] for part in parts if key in part) for at in range(3)] for key in keys}
    assert [{key: value.tolist() for key, value in part.items()} for part in given] == parts


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.integers(0, 65535), st.integers(0, 99)))))
def test_histograms_add_up(parts):
    given = [{source: selection.Histogram(np.array(sorted(held), np.int64),
                                          np.array([held[bucket] for bucket in sorted(held)], np.int64))
              for source, held in part.items()} for part in parts]
    found = selection.merge_histograms(given)
    for source in {source for part in parts for source in part}:
        expected = np.zeros(1 << 16, np.int64)
        for part in parts:
            for bucket, units in part.get(source, {}).items():
                expected[bucket] += units
        assert (found[source] == expected).all()


# ---- keepers


def test_rows_equal_in_everything_keep_the_first_by_path_and_row(tmp_path):
    """The same record twice: nothing but its place is left to decide, and the place is in the lock."""
    same = Doc("crawl", "a", "same")
    docs = {"web/0.jsonl": [Doc("crawl", "b", "other")], "web/1.jsonl": [same, same], "web/2.jsonl": [same]}
    text = recipe_text({"web": {}}, dedup=[{"use": "text@1"}, {"use": "id@1"}])
    for bins in ([[0, 1, 2]], [[2], [1], [0]]):
        found = case(tmp_path, text, docs).plan(bins)[1]
        assert found.selection == {"web/0.jsonl": [(1, "kept")], "web/1.jsonl": [(1, "kept"), (0, "dedup text@1")],
                                   "web/2.jsonl": [(0, "dedup text@1")]}
        assert found.losers[0] == {("web/1.jsonl", 1): ("web/1.jsonl", 0), ("web/2.jsonl", 0): ("web/1.jsonl", 0)}


def test_no_candidates_are_no_losers(made):
    context = made.context(made.plan()[0])
    context = dataclasses.replace(context, sets=(made.sets[-1],))
    losers = selection.read_losers(context, 0, 0)
    assert losers.schema == selection.LOSER_SCHEMA
    assert losers.num_rows == 0


def test_memory_of_keepers_does_not_depend_on_the_names_of_sources(tmp_path):
    """A name for each candidate would take four bytes a character, twice."""
    peaks = []
    for name in ("web", "a_source_with_a_long_name_" * 8):
        docs = {f"{name}/0.jsonl": [Doc("crawl", f"{number}", f"{number // 2}") for number in range(400)]}
        made = case(tmp_path / name[:9], recipe_text({name: {}}, dedup=[{"use": "text@1"}]), docs)
        context = made.context(made.plan()[0])
        assert selection.judge(context).candidates == {0: 400}
        selection.resolve_in_memory(context, 0, [0])  # so that what is imported at first use does not count
        tracemalloc.start()
        selection.resolve_in_memory(context, 0, [0])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert selection.drop_losers(0, context).losses[name, "dedup text@1", name].tolist()[0] == 200
    assert peaks[1] < peaks[0] * 1.2
