"""The tag stage: what it orders, what it leaves alone, and what it says of shards that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import main
from jobs.engine import Engine, engine
from jobs.tag import BinOutcome, TagSummary, _record, tag
from mixer import index, rows, sidecars
from mixer.corpus import Corpus, find
from mixer.errors import JobFailed
from mixer.recipe import Recipe
from mixer.recipe_parser import parse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SIZES = {"sizes.chars": {"min": 1}}
HASHES = [{"use": "text@1"}]


class Stage:
    """A corpus with a recipe, and tag runs on it."""

    def __init__(self, folder: Path, shards: str = "*/*") -> None:
        self.folder = folder
        self.recipe_path = folder / "recipe.yaml"
        self.fields: dict[str, Any] = {
            "name": "case", "version": "1.0.0", "seed": 1, "corpus": "corpus", "unit": "docs",
            "policy": {"kind": "proportional"}, "keep": SIZES, "sources": {"web": {"shards": shards}}}

    def put(self, path: str, data: bytes) -> Path:
        whole = self.folder / "corpus" / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(data)
        return whole

    def opened(self) -> tuple[Recipe, Corpus]:
        self.recipe_path.write_text(json.dumps(self.fields))  # JSON is YAML too
        recipe = parse(self.recipe_path.read_bytes(), str(self.recipe_path))
        return recipe, find(recipe, str(self.recipe_path), str(self.folder / "work"))

    def tag(self, runner: Engine, **options: Any) -> TagSummary:
        return tag(*self.opened(), runner, **options)

    @property
    def work(self) -> Path:
        return Path(self.opened()[1].workspace.folder)

    def index(self, key: str = rows.KEY) -> index.Index:
        return index.read(self.opened()[1].workspace.index(key))

    def files(self, under: str = "") -> dict[str, tuple[int, int]]:
        """Every file of the work folder, temporary ones included, with what changes when it is written again."""
        root = self.work / under
        return {str(path.relative_to(self.work)): (path.stat().st_ino, path.stat().st_mtime_ns)
                for path in root.rglob("*") if path.is_file()}

    def written(self, before: dict[str, tuple[int, int]]) -> list[str]:
        return sorted(name for name, stat in self.files("sidecars").items() if before.get(name) != stat)


def line(number: int, text: str = "text") -> bytes:
    return b'{"id":"%d","text":"%s","source":"web"}\n' % (number, text.encode())


@pytest.fixture
def runner(spark: SparkSession, tmp_path: Path) -> Iterator[Engine]:
    """An engine that has not started Spark, which is there for it once it does."""
    with engine(None, {}, str(tmp_path / "spark.log"), quiet=True) as made:
        yield made


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    for number in range(4):
        made.put(f"web/{number}.jsonl", line(number) * (number + 1))
    return made


def no_spark(stage: Stage, **options: Any) -> TagSummary:
    """A run that has to do without Spark: with this master it could not start, and the suite's session is not asked."""
    with engine("nosuch://master", {}, str(stage.folder / "spark.log"), quiet=True) as made:
        found = stage.tag(made, **options)
        assert made._spark is None
        return found


# ---- what is done, and what is not done again


def test_every_shard_is_tagged_and_recorded(stage: Stage, runner: Engine) -> None:
    found = stage.tag(runner)
    assert (found.shards, found.redone, found.sidecars) == (4, 4, 8)
    assert (found.documents, found.bad, found.text_bytes, found.redone_text_bytes) == (10, 0, 40, 40)
    assert found.read_bytes == sum(len(line(number)) * (number + 1) for number in range(4))
    for key in (rows.KEY, "sizes@2"):
        entries = stage.index(key)
        assert {path: entry.rows for path, entry in entries.items()} == {f"web/{n}.jsonl": n + 1 for n in range(4)}
        for path, entry in entries.items():
            meta = sidecars.metadata(str(stage.work / "sidecars" / key / f"{path}.parquet"))
            assert meta is not None and meta["digest"] == entry.digest


def test_what_another_run_records_meanwhile_stays(stage: Stage, runner: Engine) -> None:
    """Both read the index before either has written it."""
    _, corpus = stage.opened()
    known = {key: index.read(corpus.workspace.index(key)) for key in (rows.KEY, "sizes@2")}
    stage.tag(runner)
    everything = {key: stage.index(key) for key in known}
    late = {key: index.Index.of([replace(found["web/1.jsonl"], token="seen later")]).packed()
            for key, found in everything.items()}
    _record(corpus, known, [BinOutcome(late, 1, 2, 0, 0, ())])
    for key, found in everything.items():
        assert stage.index(key) == known[key] == {**found, "web/1.jsonl": replace(found["web/1.jsonl"],
                                                                                  token="seen later")}


def test_a_second_run_does_nothing_and_starts_no_spark(stage: Stage, runner: Engine) -> None:
    first = stage.tag(runner)
    before = stage.files()
    found = no_spark(stage)
    assert (found.redone, found.sidecars, found.read_bytes, found.redone_text_bytes) == (0, 0, 0, 0)
    assert (found.documents, found.text_bytes) == (first.documents, first.text_bytes)
    assert stage.files() == before


