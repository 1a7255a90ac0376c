"""What becomes of one shard: its sidecars, what is made again and what is not, and shards that cannot be read."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
import zstandard

from jobs.tagging import Order, Outcome, Settings, file_sha256, tag_shard
from mixer import attributes, rows, sidecars, storage
from mixer.documents import Bad
from mixer.workspace import open_workspace
from taggers.declare import Use
from taggers.declared.text import SIZES, TEXT_HASH

USES = {attributes.key_of(use): use for use in (Use(SIZES, SIZES.parameters), Use(TEXT_HASH, TEXT_HASH.parameters))}
SIZES_KEY, HASH_KEY = USES
ALL = (rows.KEY, *sorted(USES))


def lines(*texts: str) -> bytes:
    return b"".join(json.dumps({"id": str(number), "text": text, "source": "web"}, ensure_ascii=False).encode() + b"\n"
                    for number, text in enumerate(texts))


class Shard:
    """A shard in a corpus of its own, and what is known of it."""

    def __init__(self, folder: str, name: str = "web/a.jsonl") -> None:
        self.name = name
        self.settings = Settings(open_workspace(f"{folder}/work", f"{folder}/corpus"), USES)
        self.uri = self.settings.workspace.shard(name)

    def put(self, data: bytes) -> None:
        storage.put(self.uri, data)

    def put_unnoticed(self, data: bytes) -> None:
        """Puts other data of the same size, and sets the time back."""
        before = os.stat(self.uri)
        assert len(data) == before.st_size and data != Path(self.uri).read_bytes()
        self.put(data)
        os.utime(self.uri, ns=(before.st_atime_ns, before.st_mtime_ns))

    def tag(self, *keys: str, **settings: bool) -> Outcome:
        """Tags for these keys (all unless named)."""
        order = Order(self.name, 0, frozenset(keys or ALL))
        return tag_shard(replace(self.settings, **settings), order)  # type: ignore[arg-type]

    def path(self, key: str) -> Path:
        return Path(self.settings.workspace.sidecar(key, self.name))

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file of the work folder, temporary ones included, with what changes when it is written again."""
        root = Path(self.settings.workspace.folder)
        return {str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns)
                for path in root.rglob("*") if path.is_file()}

    def written(self, before: dict[str, tuple[int, int]]) -> set[str]:
        """The keys whose files are others than before."""
        return {name.split("/")[1] if name.startswith("sidecars/") else name
                for name, stat in self.files().items() if before.get(name) != stat}

    def quarantine(self) -> list[Bad]:
        table, _ = sidecars.read(self.settings.workspace.quarantine(self.name))
        return [Bad(**row) for row in table.to_pylist()]

    def is_whole(self) -> bool:
        """Whether all sidecars say what the shard holds, and are aligned."""
        texts = [json.loads(line)["text"] for line in Path(self.uri).read_bytes().splitlines()]
        read = {key: sidecars.read(str(self.path(key))) for key in ALL}
        sha256 = hashlib.sha256(Path(self.uri).read_bytes()).hexdigest()
        assert {meta["shard_sha256"] for _, meta in read.values()} == {sha256}
        assert {meta["rows_digest"] for _, meta in read.values()} == {read[rows.KEY][1]["digest"]}
        assert all(sidecars.digest(table) == meta["digest"] for table, meta in read.values())
        assert read[SIZES_KEY][0].column("sizes.chars").to_pylist() == [len(text) for text in texts]
        hashes = [hashlib.sha256(text.encode()).digest() for text in texts]
        return read[rows.KEY][0].column("text_sha256").to_pylist() == hashes


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return Shard(str(tmp_path))


@pytest.fixture
def tagged(shard: Shard) -> Shard:
    shard.put(lines("one", "zwei", "три"))
    shard.tag()
    return shard


# ---- what is made


