"""The shards that a recipe's sources name, found in its corpus."""

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
    """A shard of one source. `path` is relative to the corpus."""

    path: str
    source: str  # or the name of a reference
    stat: Stat
    is_reference: bool = False  # only compared with


@dataclass(frozen=True)
class Corpus:
    """What a recipe reads: its shards in order of path, and the workspace where what is known of them lies."""

    workspace: Workspace
    shards: tuple[Shard, ...]
    arguments: str  # that name recipe, work folder and own taggers, for the commands that messages suggest
    mixture: Mapping[str, str] | None = None  # name, version and digest, where the corpus is an earlier mixture

    @cached_property
    def own(self) -> Corpus:
        """Without its references."""
        if not any(shard.is_reference for shard in self.shards):
            return self
        return replace(self, shards=tuple(shard for shard in self.shards if not shard.is_reference))

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
    """Lists the corpus. All at once, errors: globs that match nothing, shards of two sources, no shard's name.

    A relative corpus is relative to the recipe file, and so is a reference's. `own` are the arguments that named a
    user's own taggers, a split and a stage; `named` is the recipe that they are of, where this one is its stage.
    """
    elsewhere = {each.name: storage.beside(recipe_uri, each.corpus) for each in recipe.reference if each.corpus}
    workspace = open_workspace(work, storage.beside(recipe_uri, recipe.corpus), elsewhere)
    owner: dict[str, str] = {}
    shards: list[Shard] = []
    wrong: list[str] = []
    here = [each for each in recipe.reference if not each.corpus]
    patterns = [pattern for source in recipe.sources for pattern in source.shards]
    patterns += [pattern for reference in here for pattern in reference.shards]
    mixture = earlier.read(workspace.corpus)
    matching = storage.globs(workspace.corpus, patterns)
    if mixture is not None:
        wrong += _no_shards(matching)
    for source in recipe.sources:
        _take(source, False, workspace.corpus, "", matching, owner, shards, wrong)
    for reference in recipe.reference:
        if reference.corpus:
            root = dict(workspace.references)[reference.name]
            found = storage.globs(root, reference.shards)
            _take(reference, True, root, f"@{reference.name}/", found, owner, shards, wrong)
        else:
            _take(reference, True, workspace.corpus, "", matching, owner, shards, wrong)
    if wrong:
        more = [f"… and {len(wrong) - 20} more like these"] if len(wrong) > 20 else []
        raise BadInput("\n".join([f"{recipe_uri}: {line}" for line in wrong[:20]] + more))
    arguments = _arguments(named or recipe_uri, work, own)
    return Corpus(workspace, tuple(sorted(shards, key=lambda shard: shard.path)), arguments, mixture)


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
    owner: dict[str, str], shards: list[Shard], wrong: list[str],
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
            elif owner.get(path) == source.name:
                continue
            elif path in owner:
                wrong.append(f"{path}: belongs to the sources {owner[path]} and {source.name}; a document may be "
                             "in one source only, so narrow one of the patterns")
            else:
                owner[path] = source.name
                shards.append(Shard(path, source.name, stat, is_reference))


def _arguments(recipe_uri: str, work: str, own: Sequence[str]) -> str:
    usual = os.environ.get("SOLERA_WORK") or DEFAULT_WORK
    return shlex.join([recipe_uri, *([] if work == usual else ["--work", work]), *own])
