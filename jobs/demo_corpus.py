"""A small corpus to try things on, from text that is on any machine: our own, and that of its Python installation.

Nothing is downloaded. Licence files come as natural duplicates, package descriptions as web text of mixed quality,
help topics as reference articles, and a package's docstrings in their order as something as long as a chapter.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import importlib.metadata
import json
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

SHARDS = {  # how many for each source, and in which of the formats that Solera reads
    "web": (".jsonl.zst", ".jsonl.zst", ".jsonl.zst", ".jsonl.zst"),
    "book": (".jsonl.zst", ".jsonl.zst"),
    "code": (".jsonl.zst", ".jsonl.zst", ".jsonl.zst"),
    "wiki": (".jsonl.zst", ".jsonl.gz"),
}
_PARTS = {"web": 20, "book": 15, "code": 55, "wiki": 10}  # per cent of the bytes, at most
_ADDED = "2026-01-01T00:00:00.000Z"  # fixed, like all times here: the same installation gives the same bytes
_OWN = Path(__file__).with_name("demo_texts")
_LICENCE = re.compile(r"(licen[sc]e|copying|notice|authors)", re.IGNORECASE)
_NOT_LIBRARY = {"test", "tests", "idle_test", "site-packages", "dist-packages", "pydoc_data", "__pycache__"}
_LONGEST = 256 << 10  # characters: one generated table would otherwise be a tenth of all
_SHORTEST_CHAPTER = 4 << 10
_SMALLEST_FILE_WITH_PROSE = 8 << 10


@dataclass(frozen=True)
class Shard:
    """One file that was written. `path` is relative to the corpus."""

    path: str
    documents: int
    broken: int  # lines that are no document, put there so that quarantine has something to show
    text_bytes: int


@dataclass(frozen=True)
class Summary:
    """What was written, in the order of the paths."""

    folder: str
    shards: tuple[Shard, ...]

    @property
    def documents(self) -> int:
        return sum(shard.documents for shard in self.shards)

    @property
    def broken(self) -> int:
        return sum(shard.broken for shard in self.shards)

    @property
    def text_bytes(self) -> int:
        return sum(shard.text_bytes for shard in self.shards)


@dataclass(frozen=True)
class _Document:
    id: str
    text: str
    metadata: dict[str, Any] | None = None
    created: str | None = None


def write(folder: str | os.PathLike[str], megabytes: float = 12) -> Summary:
    """What was written: at most about so many megabytes of text in shards of Dolma's form below this folder."""
    found = {"web": _web(), "book": _book(), "code": _code(), "wiki": _wiki()}
    chosen = {
        source: _first_bytes(documents, int(megabytes * 1e6 * _PARTS[source] / 100))
        for source, documents in found.items()
    }
    # A job refuses a corpus of which over 1% is bad, and what an installation offers can be little.
    broken = min(2, sum(map(len, chosen.values())) // 200)
    shards = []
    for source, documents in sorted(chosen.items()):
        endings = SHARDS[source]
        for number, ending in enumerate(endings):
            share = documents[len(documents) * number // len(endings) : len(documents) * (number + 1) // len(endings)]
            lines = [_line(source, document) for document in share]
            bad = _broken_lines(lines)[:broken] if (source, number) == ("web", 1) else []
            lines[len(lines) // 2 : len(lines) // 2] = bad
            path = f"{source}/{number:04}{ending}"
            _write_shard(Path(folder, path), lines)
            text_bytes = sum(len(document.text.encode()) for document in share)
            shards.append(Shard(path, len(share), len(bad), text_bytes))
    return Summary(str(folder), tuple(shards))


def _web() -> Iterator[_Document]:
    yield from _own("web")
    distributions = {name: dist for dist in importlib.metadata.distributions() if (name := _name(dist))}
    for name, dist in sorted(distributions.items()):
        yield from _description(name, dist)
        yield from _licences(name, dist)


def _name(dist: importlib.metadata.Distribution) -> str:
    """The normalised name of a package, or nothing for what an interrupted installation leaves behind."""
    name = dist.metadata["Name"] if dist.metadata is not None else None
    return re.sub(r"[-_.]+", "-", name).lower() if name else ""


def _description(name: str, dist: importlib.metadata.Distribution) -> Iterator[_Document]:
    text = dist.metadata.json.get("description")
    if isinstance(text, str):
        about = {"url": f"https://pypi.org/project/{name}/", "version": dist.metadata["Version"]}
        yield _Document(f"pypi/{name}", text, about)


def _licences(name: str, dist: importlib.metadata.Distribution) -> Iterator[_Document]:
    for file in sorted(dist.files or [], key=str):
        if _LICENCE.match(file.name) and file.suffix not in (".py", ".pyc") and ".." not in file.parts:
            text = _read(Path(str(file.locate())))
            if text is not None:
                yield _Document(f"pypi/{name}/{file.as_posix()}", text, {"package": name, "file": file.as_posix()})


def _book() -> Iterator[_Document]:
    yield from _own("book")
    chapters: dict[str, list[str]] = {}
    for path, text in _library():
        if len(text) >= _SMALLEST_FILE_WITH_PROSE:  # parsing them all would take longer than everything else here
            chapters.setdefault(path.split("/")[0].removesuffix(".py"), []).extend(_docstrings(text))
    for package, parts in _scattered(chapters.items()):
        if sum(map(len, parts)) >= _SHORTEST_CHAPTER:
            text = "\n\n".join(parts)[:_LONGEST]
            yield _Document(f"docstrings/{package}", text, {"title": package, "parts": len(parts)})


def _docstrings(text: str) -> list[str]:
    """The docstrings of a module, its classes and its functions, in the order of the file."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):  # a template, or a file for another version
        return []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    found = [(node.body[0].lineno, said) for node in nodes if (said := ast.get_docstring(node))]
    return [said for _, said in sorted(found)]


def _code() -> Iterator[_Document]:
    for path, text in _scattered(_library()):
        yield _Document(path, text, {"path": path, "language": "python", "license": "PSF-2.0"})


def _library() -> list[tuple[str, str]]:
    """(path, text) of the standard library's modules, sorted; none where it is inside an archive."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    kept = [path for path in paths if not _NOT_LIBRARY.intersection(path.split("/"))]
    return [(path, text) for path in kept if (text := _read(root / path)) is not None]


def _wiki() -> Iterator[_Document]:
    yield from _own("wiki")
    try:
        from pydoc_data.topics import topics
    except ImportError:  # a distribution may leave it out
        return
    for title, text in _scattered(topics.items()):
        yield _Document(f"topics/{title}", text, {"title": title})


def _own(source: str) -> Iterator[_Document]:
    for path in sorted((_OWN / source).glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        about = {"title": text.partition("\n")[0], "url": f"https://solera.example/{source}/{path.stem}"}
        yield _Document(f"demo/{path.stem}", text, about, created="2026-01-01T00:00:00Z")


def _read(path: Path) -> str | None:
    """The text of a file, or None if there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _scattered(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The pairs by the hash of their names, so that what fits is not only what comes early in the alphabet."""
    return sorted(pairs, key=lambda pair: hashlib.sha256(pair[0].encode()).digest())


def _first_bytes(documents: Iterable[_Document], limit: int) -> list[_Document]:
    """As many of the documents as fit the limit, each id once; sorted by id, which mixes the origins in a shard."""
    kept: dict[str, _Document] = {}
    total = 0
    for document in documents:
        try:
            size = len(document.text.encode())
        except UnicodeEncodeError:  # lone surrogates, from metadata in an old encoding
            continue
        own = document.id.startswith("demo/")
        if document.id in kept or not document.text.strip() or len(document.text) > _LONGEST:
            continue
        if own or total + size <= limit:
            kept[document.id] = document
            total += size
    return sorted(kept.values(), key=lambda document: hashlib.sha256(document.id.encode()).digest())


def _line(source: str, document: _Document) -> bytes:
    fields = {
        "id": document.id,
        "text": document.text,
        "source": source,
        "added": _ADDED,
        "created": document.created,
        "metadata": document.metadata,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _broken_lines(lines: list[bytes]) -> list[bytes]:
    """What crawls do contain: a line that was cut off, and one whose text is not UTF-8."""
    whole = lines[0] if lines else b'{"id":"cut","text":""}'
    cut = whole[: len(whole) // 2].decode(errors="ignore").encode()  # not inside a character, to be broken in one way
    latin = '{"id":"latin-1","text":"Caf\u00e9 au lait","source":"web"}'.encode("latin-1")
    return [cut, latin]


def _write_shard(path: Path, lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    if path.suffix == ".gz":
        packed = gzip.compress(data, mtime=0)
    else:
        packed = zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(packed)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
