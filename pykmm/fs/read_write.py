# SPDX-License-Identifier: GPL-2.0-only
"""Reading and writing open files — ``fs/read_write.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EBADF, EINVAL, Errno
from ..linux.fdtable import OpenFile
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.proc_fs import ProcFile
from ..linux.uapi import O_RDONLY, O_RDWR, O_WRONLY
from .file import fdget, fdput

__all__ = ["ksys_read", "ksys_write", "vfs_read", "vfs_write"]


def _may_read(file: ProcFile) -> bool:
    return file.f_flags & (O_WRONLY | O_RDWR) in (O_RDONLY, O_RDWR)


def _may_write(file: ProcFile) -> bool:
    return file.f_flags & (O_WRONLY | O_RDWR) in (O_WRONLY, O_RDWR)


@mirrors("fs/read_write.c", checked="v7.2", abridged="returns what was read")
def vfs_read(file: ProcFile, count: int) -> bytes | Errno:
    """Read up to *count* bytes from where the file stands.

    Context: ``f_pos_lock`` held; may sleep.
    Return: The bytes; -EBADF if it is open for writing only, -EINVAL if nobody can
        read it, or what the file says.
    """
    if not _may_read(file):
        return -EBADF
    if file.f_op.proc_read is None:
        return -EINVAL
    found = file.f_op.proc_read(file, file.f_pos)
    if isinstance(found, Errno):
        return found
    found = found[:count]
    file.f_pos += len(found)
    return found


@mirrors("fs/read_write.c", checked="v7.2", abridged="None is a bad pointer")
def vfs_write(file: ProcFile, text: bytes | None) -> int | Errno:
    """Write *text* where the file stands.

    Context: ``f_pos_lock`` held; may sleep.
    Return: How many bytes were taken; -EBADF if it is open for reading only, -EINVAL
        if nobody can write it, or what the file says.
    """
    if not _may_write(file):
        return -EBADF
    if file.f_op.proc_write is None:
        return -EINVAL
    taken = file.f_op.proc_write(file, text, file.f_pos)
    if not isinstance(taken, Errno):
        file.f_pos += taken
    return taken


def _unreadable(file: OpenFile) -> Errno:
    """Give back a file whose contents are not modelled, or that has none."""
    fdput(file)
    return -EINVAL


@mirrors("fs/read_write.c", checked="v7.2", abridged="returns what was read")
def ksys_read(fd: int, count: int) -> bytes | Errno:
    """System call: read up to *count* bytes.

    Return: The bytes, none at the end of the file; -EBADF for no descriptor.
    """
    file = fdget(fd)
    if file is None:
        return -EBADF
    if not isinstance(file, ProcFile):
        return _unreadable(file)
    mutex_lock(file.f_pos_lock)
    ret = vfs_read(file, count)
    mutex_unlock(file.f_pos_lock)
    fdput(file)
    return ret


@mirrors("fs/read_write.c", checked="v7.2", abridged="None is a bad pointer")
def ksys_write(fd: int, text: bytes | None) -> int | Errno:
    """System call: write *text*.

    Return: How many bytes were taken, which may be fewer; -EBADF for no descriptor.
    """
    file = fdget(fd)
    if file is None:
        return -EBADF
    if not isinstance(file, ProcFile):
        return _unreadable(file)
    mutex_lock(file.f_pos_lock)
    ret = vfs_write(file, text)
    mutex_unlock(file.f_pos_lock)
    fdput(file)
    return ret
