# SPDX-License-Identifier: GPL-2.0-only
"""Using pages, and letting go of them — ``mm/swap.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..linux.mm_types import _Folios, _Origin, address_space, vm_area_struct
from ..linux.page_flags import PG_active, PG_referenced
from ..linux.rmap import anon_vma
from ._lru import Lru
from .filemap_cache import _add_folios, _without
from .memcontrol import memcg_uncharge
from .page_alloc_freelist import __free_pages

__all__ = ["_anon_lru", "folio_add_lru", "folio_mark_accessed", "folios_put_refs"]


class _AnonLru(Lru[anon_vma]):
    """The trees of forks that have had anonymous pages, each by its root."""


_anon_lru = MachineLocal(_AnonLru)


@mirrors(
    "mm/swap.c",
    checked="v7.2",
    abridged="anonymous pages; without swap nobody would ever look for them",
)
def folio_add_lru(vma: vm_area_struct, origin: _Origin) -> None:
    """Let reclaim find pages of *origin* that *vma* has got just now.

    Context: What keeps the ``anon_vma`` of *vma*.
    """
    if current_machine().config.total_swap_pages:
        _anon_lru().add(vma.__dict__["anon_vma"].root, origin)


@mirrors(
    "mm/swap.c",
    checked="v7.2",
    abridged="pages that nobody refers to any more, as numbers by origin",
)
def folios_put_refs(folios: dict[_Origin, int]) -> None:
    """Uncharge pages, and make them free.

    Context: Any but a page-table lock; never sleeps. One step for each level of each
        cgroup, and one for each node.
    """
    nodes: dict[int, int] = {}
    for (nid, memcg), pages in folios.items():
        nodes[nid] = nodes.get(nid, 0) + pages
        if memcg is not None:
            memcg_uncharge(memcg, pages)
    for nid in sorted(nodes):
        if nodes[nid]:
            __free_pages(nodes[nid], nid)


@mirrors(
    "mm/swap.c",
    checked="v7.2",
    abridged="many pages of one file at once; no generations",
)
def folio_mark_accessed(mapping: address_space, pages: _Folios) -> None:
    """Note that somebody has used *pages*: the second time they become active.

    Context: Any; a step on the cache of the file.
    """
    field, flags = field_of(mapping, "i_pages"), mapping._flags
    t = enter(field, "folio_mark_accessed")
    cached = {chunk: mapping.i_pages.get(chunk, 0) & b for chunk, b in pages.items()}
    once = _without(cached, flags[PG_referenced])
    twice = _without(_without(cached, once), flags[PG_active])
    flags[PG_referenced] = _without(flags[PG_referenced], twice)
    _add_folios(flags[PG_referenced], once)
    _add_folios(flags[PG_active], twice)
    leave(t, field, Access.WRITE if once or twice else Access.READ)
