"""Edits are what sets of characters say, however spans of several columns overlap; a span that is none is an error."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import numpy as np
import plan_cases
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import case, recipe_text
from plan_oracle import Doc, decide
from plan_oracle import merged as merged_slowly

from mixer import attributes, cuts, edits
from mixer.errors import StorageError
from mixer.recipe import Edit

TEXTS = ["é😀a\n" * 3, "plain text", "", "言葉x" * 4, "a"]
EDITS = [Edit("a", "", None, Decimal(1)), Edit("b", None, None, Decimal(1)), Edit("c", "é", None, Decimal(1))]
# Row, two places, and the edit.
PLACES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), st.integers(0, 12), st.integers(0, 2)), max_size=10)


def span(text: str, start: int, end: int, **more) -> dict:
    return {"start": start, "end": end, "first_byte": len(text[:start].encode()),
            "bytes": len(text[start:end].encode()), **more}


@given(PLACES)
def test_merged_spans_are_what_characters_say(places):
    by_edit: defaultdict[int, list] = defaultdict(list)
    for row, one, other, number in places:
        start, end = sorted(min(at, len(TEXTS[row])) for at in (one, other))
        if start < end:
            by_edit[number].append({"row": row, **span(TEXTS[row], start, end)})
    cut, replaced = np.empty(0, cuts.CUT), np.empty(0, edits.SPAN)
    for number, edit in enumerate(EDITS):
        found = cuts.of(pa.Table.from_pylist(by_edit[number], schema=cuts.SCHEMA))
        mine = edits.of_edit(found, edit, number)
        cut, replaced = np.concatenate([cut, mine[0]]), np.concatenate([replaced, mine[1]])
    whole = edits.merged(cut, replaced)
    removed, added = edits.removed_and_added(whole, EDITS, len(TEXTS))
    table = edits.table_of(whole, EDITS)
    assert table.schema == edits.SCHEMA
    for row, text in enumerate(TEXTS):
        gone, left = merged_slowly(
            {at for each in by_edit[1] if each["row"] == row for at in range(each["start"], each["end"])},
            [(each["start"], number, each["end"], EDITS[number].replace) for number in (0, 2)
             for each in by_edit[number] if each["row"] == row])
        instead = {start: new for start, _, new in left}
        out = gone | {at for start, end, _ in left for at in range(start, end)}
        expected = "".join(instead.get(at, "") + ("" if at in out else each) for at, each in enumerate(text))
        mine = [each for each in table.to_pylist() if each["row"] == row]
        assert cuts.edited(text, [(each["start"], each["end"], each["replacement"]) for each in mine]) == expected
        assert removed[row] == sum(len(text[at].encode()) for at in out)
        assert added[row] == sum(len(new.encode()) for _, _, new in left)
        assert [{name: each[name] for name in span("", 0, 0)} for each in mine] == \
            [span(text, each["start"], each["end"]) for each in mine]
        assert [(each["start"], each["end"]) for each in mine if each["replacement"] is not None] == \
            [(start, end) for start, end, _ in left]


@pytest.mark.parametrize(("cut", "replaced", "text"), [
    # One that a cut shares a character with is cut whole; one that touches a cut is not.
    ([(0, 2)], [(1, 4)], "efgh"), ([(0, 2)], [(2, 4)], "<1>efgh"), ([(3, 4)], [(1, 3)], "a<1>efgh"),
    # So are those that overlap one which does.
    ([(0, 2)], [(1, 4), (3, 6)], "gh"), ([(5, 6)], [(1, 4), (3, 6)], "agh"),
    # Of those that overlap the first stands for all: by start, by the order of the edits, by end.
    ([], [(0, 3), (2, 5), (4, 6)], "<1>gh"), ([], [(2, 4), (0, 3)], "<2>efgh"), ([], [(1, 3), (1, 5)], "a<1>fgh"),
    ([], [(1, 5), (1, 3)], "a<1>fgh"), ([], [(0, 2), (2, 4)], "<1><2>efgh"), ([(0, 4), (4, 8)], [(3, 5)], ""),
])
def test_what_becomes_of_a_text(cut, replaced, text):
    chosen = [Edit(f"column{number}", f"<{number}>", None, Decimal(1)) for number in range(4)]
    one = cuts.of(pa.Table.from_pylist([{"row": 0, **span("abcdefgh", *each)} for each in cut], schema=cuts.SCHEMA))
    other = [np.empty(0, edits.SPAN)]
    for number, each in enumerate(replaced, 1):
        found = cuts.of(pa.Table.from_pylist([{"row": 0, **span("abcdefgh", *each)}], schema=cuts.SCHEMA))
        other.append(edits.of_edit(found, chosen[number], number)[1])
    table = edits.table_of(edits.merged(one, np.concatenate(other)), chosen)
    spans = [(each["start"], each["end"], each["replacement"]) for each in table.to_pylist()]
    assert cuts.edited("abcdefgh", spans) == text


@pytest.mark.parametrize(("least", "starts"), [
    (None, [0, 1, 2, 3, 4]), ("0.1", [0, 1, 2]), ("0.30000000000000004", [0, 1]), ("0.3", [0, 1]), ("0.5", [0]),
    ("-1", [0, 1, 2]), ("0.50000000000000001", [0]), ("0.6", []),
])
def test_a_least_score_is_compared_as_a_float64(least, starts):
    """What has no score has not the least one; nor has one that is no number."""
    scores = [0.5, 0.1 + 0.2, 0.1, None, float("nan")]
    spans = [span("abcdefgh", at, at + 1, score=score) for at, score in enumerate(scores)]
    column = pa.array([[], spans, None, [span("", 0, 0, score=1.0)]], attributes.SPANS)
    found = edits.spans_of(column, np.ones(4, bool), None if least is None else Decimal(least))
    assert found["start"].tolist() == starts and set(found["row"].tolist()) <= {1}
    assert not len(edits.spans_of(column, np.zeros(4, bool), None))


@pytest.mark.parametrize("wrong", [
    {"end": 40}, {"start": -1}, {"start": 5, "end": 4}, {"first_byte": 9}, {"first_byte": -1}, {"bytes": 0},
    {"bytes": 2**63 - 1}, {"bytes": -1}, {"first_byte": 2**63 - 1}, {"start": 2**62, "end": 2**62 + 1},
    {"start": 2, "end": 3, "first_byte": 1}, {"start": None}, {"bytes": 5},
])
def test_a_span_that_cannot_be_in_its_text(wrong):
    good = span("abcdefgh", 0, 1, score=1.0)
    column = pa.array([[good], [], [good | wrong]], attributes.SPANS)
    found = edits.spans_of(column, np.ones(3, bool), None)
    assert dict(zip(found["row"].tolist(), edits.are_inside(found, np.array([8, 0, 8])), strict=True)) == \
        {0: True, 2: False}


def test_a_span_outside_its_text_is_an_error_that_names_the_sidecar(tmp_path):
    docs = {"web/0.jsonl": [Doc("x", "0", "abcdefgh"), Doc("x", "1", "abcdefgh", found={"pii.email": [(2, 40, 1.0)]})]}
    made = case(tmp_path, recipe_text({"web": {}}, edit={"pii.email": {"cut": True}}), docs)
    with pytest.raises(StorageError, match=r"pii@2/web/0.jsonl.parquet: row 1 has a span of pii.email \(start 2, end "
                                           r"40, first_byte 2, bytes 6\) which cannot be in its text of 8 bytes"):
        made.plan()


def test_spans_of_an_earlier_form_are_an_error(tmp_path, monkeypatch):
    """A tagger of the user's may have made them, which says nothing of the form of spans in its version."""
    older = pa.list_(pa.struct([field for field in attributes.SPANS.value_type if field.name != "first_byte"]))
    monkeypatch.setitem(plan_cases.ARROW_TYPES, "spans", older)
    docs = {"web/0.jsonl": [Doc("x", "0", "abcdefgh", found={"pii.email": [(2, 4, 1.0)]})]}
    made = case(tmp_path, recipe_text({"web": {}}, edit={"pii.email": {"cut": True}}), docs)
    with pytest.raises(StorageError, match=r"pii@2/web/0.jsonl.parquet: spans of an earlier form, without first_byte"):
        made.plan()


