# SPDX-License-Identifier: GPL-2.0-only
"""Numbers to tasks, and file descriptors that name processes — ``kernel/pid.c``.

One pid namespace. The number is findable before any task bears it and until the
last task has let it go; the structure lives on as long as somebody holds it.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import MachineLocal, enter, leave
from ..engine.objects import Field, Root
from ..errno import EAGAIN, EBADF, EINVAL, EMFILE, ENOENT, ESRCH, Errno
from ..linux.compiler import READ_ONCE
from ..linux.fdtable import NR_OPEN, files_struct, pidfd_file
from ..linux.pid import (
    PIDTYPE_MAX,
    PIDTYPE_PID,
    PIDTYPE_TGID,
    get_pid,
    pid,
    pid_has_task,
)
from ..linux.rculist import list_add_rcu, list_del_rcu, list_first_or_null_rcu
from ..linux.rcupdate import call_rcu, rcu
from ..linux.refcount import refcount_dec_and_test
from ..linux.sched import current, task_struct
from ..linux.sched.task import get_task_struct
from ..linux.spinlock import spin_lock, spin_unlock, spinlock_t
from ..linux.uapi import (
    PIDFD_NONBLOCK,
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_THREAD,
)
from ..linux.wait import wake_up_all

__all__ = [
    "alloc_pid",
    "attach_pid",
    "detach_pid",
    "find_get_pid",
    "find_task_by_vpid",
    "free_pid",
    "free_pids",
    "get_pid_task",
    "pid_task",
    "pidfd_get_pid",
    "pidfd_get_task",
    "pidfd_open",
    "put_pid",
    "wake_pidfd",
]

#: Numbers below this one are given to nobody once the numbers have wrapped.
RESERVED_PIDS = 300
PID_MAX = 1 << 22


class _PidStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.pidmap_lock = spinlock_t(self)
        self.idr: dict[int, pid] = {}
        self.last = 0
        self.slots: dict[int, Field] = {}

    def slot(self, nr: int) -> Field:
        """The table's entry of one number, as an object for the explorer."""
        return self.slots.setdefault(nr, Field(self, f"idr[{nr}]"))


_pid = MachineLocal(_PidStatics)


@mirrors(
    "kernel/pid.c", checked="v7.2", abridged="one namespace; set_tid is one number"
)
def alloc_pid(set_tid: int = 0) -> pid | Errno:
    """Reserve a number and publish it; no task bears it yet.

    Context: Takes pidmap_lock.
    Return: The pid with one reference, or -EAGAIN when all numbers are in use.
    """
    statics = _pid()
    spin_lock(statics.pidmap_lock)
    try:
        nr = set_tid or _next_number(statics)
        if nr == 0 or nr in statics.idr:
            return -EAGAIN
        made = pid(nr=nr)
        slot = statics.slot(nr)
        t = enter(slot, "idr_replace")
        statics.idr[nr] = made
        statics.last = max(statics.last, nr)
        leave(t, slot, Access.WRITE, made)
        return made
    finally:
        spin_unlock(statics.pidmap_lock)


def _next_number(statics: _PidStatics) -> int:
    for nr in range(statics.last + 1, PID_MAX):
        if nr not in statics.idr:
            return nr
    return next(
        (nr for nr in range(RESERVED_PIDS, PID_MAX) if nr not in statics.idr), 0
    )


@mirrors("kernel/pid.c", checked="v7.2")
def free_pid(p: pid) -> None:
    """Take the number out of the table; the structure goes after a grace period.

    Context: Takes pidmap_lock; not under tasklist_lock.
    """
    statics = _pid()
    spin_lock(statics.pidmap_lock)
    slot = statics.slot(p.nr)
    t = enter(slot, "idr_remove")
    del statics.idr[p.nr]
    leave(t, slot, Access.WRITE)
    spin_unlock(statics.pidmap_lock)
    call_rcu(lambda: put_pid(p), "delayed_put_pid")


@mirrors("kernel/pid.c", checked="v7.2")
def free_pids(pids: list[pid | None]) -> None:
    """Free what a release collected: one entry a type, None where none died."""
    for p in pids:
        if p is not None:
            free_pid(p)


@mirrors("kernel/pid.c", checked="v7.2")
def put_pid(p: pid) -> None:
    """Give a reference on the structure back; the last one frees it."""
    if refcount_dec_and_test(p.count):
        p._free()


@mirrors("kernel/pid.c", checked="v7.2")
def find_vpid(nr: int) -> pid | None:
    """Look a number up.

    Context: RCU read section; no reference is taken.
    """
    statics = _pid()
    slot = statics.slot(nr)
    t = enter(slot, "idr_find")
    found = statics.idr.get(nr)
    leave(t, slot, Access.READ, found)
    return found


@mirrors("kernel/pid.c", checked="v7.2")
def pid_task(p: pid | None, kind: int) -> task_struct | None:
    """Return the first task that bears *p*, without a reference.

    Context: RCU read section or tasklist_lock.
    """
    return None if p is None else list_first_or_null_rcu(p.tasks[kind])


@mirrors("kernel/pid.c", checked="v7.2")
def find_task_by_vpid(nr: int) -> task_struct | None:
    """Return the task whose own number is *nr*.

    Context: RCU read section; no reference is taken.
    """
    return pid_task(find_vpid(nr), PIDTYPE_PID)


