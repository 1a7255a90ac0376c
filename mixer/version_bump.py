"""The version that a change asks for: major for another meaning, minor for other documents or amounts, patch for what
decides nothing. One table, which docs/operations.md repeats.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Bump = Literal["none", "patch", "minor", "major"]
ORDER: tuple[Bump, ...] = ("none", "patch", "minor", "major")


@dataclass(frozen=True)
class Kind:
    """A kind of change, and the bump that it asks for."""

    name: str
    bump: Bump
    what: str


KINDS = (
    Kind("unit", "major", "`unit` or `counter`: weights and the budget count another thing"),
    Kind("corpus", "major", "`corpus`, unless the locks of both sides show that it holds the same shards"),
    Kind("source", "major", "a source added, removed or renamed"),
    Kind("license", "major", "a licence, the mixture's or a source's, but where none was stated before"),
    Kind("leak", "major", "what was kept out may now come in: a hold-out removed, made smaller or related by another "
         "method, another seed while something is held out, a reference removed or changed, or another `--split`"),
    Kind("amounts", "minor", "`budget`, `policy`, `on_shortfall`, and a source's `weight`, `max_epochs`, `min_weight` "
         "or `curve`"),
    Kind("documents", "minor", "`seed`, rules, `dedup`, `prefer`, `prefer_by`, `sample`, `shards`, a tagger's "
         "parameters or model, a hold-out or reference added, a larger hold-out, or `stages`"),
    Kind("texts", "minor", "`edit`"),
    Kind("order", "minor", "`order`"),
    Kind("licensed", "minor", "a licence where none was stated before"),
    Kind("taken", "minor", "other documents are taken, or the same another number of times, cut otherwise or for "
         "another source"),
    Kind("read", "minor", "another lock, where the documents are not known to be the same: other shards, measures or "
         "clusters, or another recipe of which nothing more is known"),
    Kind("words", "patch", "what decides nothing: `description`, `about`, `published`, `kind`, where a file or folder "
         "with the same contents lies, `shard_bytes`, the order of sources or rules, a rule written elsewhere that "
         "holds for the same sources"),
    Kind("bytes", "patch", "another digest of a mixture and nothing else: the recipe's comments, or sidecars and "
         "clusters of which nothing came"),
    Kind("name", "none", "another name: another mixture, whose versions are its own"),
)
BUMP_OF = {kind.name: kind.bump for kind in KINDS}


@dataclass(frozen=True)
class Verdict:
    """What a change asks for and what the new version gives. `enough` is what a review goes by."""

    asked: Bump
    given: Bump | Literal["less"]  # less: the version went back
    old: str
    new: str
    renamed: bool

    @property
    def enough(self) -> bool:
        """Whether nothing that decides differs, or the version says so."""
        if self.renamed or self.asked in ("none", "patch"):
            return True
        return self.given != "less" and ORDER.index(self.given) >= ORDER.index(self.asked)


def highest(bumps: Iterable[Bump]) -> Bump:
    """The greatest of these; none where there are none."""
    return max(bumps, key=ORDER.index, default="none")


def judge(asked: Bump, old: str, new: str, renamed: bool = False) -> Verdict:
    """Versions are three numbers, as recipes have them."""
    return Verdict(asked, given(old, new), old, new, renamed)


def given(old: str, new: str) -> Bump | Literal["less"]:
    """By how much a version is higher than another."""
    one, other = (tuple(map(int, version.split("."))) for version in (old, new))
    if one == other:
        return "none"
    if other < one:
        return "less"
    return "major" if other[0] > one[0] else "minor" if other[1] > one[1] else "patch"
