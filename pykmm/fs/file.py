# SPDX-License-Identifier: GPL-2.0-only
"""Descriptor tables — ``fs/file.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.fields import is_made
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
    "dup_fd",
    "exit_files",
    "fd_install",
    "fdget",
    "fdput",
    "file_close_fd",
    "filp_close",
    "get_unused_fd_flags",
    "put_files_struct",
    "put_unused_fd",
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
    counted = isinstance(opened, ProcFile) or is_made(opened, "f_ref")
    if counted and not refcount_dec_and_test(opened.f_ref):
        return
    if opened.pid is not None:
        put_pid(opened.pid)
    opened._free()


@mirrors("fs/file.c", checked="v7.2", abridged="takes the number that is free, too")
def fd_install(opened: OpenFile, fd: int | None = None) -> int:
    """Put an open file into current's table, at *fd* if that was reserved.

    Context: Takes file_lock.
    Return: The descriptor, or -EMFILE.
    """
    files = _own_files()
    spin_lock(files.file_lock)
    try:
        fd = _free_number(files) if fd is None else fd
        if fd >= 0:
            files.fdt = {**files.fdt, fd: opened}
        return fd
    finally:
        spin_unlock(files.file_lock)


def _own_files() -> files_struct:
    files = current().files
    assert files is not None  # a living process has a table
    return files


def _free_number(files: files_struct) -> int:
    taken = files.fdt
    return next((n for n in range(_FIRST, NR_OPEN) if n not in taken), -EMFILE)


@mirrors("fs/file.c", checked="v7.2", abridged="no flags are modelled")
def get_unused_fd_flags() -> int:
    """Reserve a descriptor of current that leads nowhere yet.

    Context: Takes file_lock.
    Return: The descriptor, or -EMFILE.
    """
    files = _own_files()
    spin_lock(files.file_lock)
    fd = _free_number(files)
    if fd >= 0:
        files.fdt = {**files.fdt, fd: None}
    spin_unlock(files.file_lock)
    return fd


@mirrors("fs/file.c", checked="v7.2")
def put_unused_fd(fd: int) -> None:
    """Give a descriptor back that was reserved.

    Context: Takes file_lock.
    """
    files = _own_files()
    spin_lock(files.file_lock)
    files.fdt = {n: opened for n, opened in files.fdt.items() if n != fd}
    spin_unlock(files.file_lock)


@mirrors("fs/file.c", checked="v7.2", abridged="tables have no size of their own")
def dup_fd(oldf: files_struct) -> files_struct:
    """Copy a table: the open files are shared; what is only reserved stays behind.

    Context: Takes file_lock of *oldf*.
    """
    newf = files_struct()
    spin_lock(oldf.file_lock)
    copied = {n: opened for n, opened in oldf.fdt.items() if opened is not None}
    for opened in copied.values():
        refcount_inc(opened.f_ref)
    spin_unlock(oldf.file_lock)
    newf.__dict__["fdt"] = copied
    return newf


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
        if opened is not None:
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
