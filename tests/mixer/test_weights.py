"""Allocation is exact: golden numbers, and properties against an oracle that works another way."""

import itertools
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_oracle import Shortfall, hand_out, share_out

from mixer.errors import BadInput
from mixer.recipe import Policy
from mixer.weights import allocate

FIXED, PROPORTIONAL = Policy("fixed"), Policy("proportional")
TEMPERATURE, UNIMAX = Policy("temperature", tau=Decimal("3.33")), Policy("unimax", max_epochs=Decimal(4))
POOLS = {"web": 4000, "code": 400, "book": 30, "wiki": 4}


def amounts(shares, name="allocated"):
    return {share.source: getattr(share, name) for share in shares}


def fixed(budget, pools, weights, epochs=None, on_shortfall="redistribute"):
    weights = {name: Fraction(weight) for name, weight in weights.items()}
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


def test_temperature_is_the_worked_example():
    """Of 2000: 1077.3, 539.5, 247.9 and 135.3, which is 33.8 epochs of wiki."""
    shares = allocate(TEMPERATURE, 2000, POOLS, {}, {}, "error")
    assert amounts(shares) == {"web": 1077, "code": 540, "book": 248, "wiki": 135}
    assert [round(share.allocated / POOLS[share.source], 2) for share in shares] == [0.27, 1.35, 8.27, 33.75]
    shares = allocate(TEMPERATURE, 20_000_000, POOLS, {}, {}, "error")
    assert [round(share.allocated / 10_000, 1) for share in shares] == [1077.3, 539.5, 247.9, 135.3]
    assert round(Fraction(shares[3].allocated, 4 * 10_000), 1) == Fraction("33.8")


def test_temperature_records_its_parts_to_50_digits():
    parts = {share.source: Decimal(share.part) for share in allocate(TEMPERATURE, 2000, POOLS, {}, {}, "error")}
    for name, part in parts.items():
        assert len(part.as_tuple().digits) == 50
        half = Fraction(10) ** (part.adjusted() - 49) / 2
        assert (Fraction(part) - half) ** 333 < POOLS[name] ** 100 < (Fraction(part) + half) ** 333
    roots = allocate(Policy("temperature", tau=Decimal(2)), 10, {"a": 4_000_000, "b": 0}, {}, {}, "error")
    assert [share.part for share in roots] == ["2000", "0"]


@pytest.mark.parametrize("pools", [POOLS, {"a": 3 * 10**13 + 1, "b": 7, "c": 0}])
def test_temperature_one_is_proportional(pools):
    one = allocate(Policy("temperature", tau=Decimal(1)), 1999, pools, {}, {}, "error")
    assert amounts(one) == amounts(allocate(PROPORTIONAL, 1999, pools, {}, {}, "error"))
    assert {share.source: share.part for share in one} == {name: str(pool) for name, pool in pools.items()}


def test_unimax_is_the_worked_example():
    shares = allocate(UNIMAX, 2000, POOLS, {}, {}, "error")
    assert amounts(shares) == amounts(shares, "requested") == {"web": 932, "code": 932, "book": 120, "wiki": 16}
    assert amounts(shares, "capped") == {"web": False, "code": False, "book": True, "wiki": True}
    assert amounts(shares, "cap") == {"web": 16000, "code": 1600, "book": 120, "wiki": 16}


def test_a_source_of_unimax_may_have_a_cap_of_its_own():
    """What the policy asks for knows of the policy's cap alone."""
    shares = allocate(UNIMAX, 2000, POOLS, {}, {"code": Decimal(1)}, "redistribute")
    assert amounts(shares, "requested") == {"web": 932, "code": 932, "book": 120, "wiki": 16}
    assert amounts(shares) == {"web": 1464, "code": 400, "book": 120, "wiki": 16}
    with pytest.raises(BadInput, match="code: 932 requested, but a pool of 400 gives at most 400 at max_epochs 1"):
        allocate(UNIMAX, 2000, POOLS, {}, {"code": Decimal(1)}, "error")


