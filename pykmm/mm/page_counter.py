# SPDX-License-Identifier: GPL-2.0-only
"""Charging a level and all above it — ``mm/page_counter.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.page_counter import page_counter

__all__ = [
    "page_counter_cancel",
    "page_counter_charge",
    "page_counter_margin",
    "page_counter_try_charge",
    "page_counter_uncharge",
]

_PLAIN = "no peaks, no failure counts, no protected memory"


@mirrors("mm/page_counter.c", checked="v7.2", abridged=_PLAIN, inline=True)
def page_counter_cancel(counter: page_counter, nr_pages: int) -> None:
    """Take *nr_pages* off one level.

    Context: Any.
    """
    counter._cancel(nr_pages)


@mirrors("mm/page_counter.c", checked="v7.2", abridged=_PLAIN)
def page_counter_charge(counter: page_counter, nr_pages: int) -> None:
    """Charge *nr_pages* to all levels, beyond their limits if it must be.

    Context: Any.
    """
    level: page_counter | None = counter
    while level is not None:
        level._charge(nr_pages)
        level = level.parent


@mirrors("mm/page_counter.c", checked="v7.2", abridged=_PLAIN)
def page_counter_try_charge(
    counter: page_counter, nr_pages: int
) -> page_counter | None:
    """Charge *nr_pages* to all levels, or to none.

    Context: Any.
    Return: None, or the first level that has hit its limit (what C stores through
        ``fail``).
    """
    level: page_counter | None = counter
    while level is not None:
        if not level._try_charge(nr_pages):
            _cancel_below(counter, level, nr_pages)
            return level
        level = level.parent
    return None


def _cancel_below(counter: page_counter, fail: page_counter, nr_pages: int) -> None:
    level: page_counter | None = counter
    while level is not None and level is not fail:
        page_counter_cancel(level, nr_pages)
        level = level.parent


@mirrors("mm/page_counter.c", checked="v7.2", abridged=_PLAIN)
def page_counter_uncharge(counter: page_counter, nr_pages: int) -> None:
    """Take *nr_pages* off all levels.

    Context: Any.
    """
    level: page_counter | None = counter
    while level is not None:
        page_counter_cancel(level, nr_pages)
        level = level.parent


def page_counter_margin(counter: page_counter) -> int:
    """Return how many pages one level has room for.

    Context: Any; the answer may be old when it arrives.
    """
    usage, limit = counter._read("mem_cgroup_margin")
    return max(limit - usage, 0)
