"""Golden values of D'/U, from the facts on mixing formulas."""

from decimal import Decimal
from fractions import Fraction

import pytest

from mixer.repeats import effective

GOLDEN = {1: "1.000", 2: "1.968", 3: "2.875", 4: "3.726", 5: "4.522", 7: "5.969", 8: "6.624", 10: "7.814",
          16: "10.582", 32: "14.335", 64: "16.131"}


@pytest.mark.parametrize(("epochs", "worth"), GOLDEN.items())
def test_golden_values(epochs, worth):
    assert round(effective(1, Fraction(epochs)), 3) == Decimal(worth)
    assert round(effective(10**12, Fraction(epochs)), -9) == Decimal(worth) * 10**12


def test_the_limit():
    assert round(effective(1, Fraction(10**9)), 3) == Decimal("16.388")


def test_up_to_one_epoch_all_is_new():
    assert effective(400, Fraction(1, 4)) == 100
    assert effective(400, Fraction(0)) == effective(0, Fraction(7)) == 0
    assert effective(3, Fraction(1)) == 3


def test_more_epochs_are_worth_more_but_less_than_new_data():
    worths = [effective(1000, Fraction(number, 10)) for number in range(10, 400)]
    assert worths == sorted(set(worths))
    assert all(worth < 100 * number for number, worth in enumerate(worths[1:], 11))