@pytest.mark.parametrize("on_shortfall", ["error", "redistribute"])
def test_unimax_cannot_give_more_than_its_epochs(on_shortfall):
    with pytest.raises(BadInput, match=r"can give 136 of the budget of 2_000 .*lower the budget to 136"):
        allocate(UNIMAX, 2000, {"book": 30, "wiki": 4}, {}, {}, on_shortfall)


def test_the_least_of_a_source_is_taken_from_the_others_in_proportion():
    shares = allocate(PROPORTIONAL, 2000, POOLS, {}, {}, "error", {"wiki": Decimal("0.1"), "book": Decimal("0.001")})
    # 200 for wiki; the other 1800 as 4000 : 400 : 30, of which book has 12.19 and more than its least of 2.
    assert amounts(shares) == {"web": 1625, "code": 163, "book": 12, "wiki": 200}
    assert amounts(shares, "requested") == amounts(shares)


def test_a_cap_wins_over_what_is_least():
    shares = allocate(PROPORTIONAL, 2000, POOLS, {}, {"wiki": Decimal(4)}, "redistribute", {"wiki": Decimal("0.1")})
    assert amounts(shares)["wiki"] == 16 and amounts(shares, "requested")["wiki"] == 200
    assert sum(amounts(shares).values()) == 2000


def test_what_is_least_is_rounded_up_unless_that_is_too_much():
    least = {"a": Decimal("0.5"), "b": Decimal("0.5")}
    assert amounts(allocate(PROPORTIONAL, 3, {"a": 9, "b": 0, "c": 90}, {}, {}, "redistribute",
                            {"a": Decimal("0.5")})) == {"a": 2, "b": 0, "c": 1}
    assert amounts(allocate(PROPORTIONAL, 3, {"a": 9, "b": 900, "c": 90}, {}, {}, "error", least)) == {
        "a": 1, "b": 2, "c": 0}


def test_limits_are_further_caps():
    pools, weights = {"a": 10, "b": 90}, {"a": Fraction(1, 2), "b": Fraction(1, 2)}
    shares = allocate(FIXED, 100, pools, weights, {"a": Decimal(4)}, "redistribute", limits={"a": 30})
    assert [(share.allocated, share.cap, share.capped) for share in shares] == [(30, 30, True), (70, None, False)]
    with pytest.raises(BadInput, match="gives at most 30 by its curve's max_upsample"):
        allocate(FIXED, 100, pools, weights, {"a": Decimal(4)}, "error", limits={"a": 30})


def test_weights_are_exact():
    """GPT-3's table sums to 101%; written as parts of 101 it is what it was meant to be."""
    weights = {"cc": Fraction(60, 101), "webtext2": Fraction(22, 101), "books1": Fraction(8, 101),
               "books2": Fraction(8, 101), "wiki": Fraction(3, 101)}
    shares = allocate(FIXED, 101_000_000_000, dict.fromkeys(weights, 10**9), weights, {}, "error")
    assert [share.allocated for share in shares] == [60 * 10**9, 22 * 10**9, 8 * 10**9, 8 * 10**9, 3 * 10**9]


# --- properties


