"""A text with what was found in it marked, as in "write to [email: a@b.org] or call", shortened to what is near it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Span = tuple[int, int, str]  # start and end in code points, and what it is

WHOLE = 1200  # code points of a text that is shown whole
START = 200  # of a longer one, from its start
AROUND = 80  # on each side of what is marked
MOST_PLACES = 20  # of a longer one, that are shown


def spans_in(values: Mapping[str, Any], more: Iterable[Span] = ()) -> list[Span]:
    """The spans that are among a document's values, by column, and those given; sorted. A column is called by its last
    part, as `email` for `pii.email`, unless another ends so too.
    """
    columns = [name for name, value in values.items() if isinstance(value, list) and
               all(isinstance(each, Mapping) and "start" in each and "end" in each for each in value)]
    ends = [name.rpartition(".")[2] for name in columns]
    found = [*more]
    for name, end in zip(columns, ends, strict=True):
        called = end if ends.count(end) == 1 else name
        found += [(each["start"], each["end"], called) for each in values[name]]
    return sorted(found)


def marked(text: str, spans: Sequence[Span]) -> str:
    """The text with its spans in brackets. Where several overlap, each part names all that cover it: "[a: one ][a, b:
    two][b:  three]". Of a long text the start and what is around the spans; "…" stands for the rest.
    """
    spans = sorted((max(0, start), min(end, len(text)), name) for start, end, name in spans if start <= len(text))
    if len(text) <= WHOLE:
        return _part(text, spans, 0, len(text))
    places = _places(len(text), spans)
    shown = places[: MOST_PLACES + 1]
    whole = " … ".join(_part(text, spans, start, end) for start, end in shown)
    if len(shown) < len(places):
        return f"{whole} … and {len(places) - len(shown):,} more places …"
    return whole + (" …" if shown[-1][1] < len(text) else "")


def _places(size: int, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """The stretches of a text that are shown: its start, and around each span; those that touch are one."""
    found = [(0, START)]
    for start, end, _ in spans:
        low, high = max(0, start - AROUND), min(size, end + AROUND)
        if low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def _part(text: str, spans: Sequence[Span], start: int, end: int) -> str:
    """text[start:end] with the spans in it marked; `end` is inside of none."""
    mine = [span for span in spans if start <= span[0] and span[1] <= end]
    cuts = sorted({start, end, *(place for span in mine for place in span[:2])})
    parts = []
    for place, until in zip(cuts, [*cuts[1:], None], strict=True):
        parts += [f"[{name}: ]" for low, high, name in mine if low == high == place]  # of no length
        if until is None:
            break
        names = dict.fromkeys(name for low, high, name in mine if low <= place and until <= high)
        piece = text[place:until]
        parts.append(f"[{', '.join(names)}: {piece}]" if names else piece)
    return "".join(parts)
