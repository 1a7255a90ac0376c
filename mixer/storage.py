"""The one way to files: list, stat, read, and publish whole files under any URI.

A plain path or file:// goes to the local file system; any other scheme goes to fsspec, whose package for that scheme
(s3fs, gcsfs, adlfs) must be installed. A file appears whole or not at all: locally by a temporary name and a rename,
in an object store by a single put.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from mixer.errors import StorageError


@dataclass(frozen=True)
class Stat:
    """A file's size in bytes, and a token (ETag, version or mtime) that changes when the file is written again."""

    bytes: int
    token: str


def is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def absolute(uri: str) -> str:
    """The URI as other processes and other current folders can use it, without a trailing slash."""
    return os.path.abspath(_local(uri)) if is_local(uri) else uri.rstrip("/")


def join(base: str, *parts: str) -> str:
    return "/".join([base.rstrip("/") or "/", *(part.strip("/") for part in parts if part)])


def stat(uri: str) -> Stat | None:
    """Size and token of a file, or None where there is no such file."""
    if is_local(uri):
        try:
            found = os.stat(_local(uri))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Stat(found.st_size, str(found.st_mtime_ns))
    files, path = _remote(uri)
    try:
        return _remote_stat(files.info(path))
    except FileNotFoundError:
        return None


def exists(uri: str) -> bool:
    return stat(uri) is not None


def listing(base: str, under: str = "", hidden: bool = False) -> dict[str, Stat]:
    """Every file below base/under, as {path relative to base: Stat} in sorted order; empty where there is no folder.

    Files whose name starts with a dot (temporary files among them) are listed only if `hidden`.
    """
    found = _local_listing(_local(base), under, hidden) if is_local(base) else _remote_listing(base, under, hidden)
    return dict(sorted(found))


def glob(base: str, patterns: Iterable[str]) -> dict[str, Stat]:
    """Files below base that match any pattern, as {relative path: Stat}, sorted.

    `*` and `?` stay within a folder and skip a leading dot; `**/` crosses folders; `[abc]` is a class.
    """
    found: dict[str, Stat] = {}
    for pattern in patterns:
        folder = literal_folder(pattern)
        matches = re.compile(glob_regex(pattern)).fullmatch
        found.update((path, stat) for path, stat in listing(base, folder).items() if matches(path))
    return dict(sorted(found.items()))


def literal_folder(pattern: str) -> str:
    """The folders at the start of a pattern that hold no wildcard: all that has to be listed for it."""
    folders = pattern.split("/")[:-1]
    plain: list[str] = []
    for folder in folders:
        if re.search(r"[*?\[]", folder):
            break
        plain.append(folder)
    return "/".join(plain)


def glob_regex(pattern: str) -> str:
    """A regular expression for a glob over slash-separated relative paths."""
    out, at = "", 0
    while at < len(pattern):
        rest, start = pattern[at:], at == 0 or pattern[at - 1] == "/"
        if rest.startswith("**/"):
            out, at = out + r"(?:[^/.][^/]*/)*", at + 3
        elif rest[0] == "*":
            out, at = out + (r"(?!\.)" if start else "") + "[^/]*", at + 1
        elif rest[0] == "?":
            out, at = out + (r"(?!\.)" if start else "") + "[^/]", at + 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            body = rest[1:end].replace("\\", "\\\\")
            out, at = out + "[" + ("^" + body[1:] if body[0] == "!" else body) + "]", at + end + 1
        else:
            out, at = out + re.escape(rest[0]), at + 1
    return out


def open_read(uri: str) -> IO[bytes]:
    """A seekable, unbuffered-enough binary stream of the stored bytes; no decompression."""
    try:
        if is_local(uri):
            return open(_local(uri), "rb")
        files, path = _remote(uri)
        stream: IO[bytes] = files.open(path, "rb")
        return stream
    except FileNotFoundError:
        raise StorageError(f"{uri}: there is no such file; check the path") from None
    except PermissionError:
        raise StorageError(f"{uri}: no permission to read it; ask its owner, or run as a user that may") from None


def read(uri: str) -> bytes:
    with open_read(uri) as stream:
        return stream.read()


