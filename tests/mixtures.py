"""Small corpora with odd records, mixtures of them by the real command line, and ways to tamper with a mixture."""

from __future__ import annotations

import contextlib
import copy
import functools
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import zstandard

from jobs.cli import main
from mixer import manifest, mixture, sidecars, tree
from mixer.documents import canonical_json
from mixer.selection import units_of_bytes

_WORDS = """
the of and to in is it you that he was for on are with as his they be at one have this from or had by hot but what some
we can out other were all there when up use your how said an each she which do their time if will way about many then
them would write like so these her long make thing see him two has look more
"""
WORDS = _WORDS.split()

RECIPE = """\
name: small
version: 1.2.3
seed: 20261121
corpus: {corpus}
unit: {unit}
budget: {budget}
policy: {{kind: fixed}}
dedup: [{{use: text@1}}]
prefer: [wiki]
keep:
  words.count: {{min: 20, max: 5000}}
  sizes.chars: {{min: 60}}
about: {{made by: the tests}}
license: CC0-1.0
sources:
  web: {{shards: web/*.jsonl*, weight: 0.5, max_epochs: 4, about: {{license: none}}}}
  wiki: {{shards: [wiki/*.jsonl.gz, wiki/*.parquet], weight: 0.25}}
  book: {{shards: book/*.jsonl, weight: 0.25, max_epochs: 1.2}}
on_shortfall: redistribute
order: {order}
shard_bytes: {shard_bytes}
"""

# Fields of odd records as name and raw JSON, in the order in which they stand in the input.
ODD: tuple[tuple[tuple[str, str], ...], ...] = (
    (("zz", '{"b": 1.50,"a":"\\u00e9\\ud83d\\ude00"}'), ("id", '"odd-0"'), ("text", "TEXT"), ("source", '"web"')),
    (("source", '"web"'), ("metadata", '[1e400,-0.0, {"x" :\tnull}, 12345678901234567890123]'), ("text", "TEXT"),
     ("id", '"odd\\/1"'), ("a\\u0062c", "true")),
    (("id", '"odd-2"'), ("text", "TEXT"), ("source", '"web"'), ("created", "null"), ("added", '"2026-01-01"'),
     ("provenance", '{"source": "older", "copy": 7}'), ("metadata", '"plain"')),
    (("provenance", '"said by hand"'), ("metadata", "{}"), ("id", '"odd-3\\n"'), ("source", '"w\\u00e9b"'),
     ("text", "TEXT"), ("te\\u0078ts", '""')),
    (("id", '"ödd-4 \\u0000"'), ("source", '"web"'), ("text", "TEXT"), ("", "[[], [ ]]")),
)


def words(number: int, count: int) -> str:
    """`count` words that follow from a number alone, and differ from those of any other."""
    stream = hashlib.shake_128(b"%d" % number).digest(count)
    return f"n{number} " + " ".join(WORDS[byte % len(WORDS)] for byte in stream)


def odd_line(fields: Sequence[tuple[str, str]], text: str) -> bytes:
    return ("{" + " , ".join(f'"{name}" : {json.dumps(text) if raw == "TEXT" else raw}' for name, raw in fields)
            + "}").encode()


