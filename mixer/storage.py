"""The one way to files: list, stat, read, and publish whole files under any URI.

A plain path or file:// goes to the local file system; any other scheme goes to mixer.remote, over fsspec, whose
package for that scheme (s3fs, gcsfs, adlfs) must be installed. A file appears whole or not at all: locally by a
temporary name and a rename, in an object store by a single put or by the end of an upload in parts.
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
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, cast

from mixer import remote
from mixer.errors import StorageError
from mixer.remote import Stat as Stat

carries_credentials = remote.carries_credentials

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What is written to a store is held in memory up to this size, as most sidecars are, and above it in a temporary file.
_SPOOLED = 8 << 20


def is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def absolute(uri: str) -> str:
    """The URI as other processes and other current folders can use it, without a trailing slash.

    StorageError for one that carries credentials, before it gets into anything that is written.
    """
    remote.refuse_credentials(uri)
    if is_local(uri):
        return os.path.abspath(_local(uri))
    if uri.endswith("://"):
        return uri
    scheme, _, path = uri.partition("://")
    bucket, *parts = path.rstrip("/").split("/")
    plain: list[str] = []  # a store has no folder to go up from: s3://bucket/recipes/../corpus is s3://bucket/corpus
    for part in parts:
        if part == "..":
            plain = plain[:-1]
        elif part != ".":
            plain.append(part)
    return f"{scheme}://{'/'.join([bucket, *plain])}"


def beside(file: str, uri: str) -> str:
    """The URI, absolute; a relative path starts at the folder of `file`, wherever that is."""
    if is_local(uri) and not uri.startswith(("/", "file://")):
        uri = join(absolute(file).rpartition("/")[0] or "/", uri)
    return absolute(uri)


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
        return Stat(found.st_size, str(found.st_mtime_ns), found.st_mtime)
    store, path = remote.find(uri)
    return store.stat(uri, path)


def exists(uri: str) -> bool:
    return stat(uri) is not None


def check_bucket(uri: str) -> None:
    """StorageError where there is no such bucket, or it may not be listed: known before hours are spent for it."""
    if not is_local(uri):
        remote.find(uri)[0].check_bucket(uri)


def listing(base: str, under: str = "", hidden: bool = False) -> dict[str, Stat]:
    """Every file below base/under, as {path relative to base: Stat} in sorted order; empty where there is no folder.

    Files whose name starts with a dot (temporary files among them) are listed only if `hidden`.
    """
    found = _local_listing(_local(base), under, hidden) if is_local(base) else _remote_listing(base, under, hidden)
    return dict(sorted(found))


def names(base: str) -> set[str]:
    """Every file below base, hidden ones too, as paths relative to it; empty where there is no folder.

    Sizes are not asked for, which locally are a call to the system for each file.
    """
    if is_local(base):
        return {path for path, _ in _local_files(_local(base), "", hidden=True)}
    return set(listing(base, hidden=True))


def glob(base: str, patterns: Iterable[str]) -> dict[str, Stat]:
    """Files below base that match any pattern, as {relative path: Stat}, sorted.

    `*` and `?` stay within a folder and skip a leading dot; `**` as a whole part crosses folders; `[abc]`, `[a-c]` and
    `[!abc]` are classes.
    """
    found: dict[str, Stat] = {}
    for matches in globs(base, patterns).values():
        found |= matches
    return dict(sorted(found.items()))


def globs(base: str, patterns: Iterable[str]) -> dict[str, dict[str, Stat]]:
    """The files that match each pattern, as `glob` finds them. Patterns over one folder share its listing."""
    patterns = list(dict.fromkeys(patterns))
    # Unless asked for, nothing below a hidden folder, such as a work folder in the corpus, is even looked at.
    folders = [(literal_folder(pattern), any(part.startswith(".") for part in pattern.split("/")))
               for pattern in patterns]
    different = list(dict.fromkeys(folders))
    # A store answers with a thousand names at a time: several folders at once are several times as fast.
    with ThreadPoolExecutor(1 if is_local(base) else 16) as pool:
        listed = dict(zip(different, pool.map(lambda folder: listing(base, *folder), different), strict=True))
    found: dict[str, dict[str, Stat]] = {}
    for pattern, folder in zip(patterns, folders, strict=True):
        matches = re.compile(glob_regex(pattern)).fullmatch
        found[pattern] = {path: stat for path, stat in listed[folder].items() if matches(path)}
    return found


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
        store, path = remote.find(uri)
        found = store.stat(uri, path)
        if found is not None:
            return cast(IO[bytes], remote.Stream(store, uri, path, found))
        check_bucket(uri)
        raise FileNotFoundError
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
    store, path = remote.find(uri)
    return store.create(uri, path, data)


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
    store, path = remote.find(uri)
    with tempfile.SpooledTemporaryFile(_SPOOLED) as spool:
        try:
            yield cast(IO[bytes], spool)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise StorageError(f"{uri}: cannot write ({error.strerror}); it is collected first in the folder for "
                               f"temporary files, {tempfile.gettempdir()}: make room there, or name another by TMPDIR"
                               ) from None
        store.put(uri, path, cast(IO[bytes], spool), spool.seek(0, os.SEEK_END))


def remove(uri: str) -> None:
    """Removes a file; it is no error where there is none."""
    if is_local(uri):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_local(uri))
        return
    store, path = remote.find(uri)
    store.remove(uri, [path])


def remove_all(base: str, paths: Sequence[str]) -> None:
    """Removes files below base, in no order; it is no error where one has gone."""
    if is_local(base):
        for path in paths:
            remove(join(base, path))
        return
    store, root = remote.find(base)
    store.remove(base, [join(root, path) for path in paths])


def remove_below(folder: str) -> None:
    """Removes a folder with all that is in it; it is no error where there is none."""
    if is_local(folder):
        shutil.rmtree(_local(folder), ignore_errors=True)
        return
    store, path = remote.find(folder)
    store.remove(folder, [found for found, _ in store.listing(folder, path)])


def remove_empty_folders(base: str) -> None:
    """Removes the folders below base that hold nothing; a store has none."""
    if is_local(base):
        for folder, _, _ in os.walk(_local(base), topdown=False):
            with contextlib.suppress(OSError):  # which holds something
                if folder != _local(base):
                    os.rmdir(folder)


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


def _local_listing(base: str, under: str, hidden: bool) -> Iterator[tuple[str, Stat]]:
    for path, entry in _local_files(base, under, hidden):
        found = entry.stat()
        yield path, Stat(found.st_size, str(found.st_mtime_ns), found.st_mtime)


def _local_files(base: str, under: str, hidden: bool) -> Iterator[tuple[str, os.DirEntry[str]]]:
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
                    yield path, entry


def _leads_back(link: str) -> bool:
    """Whether a symbolic link leads to a folder that it is in, so that following it would never end."""
    inside, target = os.path.realpath(os.path.dirname(link)), os.path.realpath(link)
    return inside == target or inside.startswith(target.rstrip("/") + "/")


def _remote_listing(base: str, under: str, hidden: bool) -> Iterator[tuple[str, Stat]]:
    store, root = remote.find(base)
    under = under.strip("/")
    skip = len(under) + 1 if under else 0
    for path, found in store.listing(base, join(root, under) if under else root):
        relative = path[len(root) + 1 :]
        if hidden or not any(part.startswith(".") for part in relative[skip:].split("/")):
            yield relative, found