def test_a_shard_gets_rows_and_attributes_that_are_aligned(shard: Shard) -> None:
    shard.put(lines("one", "naïve", "") + b"not JSON\n\n")
    found = shard.tag()
    assert found.broken is None and set(found.made) == set(ALL)
    assert found.read_bytes == os.path.getsize(shard.uri)
    sizes, _ = sidecars.read(str(shard.path(SIZES_KEY)))
    assert sizes.to_pydict() == {"sizes.bytes": [3, 6, 0], "sizes.chars": [3, 5, 0], "sizes.tokens_approx": [1, 2, 0]}
    assert sidecars.read(str(shard.path(rows.KEY)))[0].column("row").to_pylist() == [0, 1, 2]
    stat = storage.stat(shard.uri)
    assert stat is not None
    for key in ALL:
        entry, meta = found.entries[key], sidecars.metadata(str(shard.path(key)))
        assert meta is not None
        assert (entry.shard, entry.bytes, entry.token, entry.rows) == (shard.name, stat.bytes, stat.token, 3)
        assert (entry.sha256, entry.digest) == (file_sha256(shard.uri), meta["digest"])
        assert entry.rows_digest == found.entries[rows.KEY].digest
    assert found.entries[rows.KEY].info == {"bad": 1, "blank_lines": 1, "text_bytes": 9, "chars": 8, "broken": None}
    (bad,) = shard.quarantine()
    assert (bad.line, bad.raw, bad.length) == (4, b"not JSON", 8) and bad.reason.startswith("not JSON: ")


@pytest.mark.parametrize(("name", "data"), [
    ("a.jsonl", b""), ("a.jsonl", b"\n\n"), ("a.jsonl.gz", gzip.compress(b"", mtime=0)),
    ("a.jsonl.zst", zstandard.ZstdCompressor().compress(b""))])
def test_a_shard_without_documents_is_done_like_another(tmp_path: Path, name: str, data: bytes) -> None:
    shard = Shard(str(tmp_path), name)
    shard.put(data)
    found = shard.tag()
    assert found.broken is None and {entry.rows for entry in found.entries.values()} == {0}
    assert shard.tag().made == ()


def test_batches_do_not_show_in_the_sidecars(shard: Shard) -> None:
    """40 MB are read in three batches: rows are counted on, and digests are those of the whole."""
    texts = [chr(97 + number) * 2_000_000 for number in range(20)]
    shard.put(lines(*texts))
    shard.tag()
    assert sidecars.read(str(shard.path(rows.KEY)))[0].column("row").to_pylist() == list(range(20))
    assert shard.is_whole()


def test_equal_shards_get_equal_sidecars(tmp_path: Path) -> None:
    digests = []
    for folder in ("one", "two"):
        shard = Shard(str(tmp_path / folder))
        shard.put(lines("a", "b"))
        digests.append({key: entry.digest for key, entry in shard.tag().entries.items()})
    assert digests[0] == digests[1]


@pytest.fixture
def memory() -> Iterator[str]:
    root = f"memory://{uuid.uuid4().hex}"
    yield root
    fsspec.filesystem("memory").rm(root, recursive=True)


def test_shard_and_sidecars_may_lie_in_an_object_store(memory: str) -> None:
    shard = Shard(memory)
    shard.put(lines("one") + b"bad\n")
    assert set(shard.tag().made) == set(ALL)
    assert shard.tag().made == ()
    assert [bad.line for bad in shard.quarantine()] == [2]
    shard.put(lines("three"))
    assert set(shard.tag().made) == set(ALL)
    assert not storage.exists(shard.settings.workspace.quarantine(shard.name))
    assert [path.split("/")[1] for path in storage.listing(shard.settings.workspace.folder, hidden=True)] == sorted(ALL)


# ---- what is made again, and what is not


def test_what_is_current_is_not_read(tagged: Shard) -> None:
    before = tagged.files()
    found = tagged.tag()
    assert (found.made, found.read_bytes) == ((), 0) and set(found.entries) == set(ALL)
    assert tagged.files() == before


