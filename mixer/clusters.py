"""Cluster sets: which documents, or which spans of them, are the same by some method; nothing of which copy stays.

A set is a folder named by the digest of its method, parameters and input sidecars: for each shard with members a
sidecar, of (row, cluster) or of spans with their key, and `set.json`, put last, which names them all. A set that was
found from an earlier one names the files of that one which it shares. In `layers` lies what relates new shards to old
ones without the old ones being read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pyarrow as pa

from mixer import attributes, index, rows, sidecars, storage
from mixer.corpus import Corpus
from mixer.documents import canonical_json
from mixer.errors import StorageError
from mixer.index import Index
from mixer.recipe import DedupMethod, Recipe
from mixer.workspace import Workspace

FORMAT = "solera-clusters@2"

Kind = Literal["documents", "spans"]

SCHEMA = pa.schema([("row", pa.int64()), ("cluster", pa.binary(16))])
# Every occurrence of a key that occurs twice or more, in order of row, start, end and key. Start and end count code
# points of the text, first_byte the UTF-8 before the span, bytes that of the span: so that what several spans cover
# together is known without the text, in bytes too. Of occurrences in a row that overlap or touch each other, as
# substring@1 has them where text repeats itself, the first is a span, and all that follow it are another: it is longer
# than what the key is of, and as the first comes before it, never the one that is kept.
SPAN_SCHEMA = pa.schema([("row", pa.int64()), ("start", pa.int64()), ("end", pa.int64()), ("first_byte", pa.int64()),
                         ("bytes", pa.int64()), ("key", pa.uint64())])
SCHEMAS: Mapping[Kind, pa.Schema] = {"documents": SCHEMA, "spans": SPAN_SCHEMA}

# Repeated identities are always looked for, whatever the recipe lists: they are an error unless it chooses otherwise.
IDENTITY = DedupMethod("id@1", {})


@dataclass(frozen=True)
class Relation:
    """What relates documents: a method, and the column of a sidecar that holds what it compares."""

    method: DedupMethod
    sidecar: str  # the sidecar's key: rows@1 or a tagger's
    column: str  # null relates to nothing
    kind: Kind = "documents"
    own_only: bool = False  # what references hold is no matter


@dataclass(frozen=True)
class ClusterSet:
    """A finished set.

    `members` gives rows and content digest of each shard that has members, and under "set" the name of the set in whose
    folder the file lies, where that is not its own. All counts and digests are the same whether the set was found at
    once or from an earlier one; `inputs`, `layers` and `about` say how it was found, and enter no digest.
    """

    name: str
    method: str
    parameters: Mapping[str, object]
    clusters: int  # clusters of documents, or keys of spans
    documents: int  # members of clusters, or spans
    members: Mapping[str, Mapping[str, object]]
    kind: Kind = "documents"
    # Shard -> content digest of the sidecar that was compared.
    inputs: Mapping[str, str] = field(default_factory=dict, compare=False)
    # {"set": name, "parts": count, "kinds": of records}, oldest first; its own is the last.
    layers: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)
    # What the method says of its work: pairs compared and skipped, what is repeated most.
    about: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def digest(self) -> str:
        """Content digest over all members, in hex."""
        parts = {shard: member["digest"] for shard, member in self.members.items()}
        return hashlib.sha256(canonical_json(parts)).hexdigest()

    def among(self, shards: Set[str]) -> ClusterSet:
        """With the members of these shards alone."""
        return replace(self, members={shard: self.members[shard] for shard in sorted(shards & self.members.keys())})


def relation(method: DedupMethod, recipe: Recipe) -> Relation:
    """Where what a dedup method compares is found."""
    about = method.about
    if method.use == "id@1":
        return Relation(method, rows.KEY, "identity")
    if method.use == "column@1":
        use, stored = recipe.stored([str(method.parameters["column"])])[str(method.parameters["column"])]
        return Relation(method, attributes.key_of(use), stored)
    measured = method.tagger_use
    assert measured is not None and about.column is not None
    return Relation(method, attributes.key_of(measured), about.column, about.kind)


def relations(recipe: Recipe) -> tuple[Relation, ...]:
    """All that has to be found for a recipe: its methods in order, those that only its hold-outs name, and repeated
    identities, unless dedup lists them.
    """
    found = [relation(method, recipe) for method in _methods(recipe)]
    return tuple(found if _lists_identity(recipe) else [*found, replace(relation(IDENTITY, recipe), own_only=True)])


def repeated_identities(recipe: Recipe, sets: Sequence[ClusterSet]) -> ClusterSet | None:
    """Of the sets of a recipe's relations the one whose members are an error; None where dedup lists identities, or it
    was not looked for.
    """
    methods = len(_methods(recipe))
    return None if _lists_identity(recipe) or len(sets) <= methods else sets[methods]


def of_splits(recipe: Recipe, sets: Sequence[ClusterSet]) -> tuple[ClusterSet, ...]:
    """Of the sets of a recipe's relations, that by which each of its splits holds out."""
    methods = _methods(recipe)
    return tuple(sets[methods.index(split.by)] for split in recipe.holdout)


