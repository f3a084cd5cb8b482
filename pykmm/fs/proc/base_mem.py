# SPDX-License-Identifier: GPL-2.0-only
"""A process's memory as a file — part of ``fs/proc/base.c``.

Whoever has it open keeps the structure of the address space, and none of its memory:
each access becomes a user for as long as it takes, if there is still one.
"""

from __future__ import annotations

from typing import cast

from ...engine.annotate import mirrors
from ...errno import EACCES, EIO, ESRCH, Errno
from ...kernel.fork import mmput
from ...kernel.fork_mm import mm_access
from ...kernel.pid import get_pid_task
from ...linux.mm import PAGE_SIZE
from ...linux.mm_types import mm_struct
from ...linux.pid import PIDTYPE_PID, pid
from ...linux.proc_fs import ProcFile, proc_ops
from ...linux.sched.mm import mmdrop, mmget_not_zero, mmgrab
from ...linux.sched.task import put_task_struct
from ...mm.gup_pages import FOLL_FORCE, FOLL_WRITE
from ...mm.memory_access import access_remote_vm

__all__ = ["mem_open", "mem_release", "mem_rw", "proc_mem_open"]


@mirrors("fs/proc/base.c", checked="v7.2", abridged="one kind of access")
def proc_mem_open(number: pid) -> mm_struct | Errno:
    """Return the address space of whom *number* names, with ``mm_count`` taken.

    Context: May sleep, killably.
    Return: -ESRCH for who has none any more, -EACCES for who may not be looked into,
        -EINTR.
    """
    task = get_pid_task(number, PIDTYPE_PID)
    if task is None:
        return -ESRCH
    mm = mm_access(task)
    put_task_struct(task)
    if not isinstance(mm, Errno):
        mmgrab(mm)
        mmput(mm)
    return mm


@mirrors("fs/proc/base.c", checked="v7.2", abridged="no content; always with force")
def mem_rw(file: ProcFile, pos: int, count: int, write: bool) -> int:
    """Access *count* bytes from address *pos* on, whatever the mappings allow.

    Context: May sleep. The last user of the address space may be this one.
    Return: How many were reached; 0 once the memory is gone; -EIO if the first
        cannot be.
    """
    mm = cast("mm_struct", file.private_data)
    if not mmget_not_zero(mm):
        return 0
    copied = 0
    while copied < count:
        wanted = min(count - copied, PAGE_SIZE)
        flags = FOLL_FORCE | (FOLL_WRITE if write else 0)
        reached = access_remote_vm(mm, pos + copied, wanted, flags)
        if not reached:
            copied = copied or -EIO
            break
        copied += reached
    mmput(mm)
    return copied


@mirrors("fs/proc/base.c", checked="v7.2")
def mem_release(file: ProcFile) -> None:
    """Let go of the structure.

    Context: Any.
    """
    mmdrop(cast("mm_struct", file.private_data))


_proc_mem_operations = proc_ops(proc_rw=mem_rw, proc_release=mem_release)


@mirrors("fs/proc/base.c", checked="v7.2", abridged="makes the file, too")
def mem_open(number: pid, flags: int, *, allowed: bool) -> ProcFile | Errno:
    """Open the memory of whom *number* names, which the file then holds.

    Context: As :func:`proc_mem_open`.
    Return: The open file; -EACCES if its mode does not *allow* that, or an error of
        :func:`proc_mem_open`.
    """
    if not allowed:
        return -EACCES
    mm = proc_mem_open(number)
    if isinstance(mm, Errno):
        return mm
    ops = _proc_mem_operations
    return ProcFile(f_op=ops, f_flags=flags, pid=number, private_data=mm)
