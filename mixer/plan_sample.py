"""The sample of a corpus that `plan --sample` plans: chosen rows with all that is known of them, in a workspace of its
own below the real one's.

A row is chosen by a draw of its cluster: by the cluster in the set of the recipe's dedup methods that has most members,
else in the next such set, else by its identity. So a cluster is in the sample whole or not at all, and what dedup loses
in the sample is what it loses in the corpus, in small. The draw knows no seed, so that a recipe with another seed has
the same sample; other bits of it give the row one of GROUPS groups. From how these differ follows how far off an
estimate may be.

The sample has a shard for each group and each set of sources that share shards of the corpus: so that the bins of its
plan are the groups. Its sidecars are cut from the real ones, all their columns, and say by which digest what they were
cut from is known: so that an edited recipe finds what is there, and what is stale is cut again. What is relation alone,
such as signatures, is in the sample as the members of the sets that were found by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import attributes, clusters, draw, index, packing, rows, sidecars, storage
from mixer.clusters import ClusterSet, Relation
from mixer.corpus import Corpus, Shard
from mixer.documents import canonical_json
from mixer.errors import BadInput, StorageError
from mixer.index import Entry, Index
from mixer.recipe import Recipe
from mixer.storage import Stat
from mixer.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]

FORMAT = "solera-plan-sample@1"
FOLDER = "samples"  # of the workspace, where all samples lie
GROUPS = 20
PURPOSE = "sample plan"
TASK_ROWS = 1 << 20  # chosen rows that a task holds


@dataclass(frozen=True)
class Sample:
    """A sample, made or to be made: where it lies, and what it is cut from."""

    share: Fraction
    recipe: Recipe
    origin: Corpus
    indexes: Mapping[str, Index]  # of the origin
    sets: Sequence[ClusterSet]  # of the origin: one for each relation of the recipe

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        return clusters.relations(self.recipe)

    @cached_property
    def keyed(self) -> tuple[int, ...]:
        """The numbers of the sets whose clusters rows are drawn by, that with most members first."""
        found = [number for number, each in enumerate(self.relations) if each.kind == "documents" and not each.own_only]
        return tuple(sorted(found, key=lambda number: (-self.sets[number].documents, number)))

    @cached_property
    def place(self) -> Workspace:
        """Named by all that decides which rows are in it, and what its shards are called."""
        origin = self.origin
        shards = [[shard.path, self.owners[owner], digest] for shard, owner, digest in
                  zip(origin.shards, self.owner_of, self._of_rows.pylist("digest"), strict=True)]
        keyed = [self.sets[number].digest for number in self.keyed]
        about = canonical_json([FORMAT, PURPOSE, str(self.share), GROUPS, shards, keyed])
        root = storage.join(origin.workspace.folder, FOLDER, hashlib.sha256(about).hexdigest()[:16])
        return Workspace(root, origin.workspace.corpus, origin.workspace.references)

    @cached_property
    def owners(self) -> tuple[tuple[tuple[str, ...], bool], ...]:
        """What shards belong to, sorted: sources, or a reference (True)."""
        return tuple(sorted({_owner(shard) for shard in self.origin.shards}))

    @cached_property
    def owner_of(self) -> tuple[int, ...]:
        """The number of each shard's owner."""
        numbers = {owner: number for number, owner in enumerate(self.owners)}
        return tuple(numbers[_owner(shard)] for shard in self.origin.shards)

    @cached_property
    def corpus(self) -> Corpus:
        """Its shards, in order of group and owner. There are no such files: a plan opens none."""
        shards = [Shard(_path(group, number), sources, Stat(0, ""), is_reference)
                  for group in range(GROUPS) for number, (sources, is_reference) in enumerate(self.owners)]
        return replace(self.origin, workspace=self.place, shards=tuple(shards))

    @property
    def bins(self) -> list[list[int]]:
        """The slices of each group."""
        return [[number for number, each in enumerate(self.corpus.slices) if each.path.startswith(_folder(group))]
                for group in range(GROUPS)]

    @property
    def documents(self) -> int:
        """Of the corpus, without references."""
        sizes = zip(self.origin.shards, self._of_rows.pylist("rows"), strict=True)
        return sum(size for shard, size in sizes if not shard.is_reference)

    @property
    def unread(self) -> dict[str, dict[str, int]]:
        """By source what is known of its shards in the corpus, as a plan counts it."""
        found: dict[str, dict[str, int]] = {}
        of_rows = self._of_rows
        for shard, bad, broken in zip(self.origin.shards, of_rows.info("bad"), of_rows.info("broken"), strict=True):
            for source in shard.sources:
                held = found.setdefault(source, {"shards": 0, "broken": 0, "bad": 0})
                held["shards"] += 1
                held["broken"] += broken is not None
                held["bad"] += bad
        return found

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What has to be cut, whether it is there or not."""
        found = [Part("rows", rows.KEY, (), digest_of(self._of_rows))]
        for use in self.recipe.uses():
            key, columns = attributes.key_of(use), tuple(column.name for column in use.stored)
            if key in self._judged and all(part.key != key for part in found):
                found.append(Part("attributes", key, columns, digest_of(self.indexes[key], columns)))
        found += [Part("members", self.sets[number].name, (), self.sets[number].digest, number)
                  for number in range(len(self.sets)) if self.sets[number].documents]
        return tuple(found)

    @property
    def _judged(self) -> set[str]:
        """The sidecars with columns that the recipe names, so that a phase may open them; those of dedup methods have
        no name in the recipe.
        """
        return {attributes.key_of(use) for use in self.recipe.uses() if use.name or use.tagger.is_imported}

    @property
    def _of_rows(self) -> Index:
        return self.indexes[rows.KEY]

    def missing(self) -> list[Part]:
        """The parts that are not there, or were cut from something else than lies there now."""
        known = self._known()
        gone = [part for part in self.parts if part.kind != "members" and part.key not in known]
        if any(part.kind == "rows" for part in gone):
            return list(self.parts)
        whole = self._with_compared(known)
        for part in self.parts:
            if part.kind == "members":
                sidecar = self.relations[part.number].sidecar
                if sidecar not in whole or self._set(part.number, whole) is None:
                    gone.append(part)
        return gone

    def opened(self) -> tuple[dict[str, Index], list[ClusterSet]]:
        """The indexes and cluster sets of the sample, as a plan takes them, when nothing is missing."""
        indexes = self._with_compared(self._known())
        found = [self._set(number, indexes) for number in range(len(self.sets))]
        assert all(each is not None for each in found)
        return {key: indexes[key] for key in self.indexes}, [each for each in found if each is not None]

    def finish(self, parts: Sequence[Part], joined: Sequence[Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> None:
        """Writes the indexes and cluster sets of these parts, of whose shards the tasks say what they wrote: from then
        on they are there.
        """
        known = self._known()
        for part in parts:
            written = {shard: meta for each in joined for shard, meta in each[part.key].items()}
            if part.kind == "members":
                related = self.relations[part.number]
                whole = self._with_compared(known)
                found = self.sets[part.number]
                members = {shard: {"rows": meta["rows"], "digest": meta["digest"], "set": part.key}
                           for shard, meta in sorted(written.items())}
                count = sum(meta["clusters"] for meta in written.values())
                clusters.put_set(self.place, ClusterSet(
                    clusters.name_of(related, self.corpus, whole[related.sidecar]), found.method, found.parameters,
                    count, sum(meta["rows"] for meta in written.values()), members, found.kind))
                continue
            if not sum(meta["rows"] for meta in written.values()):
                raise BadInput(f"--sample {float(self.share):g}: no document of {self.documents:,} is in it",
                               remedy="name a larger share")
            info = {"bad": 0, "broken": None} if part.kind == "rows" else dict(self.indexes[part.key].infos()[0])
            known[part.key] = Index.of(
                Entry(shard, 0, "", part.digest, meta["rows"], meta["digest"], meta["rows_digest"], info)
                for shard, meta in written.items())
            index.write(self.place.index(part.key), known[part.key])

    def _known(self) -> dict[str, Index]:
        """The indexes of parts that were cut from what lies there now."""
        found = {}
        for part in self.parts:
            if part.kind != "members":
                entries = index.read(self.place.index(part.key))
                if len(entries) and set(entries.pylist("sha256")) == {part.digest}:
                    found[part.key] = entries
        return found

    def _with_compared(self, known: Mapping[str, Index]) -> dict[str, Index]:
        """With an index for each kind of sidecar that is only compared, which the sample has none of: its entries have
        the digest of all that it would be cut from.
        """
        found = dict(known)
        for key, entries in self.indexes.items():
            if all(part.key != key for part in self.parts):
                digest, info = digest_of(entries), dict(entries.infos()[0])
                found[key] = Index.of(Entry(shard.path, 0, "", digest, 0, digest, "", info)
                                      for shard in self.corpus.shards)
        return found

    def _set(self, number: int, indexes: Mapping[str, Index]) -> ClusterSet | None:
        """The set of a relation among the sample's documents; that of no members needs no file."""
        related, found = self.relations[number], self.sets[number]
        name = clusters.name_of(related, self.corpus, indexes[related.sidecar])
        if not found.documents:
            return ClusterSet(name, found.method, found.parameters, 0, 0, {}, found.kind)
        return clusters.read_set(self.place, name)

    def cut_tasks(self, parts: Sequence[Part], out: str, slots: int) -> list[Cut]:
        """The tasks that cut these parts, into files below `out`."""
        sizes = [size + packing.SHARD_ROWS for size in self._of_rows.pylist("rows")]
        most = min(packing.BIN_ROWS, int(TASK_ROWS / self.share))
        packed = packing.pack(range(len(sizes)), sizes, packing.bin_count(sizes, slots, most))
        keys = [part.key for part in parts if part.kind == "attributes"]
        digests = {key: dict(zip(self.indexes[key].pylist("shard"), self.indexes[key].pylist("digest"), strict=True))
                   for key in (rows.KEY, *keys)}
        tasks = []
        for number, bin in enumerate(packed):
            paths = tuple(self.origin.shards[each].path for each in bin)
            tasks.append(Cut(
                self.origin.workspace, paths, tuple(self.owner_of[each] for each in bin),
                {key: {path: found[path] for path in paths if path in found} for key, found in digests.items()},
                tuple(each.among(set(paths)) for each in self.sets), self.keyed, tuple(parts), len(self.owners),
                int(self.share * (1 << 64)), storage.join(out, str(number)), self.origin.arguments))
        return tasks

    def join_tasks(self, parts: Sequence[Part], out: str, cut: Sequence[Array], known: Index | None) -> list[Join]:
        """The tasks that make shards of what was cut; `known` is the index of rows where they are there already."""
        digests = {} if known is None else dict(zip(known.pylist("shard"), known.pylist("digest"), strict=True))
        return [Join(self.place, tuple(parts), group, np.stack(cut)[:, group], out, digests)
                for group in range(GROUPS)]


