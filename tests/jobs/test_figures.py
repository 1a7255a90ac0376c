"""The tables of a plan: every step, sums that go on, columns that say something, and rates of the last build."""

from __future__ import annotations

import dataclasses
import itertools
import json
from fractions import Fraction

import pytest
from plan_views import small_plan, with_phases

from jobs import figures, rates, report, tables
from mixer import repeats
from mixer.plan import Plan
from mixer.workspace import Workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Plan:
    return small_plan(tmp_path_factory.mktemp("figures"))


def by_name(plan: Plan) -> dict[str, figures.Table]:
    return {table.name: table for table in figures.tables(plan)}


def test_funnel_goes_from_what_was_read_to_what_is_taken(made):
    funnel = by_name(made)["funnel"]
    names = [row[0] for row in funnel.rows]
    assert names == ["read", "words.count min 2", "words.count max 10", "language.en max 0.9  (web)", "dedup text@1",
                     "dedup text@1 normalise=[whitespace]", "not drawn"]
    left = [int(row[6].replace(",", "")) for row in funnel.rows]
    dropped = [int(row[1].replace(",", "") or 0) for row in funnel.rows]
    assert left[0] == 18 and [before - after for before, after in itertools.pairwise(left)] == dropped[1:]
    assert left[-1] == sum(each["selected"]["docs"] for each in made.body["counts"])
    assert names.index("read") == 0 and funnel.rows[1][1:6:2] == ("4", "4", "0")


def test_every_step_of_every_phase_is_in_the_funnel_in_order(made):
    names = [row[0] for row in by_name(with_phases(made))["funnel"].rows]
    assert names[4:] == ["words.count top 0.5  (web)", "dedup text@1", "dedup text@1 normalise=[whitespace]",
                         "edit pii.email cut  (web)", "held out validation  (web)",
                         "sample words.count pareto alpha=9  (web)",
                         "curve words.count buckets=2 discard=0.5 max_upsample=7  (web)", "not drawn"]
    row = {row[0]: row for row in by_name(with_phases(made))["funnel"].rows}
    assert row["curve words.count buckets=2 discard=0.5 max_upsample=7  (web)"][1] == "2"  # discarded and missing
    assert by_name(with_phases(made))["curve of web"].rows[0] == ("1", "1", "40", "50", "1.25")
    assert ("edit pii.email cut", "2", "3", "-5", "6", "11") in by_name(with_phases(made))["cuts"].rows


def test_documents_are_told_by_phase(made):
    rows = by_name(with_phases(made))["documents"].rows
    head = by_name(with_phases(made))["documents"].head
    web = dict(zip(head, rows[0], strict=True))
    assert [web[name] for name in ("tops", "edits", "held out", "sample", "curve")] == ["1", "1", "1", "1", "2"]
    assert rows[-1][0] == "total" and rows[-1][1] == "18"


def test_effective_units_are_those_of_the_formula(made):
    for each in made.body["counts"]:
        selected, emitted = each["selected"]["units"], each["emitted"]["units"]
        assert figures.effective_of(each) == int(repeats.effective(selected, Fraction(emitted, selected)))
        assert figures.effective_of(each) <= figures.realised_of(each)
    assert any(figures.effective_of(each) < figures.realised_of(each) for each in made.body["counts"])
    nothing = {"selected": {"units": 0}, "emitted": {"units": 0}, "edited": {"units": 0}, "curve": None}
    assert figures.effective_of(nothing) == 0
    # Of a curve bucket by bucket: what is seen seven times is worth less than the mean says.
    buckets = [{"units": 1000, "allocated": 500}, {"units": 1000, "allocated": 7000}]
    curved = {"selected": {"units": 1500}, "emitted": {"units": 7500}, "edited": {"units": 0},
              "curve": {"buckets": buckets}}
    assert figures.effective_of(curved) == int(500 + repeats.effective(1000, Fraction(7)))


def test_documents_as_units_are_told_once(made):
    plan = dataclasses.replace(made, recipe=dataclasses.replace(made.recipe, unit="docs"))
    assert by_name(plan)["funnel"].head == ("dropped by", "docs", "fail it", "only it", "missing", "left")


def test_text_fits_a_terminal_and_says_nothing_twice(made):
    said = report.plan_text(with_phases(made), "recipe.yaml", 1.0)
    assert max(map(len, said.splitlines())) <= tables.WIDTH
    assert "missing" in said and "how fast was not measured yet" in said
    assert "missing" not in report.plan_text(made, "recipe.yaml", 1.0)  # a column that says nothing


def test_long_names_stand_on_a_line_of_their_own():
    name = "dedup minhash@1 " + "x" * 120
    said = tables.fitted(["dropped by", "docs"], [[name, "1,000"], ["short", "2"]]).splitlines()
    assert said[1] == f"  {name}" and said[2].split() == ["1,000"] and said[3].split() == ["short", "2"]
    assert len({len(line) for line in (said[0], said[2], said[3])}) == 1
    assert "\x1b" not in tables.fitted(["a"], [["\x1b[31mred"]])


def test_json_has_what_follows_from_the_counts(made):
    rate = rates.Rate(20_000_000, 2.0, 2, "2026-11-22")
    found = json.loads(json.dumps(report.plan_json(made, rate)))
    size = sum(each["emitted"]["bytes"] for each in made.body["counts"])
    assert found["build"] == {"bytes": size, "seconds": round(size / 1e7, 1), "rate": rate.as_json()}
    assert [each["effective"] for each in found["sources"]] == [*map(figures.effective_of, made.body["counts"])]
    assert found["counts"] == json.loads(json.dumps(made.body["counts"]))


# ---- rates


def test_rate_of_the_last_build_says_how_long_the_next_takes(made, tmp_path):
    place = Workspace(str(tmp_path), "/corpus")
    assert rates.read(place) == {}
    rates.record(place, "build", 36_000_000, 2.0, 2)
    rates.record(place, "tag", 5_000_000, 10.0, 4)
    rates.record(place, "build", 0, 1.0, 2)  # which moved nothing, and says nothing
    found = rates.read(place)
    assert found["build"] == rates.Rate(36_000_000, 2.0, 2, rates.today())
    assert (found["tag"].text, found["build"].text) == ("0.5 MB/s", "18 MB/s")
    assert rates.Rate(6_400, 3.0, 2, "2026-11-22").text == "2.1 kB/s"
    size = report.moved(made)
    said = report.build_estimate(made, found["build"])
    assert said.startswith(f"a build moves {size / 1e6:,.1f} MB of text: about 0.0 s at the 18 MB/s measured on 20")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"format": "solera-rates@0"}',
                                  b'{"format": "solera-rates@1", "build": {"bytes": 0, "seconds": 1}}',
                                  b'{"format": "solera-rates@1", "build": 3}'])
def test_rates_that_cannot_be_used_are_none(tmp_path, text):
    place = Workspace(str(tmp_path), "/corpus")
    (tmp_path / "rates.json").write_bytes(text)
    assert rates.read(place) == {}
    rates.record(place, "build", 5, 1.0, 1)
    assert rates.read(place)["build"].bytes == 5
