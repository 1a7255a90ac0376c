"""`solera taggers`: every tagger and column is listed, in lines that fit, and as JSON."""

from __future__ import annotations

import json

import pytest

from jobs import cli, tagger_list
from taggers.registry import TAGGERS


@pytest.mark.parametrize("width", [60, 100, 200])
def test_every_column_is_listed_with_its_unit_in_lines_that_fit(width):
    text = tagger_list.text(TAGGERS, width)
    for tagger in TAGGERS:
        assert f"{tagger.key}" in text
        for column in tagger.columns:
            (line,) = [line for line in text.splitlines() if line.split()[:1] == [column.name]]
            assert column.type in line and column.unit in line
    long = [line for line in text.splitlines() if len(line) > width and " " in line.strip()]
    assert width < 100 or not long


def test_json_and_names(capsys):
    assert cli.main(["taggers", "words", "--json"]) == 0
    (words,) = json.loads(capsys.readouterr().out)
    assert words["tagger"].startswith("words@") and words["columns"][0]["unit"] == "words"
    assert cli.main(["taggers", "wrods"]) == 2
    assert "wrods: no tagger of this name; there are sizes, words" in capsys.readouterr().err
