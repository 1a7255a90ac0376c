"""Draw values: frozen, uniform, and of nothing but seed, purpose, copy and identity; the total order is Python's."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer.draw import argsort, below, draws, order_keys
from mixer.rows import identity

MASK = 2**64 - 1


def identities(count: int) -> np.ndarray:
    return np.frombuffer(b"".join(identity("web", str(number)) for number in range(count)), np.uint8).reshape(-1, 16)


def slow_draw(seed: int, purpose: str, name: bytes, copy: int = 0) -> int:
    """The same in Python's own integers."""

    def mix(x: int) -> int:
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            x = (x ^ (x >> 33)) * factor & MASK
        return x ^ (x >> 33)

    key = hashlib.sha256(f"solera draw@1\0{seed}\0{purpose}\0{copy}".encode()).digest()
    words = [int.from_bytes(data[at: at + 8], "little") for data in (key, name) for at in (0, 8)]
    return mix((mix(words[2] ^ words[0]) + (words[3] ^ words[1])) & MASK)


# Published mixtures hang on these: a change of any is a new version of the draw.
@pytest.mark.parametrize(("seed", "purpose", "name", "copy", "value"), [
    (0, "draw", bytes(16), 0, 0xEE32748E2BF2DCE0),
    (1, "draw", bytes(16), 0, 0xEF36C9F06C6C97ED),
    (1, "order", bytes(16), 0, 0x3BC7AA7DC1E413FA),
    (1, "order", bytes(16), 3, 0x1BB8DCE37E49166D),
    (20261121, "draw", bytes(range(16)), 0, 0xF2E38AA0C4CFAA78),
    (2**63 - 1, "draw", b"\xff" * 16, 0, 0xBD61D6D4293AEB62),
])
def test_golden_values(seed, purpose, name, copy, value):
    assert int(draws(seed, purpose, np.frombuffer(name, np.uint8)[None], copy)[0]) == value
    assert slow_draw(seed, purpose, name, copy) == value


@given(st.integers(0, 2**63 - 1), st.sampled_from(["draw", "order", ""]), st.lists(st.binary(min_size=16, max_size=16)),
       st.integers(0, 5))
def test_draws_are_those_of_plain_integers(seed, purpose, names, copy):
    given = np.frombuffer(b"".join(names), np.uint8).reshape(-1, 16)
    assert draws(seed, purpose, given, copy).tolist() == [slow_draw(seed, purpose, name, copy) for name in names]


@pytest.mark.parametrize("shift", [60, 30, 0])
def test_draws_are_uniform(shift):
    """Chi-square over 16 buckets of some four bits; 15 degrees of freedom pass 50 once in 100,000 times."""
    values = (draws(1, "draw", identities(20_000)) >> np.uint64(shift)) & np.uint64(15)
    found = np.bincount(values.astype(int), minlength=16)
    assert ((found - 1250) ** 2 / 1250).sum() < 50


def test_structured_identities_are_uniform_too():
    """Identities are hashes, but the draw does not lean on that: here they are small numbers in either half."""
    for half in (0, 1):
        words = np.zeros((20_000, 2), "<u8")
        words[:, half] = np.arange(20_000)
        found = np.bincount((draws(1, "draw", words.view(np.uint8)) >> np.uint64(60)).astype(int), minlength=16)
        assert ((found - 1250) ** 2 / 1250).sum() < 50


def test_seeds_purposes_and_copies_are_independent():
    """Of each pair of draws, the ranks are uncorrelated, and about every other document changes its half."""
    names = identities(20_000)
    kinds = [(1, "draw", 0), (2, "draw", 0), (12, "draw", 0), (1, "order", 0), (1, "draw", 1), (1, "draw", 2)]
    found = [draws(seed, purpose, names, copy) for seed, purpose, copy in kinds]
    for one, other in itertools.combinations(found, 2):
        ranks = [np.argsort(np.argsort(each)).astype(float) for each in (one, other)]
        assert abs(np.corrcoef(*ranks)[0, 1]) < 0.04  # 5.6 standard deviations
        same = int(((one >> np.uint64(63)) == (other >> np.uint64(63))).sum())
        assert abs(same - 10_000) < 400


def test_position_and_company_do_not_matter():
    names = identities(500)
    whole = draws(7, "draw", names)
    order = np.array(random.Random(1).sample(range(500), 500))
    assert (draws(7, "draw", names[order]) == whole[order]).all()
    assert [int(draws(7, "draw", names[row: row + 1])[0]) for row in range(20)] == whole[:20].tolist()
    assert (draws(7, "draw", names[::2]) == whole[::2]).all()  # a view that is not contiguous
    assert draws(7, "draw", names[:0]).shape == (0,)


def test_draws_are_equal_in_another_process():
    """Whatever the hash seed of the process."""
    code = ("import json, numpy as np; from mixer.draw import draws; "
            "print(json.dumps(draws(5, 'draw', np.arange(64, dtype=np.uint8).reshape(4, 16)).tolist()))")
    found = [json.loads(subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, check=True,
                                       capture_output=True).stdout) for seed in ("1", "2")]
    assert found[0] == found[1] == draws(5, "draw", np.arange(64, dtype=np.uint8).reshape(4, 16)).tolist()


# ---- the total order

KEY = st.tuples(
    st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    st.sampled_from([bytes(16), b"\x01" + bytes(15), bytes(7) + b"\x02" + bytes(8), b"\xff" * 16]),
    st.sampled_from([bytes(32), bytes(31) + b"\x01", b"\x80" + bytes(31)]),
)


def columns(keys: list[tuple[int, bytes, bytes]]) -> list[np.ndarray]:
    values = np.array([key[0] for key in keys], np.uint64)
    parts = [np.frombuffer(b"".join(key[part] for key in keys), np.uint8).reshape(len(keys), width)
             for part, width in ((1, 16), (2, 32))]
    return order_keys(values, *parts)


@given(st.lists(KEY, max_size=12))
def test_order_is_of_draw_then_identity_then_text_hash(keys):
    """Few values, so that ties are frequent; bytes compare as bytes, on any machine. No rows are fine too."""
    assert argsort(columns(keys)).tolist() == sorted(range(len(keys)), key=lambda row: (keys[row], row))


@given(st.lists(KEY, max_size=12), KEY)
def test_below_is_less_than(keys, cutoff):
    flat = tuple(int(column[0]) for column in columns([cutoff]))
    assert below(columns(keys), flat).tolist() == [key < cutoff for key in keys]
    assert not below(columns(keys), (0,) * 7).any()
