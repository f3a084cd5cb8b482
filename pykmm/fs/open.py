# SPDX-License-Identifier: GPL-2.0-only
"""Opening and closing files — ``fs/open.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EBADF, EMFILE, ENOENT, Errno
from .file import fd_install, file_close_fd, filp_close
from .proc.root import proc_open

__all__ = ["close", "do_sys_open"]


@mirrors("fs/open.c", checked="v7.2", abridged="there is nothing but /proc")
def do_sys_open(filename: str, flags: int) -> int | Errno:
    """System call: open a file below ``/proc``.

    Context: May sleep.
    Return: The descriptor; -ENOENT for no such file, -EACCES if its mode forbids it,
        -EMFILE.
    """
    if not filename.startswith("/proc/"):
        return -ENOENT
    file = proc_open(filename.removeprefix("/proc/"), flags)
    if isinstance(file, Errno):
        return file
    fd = fd_install(file)
    if fd == -EMFILE:
        filp_close(file)
    return fd


@mirrors("fs/open.c", checked="v7.2")
def close(fd: int) -> int:
    """System call: give a descriptor back.

    Return: 0, or -EBADF.
    """
    file = file_close_fd(fd)
    if file is None:
        return -EBADF
    filp_close(file)
    return 0