@dataclass(frozen=True)
class Part:
    """Something of the corpus that the sample has its share of."""

    kind: str  # "rows", "attributes" or "members"
    key: str  # of sidecars, or the name of a cluster set
    columns: tuple[str, ...]  # of attributes
    digest: str  # of all that it is cut from
    number: int = -1  # of a cluster set among those of the recipe


def rows_digest(place: Workspace, name: str) -> str | None:
    """The digest of the rows that the sample in this folder of a workspace was cut from; None where it was never
    finished.
    """
    root = storage.join(place.folder, FOLDER, name)
    entries = index.read(Workspace(root, place.corpus).index(rows.KEY))
    return str(entries.pylist("sha256")[0]) if len(entries) else None


def _owner(shard: Shard) -> tuple[tuple[str, ...], bool]:
    return shard.sources, shard.is_reference


def _folder(group: int) -> str:
    return f"{group:02d}/"


def _path(group: int, owner: int) -> str:
    return f"{_folder(group)}{owner:04d}"


def digest_of(entries: Index, columns: Sequence[str] = ()) -> str:
    """Of all the sidecars that a part of a sample is cut from, and of the columns."""
    listed = [entries.pylist("shard"), entries.pylist("digest"), list(columns)]
    return hashlib.sha256(canonical_json(listed)).hexdigest()


