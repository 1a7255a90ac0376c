"""How fast the last build and the last tagging of a work folder went: what a plan says of the time that a build takes.

A hint and no more: rates.json is in no digest, nothing is decided by it, and one that cannot be used is as good as
none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from mixer import storage
from mixer.documents import canonical_json
from mixer.workspace import Workspace

FORMAT = "solera-rates@1"

Work = Literal["tag", "build"]


@dataclass(frozen=True)
class Rate:
    """What was moved in how long, by so many tasks at a time, on a day in UTC, such as 2026-11-22."""

    bytes: int  # of text
    seconds: float  # of the wall clock, Spark's start included where it was started for this
    slots: int
    day: str

    @property
    def text(self) -> str:
        speed = self.bytes / 1e6 / self.seconds
        if speed < 0.1:
            return f"{speed * 1e3:.2g} kB/s"
        return f"{speed:,.0f} MB/s" if speed >= 10 else f"{speed:.1f} MB/s"

    def seconds_for(self, size: int) -> float:
        """How long so many bytes take at this rate."""
        return size * self.seconds / self.bytes

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read(place: Workspace) -> dict[Work, Rate]:
    """The rates of this work folder, by what was done; empty where nothing was measured."""
    uri = _uri(place)
    if not storage.exists(uri):
        return {}
    try:
        found = json.loads(storage.read(uri))
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return {}
    works: tuple[Work, ...] = ("tag", "build")
    return {work: rate for work in works if (rate := _rate(found.get(work))) is not None}


def record(place: Workspace, work: Work, size: int, seconds: float, slots: int) -> None:
    """Puts what was measured just now in the place of what was measured before. Nothing where nothing was moved."""
    if size <= 0 or seconds <= 0:
        return
    rates = read(place)
    rates[work] = Rate(size, round(seconds, 3), slots, today())
    body: dict[str, Any] = {"format": FORMAT, **{name: rate.as_json() for name, rate in rates.items()}}
    storage.put(_uri(place), canonical_json(body) + b"\n")


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def _uri(place: Workspace) -> str:
    return storage.join(place.root, "rates.json")


def _rate(found: object) -> Rate | None:
    if not isinstance(found, dict):
        return None
    size, seconds, slots, day = (found.get(name) for name in ("bytes", "seconds", "slots", "day"))
    if not (isinstance(size, int) and isinstance(seconds, int | float) and isinstance(slots, int)
            and isinstance(day, str) and size > 0 and seconds > 0):
        return None
    return Rate(size, float(seconds), slots, day)
