"""How kernels are compiled: cached on disk, without the GIL, and never with fastmath, which would change results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """The function compiled by numba at its first call. Kernels fill arrays they are given; they never grow one."""
    return cast(Kernel, numba.njit(cache=True, nogil=True)(function))


def helper(function: Kernel) -> Kernel:
    """A small function for kernels, put into each that calls it: a call with arrays costs more than what it does."""
    return cast(Kernel, numba.njit(cache=True, nogil=True, forceinline=True)(function))
