# SPDX-License-Identifier: GPL-2.0-only
"""Address spaces and their parts — ``include/linux/mm_types.h``.

The life of an ``mm_struct``: *used* (``mm_users`` > 0), *tearing down* (the last
user runs ``exit_mmap()``), *struct only* (somebody's ``mm_count`` is left), freed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs

from ..engine.fields import const, embedded, field_of, guarded, kernel_struct, shared
from ..engine.objects import Struct
from ..engine.thread import current_thread, thread_here
from ._primitive import Lock
from ._vma_lock import vma_refcnt
from .atomic import atomic_long_t, atomic_t
from .bitops import Bits
from .maple_tree import (
    MA_STATE,
    MT_FLAGS_ALLOC_RANGE,
    MT_FLAGS_LOCK_EXTERN,
    MT_FLAGS_USE_RCU,
    ma_state,
    maple_tree,
)
from .mm_types_task import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    NR_MM_COUNTERS,
    _Rss,
)
from .page_flags import pageflags
from .pgtable import PMD_SIZE, PTRS_PER_PTE, _Folios, _Origin, pgtable_t
from .refcount import refcount_t
from .rwsem import rw_semaphore
from .spinlock import spinlock_t

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._huge_folio import HugeFolio, HugePte
    from .fs import file_operations
    from .mmu_notifier import mmu_notifier_subscriptions
    from .rmap import anon_vma as _anon_vma
    from .rmap import anon_vma_chain as _anon_vma_chain
    from .sched import task_struct

__all__ = [
    "MMF_DISABLE_THP_COMPLETELY",
    "MMF_DISABLE_THP_EXCEPT_ADVISED",
    "MMF_DUMP_FILTER_MASK",
    "MMF_FLAGS",
    "MMF_HAS_MDWE",
    "MMF_HAS_MDWE_NO_INHERIT",
    "MMF_MULTIPROCESS",
    "MMF_OOM_REAP_QUEUED",
    "MMF_OOM_SKIP",
    "MMF_TOPDOWN",
    "MMF_UNSTABLE",
    "MMF_VM_MERGE_ANY",
    "MM_ANONPAGES",
    "MM_FILEPAGES",
    "MM_MT_FLAGS",
    "MM_SHMEMPAGES",
    "MM_SWAPENTS",
    "NR_MM_COUNTERS",
    "PMD_SIZE",
    "PTRS_PER_PTE",
    "VMA_ITERATOR",
    "_Folios",
    "_Origin",
    "_PFN_ENTRIES",
    "_Rss",
    "_counts",
    "_counts_at_rest",
    "address_space",
    "file",
    "mm_struct",
    "mmf_init_legacy_flags",
    "pgtable_t",
    "vm_area_struct",
    "vm_operations_struct",
    "vma_iterator",
]

#: Bit numbers of ``mm->flags``; these four are sticky, and nobody's heritage.
MMF_OOM_SKIP = 21
MMF_UNSTABLE = 22
MMF_OOM_REAP_QUEUED = 25
MMF_MULTIPROCESS = 26

#: What a child's address space is set to as its parent's is.
MMF_DUMP_FILTER_MASK = 0x7FC
MMF_DISABLE_THP_EXCEPT_ADVISED = 23
MMF_DISABLE_THP_COMPLETELY = 24
MMF_HAS_MDWE = 28
MMF_HAS_MDWE_NO_INHERIT = 29
MMF_VM_MERGE_ANY = 30
MMF_TOPDOWN = 31
_MMF_INIT_LEGACY_MASK = (
    MMF_DUMP_FILTER_MASK
    | 1 << MMF_DISABLE_THP_EXCEPT_ADVISED
    | 1 << MMF_DISABLE_THP_COMPLETELY
    | 1 << MMF_HAS_MDWE
    | 1 << MMF_VM_MERGE_ANY
    | 1 << MMF_TOPDOWN
)

#: Those that worlds for the oracle name.
MMF_FLAGS = {
    "MMF_OOM_SKIP": MMF_OOM_SKIP,
    "MMF_UNSTABLE": MMF_UNSTABLE,
    "MMF_OOM_REAP_QUEUED": MMF_OOM_REAP_QUEUED,
    "MMF_MULTIPROCESS": MMF_MULTIPROCESS,
}

#: Where a program's data and its heap begin, if nobody loaded it.
_START_DATA = 0x5555_5575_4000
_START_BRK = 0x5555_5577_5000


def mmf_init_legacy_flags(flags: int) -> int:
    """Return the part of a parent's flag word that its child starts with."""
    if flags >> MMF_HAS_MDWE_NO_INHERIT & 1:
        flags &= ~(1 << MMF_HAS_MDWE)
    return flags & _MMF_INIT_LEGACY_MASK


