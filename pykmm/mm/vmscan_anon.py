# SPDX-License-Identifier: GPL-2.0-only
"""Swapping out — part of ``mm/vmscan.c``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import Machine, MachineLocal, current_machine, enter, leave
from ..linux._primitive import Primitive
from ..linux.mm_types import _Origin
from ..linux.rmap import anon_vma
from .internal import anon_vma_lock_read, anon_vma_unlock_read, put_anon_vma
from .rmap_unmap import Wanted, _evictable, try_to_unmap
from .swapfile import _free_slots, nr_swap_pages

__all__ = ["_may_swap", "anon_on_node", "could_swap_out", "shrink_folio_list"]

_NO_AGES: Final = (
    "no page is active: those go first whose mapping was the first to have any, from "
    "the lowest address on, and those that were used as soon as no others are left"
)


class _AnonLru(Primitive):
    """What the step is taken on in which reclaim chooses anonymous pages."""


_lru = MachineLocal(_AnonLru)


def _may_swap(origin: _Origin) -> bool:
    """Tell whether the cgroup that a page is charged to lets it be swapped out."""
    memcg = origin[1]
    while memcg is not None:
        if not memcg.swappiness or not memcg.swap_max_pages:
            return False
        memcg = memcg.parent
    return True


def _first(machine: Machine, wanted: Wanted) -> anon_vma | None:
    """Find one with pages that can go, without a step."""
    for found in list(machine.alive):
        if isinstance(found, anon_vma) and any(True for _ in _evictable(found, wanted)):
            return found
    return None


def could_swap_out(wanted: Wanted) -> Callable[[], bool]:
    """Make a guard: is there anything to be swapped out, and room for it?"""
    machine, slots = current_machine(), nr_swap_pages()

    def check(origin: _Origin) -> bool:
        return wanted(origin) and _may_swap(origin)

    return lambda: bool(slots.counter) and _first(machine, check) is not None


def anon_on_node(nid: int) -> int:
    """Count the pages of a node that could be swapped out, without a step."""
    if not nr_swap_pages().counter:
        return 0

    def wanted(origin: _Origin) -> bool:
        return origin[0] == nid and _may_swap(origin)

    spaces = [x for x in list(current_machine().alive) if isinstance(x, anon_vma)]
    return sum(nr for found in spaces for _, nr in _evictable(found, wanted))


def _isolate(wanted: Wanted) -> anon_vma | None:
    """Choose where pages shall go, in a step, and keep it.

    Whoever takes the mappings down meanwhile does so under its lock, which comes next.
    """
    lru = _lru()
    t = enter(lru, "isolate_lru_folios")
    found = _first(t.machine, wanted)
    if found is not None:
        found.refcount.counter += 1
    leave(t, lru, Access.READ, "nothing" if found is None else found.name)
    return found


@mirrors("mm/vmscan.c", checked="v7.2", abridged=_NO_AGES)
def shrink_folio_list(nr_pages: int, wanted: Wanted) -> int:
    """Swap out *nr_pages* of the *wanted* origins, if there is room for them.

    Context: May sleep; takes ``anon_vma`` locks for reading.
    Return: How many pages were freed.
    """
    reclaimed = 0

    def check(origin: _Origin) -> bool:
        return wanted(origin) and _may_swap(origin)

    while reclaimed < nr_pages and _free_slots():
        found = _isolate(check)
        if found is None:
            break
        anon_vma_lock_read(found)
        got, spared = try_to_unmap(found, nr_pages - reclaimed, check)
        anon_vma_unlock_read(found)
        put_anon_vma(found)
        if not got and not spared:
            break
        reclaimed += got
    return reclaimed
