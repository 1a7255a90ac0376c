"""Secrets in code and configuration: private keys, tokens of known forms, and what is assigned to names of secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.found import Found, found_columns
from taggers.text import TextBatch

Array = NDArray[Any]

KINDS = ("private_key", "token", "assigned")


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """For each of KINDS its spans, scored by their entropy, and their count, and secrets.count; never null."""
    # Finds of a kind never overlap, and have 80, 14 and 8 bytes at least.
    found = Found.room(len(batch), len(batch.data) // 4 + 1)
    _scan(batch.data, batch.offsets, _CLASSES, found.first, found.kind, found.start, found.end, found.score,
          np.zeros(256, np.int64))
    return found_columns("secrets", KINDS, batch, found, scored=True)


_PRIVATE_KEY, _TOKEN, _ASSIGNED = range(len(KINDS))

# --- what tokens look like --------------------------------------------------------------------------------------------

_ALNUM, _WORD, _URL_SAFE, _DOTTED, _UPPER, _HEX = range(6)  # alphabets
_ALPHABETS = (r"[A-Za-z0-9]", r"[A-Za-z0-9_]", r"[A-Za-z0-9_-]", r"[A-Za-z0-9_.-]", r"[A-Z0-9]", r"[a-f0-9]")

# How tokens begin, the alphabet of the rest, and how many characters that has at least and at most. From what their
# givers publish, and what the scanners detect-secrets and gitleaks look for.
TOKENS = (
    *((prefix, _UPPER, 16, 16) for prefix in ("AKIA", "ASIA", "ABIA", "ACCA")),  # Amazon Web Services
    *((prefix, _ALNUM, 36, 255) for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),  # GitHub
    ("github_pat_", _WORD, 82, 82),
    ("glpat-", _URL_SAFE, 20, 255),  # GitLab
    *((prefix, _URL_SAFE, 10, 255) for prefix in ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-")),  # Slack
    *((prefix, _ALNUM, 24, 255) for prefix in ("sk_live_", "rk_live_")),  # Stripe
    ("AIza", _URL_SAFE, 35, 35), ("ya29.", _URL_SAFE, 20, 500),  # Google
    ("SG.", _DOTTED, 66, 66),  # SendGrid
    ("npm_", _ALNUM, 36, 36),
    ("pypi-AgEIcHlwaS5vcmc", _URL_SAFE, 50, 500),
    ("sk-ant-", _URL_SAFE, 32, 255), ("sk-proj-", _URL_SAFE, 40, 255), ("sk-", _ALNUM, 48, 48),  # Anthropic, OpenAI
    ("hf_", _ALNUM, 34, 40),  # Hugging Face
    ("dop_v1_", _HEX, 64, 64),  # DigitalOcean
    ("shpat_", _HEX, 32, 32), ("shpss_", _HEX, 32, 32),  # Shopify
    ("AGE-SECRET-KEY-1", _UPPER, 58, 58),
)  # fmt: skip

# Of an assignment: the words of which the name has one, in lower case, and the least entropy of the value in bits a
# character, which detect-secrets has for hexadecimal strings. A value has both letters and digits.
NAMES = ("password", "passwd", "pwd", "secret", "token", "api_key", "apikey", "api-key", "access_key", "accesskey",
         "private_key", "auth_key", "credential")
LEAST_ENTROPY = 3.0
# What is no secret: it stands for one.
PLACEHOLDERS = ("example", "xxxx", "your", "changeme", "placeholder", "dummy", "test", "sample", "foobar", "1234567",
                "abcdef", "secret", "password")
_LEAST_DISTINCT = 6  # characters of a token's rest
_MOST_NAME, _LEAST_VALUE, _MOST_VALUE, _MOST_BLANKS = 64, 8, 256, 8
_MOST_LABEL, _LEAST_KEY = 40, 64  # characters between BEGIN and PRIVATE KEY, and of base64 in a key

_QUOTE, _IDENTIFIER, _BASE64, _LETTER, _DIGIT, _VISIBLE = (1 << (8 + bit) for bit in range(6))
_IS_ALNUM, _IS_WORD, _IS_URL_SAFE = (1 << alphabet for alphabet in (_ALNUM, _WORD, _URL_SAFE))


def _classes() -> Array:
    """uint16: bits of the alphabets, and those above."""
    table = np.zeros(256, np.uint16)
    sets = [*((1 << place, alphabet) for place, alphabet in enumerate(_ALPHABETS)), (_QUOTE, "[\"'`]"),
            (_IDENTIFIER, "[A-Za-z0-9_.-]"), (_BASE64, "[A-Za-z0-9+/=]"), (_LETTER, "[A-Za-z]"), (_DIGIT, "[0-9]"),
            (_VISIBLE, "[!-~]")]
    for bit, characters in sets:
        for code in range(128):
            if re.match(characters, chr(code)):
                table[code] |= bit
    return table


def _packed(words: tuple[str, ...]) -> tuple[Array, Array]:
    """The words in one array, and where each begins."""
    return np.frombuffer("".join(words).encode(), np.uint8), np.cumsum([0, *map(len, words)])


_CLASSES = _classes()
_PREFIXES, _PREFIX_FIRST = _packed(tuple(token[0] for token in TOKENS))
_RULES = np.array([token[1:] for token in TOKENS], np.int64)
_STARTS = np.zeros(256, np.bool_)
_STARTS[[ord(token[0][0]) for token in TOKENS]] = True
_NAMES, _NAME_FIRST = _packed(NAMES)
_PLACEHOLDERS, _PLACEHOLDER_FIRST = _packed(PLACEHOLDERS)
_DASHES, _BEGIN, _END, _KEY = (np.frombuffer(word, np.uint8)
                               for word in (b"-----", b"-----BEGIN ", b"-----END ", b"PRIVATE KEY"))
_HYPHEN, _BLANK, _EQUALS, _COLON, _GREATER, _SQUARE = (ord(mark) for mark in "- =:>]")
_TEMPLATE_MARKS = tuple(ord(mark) for mark in "$<>{}")
_EPSILON = 1e-9  # of the entropy, so that no platform's logarithm decides


@kernel
def _scan(
    data: Array, offsets: Array, table: Array, first: Array, kind: Array, start: Array, end: Array, score: Array,
    bins: Array,
) -> None:  # fmt: skip
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        begin = offsets[document]
        stop = offsets[document + 1]
        key_from = token_from = begin
        position = begin
        while position < stop:
            byte = data[position]
            if byte == _HYPHEN and position >= key_from and _has(data, position, stop, _BEGIN):
                after = _key_end(data, table, position, stop)
                if after:
                    kind[found], start[found], end[found] = _PRIVATE_KEY, position, after
                    score[found] = _entropy(data, position, after, bins)[0]
                    found += 1
                    key_from = after
            elif _STARTS[byte] and position >= token_from:
                if position == begin or not table[data[position - 1]] & _IS_URL_SAFE:
                    after = _token_end(data, table, position, stop, bins)
                    if after:
                        kind[found], start[found], end[found] = _TOKEN, position, after
                        score[found] = _entropy(data, position, after, bins)[0]
                        found += 1
                        token_from = after
            elif table[byte] & _QUOTE and _is_named(data, table, begin, position):
                after = _value_end(data, table, position + 1, stop)
                if after:
                    entropy, _ = _entropy(data, position + 1, after, bins)
                    if entropy >= LEAST_ENTROPY - _EPSILON and not _stands_for_one(data, position + 1, after):
                        kind[found], start[found], end[found] = _ASSIGNED, position + 1, after
                        score[found] = entropy
                        found += 1
            position += 1
    first[len(offsets) - 1] = found


@kernel
def _has(data: Array, position: int, stop: int, word: Array) -> bool:
    if position + len(word) > stop:
        return False
    for step in range(len(word)):  # noqa: SIM110 (numba compiles a loop, but not all())
        if data[position + step] != word[step]:
            return False
    return True


@kernel
def _key_end(data: Array, table: Array, position: int, stop: int) -> int:
    """Where the private key ends whose first line begins here, 0 if it is none or has no body."""
    label = position + len(_BEGIN)
    is_private = False
    place = label
    while place < stop and place - label < _MOST_LABEL + len(_KEY) and not _has(data, place, stop, _DASHES):
        is_private |= _has(data, place, stop, _KEY)
        place += 1
    if not is_private or not _has(data, place, stop, _DASHES):
        return 0
    place += len(_DASHES)
    letters = 0
    while place < stop and not _has(data, place, stop, _DASHES):
        letters += (table[data[place]] & _BASE64) != 0
        place += 1
    if letters < _LEAST_KEY or not _has(data, place, stop, _END):
        return 0
    last = place + len(_END)
    place = last
    while place < stop and place - last <= _MOST_LABEL + len(_KEY):
        if _has(data, place, stop, _DASHES):
            return place + len(_DASHES)
        place += 1
    return 0


@kernel
def _token_end(data: Array, table: Array, position: int, stop: int, bins: Array) -> int:
    """Where the token ends that begins here, 0 if none does."""
    for rule in range(len(_RULES)):
        prefix = _PREFIXES[_PREFIX_FIRST[rule] : _PREFIX_FIRST[rule + 1]]
        if not _has(data, position, stop, prefix):
            continue
        alphabet = 1 << _RULES[rule, 0]
        rest = position + len(prefix)
        after = rest
        while after < stop and table[data[after]] & alphabet and after - rest <= _RULES[rule, 2]:
            after += 1
        if not _RULES[rule, 1] <= after - rest <= _RULES[rule, 2]:
            continue
        if after < stop and table[data[after]] & _IS_WORD:
            continue
        if _entropy(data, rest, after, bins)[1] >= _LEAST_DISTINCT and not _holds(data, rest, after, 0):
            return after
    return 0


@kernel
def _is_named(data: Array, table: Array, begin: int, quote: int) -> bool:
    """Whether a value in these quotes is assigned to the name of a secret: name = "…", "name": "…", name => '…'."""
    position = _skip_blanks(data, begin, quote)
    if position == begin:
        return False
    mark = data[position - 1]
    if mark == _GREATER:
        position -= 1
        if position == begin or data[position - 1] != _EQUALS:
            return False
    elif mark != _EQUALS and mark != _COLON:
        return False
    position -= 1
    if mark == _EQUALS and position > begin and data[position - 1] == _COLON:
        position -= 1
    position = _skip_blanks(data, begin, position)
    if position > begin and data[position - 1] == _SQUARE:
        position -= 1
    if position > begin and table[data[position - 1]] & _QUOTE:
        position -= 1
    end = position
    while position > begin and end - position < _MOST_NAME and table[data[position - 1]] & _IDENTIFIER:
        position -= 1
    for word in range(len(_NAME_FIRST) - 1):
        if _finds(data, position, end, _NAMES[_NAME_FIRST[word] : _NAME_FIRST[word + 1]]):
            return True
    return False


@kernel
def _skip_blanks(data: Array, begin: int, position: int) -> int:
    least = max(begin, position - _MOST_BLANKS)
    while position > least and data[position - 1] == _BLANK:
        position -= 1
    return position


@kernel
def _value_end(data: Array, table: Array, position: int, stop: int) -> int:
    """Where the value ends that begins behind the quote before this, 0 if it can be no secret."""
    quote = data[position - 1]
    after = position
    kinds = 0
    while after < stop and data[after] != quote and table[data[after]] & _VISIBLE and after - position <= _MOST_VALUE:
        kinds |= table[data[after]]
        after += 1
    if after == stop or data[after] != quote or not _LEAST_VALUE <= after - position <= _MOST_VALUE:
        return 0
    return after if kinds & _LETTER and kinds & _DIGIT else 0


@kernel
def _stands_for_one(data: Array, start: int, end: int) -> bool:
    """Whether a value is the place of a secret: a variable, a template or one of PLACEHOLDERS."""
    for position in range(start, end):
        byte = data[position]
        if byte in _TEMPLATE_MARKS:
            return True
    for word in range(len(_PLACEHOLDER_FIRST) - 1):  # noqa: SIM110 (numba compiles a loop, but not any())
        if _holds(data, start, end, word):
            return True
    return False


@kernel
def _holds(data: Array, start: int, end: int, word: int) -> bool:
    return _finds(data, start, end, _PLACEHOLDERS[_PLACEHOLDER_FIRST[word] : _PLACEHOLDER_FIRST[word + 1]])


@kernel
def _finds(data: Array, start: int, end: int, word: Array) -> bool:
    """Whether a range has this lower-case word in it, in whatever case."""
    for position in range(start, end - len(word) + 1):
        step = 0
        while step < len(word):
            byte = data[position + step]
            if byte != word[step] and not (65 <= byte <= 90 and byte + 32 == word[step]):
                break
            step += 1
        if step == len(word):
            return True
    return False


@kernel
def _entropy(data: Array, start: int, end: int, bins: Array) -> Any:
    """(Shannon's entropy of the bytes in bits a byte, how many distinct ones there are)."""
    bins[:] = 0
    for position in range(start, end):
        bins[data[position]] += 1
    total = 0.0
    distinct = 0
    for byte in range(256):
        if bins[byte]:
            share = bins[byte] / (end - start)
            total -= share * math.log2(share)
            distinct += 1
    return total, distinct