#: How the VMA tree is made: it finds gaps, and ``mmap_lock`` is its lock.
MM_MT_FLAGS = MT_FLAGS_ALLOC_RANGE | MT_FLAGS_LOCK_EXTERN | MT_FLAGS_USE_RCU


@kernel_struct
class address_space(Struct):
    """The pages of a file that are in memory, mapped or not."""

    i_pages_lock: spinlock_t = embedded(spinlock_t)
    #: Bitmaps of cached pages, by file offset in units of 512 pages.
    i_pages: _Folios = const(factory=dict)
    #: Which of them have which flag; those that have none are not there.
    _flags: dict[pageflags, _Folios] = const(
        factory=lambda: {flag: {} for flag in pageflags}, lazy=True
    )
    #: How many of them have which origin, and which: bitmaps, as above.
    _nrpages: dict[_Origin, int] = guarded(by="i_pages_lock", factory=dict)
    _i_origins: dict[_Origin, _Folios] = guarded(by="i_pages_lock", factory=dict)
    #: Of a shmem file, those that are in swap instead.
    _swapped: _Folios = const(factory=dict, lazy=True)
    #: Of a file of huge pages: those that it has, and those that it has been promised;
    #: under the lock of faults.
    _huge: dict[int, HugeFolio] = const(factory=dict, lazy=True)
    _huge_resv: set[int] = const(factory=set, lazy=True)
    #: The mappings of the file, in any address space.
    i_mmap_rwsem: rw_semaphore = embedded(rw_semaphore)
    i_mmap: dict[vm_area_struct, None] = guarded(by="i_mmap_rwsem", factory=dict)
    #: Of its inode: who changes its size or punches holes keeps others out; and how
    #: many bytes it has.
    i_rwsem: rw_semaphore = embedded(rw_semaphore)
    _i_size: int = const(default=0)
    #: Whether the file has a name; without one its pages go with the last user.
    is_linked: bool = const(default=True)
    #: Whether it is one of shmem (tmpfs, memfd): swap-backed, not page cache.
    is_shmem: bool = const(default=False)
    #: Of its inode: S_APPEND, S_SWAPFILE.
    i_flags: int = const(default=0)
    #: How many pages were promised to it, as to a private mapping.
    promised: int = const(default=0)


@kernel_struct
class file(Struct):
    """An open file, as far as a mapping looks at it."""

    f_path: str = const(default="")
    #: Of a device, what its driver does.
    f_op: file_operations | None = const(default=None)
    #: Whether its pages are huge ones.
    is_hugetlb: bool = const(default=False)
    #: What it was opened for: FMODE_READ, FMODE_WRITE.
    f_mode: int = const(default=3)
    #: Whether it stands where nothing may be executed.
    path_noexec: bool = const(default=False)
    f_mapping: address_space = const(factory=address_space)
    #: The opener's reference, and one for each mapping.
    f_ref: refcount_t = embedded(lambda f: refcount_t(1, f))

    @property
    def is_shmem(self) -> bool:
        """Whether it is a shmem file."""
        return self.f_mapping.is_shmem