def write_corpus(folder: Path, docs: int = 120) -> Path:
    """Three sources in every format, with duplicates across sources, short documents, broken lines and odd records."""
    import pyarrow as pa

    def lines(source: str, shard: int, count: int, long: int) -> Iterator[bytes]:
        for row in range(count):
            number = hash_of(source, shard, row)
            text = words(number, long // 2 + number % long)
            if row % 17 == 3:
                text = "too short, 言葉"
            if row % 11 == 5:
                text = words(row // 11, 60)  # the same in every source
            yield json.dumps({"id": f"{source}/{shard}-{row}", "text": text, "source": source,
                              "metadata": {"row": row}}, ensure_ascii=row % 2 == 0).encode()

    def put(path: str, content: Iterator[bytes] | list[bytes]) -> None:
        data = b"".join(line + b"\n" for line in content)
        if path.endswith(".zst"):
            data = zstandard.ZstdCompressor(write_checksum=True).compress(data)
        elif path.endswith(".gz"):
            data = gzip.compress(data, mtime=0)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)

    for shard in range(3):
        put(f"web/{shard}.jsonl.zst", lines("web", shard, docs, 120))
    odd = [odd_line(fields, words(10_000 + number, 80)) for number, fields in enumerate(ODD)]
    put("web/odd.jsonl", odd)
    put("wiki/0.jsonl.gz", lines("wiki", 0, docs, 60))
    put("book/0.jsonl", lines("book", 0, docs // 2, 200))
    put("web/empty.jsonl", [])
    rows = [json.loads(line) for line in lines("wiki", 1, docs // 2, 60)]
    table = pa.table({name: [row[name] for row in rows] for name in ("id", "text", "source")})
    pq.write_table(table, folder / "wiki/1.parquet")
    return folder


def hash_of(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def write_recipe(path: Path, corpus: Path, **changes: object) -> Path:
    said = {"unit": "tokens", "budget": 60_000, "order": "shuffled", "shard_bytes": 40_000, "corpus": corpus} | changes
    path.write_text(RECIPE.format(**said))
    return path


@dataclass(frozen=True)
class Made:
    """A mixture with what it was made from."""

    recipe: Path
    corpus: Path
    work: Path
    out: Path

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "manifest.json").read_bytes())
        return found

    def copied(self, to: Path) -> Made:
        """The same with its folder copied, to be tampered with."""
        shutil.copytree(self.out, to)
        return replace(self, out=to)

    def retold(self, change: Callable[[dict[str, Any]], object], *, digested: bool = True) -> None:
        """Changes the manifest's mixture part in place; a tamperer who knows the format digests it anew."""
        whole = self.manifest
        change(whole["mixture"])
        if digested:
            whole["digest"] = manifest.digest(whole["mixture"])
        (self.out / "manifest.json").write_text(json.dumps(whole))


def run(recipe: Path, work: Path, out: Path, *options: str) -> int:
    return main(["run", str(recipe), "--work", str(work), "--out", str(out), "--quiet", "--max-bad-share", "0.1",
                 *options])


def make(folder: Path, corpus: Path, *options: str, work: Path | None = None, **changes: object) -> Made:
    """A mixture below a folder of its own, through `solera run`. The recipe names its corpus from there."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = write_recipe(folder / "recipe.yaml", Path(os.path.relpath(corpus, folder)), **changes)
    made = Made(recipe, corpus, work or folder / "work", folder / "out")
    assert run(made.recipe, made.work, made.out, *options) == 0
    return made


@functools.cache
def shuffled(base: Path) -> Made:
    """The mixture that most tests look at, made once for them all; needs a Spark session that is there already."""
    return make(base / "mixtures" / "shuffled", write_corpus(base / "mixtures" / "corpus"))


@functools.cache
def by_source(base: Path) -> Made:
    """The same in by-source order, from the same sidecars."""
    first = shuffled(base)
    return make(base / "mixtures" / "by-source", first.corpus, work=first.work, order="by-source")


def frames(data: bytes) -> list[bytes]:
    """The zstd frames of a file, each as it is stored."""
    found = []
    while data:
        inflater = zstandard.ZstdDecompressor().decompressobj()
        inflater.decompress(data)
        assert inflater.eof
        found.append(data[: len(data) - len(inflater.unused_data)])
        data = inflater.unused_data
    return found


def inflated(path: Path) -> bytes:
    return b"".join(zstandard.ZstdDecompressor().decompress(frame) for frame in frames(path.read_bytes()))


def records(out: Path) -> Iterator[tuple[str, bytes]]:
    """(path of the data shard, record without its newline) of a whole mixture, in order."""
    for path in sorted((out / "data").rglob("*.zst")):
        for line in inflated(path).split(b"\n")[:-1]:
            yield str(path.relative_to(out)), line


def files(out: Path) -> dict[str, bytes]:
    """Every file that is promised to be the same bytes wherever a mixture is made; the manifest without `build`."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    whole = json.loads(found.pop("manifest.json"))
    return {**found, "manifest.json": canonical_json([whole["digest"], whole["mixture"]])}


def rewrite_shard(made: Made, name: str, change: Callable[[list[bytes]], list[bytes]], *, index: bool = True) -> None:
    """Rewrites a data shard, and all that depends on it, as a tamperer would who has this very program.

    `index` says whether the index is made to agree with the new records.
    """
    path, index_path = mixture.shard_paths(name)
    unit = made.manifest["mixture"]["unit"]
    lines = change(inflated(made.out / path).split(b"\n")[:-1])
    found = []
    for line in lines:
        fields = json.loads(line)
        text, by = fields["text"].encode(), fields["provenance"]
        emitted = hashlib.sha256(text).digest()
        original = by.get("original", {"sha256": emitted.hex(), "bytes": len(text)})
        found.append(mixture.Record(line, by["source"], fields["source"], fields["id"], by["shard"], by["row"],
                                    by["copy"], bytes.fromhex(original["sha256"]), original["bytes"], emitted,
                                    len(text), len(by.get("cut", [])) + len(by.get("replaced", [])),
                                    sum(len(each[2].encode()) for each in by.get("replaced", [])),
                                    int(units_of_bytes(unit, np.array([original["bytes"]]))[0])))
    before = (made.out / index_path).read_bytes()
    meta = sidecars.metadata(str(made.out / index_path))
    assert meta is not None
    row = mixture.write_shard(str(made.out), name, found, unit, meta["build_key"])
    assert row is not None
    if not index:
        (made.out / index_path).write_bytes(before)
        row |= mixture.index_file(str(made.out / index_path))
        row["index_digest"] = sidecars.digest(pq.read_table(made.out / index_path).replace_schema_metadata(None))
    retell_shards(made, {path: row})


def retell_shards(made: Made, news: dict[str, dict[str, Any]]) -> None:
    """Puts rows of shards.parquet in the place of others, and has manifest and digest agree with them."""
    rows = {row["path"]: row for row in pq.read_table(made.out / "shards.parquet").to_pylist()}
    table = mixture.shards_table({**rows, **news}.values())
    pq.write_table(table, made.out / "shards.parquet", compression="zstd")
    restore(made, "shards.parquet")

    def change(part: dict[str, Any]) -> None:
        part["shards"]["digest"] = mixture.content_digest(table)
        for name in ("docs", "units", "text_bytes", "record_bytes"):
            part["totals"][name] = sum(table.column(name).to_pylist())
        indexes = [pq.read_table(made.out / path) for path in table["index_path"].to_pylist()]
        with contextlib.suppress(KeyError):  # an index without the columns that a leaf is made of
            leaves = np.concatenate([tree.leaves_of(index) for index in indexes])
            part["documents"] = manifest.documents_of([tree.write_file(str(made.out), 0, leaves)])

    made.retold(change)


def restore(made: Made, name: str) -> None:
    """Has the manifest's `build` agree with a file that was changed."""
    whole = copy.deepcopy(made.manifest)
    data = (made.out / name).read_bytes()
    whole["build"]["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (made.out / "manifest.json").write_text(json.dumps(whole))


def write_pages(folder: Path, shards: int, docs: int) -> None:
    """Shards of pages, no two the same, in a folder: enough text for seconds of work, made in no time."""
    folder.mkdir(parents=True)
    # Sentences from a small stock.
    stock = [" ".join(WORDS[hash_of(line, word) % len(WORDS)] for word in range(12)) + ".\n" for line in range(500)]
    for shard in range(shards):
        lines = []
        for row in range(docs):
            start = hash_of(shard, row)
            text = f"{shard} {row} " + "".join(stock[(start + line * 7) % 500] for line in range(20 + start % 41))
            lines.append(json.dumps({"id": f"{shard}-{row}", "source": "web", "text": text}).encode() + b"\n")
        data = zstandard.ZstdCompressor(level=1).compress(b"".join(lines))
        (folder / f"{shard:02d}.jsonl.zst").write_bytes(data)