def put(uri: str, data: bytes) -> None:
    """Writes a whole file, durably, over whatever was there."""
    with writer(uri, durable=True) as out:
        out.write(data)


def put_if_absent(uri: str, data: bytes) -> bool:
    """Writes a whole file unless there is one; says whether it wrote."""
    if is_local(uri):
        path = _local(uri)
        with _clear_errors(uri):
            temporary = _temporary(path)
            try:
                with open(temporary, "xb") as out:
                    out.write(data)
                    _flush(out)
                os.link(temporary, path)  # fails where the name is taken, unlike rename
            except FileExistsError:
                return False
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
        return True
    files, path = _remote(uri)
    try:
        files.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def writer(uri: str, durable: bool = False) -> Iterator[IO[bytes]]:
    """A binary stream whose bytes become the file at `uri` when the block ends well, and vanish when it does not."""
    if is_local(uri):
        path = _local(uri)
        with _clear_errors(uri):
            temporary = _temporary(path)
            try:
                with open(temporary, "xb") as out:
                    yield out
                    if durable:
                        _flush(out)
                os.replace(temporary, path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
        return
    # Spooled, so that an object store sees one put of a file that is known to be whole.
    with tempfile.SpooledTemporaryFile(max_size=64 << 20) as spool:
        yield spool  # type: ignore[misc]
        spool.seek(0)
        files, path = _remote(uri)
        with files.open(path, "wb") as out:
            while block := spool.read(8 << 20):
                out.write(block)


def remove(uri: str) -> None:
    """Removes a file; it is no error where there is none."""
    if is_local(uri):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_local(uri))
        return
    files, path = _remote(uri)
    with contextlib.suppress(FileNotFoundError):
        files.rm_file(path)


def remove_below(folder: str) -> None:
    """Removes a folder with all that is in it; it is no error where there is none."""
    if is_local(folder):
        shutil.rmtree(_local(folder), ignore_errors=True)
        return
    for path in listing(folder):
        remove(join(folder, path))


def _local(uri: str) -> str:
    return uri.removeprefix("file://")


def _temporary(path: str) -> str:
    folder, name = os.path.split(path)
    os.makedirs(folder or ".", exist_ok=True)
    return os.path.join(folder, f".{name[:100]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _flush(out: IO[bytes]) -> None:
    out.flush()
    with contextlib.suppress(io.UnsupportedOperation):
        os.fsync(out.fileno())


@contextlib.contextmanager
def _clear_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise StorageError(f"{uri}: no permission to write here ({error.filename}); choose another folder") from None
    except OSError as error:
        if error.errno is None:
            raise
        raise StorageError(f"{uri}: cannot write ({error.strerror}); nothing half-written was left") from None


def _local_listing(base: str, under: str, hidden: bool) -> Iterator[tuple[str, Stat]]:
    folders = [under.strip("/")]
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(os.path.join(base, folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            raise StorageError(f"{os.path.join(base, folder)}: no permission to list this folder") from None
        with entries:
            for entry in entries:
                if entry.name.startswith(".") and not hidden:
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir():
                    folders.append(path)
                elif entry.is_file():
                    found = entry.stat()
                    yield path, Stat(found.st_size, str(found.st_mtime_ns))


def _remote(uri: str) -> tuple[Any, str]:
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise StorageError(f"{uri}: no file system for this scheme ({error}); install its fsspec package") from None
    return files, path


def _remote_stat(info: dict[str, Any]) -> Stat:
    token = next((str(info[key]) for key in ("ETag", "etag", "generation", "mtime", "LastModified", "created")
                  if info.get(key) is not None), "")
    return Stat(int(info["size"]), token)


def _remote_listing(base: str, under: str, hidden: bool) -> Iterator[tuple[str, Stat]]:
    files, root = _remote(base)
    root = root.rstrip("/")
    try:
        found = files.find(join(root, under) if under else root, detail=True)
    except FileNotFoundError:
        return
    for path, info in found.items():
        relative = path[len(root):].lstrip("/")
        if hidden or not any(part.startswith(".") for part in relative.split("/")):
            yield relative, _remote_stat(info)
