"""A recipe: what to keep, what counts as the same, and how much of each source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from taggers.declare import Use

RuleKind = Literal["min", "max", "is", "in", "not_in"]
RuleValue = int | Decimal | str | bool | tuple[int | Decimal | str | bool, ...]
Parameters = Mapping[str, object]


@dataclass(frozen=True)
class Rule:
    """One bound on one column. A number is an int for int64 columns and a Decimal for float columns."""

    column: str
    kind: RuleKind
    value: RuleValue

    @property
    def text(self) -> str:
        """As in "words.count min 50"; equal rules have equal texts, however their numbers were written."""
        return f"{self.column} {self.kind} {_shown(self.value)}"


@dataclass(frozen=True)
class Policy:
    kind: Literal["fixed", "proportional"]


@dataclass(frozen=True)
class DedupMethod:
    """What counts as the same document. `parameters` are complete: every default is filled in."""

    use: str  # "text@1" or "id@1"
    parameters: Parameters


@dataclass(frozen=True)
class Source:
    """One named part of the mixture. `shards` are glob patterns relative to the corpus."""

    name: str
    shards: tuple[str, ...]
    weight: Decimal | None  # the share under policy fixed; None under proportional
    max_epochs: Decimal | None  # None: no cap
    keep: tuple[Rule, ...]  # this source's own rules, which come after the recipe's
    about: Mapping[str, str]


@dataclass(frozen=True)
class Recipe:
    """A recipe that holds together: every name in it is known, and fixed weights sum to exactly 1."""

    name: str
    version: str
    seed: int
    corpus: str
    unit: Literal["tokens", "bytes", "docs"]
    counter: str | None  # how tokens are counted; None for the other units
    budget: int | None  # None: all there is (policy proportional only)
    policy: Policy
    taggers: tuple[Use, ...]  # taggers whose parameters the recipe sets; the rest follow from the columns used
    dedup: tuple[DedupMethod, ...]
    prefer: tuple[str, ...]
    keep: tuple[Rule, ...]
    sources: tuple[Source, ...]
    on_shortfall: Literal["error", "redistribute"]
    order: Literal["shuffled", "by-source"]
    shard_bytes: int  # uncompressed
    license: str | None
    description: str | None
    about: Mapping[str, str]
    text: bytes  # the recipe file as it was read
    sha256: str  # of `text`, in hex

    def rules_for(self, source: str) -> tuple[Rule, ...]:
        """The recipe's rules, then the source's own: the order in which the first that fails is the reason."""
        return self.keep + next(each.keep for each in self.sources if each.name == source)

    def uses(self) -> tuple[Use, ...]:
        """The taggers that rules and dedup need, each once with its parameters, sorted by key; () if none."""
        raise NotImplementedError


def parse(text: bytes, file: str) -> Recipe:
    """The recipe that `text` holds. Raises RecipeError with every mistake at once; `file` is named in them."""
    raise NotImplementedError


def _shown(value: object) -> str:
    """A value as one would write it in a recipe."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(each) for each in value) + "]"
    return str(value)
