"""Stages of one training: what the first holds out is held out of all, and what all see is added up."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from plan_cases import Case, case, found_set, recipe_text, tagged
from plan_oracle import Doc

from jobs.cli import main
from mixer import clusters, index, lock, plan, repeats, stages, storage, training
from mixer.corpus import find
from mixer.errors import BadInput, StorageError
from mixer.recipe_parser import parse

DOCS = {"web/0.jsonl": [Doc("x", f"w{number}", f"w{number % 70}" * (1 + number % 7)) for number in range(80)],
        "web/1.jsonl": [Doc("x", f"v{number}", f"v{number}" * (1 + number % 5)) for number in range(50)],
        "wiki/0.jsonl": [Doc("x", f"k{number}", f"w{number}" * (1 + number % 7)) for number in range(30)]}
SHARED = {"policy": {"kind": "proportional"}, "unit": "bytes", "dedup": [{"use": "text@1"}]}
FIRST = {**SHARED, "holdout": {"validation": {"share": 0.3}}, "stages": {"late": {"recipe": "late.yaml"}}}
SOURCES = {"web": {}, "wiki": {}}
LATE = recipe_text({"wiki": {"weight": 0.5, "max_epochs": 4}, "some": {"weight": 0.5, "shards": "web/0.jsonl"},
                    "rest": {"weight": 0, "shards": "web/1.jsonl"}},
                   **{**SHARED, "policy": {"kind": "fixed"}, "dedup": [{"use": "text@1", "normalise": ["lower"]}]},
                   seed=99, budget=900)
LESS = recipe_text({"wiki": {}}, **SHARED)  # not all shards


def write(folder: Path, late: bytes = LATE, **fields) -> Path:
    (folder / "recipe.yaml").write_bytes(recipe_text(SOURCES, **{**FIRST, **fields}))
    (folder / "late.yaml").write_bytes(late)
    return folder / "recipe.yaml"


def opened_stage(file: Path):
    first = parse(file.read_bytes(), str(file))
    return stages.of_training(first, str(file), stages.named(first, str(file), "late"))


@pytest.fixture
def training_of_two(tmp_path) -> tuple[Case, Case]:
    first = case(tmp_path, recipe_text(SOURCES, **FIRST), DOCS)
    (tmp_path / "late.yaml").write_bytes(LATE)
    recipe = opened_stage(tmp_path / "recipe.yaml")
    corpus = find(recipe, str(tmp_path / "late.yaml"), str(tmp_path / "work"))
    indexes = tagged((recipe, corpus), DOCS)
    sets = [found_set(each, corpus, indexes[each.sidecar], DOCS) for each in clusters.relations(recipe)]
    for key, entries in first.indexes.items():  # which have the shards of both
        index.write(corpus.workspace.index(key), entries)
    return first, Case(recipe, corpus, DOCS, indexes, sets)


def held(found) -> set[tuple[str, int]]:
    return {(path, row) for path, rows in found.selection.items() for row, (_, reason) in enumerate(rows)
            if reason == "held out validation"}


def test_what_is_held_out_of_the_first_is_held_out_of_all(training_of_two):
    first, late = training_of_two
    texts = []
    for made in (first, late):
        planned, found = made.plan()
        out = held(found)
        assert out
        texts.append(({DOCS[path][row].text for path, row in out},
                      {DOCS[path][row].text for path, rows in found.selection.items()
                       for row, (copies, _) in enumerate(rows) if copies}))
        assert plan.read(planned.folder, lock.digest(planned.lock)).recipe.first == made.recipe.first
    (first_held, first_seen), (late_held, late_seen) = texts
    assert late_held <= first_held
    assert not (first_held & late_seen) and not (first_held & first_seen)
    alone = parse(LATE, "late.yaml")
    assert (late.recipe.holdout_seed, late.recipe.seed, alone.holdout_seed) == (7, 99, 99)


def test_the_lock_says_of_the_first_recipe_what_decides(training_of_two):
    _, late = training_of_two
    made, _ = late.plan()
    said = lock.decode(made.lock, "recipe.lock")["first"]
    assert stages.from_json(said, "x") == late.recipe.first
    for change in ({"seed": "x"}, {"holdout": 5}, {"holdout": [{"name": "a"}]}, {"name": None, "holdout": None}):
        with pytest.raises(BadInput, match="take the lock beside its manifest"):
            stages.from_json({**said, **change}, "x")
    strange = {**said, "holdout": [{**said["holdout"][0], "by": {"use": "other@1", "parameters": {}}}]}
    with pytest.raises(BadInput):
        stages.from_json(strange, "x")


def test_a_plan_of_all_stages(training_of_two, tmp_path, capsys):
    first, late = training_of_two
    command = ["plan", str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work"), "--quiet", "--where", "pool"]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    copies = Counter()
    for made in (first, late):
        made_plan = plan.find(made.corpus, lock.encode(lock.make(made.recipe, made.corpus, made.indexes, made.sets)))
        for path, rows in made.outcome(made_plan).selection.items():
            for row, (count, _) in enumerate(rows):
                copies[path, row] += count
    expected = Counter()
    for (path, row), count in copies.items():
        if count:
            expected[count, "docs"] += 1
            expected[count, "units"] += len(DOCS[path][row].text)
    seen = said["training"]["seen"]
    assert seen["times"] == {str(count): {what: expected[count, what] for what in ("docs", "units")}
                             for count in sorted({count for count, _ in expected})}
    assert seen["max_epochs"] == max(copies.values()) > 2
    assert seen["trained_units"] == sum(count["emitted"]["units"] for body in (said, said["later_stages"]["late"])
                                        for count in body["counts"])
    emitted = said["training"]["emitted"]
    assert emitted.keys() == {"web", "wiki", "some", "rest"} and emitted["rest"] == {"late": 0}
    assert emitted["wiki"].keys() == {"case", "late"}
    assert main([*command, "--html", str(tmp_path / "plan.html")]) == 0
    assert "<html" in (tmp_path / "plan.html").read_text()  # of the first recipe
    text = capsys.readouterr().out
    assert "the whole training, in bytes:" in text and "times on average" in text
    assert f"solera build {tmp_path}/recipe.yaml --work {tmp_path}/work --stage late --out DIR" in text


def test_a_stage_that_is_not_deduplicated_yet(training_of_two, tmp_path, capsys):
    _, late = training_of_two
    storage.remove_below(late.corpus.workspace.clusters(late.sets[0].name))
    storage.remove(storage.join(late.corpus.workspace.sets, late.sets[0].name))
    assert main(["plan", str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work"), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "stage late is not in this plan: the cluster set" in said and "--stage late`" in said
    assert "the whole training" not in said and "case 1.0.0: bytes" in said


def test_a_stage_alone(training_of_two, tmp_path, capsys):
    arguments = [str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work"), "--stage"]
    assert main(["plan", *arguments, "late", "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [count["source"] for count in said["counts"]] == ["wiki", "some", "rest"] and "training" not in said
    assert main(["lint", *arguments, "late"]) == 0
    assert f"{tmp_path}/late.yaml: case 1.0.0 holds together: 3 sources" in capsys.readouterr().out
    assert main(["plan", *arguments, "lat"]) == 2
    assert "the recipe case has no stage 'lat'; did you mean `late`?" in capsys.readouterr().err


def test_what_keeps_stages_apart(tmp_path):
    strange = json.loads(LATE) | {"corpus": "elsewhere", "holdout": {"test": {"share": 0.1}},
                                  "stages": {"later": {"recipe": "x.yaml"}}}
    with pytest.raises(BadInput) as caught:
        opened_stage(write(tmp_path, json.dumps(strange).encode()))
    said = str(caught.value).splitlines()
    assert len(said) == 3 and all(line.startswith(f"{tmp_path}/late.yaml: its") or "it has" in line for line in said)
    assert f"its corpus is {tmp_path}/elsewhere, and that of {tmp_path}/recipe.yaml is {tmp_path}/corpus" in said[2]
    recipe = opened_stage(write(tmp_path, holdout={}))
    assert recipe == parse(LATE, f"{tmp_path}/late.yaml") and recipe.first is None
    (tmp_path / "late.yaml").unlink()
    with pytest.raises(StorageError, match="there is no such file"):
        opened_stage(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(("by", "anywhere"), [("minhash@1", False), ("text@1", False), ("id@1", True)])
def test_what_documents_are_like_is_known_among_the_same_shards_alone(tmp_path, by, anywhere):
    for path in DOCS:
        (tmp_path / "corpus" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "corpus" / path).write_text("")
    file = write(tmp_path, LESS, holdout={"validation": {"share": 0.3, "by": {"use": by}}})
    first, late = parse(file.read_bytes(), str(file)), opened_stage(file)
    corpora = [find(recipe, str(file), str(tmp_path / "work")) for recipe in (first, late)]
    with pytest.raises(BadInput, match=r"2 are not in both, such as web/0\.jsonl, in the first recipe alone"):
        stages.check_shards(late, corpora[1], corpora[0])
    stages.check_shards(late, corpora[0], corpora[0])
    assert stages.needs_same_shards(late) is not anywhere
    assert not stages.needs_same_shards(first)


def test_a_text_that_is_alone_in_a_stage_is_not_trained_on_after_all(tmp_path, capsys):
    """In the first recipe it has a copy, and both are drawn by their text; alone it would be drawn by its identity."""
    docs = {f"web/{number}.jsonl": [Doc("x", f"{number}:{row}", f"text {row}") for row in range(60)]
            for number in range(2)}
    case(tmp_path, recipe_text({"web": {}}, **FIRST), docs)
    (tmp_path / "late.yaml").write_bytes(recipe_text({"web": {"shards": "web/0.jsonl"}}, **SHARED))
    arguments = [str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work"), "--quiet"]
    assert main(["plan", *arguments, "--stage", "late"]) == 2
    assert "known among the same shards alone, and 1 are not in both, such as web/1.jsonl" in capsys.readouterr().err


def test_seen():
    seen = training.merge([{1: (3, 30), 5: (1, 10)}, {5: (1, 10)}])
    said = seen.as_json()
    assert (seen.docs, seen.units, seen.trained) == (5, 50, 130)
    assert said["mean_epochs"] == "2.600000" and said["max_epochs"] == 5
    assert said["effective_units"] == int(30 + repeats.effective(20, Fraction(5)))
    assert training.merge([]).as_json()["mean_epochs"] == "0.000000"
