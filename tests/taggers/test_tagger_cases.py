"""Each line of cases/*.jsonl: a text, what it shows, and the values that columns must have for it.

A line may have `with` (parameters), `id` and `metadata` beside.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tagger_uses import use_of

from taggers.registry import TAGGERS, find_column
from taggers.run import run
from taggers.text import TextBatch

CASES = [json.loads(line) for path in sorted(Path(__file__).with_name("cases").glob("*.jsonl"))
         for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["shows"])
def test_case(case: dict[str, Any]) -> None:
    assert {column: _value(column, case) for column in case["gives"]} == case["gives"]


def test_every_tagger_has_cases() -> None:
    assert {column.split(".")[0] for case in CASES for column in case["gives"]} == {tagger.name for tagger in TAGGERS}


def _value(column: str, case: dict[str, Any]) -> Any:
    named = {tagger.name: use_of(tagger) for tagger in TAGGERS if column.startswith(f"{tagger.name}.")}
    found = find_column(column, named)
    assert found is not None, column
    tagger, _, needed, _ = found
    use = use_of(tagger, **case.get("with", {}), **needed)
    batch = TextBatch.of_strings([case["text"]], [case.get("id", "1")], [json.dumps(case.get("metadata")).encode()])
    value = run([use], batch)[use.key][column][0].as_py()
    if isinstance(value, bytes):
        return value.hex()
    return round(value, 6) if isinstance(value, float) else value
