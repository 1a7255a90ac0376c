"""E-mail addresses, phone numbers, IP addresses, IBANs and payment cards, each with its checks.

Everything found begins at an "@" or at a run of digits, so the text between costs a table look-up for each byte; what
is looked at from there is bounded by what such a number can be long, so time is linear whatever the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from taggers.compiled import kernel
from taggers.found import Found, found_columns
from taggers.pii_bytes import ANCHOR, AT, CLASSES, DIGIT
from taggers.pii_card import card_end
from taggers.pii_email import email_at
from taggers.pii_iban import iban_at
from taggers.pii_ip import ip_end
from taggers.pii_phone import phone_at
from taggers.text import TextBatch

Array = NDArray[Any]

KINDS = ("email", "phone", "ip", "iban", "card")


def run(batch: TextBatch, parameters: Mapping[str, Any]) -> dict[str, pa.Array]:
    """For each of KINDS its spans and their count, and pii.count; empty and 0 where there is nothing, never null."""
    # Finds of a kind never overlap, and the shortest are a@b.cc, +49123456, 8.8.8.8, an IBAN of 15 and a card of 13.
    found = Found.room(len(batch), 3 * len(batch.data) // 5 + 1)
    _scan(batch.data, batch.offsets, CLASSES, found.first, found.kind, found.start, found.end)
    return found_columns("pii", KINDS, batch, found)


_EMAIL, _PHONE, _IP, _IBAN, _CARD = range(len(KINDS))


@kernel
def _scan(data: Array, offsets: Array, table: Array, first: Array, kind: Array, start: Array, end: Array) -> int:
    found = 0
    for document in range(len(offsets) - 1):
        first[document] = found
        begin = offsets[document]
        stop = offsets[document + 1]
        email_from = phone_from = begin
        position = begin
        while position < stop:
            if not table[data[position]] & ANCHOR:
                position += 1
                continue
            if data[position] == AT:
                left, right = email_at(data, table, email_from, position, stop)
                if right > 0:
                    kind[found], start[found], end[found] = _EMAIL, left, right
                    found += 1
                    email_from = right
                position += 1
                continue
            after = position + 1
            while after < stop and table[data[after]] & DIGIT:
                after += 1
            left, right = iban_at(data, table, begin, position, stop)
            if right > 0:
                kind[found], start[found], end[found] = _IBAN, left, right
                found += 1
            right = ip_end(data, table, begin, position, after, stop)
            if right > 0:
                kind[found], start[found], end[found] = _IP, position, right
                found += 1
            right = card_end(data, table, begin, position, after, stop)
            if right > 0:
                kind[found], start[found], end[found] = _CARD, position, right
                found += 1
            left, right = phone_at(data, table, phone_from, begin, position, after, stop)
            if right > 0:
                kind[found], start[found], end[found] = _PHONE, left, right
                found += 1
                phone_from = right
            position = after
    first[len(offsets) - 1] = found
    return found
