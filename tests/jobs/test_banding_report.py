"""The banding of MinHash is printed by lint, and by dedup with what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs import report
from jobs.cli import main
from jobs.dedup import DedupSummary
from mixer.banding import candidate_odds
from mixer.clusters import ClusterSet

RECIPE = """\
{name: mix, version: 1.0.0, seed: 7, corpus: here, unit: docs, policy: {kind: proportional},
 dedup: [{use: text@1}, {use: minhash@1, preset: 20x13}, {use: minhash@1, preset: 20x13, seed: 2}],
 sources: {web: {shards: '*.jsonl', about: {license: CC0-1.0}}}}
"""
LINE = "20 bands of 13 rows, 260 hashes: two documents are as likely compared as not at a similarity of 0.771"


def test_lint_prints_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    assert main(["lint", str(path)]) == 0
    assert capsys.readouterr().out.count(LINE) == 1
    assert main(["lint", str(path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["bandings"]
    assert (found["bands"], found["rows"]) == (20, 13)
    assert [0.8, candidate_odds(0.8, 20, 13)] in found["curve"]


def test_dedup_prints_it_after_its_sets() -> None:
    sets = (ClusterSet("minhash@1-0", "minhash@1", {"bands": 20, "rows": 13}, 1, 2, {}),
            ClusterSet("text@1-0", "text@1", {"normalise": []}, 1, 2, {}))
    found = DedupSummary(sets, (), 4, 1.0)
    lines = report.dedup_text(found, "recipe.yaml").splitlines()
    assert LINE in lines
    assert lines.index(LINE) > next(place for place, line in enumerate(lines) if "text@1-0" in line)
    assert [each["bands"] for each in report.dedup_json(found)["bandings"]] == [20]
