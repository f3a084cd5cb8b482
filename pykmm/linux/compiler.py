# SPDX-License-Identifier: GPL-2.0-only
"""Marked accesses — ``include/asm-generic/rwonce.h``, ``include/linux/compiler.h``.

They are views that keep the type: ``READ_ONCE(task).mm`` reads ``task->mm`` in
one step without its lock. A plain access to a lockless field is a step as well,
but one that a data-race detector may complain about.
"""

from __future__ import annotations

from typing import TypeVar, cast

from ..engine.fields import Once
from ..engine.objects import Struct

__all__ = ["READ_ONCE", "WRITE_ONCE", "data_race"]

_S = TypeVar("_S", bound=Struct)


def READ_ONCE(obj: _S) -> _S:  # noqa: N802 -- Linux's name
    """View *obj* through marked reads."""
    return cast("_S", Once(obj, "READ_ONCE"))


def WRITE_ONCE(obj: _S) -> _S:  # noqa: N802 -- Linux's name
    """View *obj* through marked writes."""
    return cast("_S", Once(obj, "WRITE_ONCE"))


def data_race(obj: _S) -> _S:
    """View *obj* through reads whose races are known and harmless."""
    return cast("_S", Once(obj, "data_race"))
