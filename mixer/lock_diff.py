"""What changed between two locks: shards, what was measured of them, and how they are related."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixer import rows


@dataclass(frozen=True)
class LockDiff:
    """What is not as it was; every list is empty where nothing is. Shards are in order of path."""

    added: tuple[Mapping[str, Any], ...]  # shards as the lock has them
    removed: tuple[Mapping[str, Any], ...]
    moved: tuple[tuple[str, str], ...]  # the same bytes under another path
    changed: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]  # other bytes under the same path
    resourced: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]  # shards that other sources have now
    same: int  # shards
    taggers: tuple[tuple[str, str | None, str | None], ...]  # name; version and parameters, None: not used
    remeasured: tuple[tuple[str, int], ...]  # sidecar key; shards of which the same measure found other values
    clusters: tuple[tuple[str, str | None, str | None], ...]  # method; what the set holds, None: not used
    plan: tuple[str, str] | None  # how plans decide

    @property
    def differs(self) -> bool:
        """Whether the two say anything else but of whose recipe they are."""
        return bool(self.added or self.removed or self.moved or self.changed or self.resourced or self.taggers
                    or self.remeasured or self.clusters or self.plan)

    @property
    def same_contents(self) -> bool:
        """Whether the shards hold the same, wherever they lie."""
        return not (self.added or self.removed or self.changed)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> LockDiff:
    """Of two locks as mixer.sides.read_lock gives them."""
    was, now = ({shard["path"]: shard for shard in each["shards"]} for each in (old, new))
    gone = [shard for path, shard in sorted(was.items()) if path not in now]
    come = [shard for path, shard in sorted(now.items()) if path not in was]
    moved = _moved(gone, come)
    paths = {path for pair in moved for path in pair}
    both = [(was[path], now[path]) for path in sorted(was.keys() & now.keys())]
    changed = tuple(pair for pair in both if pair[0]["sha256"] != pair[1]["sha256"])
    remeasured: Counter[str] = Counter()
    for one, other in both:
        if one["sha256"] == other["sha256"]:
            remeasured.update(key for key, digest in one["sidecars"].items()
                              if other["sidecars"].get(key, digest) != digest)
    return LockDiff(
        added=tuple(shard for shard in come if shard["path"] not in paths),
        removed=tuple(shard for shard in gone if shard["path"] not in paths), moved=moved, changed=changed,
        resourced=tuple((one["path"], tuple(one["sources"]), tuple(other["sources"])) for one, other in both
                        if sorted(one["sources"]) != sorted(other["sources"])),
        same=len(both) - len(changed), taggers=_taggers(old["taggers"], new["taggers"]),
        remeasured=tuple(sorted(remeasured.items())), clusters=_clusters(old["clusters"], new["clusters"]),
        plan=None if old.get("plan") == new.get("plan") else (str(old.get("plan")), str(new.get("plan"))),
    )


def alike(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Paths of the shards that hold the same rows in both, in the same order."""
    was = {shard["path"]: (shard["sha256"], shard["sidecars"][rows.KEY]) for shard in old["shards"]}
    return {shard["path"] for shard in new["shards"]
            if was.get(shard["path"]) == (shard["sha256"], shard["sidecars"][rows.KEY])}


def _moved(gone: Sequence[Mapping[str, Any]], come: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Shards that went and came with the same bytes; of several such, in their order."""
    places: dict[str, list[str]] = {}
    for shard in reversed(come):
        places.setdefault(shard["sha256"], []).append(shard["path"])
    return tuple((shard["path"], places[shard["sha256"]].pop()) for shard in gone if places.get(shard["sha256"]))


def _taggers(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[tuple[str, str | None, str | None], ...]:
    """By tagger what is known of how it measured, where that is another: keys, and what differs under the same."""
    found = []
    for name in sorted({key.split("@")[0] for key in (*old, *new)}):
        was, now = ({key: about for key, about in each.items() if key.split("@")[0] == name} for each in (old, new))
        if was != now:
            found.append((name, _measured(was, now), _measured(now, was)))
    return tuple(found)


def _measured(mine: Mapping[str, Any], others: Mapping[str, Any]) -> str | None:
    """The uses that the other side does not have: version, and of the parameters those that differ from its."""
    parts = []
    for key, about in sorted(mine.items()):
        if others.get(key) == about:
            continue
        other = others.get(key) or (next(iter(others.values())) if len(others) == 1 else {})
        said, known = _flat(about), _flat(other)
        differ = [f"{name}={value}" for name, value in said.items() if known.get(name) != value]
        parts.append(" ".join([key.partition("-")[0], *differ]))
    return "; ".join(parts) or None


def _flat(about: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters beside what else is said of a use, without the declaration of a tagger of the user's own."""
    said = {**about.get("parameters", {}), **{name: value for name, value in about.items()
                                              if name not in ("parameters", "own") and value is not None}}
    return {name: str(value)[:12] if name.endswith("sha256") else value for name, value in said.items()}


def _clusters(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> tuple[
        tuple[str, str | None, str | None], ...]:
    """By method what its sets hold, where that is another; the first of a method against the first."""
    found = []
    sides = [_numbered(each) for each in (old, new)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        was, now = (side.get(name) for side in sides)
        if (was or {}).get("digest") != (now or {}).get("digest"):
            found.append((name, _holds(was), _holds(now)))
    return tuple(found)


def _numbered(sets: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for each in sets:
        method = str(each["method"])
        times = sum(name.split(" ")[0] == method for name in found)
        found[method if not times else f"{method} ({times + 1})"] = each
    return found


def _holds(found: Mapping[str, Any] | None) -> str | None:
    return None if found is None else f"{found['documents']:,} documents in {found['clusters']:,} clusters"