# ---- which rows


def drawn(keys: Array, threshold: int) -> tuple[Array, Array]:
    """(the places of the keys that are in the sample, the group of each). Keys are uint8 of shape (rows, 16)."""
    values = draw.draws(0, PURPOSE, keys)
    chosen = np.flatnonzero(values < np.uint64(threshold)) if threshold < 1 << 64 else np.arange(len(values))
    low = values[chosen] & np.uint64(0xFFFFFFFF)
    return chosen, ((low * np.uint64(GROUPS)) >> np.uint64(32)).astype(np.int64)


def keys_of(place: Workspace, sets: Sequence[ClusterSet], shard: str, identities: Array) -> Array:
    """What each row of a shard is drawn by: its cluster in the first of these sets that has it, else its identity."""
    keys = np.array(identities)
    for found in reversed(sets):
        members = clusters.read_members(place, found, shard)
        keys[np.asarray(members.column("row"))] = sidecars.fixed_bytes(members.column("cluster"))
    return keys


# ---- what tasks do


@dataclass(frozen=True)
class Cut:
    """Some shards of the corpus, whose chosen rows are cut out."""

    place: Workspace
    paths: tuple[str, ...]
    owners: tuple[int, ...]  # of each
    digests: Mapping[str, Mapping[str, str]]  # sidecar key -> shard -> content digest
    sets: tuple[ClusterSet, ...]
    keyed: tuple[int, ...]
    parts: tuple[Part, ...]
    owner_count: int
    threshold: int
    out: str
    arguments: str


