"""Some of the pieces of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.text import Pieces

Array = NDArray[Any]


def keep(pieces: Pieces, wanted: Array) -> tuple[Array, Array, Array, Array]:
    """(first, start, end, number) of the wanted ones among the pieces, a bool for each; number is which they were."""
    before = np.concatenate(([0], np.cumsum(wanted)))
    kept = np.flatnonzero(wanted)
    return before[pieces.first], pieces.start[kept], pieces.end[kept], kept
