"""Sentences by one simple rule for all languages, linear in the text and without a list of abbreviations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taggers.characters import SPACE, classes
from taggers.compiled import kernel
from taggers.text import Pieces, TextBatch, decode

Array = NDArray[Any]

# A sentence ends at a newline; after a run of these where whitespace or the end of the text follows, so that 3.14 and
# example.org are whole; and after a run with one of CLOSED in it wherever it stands, as Chinese and Japanese write
# without spaces. Closing quotes and brackets after the run belong to it. Whitespace at its ends is not in a sentence.
OPEN = ".!?…"
CLOSED = "。！？"
TRAILING = "\"')]}”’»›」』）】"


def sentences(batch: TextBatch) -> Pieces:
    """The sentences of each text: each has something that is not whitespace; an empty or blank text has none.

    The hash is 0 for all: nobody has asked for equal sentences yet.
    """
    most = len(batch.data) // 2 + len(batch)  # a newline, a space or a second byte parts them
    first = np.empty(len(batch) + 1, np.int64)
    start, end = np.empty(most, np.int64), np.empty(most, np.int64)
    length = np.empty(most, np.int32)
    found = _split(batch.data, batch.offsets, classes(), _KINDS, first, start, end, length)
    return Pieces(first, start[:found], end[:found], length[:found], np.zeros(found, np.uint64))


_IS_OPEN, _IS_CLOSED, _IS_TRAILING = 1, 2, 3
_KINDS = np.zeros(0x10000, np.uint8)
for _kind, _characters in ((_IS_OPEN, OPEN), (_IS_CLOSED, CLOSED), (_IS_TRAILING, TRAILING)):
    _KINDS[[ord(char) for char in _characters]] = _kind


@kernel
def _split(
    data: Array, offsets: Array, table: Array, kinds: Array, first: Array, start: Array, end: Array, length: Array
) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        position = offsets[document]
        stop = offsets[document + 1]
        inside = False
        points = 0  # of the sentence, with whitespace that may turn out to be after it
        run = 0  # what the run of ends that was just read has: 0 if none was
        while position < stop:
            code, width = decode(data, position)
            kind = kinds[code] if code < len(kinds) else 0
            space = table[code] & SPACE
            if inside and (code == 10 or (run == _IS_OPEN and space) or (run == _IS_CLOSED and kind == 0)):
                found += 1
                inside = False
            if not inside and not space:
                start[found] = position
                inside = True
                points = 0
                run = 0
            points += 1
            position += width
            if inside and not space:
                end[found] = position
                length[found] = points
            if kind in (_IS_OPEN, _IS_CLOSED):
                run = max(run, kind)
            elif kind == 0:
                run = 0
        found += inside
    first[len(offsets) - 1] = found
    return found
