# SPDX-License-Identifier: GPL-2.0-only
"""Limits of a process — ``include/uapi/linux/resource.h``.

Of the sixteen only those are looked at that have to do with address spaces.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

__all__ = [
    "INIT_RLIMITS",
    "RLIMIT_AS",
    "RLIMIT_DATA",
    "RLIMIT_MEMLOCK",
    "RLIMIT_NPROC",
    "RLIMIT_STACK",
    "RLIM_INFINITY",
    "RLIM_NLIMITS",
    "rlimit64",
]

RLIMIT_DATA: Final = 2
RLIMIT_STACK: Final = 3
RLIMIT_NPROC: Final = 6
RLIMIT_MEMLOCK: Final = 8
RLIMIT_AS: Final = 9
RLIM_NLIMITS: Final = 16
RLIM_INFINITY: Final = 2**64 - 1

_STK_LIM: Final = 8 << 20
_MLOCK_LIMIT: Final = 8 << 20


@frozen
class rlimit64:
    """A soft limit, which counts, and the hard one, up to which it may be raised."""

    rlim_cur: int = RLIM_INFINITY
    rlim_max: int = RLIM_INFINITY


def _first(limit: int) -> rlimit64:
    """Return what init has; all others inherit it."""
    if limit == RLIMIT_STACK:
        return rlimit64(_STK_LIM)
    if limit == RLIMIT_MEMLOCK:
        return rlimit64(_MLOCK_LIMIT, _MLOCK_LIMIT)
    return rlimit64()


INIT_RLIMITS: Final = tuple(_first(limit) for limit in range(RLIM_NLIMITS))
