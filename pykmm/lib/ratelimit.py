# SPDX-License-Identifier: GPL-2.0-only
"""Saying things only so often — ``lib/ratelimit.c``.

The clock decides whether something is said, and what is said takes steps of its
own (a report locks each task), so reading the clock is a step; the rest is not.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..linux.jiffies import HZ, jiffies
from ..linux.printk import pr_warn

__all__ = [
    "DEFAULT_RATELIMIT_BURST",
    "DEFAULT_RATELIMIT_INTERVAL",
    "___ratelimit",
    "ratelimit_state",
]

DEFAULT_RATELIMIT_BURST: Final = 10
_SECONDS: Final = 5


def DEFAULT_RATELIMIT_INTERVAL() -> int:  # noqa: N802 -- Linux's macro
    """Return how long a window is, in jiffies."""
    return _SECONDS * HZ()


class ratelimit_state:
    """How often something was said in the current window, and how often not."""

    def __init__(self) -> None:
        self.begin: int | None = None
        self.rs_n_left = DEFAULT_RATELIMIT_BURST
        self.missed = 0


@mirrors(
    "lib/ratelimit.c",
    checked="v7.2",
    abridged="always the default window and burst; nobody contends for the lock",
)
def ___ratelimit(rs: ratelimit_state, func: str) -> bool:
    """Tell whether *func* may say something now.

    The first call of a new window tells how many were suppressed in the last one.

    Context: Any.
    """
    now = jiffies()
    if rs.begin is None:
        rs.begin = now
    if now > rs.begin + DEFAULT_RATELIMIT_INTERVAL():
        rs.begin, rs.rs_n_left = now, DEFAULT_RATELIMIT_BURST
        if rs.missed:
            pr_warn(f"{func}: {rs.missed} callbacks suppressed")
        rs.missed = 0
    if rs.rs_n_left > 0:
        rs.rs_n_left -= 1
        return True
    rs.missed += 1
    return False
