# SPDX-License-Identifier: GPL-2.0-only
"""Settings as files below ``/proc/sys`` — ``fs/proc/proc_sysctl.c``."""

from __future__ import annotations

from typing import Final

from ...engine.annotate import mirrors
from ...errno import EACCES, EFAULT, EPERM, Errno
from ...linux.proc_fs import ProcFile, proc_ops
from ...linux.sched import current
from ...linux.sysctl import ctl_table

__all__ = ["proc_sys_file", "sysctl_perm"]

_MAY_READ: Final = 4
_MAY_WRITE: Final = 2


@mirrors("fs/proc/proc_sysctl.c", checked="v7.2", abridged="no groups but root's own")
def sysctl_perm(table: ctl_table, op: int) -> int:
    """Tell whether current may do *op* (4 read, 2 write): the owner is root.

    Context: Any.
    Return: 0 or -EACCES.
    """
    granted = table.mode >> 6 if current().cred.euid == 0 else table.mode
    return 0 if granted & op == op else -EACCES


def _read(table: ctl_table, pos: int) -> bytes | Errno:
    if sysctl_perm(table, _MAY_READ):
        return -EPERM
    found = table.proc_handler(table, None, pos)
    assert not isinstance(found, int) or isinstance(found, Errno)  # nothing was written
    return found


def _write(table: ctl_table, text: bytes | None, pos: int) -> int | Errno:
    if sysctl_perm(table, _MAY_WRITE):
        return -EPERM
    if text is None:
        return -EFAULT
    taken = table.proc_handler(table, text, pos)
    assert isinstance(taken, int)  # something was written
    return taken


def proc_sys_file(table: ctl_table) -> proc_ops:
    """Return what the file of a setting does; who may is asked again each time."""

    def read(file: ProcFile, pos: int) -> bytes | Errno:
        del file
        return _read(table, pos)

    def write(file: ProcFile, text: bytes | None, pos: int) -> int | Errno:
        del file
        return _write(table, text, pos)

    return proc_ops(read, write)
