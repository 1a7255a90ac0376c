"""Finding: what a way of finding clusters is given, and what all of them do alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.exchange import PART_BYTES, part_count
from mixer import clusters, index, layers, packing, sidecars, storage
from mixer.clusters import ClusterSet, Relation
from mixer.corpus import Corpus
from mixer.errors import StorageError
from mixer.index import Index
from mixer.layers import Layer
from mixer.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Finding:
    """A cluster set to be found. Shards are numbered in order of path, and tasks are sent those numbers."""

    related: Relation
    name: str
    workspace: Workspace
    shards: tuple[str, ...]
    documents: tuple[int, ...]  # of each shard
    digests: tuple[str, ...]  # of each shard's sidecar that is compared
    row_digests: tuple[str, ...]
    text_bytes: tuple[int, ...] = ()  # of each shard
    base: ClusterSet | None = None  # the same over some of these shards as they are now, to be found from
    layers: tuple[Layer, ...] = ()  # of the base
    slots: int = 1

    @cached_property
    def is_new(self) -> Array:
        """bool, shards: whether the base does not have it."""
        known = self.base.inputs if self.base is not None else {}
        return np.array([shard not in known for shard in self.shards], bool)

    @property
    def layer(self) -> str:
        """Where this set's own layer goes."""
        return layers.folder(self.workspace, self.name)

    def parts(self, records: int, record_bytes: int) -> int:
        """How many parts records go to: those of the base, if there is one."""
        return self.layers[0].parts if self.layers else part_count(records, record_bytes, self.slots)

    def bins(self, new_only: bool = True) -> list[list[int]]:
        """Numbers of the shards (by default the new ones), in tasks of about equal numbers of documents."""
        numbers = np.flatnonzero(self.is_new).tolist() if new_only else list(range(len(self.shards)))
        sizes = [self.documents[number] + packing.SHARD_ROWS for number in numbers]
        return packing.pack(numbers, sizes, packing.bin_count(sizes, self.slots, packing.BIN_ROWS)) if numbers else []

    def uri(self, number: int) -> str:
        """The sidecar that is compared."""
        return self.workspace.sidecar(self.related.sidecar, self.shards[number])

    def text_bins(self, numbers: Sequence[int]) -> list[list[int]]:
        """These shards in tasks of about equal text."""
        sizes = [self.text_bytes[number] + packing.SHARD_BYTES for number in numbers]
        return packing.pack(numbers, sizes, packing.bin_count(sizes, self.slots)) if numbers else []

    def read(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Columns of the sidecar that is compared; StorageError where it is not the one that the set is named after."""
        return self._read(self.related.sidecar, number, self.digests, columns)

    def read_rows(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Columns of the rows of a shard."""
        from mixer import rows

        return self._read(rows.KEY, number, self.row_digests, columns)

    def texts(self, number: int, wanted: Array) -> Iterator[tuple[Array, pa.LargeStringArray]]:
        """(rows, their texts) of a shard, batch by batch; `wanted` (bool, rows) says which. StorageError, at the end,
        where the shard is not the one that was tagged.
        """
        from mixer import rows

        shard = self.shards[number]
        reader = self.workspace.reader(shard)
        count = 0
        for batch in reader:
            mine = np.flatnonzero(wanted[count : count + len(batch.documents)])
            if len(mine):
                yield mine + count, pa.array([batch.documents[row].text for row in mine], pa.large_string())
            count += len(batch.documents)
        meta = sidecars.metadata(self.workspace.sidecar(rows.KEY, shard))
        if meta is None or meta["digest"] != self.row_digests[number] or meta["shard_sha256"] != reader.sha256:
            raise StorageError(f"{self.workspace.shard(shard)}: not the shard that was tagged; run `solera tag "
                               "--verify`, then dedup again")

    def old_members(self, number: int) -> pa.Table:
        """The members that a shard has in the base; none where it is new."""
        if self.base is None:
            return clusters.SCHEMAS[self.related.kind].empty_table()
        return clusters.read_members(self.workspace, self.base, self.shards[number])

    def write(self, number: int, members: pa.Table) -> dict[str, Any]:
        """Writes the members of one shard, at least one; {rows, digest} of it for the set."""
        shard = self.shards[number]
        table = members.cast(clusters.SCHEMAS[self.related.kind])
        meta = sidecars.write(clusters.member_uri(self.workspace, self.name, shard), table,
                              {"set": self.name, "shard": shard})
        return {"rows": meta["rows"], "digest": meta["digest"]}

    def finish(self, count: int, written: Mapping[int, Mapping[str, Any] | None], layer_parts: int | None = None,
               about: Mapping[str, Any] | None = None, layer_kinds: Sequence[str] = ("",)) -> ClusterSet:
        """Puts set.json and gives the set. `written` are the shards whose members were written now, by number, or None
        for one that has none any more; those of the base that were not are named where they lie. `layer_parts` is None
        for a method that keeps no layer.
        """
        members: dict[str, Mapping[str, Any]] = {}
        base = self.base
        for number, shard in enumerate(self.shards):
            if number in written:
                mine = written[number]
                members |= {shard: dict(mine)} if mine is not None else {}
            elif base is not None and shard in base.members:
                members[shard] = {**base.members[shard], "set": clusters.folder_of(base, shard)}
        method = self.related.method
        own = () if layer_parts is None else ({"set": self.name, "parts": layer_parts, "kinds": list(layer_kinds)},)
        found = ClusterSet(
            name=self.name, method=method.use, parameters=method.finds_by, clusters=count,
            documents=sum(int(member["rows"]) for member in members.values()), members=members, kind=self.related.kind,
            inputs=dict(zip(self.shards, self.digests, strict=True)),
            layers=(*(base.layers if base is not None else ()), *own), about=dict(about or {}),
        )
        clusters.put_set(self.workspace, found)
        return found

    def _read(self, key: str, number: int, digests: Sequence[str], columns: Sequence[str]) -> pa.Table:
        uri = self.workspace.sidecar(key, self.shards[number])
        table, meta = sidecars.read(uri, list(columns))
        if meta["digest"] != digests[number]:  # the set is named by what the index says of it
            raise StorageError(f"{uri}: not the sidecar that the index names; make it again with "
                               "`solera tag --verify`")
        return table


def finding_of(related: Relation, name: str, corpus: Corpus, entries: Index, of_rows: Index, slots: int) -> Finding:
    """What has to be found, and from which set that is there already."""
    corpus = clusters.compared(related, corpus)
    entries, of_rows = entries.at(corpus.paths), of_rows.at(corpus.paths)
    shards = tuple(shard.path for shard in corpus.shards)
    digests = tuple(entries.pylist("digest"))
    documents = tuple(entries.pylist("rows"))
    base = _base(corpus.workspace, related, name, dict(zip(shards, digests, strict=True)),
                 dict(zip(shards, documents, strict=True)))
    made: tuple[Layer, ...] = ()
    if base is not None:
        numbers = {shard: number for number, shard in enumerate(shards)}
        made = tuple(_layer(corpus.workspace, each, numbers) for each in base.layers)
    return Finding(related, name, corpus.workspace, shards, documents, digests, tuple(of_rows.pylist("digest")),
                   tuple(of_rows.info("text_bytes")), base, made, slots)


def _layer(place: Workspace, about: Mapping[str, Any], numbers: Mapping[str, int]) -> Layer:
    made = clusters.read_set(place, about["set"])
    assert made is not None  # _base looked
    return Layer(layers.folder(place, about["set"]), about["parts"],
                 np.array([numbers[shard] for shard in sorted(made.inputs)], np.int32))


def _base(place: Workspace, related: Relation, name: str, inputs: Mapping[str, str],
          documents: Mapping[str, int]) -> ClusterSet | None:
    """The finished set of the same method over most of these shards, none that has others or has them otherwise, and
    none whose parts would outgrow a task.
    """
    best: ClusterSet | None = None
    method = related.method
    for called in sorted(storage.names(place.sets)):
        if called == name or not called.startswith(f"{method.use}-"):
            continue
        found = clusters.read_set(place, called)
        if found is None or not found.layers or len(found.layers) >= layers.MOST_LAYERS:
            continue
        if dict(found.parameters) != method.finds_by or not found.inputs.items() <= inputs.items():
            continue
        if best is not None and len(found.inputs) <= len(best.inputs):
            continue
        if _is_whole(place, found) and _part_bytes(place, found, documents) <= layers.MOST_GROWTH * PART_BYTES:
            best = found
    return best


def _part_bytes(place: Workspace, found: ClusterSet, documents: Mapping[str, int]) -> float:
    """About how large a part gets: keys are as good as random, so one is like the other."""
    stats = [storage.stat(storage.join(layers.folder(place, each["set"]), layers.file_name(0, kind)))
             for each in found.layers for kind in each["kinds"]]
    known = sum(documents[shard] for shard in found.inputs)
    size = sum(stat.bytes for stat in stats if stat is not None)
    return size * sum(documents.values()) / known if known else 0.0


def _is_whole(place: Workspace, found: ClusterSet) -> bool:
    """Whether the files are there that a set found from it would name."""
    for each in found.layers:
        there = storage.names(layers.folder(place, each["set"]))
        wanted = {layers.file_name(part, kind) for kind in each["kinds"] for part in range(each["parts"])}
        if clusters.read_set(place, each["set"]) is None or not wanted <= there:
            return False
    folders: dict[str, set[str]] = {}
    for shard in found.members:
        folders.setdefault(clusters.folder_of(found, shard), set()).add(shard)
    return all(shards <= index.present(place.clusters(called)) for called, shards in folders.items())
