"""The same copies stay and the same stretches go for any sharding, partitions and order, and after killed workers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mixtures import words
from processes import command_of, processes

from jobs.engine import engine
from jobs.plan import current_indexes, plan_from
from jobs.run import run_dedup, run_tag
from mixer import rows, sidecars, storage
from mixer.corpus import find
from mixer.plan import context_of
from mixer.recipe_parser import parse

Document = dict[str, str]

RECIPE = """\
name: keepers
version: 1.0.0
seed: 5
corpus: corpus
unit: bytes
policy: {kind: proportional}
dedup:
  - {use: text@1, normalise: [lower, whitespace]}
  - {use: minhash@1, verify: 0.7}
  - {use: paragraph@1, min_length: 30}
  - {use: substring@1, length: 120, max_removed: 0.5}
prefer: [wiki]
sources:
  web: {shards: web/**/*.jsonl}
  wiki: {shards: wiki/**/*.jsonl}
reference:
  bench: {corpus: benchmark, shards: '*.jsonl'}
"""


@dataclass(frozen=True)
class Decided:
    """What became of each document, by its own source and id; and of each method what it found."""

    documents: dict[tuple[str, str], tuple[int, str, tuple[Any, ...]]]
    losses: Any
    found: list[tuple[int, int]]


def documents() -> dict[str, list[Document]]:
    """Unlike ones, equal ones, near ones, some with paragraphs or stretches of others; of two sources, and a few that
    are in a benchmark.
    """
    choose = random.Random(11)
    made: dict[str, list[Document]] = {"web": [], "wiki": [], "bench": []}
    paragraphs = [words(900 + number, 20) for number in range(6)]
    stretch = words(999, 60)
    for number in range(160):
        text = words(number, 120)
        kind = number % 8
        if kind == 1:
            text = words(number - 1, 120).upper()
        elif kind == 2:
            near = words(number - 2, 120).split()
            near[choose.randrange(len(near))] = "otherwise"
            text = " ".join(near)
        elif kind == 3:
            text = "\n\n".join([text, *choose.sample(paragraphs, 2), words(5000 + number, 40)])
        elif kind == 4:
            at = choose.randrange(len(stretch) // 2)
            text = text + " <" + stretch[at:] + "> " + words(7000 + number, 30)
        source = "wiki" if number % 3 == 0 else "web"
        made[source].append({"id": str(number), "source": source, "text": text})
    for number in (5, 14, 22):
        made["bench"].append({"id": f"b{number}", "text": words(number, 120)})
    return made


def decide(folder: Path, made: dict[str, list[Document]], shards: int, order: int) -> Decided:
    """Tags, finds and plans the documents in so many shards a source, in some order, and says what became of each."""
    for source, each in made.items():
        mixed = random.Random(order).sample(each, len(each))
        for shard in range(shards):
            file = folder / "benchmark" / f"{order}-{shard}.jsonl" if source == "bench" else \
                folder / "corpus" / source / f"{order}/{shard}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(json.dumps(document) + "\n" for document in mixed[shard::shards]))
    (folder / "recipe.yaml").write_text(RECIPE)
    recipe = parse(RECIPE.encode(), "recipe.yaml")
    corpus = find(recipe, str(folder / "recipe.yaml"), str(folder / "work"))
    with engine(None, {}, str(folder / "spark.log"), quiet=True) as run:
        run_tag(recipe, corpus, run)
        indexes = current_indexes(recipe, corpus)
        sets = run_dedup(recipe, corpus, run, indexes).sets
        plan = plan_from(recipe, corpus, indexes, sets, run)
    context = context_of(recipe, corpus, plan.folder, indexes, sets)
    decided = {}
    for number, shard in context.paths.items():
        about = sidecars.read(corpus.workspace.sidecar(rows.KEY, shard), ["source", "id"])[0].to_pylist()
        chosen = sidecars.read(context.selection_uri(number))[0].to_pylist()
        edits: dict[int, list[tuple[int, int]]] = {}
        uri = context.edits_uri(number)
        for cut in sidecars.read(uri)[0].to_pylist() if storage.exists(uri) else []:
            edits.setdefault(cut["row"], []).append((cut["start"], cut["end"]))
        for row, (document, each) in enumerate(zip(about, chosen, strict=True)):
            decided[document["source"], document["id"]] = (each["copies"], context.reasons[each["reason"]],
                                                           tuple(edits.get(row, ())))
    return Decided(decided, plan.body["losses"], [(each.clusters, each.documents) for each in sets])


@pytest.fixture(scope="module")
def first(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Decided:
    return decide(tmp_path_factory.mktemp("first"), documents(), 3, 1)


def test_every_method_finds_something(first: Decided) -> None:
    """Or else the others would prove nothing. What is in the benchmark is not in the mixture."""
    reasons = {reason.split()[1] if reason != "kept" else reason for _, reason, _ in first.documents.values()}
    assert {"kept", "text@1", "minhash@1"} <= reasons
    assert sum(bool(cut) for _, _, cut in first.documents.values()) > 10
    assert all(first.documents[source, number][0] == 0 for source, number in first.documents if number in ("5", "14"))
    assert {loss["lost_to"] for loss in first.losses} == {"web", "wiki", "bench"}
    assert "bench" not in {loss["source"] for loss in first.losses}
    assert all(count > 0 for count, _ in first.found[:-1])


def test_sharding_partitions_and_order_decide_nothing(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: Decided
) -> None:
    asked = []
    for module in ("finding", "keepers", "substrings"):
        monkeypatch.setattr(f"jobs.{module}.part_count", lambda records, record_bytes, slots: asked.append(9) or 9)
    assert decide(tmp_path, documents(), 1, 2) == first
    assert len(asked) > 5


def test_a_new_crawl_ends_where_all_at_once_does(spark: object, tmp_path: Path, first: Decided) -> None:
    """The later documents come when the earlier ones have been found and planned already."""
    made = documents()
    earlier = {source: each[: len(each) // 2] for source, each in made.items()}
    decide(tmp_path, earlier, 2, 1)
    later = {source: each[len(each) // 2 :] for source, each in made.items()}
    assert decide(tmp_path, later, 2, 2) == first
    names = [path.name for path in (tmp_path / "work").glob("*/clusters/*")]
    layered = [json.loads(path.read_text()) for path in (tmp_path / "work").glob("*/clusters/*/set.json")]
    assert len(names) == 10 and sum(len(each["layers"]) > 1 for each in layered) >= 3


def test_killed_workers_change_nothing(spark: object, tmp_path: Path, first: Decided) -> None:
    with killing(3) as killed:
        assert decide(tmp_path, documents(), 4, 4) == first
    assert len(killed) == 3


@contextlib.contextmanager
def killing(count: int) -> Iterator[Sequence[int]]:
    """Kills so many of this process's Python workers, one after another, while the block runs; gives which."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < count and not over.is_set():
            parents = dict(processes())
            workers = [pid for pid, parent in parents.items() if "pyspark.daemon" in command_of(parent)
                       and "pyspark.daemon" in command_of(pid) and pid not in killed]
            busy = [pid for pid in workers if _is_running(pid)]
            if busy:
                os.kill(busy[0], signal.SIGKILL)
                killed.append(busy[0])
                time.sleep(1)
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    return False
