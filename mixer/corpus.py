"""The shards that a recipe's sources name, found in its corpus, and the slices of them that sources are made of."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa

from mixer import DEFAULT_WORK, earlier, storage
from mixer.documents import SUFFIXES
from mixer.errors import BadInput
from mixer.recipe import Recipe, Reference, Source
from mixer.storage import Stat
from mixer.workspace import Workspace, open_workspace


@dataclass(frozen=True)
class Shard:
    """A file of the corpus. `path` is relative to it."""

    path: str
    sources: tuple[str, ...]  # sorted; or the name of a reference alone
    stat: Stat
    is_reference: bool = False  # only compared with


@dataclass(frozen=True)
class Slice:
    """What one source has of a shard: the documents that its rules keep. What a plan decides, it decides of these."""

    path: str
    source: str  # or the name of a reference
    shard: int  # its number among the corpus's shards
    is_reference: bool
    is_shared: bool  # whether other sources have slices of the shard too

    @property
    def file(self) -> str:
        """What files of this slice are called: like the shard, unless others would be called so too. No shard is: its
        name ends in one of documents.SUFFIXES.
        """
        return slice_file(self.path, self.source, self.is_shared)


@dataclass(frozen=True)
class Corpus:
    """What a recipe reads: its shards in order of path, and the workspace where what is known of them lies.

    Tags, clusters and the lock are of shards; the phases of a plan, which decide for each source, go by slices.
    """

    workspace: Workspace
    shards: tuple[Shard, ...]
    arguments: str  # that name recipe, work folder and own taggers, for the commands that messages suggest
    mixture: Mapping[str, str] | None = None  # name, version and digest, where the corpus is an earlier mixture
    recipe: str = ""  # its file, for messages

    @cached_property
    def own(self) -> Corpus:
        """Without its references."""
        if not any(shard.is_reference for shard in self.shards):
            return self
        return replace(self, shards=tuple(shard for shard in self.shards if not shard.is_reference))

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """In order of path and source."""
        return tuple(Slice(shard.path, source, number, shard.is_reference, len(shard.sources) > 1)
                     for number, shard in enumerate(self.shards) for source in shard.sources)

    @property
    def bytes(self) -> int:
        return sum(shard.stat.bytes for shard in self.shards)

    @cached_property
    def columns(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Path, bytes and token of each shard."""
        return (pa.array([shard.path for shard in self.shards], pa.string()),
                pa.array([shard.stat.bytes for shard in self.shards], pa.int64()),
                pa.array([shard.stat.token for shard in self.shards], pa.string()))

    @property
    def paths(self) -> pa.Array:
        return self.columns[0]


def find(recipe: Recipe, recipe_uri: str, work: str, own: Sequence[str] = (), named: str | None = None) -> Corpus:
    """Lists the corpus. All at once, errors: globs that match nothing, a reference's shards that are another's too, no
    shard's name.

    A relative corpus is relative to the recipe file, and so is a reference's. `own` are the arguments that named a
    user's own taggers, a split and a stage; `named` is the recipe that they are of, where this one is its stage.
    """
    elsewhere = {each.name: storage.beside(recipe_uri, each.corpus) for each in recipe.reference if each.corpus}
    workspace = open_workspace(work, storage.beside(recipe_uri, recipe.corpus), elsewhere)
    shards: dict[str, Shard] = {}
    wrong: list[str] = []
    here = [each for each in recipe.reference if not each.corpus]
    patterns = [pattern for source in recipe.sources for pattern in source.shards]
    patterns += [pattern for reference in here for pattern in reference.shards]
    mixture = earlier.read(workspace.corpus)
    matching = storage.globs(workspace.corpus, patterns)
    if mixture is not None:
        wrong += _no_shards(matching)
    for source in recipe.sources:
        _take(source, False, workspace.corpus, "", matching, shards, wrong)
    for reference in recipe.reference:
        if reference.corpus:
            root = dict(workspace.references)[reference.name]
            found = storage.globs(root, reference.shards)
            _take(reference, True, root, f"@{reference.name}/", found, shards, wrong)
        else:
            _take(reference, True, workspace.corpus, "", matching, shards, wrong)
    if wrong:
        more = [f"… and {len(wrong) - 20} more like these"] if len(wrong) > 20 else []
        raise BadInput("\n".join([f"{recipe_uri}: {line}" for line in wrong[:20]] + more))
    arguments = _arguments(named or recipe_uri, work, own)
    return Corpus(workspace, tuple(shards[path] for path in sorted(shards)), arguments, mixture, recipe_uri)


def slice_file(path: str, source: str, is_shared: bool) -> str:
    return f"{path}@{source}" if is_shared else path


def _no_shards(matching: Mapping[str, Mapping[str, Stat]]) -> list[str]:
    """Globs over a mixture that match what is none of its shards, or nothing at all."""
    told = []
    for pattern, found in matching.items():
        strange = next((path for path in found if not path.startswith("data/")), None)
        if strange is not None or not found:
            what = "nothing" if strange is None else f"{strange}, which holds none of its documents"
            told.append(f"shards: the corpus is a mixture, of which {pattern!r} matches {what}; write {earlier.SHARDS}")
    return told


def _take(
    source: Source | Reference, is_reference: bool, root: str, prefix: str, matching: Mapping[str, Mapping[str, Stat]],
    shards: dict[str, Shard], wrong: list[str],
) -> None:
    """Adds the shards of a source or reference, and what is wrong with them."""
    section = "reference" if is_reference else "sources"
    for pattern in source.shards:
        found = matching[pattern]
        if not found:
            wrong.append(f"{section}.{source.name}.shards: {pattern!r} matches no file below {root}; "
                         "correct the pattern or the corpus")
        for inside, stat in found.items():
            path = prefix + inside
            if not path.endswith(SUFFIXES):
                wrong.append(f"{section}.{source.name}.shards: {pattern!r} matches {path}, which is not a shard's "
                             f"name; use one of {', '.join(SUFFIXES)}")
            elif (known := shards.get(path)) is None:
                shards[path] = Shard(path, (source.name,), stat, is_reference)
            elif source.name in known.sources:
                continue
            elif is_reference:
                wrong.append(f"{path}: belongs to {' and '.join(known.sources)} and to the reference {source.name}; "
                             "what is only compared with can be nothing else, so narrow one of the patterns")
            else:
                shards[path] = replace(known, sources=tuple(sorted([*known.sources, source.name])))


def _arguments(recipe_uri: str, work: str, own: Sequence[str]) -> str:
    usual = os.environ.get("SOLERA_WORK") or DEFAULT_WORK
    return shlex.join([recipe_uri, *([] if work == usual else ["--work", work]), *own])
