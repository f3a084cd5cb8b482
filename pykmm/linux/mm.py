# SPDX-License-Identifier: GPL-2.0-only
"""What every user of address spaces needs — ``include/linux/mm.h``.

Flags of mappings, the counters of an address space, and the iterator over its
mappings. The iterator itself checks no lock; the fields of what it finds do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import thread_here
from ..lib.maple_tree import mas_find, mas_prev, mtree_load
from .atomic import atomic_long_add, atomic_long_read, atomic_long_sub
from .bitops import set_bit, test_and_set_bit, test_bit
from .maple_tree import ULONG_MAX, mas_set
from .mm_types import _counts_at_rest, mm_struct, vm_area_struct, vma_iterator
from .mm_types_task import MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, NR_MM_COUNTERS
from .pgtable import PMD_SIZE, PTRS_PER_PTE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PAGE_MASK",
    "PAGE_SHIFT",
    "PAGE_SIZE",
    "PMD_MASK",
    "PMD_SHIFT",
    "PMD_SIZE",
    "PTRS_PER_PTE",
    "PUD_SHIFT",
    "PUD_SIZE",
    "TASK_SIZE",
    "VM_ACCOUNT",
    "VM_DONTCOPY",
    "VM_DONTDUMP",
    "VM_DONTEXPAND",
    "VM_EXEC",
    "VM_FAULT_OOM",
    "VM_FAULT_RETRY",
    "VM_FAULT_SIGBUS",
    "VM_FAULT_SIGSEGV",
    "VM_GROWSDOWN",
    "VM_HUGEPAGE",
    "VM_HUGETLB",
    "VM_IO",
    "VM_LOCKED",
    "VM_LOCKONFAULT",
    "VM_MAYEXEC",
    "VM_MAYREAD",
    "VM_MAYSHARE",
    "VM_MAYWRITE",
    "VM_MERGEABLE",
    "VM_MIXEDMAP",
    "VM_NOHUGEPAGE",
    "VM_NORESERVE",
    "VM_PFNMAP",
    "VM_READ",
    "VM_SEALED",
    "VM_SHARED",
    "VM_SOFTDIRTY",
    "VM_SPECIAL",
    "VM_WIPEONFORK",
    "VM_WRITE",
    "add_mm_counter",
    "dec_mm_counter",
    "for_each_vma",
    "for_each_vma_range",
    "get_mm_counter",
    "get_mm_counter_sum",
    "get_mm_rss",
    "get_mm_rss_sum",
    "inc_mm_counter",
    "is_cow_mapping",
    "mm_dec_nr_pmds",
    "mm_dec_nr_ptes",
    "mm_dec_nr_puds",
    "mm_flags_set",
    "mm_flags_test",
    "mm_flags_test_and_set",
    "mm_inc_nr_pmds",
    "mm_inc_nr_ptes",
    "mm_inc_nr_puds",
    "mm_pgtables_bytes",
    "vma_find",
    "vma_is_anonymous",
    "vma_iter_set",
    "vma_lookup",
    "vma_next",
    "vma_pages",
    "vma_prev",
    "zap_details",
]

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
PAGE_MASK: Final = ~(PAGE_SIZE - 1)
PMD_SHIFT: Final = 21
PMD_MASK: Final = ~(PMD_SIZE - 1)
PUD_SHIFT: Final = 30
PUD_SIZE: Final = 1 << PUD_SHIFT
#: User addresses of x86-64 with four levels of page tables.
TASK_SIZE: Final = (1 << 47) - PAGE_SIZE

VM_READ: Final = 1 << 0
VM_WRITE: Final = 1 << 1
VM_EXEC: Final = 1 << 2
VM_SHARED: Final = 1 << 3
VM_MAYREAD: Final = 1 << 4
VM_MAYWRITE: Final = 1 << 5
VM_MAYEXEC: Final = 1 << 6
VM_MAYSHARE: Final = 1 << 7
VM_GROWSDOWN: Final = 1 << 8
VM_PFNMAP: Final = 1 << 10
VM_LOCKED: Final = 1 << 13
VM_IO: Final = 1 << 14
VM_DONTCOPY: Final = 1 << 17
VM_DONTEXPAND: Final = 1 << 18
VM_LOCKONFAULT: Final = 1 << 19
VM_ACCOUNT: Final = 1 << 20
VM_NORESERVE: Final = 1 << 21
VM_HUGETLB: Final = 1 << 22
VM_WIPEONFORK: Final = 1 << 25
VM_DONTDUMP: Final = 1 << 26
VM_SOFTDIRTY: Final = 1 << 27
VM_MIXEDMAP: Final = 1 << 28
VM_HUGEPAGE: Final = 1 << 29
VM_NOHUGEPAGE: Final = 1 << 30
VM_MERGEABLE: Final = 1 << 31
VM_SEALED: Final = 1 << 42
VM_SPECIAL: Final = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP

#: What a fault answers; 0 is success.
VM_FAULT_OOM: Final = 0x1
VM_FAULT_SIGBUS: Final = 0x2
VM_FAULT_SIGSEGV: Final = 0x40
VM_FAULT_RETRY: Final = 0x400


@attrs.frozen
class zap_details:
    """A zap that may not wait (*reaping*) or leaves private copies (*skip_cows*)."""

    reaping: bool = False
    skip_cows: bool = False


_EXACT = "one exact counter, not one a CPU: Linux's cheap reads can be a little off"
_TABLE_BYTES: Final = PTRS_PER_PTE * 8


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def vma_is_anonymous(vma: vm_area_struct) -> bool:
    """Tell whether nothing but private memory is behind *vma*; shmem is a file.

    Context: ``mmap_lock``.
    """
    return not vma.vm_ops


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def vma_pages(vma: vm_area_struct) -> int:
    """Return the size of *vma* in pages.

    Context: ``mmap_lock``.
    """
    return (vma.vm_end - vma.vm_start) >> PAGE_SHIFT


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def is_cow_mapping(flags: int) -> bool:
    """Tell whether a mapping with *flags* may have private copies.

    Context: Any.
    """
    return flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE


# -- flags of an address space ---------------------------------------------------------


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def mm_flags_test(flag: int, mm: mm_struct) -> bool:
    """Tell whether *flag* is set.

    Context: Any; the structure is kept by whatever keeps ``mm_count``.
    """
    t = thread_here()
    if t is not None and t.is_boot and "flags" not in mm.__dict__ and not mm._death:
        return False  # the host's look: no step, and no reason to make the word
    return test_bit(flag, mm.flags)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def mm_flags_test_and_set(flag: int, mm: mm_struct) -> bool:
    """Set *flag*; tell whether it was set before.

    Context: As :func:`mm_flags_test`.
    """
    return test_and_set_bit(flag, mm.flags)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def mm_flags_set(flag: int, mm: mm_struct) -> None:
    """Set *flag* for good.

    Context: As :func:`mm_flags_test`.
    """
    set_bit(flag, mm.flags)


# -- counters --------------------------------------------------------------------------


@mirrors("include/linux/mm.h", checked="v7.2", abridged=_EXACT, inline=True)
def get_mm_counter(mm: mm_struct, member: int) -> int:
    """Read a counter of resident pages the cheap way; never negative.

    Context: Any; may be old when it arrives.
    """
    return max(atomic_long_read(mm.rss_stat[member]), 0)


@mirrors("include/linux/mm.h", checked="v7.2", abridged=_EXACT, inline=True)
def get_mm_counter_sum(mm: mm_struct, member: int) -> int:
    """Add a counter up over all CPUs; never negative.

    Context: As :func:`get_mm_counter`.
    """
    seen = _counts_at_rest(mm)
    if seen is not None:
        return seen[member]
    return max(atomic_long_read(mm.rss_stat[member]), 0)


@mirrors("include/linux/mm.h", checked="v7.2", abridged=_EXACT, inline=True)
def add_mm_counter(mm: mm_struct, member: int, value: int) -> None:
    """Add *value* pages to a counter.

    Context: Any; usually under the page-table lock that made them resident.
    """
    counter = mm.rss_stat[member]
    t = enter(counter, "add_mm_counter")
    leave(t, counter, Access.ADD, counter._to(counter.counter + value))


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def inc_mm_counter(mm: mm_struct, member: int) -> None:
    """Count one page more.

    Context: As :func:`add_mm_counter`.
    """
    add_mm_counter(mm, member, 1)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def dec_mm_counter(mm: mm_struct, member: int) -> None:
    """Count one page less.

    Context: As :func:`add_mm_counter`.
    """
    add_mm_counter(mm, member, -1)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def get_mm_rss(mm: mm_struct) -> int:
    """Return the resident pages: file, anonymous and shmem, not swapped ones.

    Context: Any. Three reads, so no moment need ever have had the sum.
    """
    return (
        get_mm_counter(mm, MM_FILEPAGES)
        + get_mm_counter(mm, MM_ANONPAGES)
        + get_mm_counter(mm, MM_SHMEMPAGES)
    )


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def get_mm_rss_sum(mm: mm_struct) -> int:
    """Return the resident pages, adding up over all CPUs.

    Context: As :func:`get_mm_rss`.
    """
    seen = _counts_at_rest(mm)
    if seen is not None:
        file, anon, _, shmem, _ = seen
        return file + anon + shmem
    return (
        get_mm_counter_sum(mm, MM_FILEPAGES)
        + get_mm_counter_sum(mm, MM_ANONPAGES)
        + get_mm_counter_sum(mm, MM_SHMEMPAGES)
    )


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def mm_pgtables_bytes(mm: mm_struct) -> int:
    """Return how much memory the page tables take, the top level not counted.

    Context: Any; may be old when it arrives.
    """
    seen = _counts_at_rest(mm)
    return atomic_long_read(mm.pgtables_bytes) if seen is None else seen[NR_MM_COUNTERS]


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def mm_inc_nr_ptes(mm: mm_struct) -> None:
    """Count a page-table page.

    Context: Any.
    """
    atomic_long_add(_TABLE_BYTES, mm.pgtables_bytes)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def mm_dec_nr_ptes(mm: mm_struct) -> None:
    """Count a page-table page less.

    Context: Any.
    """
    atomic_long_sub(_TABLE_BYTES, mm.pgtables_bytes)


#: A table of the upper levels has the same size.
mm_inc_nr_pmds = mm_inc_nr_puds = mm_inc_nr_ptes
mm_dec_nr_pmds = mm_dec_nr_puds = mm_dec_nr_ptes


# -- the mappings of an address space --------------------------------------------------


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def vma_lookup(mm: mm_struct, addr: int) -> vm_area_struct | None:
    """Return the mapping that contains *addr*, or None.

    Context: ``mmap_lock``.
    """
    return mtree_load(mm.mm_mt, addr)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def vma_find(vmi: vma_iterator, max: int) -> vm_area_struct | None:
    """Move to the next mapping that starts below *max*.

    Context: ``mmap_lock``.
    """
    return mas_find(vmi.mas, max - 1)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def vma_next(vmi: vma_iterator) -> vm_area_struct | None:
    """Move to the next mapping; the first time, to the one at the start or above.

    Context: ``mmap_lock``.
    """
    return mas_find(vmi.mas, ULONG_MAX)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def vma_prev(vmi: vma_iterator) -> vm_area_struct | None:
    """Move to the mapping before this one.

    Context: ``mmap_lock``.
    """
    return mas_prev(vmi.mas, 0)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def vma_iter_set(vmi: vma_iterator, addr: int) -> None:
    """Start again at *addr*.

    Context: ``mmap_lock``.
    """
    mas_set(vmi.mas, addr)


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def for_each_vma(vmi: vma_iterator) -> Iterator[vm_area_struct]:
    """Walk all mappings from where *vmi* stands, in order of address.

    Context: ``mmap_lock``.
    """
    while (vma := vma_next(vmi)) is not None:
        yield vma


@mirrors("include/linux/mm.h", checked="v7.2", inline=True)
def for_each_vma_range(vmi: vma_iterator, end: int) -> Iterator[vm_area_struct]:
    """Walk the mappings that start below *end*.

    Context: ``mmap_lock``.
    """
    while (vma := vma_find(vmi, end)) is not None:
        yield vma
