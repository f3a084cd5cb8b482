# SPDX-License-Identifier: GPL-2.0-only
"""Virtual time, in jiffies: it moves when somebody waits for it, never by itself."""

from __future__ import annotations

from _thread import allocate_lock

from .objects import Named

__all__ = ["INITIAL_JIFFIES", "Clock"]

#: The clock's reading at boot. Linux starts just short of a wrap, to find bugs;
#: a small number reads better in a trace.
INITIAL_JIFFIES = 1000


class Clock(Named):
    """The machine's clock and what is due when.

    ``due`` holds expiries that a waiter's guard looks at; with idle timers the
    clock jumps to the earliest of them when nothing else can run.
    """

    def __init__(self) -> None:
        self.now = INITIAL_JIFFIES
        self.due: list[int] = []
        #: The host lets no timer fire.
        self.stands = False
        # Free running only: several threads may have slept for the same time.
        self._moving = allocate_lock()

    @property
    def uid(self) -> str:
        return "jiffies"

    @property
    def name(self) -> str:
        return "jiffies"

    def reach(self, expires: int) -> None:
        """Something due at *expires* happened: it is at least that late now."""
        with self._moving:
            if expires in self.due:
                self.due.remove(expires)
            self.now = max(self.now, expires)

    def forget(self, expires: int) -> None:
        """Nothing is due at *expires* any more, as far as one waiter goes."""
        with self._moving:
            if expires in self.due:
                self.due.remove(expires)

    def jump(self) -> bool:
        """Move on to the earliest expiry ahead; False if there is none."""
        ahead = [expires for expires in self.due if expires > self.now]
        if not ahead:
            return False
        self.now = min(ahead)
        return True