@attrs.frozen
class vm_operations_struct:
    """What whoever made a mapping wants to be asked or told about it."""

    #: A mapping has come to be as a copy, or has gone; None: nobody wants to know.
    #: One with ``close`` is never merged away.
    open: Callable[[vm_area_struct], None] | None = None
    close: Callable[[vm_area_struct], None] | None = None
    #: Whether it can be split at an address: 0 or an error.
    may_split: Callable[[vm_area_struct, int], int] | None = None
    #: Reaches memory for which there are no pages: how many bytes, or an error.
    access: Callable[[vm_area_struct, int, int, bool], int] | None = None


@kernel_struct
class vm_area_struct(Struct):
    """One mapping: addresses from ``vm_start`` up to, not including, ``vm_end``.

    Everything in it is protected by ``mmap_lock`` of :attr:`vm_mm`; who only reads
    may hold :attr:`vm_refcnt` instead.
    """

    vm_mm: mm_struct = const()
    vm_refcnt: vma_refcnt = embedded(vma_refcnt)
    vm_start: int = guarded(by="vm_refcnt")
    vm_end: int = guarded(by="vm_refcnt")
    vm_flags: int = guarded(by="vm_refcnt")
    vm_pgoff: int = guarded(by="vm_refcnt", default=0)
    vm_file: file | None = guarded(by="vm_refcnt", default=None)
    #: An anonymous mapping has none.
    vm_ops: vm_operations_struct | None = guarded(by="vm_refcnt", default=None)
    vm_private_data: object = guarded(by="vm_refcnt", default=None, lockless=True)
    #: Only compared: mappings that differ in one of these do not merge.
    vm_policy: object = guarded(by="vm_refcnt", default=None)
    vm_userfaultfd_ctx: object = guarded(by="vm_refcnt", default=None)
    anon_name: str | None = guarded(by="vm_refcnt", default=None)
    #: Where new anonymous pages go, and through which all others are found. A first
    #: fault sets it, under page_table_lock and beside other faults.
    anon_vma: _anon_vma | None = guarded(by="vm_refcnt", default=None, lockless=True)
    #: The newest first; replaced, not changed.
    anon_vma_chain: tuple[_anon_vma_chain, ...] = guarded(by="vm_refcnt", default=())
    #: Write-locked as long as it is the ``mm_lock_seq`` of :attr:`vm_mm`.
    vm_lock_seq: int = guarded(by="vm_refcnt", default=-1)


def _mappings_stay(mm: mm_struct) -> Lock:
    """Return a lock that somebody who locks all mappings of *mm* cannot have now."""
    for lock in current_thread().held:
        if isinstance(lock, vma_refcnt) and lock.owner is mm:
            return lock
    return mm.mmap_lock


def _mm_mt(mm: mm_struct) -> maple_tree[vm_area_struct]:
    return maple_tree(MM_MT_FLAGS, mm.mmap_lock, field_of(mm, "mm_mt"))


def _rss_stat(mm: Struct) -> list[atomic_long_t]:
    counted = cast("mm_struct", mm)._counted
    return [atomic_long_t(pages, mm) for pages in counted[:NR_MM_COUNTERS]]


def _pgtables_bytes(mm: Struct) -> atomic_long_t:
    return atomic_long_t(cast("mm_struct", mm)._counted[NR_MM_COUNTERS], mm)


