"""The event log: what it says of a real run, of one that failed, and what becomes of it where it cannot be written."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import WriteShard

from jobs import progress
from jobs.cli import main
from jobs.events import EventLog, redacted

RECIPE = """\
name: little
version: 1.0.0
seed: 1
corpus: .
unit: docs
policy: {kind: proportional}
keep: {sizes.chars: {min: 1}}
dedup: [{use: text@1}]
sources:
  web: {shards: web/*}
"""
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def given(tmp_path: Path, write_shard: WriteShard) -> Callable[..., list[str]]:
    """A recipe over three shards, two of 40 documents with a broken line each, and how a command on it is given."""
    for shard in range(3):
        lines: list[Any] = [{"id": f"{shard}-{row}", "text": f"document {shard} {row} ö"} for row in range(40)]
        write_shard(f"web/{shard}.jsonl.zst", [*lines, b"{broken"] if shard else lines)
    (tmp_path / "recipe.yaml").write_text(RECIPE)

    def command(name: str, *more: str) -> list[str]:
        out = ["--out", str(tmp_path / "out")] if name in ("run", "build") else []
        bad = ["--max-bad-share", "0.1"] if name in ("run", "tag") else []
        return [name, str(tmp_path / "recipe.yaml"), "--work", str(tmp_path / "work"), *out, *bad, *more]

    return command


def events(path: Path) -> list[dict[str, Any]]:
    """Every line of a log, each of them checked for what all have."""
    data = path.read_bytes()
    assert data.endswith(b"\n")
    found = [json.loads(line) for line in data.splitlines()]
    for event in found:
        assert WHEN.fullmatch(event["time"]) and event["run"] and event["event"]
    assert [event["time"] for event in found] == sorted(event["time"] for event in found)
    return found


def of_kind(found: list[dict[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    return (event for event in found if event["event"] == kind)


def test_a_run_from_its_start_to_its_digest(
    spark: object, given: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "_EVENT", 0.0)
    command = given("run", "--json")
    assert main(command) == 0
    said = json.loads(capsys.readouterr().out)
    found = events(tmp_path / "work/logs/events.jsonl")
    assert len({event["run"] for event in found}) == 1
    kinds = [event["event"] for event in found if event["event"] not in ("progress", "spark started")]
    assert kinds == ["started", *["stage started", "stage ended"] * 4, "finished"]
    started = found[0]
    assert started["command"].split() == ["solera", *command]
    assert (started["pid"], started["shards"]) == (os.getpid(), 3)
    assert started["stored"] == sum(path.stat().st_size for path in (tmp_path / "web").iterdir())
    # The oracle: counted from the corpus as it was written.
    texts = [f"document {shard} {row} ö" for shard in range(3) for row in range(40)]
    size = sum(len(text.encode()) for text in texts)
    ended = {event["stage"]: event for event in of_kind(found, "stage ended")}
    assert list(ended) == ["tag", "dedup", "plan", "build"]
    counted = {stage: (event["documents"], event["bytes"], event["quarantined"]) for stage, event in ended.items()}
    assert counted == {"tag": (120, size, 2), "dedup": (120, 0, 0), "plan": (120, 0, 0), "build": (120, size, 0)}
    kept = ("stage", "did", "documents", "bytes", "quarantined", "tasks", "retried", "seconds")
    assert [{name: event[name] for name in kept} for event in ended.values()] == said["stages"]
    # What was counted on the way is never more than there is, and in the end all of it.
    for stage, event in ended.items():
        steps: dict[str, list[Mapping[str, Any]]] = {}
        for each in of_kind(found, "progress"):
            if each["stage"] == stage:
                steps.setdefault(each["step"], []).append(each)
        tasks = 0
        for way in steps.values():
            for name in ("documents", "bytes", "quarantined"):
                assert max(each[name] for each in way) <= event[name]
            shares = [each["share"] for each in way if each["share"] is not None]
            assert shares == sorted(shares) and all(0 <= share <= 1 for share in shares)
            tasks += way[-1]["tasks"]
        assert tasks == event["tasks"]
        assert event["documents"] == max(way[-1]["documents"] for way in steps.values())
        assert event["bytes"] == max(way[-1]["bytes"] for way in steps.values())
    (tag,) = [each for each in of_kind(found, "progress") if each["stage"] == "tag" and each["share"] == 1.0][-1:]
    assert tag["stored"] == tag["stored_total"] == started["stored"] and tag["quarantined"] == 2
    assert found[-1]["digest"] == said["build"]["digest"] and found[-1]["seconds"] > 0
    # A second run is appended, and has done nothing.
    assert main([*command[:-1], "--quiet"]) == 0
    more = events(tmp_path / "work/logs/events.jsonl")[len(found):]
    assert more[0]["run"] != started["run"]
    assert [(event["documents"], event["tasks"]) for event in of_kind(more, "stage ended")] == [(0, 0)] * 4


def test_the_closing_table(
    spark: object, given: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {}
    for name in ("tag", "dedup", "plan", "build"):
        assert main([*given(name), "--quiet"]) == 0
        said = capsys.readouterr()
        lines = said.out.splitlines()
        assert lines[0].split() == ["stage", "what", "docs", "text", "quarantined", "tasks", "time", "rate"]
        rows[name] = lines[lines.index("") - 1].split()
        assert said.err == ""
    assert [row[0] for row in rows.values()] == list(rows)
    assert rows["tag"][1:6] == ["3", "of", "3", "shards", "120"] and rows["tag"][8] == "2"
    assert rows["build"][1:7] == ["1", "of", "1", "data", "shards", "120"]
    assert main([*given("build"), "--json"]) == 0
    assert [row["stage"] for row in json.loads(capsys.readouterr().out)["stages"]] == ["plan", "build"]


def test_a_failure_and_a_warning_are_told(
    spark: object, given: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (tmp_path / "web/2.jsonl.zst").read_bytes()
    (tmp_path / "web/2.jsonl.zst").write_bytes(whole[:-20])
    log = tmp_path / "elsewhere/my log"
    assert main(given("tag", "--events", str(log), "--quiet")) == 2
    message = capsys.readouterr().err.removeprefix("solera: ").rstrip("\n")
    found = events(log)
    assert [event["event"] for event in found if event["event"] != "progress"][-1] == "failed"
    assert (found[-1]["error"], found[-1]["message"]) == ("JobFailed", message)
    assert "web/2.jsonl.zst: truncated" in message
    assert list(of_kind(found, "stage ended")) == []
    assert not (tmp_path / "work/logs/events.jsonl").exists()
    assert main(given("tag", "--events", str(log), "--quiet", "--keep-broken", "--max-bad-share", "0.5")) == 0
    (warning,) = of_kind(events(log), "warning")
    assert warning["stage"] == "tag" and "web/2.jsonl.zst" in warning["message"]


def test_a_log_that_cannot_be_written_stops_nothing_and_is_told_once(
    spark: object, given: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").touch()
    for place in (str(tmp_path / "a file/log"), "/dev/full"):
        assert main(given("tag", "--events", place)) == 0
        err = capsys.readouterr().err
        assert err.count("events cannot be written here") == 1 and place in err
        assert main(given("tag", "--events", place, "--quiet")) == 0
        assert capsys.readouterr().err == ""


def test_a_remote_log_is_refused(given: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(given("tag", "--events", "s3://bucket/log"))
    assert "s3://bucket/log is no local file" in capsys.readouterr().err


def test_lines_of_many_writers_stay_whole(tmp_path: Path) -> None:
    logs = [EventLog(str(tmp_path / "log")) for _ in range(8)]
    text = "x" * 9000

    def write(log: EventLog) -> None:
        for number in range(50):
            log.write("progress", number=number, text=text)

    threads = [threading.Thread(target=write, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    for log in logs:
        log.close()
        assert [event["number"] for event in found if event["run"] == log.run] == list(range(50))


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"event": "half')
    log = EventLog(str(tmp_path / "log"))
    log.write("odd", text="\ud800\n")
    log.close()
    first, second = (tmp_path / "log").read_text().splitlines()
    assert first == '{"event": "half' and json.loads(second)["event"] == "odd"


@pytest.mark.parametrize(("given", "shown"), [
    ("spark.hadoop.fs.s3a.secret.key=abc", "spark.hadoop.fs.s3a.secret.key=…"),
    ("spark.hadoop.fs.s3a.access.key=abc=", "spark.hadoop.fs.s3a.access.key=…"),
    ("--conf=spark.ssl.keyPassword=abc", "--conf=spark.ssl.keyPassword=…"),
    ("spark.executor.memory=4g", "spark.executor.memory=4g"),
    ("s3://me:hidden@bucket/out", "s3://…@bucket/out"),
    ("https://host/a?X-Amz-Signature=abc&x=1", "https://host/a?X-Amz-Signature=…&x=1"),
    ("a b/recipe.yaml", "a b/recipe.yaml"),
    ("tokens/of=3/recipe.yaml", "tokens/of=3/recipe.yaml"),
])
def test_a_command_line_is_logged_without_its_secrets(given: str, shown: str) -> None:
    assert redacted(["solera", given]) == ["solera", shown]
