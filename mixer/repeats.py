"""What repeated data is worth: Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", arXiv:2305.16264.

U unique units seen E times are worth as much as D' = U + U R* (1 - e^(-R/R*)) that are all new, with R = E - 1 and the
R* that they measured. It was fitted where a whole corpus was repeated: for a small source of a large mixture it is a
hint, which a plan reports and nothing decides by.
"""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

# R* of data, appendix A (15.39 where the paper rounds): after so many repeats one more is worth 1/e of a new one.
FADES_AFTER = Decimal("15.387756")

_ROUNDED = Context(prec=50)
_GUARDED = Context(prec=70)


def effective(unique: int, epochs: Fraction) -> Decimal:
    """The new units that `unique` ones are worth which are seen `epochs` times, to 50 digits; less than one epoch is
    that share of them, all new.
    """
    if epochs <= 1:
        return _decimal(_ROUNDED, unique * epochs)
    repeats = _decimal(_GUARDED, epochs - 1)
    worn = _GUARDED.exp(_GUARDED.divide(-repeats, FADES_AFTER))
    worth = _GUARDED.add(1, _GUARDED.multiply(FADES_AFTER, _GUARDED.subtract(1, worn)))
    return _ROUNDED.multiply(Decimal(unique), worth)


def _decimal(context: Context, number: Fraction) -> Decimal:
    return context.divide(Decimal(number.numerator), Decimal(number.denominator))