@mirrors("kernel/pid.c", checked="v7.2")
def find_get_pid(nr: int) -> pid | None:
    """Return the pid of that number with a reference, or None."""
    with rcu():
        found = find_vpid(nr)
        return None if found is None else get_pid(found)


@mirrors("kernel/pid.c", checked="v7.2")
def get_pid_task(p: pid, kind: int) -> task_struct | None:
    """Return the task that bears *p* with a reference, or None."""
    with rcu():
        found = pid_task(p, kind)
        return None if found is None else get_task_struct(found)


@mirrors("kernel/pid.c", checked="v7.2")
def attach_pid(task: task_struct, kind: int, p: pid) -> None:
    """Let *task* bear *p* as its *kind* of identifier.

    Context: tasklist_lock held for writing.
    """
    if kind == PIDTYPE_PID:
        task.thread_pid = p
    else:
        task.signal.pids[kind] = p
    list_add_rcu(task.pid_links[kind], p.tasks[kind])


@mirrors("kernel/pid.c", checked="v7.2")
def detach_pid(pids: list[pid | None], task: task_struct, kind: int) -> None:
    """Undo :func:`attach_pid`; a pid that nobody bears any more goes to *pids*.

    Context: tasklist_lock held for writing; the caller frees *pids* later.
    """
    p = task.thread_pid if kind == PIDTYPE_PID else task.signal.pids[kind]
    assert p is not None  # it was attached
    list_del_rcu(task.pid_links[kind])
    if kind == PIDTYPE_PID:
        task.thread_pid = None
    else:
        task.signal.pids[kind] = None
    if not any(pid_has_task(p, other) for other in reversed(range(PIDTYPE_MAX))):
        pids[kind] = p


# -- pidfds -------------------------------------------------------------------------


@mirrors("kernel/pid.c", checked="v7.2")
def pidfd_get_pid(fd: int) -> tuple[pid, int] | Errno:
    """Return the pid behind a descriptor with a reference, and the file's flags."""
    files = current().files
    found = None if files is None else READ_ONCE(files).fdt.get(fd)
    if not isinstance(found, pidfd_file):
        return -EBADF
    return get_pid(found.pid), found.f_flags


@mirrors("kernel/pid.c", checked="v7.2")
def pidfd_get_task(pidfd: int) -> task_struct | Errno:
    """Return the process that a pidfd names.

    Context: May not sleep in between; takes RCU.
    Return: The thread-group leader with a reference; -EBADF for a descriptor that
        is no pidfd; -ESRCH when no task bears the pid as its group's (any more).
    """
    kind = PIDTYPE_TGID
    if pidfd in (PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP):
        if pidfd == PIDFD_SELF_THREAD:
            kind = PIDTYPE_PID
        p = _get_own_pid(kind)
    else:
        pinned = pidfd_get_pid(pidfd)
        if isinstance(pinned, Errno):
            return pinned
        p = pinned[0]
    task = get_pid_task(p, kind)
    put_pid(p)
    return -ESRCH if task is None else task


def _get_own_pid(kind: int) -> pid:
    task = current()
    with rcu():
        own = task.__dict__["thread_pid"] if kind == PIDTYPE_PID else None
        return get_pid(own or task.signal.__dict__["pids"][kind])


@mirrors(
    "kernel/pid.c",
    checked="v7.2",
    abridged="pidfd_prepare() is folded in; pidfs keeps no exit information, so "
    "PIDFD_STALE has no meaning",
)
def pidfd_create(p: pid, flags: int) -> int:
    """Check that *p* can have a pidfd, and make one.

    Context: Holds the lock of the pid's wait queue over the two questions: a
        release lets go of the first link, passes that lock, and only then lets
        go of the second.
    Return: The descriptor; -ESRCH once the process has been reaped, -ENOENT for a
        thread that leads no group unless PIDFD_THREAD is given.
    """
    spin_lock(p.wait_pidfd_lock)
    try:
        if not pid_has_task(p, PIDTYPE_PID):
            return -ESRCH
        if not flags & PIDFD_THREAD and not pid_has_task(p, PIDTYPE_TGID):
            return -ENOENT
    finally:
        spin_unlock(p.wait_pidfd_lock)
    files = current().files
    return -EMFILE if files is None else _alloc_fd(files, p, flags)


def _alloc_fd(files: files_struct, p: pid, flags: int) -> int:
    spin_lock(files.file_lock)
    try:
        fd = next((n for n in range(3, NR_OPEN) if n not in files.fdt), None)
        if fd is None:
            return -EMFILE
        files.fdt = {**files.fdt, fd: pidfd_file(pid=get_pid(p), f_flags=flags)}
        return fd
    finally:
        spin_unlock(files.file_lock)


def wake_pidfd(p: pid) -> None:
    """Wake who polls a pidfd of *p*, under the lock inside its wait queue."""
    spin_lock(p.wait_pidfd_lock)
    wake_up_all(p.wait_pidfd)
    spin_unlock(p.wait_pidfd_lock)


@mirrors("kernel/pid.c", checked="v7.2")
def pidfd_open(nr: int, flags: int) -> int:
    """System call: open a descriptor that names process *nr* for good.

    Return: The descriptor; -EINVAL for an unknown flag or a number below 1,
        -ESRCH, -ENOENT, -EMFILE.
    """
    if flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD):
        return -EINVAL
    if nr <= 0:
        return -EINVAL
    p = find_get_pid(nr)
    if p is None:
        return -ESRCH
    fd = pidfd_create(p, flags)
    put_pid(p)
    return fd
