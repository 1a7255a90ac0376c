"""Allocation is exact: golden numbers, and properties against an oracle that works another way."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer.errors import BadInput
from mixer.recipe import Policy
from mixer.weights import allocate

FIXED, PROPORTIONAL = Policy("fixed"), Policy("proportional")
POOLS = {"web": 4000, "code": 400, "book": 30, "wiki": 4}


def amounts(shares, name="allocated"):
    return {share.source: getattr(share, name) for share in shares}


def fixed(budget, pools, weights, epochs=None, on_shortfall="redistribute"):
    weights = {name: Decimal(weight) for name, weight in weights.items()}
    epochs = {name: Decimal(cap) for name, cap in (epochs or {}).items()}
    return allocate(FIXED, budget, pools, weights, epochs, on_shortfall)


def test_proportional_is_the_worked_example():
    """Of 2000: 1804.2, 180.4, 13.5 and 1.8; the two units that rounding down leaves go to wiki and book."""
    shares = allocate(PROPORTIONAL, 2000, POOLS, {}, {}, "error")
    assert amounts(shares) == {"web": 1804, "code": 180, "book": 14, "wiki": 2}


def test_equal_weights_are_the_worked_example_of_unimax():
    """Capped fixed with equal weights is UniMax, whose row at 4 epochs is 932, 932, 120 and 16."""
    shares = fixed(2000, POOLS, dict.fromkeys(POOLS, "0.25"), dict.fromkeys(POOLS, "4"))
    assert amounts(shares) == {"web": 932, "code": 932, "book": 120, "wiki": 16}
    assert amounts(shares, "capped") == {"web": False, "code": False, "book": True, "wiki": True}
    assert set(amounts(shares, "requested").values()) == {500}


def test_proportional_without_a_budget_is_all_there_is():
    assert amounts(allocate(PROPORTIONAL, None, POOLS, {}, {}, "error")) == POOLS


def test_no_cap_binds():
    shares = fixed(10, {"a": 6, "b": 4}, {"a": "0.5", "b": "0.5"}, {"b": "1.25"}, "error")
    assert [(share.requested, share.allocated, share.cap, share.capped) for share in shares] == [
        (5, 5, None, False),
        (5, 5, 5, False),
    ]


def test_ties_go_to_the_first_name():
    shares = fixed(2, {"c": 9, "b": 9, "a": 9}, {"c": "0.25", "b": "0.25", "a": "0.5"})
    assert amounts(shares) == {"c": 0, "b": 1, "a": 1}


def test_a_filled_source_can_fill_the_next():
    """b's cap binds only once a's excess is shared out."""
    pools, weights = {"a": 10, "b": 33, "c": 99}, {"a": "0.4", "b": "0.3", "c": "0.3"}
    assert amounts(fixed(100, pools, weights, {"a": 1, "b": 1})) == {"a": 10, "b": 33, "c": 57}


def test_cap_is_rounded_down():
    assert fixed(3, {"a": 3, "b": 9}, {"a": "0.5", "b": "0.5"}, {"a": "0.4"})[0].allocated == 1


def test_an_empty_source_gives_nothing():
    shares = fixed(5, {"a": 0, "b": 9}, {"a": "0.5", "b": "0.5"})
    assert amounts(shares) == {"a": 0, "b": 5}
    assert shares[0].cap == 0 and shares[0].capped


def test_nothing_at_all_without_a_budget():
    assert amounts(allocate(PROPORTIONAL, None, {"a": 0, "b": 0}, {}, {}, "error")) == {"a": 0, "b": 0}


def test_shortfall_names_every_source_and_the_remedy():
    with pytest.raises(BadInput) as caught:
        fixed(100, {"a": 10, "b": 0, "c": 500}, {"a": "0.4", "b": "0.3", "c": "0.3"}, {"a": "1.5"}, "error")
    text = str(caught.value)
    assert "a: 40 requested, but a pool of 10 gives at most 15 at max_epochs 1.5" in text
    assert "b: 30 requested, but a pool of 0 gives at most 0" in text
    assert "c:" not in text and "on_shortfall: redistribute" in text


def test_too_little_in_all_sources():
    with pytest.raises(BadInput, match=r"can give 30 of the budget of 100 \(a: pool 10, cap 20, b: pool 5, cap 10\)"):
        fixed(100, {"a": 10, "b": 5, "c": 99}, {"a": "0.5", "b": "0.5", "c": "0"}, {"a": 2, "b": 2})


def test_no_weight_and_no_pool():
    with pytest.raises(BadInput, match="no source can give any"):
        fixed(10, {"a": 10}, {"a": "0"})
    with pytest.raises(BadInput, match="no source can give any"):
        allocate(PROPORTIONAL, 10, {"a": 0}, {}, {}, "redistribute")


# --- properties


@st.composite
def problems(draw):
    names = draw(st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True))
    pools = {name: draw(st.integers(0, 60) | st.integers(0, 10**13)) for name in names}
    weights = {name: Decimal(draw(st.integers(0, 1000))) / 1000 for name in names}
    epochs = {name: draw(st.none() | st.decimals("0.01", 8, places=2)) for name in names}
    budget = draw(st.integers(1, 200) | st.integers(1, 10**13))
    return draw(st.sampled_from([FIXED, PROPORTIONAL])), budget, pools, weights, epochs


@given(problems(), st.sampled_from(["error", "redistribute"]))
def test_sums_are_exact_and_caps_hold(problem, on_shortfall):
    budget, pools = problem[1:3]
    try:
        shares = allocate(*problem, on_shortfall)
    except BadInput:
        return
    assert [share.source for share in shares] == list(pools)
    assert sum(share.allocated for share in shares) == sum(share.requested for share in shares) == budget
    for share in shares:
        assert share.allocated >= 0 and (share.cap is None or share.allocated <= share.cap)
        assert not share.capped or share.allocated == share.cap
    if on_shortfall == "error":
        assert amounts(shares) == amounts(shares, "requested")


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_sources_does_not_matter(problem, random):
    policy, budget, pools, weights, epochs = problem
    shuffled = list(pools.items())
    random.shuffle(shuffled)
    results = []
    for each in (pools, dict(shuffled)):
        try:
            results.append(set(allocate(policy, budget, each, weights, epochs, "redistribute")))
        except BadInput as error:
            results.append(type(error))
    assert results[0] == results[1]


@given(problems())
def test_agrees_with_the_oracle(problem):
    expected = oracle(*problem)
    if expected is None:
        with pytest.raises(BadInput):
            allocate(*problem, "redistribute")
    else:
        assert amounts(allocate(*problem, "redistribute")) == expected


def oracle(policy, budget, pools, weights, epochs):
    """The allocation by level instead of by rounds: each gets min(cap, level * part). None if caps are too low."""
    parts = {name: Fraction(pools[name] if policy is PROPORTIONAL else weights[name]) for name in pools}
    caps = {name: None if epochs.get(name) is None else int(epochs[name] * pool) for name, pool in pools.items()}
    caps |= {name: 0 for name, pool in pools.items() if pool == 0}
    if not any(parts.values()):
        return None
    requested = by_hand({name: budget * part / sum(parts.values()) for name, part in parts.items()}, budget)
    if all(caps[name] is None or requested[name] <= caps[name] for name in pools):
        return requested
    able = [name for name in pools if parts[name]]
    levels = sorted(Fraction(caps[name]) / parts[name] for name in able if caps[name] is not None)

    def given(level):
        amounts = {name: level * part for name, part in parts.items()}
        return {name: each if caps[name] is None else min(each, Fraction(caps[name])) for name, each in amounts.items()}

    below = Fraction(0)  # the highest breakpoint that gives no more than the budget
    for level in levels:
        if sum(given(level).values()) <= budget:
            below = level
    rising = sum(parts[name] for name in able if caps[name] is None or Fraction(caps[name]) / parts[name] > below)
    missing = budget - sum(given(below).values())
    if missing and not rising:
        return None
    return by_hand(given(below + (missing / rising if missing else 0)), budget)


def by_hand(exact, budget):
    """Largest remainder, one unit at a time."""
    rounded = {name: share.numerator // share.denominator for name, share in exact.items()}
    while sum(rounded.values()) < budget:
        rounded[min(exact, key=lambda name: (rounded[name] - exact[name], name))] += 1
    return rounded


def test_the_oracle_agrees_with_brute_force():
    """Of all ways to hand out 12 units, the oracle's is closest to the shares when no cap binds."""
    pools = {"a": 7, "b": 5, "c": 1}
    got = oracle(PROPORTIONAL, 12, pools, {}, dict.fromkeys(pools))
    ways = [(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)]
    exact = [Fraction(12 * pool, 13) for pool in pools.values()]
    best = min(ways, key=lambda way: sum(abs(x - y) for x, y in zip(way, exact, strict=True)))
    assert tuple(got.values()) == best