def cut(task: Cut) -> Array:
    """How many rows were chosen, int64 of shape (GROUPS, owners). Writes a file for each part, with a record batch for
    each group and owner; none where nothing was chosen.
    """
    pieces = GROUPS * task.owner_count
    counts = np.zeros(pieces, np.int64)
    held: dict[str, list[list[pa.Table]]] = {part.key: [[] for _ in range(pieces)] for part in task.parts}
    keyed = [task.sets[number] for number in task.keyed]
    for path, owner in zip(task.paths, task.owners, strict=True):
        whole = any(part.kind == "rows" for part in task.parts)
        table = _read(task, rows.KEY, path, rows.SCHEMA.names if whole else ["identity"])
        keys = keys_of(task.place, keyed, path, sidecars.fixed_bytes(table.column("identity")))
        chosen, group = drawn(keys, task.threshold)
        piece = group * task.owner_count + owner
        by = np.argsort(piece, kind="stable")
        chosen, piece = chosen[by], piece[by]
        place = np.full(len(table), -1)  # of each row in its piece of this task
        starts = np.searchsorted(piece, np.arange(pieces))
        place[chosen] = np.arange(len(piece)) - starts[piece] + counts[piece]
        for part in task.parts:
            if part.kind == "attributes" and path not in task.digests[part.key]:
                continue  # of a reference, which has no attributes
            if part.kind == "members":
                found, piece_of = _members(task, part, path, chosen, piece, place)
            else:
                found = table if part.kind == "rows" else _read(task, part.key, path, part.columns)
                found, piece_of = found.take(chosen), piece
            edges = np.searchsorted(piece_of, np.arange(pieces + 1))
            for number in np.unique(piece_of).tolist():
                held[part.key][number].append(found.slice(edges[number], edges[number + 1] - edges[number]))
        counts += np.bincount(piece, minlength=pieces)
    for part in task.parts:
        _write_pieces(storage.join(task.out, part.key), held.pop(part.key))
    return counts.reshape(GROUPS, task.owner_count)


