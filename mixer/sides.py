"""The sides of a comparison: a recipe, a lock, a plan's folder or a mixture's, told apart by what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mixer import lock, manifest, plan, sidecars, storage
from mixer.errors import BadInput, StorageError, StoreUnavailable
from mixer.plan import Plan
from mixer.recipe import Recipe
from mixer.recipe_parser import parse
from taggers.declare import Tagger


@dataclass(frozen=True)
class Side:
    """One side, and all that is known of it. Without a plan neither lock nor counts are, of a recipe."""

    uri: str
    kind: Literal["recipe", "lock", "plan", "mixture"]
    name: str
    version: str
    recipe_sha256: str
    recipe: Recipe | None = None  # None: of a lock
    lock: Mapping[str, Any] | None = None
    lock_sha256: str | None = None
    counts: Sequence[Mapping[str, Any]] | None = None  # of each source, as plan and manifest have them
    plan: Plan | None = None  # whose documents these are
    manifest: Mapping[str, Any] | None = None
    unplanned: str | None = None  # why a recipe's plan is not known

    @property
    def digest(self) -> str | None:
        """That of a mixture."""
        return None if self.manifest is None else str(self.manifest["digest"])


def opened(uri: str, own: Sequence[Tagger] = ()) -> Side:
    """What is at a path or URI; BadInput where it is nothing that can be compared. `own` are a user's own taggers."""
    if storage.exists(storage.join(uri, "manifest.json")):
        return _mixture(uri)
    if storage.exists(storage.join(uri, "plan.json")):
        return _plan(uri)
    try:
        text = storage.read(uri)
    except StoreUnavailable:
        raise
    except StorageError as error:
        raise BadInput(f"{error}; a comparison is of a recipe, a lock, or the folder of a finished plan or mixture"
                       ) from None
    found = _json(text)
    if isinstance(found, dict) and str(found.get("format", "")).startswith("solera-lock"):
        locked = read_lock(text, uri)
        about = locked["recipe"]
        return Side(uri, "lock", about["name"], about["version"], about["sha256"], lock=locked,
                    lock_sha256=lock.digest(text))
    if isinstance(found, dict) and ("mixture" in found or str(found.get("format", "")).startswith("solera-plan")):
        raise BadInput(f"{uri}: one file of a {'mixture' if 'mixture' in found else 'plan'}; name its folder")
    recipe = parse(text, uri, own)
    return Side(uri, "recipe", recipe.name, recipe.version, recipe.sha256, recipe)


def planned(side: Side, made: Plan) -> Side:
    """A recipe's side with its plan."""
    return replace(side, recipe=made.recipe, lock=read_lock(made.lock, made.folder), plan=made,
                   lock_sha256=lock.digest(made.lock), counts=made.body["counts"])


def read_lock(text: bytes, uri: str) -> dict[str, Any]:
    """A lock of this or an earlier format, each shard with its `sources`; BadInput where it is none."""
    found = _json(text)
    try:
        if not isinstance(found, dict) or found["format"] not in lock.KNOWN:
            raise BadInput(f"{uri}: not a lock of a format that is known here; those are {' and '.join(lock.KNOWN)}")
        shards = [{**shard, "sources": shard.get("sources") or [shard["source"]]} for shard in found["shards"]]
        for shard in shards:
            if {"path", "bytes", "sha256", "rows", "sidecars"} - shard.keys():
                raise BadInput(f"{uri}: {shard['path']}: not said what this shard was; fetch the lock again")
        about = {name: str(found["recipe"][name]) for name in ("name", "version", "sha256")}
        return {**found, "shards": shards, "recipe": about, "taggers": dict(found["taggers"]),
                "clusters": list(found["clusters"])}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{uri}: a lock that cannot be read ({type(error).__name__}: {error}); fetch it again"
                       ) from None


def _mixture(folder: str) -> Side:
    found = manifest.read(folder)
    part = found["mixture"]
    uris = {name: storage.join(folder, name) for name in ("recipe.yaml", "recipe.lock")}
    texts = {name: storage.read(uri) for name, uri in uris.items()}
    actual = manifest.digest(part), *(hashlib.sha256(text).hexdigest() for text in texts.values())
    try:
        said = found["digest"], part["recipe"]["sha256"], part["lock"]["sha256"]
        counts = [_checked(count) for count in part["sources"]]
    except (KeyError, TypeError) as error:
        raise BadInput(f"{folder}/manifest.json: not a manifest that is known here ({type(error).__name__}: {error}); "
                       f"run `solera audit {folder}`") from None
    if actual != said:
        raise BadInput(f"{folder}: manifest, recipe and lock are not of one mixture; run `solera audit {folder}`")
    locked = read_lock(texts["recipe.lock"], uris["recipe.lock"])
    recipe = lock.recipe_of(locked, texts["recipe.yaml"], uris["recipe.yaml"])
    return Side(folder, "mixture", recipe.name, recipe.version, recipe.sha256, recipe, locked,
                part["lock"]["sha256"], counts, manifest=found)


def _plan(folder: str) -> Side:
    uri = storage.join(folder, "plan.json")
    body = _json(storage.read(uri))
    made = plan.read(folder, str(body.get("lock_sha256"))) if isinstance(body, dict) else None
    if made is None:
        raise BadInput(f"{uri}: not a finished plan of {plan.FORMAT}; plan its recipe again")
    recipe = made.recipe
    return planned(Side(folder, "plan", recipe.name, recipe.version, recipe.sha256, recipe), made)


def shard_table(side: Side) -> Any:
    """shards.parquet of a mixture."""
    return sidecars.table_of(storage.read(storage.join(side.uri, "shards.parquet")))


def _checked(count: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a manifest says of a source; KeyError where something is not said that a comparison needs."""
    for three in ("read", "pool", "selected", "emitted"):
        for what in ("docs", "units", "bytes"):
            int(count[three][what])
    return {**count, "edited": {"units": 0, **count.get("edited", {})}, "source": str(count["source"])}


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
