"""`solera demo`, as someone runs it first: whole, again, and after it was stopped."""

from __future__ import annotations

import json
import shlex

from jobs.cli import main


def test_demo_makes_a_mixture_that_can_be_audited_and_goes_on_where_it_stopped(spark, tmp_path, capsys):
    folder = tmp_path / "a demo"
    assert main(["demo", str(folder), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert f"solera audit '{folder}'/mixture" in said
    explain = next(line for line in said.splitlines() if line.startswith("  solera explain "))
    assert main(["audit", str(folder / "mixture"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    # As it is when the demo is stopped while it writes its corpus.
    before = {path: path.read_bytes() for path in (folder / "corpus").rglob("*.jsonl.*")}
    (folder / "corpus" / "README.txt").unlink()
    next(iter(before)).unlink()
    assert main(["demo", str(folder), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert {path: path.read_bytes() for path in (folder / "corpus").rglob("*.jsonl.*")} == before
    assert again["build"]["made"] == 0  # the same corpus is the same mixture
    assert main(shlex.split(explain)[1:]) == 0
    assert "out: dedup text@1" in capsys.readouterr().out


def test_demo_refuses_a_folder_of_other_things(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["demo", str(tmp_path)]) == 2
    assert "is not empty and holds no demo; choose another folder" in capsys.readouterr().err