def _members(
    task: Cut, part: Part, path: str, chosen: Array, piece: Array, place: Array
) -> tuple[pa.Table, Array]:
    """The members of a set among the chosen rows of a shard, with their new places as rows, and the piece of each; in
    order of the pieces and, in each, as they were.
    """
    members = clusters.read_members(task.place, task.sets[part.number], path)
    row = np.asarray(members.column("row"))
    piece_of = np.full(len(place), -1)
    piece_of[chosen] = piece
    mine = np.flatnonzero(place[row] >= 0)
    mine = mine[np.argsort(piece_of[row[mine]], kind="stable")]
    found = members.take(mine).set_column(0, "row", pa.array(place[row[mine]]))
    return found, piece_of[row[mine]]


def _read(task: Cut, key: str, path: str, columns: Sequence[str]) -> pa.Table:
    """Columns of a sidecar, which has to be as the index names it."""
    uri = task.place.sidecar(key, path)
    table, meta = attributes.read(uri, columns)
    if meta["digest"] != task.digests[key][path]:
        raise StorageError(f"{uri}: not the sidecar that the index names; run `solera tag {task.arguments} --verify`")
    return table


def _write_pieces(uri: str, pieces: Sequence[Sequence[pa.Table]]) -> None:
    first = next((each[0] for each in pieces if each), None)
    if first is None:
        return
    schema = first.schema
    with storage.writer(uri) as stream, pa.ipc.new_file(stream, schema) as out:
        for each in pieces:
            whole = pa.concat_tables([schema.empty_table(), *each]).combine_chunks()
            batches = whole.to_batches()
            out.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema))


@dataclass(frozen=True)
class Join:
    """One group of the sample, of which shards are made."""

    place: Workspace
    parts: tuple[Part, ...]
    group: int
    sizes: Array  # chosen rows by cut task and owner
    out: str
    rows_digests: Mapping[str, str]  # by shard, where rows are there already


def join(task: Join) -> dict[str, dict[str, dict[str, Any]]]:
    """By part and shard the metadata of what was written: of sidecars every shard, of members those that have some."""
    written: dict[str, dict[str, dict[str, Any]]] = {}
    digests = dict(task.rows_digests)
    for part in task.parts:
        put = written.setdefault(part.key, {})
        for owner, table in enumerate(_joined(task, part)):
            shard = _path(task.group, owner)
            about = {"key": part.key, "shard": shard}
            if part.kind == "members":
                if len(table):
                    names = table.column("cluster" if "cluster" in table.column_names else "key")
                    meta = sidecars.write(clusters.member_uri(task.place, part.key, shard), table, about)
                    put[shard] = {**meta, "clusters": len(names.unique())}
                continue
            if part.kind == "rows":
                table = table.set_column(0, "row", pa.array(np.arange(len(table))))
            with sidecars.writer(task.place.sidecar(part.key, shard), table.schema) as out:
                out.write(table)
                if part.kind == "rows":
                    digests[shard] = out.peek_digest()
                put[shard] = out.finish({**about, "rows_digest": digests[shard]})
    return written


def _joined(task: Join, part: Part) -> list[pa.Table]:
    """What was cut of a part for each owner, in the order of the tasks that cut it; nothing where none did."""
    owners = task.sizes.shape[1]
    before = np.cumsum(task.sizes, axis=0) - task.sizes  # the rows of a shard that stand before those of each task
    found: list[list[pa.Table]] = [[] for _ in range(owners)]
    for number in range(len(task.sizes)):
        uri = storage.join(task.out, str(number), part.key)
        if not storage.exists(uri):
            continue
        with storage.open_read(uri) as stream:
            file = pa.ipc.open_file(stream)
            for owner in range(owners):
                table = pa.Table.from_batches([file.get_batch(task.group * owners + owner)])
                if part.kind == "members":
                    place = np.asarray(table.column("row")) + before[number, owner]
                    table = table.set_column(0, "row", pa.array(place))
                found[owner].append(table)
    return [pa.concat_tables(tables).combine_chunks() for tables in found if tables]
