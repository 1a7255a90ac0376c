r"""C4's rules (Raffel et al. 2020) as dolma's c4_v2 and as datatrove apply them; the bad words are another tagger's.

Lines are what text.split("\n") gives for dolma, and what text.splitlines() gives for datatrove. What they look for in a
line are its words' number, its last characters and a few phrases. So:

1. Words and line breaks are known; a stripped line reaches from its first word to the end of its last.
2. One scan of the text, 64 bytes at a time, finds the few places where a phrase, a brace or a citation may stand.
3. Each line takes what was found in it. datatrove cuts citations before it looks for anything else but words: a line
   that has some is copied without them and searched anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.characters import DECIMAL, classes
from taggers.chunks import count_code_points, count_trailing_zeros, mask_equal, mask_folded
from taggers.columns import counts, span_lists, spans
from taggers.compiled import helper, kernel
from taggers.text import TextBatch, decode

Array = NDArray[Any]

LONG_WORD = 1000  # code points that a word of a kept line has at the most
FEW_WORDS = 3  # words that a kept line has at the least

# What is wrong with a line, as bits: of dolma's lines the first two, of datatrove's all.
_WRONG = ("no_punctuation", "few_words", "long_word", "javascript_lines", "policy_lines")
_NO_PUNCTUATION, _FEW_WORDS, _LONG_WORD, _JAVASCRIPT_LINE, _POLICY_LINE = (1 << bit for bit in range(len(_WRONG)))
_COUNTS = ("lines", "no_punctuation_lines", "few_words_lines", "lines_datatrove", "dropped_lines", "sentences_left")
_LINES, _NO_PUNCTUATION_LINES, _FEW_WORDS_LINES, _LINES_DATATROVE, _DROPPED, _SENTENCES = range(len(_COUNTS))
_FLAGS = ("curly_brace", "lorem_ipsum", "javascript", "curly_brace_datatrove", "lorem_ipsum_datatrove")


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """The c4.* columns; counts are 0, flags false and spans empty for an empty text, and none of them is ever null."""
    words, breaks = batch.words, batch.breaks
    mark, kind = np.empty(len(batch.data), words.start.dtype), np.empty(len(batch.data), np.uint8)
    cited = np.empty((2, len(batch.data) // 2 + 1), words.start.dtype)
    marks, citations = _find_marks(
        batch.data, np.zeros(64, np.uint8), batch.offsets, classes(), mark, kind, cited[0], cited[1]
    )
    lines = len(breaks.end) + len(batch)
    dolma, split = _room(len(batch), lines, words.start.dtype), _room(len(batch), lines, words.start.dtype)
    first_citation = np.zeros(len(batch) + 1, np.int64)
    totals = np.zeros((len(_COUNTS), len(batch)), np.int64)
    flags = np.zeros((len(_FLAGS), len(batch)), np.bool_)
    _judge_lines(
        batch.data, batch.offsets, batch.chars, words.first, words.start, words.end,
        np.append(np.flatnonzero(words.length > LONG_WORD), len(words.length)),
        breaks.first, breaks.end, breaks.word, mark[:marks], kind[:marks], cited[:, :citations],
        np.empty(int(np.max(np.diff(batch.offsets), initial=0)), np.uint8),
        dolma.first, dolma.end, dolma.end_chars, dolma.wrong, split.first, split.end, split.end_chars, split.wrong,
        first_citation, totals, flags,
    )
    columns = {f"c4.{name}": counts(totals[index]) for index, name in enumerate(_COUNTS)}
    columns |= {f"c4.{name}": pa.array(flags[index]) for index, name in enumerate(_FLAGS)}
    for index, name in enumerate(_WRONG):
        if index < 2:
            columns[f"c4.{name}"] = _runs(batch, dolma, 1 << index)
            name += "_datatrove"
        columns[f"c4.{name}"] = _runs(batch, split, 1 << index)
    columns["c4.citations"] = spans(batch, first_citation, *cited)
    return columns


@dataclass(frozen=True)
class _Lines:
    first: Array  # int64, documents + 1
    end: Array  # lines; a line begins where the one before it ends
    end_chars: Array  # the same in code points from the document's start
    wrong: Array  # uint8, lines: bits of _WRONG


def _room(documents: int, lines: int, position: Any) -> _Lines:
    return _Lines(np.zeros(documents + 1, np.int64), np.empty(lines, position), np.empty(lines, position),
                  np.empty(lines, np.uint8))


def _runs(batch: TextBatch, lines: _Lines, bit: int) -> pa.Array:
    """The spans of the runs of lines that have a bit; empty lines are no part of any."""
    first = np.empty(len(batch) + 1, np.int64)
    none = np.empty((4, 0), np.int64)
    count = _find_runs(batch.offsets, lines.first, lines.end, lines.end_chars, lines.wrong, bit, first, *none)
    found = np.empty((4, count), np.int64)
    _find_runs(batch.offsets, lines.first, lines.end, lines.end_chars, lines.wrong, bit, first, *found)
    return span_lists(first, *found)


@kernel
def _find_runs(
    offsets: Array, first_line: Array, line_end: Array, line_chars: Array, wrong: Array, bit: int,
    first: Array, start: Array, end: Array, first_byte: Array, size: Array,
) -> Any:
    """How many runs there are; if there is room for them they are written."""
    found = 0
    for document in range(len(first) - 1):
        first[document] = found
        begin = offsets[document]
        begin_chars = np.int64(0)
        is_open = False
        for line in range(first_line[document], first_line[document + 1]):
            after = np.int64(line_end[line])
            chosen = wrong[line] & bit != 0 and after > begin
            found += chosen and not is_open
            if chosen and len(start):
                if not is_open:
                    start[found - 1] = begin_chars
                    first_byte[found - 1] = begin - offsets[document]
                    size[found - 1] = 0
                end[found - 1] = line_chars[line]
                size[found - 1] += after - begin
            is_open = chosen
            begin = after
            begin_chars = np.int64(line_chars[line])
    first[len(first) - 1] = found
    return found


# Kinds of what is found in a text, as bits.
_CURLY = 1
_LOREM = 2
_JAVASCRIPT = 4
_POLICY = 8

_SPACE = 32
_OPEN = ord("[")
_CLOSE = ord("]")
_BRACE = ord("{")
_DOT = ord(".")
_QUESTION = ord("?")
_EXCLAMATION = ord("!")
_QUOTE = ord('"')
_APOSTROPHE = ord("'")
_CLOSERS = (_QUOTE, _APOSTROPHE, ord(")"), _CLOSE)


def _text(text: str) -> Array:
    return np.frombuffer(text.encode(), np.uint8)


_NAME = _text("javascript")
_EDIT = _text("[edit]")
_NEEDED = _text("[citation needed]")
# The phrases are cut at their first space: where it stands they are looked for in both directions.
_TERMS, _OF_USE = _text("terms"), _text("of use")
_PRIVACY, _POLICY_WORD = _text("privacy"), _text("policy")
_COOKIE, _COOKIES = _text("cookie"), _text("cookies")
_USES, _USE, _OF_COOKIES = _text("uses"), _text("use"), _text("of cookies")
_LOREM_WORD, _IPSUM = _text("lorem"), _text("ipsum")


@kernel
def _find_marks(
    data: Array, tail: Array, offsets: Array, table: Array, mark: Array, kind: Array, cited_start: Array,
    cited_end: Array,
) -> Any:
    """(marks, citations): where braces and phrases stand, with their kinds, and the spans of citations."""
    marks = 0
    citations = 0
    for document in range(len(offsets) - 1):
        begin = offsets[document]
        position = begin
        stop = offsets[document + 1]
        # A block tells candidates in its first 60 bytes, for which it sees the next four and the one before.
        while position < stop:
            if position + 64 <= len(data):
                bits = _candidates(data, position)
            else:
                tail[: len(data) - position] = data[position:]
                tail[len(data) - position :] = 0
                bits = _candidates(tail, 0)
            while bits:
                at = position + count_trailing_zeros(bits)
                bits &= bits - _1
                if at >= stop:
                    break
                if data[at] == _OPEN:
                    after = _citation(data, table, at, stop)
                    if after:
                        cited_start[citations] = at
                        cited_end[citations] = after
                        citations += 1
                else:
                    found = _kind_at(data, begin, stop, at)
                    if found:
                        mark[marks] = at
                        kind[marks] = found
                        marks += 1
            position += 60
    return marks, citations


_1 = np.uint64(1)
_2 = np.uint64(2)
_3 = np.uint64(3)
_FIRST_60 = np.uint64((1 << 60) - 1)


@helper
def _candidates(data: Array, position: Any) -> Any:
    """Of the first 60 bytes of a block: brackets, braces, "jav", and spaces before "pol", "coo", "of " and "ips"."""
    c, i, o, p = (mask_folded(data, position, 99), mask_folded(data, position, 105),
                  mask_folded(data, position, 111), mask_folded(data, position, 112))
    space = mask_equal(data, position, 32)
    tails = p >> _1 & o >> _2 & mask_folded(data, position, 108) >> _3
    tails |= c >> _1 & o >> _2 & o >> _3
    tails |= o >> _1 & mask_folded(data, position, 102) >> _2 & space >> _3
    tails |= i >> _1 & p >> _2 & mask_folded(data, position, 115) >> _3
    name = mask_folded(data, position, 106) & mask_folded(data, position, 97) >> _1
    name &= mask_folded(data, position, 118) >> _2
    return (mask_folded(data, position, 123) | space & tails | name) & _FIRST_60


@kernel
def _kind_at(data: Array, begin: Any, stop: Any, at: Any) -> int:
    """What a brace, a "j" or the first space of a phrase at this byte belongs to; 0 if to nothing of interest."""
    byte = data[at]
    if byte == _BRACE:
        return _CURLY
    if byte != _SPACE:
        return _JAVASCRIPT if _reads(data, at, stop, _NAME) else 0
    after = at + 1
    if _reads_back(data, begin, at, _LOREM_WORD) and _reads(data, after, stop, _IPSUM):
        return _LOREM
    if _reads(data, after, stop, _POLICY_WORD):
        return _POLICY if _reads_back(data, begin, at, _PRIVACY) or _reads_back(data, begin, at, _COOKIE) else 0
    if _reads_back(data, begin, at, _TERMS):
        return _POLICY if _reads(data, after, stop, _OF_USE) else 0
    if _reads_back(data, begin, at, _USES):
        return _POLICY if _reads(data, after, stop, _COOKIES) else 0
    if _reads_back(data, begin, at, _USE):
        return _POLICY if _reads(data, after, stop, _COOKIES) or _reads(data, after, stop, _OF_COOKIES) else 0
    return 0


@kernel
def _reads(data: Array, position: Any, stop: Any, word: Array) -> bool:
    """Whether str.lower() of the text from a position on begins with an ASCII word."""
    for letter in word:
        if position >= stop:
            return False
        code, width = decode(data, position)
        if _lower(code) != letter:
            return False
        position += width
    return True


@kernel
def _reads_back(data: Array, begin: Any, position: Any, word: Array) -> bool:
    """Whether str.lower() of the text up to a position ends with an ASCII word."""
    for index in range(len(word) - 1, -1, -1):
        position -= 1
        while position > begin and data[position] & 0xC0 == 0x80:
            position -= 1
        if position < begin or _lower(decode(data, position)[0]) != word[index]:
            return False
    return True


@helper
def _lower(code: Any) -> Any:
    """The lower-case ASCII letter of a code point, or the code point. Beyond ASCII only the Kelvin sign has one."""
    if 65 <= code <= 90:
        return code + 32
    return 107 if code == 0x212A else code


@kernel
def _citation(data: Array, table: Array, at: Any, stop: Any) -> Any:
    """The end of a citation that begins with this bracket, as in [12], [], [edit] or [citation needed]; 0 if none."""
    if _is(data, at, stop, _EDIT):
        return at + len(_EDIT)
    if _is(data, at, stop, _NEEDED):
        return at + len(_NEEDED)
    position = at + 1
    while position < stop:
        if data[position] == _CLOSE:
            return position + 1
        code, width = decode(data, position)
        if not table[code] & DECIMAL:
            return 0
        position += width
    return 0


@kernel
def _is(data: Array, position: Any, stop: Any, word: Array) -> bool:
    if position + len(word) > stop:
        return False
    for index in range(len(word)):  # noqa: SIM110 (numba compiles a loop, but not all())
        if data[position + index] != word[index]:
            return False
    return True


@kernel
def _judge_lines(
    data: Array,
    offsets: Array,
    chars: Array,
    first_word: Array,
    word_start: Array,
    word_end: Array,
    long_words: Array,  # their indexes, and the number of words
    first_break: Array,
    break_end: Array,
    break_word: Array,
    mark: Array,
    kind: Array,
    cited: Array,
    room: Array,  # for a line without its citations
    dolma_first: Array,  # results from here on
    dolma_end: Array,
    dolma_chars: Array,
    dolma_wrong: Array,
    split_first: Array,
    split_end: Array,
    split_chars: Array,
    split_wrong: Array,
    first_citation: Array,
    totals: Array,
    flags: Array,
) -> None:
    dolma_lines = 0
    split_lines = 0
    marks = 0
    citations = 0
    long_word = 0
    for document in range(len(offsets) - 1):
        begin = offsets[document]
        stop = offsets[document + 1]
        dolma_first[document] = dolma_lines
        split_first[document] = split_lines
        first_citation[document] = citations
        if begin == stop:
            continue
        line = begin  # of datatrove
        ascii = chars[document] == stop - begin
        points = 0
        word = first_word[document]
        dolma_word = word
        breaks = first_break[document + 1]
        for each in range(first_break[document], breaks + 1):
            if each < breaks:
                after = np.int64(break_end[each])
                next_word = np.int64(break_word[each])
            else:
                after = stop
                next_word = first_word[document + 1]
            points += after - line if ascii else count_code_points(data, line, after)
            if each == breaks or data[after - 1] == 10:
                few = next_word - dolma_word < FEW_WORDS
                unended = next_word == dolma_word or not _ends_line(data[word_end[next_word - 1] - 1])
                totals[_FEW_WORDS_LINES, document] += few
                totals[_NO_PUNCTUATION_LINES, document] += unended
                dolma_end[dolma_lines] = after
                dolma_chars[dolma_lines] = points
                dolma_wrong[dolma_lines] = unended * _NO_PUNCTUATION | few * _FEW_WORDS
                dolma_lines += 1
                dolma_word = next_word
            if line == after:
                continue  # nothing follows the last break
            kinds = 0
            while marks < len(mark) and mark[marks] < after:
                kinds |= kind[marks]
                marks += 1
            flags[0, document] |= kinds & _CURLY != 0
            flags[1, document] |= kinds & _LOREM != 0
            flags[2, document] |= kinds & _JAVASCRIPT != 0
            is_long = long_words[long_word] < next_word
            while long_words[long_word] < next_word:
                long_word += 1
            few = next_word - word < FEW_WORDS
            if citations < cited.shape[1] and cited[0, citations] < after:
                last = citations
                while last < cited.shape[1] and cited[0, last] < after:
                    last += 1
                size = _copy_uncited(data, word_start[word], word_end[next_word - 1], cited, citations, last, room)
                citations = last
                kinds = _kinds_in(room, size)
                unended = not _ends_split_line(room, 0, size)
            else:
                unended = next_word == word or not _ends_split_line(data, word_start[word], word_end[next_word - 1])
            wrong = unended * _NO_PUNCTUATION | few * _FEW_WORDS | is_long * _LONG_WORD
            wrong |= (kinds & _JAVASCRIPT != 0) * _JAVASCRIPT_LINE | (kinds & _POLICY != 0) * _POLICY_LINE
            split_end[split_lines] = after
            split_chars[split_lines] = points
            split_wrong[split_lines] = wrong
            split_lines += 1
            dropped = unended or few or is_long
            flags[3, document] |= not dropped and kinds & (_CURLY | _JAVASCRIPT) == _CURLY
            flags[4, document] |= not dropped and kinds & _LOREM != 0
            if wrong:
                totals[_DROPPED, document] += 1
            else:
                totals[_SENTENCES, document] += _count_sentences(data, word_start, word_end, word, next_word)
            line = after
            word = next_word
        totals[_LINES, document] = dolma_lines - dolma_first[document]
        totals[_LINES_DATATROVE, document] = split_lines - split_first[document]
    dolma_first[len(offsets) - 1] = dolma_lines
    split_first[len(offsets) - 1] = split_lines
    first_citation[len(offsets) - 1] = citations


@helper
def _ends_line(byte: Any) -> bool:
    return bool(byte in (_DOT, _QUESTION, _EXCLAMATION, _QUOTE))


@helper
def _ends_split_line(data: Array, start: Any, end: Any) -> bool:
    """As datatrove has it: ' ends a line too, and ... does not."""
    if start == end:
        return False
    byte = data[end - 1]
    if byte == _DOT:
        return not (end - start >= 3 and data[end - 2] == _DOT and data[end - 3] == _DOT)
    return _ends_line(byte) or byte == _APOSTROPHE


