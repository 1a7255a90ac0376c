"""Banding: how likely two documents are compared by MinHash, and which bands and rows to take."""

from __future__ import annotations


def choose(threshold: float, hashes: int) -> tuple[int, int]:
    """(bands, rows) for a similarity from which on documents are to be compared, as datasketch chooses them."""
    raise NotImplementedError
