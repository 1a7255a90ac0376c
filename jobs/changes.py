"""What is different between the tables of two plans: each cell that changed with what it was, each row come or gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jobs import tables
from jobs.figures import Table
from jobs.tables import Marked

Row = tuple[str, ...]
Pair = tuple[Row | None, Row | None]  # a row as it was, and as it is


@dataclass(frozen=True)
class Change:
    """A table of both plans: its rows as they were and as they are, in the new order, those that went last."""

    table: Table  # as it is, or as it was where there is none any more
    pairs: tuple[Pair, ...]

    @property
    def came(self) -> list[str]:
        return [_name(new, self.table.keys) for old, new in self.pairs if old is None and new is not None]

    @property
    def went(self) -> list[str]:
        return [_name(old, self.table.keys) for old, new in self.pairs if new is None and old is not None]


def changes(before: Sequence[Table], after: Sequence[Table]) -> list[Change]:
    """Of each table of the plan before and of the one after; the tables in the order of the latter."""
    old = {table.name: table for table in before}
    found = [Change(table, tuple(_pairs(old.get(table.name), table))) for table in after]
    names = {table.name for table in after}
    gone = [table for table in before if table.name not in names]
    return found + [Change(table, tuple((row, None) for row in table.rows)) for table in gone]


def lines(change: Change, width: int, colour: bool) -> list[str]:
    """The table as it is, with `old -> new` in cells that changed, a + before rows that came, a - before those that
    went. Where that does not fit the width, a changed row has what it was on a line below it.
    """
    table = change.table
    wide = [_inside(pair, table.keys) for pair in change.pairs]
    text = tables.fitted(table.head, wide, table.keys, width, colour)
    if any(len(line) > width for line in tables.fitted(table.head, wide, table.keys, width).splitlines()):
        narrow = [row for pair in change.pairs for row in _below(pair, table.keys)]
        text = tables.fitted(table.head, narrow, table.keys, width, colour)
    return [text, *(f"  {tables.visible(note)}" for note in table.notes)]


def _pairs(before: Table | None, after: Table) -> list[Pair]:
    if before is None:
        return [(None, row) for row in after.rows]
    before = _with_columns_of(before, after)
    keys = after.keys
    old = {row[:keys]: row for row in before.rows}
    new = {row[:keys]: row for row in after.rows}
    # A rule whose bound was changed is still that rule.
    renamed = _renamed([key for key in old if key not in new], [key for key in new if key not in old])
    pairs: list[Pair] = [(old.get(renamed.get(key, key)), row) for key, row in new.items()]
    used = {renamed.get(key, key) for key in new}
    return pairs + [(row, None) for key, row in old.items() if key not in used]


def _with_columns_of(before: Table, after: Table) -> Table:
    """The same rows in the columns of the other: what it has not is empty."""
    if before.head == after.head:
        return before
    places = {name: place for place, name in reversed(list(enumerate(_told_apart(before.head))))}
    order = [places.get(name) for name in _told_apart(after.head)]
    return replace(before, head=after.head,
                   rows=tuple(tuple("" if place is None else row[place] for place in order) for row in before.rows))


def _told_apart(head: Sequence[str]) -> list[tuple[str, int]]:
    seen: Counter[str] = Counter()
    found = []
    for name in head:
        found.append((name, seen[name]))
        seen[name] += 1
    return found


def _renamed(gone: Sequence[Row], come: Sequence[Row]) -> Mapping[Row, Row]:
    """By new key the old one, where one of each begins alike: "words.count min 50" and "words.count min 60"."""
    old, new = ({_start(key): key for key in keys} for keys in (gone, come))
    times = Counter(map(_start, gone)), Counter(map(_start, come))
    return {key: old[start] for start, key in new.items()
            if start in old and times[0][start] == times[1][start] == 1}


def _start(key: Row) -> Row:
    return (" ".join(key[0].split()[:2]), *key[1:])


def _name(row: Row, keys: int) -> str:
    return " ".join(row[:keys])


def _inside(pair: Pair, keys: int) -> Row:
    """One row, with what it was inside its cells."""
    old, new = pair
    if new is None or old is None:
        return _whole(pair, keys)
    return tuple(_cell(was, now, place < keys) for place, (was, now) in enumerate(zip(old, new, strict=True)))


def _cell(was: str, now: str, is_name: bool) -> str:
    if was == now:
        return now
    if not is_name:
        return Marked(f"{was or '-'} -> {now or '-'}")
    words, before = now.split(" "), was.split(" ")
    same = 0
    while same < min(len(words), len(before)) and words[same] == before[same]:
        same += 1
    end = 0
    while end < min(len(words), len(before)) - same and words[-1 - end] == before[-1 - end]:
        end += 1
    parts = [" ".join(each[same : len(each) - end]) or "-" for each in (before, words)]
    return Marked(" ".join([*words[:same], " -> ".join(parts), *words[len(words) - end :]]))


def _below(pair: Pair, keys: int) -> list[Row]:
    """A row, and below it what was in those of its cells that changed."""
    old, new = pair
    if new is None or old is None:
        return [_whole(pair, keys)]
    if old == new:
        return [new]
    is_other = [was != now for was, now in zip(old, new, strict=True)]
    here = tuple(Marked(now) if other else now for now, other in zip(new, is_other, strict=True))
    was = tuple(cell if other else "" for cell, other in zip(old, is_other, strict=True))
    return [here, (f"  was {was[0]}".rstrip(), *was[1:])]


def _whole(pair: Pair, keys: int) -> Row:
    """A row that came or went."""
    old, new = pair
    row = new if new is not None else old
    assert row is not None
    sign = "+" if old is None else "-"
    return (Marked(f"{sign} {row[0]}"), *(Marked(cell) for cell in row[1:]))
