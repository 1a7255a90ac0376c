"""Where the sidecars, cluster sets and plans of a corpus lie, below one work folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mixer import storage
from mixer.documents import ShardReader


@dataclass(frozen=True)
class Workspace:
    """Places below `root` for the corpus at `corpus`; both absolute URIs. Nothing is created by naming it."""

    root: str
    corpus: str
    references: tuple[tuple[str, str], ...] = ()  # name and URI of each corpus that is a reference

    @property
    def folder(self) -> str:
        """One folder a corpus: its last name, to be recognised, and a digest of its URI, to be told apart."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", self.corpus.rstrip("/").rsplit("/", 1)[-1])[:40] or "corpus"
        return storage.join(self.root, f"{name}-{hashlib.sha256(self.corpus.encode()).hexdigest()[:8]}")

    def shard(self, shard: str) -> str:
        """Where a shard lies. One of a reference with a corpus of its own is called @NAME/ and its path there."""
        name, inside = self.reference(shard)
        return storage.join(self.corpus if name is None else dict(self.references)[name], inside)

    def reader(self, shard: str) -> ShardReader:
        """The documents of a shard. Those of a reference that name no source are of one called as it is."""
        return ShardReader(self.shard(shard), source=self.reference(shard)[0])

    def reference(self, shard: str) -> tuple[str | None, str]:
        """The reference whose own corpus a shard lies in, None for the corpus itself; and its path there."""
        first, _, inside = shard.partition("/")
        name = first.removeprefix("@")
        if first.startswith("@") and any(name == each for each, _ in self.references):
            return name, inside
        return None, shard

    def sidecars(self, key: str) -> str:
        """The folder of one kind of sidecar: `rows@1`, or a tagger's key."""
        return storage.join(self.folder, "sidecars", key)

    def sidecar(self, key: str, shard: str) -> str:
        return storage.join(self.sidecars(key), f"{shard}.parquet")

    def quarantine(self, shard: str) -> str:
        return storage.join(self.folder, "quarantine", f"{shard}.parquet")

    def index(self, key: str) -> str:
        return storage.join(self.folder, "index", f"{key}.parquet")

    def clusters(self, name: str) -> str:
        return storage.join(self.folder, "clusters", name)

    @property
    def sets(self) -> str:
        """The folder of one empty file for each finished cluster set, called as the set is: short to list."""
        return storage.join(self.folder, "sets")

    @property
    def plans(self) -> str:
        return storage.join(self.folder, "plans")

    def plan(self, digest: str) -> str:
        return storage.join(self.plans, digest[:16])

    def known(self, recipe_sha256: str) -> str:
        """What the last plan of a recipe came to, by the sha256 of its text."""
        return storage.join(self.folder, "known", f"{recipe_sha256}.json")

    @property
    def logs(self) -> str:
        return storage.join(self.root, "logs")


def open_workspace(work: str, corpus: str, references: Mapping[str, str] = MappingProxyType({})) -> Workspace:
    """`references` are the corpora of references by their names."""
    return Workspace(storage.absolute(work), storage.absolute(corpus),
                     tuple((name, storage.absolute(uri)) for name, uri in sorted(references.items())))
