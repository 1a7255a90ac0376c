"""A sweep counts what a plain loop over the documents counts, whatever the bins."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest
from plan_cases import VALUES, Case, case, recipe_text
from plan_oracle import Doc

from mixer import plan, sweep

RULES = {"words.count": {"min": 1}, "words.mean_length": {"max": 3.5}}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Case:
    choose = random.Random(5)
    docs = {path: [Doc("x", f"{path}:{row}", "y" * choose.randrange(40),
                       {name: choose.choice(each) for name, each in VALUES.items()}) for row in range(50)]
            for path in ("web/0.jsonl", "web/1.jsonl", "wiki/0.jsonl")}
    recipe = recipe_text({"web": {"keep": {"language.en": {"min": 0.65}}}, "wiki": {"keep": {"language.top": {
        "in": ["en"]}}}}, policy={"kind": "proportional"}, unit="bytes", keep=RULES)
    return case(tmp_path_factory.mktemp("sweep"), recipe, docs)


def passing(made: Case, source: str, but: str) -> list[Doc]:
    """The documents of a source that pass all rules but those on one column."""
    def good(doc: Doc) -> bool:
        value = {name: doc.values.get(name) for name in VALUES}
        rules = {"words.count": value["words.count"] is not None and value["words.count"] >= 1,
                 "words.mean_length": value["words.mean_length"] is not None and value["words.mean_length"] <= 3.5}
        if source == "web":
            rules["language.en"] = value["language.en"] is not None and np.float32(value["language.en"]) >= np.float32(
                0.65)
        else:
            rules["language.top"] = value["language.top"] == "en"
        return all(passed for name, passed in rules.items() if name != but)

    return [doc for path, docs in made.docs.items() if source in made.owner[path] for doc in docs if good(doc)]


def three(docs: list[Doc]) -> list[int]:
    size = sum(len(doc.text.encode()) for doc in docs)
    return [len(docs), size, size]


def swept(made: Case, column: str, at, bins):
    context = plan.context_of(made.recipe, made.corpus, made.corpus.workspace.folder, made.indexes, [])
    parts = [context.part(part, list(made.indexes)) for part in bins]
    return sweep.merged([sweep.count(column, at, part) for part in parts])


@pytest.mark.parametrize("bins", [[[0, 1, 2]], [[2], [1, 0]]])
@pytest.mark.parametrize(("column", "at"), [
    ("words.count", [0, 1, 2, 5]), ("words.mean_length", [Decimal("3.5"), 4]),
    ("language.en", [Decimal("0.1"), Decimal("0.65"), Decimal("0.9")])])
def test_each_threshold_keeps_what_a_rule_with_it_would(made, column, at, bins):
    found = swept(made, column, at, bins)
    for source in ("web", "wiki"):
        docs = passing(made, source, column)
        assert found[source].whole.tolist() == three(docs)
        known = [doc for doc in docs if doc.values[column] is not None]
        assert found[source].missing.tolist() == three([doc for doc in docs if doc.values[column] is None])
        kind = np.float32 if column == "language.en" else float
        for number, bound in enumerate(at):
            low = [doc for doc in known if kind(doc.values[column]) >= kind(bound)]
            high = [doc for doc in known if kind(doc.values[column]) <= kind(bound)]
            assert found[source].at_least[number].tolist() == three(low)
            assert found[source].at_most[number].tolist() == three(high)


@pytest.mark.parametrize("bins", [[[0, 1, 2]], [[2], [0], [1]]])
def test_each_value_of_a_text_column_is_counted(made, bins):
    found = swept(made, "language.top", [], bins)
    docs = passing(made, "wiki", "language.top")
    assert {value: sums.tolist() for value, sums in found["wiki"].values.items()} == {
        value: three([doc for doc in docs if doc.values["language.top"] == value]) for value in ("en", "de")}


def test_rare_values_are_counted_together(made, monkeypatch):
    monkeypatch.setattr(sweep, "MOST_VALUES", 1)
    one, other = (swept(made, "language.top", [], bins)["wiki"].values for bins in ([[0, 1, 2]], [[2], [0], [1]]))
    assert len(one) == 2 and sweep.OTHERS in one
    assert sum(sums for sums in one.values()).tolist() == sum(sums for sums in other.values()).tolist()


def test_where_to_look_holds_the_recipes_bounds_and_two_digits_of_quantiles(made):
    values = np.arange(1, 1001) / 7
    at = sweep.thresholds(made.recipe, "words.mean_length", [values[:500], values[500:]], whole=False)
    assert Decimal("3.5") in at and Decimal("71") in at and at == sorted(at)
    assert sweep.thresholds(made.recipe, "words.count", [values * 7000], whole=True)[-1] == 990_000
    assert sweep.thresholds(made.recipe, "words.count", [np.array([np.nan, np.inf])], whole=True) == [1]


def test_sampled_values_are_those_of_the_lowest_draws(made, monkeypatch):
    context = plan.context_of(made.recipe, made.corpus, made.corpus.workspace.folder, made.indexes, [])
    every = [doc.values["words.count"] for docs in made.docs.values() for doc in docs
             if doc.values["words.count"] is not None]
    whole = context.part([0, 1, 2], list(made.indexes))
    assert sorted(sweep.sampled("words.count", whole)) == sorted(every)
    monkeypatch.setattr(sweep, "SAMPLE", 20)
    assert len(sweep.sampled("words.count", whole)) == 20


def test_what_rows_say_themselves_is_swept_beside_best_shares(tmp_path):
    """A share of what is left is no bound, whose place would change with what is swept."""
    docs = {"web/0.jsonl": [Doc("xy"[row % 2], f"{row}", "text") for row in range(60)]}
    text = recipe_text({"x": {"keep": {"document.source": {"is": "x"}}, "shards": "web/*.jsonl"},
                        "y": {"keep": {"document.source": {"is": "y"}}, "shards": "web/*.jsonl"}},
                       unit="docs", keep={"sizes.bytes": {"top": 0.5}})
    found = swept(case(tmp_path, text, docs), "document.slice", [0, 500_000, 1_000_000], [[0, 1]])
    for source in "xy":
        low, middle, high = found[source].at_least[:, 0].tolist()
        assert (low, high) == (30, 0) and 0 < middle < 30 and found[source].missing[0] == 0


def test_a_recipe_with_hold_outs_is_swept_like_any(tmp_path):
    """A sweep comes before dedup, and is given no cluster set."""
    docs = {"web/0.jsonl": [Doc("x", f"{row}", "y" * row, {"words.count": row}) for row in range(9)]}
    fields = {"unit": "docs", "keep": {"words.count": {"min": 2}}}
    split = {"holdout": {"some": {"share": 0.5, "by": {"use": "text@1"}}}}
    plain = case(tmp_path / "plain", recipe_text({"web": {}}, **fields), docs)
    held = case(tmp_path / "held", recipe_text({"web": {}}, **fields, **split), docs)
    found = [swept(each, "words.count", [3], [[0]])["web"] for each in (plain, held)]
    assert three_of(found[0]) == three_of(found[1]) == ([9, 9, 36], [6, 6, 33])


def three_of(kept) -> tuple[list[int], list[int]]:
    return kept.whole.tolist(), kept.at_least[0].tolist()