@kernel
def _copy_uncited(data: Array, start: Any, end: Any, cited: Array, first: Any, last: Any, room: Array) -> Any:
    """Copies a range without the citations in it, which are first to last; how many bytes there are."""
    size = np.int64(0)
    position = np.int64(start)
    for citation in range(first, last + 1):
        until = np.int64(cited[0, citation]) if citation < last else np.int64(end)
        room[size : size + until - position] = data[position:until]
        size += until - position
        position = np.int64(cited[1, citation]) if citation < last else np.int64(end)
    return size


@kernel
def _kinds_in(room: Array, size: Any) -> Any:
    """The kinds of all that is found in a line without its citations, or-ed."""
    kinds = 0
    for at in range(size):
        if room[at] == _BRACE or room[at] == _SPACE or room[at] | 32 == 106:
            kinds |= _kind_at(room, 0, size, at)
    return kinds


@helper
def _count_sentences(data: Array, word_start: Array, word_end: Array, word: Any, next_word: Any) -> Any:
    """Sentences of a line: each ends with a word that ends in . ? or !, quotes and brackets after it aside."""
    sentences = 1
    for each in range(word, next_word - 1):
        end = np.int64(word_end[each])
        byte = data[end - 1]
        if byte > _CLOSE:  # as most words do
            continue
        start = word_start[each]
        while end - 1 > start and byte in _CLOSERS:
            end -= 1
            byte = data[end - 1]
        sentences += byte in (_DOT, _QUESTION, _EXCLAMATION)
    return sentences
