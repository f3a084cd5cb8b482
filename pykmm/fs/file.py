# SPDX-License-Identifier: GPL-2.0-only
"""Descriptor tables — ``fs/file.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EMFILE
from ..kernel.pid import put_pid
from ..linux.atomic import atomic_dec_and_test
from ..linux.fdtable import NR_OPEN, OpenFile, files_struct
from ..linux.mm_types import file
from ..linux.proc_fs import ProcFile
from ..linux.refcount import refcount_dec_and_test, refcount_inc
from ..linux.sched import current, task_struct
from ..linux.sched.task import task_lock, task_unlock
from ..linux.spinlock import spin_lock, spin_unlock
from .file_table import fput

__all__ = [
    "exit_files",
    "fd_install",
    "fdget",
    "fdput",
    "file_close_fd",
    "filp_close",
    "put_files_struct",
]

#: The first number that is not the standard streams'.
_FIRST = 3


def filp_close(opened: OpenFile) -> None:
    """Give a table's reference on an open file up; the last one closes it.

    Context: May sleep.
    """
    if isinstance(opened, file):
        fput(opened)
        return
    if isinstance(opened, ProcFile) and not refcount_dec_and_test(opened.f_ref):
        return
    if opened.pid is not None:
        put_pid(opened.pid)
    opened._free()


@mirrors("fs/file.c", checked="v7.2", abridged="allocates the number, too")
def fd_install(opened: ProcFile | file) -> int:
    """Put an open file into current's table.

    Context: Takes file_lock.
    Return: The descriptor, or -EMFILE.
    """
    files = current().files
    assert files is not None  # a living process has a table
    spin_lock(files.file_lock)
    try:
        fd = next((n for n in range(_FIRST, NR_OPEN) if n not in files.fdt), None)
        if fd is None:
            return -EMFILE
        files.fdt = {**files.fdt, fd: opened}
        return fd
    finally:
        spin_unlock(files.file_lock)


@mirrors(
    "fs/file.c",
    checked="v7.2",
    abridged="under the table's lock, also where RCU or nothing would do",
)
def fdget(fd: int) -> OpenFile | None:
    """Return the open file behind a descriptor, kept until :func:`fdput`.

    Context: Takes file_lock.
    """
    files = current().files
    if files is None:
        return None
    spin_lock(files.file_lock)
    found = files.fdt.get(fd)
    if isinstance(found, ProcFile | file):
        refcount_inc(found.f_ref)
    spin_unlock(files.file_lock)
    return found


def fdput(opened: ProcFile | file) -> None:
    """Give back what :func:`fdget` took."""
    filp_close(opened)


@mirrors("fs/file.c", checked="v7.2")
def file_close_fd(fd: int) -> OpenFile | None:
    """Take a descriptor out of current's table.

    Context: Takes file_lock.
    Return: The open file with the table's reference, or None.
    """
    files = current().files
    assert files is not None  # a living process has a table
    spin_lock(files.file_lock)
    found = files.fdt.get(fd)
    if found is not None:
        files.fdt = {n: opened for n, opened in files.fdt.items() if n != fd}
    spin_unlock(files.file_lock)
    return found


@mirrors("fs/file.c", checked="v7.2", abridged="a closed file is released at once")
def put_files_struct(files: files_struct) -> None:
    """Give the table up; the last user closes everything in it.

    Context: May sleep.
    """
    if not atomic_dec_and_test(files.count):
        return
    for opened in list(files.__dict__["fdt"].values()):
        filp_close(opened)
    files._free()


@mirrors("fs/file.c", checked="v7.2")
def exit_files(tsk: task_struct) -> None:
    """Take the table from a dying task.

    Context: May sleep; takes task_lock.
    """
    files = tsk.files
    if files is None:
        return
    task_lock(tsk)
    tsk.files = None
    task_unlock(tsk)
    put_files_struct(files)
