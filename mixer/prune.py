"""Prune: which files of a work folder no lock names and the recipe does not need, and their removal.

What stays: the sidecars and cluster sets that locks name, whatever they are now; those that the recipe uses over its
shards; sets that a set which stays was found from; and, where the recipe's own set is not there, those that it may be
found from; samples of the recipe's shards as they are. Whatever a task may still be writing stays for a day.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from mixer import attributes, clusters, index, lock, plan_sample, rows, storage
from mixer.clusters import ClusterSet
from mixer.corpus import Corpus
from mixer.errors import StorageError
from mixer.index import Index
from mixer.recipe import Recipe
from mixer.storage import Stat
from mixer.workspace import Workspace

GRACE = 24 * 3600.0  # seconds for which what is unfinished may still be somebody's work

_TEMPORARY = re.compile(r"\..*\.\d+-[0-9a-f]{8}\.tmp")


@dataclass(frozen=True)
class Waste:
    """What goes together: the sidecars of one key, a set, the scratch of a plan. Files are relative to the workspace's
    folder; the first has to go first.
    """

    what: str
    why: str
    files: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class Pruning:
    """What can go. `indexes` are those to be written first, with what is left of them; None for those that go whole."""

    waste: tuple[Waste, ...]
    indexes: Mapping[str, Index | None]
    kept_files: int
    kept_bytes: int
    locks: tuple[str, ...]

    @property
    def files(self) -> int:
        return sum(len(each.files) for each in self.waste)

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.waste)


def survey(recipe: Recipe, corpus: Corpus, locks: Sequence[str] = (), now: float | None = None) -> Pruning:
    """What of the workspace neither a lock nor the recipe needs. `locks` are files, or the folders of mixtures, beside
    the workspace's own plans. BadInput for one that cannot be read: nobody knows what it names.
    """
    place = corpus.workspace
    files = storage.listing(place.folder, hidden=True)
    uris = [storage.join(place.folder, path) for path in files if re.fullmatch(r"plans/[^/]+/recipe\.lock", path)]
    uris += [_lock_uri(each) for each in locks]
    there = _There.of(files, time.time() if now is None else now)
    indexes = {key: index.read(place.index(key)) for key in there.indexes}
    sidecars, sets = _needed(recipe, corpus, indexes, place)
    for uri in uris:
        found = lock.decode(storage.read(uri), uri, lock.KNOWN)
        for shard in found["shards"]:
            for key in (rows.KEY, *shard["sidecars"]):
                sidecars[key].add(shard["path"])
        sets |= {each["name"] for each in found["clusters"]}
    _add_origins(place, sets)
    left = _left(indexes, there, sidecars)
    stale = {key: sum(shard not in there.sidecars.get(key, {}) for shard in indexes[key]) for key in left}
    waste = [*_sidecars(there, sidecars), *_sets(there, sets), *_samples(corpus, indexes, there), *_leftovers(there),
             *(Waste(f"index of {key}", f"{count:,} entries without a sidecar", (), 0)
               for key, count in sorted(stale.items()) if count)]
    gone = {path for each in waste for path in each.files}
    kept = [stat.bytes for path, stat in files.items() if path not in gone]
    return Pruning(tuple(waste), left, len(kept), sum(kept), tuple(uris))


def remove(place: Workspace, found: Pruning) -> None:
    """Removes it all. Killed anywhere in it, it leaves a folder that every command can go on with: an index never names
    what has gone, and no set is left that lacks a file.
    """
    for key, entries in found.indexes.items():
        if entries is None:
            storage.remove(place.index(key))
        else:
            index.write(place.index(key), entries)
    for each in found.waste:
        storage.remove_all(place.folder, each.files[:1])
        storage.remove_all(place.folder, each.files[1:])
    storage.remove_empty_folders(place.folder)


def _lock_uri(given: str) -> str:
    """The lock's file; a mixture's folder has it inside."""
    uri = storage.absolute(given)
    inside = storage.join(uri, "recipe.lock")
    if storage.exists(inside):
        return inside
    if not storage.exists(uri):
        raise StorageError(f"{given}: there is no such lock; name a recipe.lock, or the folder of a mixture")
    return uri


# ---- what stays


def _needed(
    recipe: Recipe, corpus: Corpus, indexes: Mapping[str, Index], place: Workspace
) -> tuple[defaultdict[str, set[str]], set[str]]:
    """The shards by sidecar key, and the names of the sets, that the recipe uses over its shards as they are known."""
    shards = {shard.path for shard in corpus.shards}
    sidecars: defaultdict[str, set[str]] = defaultdict(set)
    for key in (rows.KEY, *map(attributes.key_of, recipe.uses())):
        sidecars[key] |= shards
    sets = set()
    for related in clusters.relations(recipe):
        entries = indexes.get(related.sidecar, Index.of([]))
        if all(shard.path in entries for shard in clusters.compared(related, corpus).shards):
            name = clusters.name_of(related, corpus, entries)
            if clusters.read_set(place, name) is not None:
                sets.add(name)
                continue
        method = related.method
        sets |= {each.name for each in _finished(place) if each.method == method.use
                 and dict(each.parameters) == method.finds_by}
    return sidecars, sets


def _finished(place: Workspace) -> Iterable[ClusterSet]:
    found = (clusters.read_set(place, name) for name in sorted(storage.names(place.sets)))
    return (each for each in found if each is not None)


def _add_origins(place: Workspace, sets: set[str]) -> None:
    """Adds the sets that these were found from, and in whose folders files of theirs lie."""
    todo = sorted(sets)
    while todo:
        found = clusters.read_set(place, todo.pop())
        if found is None:
            continue
        origins = {each["set"] for each in found.layers} | {clusters.folder_of(found, shard) for shard in found.members}
        todo += sorted(origins - sets)
        sets |= origins


# ---- what is there


@dataclass(frozen=True)
class _There:
    """The files of a workspace, by what they are."""

    sidecars: Mapping[str, Mapping[str, int]]  # key -> shard -> bytes
    quarantine: Mapping[str, int]
    indexes: tuple[str, ...]
    sets: Mapping[str, Mapping[str, Stat]]  # name -> path
    scratch: Mapping[str, Mapping[str, Stat]]  # plan -> path
    samples: Mapping[str, Mapping[str, Stat]]  # name -> path
    temporary: Mapping[str, Stat]
    now: float

    @staticmethod
    def of(files: Mapping[str, Stat], now: float) -> _There:
        sidecars: defaultdict[str, dict[str, int]] = defaultdict(dict)
        sets: defaultdict[str, dict[str, Stat]] = defaultdict(dict)
        scratch: defaultdict[str, dict[str, Stat]] = defaultdict(dict)
        samples: defaultdict[str, dict[str, Stat]] = defaultdict(dict)
        quarantine: dict[str, int] = {}
        temporary: dict[str, Stat] = {}
        indexes = []
        for path, stat in files.items():
            kind, _, rest = path.partition("/")
            first, _, inside = rest.partition("/")
            if _TEMPORARY.fullmatch(path.rpartition("/")[2]):
                temporary[path] = stat
            elif kind == "sidecars" and inside.endswith(".parquet"):
                sidecars[first][inside.removesuffix(".parquet")] = stat.bytes
            elif kind == "quarantine" and rest.endswith(".parquet"):
                quarantine[rest.removesuffix(".parquet")] = stat.bytes
            elif kind == "index" and rest.endswith(".parquet"):
                indexes.append(rest.removesuffix(".parquet"))
            elif kind in ("clusters", "sets"):
                sets[first][path] = stat
            elif kind == "plans" and inside.startswith("scratch/"):
                scratch[first][path] = stat
            elif kind == plan_sample.FOLDER:
                samples[first][path] = stat
        return _There(sidecars, quarantine, tuple(indexes), sets, scratch, samples, temporary, now)

    def is_old(self, stats: Iterable[Stat]) -> bool:
        """Whether none of these may still be written: of a store that tells no times nobody knows."""
        return all(stat.modified is not None and stat.modified < self.now - GRACE for stat in stats)


def _sidecars(there: _There, needed: Mapping[str, set[str]]) -> Iterable[Waste]:
    for key, sizes in sorted(there.sidecars.items()):
        gone = sorted(sizes.keys() - needed.get(key, set()))
        if gone:
            why = "no lock names their shards, nor does the recipe" if key in needed else \
                "no lock names it, and the recipe does not use it"
            yield Waste(key, why, tuple(f"sidecars/{key}/{shard}.parquet" for shard in gone),
                        sum(sizes[shard] for shard in gone))
    gone = sorted(there.quarantine.keys() - needed[rows.KEY])
    if gone:
        yield Waste("quarantine", "of shards that no lock names, nor does the recipe",
                    tuple(f"quarantine/{shard}.parquet" for shard in gone),
                    sum(there.quarantine[shard] for shard in gone))


def _sets(there: _There, needed: set[str]) -> Iterable[Waste]:
    for name, files in sorted(there.sets.items()):
        done, marker = f"clusters/{name}/set.json", f"sets/{name}"
        if name in needed:
            continue
        if done not in files and not there.is_old(files.values()):
            continue  # it may be being found
        order = [path for path in (done, marker) if path in files]  # without the first it is no set any more
        order += sorted(files.keys() - set(order))
        why = "no lock names it, and the recipe does not use it" if done in files else "it was never finished"
        yield Waste(name, why, tuple(order), sum(stat.bytes for stat in files.values()))


def _samples(corpus: Corpus, indexes: Mapping[str, Index], there: _There) -> Iterable[Waste]:
    """Samples of other shards than the recipe's, or of what these were."""
    of_rows = indexes.get(rows.KEY, Index.of([]))
    known = all(shard.path in of_rows for shard in corpus.shards)
    current = plan_sample.digest_of(of_rows.at(corpus.paths)) if known else None
    for name, files in sorted(there.samples.items()):
        found = plan_sample.rows_digest(corpus.workspace, name)
        if found is None and there.is_old(files.values()):
            why = "it was never finished"
        elif found is not None and found != current:
            why = "it was cut from other shards than the recipe's are now"
        else:
            continue
        # Without the index of its rows it is no sample any more.
        order = sorted(files, key=lambda path: (not path.endswith(f"/index/{rows.KEY}.parquet"), path))
        yield Waste(f"sample {name}", why, tuple(order), sum(stat.bytes for stat in files.values()))


def _leftovers(there: _There) -> Iterable[Waste]:
    for plan, files in sorted(there.scratch.items()):
        if there.is_old(files.values()):
            yield Waste(f"scratch of plan {plan}", "left by a plan that was killed", tuple(sorted(files)),
                        sum(stat.bytes for stat in files.values()))
    old = {path: stat for path, stat in there.temporary.items() if there.is_old([stat])}
    if old:
        yield Waste("half-written files", "left by tasks that were killed", tuple(sorted(old)),
                    sum(stat.bytes for stat in old.values()))


def _left(
    indexes: Mapping[str, Index], there: _There, needed: Mapping[str, set[str]]
) -> dict[str, Index | None]:
    """Of each index that names what goes, or has gone, what is left of it."""
    found: dict[str, Index | None] = {}
    for key, entries in indexes.items():
        stays = [shard for shard in entries if shard in there.sidecars.get(key, {}) and shard in needed.get(key, set())]
        if len(stays) < len(entries):
            found[key] = entries.at(pa.array(stays, pa.string())) if stays else None
    return found
