from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mixtures import Made, records, shuffled, write_recipe

from jobs.cli import main


@pytest.fixture
def made(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return shuffled(tmp_path_factory.getbasetemp())


LITTLE = """\
name: little
version: 1.0.0
seed: 1
corpus: corpus
unit: docs
policy: {kind: proportional}
keep: {words.count: {min: 1}}
sources:
  web: {shards: web/*.jsonl}
"""


@pytest.fixture
def little(tmp_path: Path) -> Path:
    """A recipe beside a corpus of one shard, with nothing done yet."""
    (tmp_path / "corpus/web").mkdir(parents=True)
    (tmp_path / "corpus/web/0.jsonl").write_text('{"id": "1", "source": "web", "text": "one two"}\n')
    (tmp_path / "recipe.yaml").write_text(LITTLE)
    return tmp_path / "recipe.yaml"


def commands(made: Made, out: Path) -> dict[str, list[str]]:
    """Every command that reads or makes a mixture, as it is given where all is done."""
    record = json.loads(next(records(made.out))[1])
    recipe, work = str(made.recipe), ["--work", str(made.work)]
    return {
        "lint": ["lint", recipe],
        "tag": ["tag", recipe, *work, "--max-bad-share", "0.1"],
        "dedup": ["dedup", recipe, *work],
        "plan": ["plan", recipe, *work],
        "build": ["build", recipe, *work, "--out", str(out)],
        "run": ["run", recipe, *work, "--out", str(out), "--max-bad-share", "0.1"],
        "audit": ["audit", str(made.out), "--digest", made.manifest["digest"]],
        "explain": ["explain", recipe, record["source"], record["id"], *work],
        "diff": ["diff", str(made.out), recipe, *work],
        "taggers": ["taggers"],
    }


NAMES = ("lint", "tag", "dedup", "plan", "build", "run", "audit", "explain", "diff", "taggers")


@pytest.mark.parametrize("name", NAMES)
def test_json_is_all_that_is_printed(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = commands(made, made.out)[name]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", NAMES)
def test_quiet_is_silent_but_for_the_result(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*commands(made, made.out)[name], "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.strip()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_printed_is_for_people(made: Made, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(commands(made, made.out)[name]) == 0
    said = capsys.readouterr().out
    assert not said.startswith(("{", "["))
    with pytest.raises(ValueError):
        json.loads(said)
    assert all(line == line.rstrip() for line in said.splitlines())


@pytest.mark.parametrize("name", ["lint", "plan", "audit", "explain", "build", "run", "taggers"])
def test_what_is_done_needs_no_java(made: Made, name: str) -> None:
    """Not only is no JVM started: pyspark is not even imported. lint keeps within a share of a second of CPU."""
    code = ("import resource, sys\nfrom jobs.cli import main\n"
            f"code = main({commands(made, made.out)[name]!r})\n"
            "loaded = sorted({each.partition('.')[0] for each in sys.modules} & {'pyspark', 'py4j', 'numba'})\n"
            "used = resource.getrusage(resource.RUSAGE_SELF)\n"
            "print(code, loaded, used.ru_utime + used.ru_stime, file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    code_said, *loaded, seconds = done.stderr.splitlines()[-1].split()
    assert (code_said, loaded) == ("0", ["[]"]), done.stderr
    if name in ("lint", "taggers"):
        assert float(seconds) < 0.9  # a third of that where nothing else runs


def test_a_finished_command_writes_nothing_into_the_mixture(made: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.out.rglob("*")}
    for name in NAMES:
        assert main([*commands(made, made.out)[name], "--quiet"]) == 0
    assert {path: path.stat().st_mtime_ns for path in made.out.rglob("*")} == before


# ---- mistakes: exit code 2, one message that says where and what to do, and no stack trace


def mistake(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main(list(command)) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("solera: ")
    assert "Traceback" not in said.err and "Error(" not in said.err and "errno" not in said.err.lower()
    return said.err


def test_a_recipe_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "none.yaml")
    for command in (["lint", missing], ["plan", missing], ["run", missing, "--out", str(tmp_path / "out")]):
        assert f"{missing}: there is no such file; check the path" in mistake(capsys, *command)


def test_a_recipe_that_is_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = mistake(capsys, "lint", str(tmp_path))
    assert f"{tmp_path}: this is a folder; name a file" in said


@pytest.mark.parametrize(("text", "says"), [
    (b"name: [", ":1"), (b"\xff\xfe\x00", "recipe.yaml"), (b"", "recipe.yaml"), (b"- 1\n", "mapping"),
    (LITTLE.replace("min: 1", "min: x").encode(), "keep.words.count"),
    (LITTLE.replace("words.count", "word.count").encode(), "did you mean `words.count`"),
    (LITTLE.replace("seed: 1\n", "").encode(), "seed"),
    (LITTLE.encode() + b"sed: 1\n", "did you mean `seed`"),
])
def test_a_recipe_with_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes, says: str
) -> None:
    (tmp_path / "recipe.yaml").write_bytes(text)
    said = mistake(capsys, "lint", str(tmp_path / "recipe.yaml"))
    assert str(tmp_path / "recipe.yaml") in said and says in said


def test_all_mistakes_come_at_once_each_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.yaml").write_text(LITTLE.replace("seed: 1", "seed: -1").replace("unit: docs", "unit: pages"))
    said = mistake(capsys, "lint", str(tmp_path / "recipe.yaml"))
    assert ":3 seed" in said and ":5 unit" in said and "-1" in said and "pages" in said


def test_a_glob_that_matches_nothing(little: Path, capsys: pytest.CaptureFixture[str]) -> None:
    little.write_text(LITTLE.replace("web/*.jsonl", "wbe/*.jsonl"))
    said = mistake(capsys, "plan", str(little), "--work", str(little.parent / "work"))
    assert f"{little}: sources.web.shards: 'wbe/*.jsonl' matches no file below {little.parent}/corpus" in said
    assert "correct the pattern" in said


def test_a_glob_that_matches_what_is_no_shard(little: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (little.parent / "corpus/web/notes.txt").write_text("x")
    little.write_text(LITTLE.replace("web/*.jsonl", "web/*"))
    said = mistake(capsys, "plan", str(little), "--work", str(little.parent / "work"))
    assert "web/notes.txt" in said and ".jsonl.zst" in said


@pytest.mark.parametrize("setting", ["spark.driver.memory", "=4g", ""])
def test_a_setting_that_is_none(little: Path, capsys: pytest.CaptureFixture[str], setting: str) -> None:
    said = mistake(capsys, "tag", str(little), "--work", str(little.parent / "work"), "--conf", setting)
    assert f"--conf {setting}: not KEY=VALUE" in said and "spark.driver.memory=4g" in said


@pytest.mark.parametrize("stage", ["plan", "dedup", "build", "explain"])
def test_a_stage_that_comes_too_early(little: Path, capsys: pytest.CaptureFixture[str], stage: str) -> None:
    more = {"build": ["--out", str(little.parent / "out")], "explain": ["web", "1"]}.get(stage, [])
    said = mistake(capsys, stage, str(little), *more, "--work", str(little.parent / "work"))
    assert f"run `solera tag {little} --work {little.parent}/work`" in said and "web/0.jsonl" in said


def test_explain_of_a_document_that_is_not_there(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    said = mistake(capsys, "explain", str(made.recipe), "web", "nobody", "--work", str(made.work))
    assert "no document 'nobody' of the source 'web'" in said


def test_an_audit_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no mixture is here" in mistake(capsys, "audit", str(tmp_path))
    assert "no mixture is here" in mistake(capsys, "audit", str(tmp_path / "none"))
    assert "64 hexadecimal digits" in mistake(capsys, "audit", str(tmp_path), "--digest", "12")


def test_a_budget_that_cannot_be_met(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", made.corpus, budget=10**9)
    recipe.write_text(recipe.read_text().replace("on_shortfall: redistribute", "on_shortfall: error"))
    said = mistake(capsys, "plan", str(recipe), "--work", str(made.work))
    assert "web: 500_000_000 requested" in said and "raise max_epochs" in said


def test_a_work_folder_that_is_a_file(little: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (little.parent / "work").write_text("")
    said = mistake(capsys, "tag", str(little), "--work", str(little.parent / "work"), "--quiet")
    assert str(little.parent / "work") in said


@pytest.mark.parametrize("command", [
    [], ["none"], ["lint"], ["run", "r.yaml"], ["plan", "r.yaml", "--where", "moon"], ["lint", "r.yaml", "--nope"],
    ["tag", "r.yaml", "--max-bad-share", "2"], ["tag", "r.yaml", "--max-bad-share", "much"],
])
def test_a_command_line_that_is_none(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(command)
    assert exit.value.code == 2
    assert "usage: solera" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["--help"], ["lint", "--help"], ["run", "--help"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(command)
    assert exit.value.code == 0
    assert "usage: solera" in capsys.readouterr().out


def test_an_error_is_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(tmp_path / "none.yaml"), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["error"] == "StorageError" and str(tmp_path / "none.yaml") in said["message"]


def test_a_reader_that_closes_early_is_no_error(made: Made) -> None:
    command = [sys.executable, "-m", "jobs.cli", *commands(made, made.out)["audit"], "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert (process.wait(60), said) == (0, "")
