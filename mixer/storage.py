"""The one way to files: list, stat, read, and publish whole files under any URI.

A plain path or file:// goes to the local file system; any other scheme goes to fsspec, whose package for that scheme
(s3fs, gcsfs, adlfs) must be installed. A file appears whole or not at all: locally by a temporary name and a rename,
in an object store by a single put.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from mixer.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Stat:
    """A file's size in bytes, and a token (ETag, version or mtime) that changes when the file is written again."""

    bytes: int
    token: str


def is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def absolute(uri: str) -> str:
    """The URI as other processes and other current folders can use it, without a trailing slash."""
    return os.path.abspath(_local(uri)) if is_local(uri) else uri if uri.endswith("://") else uri.rstrip("/")


def join(base: str, *parts: str) -> str:
    rest = "/".join(part.strip("/") for part in parts if part)
    return base + ("" if base.endswith("/") else "/") + rest if rest else base


def stat(uri: str) -> Stat | None:
    """Size and token of a file, or None where there is no such file."""
    if is_local(uri):
        try:
            found = os.stat(_local(uri))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"{uri}: cannot be looked at ({error.strerror}); correct the path, or ask its owner"
                               ) from None
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

    `*` and `?` stay within a folder and skip a leading dot; `**` as a whole part crosses folders; `[abc]`, `[a-c]` and
    `[!abc]` are classes.
    """
    found: dict[str, Stat] = {}
    for pattern in patterns:
        folder = literal_folder(pattern)
        matches = re.compile(glob_regex(pattern)).fullmatch
        # Unless asked for, nothing below a hidden folder, such as a work folder in the corpus, is even looked at.
        hidden = any(part.startswith(".") for part in pattern.split("/"))
        found.update((path, stat) for path, stat in listing(base, folder, hidden).items() if matches(path))
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
    parts = pattern.split("/")
    out = ""
    for part in parts[:-1]:
        out += r"(?:[^/.][^/]*/)*" if part == "**" else _part_regex(part) + "/"
    return out + (r"(?:[^/.][^/]*/)*(?!\.)[^/]+" if parts[-1] == "**" else _part_regex(parts[-1]))


def _part_regex(part: str) -> str:
    out, at = r"(?!\.)" if part[:1] in ("*", "?", "[") else "", 0
    while at < len(part):
        end = part.find("]", at + (3 if part.startswith("[!", at) else 2)) if part[at] == "[" else -1
        if end >= 0:
            out, at = out + _class_regex(part[at + 1 : end]), end + 1
        else:
            out, at = out + {"*": "[^/]*", "?": "[^/]"}.get(part[at], re.escape(part[at])), at + 1
    return out


def _class_regex(body: str) -> str:
    members, at, out = body.removeprefix("!"), 0, ""
    while at < len(members):
        if members[at + 1 : at + 2] == "-" and at + 2 < len(members):
            low, high = members[at], members[at + 2]
            out, at = out + (f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""), at + 3
        else:
            out, at = out + re.escape(members[at]), at + 1
    if not out:  # as in [z-a]
        return "[^/]" if body.startswith("!") else "(?!)"
    return f"(?!/)[{'^' if body.startswith('!') else ''}{out}]"


def open_read(uri: str) -> IO[bytes]:
    """A seekable binary stream of the stored bytes; no decompression."""
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
    except IsADirectoryError:
        raise StorageError(f"{uri}: this is a folder; name a file") from None
    except OSError as error:
        raise StorageError(f"{uri}: cannot be opened ({error.strerror or error}); correct the path, or try again"
                           ) from None


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
    with _clear_remote_errors(uri):
        try:
            if files.exists(path):  # a store that cannot create only, overwrites: at least it is seldom
                return False
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
            out = open(temporary, "xb")  # noqa: SIM115
        try:
            try:
                yield out
            except OSError as error:
                if error.errno not in _FULL:
                    raise  # it comes of something else that the block does
                with _clear_errors(uri):
                    raise
            with _clear_errors(uri):
                if durable:
                    _flush(out)
                out.close()
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # on a full disk, for what is still to be flushed
                out.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        return
    # Spooled, so that an object store sees one put of a file that is known to be whole. A stream that is open for
    # writing there is no such thing: where a write to it fails, closing it publishes what it has so far.
    with tempfile.NamedTemporaryFile() as spool:
        yield spool
        spool.flush()
        files, path = _remote(uri)
        with _clear_remote_errors(uri):
            files.put_file(spool.name, path)


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
    for path in listing(folder, hidden=True):
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
        raise StorageError(f"{uri}: cannot write ({error.strerror}); nothing half-written was left: make room, or "
                           "choose another folder") from None


@contextlib.contextmanager
def _clear_remote_errors(uri: str) -> Iterator[None]:
    """Each fsspec package raises errors of its own; around one call to it, all of them mean that nothing was put."""
    try:
        yield
    except Exception as error:
        raise StorageError(f"{uri}: cannot be put ({type(error).__name__}: {error}); nothing half-written was left: "
                           "try again, or choose another folder") from error


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
                if entry.is_symlink() and _leads_back(entry.path):
                    continue
                if entry.is_dir():
                    folders.append(path)
                elif entry.is_file():
                    found = entry.stat()
                    yield path, Stat(found.st_size, str(found.st_mtime_ns))


def _leads_back(link: str) -> bool:
    """Whether a symbolic link leads to a folder that it is in, so that following it would never end."""
    inside, target = os.path.realpath(os.path.dirname(link)), os.path.realpath(link)
    return inside == target or inside.startswith(target.rstrip("/") + "/")


def _remote(uri: str) -> tuple[Any, str]:
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise StorageError(f"{uri}: no file system for this scheme ({error}); install its fsspec package") from None
    return files, path


def _remote_stat(info: dict[str, Any]) -> Stat:
    token = next((info[key] for key in ("ETag", "etag", "generation", "mtime", "LastModified", "created")
                  if info.get(key) is not None), "")
    if isinstance(token, datetime):  # fsspec's memory gives times as numbers to info and as dates to find
        token = token.timestamp()
    return Stat(int(info["size"]), str(token))


def _remote_listing(base: str, under: str, hidden: bool) -> Iterator[tuple[str, Stat]]:
    files, root = _remote(base)
    root = root.rstrip("/")
    try:
        found = files.find(join(root, under) if under else root, detail=True)
    except FileNotFoundError:
        return
    skip = len(under.strip("/")) + 1 if under.strip("/") else 0
    for path, info in found.items():
        if not path.startswith(root + "/"):  # what only starts like the folder's name is not in it
            continue
        relative = path[len(root) + 1 :]
        if hidden or not any(part.startswith(".") for part in relative[skip:].split("/")):
            yield relative, _remote_stat(info)