def test_hidden_folders_of_a_corpus_are_recognised_too(tmp_path: Path, runner: Engine) -> None:
    stage = Stage(tmp_path, ".cache/*.jsonl")
    stage.put(".cache/a.jsonl", line(1))
    assert stage.tag(runner).redone == 1
    assert no_spark(stage).redone == 0


def test_touched_shards_are_hashed_once_and_no_sidecar_is_written(stage: Stage, runner: Engine) -> None:
    stage.tag(runner)
    before = stage.files()
    for number in range(4):
        os.utime(stage.folder / "corpus" / "web" / f"{number}.jsonl", ns=(1, 1 + number))
    found = stage.tag(runner)
    assert (found.redone, found.sidecars, stage.written(before)) == (0, 0, [])
    assert no_spark(stage).redone == 0  # the index knows the new times


def test_of_changed_shards_only_their_own_sidecars_are_made(stage: Stage, runner: Engine) -> None:
    stage.tag(runner)
    before = stage.files()
    stage.put("web/2.jsonl", line(7, "other"))
    found = stage.tag(runner)
    assert (found.redone, found.sidecars, found.documents, found.redone_text_bytes) == (1, 2, 8, 5)
    assert stage.written(before) == [f"sidecars/{key}/web/2.jsonl.parquet" for key in (rows.KEY, "sizes@2")]
    assert no_spark(stage).redone == 0


def test_a_deleted_sidecar_is_made_again(stage: Stage, runner: Engine) -> None:
    stage.tag(runner)
    (stage.work / "sidecars" / "sizes@2" / "web" / "3.jsonl.parquet").unlink()
    before = stage.files()
    assert stage.tag(runner).sidecars == 1
    assert stage.written(before) == ["sidecars/sizes@2/web/3.jsonl.parquet"]


def test_a_new_shard_is_all_that_is_read(stage: Stage, runner: Engine) -> None:
    stage.tag(runner)
    stage.put("wiki/new.jsonl", line(1))
    found = stage.tag(runner)
    assert (found.shards, found.redone, found.read_bytes) == (5, 1, len(line(1)))


def test_a_rule_on_a_new_tagger_makes_its_sidecars_alone(stage: Stage, runner: Engine) -> None:
    stage.tag(runner)
    before = stage.files()
    stage.fields["dedup"] = HASHES
    found = stage.tag(runner)
    assert (found.redone, found.sidecars) == (4, 4)
    assert {name.split("/")[1].split("@")[0] for name in stage.written(before)} == {"text_hash"}
    assert len(stage.written(before)) == 4
    del stage.fields["dedup"]
    assert no_spark(stage).redone == 0


def test_what_a_killed_run_left_is_used(stage: Stage, runner: Engine) -> None:
    """Killed before its index was written, and with the sidecars of one shard still to come."""
    entries = (stage.tag(runner), stage.index())[1]
    shutil.rmtree(stage.work / "index")
    (stage.work / "sidecars" / "sizes@2" / "web" / "1.jsonl.parquet").unlink()
    (stage.work / "sidecars" / rows.KEY / "web" / ".1.jsonl.parquet.99-ab.tmp").write_bytes(b"half")
    before = stage.files()
    found = stage.tag(runner)
    assert (found.redone, found.sidecars) == (1, 1)
    assert stage.written(before) == ["sidecars/sizes@2/web/1.jsonl.parquet"]
    assert stage.index() == entries
    assert no_spark(stage).redone == 0


def test_verify_finds_what_time_and_size_hide(stage: Stage, runner: Engine) -> None:
    stage.tag(runner)
    assert stage.tag(runner, verify=True).redone == 0
    shard = stage.folder / "corpus" / "web" / "0.jsonl"
    before = shard.stat()
    stage.put("web/0.jsonl", line(0, "tEXt"))
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    damaged = stage.work / "sidecars" / "sizes@2" / "web" / "3.jsonl.parquet"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:30] + bytes([whole[30] ^ 1]) + whole[31:])
    os.utime(damaged, ns=(1, 1))
    assert no_spark(stage).redone == 0
    files = stage.files()
    found = stage.tag(runner, verify=True)
    assert (found.redone, found.sidecars) == (2, 3)
    assert stage.written(files) == [
        "sidecars/rows@1/web/0.jsonl.parquet", "sidecars/sizes@2/web/0.jsonl.parquet",
        "sidecars/sizes@2/web/3.jsonl.parquet"]
    assert damaged.read_bytes() == whole
    assert no_spark(stage).redone == 0


# ---- shards that cannot be used


