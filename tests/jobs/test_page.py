"""The page of a plan: well-formed, whole, of nothing but itself, with every figure, and harmless whoever wrote it."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from plan_views import small_plan, with_phases

from jobs import figures, page, rates
from mixer import storage
from mixer.errors import StorageError

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</title><script src="https://evil.example/x.js">alert("1")</script>&amp;\x1b[31m\x00]]>\u202e'


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text.encode())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small_plan(tmp_path_factory.mktemp("page"))


@pytest.fixture
def plan(made):
    return with_phases(made)


def test_page_is_well_formed_and_asks_for_nothing(plan):
    text = page.page(plan, rates.Rate(20_000_000, 2.0, 2, "2026-11-22"))
    tags = {each.tag.rpartition("}")[2] for each in parsed(text).iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "a", "use", "image", "form", "base"}
    assert {"svg", "rect", "table", "style"} <= tags
    without = re.sub(r' xmlns="http://www\.w3\.org/[^"]*"', "", text)
    assert not re.search(r"https?:|url\(|@import|//", without)
    assert not re.search(r"\son\w+=", without)  # no handlers


def test_page_holds_every_figure(plan):
    found = {re.sub(r"\s+", " ", each) for each in parsed(page.page(plan)).itertext()}
    words = set(re.findall(r"[\d,]*\d", " ".join(found)))

    def numbers(value):
        if isinstance(value, dict):
            for each in value.values():
                yield from numbers(each)
        elif isinstance(value, list):
            for each in value:
                yield from numbers(each)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield value

    missing = [each for each in numbers(plan.body["counts"]) if f"{abs(each):,}" not in words]
    assert not missing
    whole = " ".join(found)
    assert plan.body["lock_sha256"] in whole and f"{plan.recipe.name} {plan.recipe.version}" in whole
    for table in figures.tables(plan):
        assert {re.sub(r"\s+", " ", cell) for row in table.rows for cell in row if cell} <= found, table.name


def test_bars_are_inside_the_drawing_and_as_long_as_what_they_stand_for(plan):
    counts = plan.body["counts"]
    for drawing in (page.funnel_svg(counts, "bytes"), page.shares_svg(counts), page.epochs_svg(counts)):
        svg = parsed(drawing).find(f"{SVG}svg")
        _, _, width, height = map(float, svg.get("viewBox").split())
        for each in svg.iter(f"{SVG}rect"):
            x, y, wide, high = (float(each.get(name)) for name in ("x", "y", "width", "height"))
            assert min(x, y, wide) >= 0 and x + wide <= width and y + high <= height
        for each in svg.iter(f"{SVG}text"):
            letters = len(each.text) * page.LETTER
            x = float(each.get("x"))
            assert x - letters >= 0 if each.get("class") == "label" else x + letters <= width, each.text
    # Of the funnel: as long as the units and documents that are left, in one scale.
    rects = [(float(each.get("width")), each.find(f"{SVG}title").text)
             for each in parsed(page.funnel_svg(counts, "bytes")).iter(f"{SVG}rect")]
    for called in ("bytes", "documents"):
        known = [(width, int(re.search(rf": (-?[\d,]+) {called} of", title)[1].replace(",", "")))
                 for width, title in rects if f" {called} of " in title]
        scale = known[0][0] / known[0][1]
        assert all(abs(width - scale * value) < 0.02 for width, value in known) and len(known) > 10


def test_what_is_left_ends_with_what_is_taken(made):
    lefts = page.left_after(made.body["counts"])
    assert lefts[-1].docs == tuple(each["selected"]["docs"] for each in made.body["counts"])
    assert lefts[-1].units == tuple(each["selected"]["units"] for each in made.body["counts"])


def test_hostile_words_are_only_words(plan):
    body = dict(plan.body)
    body["counts"] = [{**each, "source": HOSTILE + each["source"],
                       "rules": [{**rule, "rule": HOSTILE + rule["rule"]} for rule in each["rules"]]}
                      for each in plan.body["counts"]]
    recipe = dataclasses.replace(plan.recipe, name=HOSTILE, description=HOSTILE)
    text = page.page(dataclasses.replace(plan, body=body, recipe=recipe))
    assert "script" not in {each.tag.rpartition("}")[2] for each in parsed(text).iter()}
    assert "<script" not in text and "\x1b" not in text and "\x00" not in text and "\u202e" not in text
    assert any("alert(" in (each or "") for each in parsed(text).itertext())  # it is there to be read


def test_page_is_written_whole_or_not_at_all(plan, tmp_path: Path, monkeypatch):
    page.write(plan, str(tmp_path / "plan.html"))
    before = (tmp_path / "plan.html").read_bytes()
    assert parsed(before.decode()) is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "replace", full)
    with pytest.raises(StorageError):
        page.write(plan, str(tmp_path / "plan.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["plan.html"]
    assert (tmp_path / "plan.html").read_bytes() == before
