# SPDX-License-Identifier: GPL-2.0-only
"""Finding files below ``/proc`` — ``fs/proc/root.c``.

Only those that tell the OOM killer something, or tell of it.
"""

from __future__ import annotations

from typing import Final

from ...drivers.tty.sysrq import write_sysrq_trigger
from ...errno import EACCES, EISDIR, ENOENT, Errno
from ...kernel.capability import capable
from ...kernel.exec_state import task_exec_state_get_dumpable
from ...kernel.pid import (
    find_task_by_vpid,
    put_pid,
    task_active_pid_ns,
    task_pid_nr_ns,
)
from ...kernel.sysctl import sysctl_tables
from ...linux.compiler import READ_ONCE
from ...linux.pid import PIDTYPE_PID, PIDTYPE_TGID, get_pid
from ...linux.pid import pid as struct_pid
from ...linux.proc_fs import ProcFile, proc_ops
from ...linux.rcupdate import rcu
from ...linux.sched import current, task_struct
from ...linux.sched.coredump import TASK_DUMPABLE_OWNER
from ...linux.uapi import CAP_DAC_OVERRIDE, O_RDWR, O_WRONLY
from ...mm.vmstat import vmstat_show
from .base import (
    proc_tgid_base_operations,
    proc_tid_base_operations,
    tid_base_stuff,
)
from .base_mem import mem_open
from .fd import open_fdinfo
from .generic import simple_read_from_buffer
from .proc_sysctl import proc_sys_file, sysctl_perm

__all__ = ["proc_open"]

_ROOT: Final = 0
_MAY_READ: Final = 4
_MAY_WRITE: Final = 2
_TASK_DIR: Final = "task"
_FDINFO_DIR: Final = "fdinfo"
_MEM_FILE: Final = "mem"
_MEM_MODE: Final = 0o600
_PARTS_OF_THREAD: Final = 3


def _wanted(flags: int) -> int:
    """Return what opening with *flags* asks for, in the bits of a mode."""
    if flags & O_RDWR:
        return _MAY_READ | _MAY_WRITE
    return _MAY_WRITE if flags & O_WRONLY else _MAY_READ


def _allows(mode: int, owner: int, flags: int) -> bool:
    """Tell whether current may open a file of *owner* with *mode*."""
    granted = mode >> 6 if current().cred.euid == owner else mode
    wanted = _wanted(flags)
    return granted & wanted == wanted or capable(CAP_DAC_OVERRIDE)


def _vmstat_read(file: ProcFile, pos: int) -> bytes:
    del file
    return simple_read_from_buffer(pos, vmstat_show().encode())


def _sysrq_write(file: ProcFile, text: bytes | None, pos: int) -> int | Errno:
    del file, pos
    return write_sysrq_trigger(text)


def _root_files() -> dict[str, tuple[int, proc_ops]]:
    return {
        "vmstat": (0o444, proc_ops(_vmstat_read)),
        "sysrq-trigger": (0o200, proc_ops(None, _sysrq_write)),
    }


def _dump_owner(task: task_struct) -> int:
    """Return whose the files of *task* are: root's, if nobody may look into it."""
    owner = task.cred.euid if task is current() else READ_ONCE(task).cred.euid
    dumpable = task_exec_state_get_dumpable(task) == TASK_DUMPABLE_OWNER
    return owner if dumpable else _ROOT


def _find_task(number: str, tgid: int | None) -> tuple[struct_pid, int] | None:
    """Find a task by its number: its pid, with a reference, and whose it is.

    With *tgid* it has to be a thread of that process.
    """
    nr = int(number) if number.isascii() and number.isdigit() else 0
    with rcu():
        task = find_task_by_vpid(nr)
        if task is None:
            return None
        ns = task_active_pid_ns(current())
        if tgid is not None and task_pid_nr_ns(task, ns, PIDTYPE_TGID) != tgid:
            return None
        found: struct_pid | None = task.__dict__["thread_pid"]
        return None if found is None else (get_pid(found), _dump_owner(task))


def _own_number(kind: int) -> int:
    return task_pid_nr_ns(current(), task_active_pid_ns(current()), kind)


def _path_of_task(parts: list[str]) -> tuple[str, int | None, list[str]]:
    """Take a path apart: a number, whose thread it has to be, and what is wanted."""
    own = {"self": _own_number(PIDTYPE_TGID), "thread-self": _own_number(PIDTYPE_PID)}
    number = str(own.get(parts[0], parts[0]))
    if len(parts) >= _PARTS_OF_THREAD and parts[1] == _TASK_DIR:
        return parts[2], int(number) if number.isdigit() else 0, parts[3:]
    return number, None, parts[1:]


def _open_task(parts: list[str], flags: int) -> ProcFile | Errno:
    """Open a file of a process, or of one thread of it, or its directory."""
    number, tgid, wanted = _path_of_task(parts)
    entry = tid_base_stuff().get(wanted[0]) if len(wanted) == 1 else None
    found = _find_task(number, tgid)
    if found is None:
        return -ENOENT
    number_of, owner = found
    opened: ProcFile | Errno = -ENOENT
    if not wanted:
        opened = _open_directory(number_of, flags, of_thread=tgid is not None)
    elif wanted[0] == _FDINFO_DIR and len(wanted) == 2:
        opened = open_fdinfo(number_of, wanted[1])
    elif wanted == [_MEM_FILE]:
        allowed = _allows(_MEM_MODE, owner, flags)
        opened = mem_open(number_of, flags, allowed=allowed)
    elif entry is not None:
        mode, ops = entry
        allowed = _allows(mode, owner, flags)
        opened = (
            ProcFile(f_op=ops, f_flags=flags, pid=number_of) if allowed else -EACCES
        )
    if isinstance(opened, Errno):
        put_pid(number_of)
    return opened


def _open_directory(
    number: struct_pid, flags: int, *, of_thread: bool
) -> ProcFile | Errno:
    if flags & (O_WRONLY | O_RDWR):
        return -EISDIR
    ops = proc_tid_base_operations if of_thread else proc_tgid_base_operations
    return ProcFile(f_op=ops, pid=number)


def _open_sysctl(path: str, flags: int) -> ProcFile | Errno:
    table = sysctl_tables().get(path)
    if table is None:
        return -ENOENT
    if sysctl_perm(table, _wanted(flags)):
        return -EACCES
    return ProcFile(f_op=proc_sys_file(table), f_flags=flags)


def proc_open(path: str, flags: int) -> ProcFile | Errno:
    """Open the file at *path* below ``/proc``.

    Context: May sleep; enters RCU read sections.
    Return: The open file; -ENOENT, or -EACCES if its mode forbids it.
    """
    if path.startswith("sys/"):
        return _open_sysctl(path.removeprefix("sys/"), flags)
    entry = _root_files().get(path)
    if entry is None:
        return _open_task(path.split("/"), flags)
    if not _allows(entry[0], 0, flags):
        return -EACCES
    return ProcFile(f_op=entry[1], f_flags=flags)
