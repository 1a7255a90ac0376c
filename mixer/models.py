"""Model files by path or URI: each fetched once to a machine, and known by its sha256 alone.

In the cache folder ($XDG_CACHE_HOME/solera/models) a fetched model lies under its sha256. `names` remembers which
sha256 the file at a URI had when it had a given size and token, so that a plan need neither fetch nor hash it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from functools import cache

from mixer import storage
from mixer.documents import READ_BYTES
from mixer.errors import BadInput, StorageError
from mixer.recipe import Recipe
from taggers.declare import Use, load


def resolve(recipe: Recipe, recipe_uri: str) -> Recipe:
    """The recipe with the files of its taggers as absolute URIs, each with its sha256.

    A relative path starts at the recipe file. BadInput for a model that is not there or has another sha256 than the
    recipe gives.
    """
    return dataclasses.replace(recipe, taggers=tuple(_resolved(use, recipe_uri) for use in recipe.taggers))


def _resolved(use: Use, recipe_uri: str) -> Use:
    if use.tagger.file is None:
        return use
    uri, expected = use.file, use.sha256
    bundled = load(use.tagger.bundled)() if use.tagger.bundled else None
    found: str | None = bundled
    named = where = f"{recipe_uri}: taggers.{use.name or use.tagger.name}"
    if uri is not None:
        uri = storage.beside(recipe_uri, uri)
        found = sha256_of(uri, f"{where}.{use.tagger.file}")
        named = f"{where}.{use.tagger.file}: {uri}"
    if expected is not None and found != expected:
        raise BadInput(f"{named}: the {use.tagger.file} has the sha256 {found}, and the recipe says {expected}; "
                       "correct one of the two")
    # The same file from elsewhere is the same tagger: nothing is measured again.
    return use.with_file(None, None) if found == bundled else use.with_file(uri, found)


def sha256_of(uri: str, where: str) -> str:
    """Hex sha256 of a file. `where` in the recipe it is named, for the error where there is none."""
    stat = storage.stat(uri)
    if stat is None:
        raise BadInput(f"{where}: there is no file {uri}; correct the path (a relative one starts at the recipe)")
    name = os.path.join(_folder("names"), hashlib.sha256(f"{uri} {stat.bytes} {stat.token}".encode()).hexdigest())
    with contextlib.suppress(FileNotFoundError), open(name) as file:
        return file.read()
    if storage.is_local(uri):
        sha256 = _hash(uri)
    else:
        with _locked(name):  # what is fetched to be hashed is kept, since it is needed next
            sha256 = _fetch(uri)
    if storage.stat(uri) != stat:
        raise StorageError(f"{uri}: was written again while it was read; give the same command again")
    storage.put(name, sha256.encode())
    return sha256


def local(use: Use) -> Use:
    """The tagger as it runs on this machine: its model a local file that has the sha256, fetched where it must be."""
    uri, sha256 = use.file, use.sha256
    if uri is None or sha256 is None:
        return use
    found = use.with_file(_local(uri, sha256), sha256)
    if use.tagger.check is not None:
        try:
            load(use.tagger.check)(found.parameters)
        except ValueError as error:
            raise BadInput(f"{uri}: the tagger {use.tagger.name} cannot use this {use.tagger.file}: {error}") from None
    return found


@cache
def _local(uri: str, sha256: str) -> str:
    """A local file that has this sha256, which is verified once in a process."""
    if storage.is_local(uri):
        if not storage.exists(uri):
            raise BadInput(f"{uri}: this model is not on the machine {os.uname().nodename}; put it into an object "
                           "store, or at the same path on every executor")
        if _hash(uri) != sha256:
            raise BadInput(f"{uri}: this model is not the one that the driver saw (sha256 {sha256}); give the same "
                           "file to every machine")
        return storage.absolute(uri)
    path = os.path.join(_folder("sha256"), sha256)
    with _locked(path):
        if os.path.exists(path) and _hash(path) != sha256:
            storage.remove(path)  # the cache was damaged
        if not os.path.exists(path):
            found = _fetch(uri) if storage.exists(uri) else None
            if found != sha256:
                what = "is gone" if found is None else f"has the sha256 {found} now"
                raise BadInput(f"{uri}: this model {what}; {sha256} was expected; give the same command again")
    return path


def _fetch(uri: str) -> str:
    """Copies a model into the cache, under the sha256 that it turns out to have, which is returned."""
    folder = _folder("sha256")
    digest = hashlib.sha256()
    # The name that it gets is known only at the end.
    temporary = os.path.join(folder, f".{hashlib.sha256(uri.encode()).hexdigest()}.{os.getpid()}.tmp")
    try:
        with storage.open_read(uri) as source, storage.writer(temporary) as out:
            while block := source.read(READ_BYTES):
                digest.update(block)
                out.write(block)
        os.replace(temporary, os.path.join(folder, digest.hexdigest()))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return digest.hexdigest()


def _hash(uri: str) -> str:
    digest = hashlib.sha256()
    with storage.open_read(uri) as stream:
        while block := stream.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _folder(name: str) -> str:
    """Made where it is not there: in the user's cache, or else, as where there is no home, beside temporary files."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):
        cache = os.path.join(os.path.expanduser("~"), ".cache")
    # What another may have made in a folder open to all is not used: hence the mode, and the owner.
    others = os.path.join(tempfile.gettempdir(), f"solera-{os.getuid()}")
    for base in (os.path.join(cache, "solera"), others):
        folder = os.path.join(base, "models", name)
        with contextlib.suppress(OSError):
            os.makedirs(base, 0o700, exist_ok=True)
            os.makedirs(folder, exist_ok=True)
            if os.access(folder, os.W_OK) and os.stat(base).st_uid == os.getuid():
                return folder
    raise StorageError(f"{cache}: models cannot be kept here, nor in {others}; name another cache folder by "
                       "XDG_CACHE_HOME")


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Nothing; while the block lasts, no other process of this machine is in one of the same path."""
    folder, name = os.path.split(path)
    with open(os.path.join(folder, f".{name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
