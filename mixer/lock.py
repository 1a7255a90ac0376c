"""The lock: every shard that a plan read, and the content digest of every sidecar and cluster set that it used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mixer import attributes, clusters, rows, stages
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus, Shard
from mixer.errors import BadInput
from mixer.index import Index
from mixer.recipe import Recipe
from mixer.recipe_parser import parse
from taggers import declare
from taggers.declare import Tagger

FORMAT = "solera-lock@2"
# All of which name shards, sidecars and clusters in the same words; the first had one source a shard.
KNOWN = ("solera-lock@1", FORMAT)
# How a plan decides. It stands in the lock, since the same lock promises the same mixture.
PLAN_FORMAT = "solera-plan@4"


def make(
    recipe: Recipe, corpus: Corpus, indexes: Mapping[str, Index], sets: Sequence[ClusterSet]
) -> dict[str, Any]:
    """The lock as plain data: shards in order of path, paths relative to the corpus. No clock, no machine."""
    found = {key: entries.at(clusters.measured(recipe, corpus, key).paths) for key, entries in indexes.items()}
    entries = found[rows.KEY]
    digests = [dict(zip(each.pylist("shard"), each.pylist("digest"), strict=True)) for each in found.values()]
    shards = [
        {"path": shard.path, **_owner(shard), "bytes": size, "sha256": sha256, "rows": count, "bad": bad,
         "broken": broken,
         "sidecars": {key: each[shard.path] for key, each in zip(found, digests, strict=True) if shard.path in each}}
        for shard, size, sha256, count, bad, broken in zip(
            corpus.shards, entries.pylist("bytes"), entries.pylist("sha256"), entries.pylist("rows"),
            entries.info("bad"), entries.info("broken"), strict=True)
    ]
    own = {attributes.key_of(use): declare.as_json(use.tagger) for use in recipe.uses() if use.tagger.own}
    taggers: dict[str, Any] = {}
    for key, each in found.items():
        if key != rows.KEY:
            infos = each.infos()
            if "attributes" in infos[0]:  # imported: what its sidecars say is all that is known of how it was made
                taggers[key] = {"imported": "dolma"}
                continue
            taggers[key] = {"parameters": infos[0]["parameters"], "model_sha256": infos[0]["model_sha256"],
                            "unicode": sorted({str(info["unicode"]) for info in infos})}
            if key in own:
                taggers[key]["own"] = own[key]
    return {
        "format": FORMAT,
        "plan": PLAN_FORMAT,
        "recipe": {"name": recipe.name, "version": recipe.version, "sha256": recipe.sha256},
        **({"mixture": dict(corpus.mixture)} if corpus.mixture is not None else {}),
        **({} if recipe.split is None else {"split": recipe.split}),
        **({} if recipe.first is None else {"first": stages.as_json(recipe.first)}),
        "taggers": taggers,
        "clusters": [
            {"method": each.method, "parameters": dict(each.parameters), "name": each.name, "digest": each.digest,
             "clusters": each.clusters, "documents": each.documents}
            for each in sets
        ],
        "shards": shards,
    }


def _owner(shard: Shard) -> dict[str, Any]:
    """Whose a shard is: its sources, or the one reference."""
    return {"source": shard.sources[0], "reference": True} if shard.is_reference else {"sources": list(shard.sources)}


def sources_of(shard: Mapping[str, Any]) -> list[str]:
    """The sources that share a shard of a lock, or its reference."""
    found: list[str] = shard["sources"] if "sources" in shard else [shard["source"]]
    return found


def encode(lock: Mapping[str, Any]) -> bytes:
    """JSON with one line a shard, so that two locks can be compared line by line."""
    head = {key: value for key, value in lock.items() if key != "shards"}
    line = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
    lines = map(line, lock["shards"])
    body = json.dumps(head, ensure_ascii=False, indent=1, sort_keys=True).removesuffix("\n}")
    return (body + ',\n "shards": [\n' + ",\n".join(lines) + "\n]}\n").encode()


def decode(text: bytes, file: str, formats: Sequence[str] = (FORMAT,)) -> dict[str, Any]:
    """The lock that `text` holds, of one of these formats; `file` is named in errors."""
    try:
        lock = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: not a lock ({error}); take the one beside its manifest") from None
    if not isinstance(lock, dict) or lock.get("format") not in formats:
        raise BadInput(f"{file}: not a lock of this format; expected {FORMAT}")
    shards = lock.get("shards")
    if not isinstance(shards, list) or not all(isinstance(shard, dict) for shard in shards):
        raise BadInput(f"{file}: a lock with no shards; take the one beside its manifest")
    return lock


def own_taggers(lock: Mapping[str, Any]) -> tuple[Tagger, ...]:
    """The taggers that are no part of Solera, as the lock has their declarations; their code is not needed to know
    which columns there are.
    """
    found = {each["own"]["name"]: declare.from_json(each["own"]) for each in lock["taggers"].values() if "own" in each}
    return tuple(tagger for _, tagger in sorted(found.items()))


def recipe_of(lock: Mapping[str, Any], text: bytes, uri: str) -> Recipe:
    """The recipe of this text as a plan with this lock has it: with the taggers that it brought, for its split, and
    with what the first recipe of its training holds out.
    """
    recipe = parse(text, uri, own_taggers(lock))
    if lock.get("first") is not None:
        recipe = stages.with_first(recipe, stages.from_json(lock["first"], uri))
    return recipe if lock.get("split") is None else recipe.for_split(str(lock["split"]))


def digest(text: bytes) -> str:
    """Hex sha256 of an encoded lock."""
    return hashlib.sha256(text).hexdigest()
