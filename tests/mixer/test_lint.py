"""One case a warning: what changes in a recipe that has none, and what is said of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from plan_cases import case, recipe_text
from plan_oracle import Doc

from jobs.lint import lint
from mixer import known, storage
from mixer import lint as rules
from mixer.recipe import Rule
from mixer.recipe_parser import parse

ROOT = Path(__file__).parents[2]

CLEAN = """\
name: mix
version: 1.0.0
seed: 7
corpus: corpus
license: CC-BY-SA-4.0
unit: tokens
budget: 1_000
policy: {kind: fixed}
dedup: [{use: text@1}]
keep:
  words.count: {min: 50, max: 100_000}
holdout: {validation: {share: 0.1}}
sources:
  web:
    shards: web/*
    weight: rest
    keep: {language.en: {min: 0.65}}
    about: {license: CC0-1.0}
  wiki:
    shards: wiki/*
    weight: 0.1
    max_epochs: 4
    about: {license: CC-BY-SA-4.0}
"""
FREE = CLEAN.replace("weight: rest", "kind: web").replace("weight: 0.1", "kind: wiki")


def warned(text, file="r.yaml", **changes):
    lines = text.splitlines()
    for key, line in changes.items():
        index = next(number for number, each in enumerate(lines) if each.lstrip().startswith(key))
        lines[index] = line
    recipe = parse("\n".join(lines).encode(), file)
    found = rules.warnings(recipe, file)
    assert all(each.line > 0 and each.remedy and each.path for each in found)
    return [each.text.removeprefix(f"{file}:") for each in found]


def test_clean():
    assert warned(CLEAN) == []
    assert rules.judge(parse(CLEAN.encode(), "r.yaml")) == ([], [])


ALL = "policy: {kind: proportional}"
CURVE = "    curve: {column: quality.score, discard: 0.5, max_upsample: 4}"
QUALITY = f"taggers: {{quality: {{use: fasttext@1, model: q.bin, sha256: {'0' * 64}}}}}\n"

WARNINGS = [
    # epochs
    (CLEAN, {"max_epochs": "    max_epochs: 4.1"},
     "22 sources.wiki.max_epochs: more than 4 epochs: further repeats add"),
    (FREE, {"policy": "policy: {kind: unimax, max_epochs: 8}"}, "8 policy.max_epochs: more than 4 epochs: further"),
    (QUALITY + CLEAN, {"max_epochs": "    curve: {column: quality.score, max_upsample: 5}"},
     "23 sources.wiki.curve.max_upsample: more than 4 epochs: further repeats add less and less (found 5)"),
    (QUALITY + CLEAN, {"max_epochs": "    curve: {column: quality.score}"},
     "23 sources.wiki.curve.max_upsample: more than 4 epochs: further repeats add less and less (found 7)"),
    # caps
    (FREE, {"policy": "policy: {kind: unimax, max_epochs: 4}"},
     "22 sources.wiki.max_epochs: never decides, since the policy has 4 (found 4)"),
    (QUALITY + CLEAN, {"max_epochs": f"{CURVE}\n    max_epochs: 2"},
     "24 sources.wiki.max_epochs: never decides, since the curve gives 2 at most"),
    (FREE, {"policy": ALL, "budget": "", "max_epochs": "    max_epochs: 0.9"},
     "22 sources.wiki.max_epochs: cannot be met: without a budget, all there is of each source is asked for (f"),
    (FREE, {"policy": f"{ALL}\non_shortfall: redistribute", "budget": "", "max_epochs": "    max_epochs: 0.9",
            "kind": "    max_epochs: 0.9"},
     "14 sources: their max_epochs cannot be met: without a budget, all there is is asked for, and every source gives"),
    (FREE, {"policy": ALL, "max_epochs": "    min_weight: 0.7", "kind": "    min_weight: 0.3"},
     "13 sources: the least weights sum to 1, so that policy proportional decides nothing"),
    # weights and licenses
    (CLEAN, {"license": "license: ODC-BY-1.0"},
     "23 sources.wiki.about.license: asks that what is made of it is shared alike, which the mixture's own ODC-BY-1.0 "
     "does not pass on (found CC-BY-SA-4.0); change the recipe's license, or leave the source out"),
    (CLEAN, {"license": ""},
     "1 license: missing, and CC-BY-SA-4.0 of wiki asks that what is made of it is shared alike"),
    (CLEAN, {"about": "    about: {license: CC-BY-NC-4.0}"},
     "18 sources.web.about.license: allows non-commercial use alone, which the mixture's own CC-BY-SA-4.0 does not"),
    (CLEAN, {"about": "    about: {upstream: x}"}, "18 sources.web.about.license: missing; name the license"),
    # rules
    (CLEAN, {"words.count": "  words.count: {min: 0}"},
     "11 keep.words.count.min: drops nothing but what is missing (fou"),
    (CLEAN, {"words.count": "  words.alphabetic: {min: 0}"},
     "11 keep.words.alphabetic.min: drops nothing but what is missing (fou"),
    (CLEAN, {"words.count": "  words.count: {top: 1}"}, "11 keep.words.count.top: drops nothing but what is missing"),
    (CLEAN, {"words.count": "  document.slice: {max: 999_999}"}, "11 keep.document.slice.max: drops nothing but"),
    (CLEAN, {"words.count": "  words.count: {min: 5, is: 7}"},
     "11 keep.words.count.min: never decides: what passes words.count is 7 passes it (found 5)"),
    (CLEAN, {"words.count": "  words.count: {in: [5, 7], not_in: [8]}"},
     "11 keep.words.count.not_in: never decides: what passes words.count in [5, 7] passes it (found [8])"),
    (CLEAN, {"words.count": "  words.count: {min: 5, not_in: [3, 4]}"},
     "11 keep.words.count.not_in: never decides: what passes words.count min 5 passes it"),
    (CLEAN, {"keep: {l": "    keep: {words.count: {min: 49}}"},
     "17 sources.web.keep.words.count.min: never decides: what passes words.count min 50 passes it (found 49)"),
    (CLEAN, {"max_epochs": "    sample: {column: words.count, rule: proportional}"},
     "22 sources.wiki.sample.column: counts words: all documents of 1 or more are kept, and those of 0 or less never"),
    # hold-outs and what was there before
    (CLEAN, {"holdout": "holdout: {validation: {share: 1}}"}, "12 holdout.validation.share: everything is held out"),
    (CLEAN, {"holdout": "holdout: {validation: {share: 0}}"}, "12 holdout.validation.share: nothing is held out"),
    (CLEAN, {"dedup": "prefer_by: {column: words.count, best: max}", "holdout": ""}, "9 prefer_by: nothing to choose"),
    (CLEAN, {"dedup": "dedup: [{use: text@1}]\ntaggers: {lines: {use: lines@2}}"},
     "10 taggers.lines: no rule uses this"),
]


@pytest.mark.parametrize("text, changes, expected", WARNINGS, ids=[each[2][:60] for each in WARNINGS])
def test_warning(text, changes, expected):
    found = warned(text, **changes)
    assert any(each.startswith(expected) for each in found), found
    assert len(found) == 1, found


def test_no_weight():
    text = CLEAN.replace("weight: 0.1", "weight: 0")
    assert warned(text) == ["21 sources.wiki.weight: nothing of this source is taken (found 0); remove the source, "
                            "unless it is there for dedup"]


def test_stricter_rules_of_a_source_are_no_overlap():
    assert warned(CLEAN, **{"keep: {l": "    keep: {words.count: {min: 51, max: 5000}}"}) == []


@pytest.mark.parametrize("one, other, is_stricter", [
    (("min", 5), ("min", 5), True), (("min", 4), ("min", 5), False), (("max", 4), ("max", 5), True),
    (("is", 4), ("max", 4), True), (("is", 4), ("in", (4, 5)), True), (("in", (4, 5)), ("is", 4), False),
    (("in", (4, 5)), ("not_in", (6,)), True), (("not_in", (4, 5)), ("not_in", (4,)), True),
    (("not_in", (4,)), ("not_in", (4, 5)), False), (("min", 5), ("not_in", (4,)), True),
    (("min", 4), ("max", 5), False),
    (("max", 3), ("not_in", (4,)), True), (("min", 4), ("not_in", (4,)), False), (("min", 9), ("in", (9,)), False),
])
def test_implies(one, other, is_stricter):
    one, other = Rule("words.count", *one), Rule("words.count", *other)
    assert rules.implies(one, other) == is_stricter
    assert not is_stricter or all(rules._passes(other, value) for value in range(12) if rules._passes(one, value))


def test_unknown_licenses_are_told_once_and_are_no_warning():
    text = CLEAN.replace("license: CC0-1.0", "license: various").replace("4.0}", "4.0 or so}")
    warnings, remarks = rules.judge(parse(text.encode(), "r.yaml"), "r.yaml")
    assert warnings == []
    assert [each.text for each in remarks] == [
        "r.yaml:18 sources.web.about.license: no SPDX name of a license that is known here, so it was not judged "
        "(found various); nor was sources.wiki.about.license"]


# ---- stages


STAGE = CLEAN.replace("holdout: {validation: {share: 0.1}}\n", "")


def stage_warnings(tmp_path, text):
    if text is not None:
        (tmp_path / "late.yaml").write_text(text)
    file = str(tmp_path / "r.yaml")
    return warned(CLEAN.replace("holdout:", "stages: {late: {recipe: late.yaml}}\nholdout:"), file)


def test_a_stage_that_fits(tmp_path):
    assert stage_warnings(tmp_path, STAGE) == []


def test_a_stage_that_is_not_there(tmp_path):
    [said] = stage_warnings(tmp_path, None)
    assert said.startswith(f"12 stages.late.recipe: {tmp_path}/late.yaml") and "(found late.yaml)" in said


def test_a_stage_that_is_no_recipe(tmp_path):
    [said] = stage_warnings(tmp_path, STAGE.replace("weight: 0.1", "weight: 0.x"))
    assert "late.yaml:20 sources.wiki.weight: does not fit (found 0.x)" in said


def test_a_stage_of_another_unit(tmp_path):
    [said] = stage_warnings(tmp_path, STAGE.replace("unit: tokens", "unit: bytes"))
    assert said.startswith("12 stages.late.recipe: counts bytes, and this recipe tokens by approx")


# ---- what a plan shows


def test_what_the_last_plan_shows(tmp_path):
    """Without listing the corpus, which is gone by then."""
    values = {"words.count": 5}
    docs = {"web/0.jsonl": [Doc("x", f"w{number}", "x" * 40, values) for number in range(10)],
            "wiki/0.jsonl": [Doc("x", f"k{number}", "x" * 40, values) for number in range(2)],
            "book/0.jsonl": [Doc("x", f"b{number}", "x" * 40, values) for number in range(3)]}
    recipe = recipe_text(
        {"web": {"weight": 0.4, "max_epochs": 0.5}, "wiki": {"weight": "rest", "keep": {"words.count": {"max": 9}}},
         "book": {"weight": 0, "keep": {"sizes.bytes": {"min": 99}}}},
        policy={"kind": "fixed"}, unit="docs", budget=20, keep={"words.count": {"min": 5}}, on_shortfall="redistribute")
    made = case(tmp_path, recipe, docs)
    file, work = str(tmp_path / "recipe.yaml"), str(tmp_path / "work")
    assert lint(parse(recipe, file), file, work).plan is None
    plan, _ = made.plan()
    (tmp_path / "corpus/web/0.jsonl").unlink()
    found = lint(parse(recipe, file), file, work)
    assert found.plan == plan.folder
    said = [each.text.partition(" ")[2] for each in found.warnings]
    for expected in (
        "keep.words.count.min: drops nothing in the last plan (found 5); be sure of it",
        "sources.wiki.keep.words.count.max: drops nothing in the last plan (found 9)",
        "sources.book.keep.sizes.bytes.min: drops all 3 documents of book in the last plan (found 99); loosen it",
        "sources.web.max_epochs: has decided: 8 were asked for in the last plan, and a pool of 10 gives 5 (found 0.5)",
        "sources.wiki: more than 4 epochs in the last plan: further repeats add less and less (found 7.5)",
    ):
        assert any(each.startswith(expected) for each in said), said
    assert lint(parse(recipe.replace(b'"seed": 7', b'"seed": 8'), file), file, work).plan is None
    place = made.corpus.workspace
    storage.put(place.known(made.recipe.sha256), b"{")
    assert known.find(made.recipe, file, work) is None
    made.plan()
    storage.remove_below(plan.folder)
    assert known.find(made.recipe, file, work) is None


def test_mistakes_are_data_too(tmp_path):
    (tmp_path / "r.yaml").write_text(CLEAN.replace("seed: 7", "seed: x"))
    run = command(tmp_path, "--json")
    assert run.returncode == 2
    assert json.loads(run.stdout)["mistakes"] == [{
        "file": "r.yaml", "line": 3, "path": "seed", "value": "x", "message": "does not fit",
        "remedy": "write a whole number, 0 or more"}]


def test_strict(tmp_path):
    """In one process: what is imported is little, and warnings are exit code 1 where they are asked to be."""
    (tmp_path / "r.yaml").write_text(CLEAN.replace("max_epochs: 4", "max_epochs: 5"))
    run = command(tmp_path, "--json", "--strict")
    assert run.returncode == 1
    [warning] = json.loads(run.stdout)["warnings"]
    assert (warning["file"], warning["line"], warning["path"]) == ("r.yaml", 22, "sources.wiki.max_epochs")
    assert (warning["value"], warning["remedy"]) == ("5", "lower it, or be sure of it")


def command(folder, *options):
    """`solera lint r.yaml`, which imports nothing heavy."""
    code = """if True:
        import sys
        from jobs.cli import main
        code = main(["lint", "r.yaml", *sys.argv[1:]])
        heavy = {"numpy", "pyarrow", "numba", "pyspark", "pandas", "boto3", "smart_open"} & set(sys.modules)
        assert not heavy, heavy
        sys.exit(code)"""
    return subprocess.run([sys.executable, "-c", code, *options], cwd=folder, capture_output=True, text=True,
                          check=False, env={"PYTHONPATH": str(ROOT), "PATH": ""})
