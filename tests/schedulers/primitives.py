# SPDX-License-Identifier: GPL-2.0-only
"""Primitives of all access classes, and steps behind guards, for explorer tests."""

from __future__ import annotations

from functools import partial

from pykmm.engine import Access, AnyOf, Field, Root, Sleep, Struct, enter, leave


class Ref(Root):
    """A reference count."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def inc(self) -> None:
        t = enter(self, "inc")
        self.count += 1
        leave(t, self, Access.INC, self.count)

    def dec(self) -> bool:
        """Drop a reference if there is one; whether it was the last one."""
        t = enter(self, "dec")
        if self.count == 0:
            leave(t, self, Access.READ, 0)
            return False
        self.count -= 1
        last = self.count == 0
        leave(t, self, Access.WRITE if last else Access.DEC, self.count)
        return last

    def _is_low(self) -> bool:
        return self.count <= 1

    def wait_low(self) -> None:
        t = enter(self, "wait_low", self._is_low, Sleep.INTERRUPTIBLE)
        leave(t, self, Access.WAIT, self.count, blocking=True)


class Flag(Root):
    """Something to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.up = False

    def _is_up(self) -> bool:
        return self.up

    def raise_(self) -> bool:
        """Set it; whether it was set before, which is only a look."""
        t = enter(self, "raise")
        before, self.up = self.up, True
        leave(t, self, Access.READ if before else Access.WRITE, self.up)
        return before

    def lower(self) -> None:
        t = enter(self, "lower")
        self.up = False
        leave(t, self, Access.WRITE, self.up)

    def look(self) -> bool:
        t = enter(self, "look")
        up = self.up
        leave(t, self, Access.READ, up)
        return up

    def wait(self) -> None:
        t = enter(self, "wait", self._is_up, Sleep.INTERRUPTIBLE)
        leave(t, self, Access.WAIT, self.up, blocking=True)

    def take(self) -> None:
        """Wait for it and lower it in one step."""
        t = enter(self, "take", self._is_up, Sleep.INTERRUPTIBLE)
        self.up = False
        leave(t, self, Access.WRITE, self.up, blocking=True)

    def wait_or(self, other: Flag) -> None:
        """Look at both flags, then wait until one of them is up."""
        if self.look() or other.look():
            return
        either = AnyOf((self, self._is_up), (other, other._is_up))
        t = enter(self, "wait_or", either, Sleep.INTERRUPTIBLE)
        leave(t, self, Access.WAIT, self.up, blocking=True)


class Semaphore(Root):
    """Permits that come one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.permits = 0

    def _has_some(self) -> bool:
        return self.permits > 0

    def up(self) -> None:
        t = enter(self, "up")
        self.permits += 1
        leave(t, self, Access.ADD, self.permits)

    def up_two(self) -> None:
        t = enter(self, "up_two")
        self.permits += 2
        leave(t, self, Access.ADD, self.permits)

    def down(self) -> None:
        t = enter(self, "down", self._has_some, Sleep.INTERRUPTIBLE)
        self.permits -= 1
        leave(t, self, Access.WRITE, self.permits, blocking=True)

    def _has(self, many: int) -> bool:
        return self.permits >= many

    def wait_for(self, many: int) -> None:
        t = enter(self, "wait_for", partial(self._has, many), Sleep.INTERRUPTIBLE)
        leave(t, self, Access.WAIT, self.permits, blocking=True)

    def _lacks(self, many: int) -> bool:
        return self.permits < many

    def wait_room(self, many: int) -> None:
        t = enter(self, "wait_room", partial(self._lacks, many), Sleep.INTERRUPTIBLE)
        leave(t, self, Access.WAIT, self.permits, blocking=True)


class Box(Struct):
    """Something that dies, with one lockless field."""

    def __init__(self) -> None:
        self._register()
        self.field = Field(self, "value")
        self.value = 0

    def read(self) -> int:
        t = enter(self.field, "read")
        value = self.value
        leave(t, self.field, Access.READ, value)
        return value

    def write(self, value: int) -> None:
        t = enter(self.field, "write")
        self.value = value
        leave(t, self.field, Access.WRITE, value)

    def free(self) -> None:
        self._free()
