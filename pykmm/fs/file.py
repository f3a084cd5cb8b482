# SPDX-License-Identifier: GPL-2.0-only
"""Descriptor tables — ``fs/file.c``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..engine.annotate import mirrors
from ..engine.fields import is_made
from ..errno import EMFILE
from ..kernel.pid import put_pid
from ..linux.atomic import atomic_dec_and_test
from ..linux.compiler import READ_ONCE
from ..linux.fdtable import NR_OPEN, OpenFile, files_struct
from ..linux.gfp_types import GFP_KERNEL
from ..linux.mm_types import file
from ..linux.proc_fs import ProcFile
from ..linux.refcount import refcount_dec_and_test, refcount_inc
from ..linux.sched import current, task_struct
from ..linux.sched.mm import might_alloc
from ..linux.sched.task import task_lock, task_unlock
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.uapi import O_CLOEXEC
from .file_table import fput

__all__ = [
    "do_close_on_exec",
    "dup_fd",
    "exit_files",
    "fd_install",
    "fdget",
    "fdput",
    "fget_task",
    "file_close_fd",
    "filp_close",
    "get_unused_fd_flags",
    "put_files_struct",
    "put_unused_fd",
    "receive_fd",
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
    if isinstance(opened, ProcFile) and opened.f_op.proc_release is not None:
        opened.f_op.proc_release(opened)
    if opened.pid is not None:
        put_pid(opened.pid)
    opened._free()


@mirrors("fs/file.c", checked="v7.2", abridged="takes the number that is free, too")
def fd_install(opened: OpenFile, fd: int | None = None, flags: int = 0) -> int:
    """Put an open file into current's table, at *fd* if that was reserved.

    *flags* are those of a number that was not: O_CLOEXEC.

    Context: Takes file_lock.
    Return: The descriptor, or -EMFILE.
    """
    files = _own_files()
    spin_lock(files.file_lock)
    try:
        fd = _alloc_fd(files, flags) if fd is None else fd
        if fd >= 0:
            files.fdt = {**files.fdt, fd: opened}
        return fd
    finally:
        spin_unlock(files.file_lock)


def _own_files() -> files_struct:
    files = current().files
    assert files is not None  # a living process has a table
    return files


def _alloc_fd(files: files_struct, flags: int) -> int:
    """Choose a number, and say whether an exec closes it; file_lock is held."""
    taken = files.fdt
    fd = next((n for n in range(_FIRST, NR_OPEN) if n not in taken), -EMFILE)
    if flags & O_CLOEXEC:
        files.close_on_exec |= {fd}
    elif fd in files.close_on_exec:
        files.close_on_exec -= {fd}
    return fd


@mirrors("fs/file.c", checked="v7.2")
def get_unused_fd_flags(flags: int) -> int:
    """Reserve a descriptor of current that leads nowhere yet.

    Context: Takes file_lock.
    Return: The descriptor, or -EMFILE.
    """
    files = _own_files()
    spin_lock(files.file_lock)
    fd = _alloc_fd(files, flags)
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
    might_alloc(GFP_KERNEL)
    newf = files_struct()
    spin_lock(oldf.file_lock)
    copied = {n: opened for n, opened in oldf.fdt.items() if opened is not None}
    closing = oldf.close_on_exec.intersection(copied)
    for opened in copied.values():
        refcount_inc(opened.f_ref)
    spin_unlock(oldf.file_lock)
    newf.__dict__["fdt"] = copied
    newf.__dict__["close_on_exec"] = closing
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
    return _fget_files(files, fd)


def _fget_files(files: files_struct, fd: int) -> OpenFile | None:
    spin_lock(files.file_lock)
    found = files.fdt.get(fd)
    if found is not None:
        refcount_inc(found.f_ref)
    spin_unlock(files.file_lock)
    return found


def fdput(opened: OpenFile) -> None:
    """Give back what :func:`fdget` took."""
    filp_close(opened)


@contextmanager
def _fd(fd: int) -> Iterator[OpenFile | None]:
    """Look a descriptor up for a block, as ``CLASS(fd, f)(fd)`` does.

    A table that current has for itself keeps its files, so none is counted then.
    """
    files = current().files
    # No step: nobody but current can share a table that it has alone.
    if files is None or files.count.counter == 1:
        yield None if files is None else READ_ONCE(files).fdt.get(fd)
        return
    found = _fget_files(files, fd)
    try:
        yield found
    finally:
        if found is not None:
            fdput(found)


@mirrors("fs/file.c", checked="v7.2")
def fget_task(task: task_struct, fd: int) -> OpenFile | None:
    """Return the open file behind another task's descriptor, with a reference.

    Context: Takes task_lock of *task*, and file_lock in it.
    """
    task_lock(task)
    files = READ_ONCE(task).files
    found = None if files is None else _fget_files(files, fd)
    task_unlock(task)
    return found


@mirrors("fs/file.c", checked="v7.2", abridged="no LSM; the number is returned only")
def receive_fd(opened: OpenFile, o_flags: int) -> int:
    """Give current a descriptor of somebody's open file.

    Context: Takes file_lock.
    Return: The descriptor, or -EMFILE.
    """
    refcount_inc(opened.f_ref)
    fd = fd_install(opened, flags=o_flags)
    if fd < 0:
        filp_close(opened)
    return fd


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


@mirrors("fs/file.c", checked="v7.2")
def do_close_on_exec(files: files_struct) -> None:
    """Close what is not to be handed to another program.

    Context: May sleep; takes file_lock. Only current uses *files*.
    """
    spin_lock(files.file_lock)
    closing = sorted(files.close_on_exec)
    files.close_on_exec = frozenset()
    for fd in closing:
        opened = files.fdt.get(fd)
        if opened is not None:
            files.fdt = {n: other for n, other in files.fdt.items() if n != fd}
            spin_unlock(files.file_lock)
            filp_close(opened)
            spin_lock(files.file_lock)
    spin_unlock(files.file_lock)


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