def test_a_touched_shard_is_hashed_and_nothing_written(tagged: Shard) -> None:
    before, entries = tagged.files(), tagged.tag().entries
    os.utime(tagged.uri, ns=(1, 1))
    found = tagged.tag()
    assert found.made == () and tagged.files() == before
    assert {key: replace(entry, token=entries[key].token) for key, entry in found.entries.items()} == entries
    assert {entry.token for entry in found.entries.values()} == {"1"}


def test_a_changed_shard_is_done_anew(tagged: Shard) -> None:
    tagged.put(lines("one", "zwei", "four"))
    assert set(tagged.tag().made) == set(ALL) and tagged.is_whole()


@pytest.mark.parametrize("key", ALL)
def test_a_deleted_sidecar_alone_is_made_again(tagged: Shard, key: str) -> None:
    digest = tagged.tag().entries[key].digest
    tagged.path(key).unlink()
    before = tagged.files()
    found = tagged.tag(key)
    assert found.made == (key,) and tagged.written(before) == {key}
    assert found.entries[key].digest == digest and tagged.is_whole()


@pytest.mark.parametrize("damage", [lambda data: data[:-30], lambda data: b"", lambda data: b"x" * len(data)])
@pytest.mark.parametrize("key", ALL)
def test_an_unreadable_sidecar_is_made_again(tagged: Shard, key: str, damage: Callable[[bytes], bytes]) -> None:
    tagged.path(key).write_bytes(damage(tagged.path(key).read_bytes()))
    assert key in tagged.tag().made and tagged.is_whole()


def test_a_new_tagger_is_all_that_is_run(shard: Shard) -> None:
    shard.put(lines("one", "two"))
    shard.tag(rows.KEY, SIZES_KEY)
    before = shard.files()
    found = shard.tag(HASH_KEY)
    assert found.made == (HASH_KEY,) and shard.written(before) == {HASH_KEY}
    assert shard.is_whole()


def test_sidecars_of_a_killed_run_are_found(tagged: Shard) -> None:
    """Some were written, the index was not: the next run asks for all."""
    tagged.path(HASH_KEY).unlink()
    before = tagged.files()
    assert tagged.tag().made == (HASH_KEY,) and tagged.written(before) == {HASH_KEY}


def test_a_shard_that_changed_after_its_rows_is_done_anew(tagged: Shard) -> None:
    """With size and time as they were, only reading it for another tagger shows that."""
    tagged.path(HASH_KEY).unlink()
    tagged.put_unnoticed(lines("two", "zwei", "три"))
    found = tagged.tag(HASH_KEY)
    assert set(found.made) == set(ALL) and set(found.entries) == set(ALL) and tagged.is_whole()
    assert found.read_bytes == 2 * os.path.getsize(tagged.uri)  # once to see it, once for everything


def test_what_was_aligned_with_rows_that_came_back_as_others_is_done_anew(tagged: Shard) -> None:
    tagged.path(rows.KEY).unlink()
    tagged.put_unnoticed(lines("two", "zwei", "три"))
    found = tagged.tag(rows.KEY)
    assert set(found.made) == set(ALL) and set(found.entries) == set(ALL) and tagged.is_whole()


def test_what_is_not_aligned_with_its_rows_is_done_anew(tagged: Shard) -> None:
    """Rows that fit the shard's sha256 and yet not its other sidecars, nor what reading it gives."""
    uri = str(tagged.path(rows.KEY))
    table, meta = sidecars.read(uri)
    sidecars.write(uri, table.slice(1), {**meta, "rows_digest": sidecars.digest(table.slice(1))})
    assert set(tagged.tag().made) == set(ALL) and tagged.is_whole()


