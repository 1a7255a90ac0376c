"""Cluster sets: which documents are the same by some method. They say nothing of which copy stays.

A set is a folder named by the digest of its method, parameters and input sidecars: for each shard with members a
sidecar of (row, cluster), and `set.json`, put last, which names them all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import pyarrow as pa

from mixer import attributes, index, rows, sidecars, storage
from mixer.corpus import Corpus
from mixer.documents import canonical_json
from mixer.errors import StorageError
from mixer.index import Index
from mixer.recipe import DedupMethod, Recipe
from mixer.workspace import Workspace
from taggers.declare import Use
from taggers.registry import find_tagger

FORMAT = "solera-clusters@1"

SCHEMA = pa.schema([("row", pa.int64()), ("cluster", pa.binary(16))])

# Repeated identities are always looked for, whatever the recipe lists: they are an error unless it chooses otherwise.
IDENTITY = DedupMethod("id@1", {})


@dataclass(frozen=True)
class Relation:
    """What relates documents by equal keys: a method, and the column of a sidecar that holds its keys."""

    method: DedupMethod
    sidecar: str  # the sidecar's key: rows@1 or a tagger's
    column: str  # 16 bytes a row; null relates to nothing


@dataclass(frozen=True)
class ClusterSet:
    """A finished set. `members` gives rows and content digest of each shard that has members."""

    name: str
    method: str
    parameters: Mapping[str, object]
    clusters: int
    documents: int
    members: Mapping[str, Mapping[str, object]]

    @property
    def digest(self) -> str:
        """Content digest over all members, in hex."""
        parts = {shard: member["digest"] for shard, member in self.members.items()}
        return hashlib.sha256(canonical_json(parts)).hexdigest()

    def among(self, shards: Set[str]) -> ClusterSet:
        """With the members of these shards alone."""
        return replace(self, members={shard: self.members[shard] for shard in sorted(shards & self.members.keys())})


def relation(method: DedupMethod) -> Relation:
    """Where the keys of a dedup method are found."""
    if method.use == "id@1":
        return Relation(method, rows.KEY, "identity")
    tagger = find_tagger("text_hash")
    assert tagger is not None
    return Relation(method, attributes.key_of(Use(tagger, dict(method.parameters))), "text_hash.key")


def relations(recipe: Recipe) -> tuple[Relation, ...]:
    """All that has to be found for a recipe: its methods in order, and repeated identities."""
    listed = [relation(method) for method in recipe.dedup]
    return tuple(listed if any(each.method.use == "id@1" for each in listed) else [*listed, relation(IDENTITY)])


def name_of(related: Relation, corpus: Corpus, entries: Index) -> str:
    """`method-digest`, the digest of the method, its parameters, and each shard's path and sidecar content digest."""
    digests = entries.at(corpus.paths).pylist("digest")
    inputs = [[shard.path, digest] for shard, digest in zip(corpus.shards, digests, strict=True)]  # in order of path
    method = related.method
    digest = hashlib.sha256(canonical_json([method.use, dict(method.parameters), inputs])).hexdigest()
    return f"{method.use}-{digest[:16]}"


def read_set(place: Workspace, name: str) -> ClusterSet | None:
    """The set of this name, or None if none of FORMAT was ever finished."""
    uri = storage.join(place.clusters(name), "set.json")
    if not storage.exists(uri):
        return None
    try:
        found = json.loads(storage.read(uri))
    except ValueError:
        return None  # damaged, and as good as absent
    if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
        return None
    return ClusterSet(**found)


def put_set(place: Workspace, found: ClusterSet) -> None:
    text = canonical_json({"format": FORMAT, **found.__dict__})
    storage.put(storage.join(place.clusters(found.name), "set.json"), text)


def member_uri(place: Workspace, name: str, shard: str) -> str:
    return storage.join(place.clusters(name), f"{shard}.parquet")


def read_members(place: Workspace, found: ClusterSet, shard: str) -> pa.Table:
    """(row, cluster) of one shard in order of row; empty where it has no members."""
    if shard not in found.members:
        return SCHEMA.empty_table()
    table, meta = sidecars.read(member_uri(place, found.name, shard))
    if meta["digest"] != found.members[shard]["digest"]:
        raise StorageError(f"{member_uri(place, found.name, shard)}: not the file that its set names; remove it and "
                           "run dedup again")
    return table


def missing(corpus: Corpus, sets: Sequence[ClusterSet]) -> list[str]:
    """Names of sets with a member file that has gone."""
    place = corpus.workspace
    return [found.name for found in sets
            if not set(found.members) <= index.present(place.clusters(found.name))]
