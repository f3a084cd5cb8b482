# SPDX-License-Identifier: GPL-2.0-only
"""Locks and references that the host holds on somebody's behalf.

Each is taken and given back by a thread of its own, which only the host runs: so a
lock has a holder with a name, who is nobody else, and a reference an owner that the
laws at rest know of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from .engine.statics import MachineLocal
from .engine.thread import AsThread, Thread
from .errors import UsageError
from .kernel.fork import mmput
from .kernel.pid_alloc import put_pid
from .linux.mm_types import mm_struct
from .linux.mmap_lock import mm_lock_seqcount_begin, mmap_write_unlock
from .linux.mutex import mutex, mutex_trylock, mutex_unlock
from .linux.pid import get_pid
from .linux.rwsem import (
    down_read_trylock,
    down_write_trylock,
    rw_semaphore,
    up_read,
    up_write,
)
from .linux.sched.mm import mmdrop, mmget_not_zero, mmgrab
from .linux.sched.task import get_task_struct, put_task_struct
from .linux.spinlock import (
    read_lock,
    read_unlock,
    rwlock_t,
    spin_trylock,
    spin_unlock,
    spinlock_t,
    write_lock,
    write_unlock,
)

if TYPE_CHECKING:
    from types import TracebackType

    from .engine.objects import Named

__all__ = ["Hold", "hold", "holds"]


@frozen(eq=False)
class Hold:
    """A lock, or a reference on a counter, that the host holds for *by*.

    In a ``with`` statement it is given back at the end of the block.
    """

    counter: Named
    by: str
    is_lock: bool
    _keeper: Thread
    _give_back: Callable[[], object]

    def let_go(self) -> None:
        """Give it back; the last reference on memory frees it."""
        with AsThread(self._keeper):
            self._strike("let_go")
            self._give_back()

    def hand_over(self) -> None:
        """Leave the reference to a program, which gives it back in its own way."""
        if self.is_lock:
            raise UsageError(
                f"hand_over(): {self.counter.name} is a lock, which whoever took it "
                "has to give back: use let_go()"
            )
        with AsThread(self._keeper):
            self._strike("hand_over")

    def _strike(self, how: str) -> None:
        if self not in holds():
            raise UsageError(f"{how}(): {self.by} holds nothing any more")
        holds().remove(self)

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.let_go()


class _Holds:
    def __init__(self) -> None:
        self.all: list[Hold] = []


_holds = MachineLocal(_Holds)


def holds() -> list[Hold]:
    """Return what the host of the running machine holds."""
    return _holds().all


# -- how things are taken, and given back ----------------------------------------------

#: Takes it, or tells that it cannot be had; gives it back.
_Ways = tuple[Callable[[Any], object], Callable[[Any], object]]


def _read_trylock(lock: rwlock_t) -> bool:
    free = lock._readable()
    if free:
        read_lock(lock)
    return free


def _write_trylock(lock: rwlock_t) -> bool:
    free = lock._writable()
    if free:
        write_lock(lock)
    return free


def _mmap_write_trylock(lock: rw_semaphore) -> bool:
    taken = down_write_trylock(lock)
    if taken and isinstance(lock.owner, mm_struct):
        mm_lock_seqcount_begin(lock.owner)
    return taken


def _mmap_write_unlock(lock: rw_semaphore) -> None:
    if isinstance(lock.owner, mm_struct):
        mmap_write_unlock(lock.owner)
    else:
        up_write(lock)


_EXCLUSIVE: Final[dict[type, _Ways]] = {
    spinlock_t: (spin_trylock, spin_unlock),
    mutex: (mutex_trylock, mutex_unlock),
    rw_semaphore: (_mmap_write_trylock, _mmap_write_unlock),
    rwlock_t: (_write_trylock, write_unlock),
}
_SHARED: Final[dict[type, _Ways]] = {
    rw_semaphore: (down_read_trylock, up_read),
    rwlock_t: (_read_trylock, read_unlock),
}


def _no_refusal(get: Callable[[Any], object]) -> Callable[[Any], bool]:
    def take(owner: object) -> bool:
        get(owner)
        return True

    return take


#: By structure and field; these take the structure.
_COUNTS: Final[dict[tuple[str, str], _Ways]] = {
    ("mm_struct", "mm_users"): (mmget_not_zero, mmput),
    ("mm_struct", "mm_count"): (_no_refusal(mmgrab), mmdrop),
    ("task_struct", "usage"): (_no_refusal(get_task_struct), put_task_struct),
    ("pid", "count"): (_no_refusal(get_pid), put_pid),
}


def _ways(thing: Named, *, shared: bool) -> tuple[_Ways, object]:
    """Find how to hold *thing*, and what the functions take."""
    lock = (_SHARED if shared else _EXCLUSIVE).get(type(thing))
    if lock is not None:
        return lock, thing
    count = _COUNTS.get((type(thing.owner).__name__, thing._field()))
    if count is None or shared:
        counts = ", ".join(f"{struct}.{field}" for struct, field in _COUNTS)
        raise UsageError(
            f"hold(): {thing!r} cannot be held{' shared' if shared else ''}: choose a "
            f"lock, or one of the counters {counts}"
        )
    return count, thing.owner


def hold(thing: Named, keeper: Thread, *, shared: bool) -> Hold:
    """Let *keeper*, whom only the host runs, take *thing*.

    Context: The machine is at rest.
    """
    (take, give_back), what = _ways(thing, shared=shared)
    structure = thing if thing.owner is None else thing.owner
    if structure._death is not None:
        raise UsageError(f"hold(): {thing.name} is gone: hold it before its end")
    with AsThread(keeper):
        if not take(what):
            raise UsageError(
                f"hold(): {thing.name} cannot be had now: somebody has it, or nobody "
                "uses it any more"
            )
        made = Hold(thing, keeper.name, what is thing, keeper, lambda: give_back(what))
        holds().append(made)
    return made
