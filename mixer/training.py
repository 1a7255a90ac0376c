"""A whole training: how often its stages together see each document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mixer import repeats, selection, sidecars, storage
from mixer.corpus import slice_file
from mixer.selection import Context

# By how often a document is seen: documents and their units.
Times = dict[int, tuple[int, int]]


@dataclass(frozen=True)
class Seen:
    """All stages together. Repeated identities of a corpus are documents of their own."""

    times: Times

    @property
    def docs(self) -> int:
        """That are seen at all."""
        return sum(docs for docs, _ in self.times.values())

    @property
    def units(self) -> int:
        """Of these, each once."""
        return sum(units for _, units in self.times.values())

    @property
    def trained(self) -> int:
        """Units as often as they are seen."""
        return sum(count * units for count, (_, units) in self.times.items())

    def as_json(self) -> dict[str, Any]:
        effective = sum((repeats.effective(units, Fraction(count)) for count, (_, units) in self.times.items()),
                        repeats.effective(0, Fraction(1)))
        mean = Fraction(self.trained, self.units) if self.units else Fraction(0)
        return {"docs": self.docs, "unique_units": self.units, "trained_units": self.trained,
                "mean_epochs": f"{float(mean):.6f}", "max_epochs": max(self.times, default=0),
                "effective_units": int(effective),
                "times": {str(count): {"docs": docs, "units": units}
                          for count, (docs, units) in sorted(self.times.items())}}


def count(plans: Sequence[tuple[str, Sequence[str]]], context: Context) -> Times:
    """How often these plans, (folder, names of its sources) over the same rows, see each row of these shards; a phase.
    One slice stands for each shard.
    """
    found: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for number, path in context.paths.items():
        table = selection.load(context, number, [])
        copies = np.zeros(len(table), np.int64)
        for folder, sources in plans:
            for uri in _selections(folder, path, sources):
                copies += np.asarray(sidecars.read(uri, ["copies"])[0].column("copies")).astype(np.int64)
        units = selection.units_of(context.recipe, table)
        for times in np.unique(copies[copies > 0]).tolist():
            found[times][0] += int((copies == times).sum())
            found[times][1] += int(units[copies == times].sum())
    return {times: (docs, units) for times, (docs, units) in found.items()}


def _selections(folder: str, path: str, sources: Sequence[str]) -> list[str]:
    """The selections of a shard's slices in a plan; none where it has no such shard."""
    files = [slice_file(path, "", False), *(slice_file(path, source, True) for source in sources)]
    uris = [storage.join(folder, "selection", f"{file}.parquet") for file in files]
    return uris[:1] if storage.exists(uris[0]) else [uri for uri in uris[1:] if storage.exists(uri)]


def merge(parts: Iterable[Mapping[int, tuple[int, int]]]) -> Seen:
    sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for part in parts:
        for times, (docs, units) in part.items():
            sums[times][0] += docs
            sums[times][1] += units
    return Seen({times: (docs, units) for times, (docs, units) in sorted(sums.items())})
