# SPDX-License-Identifier: GPL-2.0-only
"""Atomic counters — ``include/linux/atomic.h``.

Each operation is one step, and its access class says what the caller can have
learned from it: increments commute, and so do decrements that leave something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.ledger import Account
from ..engine.step import enter, leave
from ..engine.thread import thread_here
from ..errors import RefcountError
from ._primitive import Primitive

if TYPE_CHECKING:
    from ..engine.objects import Struct
    from ..engine.thread import Thread

__all__ = [
    "atomic_add",
    "atomic_add_return",
    "atomic_add_unless",
    "atomic_cmpxchg",
    "atomic_dec",
    "atomic_dec_and_test",
    "atomic_dec_return",
    "atomic_inc",
    "atomic_inc_and_test",
    "atomic_inc_not_zero",
    "atomic_inc_return",
    "atomic_long_add",
    "atomic_long_dec",
    "atomic_long_inc",
    "atomic_long_read",
    "atomic_long_set",
    "atomic_long_sub",
    "atomic_long_t",
    "atomic_read",
    "atomic_set",
    "atomic_sub",
    "atomic_sub_return",
    "atomic_t",
    "atomic_xchg",
]


class atomic_t(Primitive):
    """A number that threads count in. ``counter`` is for looking without a step."""

    #: Values outside of ``-limit <= v < limit`` are a report: C would wrap.
    limit = 1 << 31

    def __init__(self, value: int = 0, owner: Struct | None = None) -> None:
        self.owner = owner
        self.counter = value
        if owner is None:
            super().__init__()

    def _to(self, value: int) -> int:
        if not -self.limit <= value < self.limit:
            raise RefcountError(f"{self.name} leaves the range of its type: {value}")
        self.counter = value
        return value


class atomic_long_t(atomic_t):
    """The same in 64 bits."""

    limit = 1 << 63


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_read(v: atomic_t) -> int:
    """Read the counter.

    Context: Any; the answer may be old when it arrives.
    """
    t = thread_here()
    if t is not None and t.is_boot and (v.owner or v)._death is None:
        return v.counter  # the host's look: no step
    t = enter(v, "atomic_read")
    value = v.counter
    leave(t, v, Access.READ, value)
    return value


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_set(v: atomic_t, i: int) -> None:
    """Write the counter.

    Context: Any.
    """
    t = enter(v, "atomic_set")
    v._to(i)
    leave(t, v, Access.WRITE, i)


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_inc(v: atomic_t) -> None:
    """Add one.

    Context: Any.
    """
    t = enter(v, "atomic_inc")
    value = v._to(v.counter + 1)
    # From zero it is no mere reference more: others may have looked for zero.
    leave(t, v, Access.WRITE if value == 1 else Access.INC, value)


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_dec(v: atomic_t) -> None:
    """Subtract one.

    Context: Any.
    """
    t = enter(v, "atomic_dec")
    value = v._to(v.counter - 1)
    leave(t, v, Access.DEC if value > 0 else Access.WRITE, value)


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_add(i: int, v: atomic_t) -> None:
    """Add *i* without looking at the result.

    Context: Any.
    """
    _add(v, i, "atomic_add")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_sub(i: int, v: atomic_t) -> None:
    """Subtract *i* without looking at the result.

    Context: Any.
    """
    _add(v, -i, "atomic_sub")


def _add(v: atomic_t, i: int, kind: str) -> None:
    t = enter(v, kind)
    leave(t, v, Access.ADD, v._to(v.counter + i))


def _add_return(v: atomic_t, i: int, kind: str) -> int:
    t = enter(v, kind)
    value = v._to(v.counter + i)
    leave(t, v, Access.WRITE, value)
    return value


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_inc_return(v: atomic_t) -> int:
    """Add one.

    Context: Any.
    Return: The value after.
    """
    return _add_return(v, 1, "atomic_inc_return")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_dec_return(v: atomic_t) -> int:
    """Subtract one.

    Context: Any.
    Return: The value after.
    """
    return _add_return(v, -1, "atomic_dec_return")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_add_return(i: int, v: atomic_t) -> int:
    """Add *i*.

    Context: Any.
    Return: The value after.
    """
    return _add_return(v, i, "atomic_add_return")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_sub_return(i: int, v: atomic_t) -> int:
    """Subtract *i*.

    Context: Any.
    Return: The value after.
    """
    return _add_return(v, -i, "atomic_sub_return")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_inc_and_test(v: atomic_t) -> bool:
    """Add one.

    Context: Any.
    Return: Whether that made it zero.
    """
    return _add_return(v, 1, "atomic_inc_and_test") == 0


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_dec_and_test(v: atomic_t) -> bool:
    """Give one reference back; below zero nobody counts, so that is a report.

    Context: Any.
    Return: Whether it was the last one.
    """
    t = enter(v, "atomic_dec_and_test")
    value = v.counter - 1
    if value < 0 and not t.machine.stopping:
        raise _below_zero(t, v, value)
    v.counter = value
    leave(t, v, Access.DEC if value > 0 else Access.WRITE, value)
    return value == 0


def _drop(v: atomic_t) -> bool:
    """Give one reference back; whose is the last one must make no difference.

    Context: Any. See :mod:`._drop`.
    Return: Whether it was the last one.
    """
    t = enter(v, "atomic_dec_and_call")
    value = v.counter - 1
    if value < 0 and not t.machine.stopping:
        raise _below_zero(t, v, value)
    v.counter = value
    leave(t, v, Access.DROP, value)
    return value == 0


def _below_zero(t: Thread, v: atomic_t, value: int) -> RefcountError:
    return RefcountError(
        f"{v.name} drops below zero: {value + 1} -> {value}",
        facts=[("dropped by", t.name), *Account(v, t.machine.events).history()],
    )


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_inc_not_zero(v: atomic_t) -> bool:
    """Take a reference unless the last one has gone.

    Context: Any.
    Return: Whether it was taken.
    """
    t = enter(v, "atomic_inc_not_zero")
    if v.counter == 0:
        leave(t, v, Access.READ, 0)
        return False
    leave(t, v, Access.INC, v._to(v.counter + 1))
    return True


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_add_unless(v: atomic_t, a: int, u: int) -> bool:
    """Add *a* unless the counter is *u*; a refusal has only read.

    Context: Any.
    Return: Whether it was added.
    """
    t = enter(v, "atomic_add_unless")
    if v.counter == u:
        leave(t, v, Access.READ, u)
        return False
    leave(t, v, Access.WRITE, v._to(v.counter + a))
    return True


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_cmpxchg(v: atomic_t, old: int, new: int) -> int:
    """Write *new* if the counter is *old*; a failure has only read.

    Context: Any.
    Return: The value before: *old* means success.
    """
    t = enter(v, "atomic_cmpxchg")
    before = v.counter
    if before == old:
        v._to(new)
    leave(t, v, Access.WRITE if before == old else Access.READ, v.counter)
    return before


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_xchg(v: atomic_t, new: int) -> int:
    """Write *new*.

    Context: Any.
    Return: The value before.
    """
    t = enter(v, "atomic_xchg")
    before = v.counter
    v._to(new)
    leave(t, v, Access.WRITE, new)
    return before


#: Reading is the same for both widths.
atomic_long_read = atomic_read


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_long_set(v: atomic_long_t, i: int) -> None:
    """Write the counter.

    Context: Any.
    """
    atomic_set(v, i)


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_long_add(i: int, v: atomic_long_t) -> None:
    """Add *i* without looking at the result.

    Context: Any.
    """
    _add(v, i, "atomic_long_add")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_long_sub(i: int, v: atomic_long_t) -> None:
    """Subtract *i* without looking at the result.

    Context: Any.
    """
    _add(v, -i, "atomic_long_sub")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_long_inc(v: atomic_long_t) -> None:
    """Add one without looking at the result.

    Context: Any.
    """
    _add(v, 1, "atomic_long_inc")


@mirrors("include/linux/atomic.h", checked="v7.2", inline=True)
def atomic_long_dec(v: atomic_long_t) -> None:
    """Subtract one without looking at the result.

    Context: Any.
    """
    _add(v, -1, "atomic_long_dec")
