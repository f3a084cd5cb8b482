# SPDX-License-Identifier: GPL-2.0-only
"""Reading and writing open files — ``fs/read_write.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EBADF, EFAULT, EINVAL, Errno
from ..linux.fdtable import OpenFile
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.proc_fs import ProcFile
from ..linux.uapi import O_RDONLY, O_RDWR, O_WRONLY
from .file import fdget, fdput

__all__ = [
    "ksys_pread64",
    "ksys_pwrite64",
    "ksys_read",
    "ksys_write",
    "vfs_read",
    "vfs_write",
]


def _may_read(file: ProcFile) -> bool:
    return file.f_flags & (O_WRONLY | O_RDWR) in (O_RDONLY, O_RDWR)


def _may_write(file: ProcFile) -> bool:
    return file.f_flags & (O_WRONLY | O_RDWR) in (O_WRONLY, O_RDWR)


@mirrors("fs/read_write.c", checked="v7.2", abridged="returns what was read")
def vfs_read(file: ProcFile, count: int, pos: int) -> bytes | Errno:
    """Read up to *count* bytes from *pos* on.

    Context: May sleep.
    Return: The bytes; -EBADF if it is open for writing only, -EINVAL if nobody can
        read it, or what the file says.
    """
    if not _may_read(file):
        return -EBADF
    if file.f_op.proc_rw is not None:
        reached = file.f_op.proc_rw(file, pos, count, False)
        return reached if isinstance(reached, Errno) else bytes(reached)
    if file.f_op.proc_read is None:
        return -EINVAL
    found = file.f_op.proc_read(file, pos)
    return found if isinstance(found, Errno) else found[:count]


@mirrors("fs/read_write.c", checked="v7.2", abridged="None is a bad pointer")
def vfs_write(file: ProcFile, text: bytes | None, pos: int) -> int | Errno:
    """Write *text* at *pos*.

    Context: May sleep.
    Return: How many bytes were taken; -EBADF if it is open for reading only, -EINVAL
        if nobody can write it, or what the file says.
    """
    if not _may_write(file):
        return -EBADF
    if file.f_op.proc_rw is not None:
        if text is None:
            return -EFAULT
        return file.f_op.proc_rw(file, pos, len(text), True)
    if file.f_op.proc_write is None:
        return -EINVAL
    return file.f_op.proc_write(file, text, pos)


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
    ret = vfs_read(file, count, file.f_pos)
    if not isinstance(ret, Errno):
        file.f_pos += len(ret)
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
    ret = vfs_write(file, text, file.f_pos)
    if not isinstance(ret, Errno):
        file.f_pos += ret
    mutex_unlock(file.f_pos_lock)
    fdput(file)
    return ret


@mirrors("fs/read_write.c", checked="v7.2", abridged="returns what was read")
def ksys_pread64(fd: int, count: int, pos: int) -> bytes | Errno:
    """System call: read up to *count* bytes from *pos* on; the file stays where it is.

    Return: As :func:`ksys_read`; -EINVAL for a negative place.
    """
    if pos < 0:
        return -EINVAL
    file = fdget(fd)
    if file is None:
        return -EBADF
    if not isinstance(file, ProcFile):
        return _unreadable(file)
    ret = vfs_read(file, count, pos)
    fdput(file)
    return ret


@mirrors("fs/read_write.c", checked="v7.2", abridged="None is a bad pointer")
def ksys_pwrite64(fd: int, text: bytes | None, pos: int) -> int | Errno:
    """System call: write *text* at *pos*; the file stays where it is.

    Return: As :func:`ksys_write`; -EINVAL for a negative place.
    """
    if pos < 0:
        return -EINVAL
    file = fdget(fd)
    if file is None:
        return -EBADF
    if not isinstance(file, ProcFile):
        return _unreadable(file)
    ret = vfs_write(file, text, pos)
    fdput(file)
    return ret
