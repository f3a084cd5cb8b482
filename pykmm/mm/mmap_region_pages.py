# SPDX-License-Identifier: GPL-2.0-only
"""Filling mappings with their pages, for address spaces as they boot."""

from __future__ import annotations

from typing import Final

from ..errors import UsageError
from ..linux._huge_folio import HugeFolio, HugePte
from ..linux.atomic import atomic_inc
from ..linux.hugetlb import hugetlb_count_add
from ..linux.memcontrol import mem_cgroup
from ..linux.mm import PAGE_SHIFT, PMD_SHIFT, PTRS_PER_PTE, VM_SHARED, add_mm_counter
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    _Origin,
    address_space,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmzone import NODE_DATA, nr_online_nodes
from ..linux.refcount import refcount_inc
from .filemap_cache import _cache_fill, _cache_missing
from .memory_tables import _install_upper, _missing_upper
from .page_counter import page_counter_charge
from .vmscan_lru import file_lru

__all__ = ["_Supply", "_cache", "_populate_huge", "_populate_run"]

#: The entries of a full page-table page; one number for all of them.
_FULL: Final = (1 << PTRS_PER_PTE) - 1


class _Supply:
    """Free pages, handed out without steps, and taken and charged at the end.

    Watermarks do not count, nor does the limit of *memcg*: so it was before.
    """

    def __init__(self, memcg: mem_cgroup | None) -> None:
        nodes = range(nr_online_nodes())
        self.left = [NODE_DATA(nid).nr_free_pages.nr for nid in nodes]
        self.taken = [0 for _ in nodes]
        self.memcg = memcg
        self.charged = 0
        self.origins: list[_Origin] = [(nid, memcg) for nid in nodes]

    def get(self, pages: int) -> _Origin:
        """Take *pages* from the first node that has as many; return their origin."""
        self.charged += pages
        return self.origins[self.get_uncharged(pages)]

    def get_uncharged(self, pages: int) -> int:
        """Take *pages* that no cgroup is charged for; return their node."""
        left = self.left
        nid = next((nid for nid, free in enumerate(left) if free >= pages), 0)
        left[nid] -= pages
        self.taken[nid] += pages
        if left[nid] < 0:
            raise UsageError(
                f"the address space does not fit: {pages} more pages are needed than "
                "are free: boot the machine with a larger Config(node_pages=...)"
            )
        return nid

    @property
    def used(self) -> list[_Origin]:
        """Where pages that were handed out come from."""
        return [self.origins[nid] for nid, pages in enumerate(self.taken) if pages]

    def commit(self) -> None:
        """Take what was handed out."""
        for nid, pages in enumerate(self.taken):
            if pages and NODE_DATA(nid).nr_free_pages.take(pages) != pages:
                raise UsageError(
                    "memory was taken while the address space was being built"
                )
        if self.memcg is not None and self.charged:
            page_counter_charge(self.memcg.memory, self.charged)


def _cache(mapping: address_space, nr: int, supply: _Supply) -> None:
    """Have the first *nr* pages of a file in memory."""
    file_lru().add(mapping)
    with mapping.i_pages_lock:
        for first in range(0, nr, PTRS_PER_PTE):
            part = min(PTRS_PER_PTE, nr - first)
            missing = _cache_missing(mapping, first, part)
            if missing:
                _cache_fill(mapping, first, part, supply.get(missing))


def _populate_huge(vma: vm_area_struct, nr: int, supply: _Supply) -> int:
    """Map *nr* small pages' worth of huge pages; return how many tables that took.

    The pages go back to free memory in the end, and nobody has reserved any.
    """
    assert vma.vm_file is not None  # every such mapping has one
    mm, own = vma.vm_mm, not vma.vm_flags & VM_SHARED
    first, made = vma.vm_start >> PMD_SHIFT, 0
    for at in range(nr // PTRS_PER_PTE):
        made += _make_upper(mm, first + at, supply)
        nid = supply.get_uncharged(PTRS_PER_PTE)
        folio = HugeFolio(nid=nid, is_anon=own, temporary=True)
        atomic_inc(folio._mapcount)
        if not own:
            refcount_inc(folio._refcount)
            vma.vm_file.f_mapping._huge[at] = folio
        mm._hugetlb[first + at] = HugePte(folio, True)
    hugetlb_count_add(nr, mm)
    return made


def _make_upper(mm: mm_struct, index: int, supply: _Supply) -> int:
    made = _missing_upper(mm, index)
    if made:
        _install_upper(mm, index, [supply.get(1) for _ in range(made)])
    return made


def _populate_run(
    mm: mm_struct, start: int, nr: int, member: int, supply: _Supply, shared: bool
) -> int:
    """Fill *nr* entries from *start* on; return how many tables that took."""
    if not nr:
        return 0
    made = 0
    first, end = start >> PAGE_SHIFT, (start >> PAGE_SHIFT) + nr
    while first < end:
        index, at = divmod(first, PTRS_PER_PTE)
        count = min(end - first, PTRS_PER_PTE - at)
        table = mm.pgd.get(index)
        if table is None:
            made += 1 + _make_upper(mm, index, supply)
            table = mm.pgd[index] = pgtable_t(mm, index, supply.get(1))
        bits = _FULL if count == PTRS_PER_PTE else (1 << count) - 1 << at
        table.present[member] |= bits
        if member == MM_ANONPAGES:
            table._add_pages(supply.get(count), bits)
        elif member == _PFN_ENTRIES and not shared:
            table.readonly |= bits
        first += count
    if member != _PFN_ENTRIES:
        add_mm_counter(mm, member, nr)
    return made
