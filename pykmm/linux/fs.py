# SPDX-License-Identifier: GPL-2.0-only
"""Open files, as mappings see them — ``include/linux/fs.h``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from .mm_types import address_space, file
from .page_flags import PG_dirty
from .refcount import refcount_inc
from .rwsem import down_read, down_write, down_write_killable, up_read, up_write

if TYPE_CHECKING:
    from ._vma_desc import vm_area_desc

__all__ = [
    "FMODE_READ",
    "FMODE_WRITE",
    "S_APPEND",
    "S_SWAPFILE",
    "file_operations",
    "get_file",
    "i_mmap_lock_read",
    "i_mmap_lock_write",
    "i_mmap_unlock_read",
    "i_mmap_unlock_write",
    "i_size_write",
    "inode_lock",
    "inode_lock_killable",
    "inode_unlock",
    "mapping_tagged",
]

FMODE_READ: Final = 1
FMODE_WRITE: Final = 2
S_APPEND: Final = 1 << 2
S_SWAPFILE: Final = 1 << 8


@attrs.frozen
class file_operations:
    """What a driver does where a plain file is just a file."""

    #: Has its say about a new mapping: 0 or an error.
    mmap_prepare: Callable[[vm_area_desc], int]
    #: Is asked whether current may open it: 0 or an error.
    open: Callable[[], int]


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def get_file(f: file) -> file:
    """Take a reference; the caller holds one already.

    Context: Any.
    """
    refcount_inc(f.f_ref)
    return f


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def i_mmap_lock_write(mapping: address_space) -> None:
    """Keep out whoever looks for the mappings of a file.

    Context: May sleep.
    """
    down_write(mapping.i_mmap_rwsem)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def i_mmap_unlock_write(mapping: address_space) -> None:
    """Let the others look for them again.

    Context: The caller holds the lock.
    """
    up_write(mapping.i_mmap_rwsem)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def i_mmap_lock_read(mapping: address_space) -> None:
    """Keep the mappings of a file as they are.

    Context: May sleep.
    """
    down_read(mapping.i_mmap_rwsem)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def i_mmap_unlock_read(mapping: address_space) -> None:
    """Let mappings of the file come and go again.

    Context: The caller holds the lock.
    """
    up_read(mapping.i_mmap_rwsem)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def i_size_write(mapping: address_space, i_size: int) -> None:
    """Change where the file of a mapping ends.

    A fault looks at the size together with the cache, so both are one in steps.

    Context: ``i_rwsem`` for writing.
    """
    field = field_of(mapping, "i_pages")
    t = enter(field, "i_size_write")
    mapping.__dict__["_i_size"] = i_size
    leave(t, field, Access.WRITE, i_size)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def inode_lock(mapping: address_space) -> None:
    """Keep out whoever changes the size or the extent of a file.

    Context: May sleep.
    """
    down_write(mapping.i_rwsem)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def inode_lock_killable(mapping: address_space) -> int:
    """Do as :func:`inode_lock`, unless killed while waiting.

    Context: May sleep.
    Return: 0 or -EINTR.
    """
    return down_write_killable(mapping.i_rwsem)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def inode_unlock(mapping: address_space) -> None:
    """Let the next one change the file.

    Context: The caller holds the lock.
    """
    up_write(mapping.i_rwsem)


@mirrors("include/linux/fs.h", checked="v7.2", inline=True, abridged="dirty ones only")
def mapping_tagged(mapping: address_space) -> bool:
    """Tell whether a file has dirty pages: a step on its cache."""
    field = field_of(mapping, "i_pages")
    t = enter(field, "mapping_tagged")
    tagged = bool(mapping._flags[PG_dirty])
    leave(t, field, Access.READ, tagged)
    return tagged
