# SPDX-License-Identifier: GPL-2.0-only
"""System calls about files."""

from __future__ import annotations

from ..errno import Errno
from ..fs import open as _open
from ..fs import open_size as _open_size
from ..fs import read_write as _read_write
from ..linux.uapi import O_RDONLY
from ..mm import memfd as _memfd
from ._return import syscall

__all__ = [
    "close",
    "fallocate",
    "ftruncate",
    "memfd_create",
    "open",
    "pread",
    "pwrite",
    "read",
    "write",
]

close = syscall(_open.close)
fallocate = syscall(_open_size.ksys_fallocate)
ftruncate = syscall(_open_size.ksys_ftruncate)


@syscall
def open(path: str, flags: int = O_RDONLY) -> int | Errno:
    """Open a file: its descriptor, or a negative errno.

    Below ``/proc`` there are ``oom_score``, ``oom_score_adj`` and ``oom_adj`` of each
    process and thread (``self`` and ``thread-self`` too), ``sys/vm/panic_on_oom`` and
    the other settings, ``vmstat`` and ``sysrq-trigger``; ``mem`` of each process is its
    memory, where the position is the address. ``/dev/mem`` is the memory of devices, to
    be mapped from behind the machine's own on. Any other path names a file to be
    mapped: one that was there before (:meth:`Machine.file`), or that ``O_CREAT`` makes,
    which is empty until :func:`ftruncate`.
    """
    return _open.do_sys_open(path, flags)


@syscall
def memfd_create(name: str, flags: int = 0) -> int:
    """Make a file in memory: its descriptor, or a negative errno."""
    return _memfd.memfd_create(name, flags)


@syscall
def read(fd: int, count: int = 4096) -> bytes | Errno:
    """Read up to *count* bytes from where the file stands; none at its end."""
    return _read_write.ksys_read(fd, count)


@syscall
def write(fd: int, text: bytes | str | None) -> int | Errno:
    """Write *text*; None is a bad pointer. Return how many bytes were taken."""
    data = text.encode() if isinstance(text, str) else text
    return _read_write.ksys_write(fd, data)


@syscall
def pread(fd: int, count: int, offset: int) -> bytes | Errno:
    """Read up to *count* bytes from *offset* on; the file stays where it is."""
    return _read_write.ksys_pread64(fd, count, offset)


@syscall
def pwrite(fd: int, text: bytes | str | None, offset: int) -> int | Errno:
    """Write *text* at *offset*; the file stays where it is."""
    data = text.encode() if isinstance(text, str) else text
    return _read_write.ksys_pwrite64(fd, data, offset)
