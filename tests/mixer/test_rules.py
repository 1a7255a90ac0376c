"""What rules say: bounds are of the column's own type, missing is never a pass, and verdicts explain themselves."""

from __future__ import annotations

import struct
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import recipe_text

from mixer.recipe import Rule
from mixer.recipe_parser import parse
from mixer.rules import passes, verdict

F65 = float(np.float32(0.65))
BELOW, ABOVE = (float(np.nextafter(np.float32(0.65), np.float32(way))) for way in (0, 1))


def f32(value: object) -> float:
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def slow(rule: Rule, values: list, kind: pa.DataType) -> list[bool]:
    def own(bound: object) -> object:
        if isinstance(bound, Decimal):
            return f32(bound) if kind == pa.float32() else float(bound)
        return bound

    bounds = [own(bound) for bound in (rule.value if isinstance(rule.value, tuple) else (rule.value,))]
    found = []
    for value in values:
        if value is None:
            found.append(False)
        elif rule.kind == "min":
            found.append(value >= bounds[0])
        elif rule.kind == "max":
            found.append(value <= bounds[0])
        else:
            found.append((value in bounds) == (rule.kind != "not_in"))
    return found


INTS = st.one_of(st.integers(-3, 3), st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**63 - 1]))
# One decimal place in steps that no binary fraction holds, and their neighbours among floats.
DECIMALS = st.integers(-12, 12).map(lambda tenths: Decimal(tenths) / 10)
FLOATS = st.one_of(DECIMALS.map(float), DECIMALS.map(lambda d: float(np.nextafter(float(d), 9))))
FLOAT32S = st.one_of(DECIMALS.map(f32), DECIMALS.map(lambda d: float(np.nextafter(np.float32(f32(d)), np.float32(9)))))
WORDS = st.sampled_from(["", "en", "de", "e", "EN", "é"])
KINDS = {"int64": (pa.int64(), INTS, INTS), "float64": (pa.float64(), DECIMALS, FLOATS),
         "float32": (pa.float32(), DECIMALS, FLOAT32S), "string": (pa.string(), WORDS, WORDS),
         "bool": (pa.bool_(), st.booleans(), st.booleans())}


@pytest.mark.parametrize("name", KINDS)
@given(st.data())
def test_each_kind_is_what_plain_python_says(name, data):
    kind, bounds, values = KINDS[name]
    rule_kind = data.draw(st.sampled_from(["is", "in", "not_in"] + ["min", "max"] * (name not in ("string", "bool"))))
    value = data.draw(st.lists(bounds, min_size=1, max_size=3).map(tuple) if "in" in rule_kind.split("_") else bounds)
    column = data.draw(st.lists(st.one_of(st.none(), values), max_size=9))
    good, missing = passes(Rule("column", rule_kind, value), pa.array(column, kind))
    assert good.tolist() == slow(Rule("column", rule_kind, value), column, kind)
    assert missing.tolist() == [each is None for each in column]


@pytest.mark.parametrize(("kind", "value", "expected"), [
    ("min", Decimal("0.65"), [False, True, True]),
    ("max", Decimal("0.65"), [True, True, False]),
    ("is", Decimal("0.65"), [False, True, False]),
    ("not_in", (Decimal("0.65"), Decimal("0.1")), [True, False, True]),
])
def test_threshold_of_a_float32_column_is_a_float32(kind, value, expected):
    """float32(0.65) is less than 0.65, and still what a model gives that says 0.65."""
    assert F65 < 0.65
    good, _ = passes(Rule("language.en", kind, value), pa.array([BELOW, F65, ABOVE], pa.float32()))
    assert good.tolist() == expected


@pytest.mark.parametrize(("kind", "value"), [
    ("min", -5), ("max", 5), ("is", 0), ("in", (0, 1)), ("not_in", (7, 8)),
])
def test_missing_never_passes(kind, value):
    """Null is not zero, though zero would pass each of these rules."""
    good, missing = passes(Rule("words.count", kind, value), pa.array([None, 0, None], pa.int64()))
    assert good.tolist() == [False, True, False]
    assert missing.tolist() == [True, False, True]


def test_slices_and_empty_columns_are_columns():
    rule = Rule("words.count", "min", 2)
    assert passes(rule, pa.array([9, 9, None, 1, 2], pa.int64())[2:])[0].tolist() == [False, False, True]
    assert [each.tolist() for each in passes(rule, pa.array([], pa.int64()))] == [[], []]


@pytest.mark.parametrize("written", ["50", "50.0", "5e1", "5_0"])
def test_whole_bounds_may_be_written_as_decimals(written):
    text = recipe_text({"web": {}}, keep={"words.count": {"min": "BOUND"}}).replace(b'"BOUND"', written.encode())
    rule = parse(text, "recipe.yaml").keep[0]
    good, _ = passes(rule, pa.array([49, 50, 51], pa.int64()))
    assert good.tolist() == [False, True, True]
    assert verdict(rule, 49) == "words.count 49 < 50"


@pytest.mark.parametrize(("rule", "value", "text"), [
    (Rule("words.count", "min", 50), 31, "words.count 31 < 50"),
    (Rule("words.count", "max", 100_000), 100_001, "words.count 100001 > 100000"),
    (Rule("words.count", "min", 50), None, "words.count is missing"),
    (Rule("language.en", "min", Decimal("0.65")), 0.25, "language.en 0.25 < 0.65"),
    (Rule("language.en", "min", Decimal("0.65")), 1 / 3, "language.en 0.333333 < 0.65"),
    (Rule("language.en", "min", Decimal("0.65")), BELOW, "language.en 0.649999917 < 0.65"),
    (Rule("language.en", "max", Decimal("0.65")), ABOVE, "language.en 0.650000036 > 0.65"),
    (Rule("words.mean_length", "max", Decimal("3.5")), float(np.nextafter(3.5, 9)),
     "words.mean_length 3.5000000000000004 > 3.5"),
    (Rule("language.top", "is", "en"), "de", "language.top de is not en"),
    (Rule("language.top", "in", ("en", "fr")), "de", "language.top de is not in [en, fr]"),
    (Rule("language.top", "not_in", ("de", "nl")), "de", "language.top de is in [de, nl]"),
    (Rule("language.top", "not_in", ("de",)), None, "language.top is missing"),
])
def test_verdict_says_why(rule, value, text):
    assert verdict(rule, value) == text
