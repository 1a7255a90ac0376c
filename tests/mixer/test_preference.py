"""A preferred column orders documents exactly, in its own type."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import case, recipe_text
from plan_oracle import Doc, decide

from mixer import keepers
from mixer.errors import RecipeError
from mixer.lint import warnings
from mixer.recipe_parser import parse

INTEGERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**53, 2**53 + 1, -1, 0]))
FLOATS = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, math.inf, -math.inf, 5e-324, -5e-324]))


@pytest.mark.parametrize("which", ["max", "min"])
@pytest.mark.parametrize(("kind", "values"), [(pa.int64(), INTEGERS), (pa.float64(), FLOATS),
                                              (pa.float32(), st.one_of(st.none(), st.floats(width=32)))])
def test_order_is_that_of_the_numbers(which, kind, values):
    @given(st.lists(values, min_size=2, max_size=2))
    def holds(pair):
        missing, order = keepers.best_first(pa.array(pair, kind), which)
        first, second = zip(missing.tolist(), order.tolist(), strict=True)
        assert missing.dtype == order.dtype == np.uint64
        one, other = (None if each is None or math.isnan(each) else each for each in pair)
        if one is None or other is None:
            assert (first < second) == (one is not None and other is None)
        else:
            assert (first < second) == (one > other if which == "max" else one < other)

    holds()


def test_preference_is_by_source_then_column_then_draw(tmp_path):
    values = [("web", 5), ("web", None), ("wiki", 1), ("wiki", 3), ("wiki", 3), ("wiki", None)]
    docs = {"web/0.jsonl": [], "wiki/0.jsonl": []}
    for number, (source, value) in enumerate(values):
        docs[f"{source}/0.jsonl"].append(Doc("x", f"{number}", "same", {"words.count": value}))
    text = recipe_text({"web": {}, "wiki": {}}, dedup=[{"use": "text@1"}], prefer=["wiki"],
                       prefer_by={"column": "words.count", "best": "max"})
    made = case(tmp_path, text, docs)
    _, found = made.plan()
    assert found == decide(made.recipe, docs, made.owner)
    kept, = [(path, row) for path, rows in found.selection.items() for row, (copies, _) in enumerate(rows) if copies]
    assert kept in (("wiki/0.jsonl", 1), ("wiki/0.jsonl", 2))


@pytest.mark.parametrize(("said", "message"), [
    ({"column": "words.coutn", "best": "max"}, "unknown column; did you mean `words.count`?"),
    ({"column": "language.top", "best": "max"}, "a column of type string, which has no greatest value"),
    ({"column": "words.count", "best": "most"}, "not one of the choices"),
    ({"column": "words.count"}, "missing; add `best: …`, max or min"),
    ({"best": "max"}, "missing; add `column: …`"),
    ({"column": "text_hash.key", "best": "max"}, "a column of type key128"),
    ("words.count", "not a mapping"),
])
def test_mistakes(said, message):
    with pytest.raises(RecipeError) as error:
        parse(recipe_text({"web": {}}, dedup=[{"use": "text@1"}], prefer_by=said), "recipe.yaml")
    shown = [f"{each.message}; {each.remedy}" for each in error.value.mistakes]
    assert len(shown) == 1 and message in shown[0], shown


def test_column_is_measured_where_there_is_something_to_choose():
    by = {"column": "words.count", "best": "min"}
    recipe = parse(recipe_text({"web": {"about": {"license": "x"}}}, dedup=[{"use": "text@1"}], prefer_by=by), "r")
    assert "words" in {use.name for use in recipe.uses()} and warnings(recipe) == []
    idle = parse(recipe_text({"web": {"about": {"license": "x"}}}, prefer_by=by), "r")
    assert idle.uses() == () and ["nothing to choose between" in each.message for each in warnings(idle)] == [True]
