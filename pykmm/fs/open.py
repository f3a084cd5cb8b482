# SPDX-License-Identifier: GPL-2.0-only
"""Opening and closing files — ``fs/open.c``."""

from __future__ import annotations

from ..drivers.char.mem import devlist
from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..errno import EBADF, EMFILE, ENOENT, Errno
from ..linux.fs import FMODE_READ, FMODE_WRITE
from ..linux.mm import PAGE_SIZE
from ..linux.mm_types import address_space, file
from ..linux.proc_fs import ProcFile
from ..linux.spinlock import spinlock_t
from ..linux.uapi import O_CREAT, O_RDWR, O_WRONLY
from ..mm.swapfile import SWAP_FILE
from .file import fd_install, file_close_fd, filp_close
from .proc.root import proc_open

__all__ = ["close", "do_sys_open", "file_open_name"]

_DEVICES = "/dev/"


class _Inodes(Root):
    """The plain files of the machine, by path."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = spinlock_t(self)
        self.by_path: dict[str, address_space] = {}


_inodes = MachineLocal(_Inodes)


def _open_plain(filename: str, flags: int, size: int = 0) -> file | Errno:
    """Open a file that only mappings look into; it is made if *flags* say so.

    One that is made has *size* bytes: none, if it is a program's doing.

    Context: Takes the lock of the files.
    """
    inodes = _inodes()
    if filename == SWAP_FILE:  # there from the beginning, if there is swap
        size = current_machine().config.total_swap_pages * PAGE_SIZE
    with inodes.lock:
        mapping = inodes.by_path.get(filename)
        if mapping is None and (size or flags & O_CREAT):
            mapping = inodes.by_path[filename] = address_space(_i_size=size)
    if mapping is None:
        return -ENOENT
    return file(f_path=filename, f_mapping=mapping, f_mode=_mode(flags))


def _make_plain(filename: str, size: int) -> bool:
    """Have a plain file of *size* bytes from the beginning, unless there is one.

    Context: The host's.
    """
    inodes = _inodes()
    has_swap = current_machine().config.total_swap_pages > 0
    with inodes.lock:
        if filename in inodes.by_path or (filename == SWAP_FILE and has_swap):
            return False
        inodes.by_path[filename] = address_space(_i_size=size)
    return True


def _open_device(filename: str, flags: int) -> file | Errno:
    """Open a device, if its driver lets current have it.

    Context: Takes the lock of the files.
    """
    f_op = devlist.get(filename.removeprefix(_DEVICES))
    if f_op is None:
        return -ENOENT
    error = f_op.open()
    if isinstance(error, Errno):
        return error
    inodes = _inodes()
    with inodes.lock:
        mapping = inodes.by_path.setdefault(filename, address_space())
    return file(f_path=filename, f_op=f_op, f_mapping=mapping, f_mode=_mode(flags))


def _mode(flags: int) -> int:
    access = flags & (O_WRONLY | O_RDWR)
    reads = FMODE_READ if access != O_WRONLY else 0
    return reads | (FMODE_WRITE if access else 0)


@mirrors(
    "fs/open.c",
    checked="v7.2",
    abridged="plain files are there to be mapped only, and anybody may open them",
)
def file_open_name(filename: str, flags: int) -> ProcFile | file | Errno:
    """Open a file below ``/proc``, a device, or a plain file, which may be made.

    Context: May sleep.
    Return: The file; -ENOENT for no such file, -EACCES if its mode forbids it, -EPERM
        if its driver does.
    """
    if filename.startswith("/proc/"):
        return proc_open(filename.removeprefix("/proc/"), flags)
    if filename.startswith(_DEVICES):
        return _open_device(filename, flags)
    return _open_plain(filename, flags)


@mirrors("fs/open.c", checked="v7.2")
def do_sys_open(filename: str, flags: int) -> int | Errno:
    """System call: open a file, see :func:`file_open_name`.

    Context: May sleep.
    Return: The descriptor; an error, or -EMFILE.
    """
    found = file_open_name(filename, flags)
    if isinstance(found, Errno):
        return found
    fd = fd_install(found, flags=flags)
    if fd == -EMFILE:
        filp_close(found)
    return fd


@mirrors("fs/open.c", checked="v7.2")
def close(fd: int) -> int:
    """System call: give a descriptor back.

    Return: 0, or -EBADF.
    """
    closed = file_close_fd(fd)
    if closed is None:
        return -EBADF
    filp_close(closed)
    return 0
