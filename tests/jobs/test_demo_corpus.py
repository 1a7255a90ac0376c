from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import json
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard

from jobs import demo_corpus
from jobs.demo_corpus import Summary, write


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return write(tmp_path_factory.mktemp("demo"))


def lines(path: Path) -> list[bytes]:
    data = path.read_bytes()
    whole = gzip.decompress(data) if path.suffix == ".gz" else zstandard.ZstdDecompressor().decompress(data)
    return whole.splitlines()


def documents(summary: Summary) -> list[dict[str, Any]]:
    found = []
    for shard in summary.shards:
        for line in lines(Path(summary.folder, shard.path)):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def test_the_summary_is_what_was_written(demo: Summary) -> None:
    folder = Path(demo.folder)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert paths == [shard.path for shard in demo.shards]
    assert {path.partition(".")[2] for path in paths} == {"jsonl.zst", "jsonl.gz"}
    found = documents(demo)
    assert len(found) == demo.documents
    assert sum(len(document["text"].encode()) for document in found) == demo.text_bytes
    assert 1e6 < demo.text_bytes < 12.1e6


def test_documents_have_dolmas_form_and_unique_ids(demo: Summary) -> None:
    found = documents(demo)
    for document in found:
        assert list(document) == ["id", "text", "source", "added", "created", "metadata"]
        assert document["text"].strip()
    seen = Counter((document["source"], document["id"]) for document in found)
    assert seen.most_common(1)[0][1] == 1
    assert {document["source"] for document in found} == {"web", "book", "code", "wiki"}


def test_all_of_our_own_texts_are_in_it(demo: Summary) -> None:
    own = {document["id"] for document in documents(demo) if document["id"].startswith("demo/")}
    files = {f"demo/{path.stem}" for path in demo_corpus._OWN.rglob("*.txt")}
    assert own == files
    assert len(files) > 20


def test_one_web_shard_has_two_lines_that_are_broken_in_two_ways(demo: Summary) -> None:
    (shard,) = [shard for shard in demo.shards if shard.broken]
    assert (shard.path, shard.broken) == ("web/0001.jsonl.zst", 2)
    reasons = []
    for line in lines(Path(demo.folder, shard.path)):
        try:
            json.loads(line)
        except UnicodeDecodeError:
            reasons.append("not UTF-8")
        except json.JSONDecodeError:
            reasons.append("cut off")
    assert sorted(reasons) == ["cut off", "not UTF-8"]


def test_frames_have_a_checksum(demo: Summary) -> None:
    for path in Path(demo.folder).rglob("*.zst"):
        assert zstandard.get_frame_parameters(path.read_bytes()).has_checksum


def test_there_are_duplicates_to_find(demo: Summary) -> None:
    texts = Counter(document["text"] for document in documents(demo))
    assert texts.most_common(1)[0][1] > 1


def test_the_same_machine_gives_the_same_bytes(demo: Summary, tmp_path: Path) -> None:
    again = write(tmp_path / "again")
    assert again.shards == demo.shards
    for shard in demo.shards:
        one, two = (hashlib.sha256(Path(it.folder, shard.path).read_bytes()).digest() for it in (demo, again))
        assert one == two, shard.path


def test_a_stripped_installation_still_gives_a_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "nowhere"))
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: iter(()))
    found = write(tmp_path / "demo")
    assert found.documents == len(list(demo_corpus._OWN.rglob("*.txt")))
    assert found.broken == 0  # of so few, one would be over the share of bad records that a job accepts
    assert len(found.shards) == sum(map(len, demo_corpus.SHARDS.values()))