def test_the_quarantine_goes_when_the_shard_is_mended(shard: Shard) -> None:
    shard.put(lines("one") + b"bad\n")
    shard.tag()
    assert len(shard.quarantine()) == 1
    shard.put(lines("one", "two"))
    shard.tag()
    assert not storage.exists(shard.settings.workspace.quarantine(shard.name))


# ---- verify


def test_verify_finds_nothing_where_all_is_well(tagged: Shard) -> None:
    before = tagged.files()
    assert tagged.tag(verify=True).made == () and tagged.files() == before


def test_verify_finds_a_shard_that_changed_unnoticed(tagged: Shard) -> None:
    tagged.put_unnoticed(lines("two", "zwei", "три"))
    assert tagged.tag().made == ()  # which is what --verify is for
    assert set(tagged.tag(verify=True).made) == set(ALL) and tagged.is_whole()


@pytest.mark.parametrize("key", ALL)
def test_verify_finds_any_flipped_byte_that_matters(tagged: Shard, key: str) -> None:
    path = tagged.path(key)
    table, meta = sidecars.read(str(path))
    whole = path.read_bytes()
    remade = 0
    for place in range(1, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x04]) + whole[place + 1 :])
        found = tagged.tag(verify=True)
        assert found.broken is None and set(found.entries) == set(ALL)
        assert sidecars.read(str(path)) == (table, meta), place
        remade += key in found.made
    assert remade > 30


# ---- shards that cannot be read


def packed(name: str, parts: Sequence[bytes]) -> bytes:
    if name.endswith(".gz"):
        return b"".join(gzip.compress(part) for part in parts)
    return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts)


BREAKS = {
    "truncated": lambda data: data[:-5],
    "corrupt": lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:],
}


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("kind", BREAKS)
def test_nothing_is_published_of_a_broken_stream(tmp_path: Path, name: str, kind: str) -> None:
    shard = Shard(str(tmp_path), name)
    whole = packed(name, [lines("one", "two"), lines("three")])
    shard.put(BREAKS[kind](whole))
    found = shard.tag()
    assert found.broken is not None and found.broken.startswith(f"{kind}: {'gzip' if 'gz' in name else 'zstd'} stream ")
    assert (found.entries, found.made, shard.files()) == ({}, (), {})
    shard.put(whole)
    assert shard.tag().broken is None and {entry.rows for entry in shard.tag().entries.values()} == {3}
    before = shard.files()
    shard.put(BREAKS[kind](whole))
    assert shard.tag().broken == found.broken and shard.files() == before


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("kind", BREAKS)
def test_what_stands_before_the_break_is_kept_on_request(tmp_path: Path, name: str, kind: str) -> None:
    shard = Shard(str(tmp_path), name)
    shard.put(BREAKS[kind](packed(name, [lines("one", "two"), lines("three")])))
    found = shard.tag(keep_broken=True)
    assert found.broken is None and set(found.made) == set(ALL)
    ids = sidecars.read(str(shard.path(rows.KEY)))[0].column("id").to_pylist()
    assert ids[:2] == ["0", "1"]
    info = found.entries[rows.KEY].info
    *_, told = shard.quarantine()
    assert told == Bad(0, -1, info["broken"], b"", 0) and info["broken"].startswith(kind)
    assert info["bad"] == len(shard.quarantine())
    assert found.entries[rows.KEY].sha256 == file_sha256(shard.uri)


def test_a_shard_that_has_gone_is_told(shard: Shard) -> None:
    found = shard.tag()
    assert found.broken == "missing: the file has gone since it was listed" and found.entries == {}


def test_a_shard_that_cannot_be_opened_is_told(shard: Shard) -> None:
    os.makedirs(shard.uri)
    assert shard.tag().broken == "unreadable: this is a folder; name a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_shard_without_permission_is_told(tagged: Shard) -> None:
    os.chmod(tagged.uri, 0)
    os.utime(tagged.uri, ns=(1, 1))
    assert str(tagged.tag().broken).startswith("unreadable: no permission to read it; ask its owner")
