# SPDX-License-Identifier: GPL-2.0-only
"""The page cache — ``mm/filemap.c``.

Pages of files stay when mappings of them go; that is why unmapping a file frees
nothing. Which pages are cached is known by offset, so that two mappings of one
file share them.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..errno import ENOMEM
from ..linux.gfp_types import __GFP_COMP, GFP_HIGHUSER_MOVABLE
from ..linux.mm_types import _Folios, _Origin, address_space
from ..linux.page_flags import PG_active, PG_reclaim, PG_writeback
from ..linux.spinlock import spin_lock_irq, spin_unlock_irq
from .filemap_cache import (
    _any_locked,
    _before_end,
    _both,
    _cache_fill,
    _cache_missing,
    _swap_drop,
    _wait_on_locked,
    _without,
)
from .memcontrol import get_mem_cgroup_from_current
from .memcontrol_charge import charge_up_to
from .mempolicy_alloc import alloc_pages
from .page_alloc import __free_pages
from .swap import folios_put_refs
from .swapfile import swap_put_entries_direct
from .vmscan_lru import file_lru

__all__ = ["filemap_fault", "folio_end_writeback"]

#: The mask of a file's mapping, as reports show it.
_GFP: Final = GFP_HIGHUSER_MOVABLE | __GFP_COMP


@mirrors(
    "mm/filemap.c",
    checked="v7.2",
    abridged="reading takes no time and never fails, and the "
    "pages of one fault come at once: I/O, its waits and its errors are missing. Who "
    "waits for reclaim keeps mmap_lock",
)
def filemap_fault(mapping: address_space, first: int, nr: int) -> int:
    """Make sure that *nr* pages are cached, or the first one if memory is short.

    Context: May sleep.
    Return: How many pages from *first* on are cached, none if they lie beyond the
        end; or -ENOMEM.
    """
    nr, missing = _look(mapping, first, nr)
    if not missing:
        return nr
    folios = alloc_pages(_GFP, 0, want=missing)
    if folios is None:
        return -ENOMEM
    memcg = get_mem_cgroup_from_current()
    charged = charge_up_to(memcg, _GFP, folios.nr)
    spare = folios.nr - max(charged, 0)
    if spare:
        __free_pages(spare, folios.nid)
    if charged < 0:
        return charged
    origin = (folios.nid, memcg)
    if charged < missing:  # memory is short: page by page
        folios_put_refs({origin: charged - 1})
        nr = charged = 1
    return _add_range(mapping, first, nr, origin, charged)


def _look(mapping: address_space, first: int, nr: int) -> tuple[int, int]:
    """Look for pages until reclaim has none of them in its hands.

    Return: How many there are before the end of the file, and are not cached.
    """
    field, locked = field_of(mapping, "i_pages"), True
    while locked:
        t = enter(field, "filemap_get_folio")
        there = _before_end(mapping, first, nr)
        missing = _cache_missing(mapping, first, there)
        locked = _any_locked(mapping, first, there)
        leave(t, field, Access.READ, missing)
        if locked:
            _wait_on_locked(mapping, first, there)
    return there, missing


def _add_range(
    mapping: address_space, first: int, nr: int, origin: _Origin, pages: int
) -> int:
    """Cache what is missing of *nr* pages, as far as *pages* of *origin* are enough.

    Making room for these may have taken away some that were there.

    Return: How many pages from *first* on are cached.
    """
    field = field_of(mapping, "i_pages")
    spin_lock_irq(mapping.i_pages_lock)
    t = enter(field, "filemap_add_folio")
    nr = _before_end(mapping, first, nr)  # it may have been cut meanwhile
    while _cache_missing(mapping, first, nr) > pages:
        nr -= 1
    is_first = not mapping._nrpages
    added = _cache_fill(mapping, first, nr, origin)
    slots = _swap_drop(mapping, first, nr) if mapping.is_shmem else 0
    leave(t, field, Access.WRITE, added)
    spin_unlock_irq(mapping.i_pages_lock)
    if slots:
        swap_put_entries_direct(slots)
    if is_first:
        file_lru().add(mapping)
    if added < pages:  # somebody else read some of them meanwhile
        folios_put_refs({origin: pages - added})
    return nr


@mirrors("mm/filemap.c", checked="v7.2", abridged="many pages of one file at once")
def folio_end_writeback(mapping: address_space, pages: _Folios) -> None:
    """Note that *pages* have been written; those that reclaim waits for go next.

    Context: Any; a step on the cache of the file.
    """
    field, flags = field_of(mapping, "i_pages"), mapping._flags
    t = enter(field, "folio_end_writeback")
    rotate = _both(flags[PG_reclaim], pages)
    flags[PG_reclaim] = _without(flags[PG_reclaim], rotate)
    flags[PG_active] = _without(flags[PG_active], rotate)
    flags[PG_writeback] = _without(flags[PG_writeback], pages)
    leave(t, field, Access.WRITE)
