"""Exact counts of tokens by a Hugging Face tokenizer, in memory that is bounded."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.columns import counts, ratios
from taggers.text import TextBatch

Array = NDArray[Any]

# The library takes 150 bytes of memory for each byte of a text: 7 GB for one of 50 MB. So a text of more code points
# than WINDOW is encoded in windows of so many, each of which begins at a token of the one before, OVERLAP before its
# end. In the middle of the overlap both must have the same tokens over a stretch of OVERLAP / 2 code points; there one
# hands over to the other, and each token counts once. What stands within OVERLAP / 2 of the end of a window, where it
# was cut off, or before the stretch, is never counted from it. Where two never agree the first is made twice as long,
# so that a word of 50 MB which a WordPiece model has as one [UNK] is encoded as a whole.
WINDOW = 1 << 18
OVERLAP = 1 << 13
_TRIES = 8  # tokens at which a window may begin, before it is made one with the window before


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """tokens.count, never null, and tokens.bytes_per_token, null where there are no tokens."""
    tokenizer = _tokenizer(parameters["tokenizer"])
    # Added at the ends of a text, and not seen by its windows.
    special = tokenizer.num_special_tokens_to_add(False) if parameters["special_tokens"] else 0
    # One by one: encode_batch is no faster on one core, and would take the cores of other tasks.
    found = np.array([count(tokenizer, batch.string(document)) + special for document in range(len(batch))], np.int64)
    return {
        "tokens.count": counts(found),
        "tokens.bytes_per_token": ratios(np.diff(batch.offsets), found),
    }


def check(parameters: Mapping[str, Any]) -> None:
    """ValueError where the file is no tokenizer."""
    _tokenizer(parameters["tokenizer"])


def count(tokenizer: Any, text: str, window: int = WINDOW, overlap: int = OVERLAP) -> int:
    """The tokens of a text, without special ones at its ends."""
    if len(text) <= window:
        return len(tokenizer.encode(text, add_special_tokens=False))
    total = 0
    here = _encode(tokenizer, text, 0, window)
    begin = 0  # tokens of this window that the one before has counted
    while here.stop < len(text):
        following, own, others = _next(tokenizer, text, here, window, overlap)
        if following is None:
            here = _encode(tokenizer, text, here.start, 2 * (here.stop - here.start))  # begins as it did
            continue
        total += own - begin
        here, begin = following, others
    return total + len(here.starts) - begin


@dataclass(frozen=True)
class _Window:
    """A part of a text, encoded by itself."""

    start: int  # code points of the text
    stop: int
    starts: Array  # int64, tokens: the code point of the text where each begins
    ids: Array  # int64, tokens


def _encode(tokenizer: Any, text: str, start: int, window: int) -> _Window:
    stop = min(start + window, len(text))
    encoding = tokenizer.encode(text[start:stop], add_special_tokens=False)
    starts = np.array(encoding.offsets, np.int64).reshape(-1, 2)[:, 0] + start
    return _Window(start, stop, starts, np.array(encoding.ids, np.int64))


def _next(tokenizer: Any, text: str, here: _Window, window: int, overlap: int) -> tuple[_Window | None, int, int]:
    """The window that goes on from this one, and of both the first token that it and not this one counts.

    None if no window does that begins at one of some tokens of this one.
    """
    first = int(np.searchsorted(here.starts, here.stop - overlap))
    for start in np.unique(here.starts[first : first + 4 * _TRIES])[:_TRIES].tolist():
        if start <= here.start or here.stop - start < overlap // 2:
            continue
        following = _encode(tokenizer, text, start, window)
        middle = (start + here.stop) // 2
        ours, theirs = (np.searchsorted(each.starts, [middle - overlap // 4, middle, middle + overlap // 4]).tolist()
                        for each in (here, following))
        if _alike(here, following, slice(ours[0], ours[2]), slice(theirs[0], theirs[2])):
            return following, ours[1], theirs[1]
    return None, 0, 0


def _alike(one: _Window, other: _Window, ours: slice, theirs: slice) -> bool:
    return (ours.stop > ours.start and np.array_equal(one.starts[ours], other.starts[theirs])
            and np.array_equal(one.ids[ours], other.ids[theirs]))


@functools.cache
def _tokenizer(path: str) -> Any:
    """The tokenizer, loaded once in a process, without limits of length."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing more special
        raise ValueError(f"no tokenizer.json of the library tokenizers ({error})") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
