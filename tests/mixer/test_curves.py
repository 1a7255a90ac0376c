"""The integrals of a quality curve are those of another series, and more allocated never takes a document away."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plan_oracle import curve_targets

from mixer import curves
from mixer.recipe import Curve

SHAPES = [(20, "0.4", "7"), (5, "0.4", "7"), (1, "0", "2"), (4, "0.5", "0.3"), (3, "0", "100"), (50, "0.1", "1.01"),
          (10, "0.9", "3")]


@st.composite
def fitted(draw):
    """A curve, and pools of buckets that are about equal, as documents of up to so many units leave them."""
    buckets, discard, most = draw(st.sampled_from(SHAPES))
    curve = Curve("quality.score", buckets, Decimal(discard), Decimal(most))
    each, longest = draw(st.sampled_from([(0, 3), (10, 9), (1000, 50), (10**12, 10**6)]))
    ends = [each * number - draw(st.integers(0, min(longest, each * number))) for number in range(buckets)]
    ends = [*sorted(max(0, end) for end in ends), each * buckets]
    pools = [after - before for before, after in pairwise(ends)]
    return curve, sum(pools), pools[curves.discarded(curve):]


@settings(max_examples=60, deadline=None)
@given(fitted(), st.fractions(0, 1))
@example((Curve("quality.score", 4, Decimal("0.5"), Decimal("0.3")), 40, [10, 10]), Fraction(2, 3))  # p is 1 exactly
def test_buckets_give_what_the_oracle_says(made, share):
    curve, pool, pools = made
    allocated = int(share * curves.limit(curve, pools))
    found = curves.fit(curve, allocated, pool, pools)
    assert (found.power, found.growth, list(found.allocated)) == curve_targets(curve, allocated, pool, pools)
    assert all(given <= Fraction(curve.max_upsample) * each for given, each in zip(found.allocated, pools, strict=True))
    assert allocated - 2 * len(pools) < sum(found.allocated) + 1 <= allocated + 1


@settings(max_examples=25, deadline=None)
@given(fitted(), st.lists(st.fractions(0, 1), min_size=2, max_size=4), st.integers(0, 10**6))
def test_more_takes_nothing_from_any_bucket(made, shares, more):
    curve, pool, pools = made
    limit = curves.limit(curve, pools)
    at = {int(share * limit) for share in shares}
    steps = sorted(at | {min(limit, each + 1) for each in at} | {min(limit, max(at) + more)})
    given = [curves.fit(curve, allocated, pool, pools).allocated for allocated in steps]
    for less, most in pairwise(given):
        assert all(one <= other for one, other in zip(less, most, strict=True))


@pytest.mark.parametrize(("allocated", "power", "growth"), [
    (1_000, "2.00", "2.00"),  # little is asked for: as steep as a curve may be
    (25_000, "2.00", "1.72"), (36_000, "1.48", "0.00"), (60_000, "0.43", "0.00"),
])
def test_a_curve_is_as_steep_as_its_best_bucket_allows(allocated, power, growth):
    curve = Curve("quality.score", 20, Decimal("0.4"), Decimal(7))
    pools = [1000] * 12
    found = curves.fit(curve, allocated, 20_000, pools)
    assert (str(round(found.power, 2)), str(round(found.growth, 2))) == (power, growth)
    assert list(found.allocated) == sorted(found.allocated)
    assert found.allocated[-1] == 7000 or allocated == 1_000


def test_nothing_allocated_or_no_score_gives_nothing():
    curve = Curve("quality.score", 2, Decimal(0), Decimal(7))
    assert curves.fit(curve, 0, 10, [5, 5]).allocated == (0, 0)
    assert curves.fit(curve, 0, 0, [0, 0]).allocated == (0, 0)
    assert curves.limit(curve, [0, 0]) == 0