@kernel_struct
class mm_struct(Struct):
    """An address space, and the structure that keeps it."""

    # -- counts of its two lives
    mm_users: atomic_t = embedded(lambda mm: atomic_t(1, mm))
    mm_count: atomic_t = embedded(lambda mm: atomic_t(1, mm))

    # -- protected by mmap_lock
    mmap_lock: rw_semaphore = embedded(rw_semaphore)
    #: Odd while somebody holds it for writing; each hold ends all per-VMA write locks.
    mm_lock_seq: int = guarded(by="mmap_lock", default=0, lockless=True)
    mm_mt: maple_tree[vm_area_struct] = guarded(
        by="mmap_lock", default=attrs.Factory(_mm_mt, takes_self=True), lazy=True
    )
    map_count: int = guarded(by="mmap_lock", default=0)
    total_vm: int = guarded(by="mmap_lock", default=0, lockless=True)
    locked_vm: int = guarded(by="mmap_lock", default=0)
    data_vm: int = guarded(by="mmap_lock", default=0)
    exec_vm: int = guarded(by="mmap_lock", default=0)
    stack_vm: int = guarded(by="mmap_lock", default=0)
    #: What every new mapping gets, besides what is asked for: ``mlockall()``.
    def_flags: int = guarded(by="mmap_lock", default=0)
    #: Where mappings are looked for: from here down.
    mmap_base: int = const(default=(1 << 47) - 4096)
    #: The data of the program, and the heap behind it.
    start_data: int = const(default=_START_DATA)
    end_data: int = const(default=_START_DATA)
    start_brk: int = const(default=_START_BRK)
    brk: int = guarded(by="mmap_lock", default=_START_BRK)

    # -- protected by page_table_lock: which page-table pages exist
    page_table_lock: spinlock_t = embedded(spinlock_t)
    #: Page-table pages by index (address >> 21), and the 1 GiB and 512 GiB parts
    #: of the address space that have upper tables, with their origin. Pages of
    #: hugetlbfs hang in the middle level.
    pgd: dict[int, pgtable_t] = const(factory=dict, lazy=True)
    _pmds: dict[int, _Origin] = const(factory=dict, lazy=True)
    _puds: dict[int, _Origin] = const(factory=dict, lazy=True)
    _hugetlb: dict[int, HugePte] = const(factory=dict, lazy=True)

    # -- counters
    rss_stat: list[atomic_long_t] = embedded(_rss_stat)
    pgtables_bytes: atomic_long_t = embedded(_pgtables_bytes)
    #: What these two stood at when the structure was made, the second one last.
    _counted: tuple[int, ...] = const(default=(0,) * (NR_MM_COUNTERS + 1))
    hugetlb_usage: atomic_long_t = embedded(lambda mm: atomic_long_t(0, mm))

    # -- no lock
    flags: Bits = embedded(Bits)
    #: The task that memory is charged to; RCU-read, written under its task_lock.
    owner: task_struct | None = shared(default=None)

    # -- set once, with all mappings locked; freed with the structure
    notifier_subscriptions: mmu_notifier_subscriptions | None = guarded(
        by=_mappings_stay, default=None, lockless=True
    )


def _counts(mm: mm_struct) -> tuple[int, ...]:
    """Look, without a step, at ``rss_stat`` and, behind it, ``pgtables_bytes``.

    Pages are never seen to be less than none.
    """
    state, seen = mm.__dict__, mm._counted
    if "rss_stat" in state:
        pages = (max(part.counter, 0) for part in state["rss_stat"])
        seen = (*pages, seen[NR_MM_COUNTERS])
    if "pgtables_bytes" in state:
        seen = (*seen[:NR_MM_COUNTERS], state["pgtables_bytes"].counter)
    return seen


def _counts_at_rest(mm: mm_struct) -> tuple[int, ...] | None:
    """Return the same where the host looks, whose looks are no steps.

    Large machines feel each line of this.
    """
    t = thread_here()
    state = mm.__dict__
    if t is None or not t.is_boot or "_death" in state:
        return None
    if "rss_stat" in state or "pgtables_bytes" in state:
        return _counts(mm)
    counted: tuple[int, ...] = state["_counted"]
    return counted


@attrs.define(eq=False)
class vma_iterator:
    """A position in the VMAs of one address space."""

    mas: ma_state[vm_area_struct]


def _tree_of(mm: mm_struct) -> maple_tree[vm_area_struct]:
    """Return the tree of *mm* to whoever does not look into it yet."""
    found = mm.__dict__.get("mm_mt")
    if found is None:
        found = mm.__dict__.setdefault("mm_mt", _mm_mt(mm))
    return cast("maple_tree[vm_area_struct]", found)


def VMA_ITERATOR(mm: mm_struct, addr: int) -> vma_iterator:  # noqa: N802 -- Linux's name
    """Make an iterator that starts at *addr*.

    Context: Any: nothing is looked at before the first step, which needs
        ``mmap_lock``.
    """
    return vma_iterator(MA_STATE(_tree_of(mm), addr, addr))