def test_broken_shards_are_named_with_a_remedy_and_the_others_are_done(
    stage: Stage, runner: Engine, write_shard: Any
) -> None:
    cut, flipped = (write_shard(f"corpus/web/{name}", ["x" * 50, "y" * 50]) for name in ("x.jsonl.gz", "y.jsonl.zst"))
    good = cut.read_bytes(), flipped.read_bytes()
    cut.write_bytes(good[0][:-9])
    flipped.write_bytes(good[1][:-1] + bytes([good[1][-1] ^ 1]))
    with pytest.raises(JobFailed) as error:
        stage.tag(runner)
    said = str(error.value).splitlines()
    assert said[0] == f"{cut}: truncated: gzip stream ends inside a frame at compressed byte {len(good[0]) - 9}"
    assert said[1].startswith(f"{flipped}: corrupt: zstd stream breaks near compressed byte ")
    assert said[2] == ("2 shard(s) could not be read to the end; the other shards are done. Fetch them again, or keep "
                       "what stands before each break with --keep-broken")
    assert sorted(stage.index()) == [f"web/{number}.jsonl" for number in range(4)]
    assert not [name for name in stage.files() if "/x." in name or "/y." in name]
    cut.write_bytes(good[0])
    flipped.write_bytes(good[1])
    found = stage.tag(runner)
    assert (found.redone, found.documents) == (2, 14)


def test_broken_shards_are_kept_on_request(stage: Stage, runner: Engine, write_shard: Any) -> None:
    one, two = write_shard("x.jsonl.zst", ["one"]).read_bytes(), write_shard("y.jsonl.zst", ["two"]).read_bytes()
    stage.put("web/x.jsonl.zst", one + two[:12])
    found = stage.tag(runner, keep_broken=True, max_bad_share=0.5)
    assert (found.redone, found.documents) == (5, 11)
    table, _ = sidecars.read(str(stage.work / "quarantine" / "web" / "x.jsonl.zst.parquet"))
    assert table.column("reason").to_pylist()[-1] == (
        f"truncated: zstd stream ends inside a frame at compressed byte {len(one) + 12}")
    assert no_spark(stage, max_bad_share=0.5).warnings == (
        "1 shard(s) are used only up to where their stream breaks, as --keep-broken said: web/x.jsonl.zst",)


def test_too_many_bad_records_stop_the_job_and_are_not_read_again(stage: Stage, runner: Engine) -> None:
    stage.put("web/3.jsonl", line(1) * 3 + b"bad\n" * 3)
    stage.put("web/0.jsonl", b"bad\n")
    for _ in range(2):
        with pytest.raises(JobFailed) as error:
            stage.tag(runner)
        assert str(error.value) == (
            "4 of 12 records are bad (33.33%), over the limit of 1.00%: most in web/3.jsonl (3), web/0.jsonl (1); "
            f"their reasons and bytes are in {stage.work}/quarantine/web/3.jsonl.parquet; mend the shards, or raise "
            "--max-bad-share")
    assert no_spark(stage, max_bad_share=0.34).bad == 4  # all was done all the same
    with pytest.raises(JobFailed, match=r"over the limit of 33\.00%"):
        no_spark(stage, max_bad_share=0.33)
    assert no_spark(stage, max_bad_share=1 / 3).bad == 4  # a share that is the limit is not over it


def test_a_corpus_without_documents_is_done(tmp_path: Path, runner: Engine) -> None:
    stage = Stage(tmp_path)
    stage.put("web/a.jsonl", b"")
    assert (stage.tag(runner).documents, no_spark(stage).redone) == (0, 0)


def test_the_command_tells_a_broken_shard_without_a_stack_trace(
    stage: Stage, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.opened()
    arguments = ["tag", str(stage.recipe_path), "--work", str(stage.folder / "work"), "--quiet"]
    assert main(arguments) == 0
    assert "10 documents" in capsys.readouterr().out
    stage.put("web/x.jsonl.gz", b"")
    stage.opened()
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"solera: {stage.folder}/corpus/web/x.jsonl.gz: truncated: gzip stream ends ")
    assert "Traceback" not in captured.err
    assert main([*arguments, "--keep-broken", "--max-bad-share", "0.5"]) == 0


# ---- scale


def test_a_shard_that_others_wait_for_is_told(stage: Stage, runner: Engine) -> None:
    stage.put("web/large.jsonl", line(1, "x" * 34_000_000))
    said: list[str] = []
    found = stage.tag(runner, warn=said.append)
    assert said == ["web/large.jsonl alone holds 34 MB of the 34 MB to read: one task reads it while others "
                    "wait; split it into smaller shards"]
    assert list(found.warnings) == said
    assert no_spark(stage, warn=said.append).warnings == () and len(said) == 1


def test_ten_thousand_tiny_shards_are_done_in_a_few_tasks(
    tmp_path: Path, runner: Engine, spark: SparkSession
) -> None:
    """A task for each would cost minutes in starting them alone."""
    stage = Stage(tmp_path)
    for number in range(10_000):
        stage.put(f"{number % 10}/{number}.jsonl", line(number))
    began = time.monotonic()
    found = stage.tag(runner)
    took = time.monotonic() - began
    assert (found.redone, found.sidecars, found.documents) == (10_000, 20_000, 10_000)
    assert took < 90
    job = spark.sparkContext._jsc.sc().statusStore().jobsList(None).head()
    assert (job.description().get(), job.numTasks()) == ("tag 10,000 shards", 40)
    began = time.monotonic()
    assert no_spark(stage).redone == 0
    assert time.monotonic() - began < 5
