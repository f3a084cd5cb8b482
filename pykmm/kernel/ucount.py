# SPDX-License-Identifier: GPL-2.0-only
"""How much each user has — ``kernel/ucount.c``; only tasks are counted.

No limit applies to root, so nobody counts root's.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..linux.atomic import (
    atomic_long_add,
    atomic_long_read,
    atomic_long_sub,
    atomic_long_t,
)

__all__ = ["dec_rlimit_ucounts", "inc_rlimit_ucounts", "is_rlimit_overlimit"]

_ROOT = 0


class ucounts(Root):
    """What one user has: so many tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.rlimit = atomic_long_t(0, self)


class _Ucounts:
    def __init__(self) -> None:
        self.by_uid: dict[int, ucounts] = {}

    def of(self, uid: int) -> ucounts:
        return self.by_uid.get(uid) or self.by_uid.setdefault(uid, ucounts())


_ucounts = MachineLocal(_Ucounts)


@mirrors("kernel/ucount.c", checked="v7.2", abridged="tasks only, one namespace")
def inc_rlimit_ucounts(uid: int, v: int) -> None:
    """Count *v* more tasks of a user.

    Context: Any; never sleeps.
    """
    if uid != _ROOT:
        atomic_long_add(v, _ucounts().of(uid).rlimit)


@mirrors("kernel/ucount.c", checked="v7.2", abridged="tasks only, one namespace")
def dec_rlimit_ucounts(uid: int, v: int) -> None:
    """Count *v* tasks of a user less.

    Context: Any; never sleeps.
    """
    if uid != _ROOT:
        atomic_long_sub(v, _ucounts().of(uid).rlimit)


@mirrors("kernel/ucount.c", checked="v7.2", abridged="tasks only, one namespace")
def is_rlimit_overlimit(uid: int, limit: int) -> bool:
    """Tell whether a user has more than *limit* tasks.

    Context: Any; the answer may be old when it arrives.
    """
    return uid != _ROOT and atomic_long_read(_ucounts().of(uid).rlimit) > limit
