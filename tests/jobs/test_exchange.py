"""Blocks of records: all that is sent arrives, in the part that it is for, and no more is held than is stated."""

from __future__ import annotations

import numpy as np
import pytest

from jobs import exchange
from jobs.exchange import Outbox, part_count, part_of, runs

RECORD = np.dtype([("key", "<u8"), ("value", "<i4")])


def records(size: int, seed: int = 0) -> np.ndarray:
    found = np.zeros(size, RECORD)
    # No generator: odd multiples of an odd number go everywhere.
    found["key"] = (np.arange(size, dtype=np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    found["value"] = np.arange(size)
    return found


@pytest.mark.parametrize("parts", [1, 2, 7, 1000])
def test_parts_are_of_even_size_and_ordered_as_keys_are(parts: int) -> None:
    keys = records(100_000)["key"]
    found = part_of(keys, parts)
    assert found.min() >= 0 and found.max() < parts
    assert (np.diff(found[np.argsort(keys)]) >= 0).all()
    sizes = np.bincount(found, minlength=parts)
    assert sizes.max() < 1.5 * 100_000 / parts + 10
    assert part_of(np.array([0, 2**64 - 1], np.uint64), parts).tolist() == [0, parts - 1]


@pytest.mark.parametrize("held", [1, 1000, 1 << 30])
def test_an_outbox_gives_what_it_took_and_holds_no_more_than_is_stated(held: int, monkeypatch) -> None:
    monkeypatch.setattr(exchange, "HELD_BYTES", held)
    out = Outbox(RECORD)
    blocks, given, added = [], 0, 0
    for number, size in enumerate([0, 10, 1, 500, 0, 33]):
        each = records(size, number)
        added += each.nbytes
        blocks += out.add(part_of(each["key"], 5), each)
        given = sum(len(data) for _, data in blocks)
        assert added - given < max(held, 1)
    blocks += out.rest()
    assert list(out.rest()) == []
    sent = np.concatenate([records(size, number) for number, size in enumerate([0, 10, 1, 500, 0, 33])])
    arrived = {part: np.sort(np.concatenate([np.frombuffer(data, RECORD) for at, data in blocks if at == part]))
               for part in {part for part, _ in blocks}}
    for part, found in arrived.items():
        assert found.tolist() == np.sort(sent[part_of(sent["key"], 5) == part]).tolist()
    assert sum(map(len, arrived.values())) == len(sent)
    assert all(data for _, data in blocks)


def test_runs() -> None:
    assert list(runs(np.array([3, 3, 1, 2, 2, 2]))) == [(0, 2), (2, 3), (3, 6)]
    assert list(runs(np.array([], np.int64))) == []


def test_no_part_is_without_work_and_none_outgrows_a_task(monkeypatch) -> None:
    monkeypatch.setattr(exchange, "PART_BYTES", 1000)
    monkeypatch.setattr(exchange, "LEAST_BYTES", 100)
    assert part_count(0, 20, 4) == 1
    assert part_count(11, 20, 4) == 3
    assert part_count(100, 20, 4) == 8
    assert part_count(10_000, 20, 4) == 200


def test_a_part_without_records_is_asked_too(spark) -> None:
    each = [records(3, number) for number in (0, 1)]
    sent = exchange.send(spark, [block.tobytes() for block in each], lambda data: [(2, data)])
    found = exchange.exchange(sent, 4, RECORD, lambda part, got: [(part, sorted(got.tolist()))]).collect()
    assert sorted(found) == [(0, []), (1, []), (2, sorted(np.concatenate(each).tolist())), (3, [])]
