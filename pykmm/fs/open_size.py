# SPDX-License-Identifier: GPL-2.0-only
"""Cutting files, and punching holes into them — part of ``fs/open.c``.

Both take pages away that somebody may have mapped, and free memory that way.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EBADF, EFBIG, EINVAL, ENODEV, EOPNOTSUPP, EPERM, ETXTBSY
from ..linux.fs import (
    FMODE_WRITE,
    S_APPEND,
    S_SWAPFILE,
    inode_lock_killable,
    inode_unlock,
)
from ..linux.mm_types import file
from ..linux.uapi_falloc import (
    FALLOC_FL_ALLOCATE_RANGE,
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_MODE_MASK,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_UNSHARE_RANGE,
    FALLOC_FL_WRITE_ZEROES,
    FALLOC_FL_ZERO_RANGE,
)
from ..mm.shmem import shmem_fallocate
from ..mm.truncate import truncate_setsize
from .file import _fd

__all__ = ["ksys_fallocate", "ksys_ftruncate", "vfs_fallocate"]

_MAX_LFS_FILESIZE: Final = 2**63 - 1
#: What has to be said with FALLOC_FL_KEEP_SIZE, may be, and must not be.
_KEEPS: Final = (FALLOC_FL_PUNCH_HOLE,)
_MAY_KEEP: Final = (
    FALLOC_FL_ALLOCATE_RANGE,
    FALLOC_FL_UNSHARE_RANGE,
    FALLOC_FL_ZERO_RANGE,
)
_CHANGES: Final = (
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE,
    FALLOC_FL_WRITE_ZEROES,
)


@mirrors("fs/open.c", checked="v7.2", abridged="no attributes but the size, no leases")
def do_truncate(filp: file, length: int) -> int:
    """Give a file another size.

    Context: Takes ``i_rwsem``. May sleep.
    Return: 0, or -EINTR when killed while waiting for it.
    """
    mapping = filp.f_mapping
    ret = inode_lock_killable(mapping)
    if ret:
        return ret
    truncate_setsize(mapping, length)
    inode_unlock(mapping)
    return 0


@mirrors("fs/open.c", checked="v7.2", abridged="files of huge pages cannot be cut")
def do_ftruncate(opened: file, length: int) -> int:
    """Give an open file another size.

    Context: May sleep.
    Return: As :func:`ksys_ftruncate`.
    """
    if opened.f_op is not None or opened.is_hugetlb:
        return -EINVAL
    if not opened.f_mode & FMODE_WRITE:
        return -EINVAL
    if opened.f_mapping.i_flags & S_APPEND:
        return -EPERM
    return do_truncate(opened, length)


@mirrors("fs/open.c", checked="v7.2")
def ksys_ftruncate(fd: int, length: int) -> int:
    """System call: give an open file another size.

    Context: May sleep.
    Return: 0; -EBADF; -EINVAL for a negative size, and for what is no file to be
        mapped or not open for writing; -EPERM if it only ever grows; -EINTR.
    """
    if length < 0:
        return -EINVAL
    with _fd(fd) as opened:
        if opened is None:
            return -EBADF
        if not isinstance(opened, file):
            return -EINVAL
        return do_ftruncate(opened, length)


def _mode_ok(mode: int) -> bool:
    """Tell whether *mode* asks for one thing, and says about the size what it must."""
    if mode & ~(FALLOC_FL_MODE_MASK | FALLOC_FL_KEEP_SIZE):
        return False
    what = mode & FALLOC_FL_MODE_MASK
    keep = mode & FALLOC_FL_KEEP_SIZE
    return what in _MAY_KEEP or what in (_KEEPS if keep else _CHANGES)


@mirrors(
    "fs/open.c",
    checked="v7.2",
    abridged="no file system can do anything but punch holes; nobody is told",
)
def vfs_fallocate(opened: file, mode: int, offset: int, length: int) -> int:
    """Change what of a range of a file there is; today, punch a hole.

    Context: May sleep.
    Return: As :func:`ksys_fallocate`.
    """
    if offset < 0 or length <= 0:
        return -EINVAL
    if not _mode_ok(mode):
        return -EOPNOTSUPP
    if not opened.f_mode & FMODE_WRITE:
        return -EBADF
    i_flags = opened.f_mapping.i_flags
    if mode & ~FALLOC_FL_KEEP_SIZE and i_flags & S_APPEND:
        return -EPERM
    if i_flags & S_SWAPFILE:
        return -ETXTBSY
    if opened.f_op is not None:
        return -ENODEV
    if offset + length > _MAX_LFS_FILESIZE:
        return -EFBIG
    if opened.is_hugetlb:
        return -EOPNOTSUPP
    # Other file systems do the same about the cache, besides what is on disk.
    return shmem_fallocate(opened, mode, offset, length)


@mirrors("fs/open.c", checked="v7.2")
def ksys_fallocate(fd: int, mode: int, offset: int, length: int) -> int:
    """System call: punch a hole into a file.

    Context: May sleep.
    Return: 0; -EBADF, also if it is not open for writing; -EINVAL for a bad range,
        -EOPNOTSUPP for anything but a hole, -ENODEV, -EPERM, -ETXTBSY or -EFBIG.
    """
    with _fd(fd) as opened:
        if opened is None:
            return -EBADF
        if not isinstance(opened, file):
            return -EOPNOTSUPP
        return vfs_fallocate(opened, mode, offset, length)
