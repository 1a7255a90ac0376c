"""The lock: every shard that a plan read, and the content digest of every sidecar and cluster set that it used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mixer import rows
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.errors import BadInput
from mixer.index import Entry
from mixer.recipe import Recipe

FORMAT = "solera-lock@1"
# How a plan decides. It stands in the lock, since the same lock promises the same mixture.
PLAN_FORMAT = "solera-plan@2"


def make(
    recipe: Recipe, corpus: Corpus, indexes: Mapping[str, Mapping[str, Entry]], sets: Sequence[ClusterSet]
) -> dict[str, Any]:
    """The lock as plain data: shards in order of path, paths relative to the corpus. No clock, no machine."""
    shards = []
    for shard in corpus.shards:
        entry = indexes[rows.KEY][shard.path]
        attributes = {key: found[shard.path].digest for key, found in indexes.items() if key != rows.KEY}
        shards.append({
            "path": shard.path, "source": shard.source, "bytes": entry.bytes, "sha256": entry.sha256,
            "rows": entry.rows, "bad": entry.info["bad"], "broken": entry.info["broken"],
            "sidecars": {rows.KEY: entry.digest, **attributes},
        })
    taggers: dict[str, Any] = {}
    for key, found in indexes.items():
        if key != rows.KEY:
            info = found[corpus.shards[0].path].info
            if "attributes" in info:  # imported: what its sidecars say is all that is known of how it was made
                taggers[key] = {"imported": "dolma"}
                continue
            versions = sorted({str(found[shard.path].info["unicode"]) for shard in corpus.shards})
            taggers[key] = {"parameters": info["parameters"], "model_sha256": info["model_sha256"],
                            "unicode": versions}
    return {
        "format": FORMAT,
        "plan": PLAN_FORMAT,
        "recipe": {"name": recipe.name, "version": recipe.version, "sha256": recipe.sha256},
        "taggers": taggers,
        "clusters": [
            {"method": each.method, "parameters": dict(each.parameters), "name": each.name, "digest": each.digest,
             "clusters": each.clusters, "documents": each.documents}
            for each in sets
        ],
        "shards": shards,
    }


def encode(lock: Mapping[str, Any]) -> bytes:
    """JSON with one line a shard, so that two locks can be compared line by line."""
    head = {key: value for key, value in lock.items() if key != "shards"}
    lines = [json.dumps(shard, ensure_ascii=False, separators=(",", ":"), sort_keys=True) for shard in lock["shards"]]
    body = json.dumps(head, ensure_ascii=False, indent=1, sort_keys=True).removesuffix("\n}")
    return (body + ',\n "shards": [\n' + ",\n".join(lines) + "\n]}\n").encode()


def decode(text: bytes, file: str) -> dict[str, Any]:
    """The lock that `text` holds; `file` is named in errors."""
    try:
        lock = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: not a lock ({error}); take the one beside its manifest") from None
    if not isinstance(lock, dict) or lock.get("format") != FORMAT:
        raise BadInput(f"{file}: not a lock of this format; expected {FORMAT}")
    shards = lock.get("shards")
    if not isinstance(shards, list) or not all(isinstance(shard, dict) for shard in shards):
        raise BadInput(f"{file}: a lock with no shards; take the one beside its manifest")
    return lock


def digest(text: bytes) -> str:
    """Hex sha256 of an encoded lock."""
    return hashlib.sha256(text).hexdigest()
