"""How good a classifier's probabilities are, on documents whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from taggers.text import TextBatch

Array = NDArray[Any]

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The documents whose probability lies from `low` to below `high`; the last bin has those of 1 too."""

    low: float
    high: float
    count: int
    predicted: float | None  # their mean probability; None without documents
    observed: float | None  # the share of them that are positive; None without documents


@dataclass(frozen=True)
class Evaluation:
    """What was measured. A share of nothing is None."""

    documents: int
    positives: int
    accuracy: float | None  # share that is right, where from `threshold` on positive is meant
    precision: float | None  # share of what is called positive that is
    recall: float | None  # share of the positive that is called so
    auc: float | None  # odds that a positive has more than a negative, equals counted half; None without one of either
    calibration: tuple[Bin, ...]  # BINS of them
    calibration_error: float | None  # mean distance from predicted to observed over the bins, weighted by their counts


def evaluate(scores: Array, positive: Array, threshold: float = 0.5) -> Evaluation:
    """What probabilities from 0 to 1 are worth, beside what is true (bool). ValueError for others, NaN included.

    A probability of a little over 1, as fastText gives, has to be cut to 1 before.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, np.bool_)
    if scores.shape != positive.shape or scores.ndim != 1:
        raise ValueError(f"{scores.shape} scores for {positive.shape} answers")
    if not np.all((scores >= 0) & (scores <= 1)):
        raise ValueError("scores are probabilities from 0 to 1")
    called = scores >= threshold
    hits = int(np.count_nonzero(called & positive))
    bins = tuple(_bin(index, scores, positive) for index in range(BINS))
    return Evaluation(
        documents=len(scores),
        positives=int(np.count_nonzero(positive)),
        accuracy=_share(int(np.count_nonzero(called == positive)), len(scores)),
        precision=_share(hits, int(np.count_nonzero(called))),
        recall=_share(hits, int(np.count_nonzero(positive))),
        auc=_auc(scores, positive),
        calibration=bins,
        calibration_error=_calibration_error(bins),
    )


def held_out(batch: TextBatch, share: float, seed: int = 0) -> Array:
    """bool for each text: whether it is kept from training, which its own bytes and the seed decide.

    So copies of a text are on one side, and which side that is does not depend on other texts or their order.
    """
    limit = round(share * (1 << 64))
    drawn = [xxhash.xxh3_64_intdigest(batch.utf8(document), seed) for document in range(len(batch))]
    return np.array([value < limit for value in drawn], np.bool_)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _bin(index: int, scores: Array, positive: Array) -> Bin:
    low, high = index / BINS, (index + 1) / BINS
    inside = (scores >= low) & ((scores < high) | (index == BINS - 1))
    count = int(np.count_nonzero(inside))
    predicted = float(np.mean(scores[inside])) if count else None
    observed = _share(int(np.count_nonzero(positive[inside])), count)
    return Bin(low, high, count, predicted, observed)


def _auc(scores: Array, positive: Array) -> float | None:
    """From ranks, where equal scores share the mean of theirs (Mann and Whitney 1947)."""
    positives = int(np.count_nonzero(positive))
    negatives = len(scores) - positives
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    twice_rank = 2 * np.cumsum(counts) - counts + 1  # whole numbers, and so exact
    return float((int(np.sum(twice_rank[place][positive])) - positives * (positives + 1)) / (2 * positives * negatives))


def _calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Expected calibration error (Naeini et al. 2015)."""
    total = sum(each.count for each in bins)
    if not total:
        return None
    return sum(each.count * abs(each.predicted - each.observed) for each in bins
               if each.predicted is not None and each.observed is not None) / total
