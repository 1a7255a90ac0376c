"""Files by any URI: what is found, what appears whole or not at all, and what an error says."""

from __future__ import annotations

import errno
import glob as python_glob
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixer import storage
from mixer.errors import StorageError, StoreUnavailable

PATHS = ["a.jsonl", "b.txt", "web/a.jsonl", "web/ab.jsonl", "web/-.jsonl", "web/].jsonl", "web/deep/a.jsonl",
         "web/deep/er/a.jsonl", "web/.hidden.jsonl", ".dot/a.jsonl", "web/.dot/a.jsonl", "wiki/a.jsonl", "web2/a.jsonl"]


@pytest.fixture(params=["local", "file", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty folder, by each kind of URI."""
    if request.param == "memory":
        root = f"memory://{uuid.uuid4().hex}/corpus"
        yield root
        files = fsspec.filesystem("memory")
        if files.exists(root):
            files.rm(root, recursive=True)
    else:
        yield f"file://{tmp_path}/corpus" if request.param == "file" else str(tmp_path / "corpus")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return root


def names(folder: Path) -> list[str]:
    """Every file below a folder, temporary ones included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ---- the same under every scheme


def test_what_is_put_is_read_and_listed(base: str) -> None:
    assert storage.listing(base) == {}
    assert storage.stat(storage.join(base, "x")) is None and not storage.exists(storage.join(base, "x"))
    for path in ["b/x.jsonl", "a.jsonl", "b/c/y", "b/.hidden", ".work/z"]:
        storage.put(storage.join(base, path), path.encode())
    assert storage.read(storage.join(base, "b/x.jsonl")) == b"b/x.jsonl"
    assert [(path, stat.bytes) for path, stat in storage.listing(base).items()] == [
        ("a.jsonl", 7), ("b/c/y", 5), ("b/x.jsonl", 9)]
    assert list(storage.listing(base, hidden=True)) == [".work/z", "a.jsonl", "b/.hidden", "b/c/y", "b/x.jsonl"]
    assert list(storage.listing(base, "b")) == list(storage.listing(base, "/b/")) == ["b/c/y", "b/x.jsonl"]
    assert list(storage.listing(base, ".work")) == [".work/z"]  # what is named is not hidden
    assert storage.listing(base, "nowhere") == {}
    assert storage.listing(base)["a.jsonl"] == storage.stat(storage.join(base, "a.jsonl"))


def test_a_name_that_another_starts_with_is_no_folder_of_it(base: str) -> None:
    storage.put(storage.join(base, "web/a"), b"")
    storage.put(storage.join(base, "web2/a"), b"")
    assert list(storage.listing(storage.join(base, "web"))) == ["a"]
    assert list(storage.listing(base, "web")) == ["web/a"]


def test_a_token_changes_with_the_file(base: str) -> None:
    uri = storage.join(base, "x")
    storage.put(uri, b"one")
    first = storage.stat(uri)
    storage.put(uri, b"two")
    second = storage.stat(uri)
    assert first is not None and second is not None
    assert first.bytes == second.bytes == 3 and first.token != second.token


def test_put_if_absent_writes_once(base: str) -> None:
    uri = storage.join(base, "deep/x")
    assert storage.put_if_absent(uri, b"first") is True
    assert storage.put_if_absent(uri, b"second") is False
    assert storage.read(uri) == b"first"


def test_a_writer_that_fails_leaves_what_was_there(base: str) -> None:
    uri = storage.join(base, "x")
    storage.put(uri, b"old")
    for path in ("x", "new/y"):
        with pytest.raises(KeyError), storage.writer(storage.join(base, path)) as out:
            out.write(b"half")
            raise KeyError
    assert storage.read(uri) == b"old"
    assert list(storage.listing(base, hidden=True)) == ["x"]


def test_a_file_is_not_seen_before_it_is_whole(base: str) -> None:
    with storage.writer(storage.join(base, "x")) as out:
        out.write(b"half")
        out.flush()
        assert not storage.exists(storage.join(base, "x")) and storage.listing(base) == {}
        out.write(b" whole")
    assert storage.read(storage.join(base, "x")) == b"half whole"


def test_what_is_removed_is_gone_and_may_be_absent(base: str) -> None:
    for path in ("a", "b/c", "b/.d", "keep"):
        storage.put(storage.join(base, path), b"")
    storage.remove(storage.join(base, "a"))
    storage.remove(storage.join(base, "a"))
    storage.remove_below(storage.join(base, "b"))
    storage.remove_below(storage.join(base, "nowhere"))
    assert list(storage.listing(base, hidden=True)) == ["keep"]


def test_a_glob_lists_by_relative_path(base: str) -> None:
    for path in ("web/b.jsonl", "web/a.jsonl", "web/a.txt", "web/deep/c.jsonl", "web/.d.jsonl"):
        storage.put(storage.join(base, path), b"12")
    found = storage.glob(base, ["web/b*", "web/*.jsonl"])
    assert [(path, stat.bytes) for path, stat in found.items()] == [("web/a.jsonl", 2), ("web/b.jsonl", 2)]
    assert list(storage.glob(base, ["**/*.jsonl"])) == ["web/a.jsonl", "web/b.jsonl", "web/deep/c.jsonl"]
    assert list(storage.glob(base, ["web/.*"])) == ["web/.d.jsonl"]
    assert storage.glob(base, ["wiki/*"]) == {}


def test_names_and_matches_are_what_a_listing_says(base: str) -> None:
    for name in ("web/0.jsonl", "web/.1.jsonl", "web/.old/2.jsonl", "wiki/0.jsonl"):
        storage.put(storage.join(base, name), b"x")
    assert storage.names(base) == set(storage.listing(base, hidden=True))
    assert storage.names(storage.join(base, "none")) == set()
    patterns = ["web/*.jsonl", "web/.*.jsonl", "web/.old/*", "**/0.jsonl", "web/*.jsonl", "none/*"]
    assert storage.globs(base, patterns) == {pattern: storage.glob(base, [pattern]) for pattern in patterns}
    assert sorted(storage.glob(base, patterns)) == sorted(storage.names(base))


def test_a_missing_file_is_named_with_what_to_do(base: str) -> None:
    uri = storage.join(base, "x.jsonl")
    with pytest.raises(StorageError, match="there is no such file; check the path") as error:
        storage.read(uri)
    assert str(error.value).startswith(uri)


class Store(AbstractFileSystem):
    """An object store whose connection breaks in the middle of a file, and that publishes what is closed."""

    protocol, cachable = "breaking", False
    objects: ClassVar[dict[str, bytes]] = {}

    def _open(self, path: str, mode: str = "rb", **_: object) -> AbstractBufferedFile:
        return Upload(self, path, mode)

    def put_file(self, lpath: str, rpath: str, **_: object) -> None:
        raise ConnectionError("reset by peer")

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
        raise ConnectionError("reset by peer")

    def info(self, path: str, **_: object) -> dict[str, object]:
        raise FileNotFoundError(path)


class Upload(AbstractBufferedFile):
    def write(self, data: bytes) -> int:
        if self.tell():
            raise ConnectionError("reset by peer")
        return int(super().write(data))

    def _upload_chunk(self, final: bool = False) -> bool:
        if final:
            Store.objects[self.path] = self.buffer.getvalue()
        return True


@pytest.mark.parametrize("write", [storage.put, storage.put_if_absent])
def test_a_put_that_breaks_off_leaves_nothing_and_is_told(
    write: Callable[[str, bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLERA_STORE_TRIES", "2")
    fsspec.register_implementation("breaking", Store, clobber=True)
    Store.objects.clear()
    with pytest.raises(StoreUnavailable, match=r"^breaking://x/y: cannot put it: ConnectionError: reset by peer; "
                                               r"tried 2 times in [\d.]+ s; "):
        write("breaking://x/y", b"1" * (9 << 20))
    assert Store.objects == {}


# ---- paths


@pytest.mark.parametrize(("parts", "joined"), [
    (("/a", "b"), "/a/b"), (("/a/", "/b/", "", "c"), "/a/b/c"), (("/", "a"), "/a"), (("a",), "a"),
    (("s3://bucket", "a/b"), "s3://bucket/a/b"), (("memory://", "a"), "memory://a")])
def test_joined(parts: tuple[str, ...], joined: str) -> None:
    assert storage.join(*parts) == joined


def test_absolute_paths_do_not_depend_on_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("a/../b/") == f"{tmp_path}/b"
    assert storage.absolute("file:///a/b") == "/a/b"
    assert storage.absolute("s3://bucket/a/") == "s3://bucket/a"
    assert storage.absolute("s3://bucket/recipes/.././../corpus//a/") == "s3://bucket/corpus//a"
    assert storage.absolute("memory://") == "memory://"


@pytest.mark.parametrize(("file", "uri", "absolute"), [
    ("/a/r.yaml", "c", "/a/c"), ("/a/r.yaml", "../c/", "/c"), ("/a/r.yaml", "/c", "/c"), ("/a/r.yaml", "s3://b/c", "s3://b/c"),
    ("s3://b/a/r.yaml", "c", "s3://b/a/c"), ("s3://b/a/r.yaml", "../c", "s3://b/c"), ("s3://b/r.yaml", ".", "s3://b"),
    ("s3://b/r.yaml", "file:///c", "/c"), ("/r.yaml", "c", "/c")])
def test_a_relative_path_starts_beside_the_file_that_says_it(file: str, uri: str, absolute: str) -> None:
    assert storage.beside(file, uri) == absolute


def test_an_unknown_scheme_says_what_to_install() -> None:
    with pytest.raises(StorageError, match=r"^nosuch://x: no file system for this scheme.*install"):
        storage.exists("nosuch://x")


# ---- globs


def oracle(tree: Path, pattern: str) -> list[str]:
    found = python_glob.glob(pattern, root_dir=tree, recursive=True)
    return sorted({path for path in found if (tree / path).is_file()})


@pytest.mark.parametrize("pattern", [
    "*", "*.jsonl", "web/*", "web/*.jsonl", "*/a.jsonl", "**/*.jsonl", "**", "web/**", "web/**/a.jsonl", "web/**/*",
    "?.jsonl", "web/?.jsonl", "web/[ab].jsonl", "web/[!a].jsonl", "web/[a-c]*", "web/[z-a].jsonl", "web/[!z-a].jsonl",
    "web/[-].jsonl", "web/[]].jsonl", "web/[!]].jsonl", "web/[a-].jsonl", "[", "web/[a", "[!]", "a**.jsonl",
    "w**/a.jsonl", ".dot/*", ".*/a.jsonl", "web/.*", "*/.dot/*", "web/[.]hidden.jsonl", "a.jsonl", "web/a?jsonl",
    "web/[a.]b*", "web[2]/*", "web[!2]a.jsonl", "nothing/*", "web/[^a]*", "web/[a&&b]*", "web/[[]*"])
def test_globs_match_as_python_has_it(tree: Path, pattern: str) -> None:
    if pattern == "web/[^a]*":  # Python negates by ! alone, and so do we: a caret is a caret
        assert list(storage.glob(str(tree), [pattern])) == ["web/a.jsonl", "web/ab.jsonl"]
    else:
        assert list(storage.glob(str(tree), [pattern])) == oracle(tree, pattern)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("ab.*?[]!-w", min_size=1, max_size=5) | st.sampled_from(["**", "web", "*", "deep"]),
                min_size=1, max_size=3))
def test_any_glob_matches_as_python_has_it(tree: Path, parts: list[str]) -> None:
    pattern = "/".join(part for part in parts if part not in (".", "..")) or "*"
    assert list(storage.glob(str(tree), [pattern])) == oracle(tree, pattern)


@pytest.mark.parametrize(("pattern", "folder"), [
    ("web/a.jsonl", "web"), ("web/2024/*.jsonl", "web/2024"), ("*.jsonl", ""), ("web/*/a.jsonl", "web"),
    ("web/[ab]/c/*", "web")])
def test_only_the_folders_before_a_wildcard_are_listed(pattern: str, folder: str) -> None:
    assert storage.literal_folder(pattern) == folder


def test_hidden_folders_are_not_even_opened(tmp_path: Path) -> None:
    """A work folder in the corpus holds a sidecar for each shard and tagger: more to list than the shards.

    A folder whose name is too long to look into stands for one that must not be opened.
    """
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.jsonl").write_bytes(b"")
    (tmp_path / ".solera").symlink_to("x" * 300)
    assert list(storage.glob(str(tmp_path), ["**/*.jsonl"])) == ["web/a.jsonl"]
    with pytest.raises(OSError, match="File name too long"):
        storage.listing(str(tmp_path), hidden=True)


def test_a_link_that_leads_back_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.jsonl").write_bytes(b"")
    (tmp_path / "web" / "again").symlink_to(tmp_path)
    (tmp_path / "web" / "self").symlink_to(tmp_path / "web")
    (tmp_path / "wiki").symlink_to(tmp_path / "web", target_is_directory=True)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert list(storage.glob(str(tmp_path), ["**/*.jsonl"])) == ["web/a.jsonl", "wiki/a.jsonl"]


# ---- whole or not at all


def test_of_many_that_put_if_absent_one_wins(tmp_path: Path) -> None:
    uri, won = str(tmp_path / "manifest.json"), []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait()
        if storage.put_if_absent(uri, b"%d" % number * 100_000):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert storage.read(uri) == b"%d" % won[0] * 100_000
    assert names(tmp_path) == ["manifest.json"]


def test_the_errors_of_a_block_stay_its_own(tmp_path: Path) -> None:
    """A shard that cannot be read must not be told as a sidecar that cannot be written."""
    with pytest.raises(FileNotFoundError, match="shard"), storage.writer(str(tmp_path / "x")):
        (tmp_path / "shard").read_bytes()
    with pytest.raises(OSError, match="Input/output error") as error, storage.writer(str(tmp_path / "x")):
        raise OSError(errno.EIO, "Input/output error")
    assert not isinstance(error.value, StorageError)
    assert names(tmp_path) == []


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with (pytest.raises(StorageError, match=r"x: cannot write \(No space left on device\); nothing half-written"),
          storage.writer(str(tmp_path / "x")), open("/dev/full", "wb", buffering=0) as full):
        full.write(b"1")
    assert names(tmp_path) == []


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    for write in (storage.put, storage.put_if_absent):
        with pytest.raises(StorageError, match=r"taken/x: cannot write \((Not a directory|File exists)\)"):
            write(str(tmp_path / "taken" / "x"), b"")
    assert storage.stat(str(tmp_path / "taken" / "x")) is None
    assert storage.listing(str(tmp_path / "taken")) == {}
    with pytest.raises(StorageError, match="taken/x: cannot be opened"):
        storage.read(str(tmp_path / "taken" / "x"))


def test_a_file_that_is_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="this is a folder; name a file"):
        storage.read(str(tmp_path))


def test_a_name_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be looked at"):
        storage.stat(str(tmp_path / ("x" * 300)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_no_permission_is_told_with_what_to_do(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "x").write_bytes(b"")
    (locked / "x").chmod(0)
    with pytest.raises(StorageError, match="x: no permission to read it; ask its owner"):
        storage.read(str(locked / "x"))
    locked.chmod(0)
    try:
        with pytest.raises(StorageError, match="no permission to list this folder"):
            storage.listing(str(tmp_path))
        with pytest.raises(StorageError, match="y: no permission to write here"):
            storage.put(str(locked / "y"), b"")
    finally:
        locked.chmod(0o700)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs a file system that refuses writes to root too")
def test_a_place_that_takes_no_files_is_told() -> None:
    with pytest.raises(StorageError, match=r"/proc/self/fd/x: (no permission to write here|cannot write)"):
        storage.put("/proc/self/fd/x", b"")
