# SPDX-License-Identifier: GPL-2.0-only
"""Assertions that run, and what counts as a lock — ``include/linux/lockdep.h``.

What is a lock to the detector alone is a remark and no step: nobody waits for it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.machine import current_machine
from ..engine.objects import Named
from ..engine.step import remark
from ..engine.thread import current_thread
from ..errors import ContextError

if TYPE_CHECKING:
    from typing import Protocol

    from ..engine.thread import Thread

    class _Lock(Protocol):
        @property
        def name(self) -> str: ...

        def held_by(self, thread: Thread) -> bool: ...

        def held_exclusively_by(self, thread: Thread) -> bool: ...


__all__ = [
    "lock_map_acquire",
    "lock_map_acquire_read",
    "lock_map_release",
    "lock_map_sync",
    "lockdep_assert",
    "lockdep_assert_held",
    "lockdep_assert_held_write",
    "lockdep_assert_not_held",
    "lockdep_is_held",
    "lockdep_map",
]


class lockdep_map(Named):
    """What counts as a lock and is nothing else; all machines have the same."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def uid(self) -> tuple[str, str]:
        return ("lockdep_map", self._name)

    @property
    def name(self) -> str:
        return self._name


def _lenient() -> bool:
    machine = current_machine()
    return machine.stopping or current_thread() is machine.boot


def lockdep_is_held(lock: _Lock) -> bool:
    """Tell whether the running thread holds *lock* in any mode."""
    return lock.held_by(current_thread())


def lockdep_assert(condition: bool, what: str) -> None:
    """Report a broken locking rule unless *condition* holds."""
    if not condition and not _lenient():
        t = current_thread()
        held = ", ".join(x.name for x in t.held) or "nothing"
        raise ContextError(f"{t.name}: {what}", facts=[(t.name, f"holds {held}")])


def lockdep_assert_held(lock: _Lock) -> None:
    """Report unless the running thread holds *lock*."""
    lockdep_assert(lock.held_by(current_thread()), f"{lock.name} is not held")


def lockdep_assert_held_write(lock: _Lock) -> None:
    """Report unless the running thread holds *lock* exclusively."""
    held = lock.held_exclusively_by(current_thread())
    lockdep_assert(held, f"{lock.name} is not held exclusively")


def lockdep_assert_not_held(lock: _Lock) -> None:
    """Report if the running thread holds *lock*."""
    lockdep_assert(not lock.held_by(current_thread()), f"{lock.name} is held")


def lock_map_acquire(lock: Named) -> None:
    """Be in what nobody else can be in, as far as the detector of lock orders goes."""
    remark(current_thread(), "lock_map_acquire", lock)


def lock_map_acquire_read(lock: Named) -> None:
    """Be in what others can be in, too, and again."""
    remark(current_thread(), "lock_map_acquire_read", lock)


def lock_map_release(lock: Named) -> None:
    """Leave it."""
    remark(current_thread(), "lock_map_release", lock)


def lock_map_sync(lock: Named) -> None:
    """Have waited until nobody is in it."""
    remark(current_thread(), "lock_map_sync", lock)
