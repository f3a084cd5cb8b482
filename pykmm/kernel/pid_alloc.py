# SPDX-License-Identifier: GPL-2.0-only
"""Handing numbers out and taking them back — part of ``kernel/pid.c``.

A number can be found before any task bears it, and until the last task has let it
go; the structure behind it lives on as long as somebody holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..errno import EAGAIN, EEXIST, EINVAL, ENOMEM, EPERM, Errno
from ..linux.bug import WARN_ON
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.cred import user_namespace
from ..linux.gfp_types import GFP_KERNEL
from ..linux.pid import pid, upid
from ..linux.pid_namespace import PIDNS_ADDING, pid_namespace, pidmap_lock
from ..linux.rcupdate import call_rcu
from ..linux.refcount import refcount_dec_and_test
from ..linux.sched.mm import might_alloc
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.uapi import CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN
from .capability import ns_capable

__all__ = [
    "alloc_pid",
    "disable_pid_allocation",
    "free_pid",
    "free_pids",
    "put_pid",
]

#: Numbers below this one are given to nobody once the numbers have wrapped.
RESERVED_PIDS: Final = 300


def _upwards(ns: pid_namespace) -> Iterator[pid_namespace]:
    """Walk from *ns* to the initial namespace."""
    found: pid_namespace | None = ns
    while found is not None:
        yield found
        found = found.parent


def _checkpoint_restore_ns_capable(ns: user_namespace) -> bool:
    return ns_capable(ns, CAP_CHECKPOINT_RESTORE) or ns_capable(ns, CAP_SYS_ADMIN)


def _count(ns: pid_namespace, change: int) -> int:
    """Count numbers of *ns*, and return what ``pid_allocated`` is now.

    A dying init waits for the last one to go; the machine's own has no such end, so
    there it takes no step. Marked, as the one who waits looks without the lock: Linux
    wakes it instead.

    Context: pidmap_lock held.
    """
    allocated = ns.pid_allocated + change
    if ns.parent is None:
        ns.__dict__["pid_allocated"] = allocated
    else:
        WRITE_ONCE(ns).pid_allocated = allocated
    return allocated


def _check_set_tid(ns: pid_namespace, set_tid: Sequence[int]) -> Errno | None:
    for level, wanted in zip(_upwards(ns), set_tid, strict=False):
        if not 1 <= wanted < READ_ONCE(level).pid_max:
            return -EINVAL
        if not _checkpoint_restore_ns_capable(level.user_ns):
            return -EPERM
    return None


def _next_number(ns: pid_namespace) -> int | Errno:
    """Find the first free number after the last one; after a wrap from 300 on."""
    pid_max, taken = READ_ONCE(ns).pid_max, ns._idr
    first = RESERVED_PIDS if ns._cursor > RESERVED_PIDS else 1
    for start in (max(ns._cursor, first), first):
        for nr in range(start, pid_max):
            if nr not in taken:
                ns._cursor = nr + 1
                return nr
    return -EAGAIN


def _reserve(ns: pid_namespace, wanted: Sequence[int]) -> list[upid] | Errno:
    """Choose a number in each namespace, the innermost first.

    Context: pidmap_lock held.
    """
    numbers: list[upid] = []
    for level in _upwards(ns):
        depth = len(numbers)
        nr: int | Errno
        if depth < len(wanted):
            nr = -EEXIST if wanted[depth] in level._idr else wanted[depth]
        else:
            nr = _next_number(level)
        if isinstance(nr, Errno):
            return nr
        if READ_ONCE(level).child_reaper is None and nr != 1:
            return -EINVAL
        numbers.append(upid(nr, level))
    return numbers


@mirrors(
    "kernel/pid.c",
    checked="v7.2",
    abridged="no memory to run out of, no pidfs; pid_max is read again under the lock",
)
def alloc_pid(ns: pid_namespace, set_tid: Sequence[int] = ()) -> pid | Errno:
    """Reserve a number in *ns* and all above, and publish them; no task bears them.

    *set_tid* chooses numbers, from *ns* upwards as far as it goes.

    Context: Takes pidmap_lock.
    Return: The pid with one reference. -EAGAIN: no number is left. -EEXIST, -EPERM,
        -EINVAL: the chosen one is in use, not for current to choose, or none at all.
        -ENOMEM: a namespace takes nobody any more.
    """
    if len(set_tid) > ns.level + 1:
        return -EINVAL
    might_alloc(GFP_KERNEL)
    error = _check_set_tid(ns, set_tid)
    if error is not None:
        return error
    spin_lock(pidmap_lock())
    try:
        if ns.pid_allocated == PIDNS_ADDING:
            ns._cursor = 0  # an init that could not be made before
        numbers = _reserve(ns, set_tid)
        if isinstance(numbers, Errno):
            return numbers
        if not all(level.pid_allocated & PIDNS_ADDING for level in _upwards(ns)):
            return -ENOMEM
        made = pid(numbers=tuple(reversed(numbers)))
        for number in numbers:
            slot = number.ns._slot(number.nr)
            t = enter(slot, "idr_replace")
            number.ns._idr[number.nr] = made
            leave(t, slot, Access.WRITE, made)
            _count(number.ns, 1)
        return made
    finally:
        spin_unlock(pidmap_lock())


@mirrors("kernel/pid.c", checked="v7.2")
def disable_pid_allocation(ns: pid_namespace) -> None:
    """Let no new process into *ns*, nor into those below.

    Context: Takes pidmap_lock.
    """
    spin_lock(pidmap_lock())
    WRITE_ONCE(ns).pid_allocated = ns.pid_allocated & ~PIDNS_ADDING
    spin_unlock(pidmap_lock())


@mirrors(
    "kernel/pid.c",
    checked="v7.2",
    abridged="who waits for the last number to go is woken by its guard; no pidfs",
)
def free_pid(p: pid) -> None:
    """Take the numbers out of the tables; the structure goes after a grace period.

    Context: Takes pidmap_lock; not under tasklist_lock.
    """
    spin_lock(pidmap_lock())
    for number in p.numbers:
        ns = number.ns
        if _count(ns, -1) == PIDNS_ADDING:  # the first fork into it failed
            WARN_ON(READ_ONCE(ns).child_reaper is not None, f"{ns.name} is empty")
        slot = ns._slot(number.nr)
        t = enter(slot, "idr_remove")
        del ns._idr[number.nr]
        leave(t, slot, Access.WRITE)
    spin_unlock(pidmap_lock())
    call_rcu(lambda: put_pid(p), "delayed_put_pid")


@mirrors("kernel/pid.c", checked="v7.2")
def free_pids(pids: list[pid | None]) -> None:
    """Free what a release collected: one entry a type, None where none died."""
    for p in reversed(pids):
        if p is not None:
            free_pid(p)


@mirrors("kernel/pid.c", checked="v7.2")
def put_pid(p: pid) -> None:
    """Give a reference on the structure back; the last one frees it."""
    if refcount_dec_and_test(p.count):
        p._free()
