# SPDX-License-Identifier: GPL-2.0-only
"""Reference counts that do not wrap — ``include/linux/refcount.h``.

A count that was abused sticks at a value in the middle of the negative range, so
that the object leaks instead of being freed under somebody. Here the abuse is
reported at once; a patch that replaces :func:`refcount_warn_saturate` lets the
machine go on with the saturated count, as Linux does.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.ledger import Account
from ..engine.step import enter, leave
from ..engine.thread import current_thread
from ..errors import RefcountError
from ._primitive import Primitive

if TYPE_CHECKING:
    from ..engine.objects import Struct

__all__ = [
    "REFCOUNT_MAX",
    "REFCOUNT_SATURATED",
    "refcount_add",
    "refcount_dec",
    "refcount_dec_and_test",
    "refcount_inc",
    "refcount_inc_not_zero",
    "refcount_read",
    "refcount_saturation_type",
    "refcount_set",
    "refcount_t",
    "refcount_warn_saturate",
]

REFCOUNT_MAX: Final = (1 << 31) - 1
REFCOUNT_SATURATED: Final = -(1 << 30)


class refcount_saturation_type(Enum):
    """How a count was abused, in Linux's words."""

    REFCOUNT_ADD_NOT_ZERO_OVF = "saturated; leaking memory"
    REFCOUNT_ADD_OVF = "saturated; leaking memory (added)"
    REFCOUNT_ADD_UAF = "addition on 0; use-after-free"
    REFCOUNT_SUB_UAF = "underflow; use-after-free"
    REFCOUNT_DEC_LEAK = "decrement hit 0; leaking memory"


class refcount_t(Primitive):
    """How many references keep an object. ``refs`` is for looking without a step."""

    def __init__(self, value: int = 1, owner: Struct | None = None) -> None:
        self.owner = owner
        self.refs = value
        if owner is None:
            super().__init__()

    @property
    def counter(self) -> int:
        """The same number, by the name that an ``atomic_t`` has for it."""
        return self.refs


@mirrors("lib/refcount.c", checked="v7.2", abridged="a report instead of a warning")
def refcount_warn_saturate(r: refcount_t, t: refcount_saturation_type) -> None:
    """Say that *r* was abused in the manner *t*; its count sticks from now on.

    Context: Inside the step that abused it: must not take another step.
    """
    was, r.refs = r.refs, REFCOUNT_SATURATED
    here = current_thread()
    raise RefcountError(
        f"{r.name}: {t.value}",
        facts=[
            ("value", str(was)),
            ("by", here.name),
            *Account(r, here.machine.events).history(),
        ],
    )


_Abuse = refcount_saturation_type


def _abused(r: refcount_t, how: refcount_saturation_type) -> Access:
    if not current_thread().machine.stopping:
        refcount_warn_saturate(r, how)
    r.refs = REFCOUNT_SATURATED
    return Access.WRITE


@mirrors("include/linux/refcount.h", checked="v7.2", inline=True)
def refcount_set(r: refcount_t, n: int) -> None:
    """Write the count; only its object's maker may.

    Context: Any.
    """
    t = enter(r, "refcount_set")
    r.refs = n
    leave(t, r, Access.WRITE, n)


@mirrors("include/linux/refcount.h", checked="v7.2", inline=True)
def refcount_read(r: refcount_t) -> int:
    """Read the count.

    Context: Any; the answer may be old when it arrives.
    """
    t = enter(r, "refcount_read")
    value = r.refs
    leave(t, r, Access.READ, value)
    return value


def _add(r: refcount_t, n: int, overflow: refcount_saturation_type) -> Access:
    old = r.refs
    if old == 0:
        return _abused(r, _Abuse.REFCOUNT_ADD_UAF)
    if old < 0 or old + n > REFCOUNT_MAX:
        return _abused(r, overflow)
    r.refs = old + n
    return Access.INC


@mirrors("include/linux/refcount.h", checked="v7.2", inline=True)
def refcount_add(i: int, r: refcount_t) -> None:
    """Take *i* references; the caller holds one already.

    Context: Any.
    """
    t = enter(r, "refcount_add")
    leave(t, r, _add(r, i, _Abuse.REFCOUNT_ADD_OVF), r.refs)


@mirrors("include/linux/refcount.h", checked="v7.2", inline=True)
def refcount_inc(r: refcount_t) -> None:
    """Take a reference; the caller holds one already.

    Context: Any.
    """
    t = enter(r, "refcount_inc")
    leave(t, r, _add(r, 1, _Abuse.REFCOUNT_ADD_OVF), r.refs)


@mirrors("include/linux/refcount.h", checked="v7.2", inline=True)
def refcount_inc_not_zero(r: refcount_t) -> bool:
    """Take a reference unless the last one has gone.

    Context: Any; the memory itself must be kept, by RCU for instance.
    Return: Whether it was taken.
    """
    t = enter(r, "refcount_inc_not_zero")
    if r.refs == 0:
        leave(t, r, Access.READ, 0)
        return False
    leave(t, r, _add(r, 1, _Abuse.REFCOUNT_ADD_NOT_ZERO_OVF), r.refs)
    return True


@mirrors("include/linux/refcount.h", checked="v7.2", inline=True)
def refcount_dec_and_test(r: refcount_t) -> bool:
    """Give a reference back.

    Context: Any.
    Return: Whether it was the last one; never for a count that was abused.
    """
    t = enter(r, "refcount_dec_and_test")
    old = r.refs
    if old <= 0:
        leave(t, r, _abused(r, _Abuse.REFCOUNT_SUB_UAF), r.refs)
        return False
    r.refs = old - 1
    leave(t, r, Access.DEC if old > 1 else Access.WRITE, r.refs)
    return old == 1


def _drop(r: refcount_t) -> bool:
    """Give a reference back; whose is the last one must make no difference.

    Context: Any. See :mod:`._drop`.
    Return: Whether it was the last one.
    """
    t = enter(r, "refcount_dec_and_call")
    old = r.refs
    if old <= 0:
        leave(t, r, _abused(r, _Abuse.REFCOUNT_SUB_UAF), r.refs)
        return False
    r.refs = old - 1
    leave(t, r, Access.DROP, r.refs)
    return old == 1


@mirrors("include/linux/refcount.h", checked="v7.2", inline=True)
def refcount_dec(r: refcount_t) -> None:
    """Give a reference back that cannot be the last one.

    Context: Any.
    """
    t = enter(r, "refcount_dec")
    if r.refs <= 1:
        leave(t, r, _abused(r, _Abuse.REFCOUNT_DEC_LEAK), r.refs)
        return
    r.refs -= 1
    leave(t, r, Access.DEC, r.refs)
