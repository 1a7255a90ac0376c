"""What changed between two plans' tables: cells with what they were, rows that came and went, columns that differ."""

from __future__ import annotations

from jobs import changes
from jobs.figures import Table
from jobs.tables import Marked

HEAD = ("dropped by", "docs", "left", "docs")
BEFORE = Table("funnel", HEAD, (("read", "", "10", "100"), ("words.count min 50", "3", "7", "70"),
                                ("lines.count max 9  (web)", "1", "6", "60"), ("not drawn", "2", "4", "40")))
AFTER = Table("funnel", HEAD, (("read", "", "10", "100"), ("words.count min 60", "4", "6", "60"),
                               ("language.en min 0.5", "0", "6", "60"), ("not drawn", "2", "4", "40")))


def shown(width: int, colour: bool = False) -> list[str]:
    (change,) = changes.changes([BEFORE], [AFTER])
    return changes.lines(change, width, colour)[0].splitlines()


def test_equal_tables_are_told_without_a_mark():
    (change,) = changes.changes([AFTER], [AFTER])
    assert change.came == change.went == []
    (text,) = changes.lines(change, 80, True)
    assert "->" not in text and "\x1b" not in text and not any(line.startswith("  +") for line in text.splitlines())


def test_changed_cells_say_what_they_were_and_rules_come_and_go():
    (change,) = changes.changes([BEFORE], [AFTER])
    assert change.came == ["language.en min 0.5"] and change.went == ["lines.count max 9  (web)"]
    read, words, language, drawn, lines = shown(120)[1:]
    assert "->" not in read and "->" not in drawn
    assert words.split("  ")[1].strip() == "words.count min 50 -> 60" and "3 -> 4" in words and "7 -> 6" in words
    assert language.strip().startswith("+ language.en min 0.5") and lines.strip().startswith("- lines.count max 9")


def test_where_there_is_no_room_what_was_stands_below():
    said = shown(44)
    at = next(place for place, line in enumerate(said) if line.startswith("  words.count min 60"))
    assert said[at].split()[-3:] == ["4", "6", "60"] and said[at + 1].split() == [
        "was", "words.count", "min", "50", "3", "7", "70"]
    assert all(len(line) <= 44 for line in said)


def test_colour_is_of_what_changed_alone():
    said = shown(120, colour=True)
    assert [("\x1b[1;33m" in line) for line in said] == [False, False, True, True, False, True]
    plain = shown(120)
    assert [line.replace("\x1b[1;33m", "").replace("\x1b[0m", "") for line in said] == plain


def test_rows_that_begin_alike_are_told_apart_where_there_are_several():
    one = Table("t", ("r", "n"), (("a b 1", "1"), ("a b 2", "2")))
    other = Table("t", ("r", "n"), (("a b 3", "1"), ("a b 4", "2")))
    (change,) = changes.changes([one], [other])
    assert len(change.came) == len(change.went) == 2


def test_tables_and_columns_that_are_new_or_gone():
    one = Table("one", ("source", "docs"), (("web", "1"),))
    wide = Table("one", ("source", "docs", "tokens"), (("web", "1", "5"),))
    two = Table("two", ("a", "b"), (("x", "1"),))
    first, second = changes.changes([one, two], [wide])
    assert first.pairs == ((("web", "1", ""), ("web", "1", "5")),)
    assert second.came == [] and second.went == ["x"]
    assert "- -> 5" in changes.lines(first, 80, False)[0]
    assert changes.changes([], [one])[0].came == ["web"]


def test_names_change_where_they_differ():
    def cell(was: str, now: str) -> str:
        (change,) = changes.changes([Table("t", ("r", "n"), ((was, "1"),))], [Table("t", ("r", "n"), ((now, "1"),))])
        text = changes.lines(change, 100, False)[0].splitlines()[1].strip()
        assert isinstance(changes._inside(change.pairs[0], 1)[0], Marked)
        return text.rpartition("  ")[0].strip()

    assert cell("dedup text@1 a=0.8 b=1", "dedup text@1 a=0.9 b=1") == "dedup text@1 a=0.8 -> a=0.9 b=1"
    assert cell("dedup text@1", "dedup text@1 normalise=[lower]") == "dedup text@1 - -> normalise=[lower]"
    assert cell("a b 1  (web)", "a b 2  (web)").replace("  ", " ") == "a b 1 -> 2 (web)"