def test_what_edits_drop_and_count(tmp_path):
    """A share that is just met stays; one of which nothing would be left by all cuts so far goes, with this edit's
    reason; one that is all replaced stays; and what an edit dropped is no longer there for the next.
    """
    def doc(name, text, **found):
        columns = {"cut": "secrets.token", "mask": "pii.email"}
        return Doc("x", name, text, found={columns[each]: spans for each, spans in found.items()})

    docs = {"web/0.jsonl": [
        doc("half", "abcdefgh", cut=[(0, 4, 1.0)]), doc("more", "abcdefgh", cut=[(0, 5, 1.0)], mask=[(5, 6, 1.0)]),
        doc("all masked", "a@b", mask=[(0, 3, 1.0)]), doc("cut and masked", "abcdefgh", cut=[(0, 4, 1.0)],
                                                         mask=[(3, 8, 1.0)]),
        doc("low", "abcdefgh", cut=[(0, 8, 0.5)]), doc("empty", "", cut=[(0, 0, 1.0)]), doc("none", "abcdefg"),
        doc("longer", "ab@c", mask=[(0, 1, 1.0), (2, 3, 1.0)]),
    ]}
    recipe = recipe_text({"web": {}}, unit="tokens", edit={
        "secrets.token": {"cut": True, "max_removed": 0.5, "min_score": 0.6}, "pii.email": {"replace": "|||EMAIL|||"}})
    made = case(tmp_path, recipe, docs)
    _, found = made.plan()
    assert found == decide(made.recipe, docs, made.owner)
    reasons = {doc.id: reason for doc, (_, reason) in zip(docs["web/0.jsonl"], found.selection["web/0.jsonl"],
                                                          strict=True)}
    first, second = (edit.text for edit in made.recipe.edits_for("web"))
    assert first == "edit secrets.token cut min_score=0.6 max_removed=0.5"
    assert reasons == {"half": "kept", "more": first, "all masked": "kept", "cut and masked": second, "low": "kept",
                       "empty": "kept", "none": "kept", "longer": "kept"}
    (count,) = found.counts
    assert [each["edited"] for each in count["edits"]] == [
        {"docs": 2, "spans": 2, "units": 2, "bytes": 8, "added": 0},
        {"docs": 2, "spans": 3, "units": -7, "bytes": 5, "added": 33},  # of 3 bytes 11, of 4 bytes 24
    ]
    assert count["edited"] == {"docs": 3, "spans": 4, "units": -6, "bytes": 9, "added": 33}
