"""Planning from what lies on disk: the same in a pool and in Spark, and what to run where something is not there."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
from pathlib import Path

import pytest
import zstandard
from plan_cases import TEXTS, VALUES, Case, case, found_set, opened, recipe_text, tagged
from plan_oracle import Doc, decide

from jobs import report
from jobs.engine import engine
from jobs.plan import current_indexes, current_sets, existing_plan, make_plan
from mixer import attributes, clusters, plan, storage
from mixer.errors import JobFailed, NotDone
from mixer.index import Index


@pytest.fixture
def idle(tmp_path):
    """An engine that has not started Spark."""
    with engine(None, {}, str(tmp_path / "spark.log"), quiet=True) as made:
        yield made


@pytest.fixture
def made(tmp_path) -> Case:
    choose = random.Random(11)
    docs = {f"{folder}/{number}.jsonl": [
        Doc(choose.choice("xy"), f"{folder}{number}:{row}", choose.choice([*TEXTS, f"{choose.randrange(60)} text"]),
            {name: choose.choice(each) for name, each in VALUES.items()}) for row in range(35)
    ] for folder, number in [("web", 0), ("web", 1), ("web", 2), ("wiki", 0), ("book", 0)]}
    recipe = recipe_text(
        {"web": {"weight": 0.4, "keep": {"document.slice": {"min": 200_000}, "sizes.bytes": {"top": 0.9}}},
         "odd": {"weight": 0.1, "shards": "web/*.jsonl", "keep": {"document.slice": {"max": 199_999}}},
         "wiki": {"weight": 0.3, "max_epochs": 1.5}, "book": {"weight": 0.2, "curve": {"column": "sizes.chars"}}},
        policy={"kind": "fixed"}, budget=900, unit="bytes", on_shortfall="redistribute", prefer=["book", "wiki"],
        dedup=[{"use": "text@1"}, {"use": "text@1", "normalise": ["lower", "punctuation"]}],
        keep={"words.count": {"min": 1}, "language.en": {"min": 0.65}})
    return case(tmp_path, recipe, docs)


def planned(made: Case, engine, where: str):
    """A plan made now, and every file of it but the one that has its time."""
    storage.remove_below(storage.join(made.corpus.workspace.folder, "plans"))
    found = make_plan(made.recipe, made.corpus, engine, where)
    files = {path: storage.read(storage.join(found.folder, path)) for path in storage.listing(found.folder)}
    return found, {**found.body, "seconds": 0}, {path: data for path, data in files.items() if path != "plan.json"}


def test_pool_and_spark_make_the_same_plan(spark, idle, made):
    pool, body, files = planned(made, idle, "pool")
    assert idle._spark is None  # it needs none
    assert made.outcome(pool) == decide(made.recipe, made.docs, made.owner)
    on_spark, other_body, other_files = planned(made, idle, "spark")
    assert idle._spark is not None
    assert (on_spark.folder, on_spark.lock, other_body) == (pool.folder, pool.lock, body)
    assert other_files == files
    assert sum(path.startswith("losers/") for path in files) > 2
    assert "selection/web/0.jsonl@odd.parquet" in files and body["counts"][0]["tops"][0]["dropped"]["docs"]
    assert body["counts"][3]["curve"]["buckets"][-1]["copies"]
    assert body["read"]["docs"] == 5 * 35 < sum(count["read"]["docs"] for count in body["counts"])


def test_keepers_past_the_cap_are_for_spark_wherever_the_plan_is_made(spark, idle, made, monkeypatch):
    _, body, files = planned(made, idle, "auto")
    monkeypatch.setattr(plan, "KEEPERS_CAP", 10)
    _, other_body, other_files = planned(made, idle, "auto")
    assert idle._spark is not None
    assert (other_body, other_files) == (body, files)


def test_processes_of_a_pool_make_the_same_plan(idle, made, monkeypatch):
    from jobs import engine as engines

    _, body, files = planned(made, idle, "pool")
    monkeypatch.setattr(engines, "INLINE_ROWS", 0)
    _, other_body, other_files = planned(made, idle, "pool")
    assert (other_body, other_files) == (body, files)


def test_process_that_is_killed_is_an_error_with_a_remedy(idle):
    with pytest.raises(JobFailed, match=r"^keep rules: a process was killed.*--where spark"):
        idle.in_pool(os._exit, [1, 1], "keep rules", rows=10**6)


def test_plan_says_what_could_not_be_read(made):
    """By source, as the lock has it; a break is warned about each time that the plan is shown."""
    entries = made.indexes["rows@1"]
    for path, bad, broken in [("web/0.jsonl", 1200, "truncated: mid-frame"), ("web/2.jsonl", 1, None),
                              ("wiki/0.jsonl", 0, "corrupt: no such window")]:
        info = {**entries[path].info, "bad": bad, "broken": broken}
        entries = entries.updated(Index.of([dataclasses.replace(entries[path], info=info)]))
    made.indexes["rows@1"] = entries
    found, _ = made.plan()
    assert [(count["source"], count["broken"], count["bad"]) for count in found.body["counts"]] == \
        [("web", 1, 1201), ("odd", 1, 1201), ("wiki", 1, 0), ("book", 0, 0)]
    said = report.plan_text(found, "recipe.yaml", 1.0)
    assert "records that could not be read, beside these: 1,201 in web, 1,201 in odd\n" in said
    assert "warning: web: 1 of 3 shards are used only up to where their stream breaks" in said
    assert "warning: wiki: 1 of 1 shards" in said and "warning: book: 1" not in said


# ---- what is not done


def check(made, text: str, command: str) -> None:
    recipe, corpus = made
    with pytest.raises(NotDone) as error:
        current_sets(recipe, corpus, current_indexes(recipe, corpus))
    assert re.search(text, str(error.value)), str(error.value)
    assert error.value.command == f"solera {command} {corpus.arguments}"
    assert str(error.value).endswith(f"run `{error.value.command}`")


def test_nothing_tagged_is_a_stage_to_run(tmp_path, made):
    storage.remove_below(made.corpus.workspace.folder)
    check((made.recipe, made.corpus), r"rows@1 is missing or out of date for 5 of 5 shards, book/0.jsonl among", "tag")


def test_column_that_was_not_measured_is_a_stage_to_run(tmp_path, made):
    text = json.loads(made.recipe.text)
    text["keep"]["lines.count"] = {"min": 1}
    check(opened(tmp_path, json.dumps(text).encode()), r"lines@2 is missing or out of date for 5 of 5", "tag")


def test_parameters_that_were_not_measured_are_a_stage_to_run(tmp_path, made):
    text = json.loads(made.recipe.text)
    text["keep"]["language.de"] = {"max": 0.5}
    check(opened(tmp_path, json.dumps(text).encode()), r"language@1-[0-9a-f]{12} is missing", "tag")


@pytest.mark.parametrize("change", ["time", "content", "new"])
def test_shard_that_has_changed_is_a_stage_to_run(tmp_path, made, change):
    shard = tmp_path / "corpus" / "web" / "1.jsonl"
    count, path = "1 of 5", "web/1.jsonl"
    if change == "time":
        os.utime(shard, (1, 1))
    elif change == "content":
        shard.write_bytes(shard.read_bytes() + b'{"id": "new", "source": "x", "text": ""}\n')
    else:
        (tmp_path / "corpus" / "web" / "9.jsonl").write_bytes(shard.read_bytes())
        count, path = "1 of 6", "web/9.jsonl"
    check(opened(tmp_path, made.recipe.text), rf"rows@1 is missing or out of date for {count} shards, {path}", "tag")


@pytest.mark.parametrize("key", ["rows@1", "words@2"])
def test_sidecar_that_has_gone_is_a_stage_to_run(made, key):
    storage.remove(made.corpus.workspace.sidecar(key, "wiki/0.jsonl"))
    check((made.recipe, made.corpus), rf"{key} is missing or out of date for 1 of 5 shards, wiki/0.jsonl", "tag")


def test_values_of_other_rows_are_a_stage_to_run(tmp_path, made):
    """Rows that were read anew, while what was measured is of the old ones."""
    from dataclasses import replace

    from mixer import index

    uri = made.corpus.workspace.index("words@2")
    entries = index.read(uri)
    other = replace(entries["wiki/0.jsonl"], rows_digest="0" * 64)
    index.write(uri, entries.updated(Index.of([other])))
    check((made.recipe, made.corpus), r"words@2 is missing or out of date for 1 of 5 shards, wiki/0.jsonl", "tag")


@pytest.mark.parametrize("gone", ["set", "member", "identities"])
def test_cluster_set_that_has_gone_is_a_stage_to_run(made, gone):
    place = made.corpus.workspace
    found = made.sets[-1] if gone == "identities" else made.sets[1]
    if gone == "member":
        storage.remove(clusters.member_uri(place, found.name, "wiki/0.jsonl"))
    else:
        storage.remove(storage.join(place.clusters(found.name), "set.json"))
    check((made.recipe, made.corpus), f"the cluster set {found.name} is not there, or not whole", "dedup")


def test_shards_of_hidden_names_are_planned(tmp_path, idle):
    """A recipe that spells out the dot means it."""
    same = Doc("x", "b", "the same")
    docs = {"web/.old/0.jsonl": [Doc("x", "a", "one"), same], "web/.1.jsonl": [Doc("y", "b", "the same")]}
    text = recipe_text({"web": {"shards": ["web/.old/*.jsonl", "web/.1.jsonl"]}}, dedup=[{"use": "text@1"}])
    made = case(tmp_path, text, docs)
    found = made.outcome(make_plan(made.recipe, made.corpus, idle, "pool"))
    assert found == decide(made.recipe, docs, made.owner)
    assert found.losses[0]["docs"] == 1


def test_plan_that_was_not_made_is_a_stage_to_run(idle, made):
    with pytest.raises(NotDone, match="has not been planned") as error:
        existing_plan(made.recipe, made.corpus)
    assert error.value.command == f"solera plan {made.corpus.arguments}"
    found = make_plan(made.recipe, made.corpus, idle, "pool")
    assert existing_plan(made.recipe, made.corpus) == (found, made.context(found))


def test_plan_says_what_to_run_before_it_starts(idle, made):
    storage.remove(made.corpus.workspace.sidecar("rows@1", "wiki/0.jsonl"))
    for where in ("auto", "pool", "spark"):
        with pytest.raises(NotDone, match="run `solera tag "):
            make_plan(made.recipe, made.corpus, idle, where)
    assert idle._spark is None


def test_touched_shard_that_is_tagged_again_has_the_same_plan(tmp_path, idle, made):
    """Time decides what is looked at again; it does not enter the lock."""
    first, body, files = planned(made, idle, "pool")
    for path in made.docs:
        os.utime(tmp_path / "corpus" / path, (1, 1))
    recipe, corpus = opened(tmp_path, made.recipe.text)
    indexes = tagged((recipe, corpus), made.docs)
    again = planned(Case(recipe, corpus, made.docs, indexes, made.sets), idle, "pool")
    assert (again[0].folder, again[0].lock, again[1], again[2]) == (first.folder, first.lock, body, files)


# ---- real text


def real_documents(corpora: Path) -> dict[str, list[Doc]]:
    """Of a web and a wiki shard."""
    paths = ["web/0000.jsonl.zst", "wiki/0000.jsonl.zst"]
    if not all((corpora / path).exists() for path in paths):
        pytest.skip("no web or wiki shards")
    docs = {}
    for path in paths:
        data = zstandard.ZstdDecompressor().stream_reader((corpora / path).read_bytes(), read_across_frames=True).read()
        records = map(json.loads, data.splitlines())
        docs[path] = [Doc(record["source"], record["id"], record["text"], {"sizes.chars": len(record["text"])})
                      for record in records]
    return docs


def test_shares_curves_and_hold_outs_of_real_shards_are_what_the_oracle_says(corpora, tmp_path, idle):
    docs = real_documents(corpora)
    recipe, corpus = opened(tmp_path, recipe_text(
        {"half": {"shards": "web/0000*", "keep": {"document.slice": {"max": 499_999}},
                  "curve": {"column": "sizes.chars", "buckets": 5, "discard": 0.2, "max_upsample": 3}},
         "other": {"shards": "web/0000*", "keep": {"document.slice": {"min": 500_000}, "sizes.chars": {"top": 0.3}}},
         "wiki": {"shards": "wiki/0000*", "min_weight": 0.2}},
        corpus=str(corpora), policy={"kind": "temperature", "tau": 3.33}, budget=3_000_000, on_shortfall="redistribute",
        dedup=[{"use": "text@1", "normalise": ["lower", "punctuation", "whitespace"]}],
        holdout={"validation": {"share": 0.1}}))
    indexes = tagged((recipe, corpus), docs)
    sets = [found_set(each, corpus, indexes[each.sidecar], docs) for each in clusters.relations(recipe)]
    real = Case(recipe, corpus, docs, indexes, sets)
    found = real.outcome(make_plan(recipe, corpus, idle, "pool"))
    assert found == decide(recipe, docs, real.owner)
    half, other, wiki = found.counts
    assert half["curve"]["discarded"]["docs"] and other["tops"][0]["dropped"]["docs"] and wiki["held_out"][0]["docs"]


def test_plan_of_real_shards_is_what_the_oracle_says(corpora, tmp_path, idle):
    docs = real_documents(corpora)
    recipe, corpus = opened(tmp_path, recipe_text(
        {"web": {"shards": "web/0000*", "weight": 0.7, "max_epochs": 2.45},
         "wiki": {"shards": "wiki/0000*", "weight": 0.3}},
        corpus=str(corpora), policy={"kind": "fixed"}, budget=6_000_000, on_shortfall="redistribute",
        dedup=[{"use": "text@1"}, {"use": "text@1", "normalise": ["lower", "punctuation", "whitespace"]}],
        keep={"sizes.chars": {"min": 500, "max": 100_000}}))
    indexes = tagged((recipe, corpus), docs)
    sets = [found_set(each, corpus, indexes[each.sidecar], docs) for each in clusters.relations(recipe)]
    real = Case(recipe, corpus, docs, indexes, sets)
    found = real.outcome(make_plan(recipe, corpus, idle, "pool"))
    assert found == decide(recipe, docs, real.owner)
    assert found.losses and all(count["rules"][0]["first"]["docs"] for count in found.counts)
    assert any(copies > 1 for rows in found.selection.values() for copies, _ in rows)
    assert attributes.key_of(recipe.uses()[0]) in indexes
