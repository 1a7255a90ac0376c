"""A plan of a sample is the plan of the corpus, about, and says how far off it may be."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from hypothesis import HealthCheck, given, settings
from plan_cases import case, cases, recipe_text
from plan_oracle import Doc

from jobs import plan_sample as job
from jobs.build import build
from jobs.cli import main
from jobs.engine import Engine
from jobs.plan_sample import make_sample_plan, text_of
from mixer import index, plan_sample, prune, sidecars
from mixer.errors import BadInput, NotDone
from mixer.recipe_parser import parse

SOURCES = {"web": {"weight": 0.7, "max_epochs": 2}, "wiki": {"weight": 0.3, "max_epochs": 1}}
ASKED = {"dedup": [{"use": "text@1"}], "prefer": ["wiki", "web"], "keep": {"words.count": {"min": 3}},
         "policy": {"kind": "fixed"}, "budget": 2400, "on_shortfall": "redistribute"}


@pytest.fixture(autouse=True)
def few_groups(monkeypatch):
    """Each group is a task, whose files take most of the time of a test."""
    monkeypatch.setattr(plan_sample, "GROUPS", 4)


def documents(size: int = 600) -> dict[str, list[Doc]]:
    """In both sources; one in three has copies, in other shards too."""
    choose = random.Random(5)
    docs = defaultdict(list)
    for number in range(size):
        text = f"copied {choose.randrange(size // 8)}" if choose.random() < 0.33 else f"{number} " + "x" * (number % 60)
        source = "web" if choose.random() < 0.7 else "wiki"
        docs[f"{source}/{number % 3}.jsonl"].append(Doc("s", str(number), text, {"words.count": choose.randrange(9)}))
    return dict(docs)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return case(tmp_path_factory.mktemp("sampled"), recipe_text(SOURCES, **ASKED), documents())


def sampled(made, share: str = "0.3", **changes):
    engine = Engine(None, {}, "spark.log")
    return make_sample_plan(dataclasses.replace(made.recipe, **changes), made.corpus, engine, Fraction(share), "pool")


def values(counts) -> dict[str, float]:
    """Some of what is estimated, of all kinds."""
    web, wiki = counts
    return {
        "read": web["read"]["docs"], "fail": web["rules"][0]["own"]["units"], "kept": wiki["kept"]["docs"],
        "lost": web["dedup"][0]["dropped"]["docs"], "pool": web["pool"]["units"], "allocated": web["allocated"],
        "wiki": wiki["allocated"], "selected": web["selected"]["docs"], "emitted": web["emitted"]["docs"],
        "not drawn": wiki["not_drawn"]["bytes"], "epochs": web["emitted"]["units"] / web["pool"]["units"],
    }


@settings(deadline=None, max_examples=4, suppress_health_check=list(HealthCheck))
@given(cases())
def test_a_sample_of_all_is_the_plan(made):
    recipe, docs = made
    with tempfile.TemporaryDirectory() as folder:
        opened = case(Path(folder), recipe, docs)
        expected = None
        with contextlib.suppress(BadInput):
            expected, _ = opened.plan()
        if expected is None:
            with pytest.raises(BadInput):
                sampled(opened, "1")
            return
        try:
            found = sampled(opened, "1").body
        except BadInput as error:
            assert "no document" in str(error)
            assert not any(docs.values())
            return
        assert found["counts"] == expected.body["counts"]
        lost = [{name: each[name] for name in ("method", "source", "lost_to", "docs", "units", "bytes", "cut")}
                for each in found["losses"]]
        assert lost == expected.body["losses"]
        assert not any(_numbers(found["errors"])) and not any(_numbers(found["loss_errors"]))


def _numbers(found):
    if isinstance(found, dict | list):
        for each in found.values() if isinstance(found, dict) else found:
            yield from _numbers(each)
    elif isinstance(found, float):
        yield found


def test_estimates_are_right_on_average_and_so_are_their_errors(made, monkeypatch):
    truth = values(made.plan()[0].body["counts"])
    found, errors = defaultdict(list), defaultdict(list)
    monkeypatch.setattr(plan_sample, "GROUPS", 10)
    for number in range(6):
        monkeypatch.setattr(plan_sample, "PURPOSE", f"sample {number}")
        estimates = sampled(made, "0.5").estimates
        for name in truth:
            value, error = estimates.of(lambda counts, name=name: values(counts)[name])
            found[name].append(value)
            errors[name].append(error)
    for name, true in truth.items():
        spread = pstdev(found[name])
        assert abs(fmean(found[name]) - true) <= 4 * spread / 6**0.5 + 1, name
        assert 0.3 * spread - 2 < fmean(errors[name]) < 3 * spread + 4, name
    near = [abs(value - truth[name]) <= job.estimates.WITHIN * error + 1
            for name in truth for value, error in zip(found[name], errors[name], strict=True)]
    assert fmean(near) > 0.85


def test_random_groups_cover_the_truth():
    """Of clusters of very different sizes, 1 in 20 estimates is farther off than the error bar."""
    choose = random.Random(1)
    clusters = [min(int(choose.paretovariate(1.6)), 40) for _ in range(800)]
    share, covered, sums = Fraction(1, 4), [], []
    for _ in range(200):
        groups = [{"docs": 0} for _ in range(20)]
        for size in clusters:
            if choose.random() < share:
                groups[choose.randrange(20)]["docs"] += size
        estimate, others = job.estimates.scaled(groups, share)
        error = job.estimates.error_of([each["docs"] for each in others], share)
        sums.append(estimate["docs"])
        covered.append(abs(estimate["docs"] - sum(clusters)) <= job.estimates.WITHIN * error)
    assert abs(fmean(sums) - sum(clusters)) < 4 * pstdev(sums) / 200**0.5
    assert 0.9 < fmean(covered) < 0.98


def test_clusters_are_whole(made):
    found = sampled(made)
    group_of: dict[str, set[str]] = defaultdict(set)
    count: dict[str, int] = defaultdict(int)
    texts = {doc.id: doc.text for docs in made.docs.values() for doc in docs}
    for path, entry in index.read(found.place.index("rows@1")).items():
        ids = sidecars.read(found.place.sidecar("rows@1", path))[0].column("id").to_pylist()
        assert len(ids) == entry.rows
        for each in ids:
            group_of[texts[each]].add(path.partition("/")[0])
            count[texts[each]] += 1
    everywhere = list(texts.values())
    assert 100 < sum(count.values()) < 260
    assert len({group for groups in group_of.values() for group in groups}) == plan_sample.GROUPS
    assert all(len(groups) == 1 and count[text] == everywhere.count(text) for text, groups in group_of.items())


def test_a_shortfall_of_the_estimated_pools_is_told_and_stops_nothing(made):
    sources = {"web": {"weight": 0.7, "max_epochs": 0.2}, "wiki": {"weight": 0.3, "max_epochs": 9}}

    def estimated(on_shortfall: str):
        recipe = parse(recipe_text(sources, **{**ASKED, "on_shortfall": on_shortfall}), "r.yaml")
        return make_sample_plan(recipe, made.corpus, Engine(None, {}, ""), Fraction("0.3"), "pool")

    found = estimated("error")
    assert found.body["shortfall"].startswith("sources: web: 1_680 requested, but a pool of")
    assert "a plan with `on_shortfall: error` would stop" in job.text_of(found, 0)
    assert sum(each["allocated"] for each in found.body["counts"]) == made.recipe.budget
    assert estimated("redistribute").body["shortfall"] is None


def test_a_sample_is_cut_once_and_what_is_new_is_added(tmp_path, monkeypatch):
    few = {**ASKED, "budget": 600}
    made = case(tmp_path, recipe_text(SOURCES, **few), documents(200))
    cut = []
    was = plan_sample.cut
    monkeypatch.setattr(job.plan_sample, "cut", lambda task: cut.append([part.key for part in task.parts]) or was(task))
    first = sampled(made)
    assert first.cut and sorted(cut[0])[0] == "rows@1"
    edited = parse(recipe_text(SOURCES, **{**few, "keep": {"words.count": {"min": 5}}, "budget": 500}), "r.yaml")
    cut.clear()
    again = make_sample_plan(edited, made.corpus, Engine(None, {}, ""), Fraction("0.3"))
    assert not again.cut and not cut
    assert again.place == first.place
    assert again.body["counts"][0]["kept"]["docs"] < first.body["counts"][0]["kept"]["docs"]
    assert sampled(made).body["counts"] == first.body["counts"]  # as it was stored
    # Another column of a tagger that the sample has nothing of yet.
    more = recipe_text(SOURCES, **{**few, "keep": {"words.count": {"min": 3}, "language.en": {"min": 0}}})
    with pytest.raises(NotDone):
        make_sample_plan(parse(more, "r.yaml"), made.corpus, Engine(None, {}, ""), Fraction("0.3"))
    other = {path: [dataclasses.replace(doc, values={**doc.values, "language.en": 0.9}) for doc in docs]
             for path, docs in made.docs.items()}
    wider = case(tmp_path, more, other)
    added = sampled(wider)
    assert added.place == first.place
    assert {key.partition("@")[0] for parts in cut for key in parts} == {"language"}
    assert added.body["counts"][0]["kept"] == first.body["counts"][0]["kept"]
    # What was measured anew is cut anew; with other documents it is another sample.
    cut.clear()
    changed = {path: [dataclasses.replace(doc, values={**doc.values, "words.count": 8}) for doc in docs]
               for path, docs in other.items()}
    assert sampled(case(tmp_path, more, changed)).body["counts"][0]["rules"][0]["own"]["docs"] == 0
    assert {key.partition("@")[0] for parts in cut for key in parts} == {"words"}
    changed["web/0.jsonl"] = changed["web/0.jsonl"][1:]
    last = case(tmp_path, more, changed)
    assert sampled(last).place != first.place
    (gone,) = [each for each in prune.survey(last.recipe, last.corpus).waste if each.what.startswith("sample")]
    assert gone.what == f"sample {Path(first.place.root).name}" and gone.files[0].endswith("index/rows@1.parquet")


def test_what_a_sample_was_planned_by_is_not_built(made, tmp_path):
    engine = Engine(None, {}, "")
    sample = plan_sample.Sample(Fraction(1, 2), made.recipe, made.corpus, made.indexes, made.sets)
    job.cut(sample, sample.missing(), engine, "pool")
    _, inner = job.planned(sample, engine, "pool")
    with pytest.raises(BadInput, match="nothing is built of"):
        build(inner, made.corpus, str(tmp_path / "out"), engine)


def test_a_sample_without_documents_is_an_error(made):
    with pytest.raises(BadInput, match=r"no document of 600 is in it; name a larger share"):
        sampled(made, "0.0000001")


def test_what_is_said(made, tmp_path, capsys):
    text = text_of(sampled(made), 1.5)
    assert text.startswith("ESTIMATE from ")
    assert "not a plan" in text and "±" in text and "understated" not in text
    spans = {"dedup": [{"use": "text@1"}, {"use": "paragraph@1", "unit": "lines", "max_removed": 0.5}]}
    docs = documents(80)
    opened = case(tmp_path, recipe_text(SOURCES, **{**ASKED, **spans, "budget": 200}), docs)
    warning = f"warning: dedup {opened.recipe.dedup[1].text}: what it removes is understated"
    assert warning in text_of(sampled(opened), 1)
    arguments = ["plan", str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work"), "--quiet", "--sample"]
    assert main([*arguments, "0.5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["estimate"] is True and said["understated"] == [f"dedup {opened.recipe.dedup[1].text}"]
    assert said["counts"][0]["read"].keys() == said["errors"][0]["read"].keys()
    for share in ("0", "1.5", "some", "nan"):
        with pytest.raises(SystemExit):
            main([*arguments, share])
        assert "is not a share of documents" in capsys.readouterr().err


def test_what_is_wrong_with_documents_is_not_said_of_the_budget(tmp_path):
    """Two sources keep the same: that is known before any pool is."""
    docs = {"web/0.jsonl": [Doc("crawl", f"{number}", f"x{number}") for number in range(60)]}
    half = {"shards": "web/*.jsonl", "weight": 0.5}
    fields = {"unit": "docs", "policy": {"kind": "fixed"}, "budget": 5, "dedup": [{"use": "text@1"}]}
    made = case(tmp_path, recipe_text({"one": half, "two": half}, **fields), docs)
    with pytest.raises(BadInput, match="documents pass the rules of more than one source"):
        sampled(made, "0.5")
