"""The registry: complete, consistent, found by name, and cheap to import."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from taggers.declare import Use, load, problems
from taggers.registry import TAGGERS, column_names, find_column, find_tagger


def test_declarations_import_nothing_heavy() -> None:
    heavy = "{'numba', 'numpy', 'pyarrow', 'fasttext', 'xxhash', 'pyspark'}"
    code = f"import sys, taggers.registry; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_names_are_unique_and_say_whose_they_are() -> None:
    assert len({tagger.name for tagger in TAGGERS}) == len(TAGGERS)
    assert len(set(column_names())) == len(column_names())
    for tagger in TAGGERS:
        assert list(problems(tagger)) == []
        assert tagger.source and tagger.own is None
        for column in tagger.columns:
            assert column.doc.endswith(".")


def test_every_column_name_is_found_with_what_it_needs() -> None:
    for name in column_names():
        found = find_column(name)
        assert found is not None
        tagger, column, needed, _ = found
        assert column.name == name
        assert column in Use(tagger, {**tagger.parameters, **needed}).columns


def test_a_family_column_brings_its_parameter() -> None:
    found = find_column("language.en")
    assert found is not None
    assert (found[0].name, found[1].type, found[2]) == ("language", "float32", {"languages": ["en"]})


@pytest.mark.parametrize("name", ["", "words", "words.", "words.cuont", "language.", "language.xx", "en"])
def test_an_unknown_column_is_none(name: str) -> None:
    assert find_column(name) is None


def test_a_tagger_is_found_by_name() -> None:
    assert [find_tagger(tagger.name) for tagger in TAGGERS] == list(TAGGERS)
    assert find_tagger("wrods") is None


def test_bounds_are_of_whole_numbers_among_the_parameters() -> None:
    minhash = find_tagger("minhash")
    assert minhash is not None and list(problems(minhash)) == []
    for name in ("ngram", "shingles", "nope"):
        (problem,) = problems(replace(minhash, bounds={name: (6, 9)}))
        assert problem == f"{name} is bounded from 6 to 9; its default has to be a whole number between them"


def test_every_reference_loads() -> None:
    for tagger in TAGGERS:
        assert callable(load(tagger.run))
        assert tagger.bundled is None or len(bytes.fromhex(load(tagger.bundled)())) == 32
