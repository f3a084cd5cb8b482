# SPDX-License-Identifier: GPL-2.0-only
"""Making and freeing page tables — part of ``mm/memory.c``.

A page-table page comes with the first fault in its 2 MiB and goes when the
mappings around it do: unmapping pages, as the reaper does, leaves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.objects import Struct
from ..engine.step import enter, leave
from ..errno import ENOMEM, Errno
from ..lib.maple_tree import mas_find
from ..linux.atomic import atomic_long_add
from ..linux.gfp_types import __GFP_ZERO, GFP_KERNEL_ACCOUNT
from ..linux.maple_tree import ULONG_MAX
from ..linux.mm import PAGE_SIZE, PMD_MASK, PMD_SHIFT, PMD_SIZE, PUD_SHIFT
from ..linux.mm_types import _Origin, mm_struct, pgtable_t, vm_area_struct
from ..linux.mmap_lock import vma_start_write
from ..linux.spinlock import spin_lock, spin_unlock
from .memcontrol import get_mem_cgroup_from_current
from .memcontrol_charge import try_charge_memcg
from .memory import P4D_SHIFT
from .mempolicy_alloc import alloc_pages
from .mmu_gather import mmu_gather, tlb_remove_table
from .rmap import unlink_anon_vmas
from .swap import folios_put_refs
from .vma_file import (
    unlink_file_vma_batch_add,
    unlink_file_vma_batch_final,
    unlink_vma_file_batch,
)
from .vma_unmap import unmap_desc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["free_pgd_range", "free_pgtables", "pte_alloc"]

_LEVELS = (
    "missing tables of all levels come in one section of page_table_lock, which stands "
    "for the locks of the upper levels, too: fewer moments in which only some are there"
)
#: GFP_PGTABLE_USER of the architectures.
_GFP_PGTABLE_USER: Final = GFP_KERNEL_ACCOUNT | __GFP_ZERO
_AT_ONCE = (
    "pgtables_bytes falls once for a range, not table by table: a scan that reads it "
    "meanwhile sees a value a little too high"
)


# -- making ----------------------------------------------------------------------------


def _missing_upper(mm: mm_struct, index: int) -> int:
    """Count the tables above page-table page *index* that are missing."""
    pud, pmd = index >> P4D_SHIFT - PMD_SHIFT, index >> PUD_SHIFT - PMD_SHIFT
    return (pud not in mm._puds) + (pmd not in mm._pmds)


def _install_upper(mm: mm_struct, index: int, pages: list[_Origin]) -> int:
    """Make what is missing above page-table page *index* of *pages*; return how many.

    Context: ``page_table_lock``, or nobody else knows *mm*.
    """
    before = len(pages)
    pud, pmd = index >> P4D_SHIFT - PMD_SHIFT, index >> PUD_SHIFT - PMD_SHIFT
    if pud not in mm._puds:
        mm._puds[pud] = pages.pop()
    if pmd not in mm._pmds:
        mm._pmds[pmd] = pages.pop()
    return before - len(pages)


def _install(mm: mm_struct, index: int, pages: list[_Origin]) -> int:
    """Make page-table page *index* and what is missing above; return how many.

    Context: As :func:`_install_upper`.
    """
    made = _install_upper(mm, index, pages)
    if index not in mm.pgd:
        mm.pgd[index] = pgtable_t(mm, index, pages.pop())
        made += 1
    return made


def _alloc_tables(nr: int) -> list[_Origin] | None:
    """Allocate *nr* pages for tables, charged to current's cgroup; None for no memory.

    Context: May sleep.
    """
    memcg = get_mem_cgroup_from_current()
    got: dict[_Origin, int] = {}
    left = nr
    while left:
        page = alloc_pages(_GFP_PGTABLE_USER, 0, want=left)
        if page is None:
            break
        if memcg is not None and try_charge_memcg(memcg, _GFP_PGTABLE_USER, page.nr):
            folios_put_refs({(page.nid, None): page.nr})
            break
        got[page.nid, memcg] = got.get((page.nid, memcg), 0) + page.nr
        left -= page.nr
    if left:
        folios_put_refs(got)
        return None
    return [origin for origin, pages in got.items() for _ in range(pages)]


@mirrors("mm/memory.c", checked="v7.2", abridged=_LEVELS)
def pte_alloc(mm: mm_struct, index: int) -> pgtable_t | Errno:
    """Return page-table page *index* of *mm*, made if it is not there.

    Context: ``mmap_lock``. May sleep.
    Return: -ENOMEM if there is no memory for it.
    """
    upper = field_of(mm, "pgd")
    t = enter(upper, "pmd_none")
    missing = _missing_upper(mm, index) + (index not in mm.pgd)
    leave(t, upper, Access.READ, missing)
    if missing and __pte_alloc(mm, index, missing):
        return -ENOMEM
    return mm.pgd[index]


@mirrors("mm/memory.c", checked="v7.2", abridged=_LEVELS)
def __pte_alloc(mm: mm_struct, index: int, missing: int) -> int:
    """Make page-table page *index*, unless another fault was faster.

    Context: As :func:`pte_alloc`.
    Return: 0 or -ENOMEM.
    """
    return _populate(mm, index, missing, _install)


def _populate(
    mm: mm_struct,
    index: int,
    missing: int,
    install: Callable[[mm_struct, int, list[_Origin]], int],
) -> int:
    """Allocate *missing* pages of tables, and install those that still are.

    Return: 0 or -ENOMEM.
    """
    pages = _alloc_tables(missing)
    if pages is None:
        return -ENOMEM
    upper = field_of(mm, "pgd")
    spin_lock(mm.page_table_lock)
    t = enter(upper, "pmd_populate")
    made = install(mm, index, pages)
    leave(t, upper, Access.WRITE if made else Access.READ, made)
    if made:
        atomic_long_add(made * PAGE_SIZE, mm.pgtables_bytes)
    spin_unlock(mm.page_table_lock)
    if pages:
        folios_put_refs({origin: pages.count(origin) for origin in pages})
    return 0


def _upper_alloc(mm: mm_struct, index: int) -> int:
    """Make the tables above page-table page *index*, if they are not there.

    Context: As :func:`pte_alloc`.
    Return: 0 or -ENOMEM.
    """
    upper = field_of(mm, "pgd")
    t = enter(upper, "pmd_none")
    missing = _missing_upper(mm, index)
    leave(t, upper, Access.READ, missing)
    return _populate(mm, index, missing, _install_upper) if missing else 0


# -- freeing ---------------------------------------------------------------------------


class _FreedTables(Struct):
    """What the locks of freed page-table pages belong to, so that they are dead."""

    def __init__(self, mm: mm_struct) -> None:
        self._register()
        self._of = mm.name
        self._free()

    @property
    def name(self) -> str:
        return f"{self._of}.pte"


def _parts(addr: int, end: int, shift: int) -> Iterator[tuple[int, int, int]]:
    """Cut [addr, end) where a table of the level *shift* ends: number, start, stop."""
    while addr < end:
        number = addr >> shift
        stop = min(number + 1 << shift, end)
        yield number, addr, stop
        addr = stop


def _takes_table(start: int, end: int, floor: int, ceiling: int, shift: int) -> bool:
    """Tell whether the table that [start, end) lies in has no other users.

    It reaches from one multiple of ``1 << shift`` to the next; what lies between
    *floor* and *ceiling* is free of mappings.
    """
    size = 1 << shift
    if start & -size < floor:
        return False
    if ceiling:
        ceiling &= -size
        if not ceiling:
            return False
    return end - 1 <= ceiling - 1 & ULONG_MAX


@mirrors("mm/memory.c", checked="v7.2", abridged=_AT_ONCE)
def free_pgd_range(
    tlb: mmu_gather, addr: int, end: int, floor: int, ceiling: int
) -> None:
    """Free the page tables of [addr, end), around which all is unmapped.

    The range may be widened down to *floor* and up to *ceiling*, 0 meaning the very
    bottom and the very top; tables that reach further stay.

    Context: ``mmap_lock``, and nobody can find the mappings any more.
    """
    addr &= PMD_MASK
    if addr < floor:
        addr += PMD_SIZE
    if ceiling:
        ceiling &= PMD_MASK
        if not ceiling:
            return
    if end - 1 > ceiling - 1 & ULONG_MAX:
        end -= PMD_SIZE
    if addr > end - 1:
        return
    freed = sum(
        _free_pud_range(tlb, pud, start, stop, floor, ceiling)
        for pud, start, stop in _parts(addr, end, P4D_SHIFT)
        if pud in tlb.mm._puds
    )
    if freed:
        atomic_long_add(-freed * PAGE_SIZE, tlb.mm.pgtables_bytes)


def _free_pud_range(
    tlb: mmu_gather, pud: int, start: int, end: int, floor: int, ceiling: int
) -> int:
    mm = tlb.mm
    freed = sum(
        _free_pmd_range(tlb, pmd, first, stop, floor, ceiling)
        for pmd, first, stop in _parts(start, end, PUD_SHIFT)
        if pmd in mm._pmds
    )
    if _takes_table(start, end, floor, ceiling, P4D_SHIFT):
        tlb_remove_table(tlb, mm._puds.pop(pud))
        freed += 1
    return freed


def _free_pmd_range(
    tlb: mmu_gather, pmd: int, start: int, end: int, floor: int, ceiling: int
) -> int:
    mm = tlb.mm
    grave = _FreedTables(mm)
    indices = range(start >> PMD_SHIFT, (end - 1 >> PMD_SHIFT) + 1)
    tables = [mm.pgd.pop(index) for index in indices if index in mm.pgd]
    for table in tables:
        table._freed_into(grave)
        tlb_remove_table(tlb, table.origin)
    if not _takes_table(start, end, floor, ceiling, PUD_SHIFT):
        return len(tables)
    tlb_remove_table(tlb, mm._pmds.pop(pmd))
    return len(tables) + 1


@mirrors("mm/memory.c", checked="v7.2")
def free_pgtables(tlb: mmu_gather, unmap: unmap_desc) -> None:
    """Free the page tables of the mappings that *unmap* describes.

    Nobody shall find them from a page before. Mappings that are close to each other
    are done together.

    Context: ``mmap_lock``: for writing if the mappings are still in the tree. May
        sleep.
    """
    mas, last = unmap.mas, unmap.tree_end - 1 & ULONG_MAX
    vma: vm_area_struct | None = unmap.first
    while vma is not None:
        addr = vma.vm_start
        following = mas_find(mas, last)
        if unmap.mm_wr_locked:
            vma_start_write(vma)
        unlink_anon_vmas(vma)
        batch = unlink_vma_file_batch()
        unlink_file_vma_batch_add(batch, vma)
        while following is not None and following.vm_start <= vma.vm_end + PMD_SIZE:
            vma = following
            following = mas_find(mas, last)
            if unmap.mm_wr_locked:
                vma_start_write(vma)
            unlink_anon_vmas(vma)
            unlink_file_vma_batch_add(batch, vma)
        unlink_file_vma_batch_final(batch)
        ceiling = unmap.pg_end if following is None else following.vm_start
        free_pgd_range(tlb, addr, vma.vm_end, unmap.pg_start, ceiling)
        vma = following
