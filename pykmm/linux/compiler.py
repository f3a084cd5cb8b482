# SPDX-License-Identifier: GPL-2.0-only
"""Marked accesses — ``include/asm-generic/rwonce.h``, ``include/linux/compiler.h``.

They are views that keep the type: ``READ_ONCE(task).mm`` reads ``task->mm`` in
one step without its lock. A plain access to a lockless field is a step as well,
but one that a data-race detector may complain about.
"""

from __future__ import annotations

from typing import TypeVar

from ..engine.fields import Once
from ..engine.objects import Struct
from ..engine.thread import thread_here

__all__ = ["READ_ONCE", "WRITE_ONCE", "data_race"]

_S = TypeVar("_S", bound=Struct)


class _Read(Once):
    __slots__ = ()
    _kind = "READ_ONCE"


class _Write(Once):
    __slots__ = ()
    _kind = "WRITE_ONCE"


class _Race(Once):
    __slots__ = ()
    _kind = "data_race"


def READ_ONCE(obj: _S) -> _S:  # noqa: N802 -- Linux's name
    """View *obj* through marked reads."""
    t = thread_here()
    if t is not None and t.is_boot:
        return obj  # the host's accesses are no steps, marked or not
    return _Read(obj)  # type: ignore[return-value]  # a view of it


def WRITE_ONCE(obj: _S) -> _S:  # noqa: N802 -- Linux's name
    """View *obj* through marked writes."""
    return _Write(obj)  # type: ignore[return-value]  # a view of it


def data_race(obj: _S) -> _S:
    """View *obj* through reads whose races are known and harmless."""
    t = thread_here()
    if t is not None and t.is_boot:
        return obj
    return _Race(obj)  # type: ignore[return-value]  # a view of it
