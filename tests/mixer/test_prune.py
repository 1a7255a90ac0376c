"""Prune never takes what a lock names or the recipe uses, and leaves a folder that every command can go on with."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_cases import Case, case, recipe_text
from plan_oracle import Doc

from jobs.cli import main
from jobs.plan import current_indexes, current_sets, existing_plan
from mixer import clusters, index, layers, prune, rows, storage
from mixer.clusters import ClusterSet
from mixer.errors import BadInput, StorageError

DOCS = {f"{folder}/{number}.jsonl": [Doc("x", f"{folder}{number}", "one"), Doc("x", f"{folder}{number}b", "One")]
        for folder in "ab" for number in range(2)}
LOWER = [{"use": "text@1", "normalise": ["lower"]}]
LATER = 1e12  # a time when nothing can be somebody's work any more


def made(folder: Path, **fields: object) -> Case:
    """A corpus with sidecars and sets for this recipe."""
    return case(folder, recipe_text({"a": {}, "b": {}}, **fields), DOCS)


def planned(folder: Path, **fields: object) -> Case:
    found = made(folder, **fields)
    found.plan()
    return found


def files(found: Case) -> dict[str, storage.Stat]:
    return storage.listing(found.corpus.workspace.folder, hidden=True)


def survey(found: Case, *locks: str, now: float = LATER) -> prune.Pruning:
    return prune.survey(found.recipe, found.corpus, locks, now)


def check_whole(found: Case) -> None:
    """All that the recipe needs is there and current, and so is its plan."""
    indexes = current_indexes(found.recipe, found.corpus)
    assert [each.name for each in current_sets(found.recipe, found.corpus, indexes)] == \
        [each.name for each in found.sets]
    existing_plan(found.recipe, found.corpus)


def test_what_a_plan_was_made_of_stays(tmp_path):
    found = planned(tmp_path, dedup=LOWER)
    assert survey(found).waste == () and survey(found).indexes == {}
    before = files(found)
    prune.remove(found.corpus.workspace, survey(found))
    assert files(found) == before
    check_whole(found)


def test_a_lock_of_the_format_before_is_read(tmp_path):
    found = planned(tmp_path, dedup=LOWER, keep={"language.en": {"min": 0}})
    (path,) = Path(found.corpus.workspace.folder, "plans").glob("*/recipe.lock")
    path.write_text(path.read_text().replace("solera-lock@2", "solera-lock@1"))
    assert survey(made(tmp_path)).waste == ()


def test_what_the_recipe_uses_stays_before_it_is_planned(tmp_path):
    found = made(tmp_path, dedup=LOWER)
    assert survey(found).waste == () and survey(found).locks == ()


def test_what_another_recipe_used_goes_once_its_plan_has_gone(tmp_path):
    old = planned(tmp_path, dedup=LOWER, keep={"language.en": {"min": 0}})
    lock_text = next(Path(old.corpus.workspace.folder, "plans").glob("*/recipe.lock")).read_bytes()
    new = made(tmp_path)
    assert survey(new).waste == ()
    storage.remove_below(storage.join(old.corpus.workspace.folder, "plans"))
    (tmp_path / "mixture").mkdir()
    (tmp_path / "mixture/recipe.lock").write_bytes(lock_text)
    for given_lock in ("mixture", "mixture/recipe.lock"):
        assert survey(new, str(tmp_path / given_lock)).waste == ()
    new.plan()
    before = files(new)
    pruning = survey(new)
    keys = set(old.indexes) - set(new.indexes)
    assert {each.what for each in pruning.waste} == keys | {old.sets[0].name}
    assert pruning.files == sum(len(each.files) for each in pruning.waste) and pruning.bytes > 0
    prune.remove(new.corpus.workspace, pruning)
    gone = before.keys() - files(new).keys()
    assert gone == {path for each in pruning.waste for path in each.files} | {f"index/{key}.parquet" for key in keys}
    assert {path: stat for path, stat in before.items() if path not in gone} == files(new)
    assert not os.path.exists(old.corpus.workspace.clusters(old.sets[0].name))
    check_whole(new)
    assert survey(new).waste == ()


def test_sidecars_of_shards_that_the_recipe_has_no_more_go_with_their_index_entries(tmp_path):
    made(tmp_path, dedup=LOWER)
    fewer = case(tmp_path, recipe_text({"a": {}}, dedup=LOWER),
                 {shard: docs for shard, docs in DOCS.items() if shard.startswith("a/")})
    place = fewer.corpus.workspace
    for key in fewer.indexes:  # as they are where both recipes were tagged
        whole = [index.Entry(**{**fewer.indexes[key]["a/0.jsonl"].__dict__, "shard": shard}) for shard in DOCS]
        index.write(place.index(key), index.Index.of(whole))
    storage.put(place.quarantine("b/0.jsonl"), b"bad")
    storage.put(place.quarantine("a/0.jsonl"), b"bad")
    pruning = survey(fewer)
    prune.remove(place, pruning)
    for key in fewer.indexes:
        assert index.present(place.sidecars(key)) == set(index.read(place.index(key))) == {"a/0.jsonl", "a/1.jsonl"}
    assert storage.exists(place.quarantine("a/0.jsonl")) and not storage.exists(place.quarantine("b/0.jsonl"))


def test_entries_without_a_sidecar_go(tmp_path):
    found = planned(tmp_path)
    place = found.corpus.workspace
    storage.remove(place.sidecar(rows.KEY, "a/0.jsonl"))
    pruning = survey(found)
    assert [(each.what, each.why, each.files) for each in pruning.waste] == \
        [("index of rows@1", "1 entries without a sidecar", ())]
    prune.remove(place, pruning)
    assert set(index.read(place.index(rows.KEY))) == DOCS.keys() - {"a/0.jsonl"}


def put_set(found: Case, name: str, parameters: dict, origins: tuple[str, ...] = (), shared: str | None = None) -> None:
    place = found.corpus.workspace
    members = {"a/0.jsonl": {"rows": 1, "digest": "0", **({"set": shared} if shared else {})}}
    clusters.put_set(place, ClusterSet(name, "text@1", parameters, 1, 1, members,
                                       layers=tuple({"set": each, "parts": 1} for each in (*origins, name))))
    if not shared:
        storage.put(clusters.member_uri(place, name, "a/0.jsonl"), b"")
    layers.put(layers.folder(place, name), 0, np.zeros(1, [("key", "<u8"), ("shard", "<i4")]))


def test_sets_that_a_kept_set_was_found_from_stay(tmp_path):
    found = planned(tmp_path, dedup=LOWER)
    place = found.corpus.workspace
    for name, origins, shared in [("text@1-1", (), None), ("text@1-2", ("text@1-1",), None), ("text@1-3", (), None),
                                  ("text@1-4", (), "text@1-3")]:
        put_set(found, name, {}, origins, shared)
    clusters.put_set(place, replace(found.sets[0], layers=({"set": "text@1-2", "parts": 1},), members={
        **found.sets[0].members, "a/0.jsonl": {**found.sets[0].members["a/0.jsonl"], "set": "text@1-4"}}))
    assert survey(found).waste == ()
    clusters.put_set(place, found.sets[0])
    assert {each.what for each in survey(found).waste} == {f"text@1-{number}" for number in range(1, 5)}


def test_sets_that_the_recipe_may_be_found_from_stay(tmp_path):
    found = made(tmp_path, dedup=LOWER)
    put_set(found, "text@1-1", {"normalise": ["lower"]})
    assert {each.what for each in survey(found).waste} == {"text@1-1"}
    storage.remove(storage.join(found.corpus.workspace.clusters(found.sets[0].name), "set.json"))
    assert {each.what for each in survey(found).waste} == {found.sets[0].name}  # which is no set without it


def test_what_may_be_being_written_stays_for_a_day(tmp_path):
    found = planned(tmp_path)
    folder = Path(found.corpus.workspace.folder)
    (plan,) = (folder / "plans").iterdir()
    leftovers = [plan / "scratch/1234/draft-0/0.npy", folder / "sidecars/rows@1/a/.0.jsonl.99-0123abcd.tmp",
                 folder / "clusters/text@1-9/a/0.jsonl.parquet"]
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"some")
    now = path.stat().st_mtime
    assert survey(found, now=now + 3600).waste == ()
    pruning = survey(found, now=now + 25 * 3600)
    assert {(each.what, each.bytes) for each in pruning.waste} == \
        {("text@1-9", 4), (f"scratch of plan {plan.name}", 4), ("half-written files", 4)}
    prune.remove(found.corpus.workspace, pruning)
    assert not any(path.exists() for path in leftovers)
    check_whole(found)


def test_a_lock_that_cannot_be_read_stops_it(tmp_path):
    found = planned(tmp_path)
    with pytest.raises(StorageError, match="there is no such lock"):
        survey(found, str(tmp_path / "none"))
    (plan,) = Path(found.corpus.workspace.folder, "plans").glob("*/recipe.lock")
    plan.write_text("{}")
    with pytest.raises(BadInput, match="not a lock"):
        survey(found)


class Killed(Exception):
    pass


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 60))
def test_a_prune_that_is_killed_leaves_what_is_needed_and_can_be_done_again(tmp_path_factory, monkeypatch, steps):
    folder = tmp_path_factory.mktemp("killed")
    made(folder, dedup=[{"use": "text@1", "normalise": ["nfc"]}], keep={"language.en": {"min": 0}})
    new = planned(folder, dedup=LOWER)
    stays = {path: stat for path, stat in files(new).items()
             if path not in {each for waste in survey(new).waste for each in waste.files} and "index/" not in path}
    left = steps
    real = {name: getattr(storage, name) for name in ("remove", "put")}

    def dying(name: str):
        def act(*arguments):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return real[name](*arguments)
        return act

    with monkeypatch.context() as patched:
        for name in real:
            patched.setattr(storage, name, dying(name))
        with contextlib.suppress(Killed):
            prune.remove(new.corpus.workspace, survey(new))
    assert {path: files(new).get(path) for path in stays} == stays
    check_whole(new)
    for key in index_keys(new):
        entries = set(index.read(new.corpus.workspace.index(key)))
        assert entries <= index.present(new.corpus.workspace.sidecars(key))
    prune.remove(new.corpus.workspace, survey(new))
    assert survey(new).waste == ()
    check_whole(new)


def index_keys(found: Case) -> list[str]:
    return [path.removeprefix("index/").removesuffix(".parquet") for path in files(found) if path.startswith("index/")]


def test_the_command_shows_and_removes_only_when_told(tmp_path, capsys, monkeypatch):
    made(tmp_path, dedup=[{"use": "text@1", "normalise": ["nfc"]}])
    found = planned(tmp_path, dedup=LOWER)
    before = files(found)
    command = ["prune", str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "Nothing was removed" in shown and f"solera {' '.join(command)} --yes" in shown
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert not said["removed"] and said["files"] == sum(each["files"] for each in said["waste"]) > 0
    monkeypatch.setattr("jobs.prune.is_interactive", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: "no")
    assert main(command) == 0 and "nothing was removed" in capsys.readouterr().out
    assert files(found) == before
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert main(command) == 0 and f"removed {said['files']} files" in capsys.readouterr().out
    assert main([*command, "--yes"]) == 0 and "nothing to prune" in capsys.readouterr().out
    check_whole(found)