@st.composite
def problems(draw):
    names = draw(st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True))
    pools = {name: draw(st.integers(0, 60) | st.integers(0, 10**13)) for name in names}
    weights = {name: Fraction(draw(st.integers(0, 1000)), 1000) for name in names}
    epochs = {name: draw(st.none() | st.decimals("0.01", 8, places=2)) for name in names}
    budget = draw(st.integers(1, 200) | st.integers(1, 10**13))
    policy = draw(st.sampled_from([FIXED, PROPORTIONAL, TEMPERATURE, UNIMAX]))
    least = {name: Decimal(draw(st.integers(0, 1000 // len(names)))) / 1000 for name in names if draw(st.booleans())}
    limits = {name: draw(st.integers(0, 200)) for name in names if draw(st.integers(0, 3)) == 0}
    return policy, budget, pools, weights, epochs, draw(st.sampled_from(["error", "redistribute"])), least, limits


@given(problems())
def test_sums_are_exact_and_caps_and_lows_hold(problem):
    policy, budget, pools, *_, on_shortfall, least, limits = problem
    try:
        shares = allocate(*problem)
    except BadInput:
        return
    assert [share.source for share in shares] == list(pools)
    assert sum(share.allocated for share in shares) == sum(share.requested for share in shares) == budget
    lows = {name: -(-Fraction(weight) * budget // 1) for name, weight in least.items()}
    for share in shares:
        assert share.allocated >= 0 and (share.cap is None or share.allocated <= share.cap)
        assert share.cap is None or share.cap <= limits.get(share.source, share.cap)
        assert not share.capped or share.allocated == share.cap
        assert (share.part is None) == (policy is not TEMPERATURE)
        if sum(lows.values()) <= budget:
            low = lows.get(share.source, 0)
            assert share.allocated >= (low if share.cap is None else min(low, share.cap))
    if on_shortfall == "error":
        assert amounts(shares) == amounts(shares, "requested")


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_sources_does_not_matter(problem, random):
    policy, budget, pools, *more = problem
    shuffled = list(pools.items())
    random.shuffle(shuffled)
    results = []
    for each in (pools, dict(shuffled)):
        try:
            results.append(set(allocate(policy, budget, each, *more)))
        except BadInput as error:
            results.append(type(error))
    assert results[0] == results[1]


@given(problems(), st.data())
def test_a_greater_weight_never_gives_less(problem, data):
    """Others in proportion: the rounding of some may go up, but never at the cost of the one that is raised."""
    _, budget, pools, weights, *more = problem
    whole = sum(weights.values())
    if not whole:
        return
    weights = {name: weight / whole for name, weight in weights.items()}
    name = data.draw(st.sampled_from(sorted(weights)))
    raised = weights[name] + (1 - weights[name]) * Fraction(data.draw(st.integers(0, 100)), 100)
    rest = 1 - weights[name]
    after = {other: raised if other == name else weight * (1 - raised) / rest if rest else weight
             for other, weight in weights.items()}
    try:
        before, then = (amounts(allocate(FIXED, budget, pools, each, *more)) for each in (weights, after))
    except BadInput:
        return
    assert then[name] >= before[name]


@given(problems())
def test_agrees_with_the_oracle(problem):
    policy, budget, pools, weights, epochs, on_shortfall, least, limits = problem
    sources = [SimpleNamespace(name=name, weight=weights[name], max_epochs=epochs[name], min_weight=least.get(name))
               for name in pools]
    recipe = SimpleNamespace(policy=policy, budget=budget, sources=sources, on_shortfall=on_shortfall)
    try:
        expected = share_out(recipe, pools, limits)
    except Shortfall:
        with pytest.raises(BadInput):
            allocate(*problem)
    else:
        shares = allocate(*problem)
        assert [{name: getattr(share, name) for name in ("part", "requested", "allocated", "cap", "capped")}
                for share in shares] == list(expected.values())


def test_the_oracle_agrees_with_brute_force():
    """Of all ways to hand out 12 units within the bounds, the oracle's strays least from the parts, by squares over
    parts: what clamp(level x part) minimises.
    """
    for parts, lows, caps in itertools.product(
            [(7, 5, 1), (1, 1, 1), (9, 2, 2)],
            [(0, 0, 0), (0, 0, 4), (6, 1, 1)],
            [(99, 99, 99), (7, 6, 3), (5, 99, 99)]):
        got = hand_out(12, list(map(Fraction, parts)), lows, caps, sorted_as="abc")
        least = [min(low, cap) for low, cap in zip(lows, caps, strict=True)]
        splits = [(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)]
        ways = [way for way in splits
                if all(low <= each <= cap for low, each, cap in zip(least, way, caps, strict=True))]
        strays = {way: sum(Fraction(each * each, part) for each, part in zip(way, parts, strict=True)) for way in ways}
        assert got is not None and max(
            abs(x - y) for x, y in zip(got[0], min(strays, key=strays.get), strict=True)) <= 1
        assert sum(got[0]) == 12 and tuple(got[0]) in ways