def _methods(recipe: Recipe) -> list[DedupMethod]:
    found = list(recipe.dedup)
    for split in recipe.holdout:
        found += [split.by] if split.by not in found else []
    return found


def _lists_identity(recipe: Recipe) -> bool:
    return any(method.use == "id@1" for method in recipe.dedup)


def compared(related: Relation, corpus: Corpus) -> Corpus:
    """The shards among which a relation is looked for."""
    return corpus.own if related.own_only else corpus


def measured(recipe: Recipe, corpus: Corpus, key: str) -> Corpus:
    """The shards that have sidecars of this kind: all have rows and what dedup compares, references nothing else."""
    if corpus.own is corpus or key == rows.KEY or any(each.sidecar == key for each in relations(recipe)):
        return corpus
    return corpus.own


def name_of(related: Relation, corpus: Corpus, entries: Index) -> str:
    """`method-digest`, the digest of the method, its parameters, and each shard's path and sidecar content digest."""
    corpus = compared(related, corpus)
    digests = entries.at(corpus.paths).pylist("digest")
    inputs = [[shard.path, digest] for shard, digest in zip(corpus.shards, digests, strict=True)]  # in order of path
    method = related.method
    digest = hashlib.sha256(canonical_json([method.use, method.finds_by, inputs])).hexdigest()
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
    return ClusterSet(**{**found, "layers": tuple(found["layers"])})


def put_set(place: Workspace, found: ClusterSet) -> None:
    text = canonical_json({"format": FORMAT, **found.__dict__})
    storage.put(storage.join(place.clusters(found.name), "set.json"), text)
    storage.put(storage.join(place.sets, found.name), b"")


def member_uri(place: Workspace, name: str, shard: str) -> str:
    return storage.join(place.clusters(name), f"{shard}.parquet")


def report_uri(place: Workspace, name: str) -> str:
    """A table beside a set, of what is repeated most; no shard is called so."""
    return storage.join(place.clusters(name), "report.parquet")


def read_members(place: Workspace, found: ClusterSet, shard: str) -> pa.Table:
    """The members of one shard, of the schema of the set's kind; empty where it has none."""
    if shard not in found.members:
        return SCHEMAS[found.kind].empty_table()
    uri = member_uri(place, folder_of(found, shard), shard)
    table, meta = sidecars.read(uri)
    if meta["digest"] != found.members[shard]["digest"]:
        raise StorageError(f"{uri}: not the file that its set names; remove it and run dedup again")
    return table


def folder_of(found: ClusterSet, shard: str) -> str:
    """The name of the set in whose folder a shard's members lie."""
    return str(found.members[shard].get("set", found.name))


def missing(corpus: Corpus, sets: Sequence[ClusterSet]) -> list[str]:
    """Names of sets with a member file that has gone."""
    place = corpus.workspace
    gone = []
    for found in sets:
        wanted: dict[str, set[str]] = {}
        for shard in found.members:
            wanted.setdefault(folder_of(found, shard), set()).add(shard)
        if any(not shards <= index.present(place.clusters(name)) for name, shards in wanted.items()):
            gone.append(found.name)
    return gone
