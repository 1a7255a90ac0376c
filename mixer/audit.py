"""Audit: recompute all that a mixture's folder allows, and say what each check proves. Trusts nothing but digests."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from mixer import lock, manifest, mixture, plan, sidecars, storage
from mixer.documents import Bad, LineReader
from mixer.errors import SoleraError
from mixer.recipe import Recipe, parse

ALLOWED = {"manifest.json", "recipe.yaml", "recipe.lock", "shards.parquet"}


@dataclass(frozen=True)
class Check:
    """One check: what holding proves, and where it fails, the first places."""

    name: str
    proves: str
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.failures


def audit(folder: str, expected: str | None = None) -> list[Check]:
    """Every check in order. `expected` is the digest that someone published; without it the folder vouches for itself.

    Raises BadInput only where there is no manifest at all.
    """
    found = manifest.read(folder)
    part, build = found["mixture"], found["build"]
    checks = [
        _check("digest", "the manifest's `mixture` part is what was digested" +
               (", and is the one you were given" if expected else "; compare it with the digest that was published"),
               lambda: _digest(found, expected)),
        _check("files", "recipe, lock and shard table are the ones that the manifest names",
               lambda: _files(folder, part, build)),
        _check("recipe", "the recipe is valid, and name, version, seed, unit and weights are its own",
               lambda: _recipe(folder, part)),
        _check("lock", "the lock is of this recipe, and its shards add up to what was read",
               lambda: _lock(folder, part)),
        _check("counts", "each step's documents, units and bytes are the step before less what was dropped",
               lambda: _counts(part)),
        _check("allocation", "the recipe's policy over these pools gives these allocations, within caps and budget",
               lambda: _allocation(folder, part)),
    ]
    shards: list[pa.Table] = []
    checks.append(_check("shard table", "the table of data shards is complete and sums to the totals",
                         lambda: _shards(folder, part, shards)))
    if shards:
        checks.append(_check("listing", "no file is missing, and none is there that the table does not name",
                             lambda: _listing(folder, shards[0])))
        checks.append(_check("data shards", "every stored byte, record, boundary, text hash and provenance is as "
                             "recorded; what each source emitted adds up", lambda: _data(folder, part, shards[0])))
    return checks


def _check(name: str, proves: str, find: Callable[[], Iterator[str]]) -> Check:
    """Runs one check. What cannot even be read fails it: a damaged mixture is a finding, not a crash."""
    failures = []
    try:
        for failure in find():
            failures.append(failure)
            if len(failures) == 20:
                failures.append("… and perhaps more")
                break
    except SoleraError as error:
        failures.append(str(error))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, pa.ArrowException, OSError,
            zstandard.ZstdError) as error:
        failures.append(f"cannot be read: {type(error).__name__}: {error}")
    return Check(name, proves, tuple(failures))


def _digest(found: Mapping[str, Any], expected: str | None) -> Iterator[str]:
    actual = manifest.digest(found["mixture"])
    if actual != found["digest"]:
        yield f"manifest.json: its mixture part has the digest {actual}, and it says {found['digest']}"
    if expected is not None and actual != expected.removeprefix("sha256:"):
        yield f"manifest.json: its mixture part has the digest {actual}, and you expected {expected}"


def _files(folder: str, part: Mapping[str, Any], build: Mapping[str, Any]) -> Iterator[str]:
    for name in ("recipe.yaml", "recipe.lock", "shards.parquet"):
        data = storage.read(storage.join(folder, name))
        actual = hashlib.sha256(data).hexdigest()
        if actual != build["files"][name]["sha256"]:
            yield f"{name}: sha256 {actual}, and the manifest says {build['files'][name]['sha256']}"
        if name == "recipe.yaml" and actual != part["recipe"]["sha256"]:
            yield f"{name}: not the recipe of this mixture"
        if name == "recipe.lock" and actual != part["lock"]["sha256"]:
            yield f"{name}: not the lock of this mixture"


def _recipe(folder: str, part: Mapping[str, Any]) -> Iterator[str]:
    recipe = _read_recipe(folder)
    for name in ("name", "version", "seed", "unit", "counter", "budget", "order", "license", "description"):
        if getattr(recipe, name) != part[name]:
            yield f"{name}: {part[name]!r} in the manifest, {getattr(recipe, name)!r} in the recipe"
    if dict(recipe.about) != part["about"]:
        yield "about: differs between manifest and recipe"
    if [source.name for source in recipe.sources] != [source["source"] for source in part["sources"]]:
        yield "sources: not the recipe's"
        return
    emitted = sum(source["emitted"]["units"] for source in part["sources"])
    for source, count in zip(recipe.sources, part["sources"], strict=True):
        if [rule.text for rule in recipe.rules_for(source.name)] != [rule["rule"] for rule in count["rules"]]:
            yield f"{source.name}: its rules are not the recipe's"
        if dict(source.about) != count["about"]:
            yield f"{source.name}: about differs between manifest and recipe"
        if manifest.weights_of(recipe, count, emitted) != count["weights"]:
            yield f"{source.name}: weights do not follow from its counts"


def _lock(folder: str, part: Mapping[str, Any]) -> Iterator[str]:
    uri = storage.join(folder, "recipe.lock")
    found = lock.decode(storage.read(uri), uri)
    if found["recipe"]["sha256"] != part["recipe"]["sha256"]:
        yield "recipe.lock: made from another recipe"
    recipe = _read_recipe(folder)
    paths = [shard["path"] for shard in found["shards"]]
    if paths != sorted(set(paths)):
        yield "recipe.lock: its shards are not sorted, or one stands twice"
    for source in recipe.sources:
        patterns = [re.compile(storage.glob_regex(pattern)) for pattern in source.shards]
        mine = [shard for shard in found["shards"] if shard["source"] == source.name]
        for shard in mine:
            if not any(pattern.fullmatch(shard["path"]) for pattern in patterns):
                yield f"recipe.lock: {shard['path']} matches no glob of the source {source.name}"
        count = next(count for count in part["sources"] if count["source"] == source.name)
        if sum(shard["rows"] for shard in mine) != count["read"]["docs"] or len(mine) != count["shards"]:
            yield f"{source.name}: the lock's shards hold {sum(shard['rows'] for shard in mine)} rows, and " \
                  f"{count['read']['docs']} were read"


def _counts(part: Mapping[str, Any]) -> Iterator[str]:
    for count in part["sources"]:
        name = count["source"]
        for what in ("docs", "units", "bytes"):
            kept = count["read"][what] - sum(rule["first"][what] for rule in count["rules"])
            pool = kept - sum(method["dropped"][what] for method in count["dedup"])
            steps = {"kept": kept, "pool": pool, "selected": pool - count["not_drawn"][what]}
            for step, expected in steps.items():
                if count[step][what] != expected:
                    yield f"{name}: {step} {what} is {count[step][what]}, and the steps before leave {expected}"
            for rule in count["rules"]:
                if not rule["only"][what] <= rule["own"][what] or not rule["first"][what] <= rule["own"][what]:
                    yield f"{name}: {rule['rule']} drops more {what} than fail it"
        if count["emitted"]["docs"] < count["selected"]["docs"]:
            yield f"{name}: emitted fewer documents than were selected"
    for what, total in (("docs", "docs"), ("units", "units"), ("bytes", "text_bytes")):
        emitted = sum(count["emitted"][what] for count in part["sources"])
        if emitted != part["totals"][total]:
            yield f"totals: {total} is {part['totals'][total]}, and the sources emitted {emitted}"
    if sum(count["selected"]["docs"] for count in part["sources"]) != part["totals"]["unique_docs"]:
        yield "totals: unique_docs is not the sum of the selected documents"
    lost = {count["source"]: 0 for count in part["sources"]}
    for loss in part["dedup"]["losses"]:
        lost[loss["source"]] += loss["docs"]
    for count in part["sources"]:
        dropped = sum(method["dropped"]["docs"] for method in count["dedup"])
        if lost[count["source"]] != dropped:
            yield f"{count['source']}: dedup dropped {dropped} documents, and {lost[count['source']]} were lost to others"


def _allocation(folder: str, part: Mapping[str, Any]) -> Iterator[str]:
    recipe = _read_recipe(folder)
    pools = {count["source"]: count["pool"]["units"] for count in part["sources"]}
    for share, count in zip(plan.allocations(recipe, pools), part["sources"], strict=True):
        for name in ("source", "requested", "allocated", "cap", "capped"):
            if share[name] != count[name]:
                yield f"{count['source']}: {name} is {count[name]}, and the recipe gives {share[name]}"
    for count in part["sources"]:
        pool, emitted = count["pool"]["units"], count["emitted"]["units"]
        if emitted > count["allocated"]:
            yield f"{count['source']}: emitted {emitted} units, over its allocation of {count['allocated']}"
        if count["copies"] != (count["allocated"] // pool if pool else 0):
            yield f"{count['source']}: copies is {count['copies']}, not allocated div pool"
        if not count["copies"] * pool <= emitted:
            yield f"{count['source']}: emitted {emitted} units, fewer than {count['copies']} whole copies of its pool"


def _shards(folder: str, part: Mapping[str, Any], found: list[pa.Table]) -> Iterator[str]:
    table = pq.read_table(io.BytesIO(storage.read(storage.join(folder, "shards.parquet"))))
    if table.schema.names != mixture.SHARD_SCHEMA.names:
        yield "shards.parquet: not the columns of a shard table"
        return
    found.append(table)
    digest = mixture.content_digest(table.cast(mixture.SHARD_SCHEMA))
    if digest != part["shards"]["digest"] or len(table) != part["shards"]["rows"]:
        yield f"shards.parquet: content digest {digest}, and the manifest says {part['shards']['digest']}"
    for name in ("docs", "units", "text_bytes", "record_bytes"):
        if sum(table.column(name).to_pylist()) != part["totals"][name]:
            yield f"shards.parquet: its {name} do not sum to the total of {part['totals'][name]}"
    if len(table) != part["totals"]["shards"]:
        yield f"shards.parquet: {len(table)} shards, and the total is {part['totals']['shards']}"


def _listing(folder: str, shards: pa.Table) -> Iterator[str]:
    named = ALLOWED | {*shards.column("path").to_pylist(), *shards.column("index_path").to_pylist()}
    there = set(storage.listing(folder))
    for path in sorted(named - there):
        yield f"{path}: missing"
    for path in sorted(there - named):
        yield f"{path}: extra; the manifest does not know it"


def _data(folder: str, part: Mapping[str, Any], shards: pa.Table) -> Iterator[str]:
    emitted: dict[str, dict[str, int]] = {}
    for row in shards.to_pylist():
        failures = list(_shard(folder, part, row))
        yield from (f"{row['path']}: {failure}" for failure in failures)
        for source, counts in json.loads(row["sources"]).items():
            held = emitted.setdefault(source, {"docs": 0, "units": 0})
            for name in held:
                held[name] += counts[name]
    for count in part["sources"]:
        held = emitted.get(count["source"], {"docs": 0, "units": 0})
        for name in held:
            if held[name] != count["emitted"][name]:
                yield f"{count['source']}: the shards hold {held[name]} {name}, and {count['emitted'][name]} were emitted"


def _shard(folder: str, part: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    """One data shard against its row, and each record against the index. Memory: the index, and one frame."""
    index_uri = storage.join(folder, row["index_path"])
    if not storage.exists(storage.join(folder, row["path"])) or not storage.exists(index_uri):
        return  # the listing has said so
    if mixture.index_file(index_uri)["index_file_sha256"] != row["index_file_sha256"]:
        yield "its index is not the file that was recorded"
    table, _ = sidecars.read(index_uri)
    if sidecars.digest(table) != row["index_digest"]:
        yield "its index has other contents than were recorded"
    content = hashlib.sha256()
    entries = iter(_entries(table))
    at, docs = 0, 0
    sums: list[mixture.Record] = []
    hashes: list[bytes] = []
    reader = LineReader(storage.join(folder, row["path"]))
    for _, start, line in reader:
        if isinstance(line, Bad):
            yield line.reason
            continue
        content.update(line + b"\n")
        entry = next(entries, None)
        docs += 1
        if entry is None:
            continue  # the count below says so
        at = start + len(line) + 1
        if (entry["start"], entry["end"]) != (start, at):
            yield f"record {docs} stands at bytes {start} to {at}, and its index says otherwise"
        wrong, text_sha256, record = _record(line, entry)
        hashes.append(text_sha256)
        sums.append(record)
        if wrong:
            yield f"record {docs}: {wrong}"
    if reader.broken is not None:
        yield reader.broken
    elif not reader.ended:
        yield "its last record has no newline"
    if (reader.bytes, reader.sha256) != (row["file_bytes"], row["file_sha256"]):
        yield f"stored bytes differ: {reader.bytes} bytes, sha256 {reader.sha256 or 'not taken'}"
    if content.hexdigest() != row["content_sha256"] or at != row["record_bytes"]:
        yield f"contents differ: sha256 {content.hexdigest()} over {at} bytes of records"
    if docs != row["docs"] or next(entries, None) is not None:
        yield f"{docs} records, and {row['docs']} were recorded"
    if mixture.per_source(sums, part["unit"]) != json.loads(row["sources"]):
        yield "its documents or units by source differ from its row"
    if mixture.merkle_root(hashes).hex() != row["merkle_root"]:
        yield "its text hashes have another Merkle root"


def _record(line: bytes, entry: Mapping[str, Any]) -> tuple[str | None, bytes, mixture.Record]:
    """(what is wrong or None, sha256 of the text, the record without its line)."""
    record = msgspec.json.decode(line)
    text = record["text"].encode()
    text_sha256 = hashlib.sha256(text).digest()
    provenance = record["provenance"]
    said = {"mix_source": provenance["source"], "source": record["source"], "id": record["id"],
            "shard": provenance["shard"], "row": provenance["row"], "copy": provenance["copy"],
            "text_sha256": text_sha256, "text_bytes": len(text)}
    wrong = next((f"{name} differs from its index" for name, value in said.items() if entry[name] != value), None)
    return wrong, text_sha256, mixture.Record(b"", *said.values())


def _entries(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=4096):
        yield from batch.to_pylist()


def _read_recipe(folder: str) -> Recipe:
    uri = storage.join(folder, "recipe.yaml")
    return parse(storage.read(uri), uri)
