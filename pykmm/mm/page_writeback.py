# SPDX-License-Identifier: GPL-2.0-only
"""Dirty pages of files — ``mm/page-writeback.c``.

What a program writes to a mapped page is known from the entry, and, as soon as that
goes or somebody asks, from the page. Shared memory has no file to be written to.
"""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..fs.fs_writeback import __mark_inode_dirty
from ..linux.mm_types import _Folios, address_space
from ..linux.page_flags import PG_dirty, PG_reclaim
from .filemap_cache import _add_folios, _without

__all__ = ["folio_mark_dirty"]


@mirrors(
    "mm/page-writeback.c",
    checked="v7.2",
    abridged="many pages of one file at once; who dirties much is not throttled",
)
def folio_mark_dirty(mapping: address_space, pages: _Folios) -> None:
    """Note that *pages* are not what the disk has; those that are cached no more are.

    Context: Any; a step on the cache of the file, and more if it was clean.
    """
    if mapping.is_shmem:
        return
    field, flags = field_of(mapping, "i_pages"), mapping._flags
    t = enter(field, "folio_mark_dirty")
    cached = {chunk: mapping.i_pages.get(chunk, 0) & b for chunk, b in pages.items()}
    new = _without(cached, flags[PG_dirty])
    first = bool(new) and not flags[PG_dirty]
    _add_folios(flags[PG_dirty], new)
    flags[PG_reclaim] = _without(flags[PG_reclaim], new)
    leave(t, field, Access.WRITE if new else Access.READ)
    if first:
        __mark_inode_dirty(mapping)
