"""Examples of what a reason drops: the very documents that a plain sort finds, however the corpus is cut."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from plan_cases import case, recipe_text
from plan_oracle import Doc

from mixer import draw, examples, rows
from mixer.errors import BadInput
from mixer.examples import DROPPED, FURTHEST, KEPT, KEPT_BY_DRAW, LAST, MISSING, NEAREST

RECIPE = recipe_text(
    {"web": {"weight": 0.5, "keep": {"language.en": {"min": 0.5}}}, "wiki": {"weight": 0.5}}, unit="docs", budget=10,
    policy={"kind": "fixed"}, prefer=["wiki"], on_shortfall="redistribute",
    keep={"words.count": {"min": 10, "max": 40}, "language.top": {"not_in": ["de"]}, "words.mean_length": {"top": 0.8}},
    dedup=[{"use": "text@1"}])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    choose = random.Random(5)
    docs = {f"{folder}/{number}.jsonl": [
        Doc("x", f"{folder}{number}:{row}", f"text {choose.randrange(60)}",
            {"words.count": choose.choice([None, *range(0, 60)]), "language.top": choose.choice(["de", "en", None]),
             "words.mean_length": choose.choice([None, 1.5, 2.5, choose.random()]),
             "language.en": choose.choice([None, math.nan, 0.25, 0.5, 0.75, -1.0, choose.random()])})
        for row in range(120)] for folder, number in [("web", 0), ("web", 1), ("wiki", 0)]}
    return case(tmp_path_factory.mktemp("examples"), RECIPE, docs)


@pytest.fixture(scope="module")
def planned(made):
    plan, outcome = made.plan()
    return made.context(plan), outcome


def found(made, planned, words, most, bins):
    context = planned[0]
    parts = [context.part(part, list(context.digests)) for part in bins]
    questions = examples.asked(context, words)
    return questions, examples.merged([examples.best(questions, most, part) for part in parts], most)


def documents(made, planned):
    """(source, shard number, row, document, reason, draw) of all."""
    seed = made.recipe.seed
    for number, (path, docs) in enumerate(made.docs.items()):
        for row, doc in enumerate(docs):
            identity = rows.identity(doc.source, doc.id)
            value = int(draw.draws(seed, "draw", np.frombuffer(identity, np.uint8)[None])[0])
            yield made.owner[path][0], number, row, doc, planned[1].selection[path][row][1], (value, identity)


ONE_BIN, THREE_BINS = [[0, 1, 2]], [[2], [0], [1]]


@pytest.mark.parametrize(("rule", "column", "sign"), [
    ("words.count min 10", "words.count", 1), ("words.count max 40", "words.count", -1),
    ("language.en min 0.5", "language.en", 1), ("words.mean_length top 0.8", "words.mean_length", 1)])
@pytest.mark.parametrize("most", [1, 3, 1000])
def test_examples_of_a_bound_are_those_that_a_sort_finds(made, planned, rule, column, sign, most):
    rules = {each.text for source in made.recipe.sources for each in made.recipe.rules_for(source.name)}
    rules |= {each for each in [rule] if " top " in each}
    by_source = " top " in rule  # of which the bound is another in each source
    groups = {("", name): [] for name in (NEAREST, FURTHEST, KEPT, MISSING)}
    if by_source:
        groups = {(source, name): [] for source in ("web", "wiki") for name in (NEAREST, FURTHEST, KEPT, MISSING)}
    for source, number, row, doc, reason, drawn in documents(made, planned):
        value = doc.values[column]
        if value is None:
            if reason == rule:
                groups[source if by_source else "", MISSING].append((0, drawn, number, row))
            continue
        near = math.inf if value != value else -sign * value  # what is no number is the furthest of all
        far = -math.inf if value != value else sign * value
        if reason == rule:
            groups[source if by_source else "", NEAREST].append((near, drawn, number, row))
            groups[source if by_source else "", FURTHEST].append((far, drawn, number, row))
        elif reason not in rules and (column != "language.en" or source == "web"):
            groups[source if by_source else "", KEPT].append((far, drawn, number, row))
    expected = {name: [each[2:] for each in sorted(group)[:most]] for name, group in groups.items()}
    for of in [of for of in expected if of[1] == FURTHEST]:
        expected[of] = [each for each in expected[of] if each not in expected[of[0], NEAREST]]
    for bins in (ONE_BIN, THREE_BINS):
        (question,), (said,) = found(made, planned, rule, most, bins)
        assert question.reason == rule and question.sources == (("web",) if column == "language.en" else
                                                                ("web", "wiki"))
        assert {name: [each[1:3] for each in group] for name, group in said.items()} == \
            {name: group for name, group in expected.items() if group}


@pytest.mark.parametrize(("words", "reason"), [
    ("language.top", "language.top not_in [de]"), ("dedup text@1", "dedup text@1"), ("not  drawn", "not drawn")])
def test_examples_of_other_reasons_come_in_the_order_of_the_draw(made, planned, words, reason):
    drawn = [(place, number, row, doc) for _, number, row, doc, why, place in documents(made, planned) if why == reason]
    known = [each[1:3] for each in sorted(drawn, key=lambda each: each[0])
             if "top" not in words or each[3].values["language.top"] is not None]
    for bins in (ONE_BIN, THREE_BINS):
        (question,), (said,) = found(made, planned, words, 4, bins)
        assert question.reason == reason and known
        assert [each[1:3] for each in said["", DROPPED]] == known[:4]
        assert (("", MISSING) in said) == (("", KEPT_BY_DRAW) in said) == ("top" in words)
        assert question.method == (0 if reason == "dedup text@1" else None)
        if reason == "not drawn":
            last = sorted((each for each in documents(made, planned) if each[4] == "kept"),
                          key=lambda each: each[5], reverse=True)
            assert [each[1:3] for each in said["", LAST]] == [each[1:3] for each in last[:4]]


def test_words_name_a_rule_or_several(planned):
    context = planned[0]

    def reasons(words):
        return [each.reason for each in examples.asked(context, words)]

    assert reasons("words.count") == ["words.count min 10", "words.count max 40"]
    assert reasons("words.count   max") == ["words.count max 40"] == reasons("words.count max 40")
    assert reasons("text@1") == ["dedup text@1"]
    for words, near in [("words.cont", "words.count"), ("words.count min 11", "words.count min 10"),
                        ("language.tip", "language.top"), ("count", "words.count min 10' or 'words"),
                        ("kept", ""), ("", "")]:
        with pytest.raises(BadInput) as error:
            examples.asked(context, words)
        said = str(error.value)
        assert f"did you mean '{near}" in said if near else "of this recipe is called so" in said
