# SPDX-License-Identifier: GPL-2.0-only
"""Writing dirty pages back — part of ``mm/page-writeback.c``."""

from __future__ import annotations

from functools import partial

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.step import enter, leave
from ..linux.mm_types import _Folios, address_space
from ..linux.page_flags import PG_dirty, PG_locked, PG_writeback
from .filemap import folio_end_writeback
from .filemap_cache import _add_folios, _both, _without
from .page_writeback import folio_mark_dirty
from .rmap_file import folio_mkclean

__all__ = ["do_writepages"]


@mirrors("mm/page-writeback.c", checked="v7.2", abridged="all dirty pages at once")
def do_writepages(mapping: address_space) -> None:
    """Write back what of a file is dirty, a page that somebody has locked at last.

    Writing takes as long as from one step to the next.

    Context: May sleep; takes ``i_mmap_rwsem`` for reading, and page-table locks.
    """
    left = True
    while left:
        pages, left = writeback_get_folio(mapping)
        if pages:
            folio_clear_dirty_for_io(mapping, pages)
            folio_end_writeback(mapping, pages)
        elif left:
            _wait_for_dirty(mapping)


@mirrors("mm/page-writeback.c", checked="v7.2", abridged="all dirty pages at once")
def writeback_get_folio(mapping: address_space) -> tuple[_Folios, bool]:
    """Lock what is dirty; tell whether there is more that somebody else has locked.

    Context: A step on the cache of the file.
    """
    field, flags = field_of(mapping, "i_pages"), mapping._flags
    t = enter(field, "writeback_get_folio")
    pages = _without(flags[PG_dirty], flags[PG_locked])
    left = _both(flags[PG_dirty], flags[PG_locked])
    _add_folios(flags[PG_locked], pages)
    leave(t, field, Access.WRITE if pages else Access.READ)
    return pages, bool(left)


def _no_dirty_locked(mapping: address_space) -> bool:
    """Tell, without a step, whether nobody has locked a dirty page."""
    # Snapshots: a guard is asked beside others.
    flags = mapping._flags
    return not _both(dict(flags[PG_dirty]), dict(flags[PG_locked]))


def _wait_for_dirty(mapping: address_space) -> None:
    """Wait, in a step, until nobody has locked a dirty page."""
    field = field_of(mapping, "i_pages")
    t = enter(field, "folio_lock", partial(_no_dirty_locked, mapping))
    leave(t, field, Access.WAIT, blocking=True)


@mirrors(
    "mm/page-writeback.c",
    checked="v7.2",
    abridged="and starts to write, and unlocks the pages, in the same step",
)
def folio_clear_dirty_for_io(mapping: address_space, pages: _Folios) -> None:
    """Have the next write to *pages*, which are locked, raise a fault; they are clean.

    Whoever wrote to them before is found out first: from the entries.

    Context: As :func:`do_writepages`.
    """
    cleaned = folio_mkclean(mapping, pages)
    if cleaned:
        folio_mark_dirty(mapping, cleaned)
    field, flags = field_of(mapping, "i_pages"), mapping._flags
    t = enter(field, "folio_clear_dirty_for_io")
    flags[PG_dirty] = _without(flags[PG_dirty], pages)
    flags[PG_locked] = _without(flags[PG_locked], pages)
    _add_folios(flags[PG_writeback], pages)
    leave(t, field, Access.WRITE)
