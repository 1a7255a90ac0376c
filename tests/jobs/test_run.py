from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mixtures import Made, files, run, shuffled, words

from jobs.cli import main


@pytest.fixture
def made(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return shuffled(tmp_path_factory.getbasetemp())


def options(made: Made, *more: str) -> list[str]:
    return [str(made.recipe), "--work", str(made.work), "--max-bad-share", "0.1", *more]


def test_a_second_run_does_nothing_and_says_so(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(made.out)
    assert main(["run", *options(made, "--out", str(made.out))]) == 0
    said = capsys.readouterr()
    assert "tag: 0 of 8 shards" in said.err
    assert "nothing to build" in said.out
    table = said.out[said.out.index("\n  stage"):]
    assert [line.split()[:3] for line in table.splitlines()[2:6] if "plan" not in line] == \
        [["tag", "0", "of"], ["dedup", "0", "of"], ["build", "0", "of"]]
    assert files(made.out) == before


def test_each_stage_is_told_apart(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *options(made, "--out", str(made.out), "--json", "--quiet")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [stage["stage"] for stage in said["stages"]] == ["tag", "dedup", "plan", "build"]
    assert all(stage["seconds"] >= 0 for stage in said["stages"])
    assert said["build"]["digest"] == made.manifest["digest"]
    assert said["plan"]["lock_sha256"] == made.manifest["mixture"]["lock"]["sha256"]


def test_run_is_tag_dedup_plan_and_build(made: Made, tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    for stage in ("tag", "dedup", "plan"):
        more = ["--max-bad-share", "0.1"] if stage == "tag" else []
        assert main([stage, str(made.recipe), "--work", str(work), "--quiet", *more]) == 0
    assert main(["build", str(made.recipe), "--work", str(work), "--out", str(out), "--quiet"]) == 0
    assert files(out) == files(made.out)


def test_a_new_shard_is_all_that_is_tagged(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made.corpus, tmp_path / "corpus", copy_function=shutil.copy2)
    (tmp_path / "shuffled").mkdir()
    recipe = tmp_path / "shuffled/recipe.yaml"
    recipe.write_text(made.recipe.read_text().replace("../corpus", str(tmp_path / "corpus")).replace(
        str(made.corpus), str(tmp_path / "corpus")))
    assert run(recipe, tmp_path / "work", tmp_path / "one") == 0
    line = json.dumps({"id": "new", "source": "web", "text": words(1, 100)})
    (tmp_path / "corpus/web/new.jsonl").write_text(line + "\n")
    capsys.readouterr()
    assert main(["run", str(recipe), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "two"),
                 "--max-bad-share", "0.1"]) == 0
    assert "tag: 1 of 9 shards" in capsys.readouterr().err
    assert run(recipe, tmp_path / "work", tmp_path / "one") == 2  # which holds the mixture of before
    assert "never changed" in capsys.readouterr().err
