"""The same recipe and corpus give the same bytes, however the work is cut up and wherever it is done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mixtures import Made, by_source, files, run, shuffled

from mixer import packing


def again(made: Made, folder: Path) -> Made:
    """The recipe and its corpus somewhere else: files written in another order, with other times."""
    corpus = folder / "corpus"
    sources = [path for path in made.corpus.rglob("*") if path.is_file()]
    for number, path in enumerate(sorted(sources, reverse=True)):
        to = corpus / path.relative_to(made.corpus)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
        os.utime(to, (1_000_000 + number, 1_000_000 + number * 77))
    (folder / "recipe").mkdir()
    shutil.copyfile(made.recipe, folder / "recipe/recipe.yaml")
    return Made(folder / "recipe/recipe.yaml", corpus, folder / "elsewhere/work", folder / "elsewhere/out")


def same(made: Made, other: Made) -> None:
    one, two = files(made.out), files(other.out)
    assert list(one) == list(two)
    for name, data in one.items():
        assert data == two[name], name
    assert made.manifest["digest"] == other.manifest["digest"]


@pytest.mark.parametrize(("bins", "where", "order"), [(1, "pool", "shuffled"), (7, "spark", "shuffled"),
                                                      (7, "pool", "by-source")])
def test_tasks_may_be_cut_in_any_way(
    spark: object, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    bins: int, where: str, order: str
) -> None:
    """All that tag, dedup, plan and build make is made anew, from 1 bin of shards or 7."""
    base = tmp_path_factory.getbasetemp()
    made = shuffled(base) if order == "shuffled" else by_source(base)
    other = again(made, tmp_path)
    cut: list[int] = []
    pack = packing.pack

    def packed(items: object, sizes: object, count: int) -> object:
        cut.append(bins)
        return pack(items, sizes, bins)  # type: ignore[arg-type,type-var]

    monkeypatch.setattr(packing, "pack", packed)
    assert run(other.recipe, other.work, other.out, "--where", where) == 0
    assert len(cut) >= (3 if order == "by-source" else 4)  # it was asked for in each stage that packs
    same(made, other)


def test_another_process_with_other_settings(
    spark: object, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One task at a time, other partitions of a shuffle, another seed of Python's own hashes, time zone and locale."""
    made = shuffled(tmp_path_factory.getbasetemp())
    other = again(made, tmp_path)
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    command = [sys.executable, "-m", "jobs.cli", "run", str(other.recipe), "--work", str(other.work), "--out",
               str(other.out), "--quiet", "--max-bad-share", "0.1", "--master", "local[1]",
               "--conf", "spark.sql.shuffle.partitions=3", "--conf", "spark.driver.memory=1g"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # quiet
    same(made, other)


def test_other_work_and_out_enter_nothing(
    spark: object, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = shuffled(tmp_path_factory.getbasetemp())
    other = Made(made.recipe, made.corpus, tmp_path / "a b/wörk", tmp_path / "ö u t")
    assert run(other.recipe, other.work, other.out) == 0
    same(made, other)
