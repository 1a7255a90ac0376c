"""fastText's model files, read as far as it takes to know that one is whole, and which labels it gives.

fastText itself reads a file that was cut short as if zeros followed, or without end.
"""

from __future__ import annotations

import functools
import mmap
import struct

_MAGIC, _VERSIONS = 793712314, (11, 12)
_ENTRY_IS_LABEL = 1
_CENTROIDS = 256


@functools.cache
def labels(path: str) -> tuple[str, ...]:
    """The labels of a model without their `__label__`, sorted. ValueError for a file that is no fastText model."""
    with open(path, "rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise ValueError("an empty file, and no fastText model") from None
        with data:
            try:
                return _read(data)
            except struct.error:
                raise ValueError("a fastText model that was cut short") from None


def _read(data: mmap.mmap) -> tuple[str, ...]:
    if len(data) < 8 or struct.unpack_from("<ii", data) not in [(_MAGIC, version) for version in _VERSIONS]:
        raise ValueError("no fastText model (it does not begin like one)")
    at = 8 + 12 * 4 + 8  # the arguments it was trained with
    entries, _, _, _, pruned = struct.unpack_from("<iiiqq", data, at)
    at += 28
    found = []
    for _ in range(entries):
        end = data.find(b"\0", at)
        if end < 0:
            raise struct.error
        if struct.unpack_from("<qb", data, end + 1)[1] == _ENTRY_IS_LABEL:
            found.append(data[at:end].decode("utf-8", "replace").removeprefix("__label__"))
        at = end + 10
    at = _matrix(data, at + 8 * max(0, pruned))
    at = _matrix(data, at)
    if at > len(data):
        raise struct.error
    if at < len(data):
        raise ValueError(f"a fastText model with {len(data) - at:,} bytes too many at its end")
    return tuple(sorted(found))


def _matrix(data: mmap.mmap, at: int) -> int:
    """The place after a matrix, which begins by saying whether it is quantised."""
    if not struct.unpack_from("<?", data, at)[0]:
        rows, columns = struct.unpack_from("<qq", data, at + 1)
        return int(at + 17 + 4 * rows * columns)
    has_norms, rows, _, codes = struct.unpack_from("<?qqi", data, at + 1)
    at = _quantiser(data, at + 22 + codes)
    return _quantiser(data, at + rows) if has_norms else at


def _quantiser(data: mmap.mmap, at: int) -> int:
    return int(at + 16 + 4 * _CENTROIDS * struct.unpack_from("<i", data, at)[0])
