# SPDX-License-Identifier: GPL-2.0-only
"""A number that threads can wait for, and swap."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pykmm.engine import Access, Counter, Sleep, enter, leave

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Awaited", "awaited"]


class Awaited(Counter):
    """What a loop that only looks waits for.

    Whoever waits for ever makes no mistake, as where a tool assumes that it ends.
    """

    def _is(self, wanted: int) -> bool:
        return self._value == wanted

    def _is_not(self, unwanted: int) -> bool:
        return self._value != unwanted

    def _is_below(self, limit: int) -> bool:
        return self._value < limit

    def _is_above(self, limit: int) -> bool:
        return self._value > limit

    def wait(self, guard: Callable[[], bool]) -> None:
        """Look as soon as *guard*, one of the methods above, holds."""
        t = enter(self, "await", guard, Sleep.INTERRUPTIBLE)
        leave(t, self, Access.WAIT, self._value, blocking=True)

    def wait_for(self, wanted: int) -> None:
        """Wait until it is this number."""
        self.wait(partial(self._is, wanted))

    def add(self, amount: int = 1) -> None:
        """Add without looking; additions of one kind have to add the same."""
        t = enter(self, f"add {amount}")
        self._value += amount
        leave(t, self, Access.ADD, self._value)

    def swap(self, value: int) -> int:
        """Write *value*; return the one before."""
        t = enter(self, "swap")
        before, self._value = self._value, value
        leave(t, self, Access.WRITE, value)
        return before

    def swap_if(self, old: int, new: int) -> int:
        """Write *new* if the value is *old*; return the one before."""
        t = enter(self, "swap_if")
        before = self._value
        if before == old:
            self._value = new
        leave(t, self, Access.WRITE if before == old else Access.READ, self._value)
        return before

    def swap_once(self, guard: Callable[[], bool], value: int) -> None:
        """Write *value* as soon as *guard* holds, in the same step."""
        t = enter(self, "swap_once", guard, Sleep.INTERRUPTIBLE)
        self._value = value
        leave(t, self, Access.WRITE, value, blocking=True)


def awaited(*values: int) -> list[Awaited]:
    """Make one of each value."""
    return [Awaited(value) for value in values]
