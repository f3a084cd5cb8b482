# SPDX-License-Identifier: GPL-2.0-only
"""Making whole mappings with their pages, for address spaces as they boot.

A scenario begins with processes that have lived for a while. What they have mapped
and touched is put there at once instead of by system calls and faults: without
steps, and at a cost per page-table page.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..errors import UsageError, choices
from ..lib.maple_tree import mas_store, mt_find
from ..linux.atomic import atomic_long_add
from ..linux.fs import get_file
from ..linux.maple_tree import MA_STATE
from ..linux.mm import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SIZE,
    TASK_SIZE,
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_HUGETLB,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    address_space,
    file,
    mm_struct,
    vm_area_struct,
    vm_operations_struct,
)
from ..linux.mman import vm_acct_memory
from ..linux.mmap_lock import (
    mmap_write_lock,
    mmap_write_unlock,
    vma_mark_attached,
    vma_start_write,
)
from .hugetlb_resv import hugetlb_vm_ops
from .memcontrol import memcg_of
from .memory_remap import VM_REMAP_FLAGS
from .mmap_limits import vm_stat_account
from .mmap_region_pages import _cache, _populate_huge, _populate_run, _Supply
from .rmap import _anon_vma_at_boot
from .swap import folio_add_lru
from .swapfile import _note_swapped, _swap_alloc
from .vma_file import vma_link_file
from .vma_init import vm_area_alloc
from .vma_ops import (
    generic_file_vm_ops,
    shmem_vm_ops,
    special_mapping_vmops,
)

__all__ = ["_map_region"]

_MAY: Final = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC

#: By kind: flags, as what a page that is not copied counts, and the operations.
_KINDS: Final[dict[str, tuple[int, int, vm_operations_struct | None]]] = {
    "anon": (0, MM_ANONPAGES, None),
    "file": (0, MM_FILEPAGES, generic_file_vm_ops),
    "shmem": (0, MM_SHMEMPAGES, shmem_vm_ops),
    "hugetlb": (VM_HUGETLB | VM_DONTEXPAND, _PFN_ENTRIES, hugetlb_vm_ops),
    "pfnmap": (VM_REMAP_FLAGS, _PFN_ENTRIES, special_mapping_vmops),
}


@attrs.frozen
class _Plan:
    """What a new mapping holds: pages in order of address, from its start on."""

    kind: str
    shared: bool
    #: Present pages; the first of them are private copies.
    populated: int
    copied: int
    #: Then, pages in swap.
    swapped: int

    @property
    def member(self) -> int:
        """How a page counts that is no private copy."""
        return MM_SHMEMPAGES if self.is_shared_anon else _KINDS[self.kind][1]

    @property
    def is_shared_anon(self) -> bool:
        """Whether it is memory that only looks anonymous: a file without a name."""
        return self.kind == "anon" and self.shared

    @property
    def has_cache(self) -> bool:
        """Whether the pages are those of a file."""
        return self.is_shared_anon or self.kind in ("file", "shmem")

    @property
    def has_anon(self) -> bool:
        """Whether there are anonymous pages, or were before they went to swap."""
        own = self.kind == "hugetlb" and not self.shared
        return bool(self.copied or self.swapped) or (
            (own or self.member == MM_ANONPAGES) and self.populated > 0
        )

    def runs(self) -> list[tuple[int, int, int]]:
        """List what counts as what: member, first page, number of pages."""
        own = self.populated - self.copied
        return [
            (MM_ANONPAGES, 0, self.copied),
            (self.member, self.copied, own),
            (MM_SWAPENTS, self.populated, self.swapped),
        ]

    def flags(self, extra: int) -> int:
        """Put the flags of the mapping together."""
        flags = VM_READ | VM_WRITE | _MAY | _KINDS[self.kind][0] | extra
        if self.shared:
            return flags | VM_SHARED | VM_MAYSHARE
        plain = not flags & (VM_HUGETLB | VM_NORESERVE | VM_PFNMAP)
        return flags | (VM_ACCOUNT if plain and flags & VM_WRITE else 0)


# -- building --------------------------------------------------------------------------


def _map_region(
    mm: mm_struct,
    start: int,
    length: int,
    *,
    kind: str,
    shared: bool = False,
    populate_pages: int | None = None,
    extra_flags: int = 0,
    copied_pages: int = 0,
    swapped_pages: int = 0,
    vm_file: file | None = None,
) -> vm_area_struct:
    """Map *length* bytes at *start*, with pages that are there already.

    *kind* is one of anon, file, shmem, hugetlb and pfnmap. The first
    *populate_pages* pages are present (None: none are), of which *copied_pages*
    are private copies of a private file's; the next *swapped_pages* are in swap.
    Without *vm_file* a mapping that needs a file gets its own. Never merges.

    Context: Takes ``mmap_lock`` for writing. Nobody faults in *mm* yet.
    """
    plan = _Plan(kind, shared, populate_pages or 0, copied_pages, swapped_pages)
    _check(plan, start, length)
    mmap_write_lock(mm)
    try:
        if mt_find(mm.mm_mt, start, start + length - 1)[0] is not None:
            raise UsageError(
                f"start={start:#x}, length={length:#x} overlaps a mapping of "
                f"{mm.name}: choose free addresses"
            )
        vma = _new_vma(mm, start, length, plan, extra_flags, vm_file)
        _populate(mm, vma, plan)
        return vma
    finally:
        mmap_write_unlock(mm)


def _check(plan: _Plan, start: int, length: int) -> None:
    if plan.kind not in _KINDS:
        raise UsageError(
            f"kind={plan.kind!r} is no kind of mapping: use {choices([*_KINDS])}"
        )
    unit = PMD_SIZE if plan.kind == "hugetlb" else PAGE_SIZE
    if start % unit or length % unit or not 0 <= start < start + length <= TASK_SIZE:
        raise UsageError(
            f"start={start:#x}, length={length:#x} must be multiples of {unit}, the "
            f"length not 0, and end at or below {TASK_SIZE:#x}"
        )
    _check_pages(plan, length >> PAGE_SHIFT, unit >> PAGE_SHIFT)


def _check_pages(plan: _Plan, pages: int, unit: int) -> None:
    counts = (plan.populated, plan.copied, plan.swapped)
    if (
        min(counts) < 0
        or plan.populated + plan.swapped > pages
        or plan.populated % unit
    ):
        raise UsageError(
            f"populate_pages={plan.populated}, swapped_pages={plan.swapped} do not fit "
            f"a {plan.kind} mapping of {pages} pages: give multiples of {unit} that do"
        )
    private = plan.kind in ("file", "shmem") and not plan.shared
    if plan.copied > (plan.populated if private else 0):
        raise UsageError(
            f"copied_pages={plan.copied} must be some of the populated pages of a "
            "private file or shmem mapping"
        )
    if (plan.swapped and plan.shared) or (
        plan.swapped and plan.kind in ("hugetlb", "pfnmap")
    ):
        raise UsageError(
            f"swapped_pages={plan.swapped} must be 0: only private memory has swap "
            f"entries, not a {'shared ' * plan.shared}{plan.kind} mapping"
        )


def _new_vma(
    mm: mm_struct,
    start: int,
    length: int,
    plan: _Plan,
    extra_flags: int,
    vm_file: file | None,
) -> vm_area_struct:
    """Make the mapping, count it, and put it into the tree."""
    flags = plan.flags(extra_flags)
    vm_ops = shmem_vm_ops if plan.is_shared_anon else _KINDS[plan.kind][2]
    if vm_file is not None:
        get_file(vm_file)
    elif vm_ops is not None and plan.kind != "pfnmap":
        vm_file = _own_file(plan)
    if vm_file is not None and vm_file.f_mapping._i_size < length:
        vm_file.f_mapping._i_size = length
    vma = vm_area_alloc(mm, start, start + length, flags, vm_file, vm_ops=vm_ops)
    vma.vm_pgoff = start >> PAGE_SHIFT if vm_ops is None else 0
    vma_start_write(vma)
    vma_mark_attached(vma)
    mas_store(MA_STATE(mm.mm_mt, start, start + length - 1), vma)
    vma_link_file(vma)
    mm.map_count += 1
    pages = length >> PAGE_SHIFT
    vm_stat_account(mm, flags, pages)
    if flags & VM_LOCKED:
        mm.locked_vm += pages
    if flags & VM_ACCOUNT:
        vm_acct_memory(pages)
    return vma


def _own_file(plan: _Plan) -> file:
    """Make a file of which the mapping has the only reference."""
    named = plan.kind == "file"
    return file(
        f_path="/usr/bin/app" if named else "/dev/zero (deleted)",
        is_hugetlb=plan.kind == "hugetlb",
        f_mapping=address_space(
            is_linked=named, is_shmem=not named and plan.kind != "hugetlb"
        ),
    )


def _populate(mm: mm_struct, vma: vm_area_struct, plan: _Plan) -> None:
    owner = mm.__dict__["owner"]
    supply = _Supply(None if owner is None else memcg_of(owner))
    made = 0
    if plan.has_anon:
        _anon_vma_at_boot(vma)
    if plan.has_cache and vma.vm_file is not None:
        _cache(vma.vm_file.f_mapping, plan.populated, supply)
    if plan.kind == "hugetlb":
        made += _populate_huge(vma, plan.populated, supply)
    else:
        for member, first, nr in plan.runs():
            start = vma.vm_start + (first << PAGE_SHIFT)
            made += _populate_run(mm, start, nr, member, supply, plan.shared)
    if plan.swapped:
        _swap_alloc(plan.swapped)
        _note_swapped(mm)
    supply.commit()
    if plan.has_anon:
        for origin in supply.used:
            folio_add_lru(vma, origin)
    if made:
        atomic_long_add(made * PAGE_SIZE, mm.pgtables_bytes)
