"""Which documents are held out, by a draw of their clusters, and which of the others a sample by score keeps."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from mixer import draw
from mixer.recipe import HoldOut, Sample
from mixer.sidecars import fixed_bytes

Array = np.ndarray[Any, np.dtype[Any]]

PURPOSE = "sample"  # of the draw


# ---- hold-outs


def keys_of(identities: Array, members: pa.Table) -> Array:
    """What a hold-out draws by, uint8 of shape (rows, 16): the cluster of each row, as these members (row, cluster) of
    its shard say, or its own identity where it is in none.
    """
    keys = identities.copy()
    keys[np.asarray(members.column("row"))] = fixed_bytes(members.column("cluster"))
    return keys


def holds_out(seed: int, split: HoldOut, keys: Array) -> Array:
    """bool: which of these keys a split takes, whatever other splits there are."""
    return below(draw.draws(seed, f"holdout {split.name}", keys), split.share)


def below(values: Array, share: Decimal) -> Array:
    """bool: whether each value (uint64) is less than this share of 2^64, exactly."""
    limit = -(-Fraction(share) * (1 << 64) // 1)  # a whole number is below a bound if it is below that, rounded up
    return np.ones(len(values), bool) if limit >= 1 << 64 else values < np.uint64(limit)


# ---- samples


def keeps(sample: Sample, values: Array, scores: Array) -> Array:
    """bool: which rows of these draw values (uint64) and scores are kept. What is no number is not.

    A better score keeps what a worse one does, and a smaller alpha what a greater one does: the draw stays the same.
    """
    scores = scores.astype(np.float64)  # exact of a float32, and of whole numbers on which side of 1 they are
    if sample.rule == "proportional":
        return _proportional(values, scores)
    assert sample.alpha is not None
    return _pareto(values, scores, sample.alpha)


def _proportional(values: Array, scores: Array) -> Array:
    """Whether u < score x 2^64: a double times a power of two is exact, and so is that rounded up."""
    between = (scores > 0) & (scores < 1)
    limits = np.ceil(np.where(between, scores, 0.0) * 2.0**64).astype(np.uint64)
    return (scores >= 1) | (between & (values < limits))


def _pareto(values: Array, scores: Array, alpha: int) -> Array:
    """Whether u (2 - score)^alpha < 1, with u from 0 to 1 in steps of 2^-53: a number of NumPy's Pareto distribution of
    this alpha is above 1 - score as often. In IEEE doubles, by products in this order alone, so that every machine
    decides the same.
    """
    u = (values >> np.uint64(11)).astype(np.float64) * 2.0**-53
    factor = 2.0 - np.minimum(scores, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        power = np.ones(len(scores))
        while alpha:
            if alpha & 1:
                power = power * factor
            factor = factor * factor
            alpha >>= 1
        found: Array = u * power < 1.0
    return found
