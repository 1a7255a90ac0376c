"""What a keep rule says of each row of a column."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mixer.recipe import Rule

Array = np.ndarray[Any, np.dtype[Any]]


def passes(rule: Rule, column: pa.Array) -> tuple[Array, Array]:
    """(passed, missing), two bool arrays of shape (rows,). A missing value never passes.

    Thresholds compare in the column's own type: 0.65 against a float32 column is float32(0.65).
    """
    missing = np.asarray(column.is_null())
    if rule.kind in ("min", "max"):
        assert isinstance(rule.value, int | Decimal)
        filled = np.asarray(column.fill_null(0))
        bound: Any = filled.dtype.type(rule.value)
        good = filled >= bound if rule.kind == "min" else filled <= bound
    else:
        values = rule.value if isinstance(rule.value, tuple) else (rule.value,)
        same = pc.is_in(column, value_set=pa.array([_as(value, column.type) for value in values], column.type))
        good = np.asarray(same)
        if rule.kind == "not_in":
            good = ~good
    return good & ~missing, missing


def verdict(rule: Rule, value: object) -> str:
    """Why a value fails a rule, as in "words.count 31 < 50"."""
    if value is None:
        return f"{rule.column} is missing"
    sign = {"min": "<", "max": ">", "is": "is not", "in": "is not in", "not_in": "is in"}[rule.kind]
    bound = rule.text.removeprefix(f"{rule.column} {rule.kind} ")
    return f"{rule.column} {_shown(rule, value)} {sign} {bound}"


def _shown(rule: Rule, value: object) -> str:
    """Six digits of a float, or as many as tell it from the bounds that it fails."""
    if not isinstance(value, float):
        return str(value)
    bounds = [float(bound) for bound in (rule.value if isinstance(rule.value, tuple) else (rule.value,))]
    texts = [f"{value:.{digits}g}" for digits in (6, 9, 17)]
    return next((text for text in texts if float(text) not in bounds), texts[0])


def _as(value: object, kind: pa.DataType) -> object:
    return float(value) if isinstance(value, Decimal) and pa.types.is_floating(kind) else value
