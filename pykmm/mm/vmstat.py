# SPDX-License-Identifier: GPL-2.0-only
"""How much memory is used for what — ``mm/vmstat.c``.

Linux keeps these counters up to date; here they are counted when somebody asks, by
looking at all page tables and page caches without a step. So they show the pages
that are there, not figures that were put into an address space by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..linux._huge_folio import HugeFolio
from ..linux.mm import PMD_SHIFT, PTRS_PER_PTE, VM_LOCKED
from ..linux.mm_types import (
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    _Origin,
    _tree_of,
    address_space,
    file,
    mm_struct,
    vm_area_struct,
)
from ..linux.mmzone import NODE_DATA, nr_online_nodes
from ..linux.page_flags import PG_dirty, PG_writeback
from ..linux.pgtable import SharedPages
from ..linux.printk import console
from .filemap_cache import _both
from .slab_common import slab_pages

__all__ = ["global_node_page_state", "memory_by_use", "vmstat_show"]

_ITEMS: Final = (
    "NR_INACTIVE_ANON",
    "NR_ACTIVE_ANON",
    "NR_INACTIVE_FILE",
    "NR_ACTIVE_FILE",
    "NR_UNEVICTABLE",
    "NR_SLAB_RECLAIMABLE_B",
    "NR_SLAB_UNRECLAIMABLE_B",
    "NR_ISOLATED_ANON",
    "NR_ISOLATED_FILE",
    "NR_ANON_MAPPED",
    "NR_FILE_MAPPED",
    "NR_FILE_PAGES",
    "NR_FILE_DIRTY",
    "NR_WRITEBACK",
    "NR_SHMEM",
    "NR_PAGETABLE",
    "NR_HUGETLB",
    "NR_SWAPCACHE",
)

#: Items that count pages of files with a flag.
_FLAGS: Final = (("NR_FILE_DIRTY", PG_dirty), ("NR_WRITEBACK", PG_writeback))

#: What page tables hang in; an address space in which none of it was ever asked
#: for has none.
_TABLES: Final = frozenset({"pgd", "_pmds", "_puds"})
_ROOTS: Final = frozenset({file, address_space, mm_struct, HugeFolio})

#: Which origins count.
Wanted = Callable[[_Origin], bool]


def _any(origin: _Origin) -> bool:
    del origin
    return True


class _Alive:
    """The structures that memory is found through, in order of birth."""

    def __init__(self) -> None:
        alive: list[Any] = list(current_machine().alive)
        found = [struct for struct in alive if type(struct) in _ROOTS]
        self.caches = [s for s in found if type(s) is address_space]
        self.mms = [s for s in found if type(s) is mm_struct]
        self.huge = [s for s in found if type(s) is HugeFolio]


class _Files:
    """Page caches, and which of their pages somebody maps."""

    def __init__(self, alive: _Alive) -> None:
        self.mappings = alive.caches
        #: Bitmaps of mapped pages, by file and by 512 pages of it.
        self.mapped: dict[address_space, dict[int, int]] = {}

    def map(self, mapping: address_space, first: int, bits: int) -> None:
        """Note that pages from number *first* on are mapped, a bit each."""
        chunks = self.mapped.setdefault(mapping, {})
        chunk, shift = divmod(first, PTRS_PER_PTE)
        bits <<= shift
        for number in (chunk, chunk + 1):
            low = bits & (1 << PTRS_PER_PTE) - 1
            chunks[number] = chunks.get(number, 0) | low
            bits >>= PTRS_PER_PTE

    def nr_mapped(self, mapping: address_space) -> int:
        """Count the mapped pages of a file."""
        chunks = self.mapped.get(mapping, {})
        return sum(bits.bit_count() for bits in chunks.values())


def _entries(
    mm: mm_struct, vma: vm_area_struct
) -> Iterator[tuple[int, int, dict[_Origin, int]]]:
    """Yield what *vma* maps, by table: page number, file bits, anon by origin."""
    start, end = vma.__dict__["vm_start"] >> 12, vma.__dict__["vm_end"] >> 12
    shift = PMD_SHIFT - 12
    for index in range(start >> shift, (end - 1 >> shift) + 1):
        table = mm.pgd.get(index)
        if table is None:
            continue
        first, last = max(start, index << shift), min(end, index + 1 << shift)
        at, mask = first & PTRS_PER_PTE - 1, (1 << last - first) - 1
        found = table.present[MM_FILEPAGES] | table.present[MM_SHMEMPAGES]
        anon = {origin: bits >> at & mask for origin, bits in table.pages.items()}
        yield first, found >> at & mask, anon


class _Uses:
    """Pages by item, of the origins that count."""

    def __init__(self, wanted: Wanted, alive: _Alive) -> None:
        self.wanted = wanted
        self.nr = dict.fromkeys(_ITEMS, 0)
        self.files = _Files(alive)
        self.shared: dict[SharedPages, None] = {}

    def count_mm(self, mm: mm_struct) -> None:
        """Count what hangs in the page tables of *mm*."""
        for table in mm.pgd.values():
            self.nr["NR_PAGETABLE"] += self.wanted(table.origin)
            for origin, bits in table.exclusive.items():
                self.nr["NR_ANON_MAPPED"] += self.wanted(origin) * bits.bit_count()
            for pages, _, _ in table.shared:
                self.shared[pages] = None
        for upper in (mm._pmds, mm._puds):
            self.nr["NR_PAGETABLE"] += sum(map(self.wanted, upper.values()))
        if mm.pgd:
            for vma in _tree_of(mm)._entries():
                self._count_vma(mm, vma)

    def count_huge(self, folios: Iterable[HugeFolio]) -> None:
        """Count huge pages, whoever has them."""
        used = sum(self.wanted((folio.nid, None)) for folio in folios)
        self.nr["NR_HUGETLB"] = used * PTRS_PER_PTE

    def _count_vma(self, mm: mm_struct, vma: vm_area_struct) -> None:
        opened: file | None = vma.__dict__["vm_file"]
        locked = bool(vma.__dict__["vm_flags"] & VM_LOCKED)
        if opened is None and not locked:
            return
        pgoff = vma.__dict__["vm_pgoff"] - (vma.__dict__["vm_start"] >> 12)
        for first, bits, anon in _entries(mm, vma):
            if opened is not None and bits:
                self.files.map(opened.f_mapping, first + pgoff, bits)
            if locked:
                self.nr["NR_UNEVICTABLE"] += sum(
                    self.wanted(origin) * part.bit_count()
                    for origin, part in anon.items()
                )

    def count_shared(self) -> None:
        """Count anonymous pages that several may refer to, each once."""
        nr = self.nr
        for pages in self.shared:
            for origin, bits in pages.origins.items():
                if self.wanted(origin):
                    nr["NR_ANON_MAPPED"] += (bits & pages.maps[0]).bit_count()
                    cached = bits & pages.cached
                    nr["NR_SWAPCACHE"] += cached.bit_count()
                    nr["NR_INACTIVE_ANON"] += (cached & ~pages.maps[0]).bit_count()

    def count_files(self) -> None:
        """Count the page caches. Of a file's pages on several nodes it is not known
        which are the mapped ones: those that came first.
        """
        for mapping in self.files.mappings:
            left = self.files.nr_mapped(mapping)
            for origin, pages in mapping.__dict__["_nrpages"].items():
                mapped = min(left, pages)
                left -= mapped
                if self.wanted(origin):
                    self.nr["NR_FILE_PAGES"] += pages
                    self.nr["NR_SHMEM"] += mapping.is_shmem * pages
                    self.nr["NR_FILE_MAPPED"] += mapped
                    self._count_flags(mapping, origin)

    def _count_flags(self, mapping: address_space, origin: _Origin) -> None:
        here = mapping.__dict__["_i_origins"][origin]
        for item, flag in _FLAGS:
            found = _both(mapping._flags[flag], here)
            self.nr[item] += sum(map(int.bit_count, found.values()))


def memory_by_use(wanted: Wanted) -> dict[str, int]:
    """Return how many pages of the *wanted* origins are used for what.

    New pages begin on the inactive lists, and nothing moves them to the active ones.
    """
    alive = _Alive()
    uses = _Uses(wanted, alive)
    for mm in alive.mms:
        if not _TABLES.isdisjoint(mm.__dict__):
            uses.count_mm(mm)
    uses.count_shared()
    uses.count_files()
    uses.count_huge(alive.huge)
    nr = uses.nr
    anon = nr["NR_ANON_MAPPED"] - nr["NR_UNEVICTABLE"]
    nr["NR_INACTIVE_ANON"] += anon + nr["NR_SHMEM"]
    nr["NR_INACTIVE_FILE"] = nr["NR_FILE_PAGES"] - nr["NR_SHMEM"]
    nr["NR_FILE_PAGES"] += nr["NR_SWAPCACHE"]
    return nr


def global_node_page_state(item: str) -> int:
    """Return how many pages of the machine are used for *item*; slab memory, too.

    Context: Any. Counted when it is asked for.
    """
    if item in ("NR_SLAB_RECLAIMABLE_B", "NR_SLAB_UNRECLAIMABLE_B"):
        return slab_pages(reclaimable=item == "NR_SLAB_RECLAIMABLE_B")
    return memory_by_use(_any)[item]


#: What ``/proc/vmstat`` calls the items, in its order.
_VMSTAT_TEXT: Final = (
    ("nr_inactive_anon", "NR_INACTIVE_ANON"),
    ("nr_active_anon", "NR_ACTIVE_ANON"),
    ("nr_inactive_file", "NR_INACTIVE_FILE"),
    ("nr_active_file", "NR_ACTIVE_FILE"),
    ("nr_unevictable", "NR_UNEVICTABLE"),
    ("nr_slab_reclaimable", "NR_SLAB_RECLAIMABLE_B"),
    ("nr_slab_unreclaimable", "NR_SLAB_UNRECLAIMABLE_B"),
    ("nr_isolated_anon", "NR_ISOLATED_ANON"),
    ("nr_isolated_file", "NR_ISOLATED_FILE"),
    ("nr_anon_pages", "NR_ANON_MAPPED"),
    ("nr_mapped", "NR_FILE_MAPPED"),
    ("nr_file_pages", "NR_FILE_PAGES"),
    ("nr_dirty", "NR_FILE_DIRTY"),
    ("nr_writeback", "NR_WRITEBACK"),
    ("nr_shmem", "NR_SHMEM"),
    ("nr_page_table_pages", "NR_PAGETABLE"),
    ("nr_swapcached", "NR_SWAPCACHE"),
    ("nr_hugetlb", "NR_HUGETLB"),
)
#: Events that are shown even if there were none.
_EVENTS: Final = ("OOM_KILL",)


@mirrors("mm/vmstat.c", checked="v7.2", abridged="only the lines that the model has")
def vmstat_show() -> str:
    """Return the text of ``/proc/vmstat``.

    Context: May be called by programs.
    """
    nr = memory_by_use(_any)
    nr["NR_SLAB_RECLAIMABLE_B"] = slab_pages(reclaimable=True)
    nr["NR_SLAB_UNRECLAIMABLE_B"] = slab_pages(reclaimable=False)
    nodes = [NODE_DATA(nid) for nid in range(nr_online_nodes())]
    lines = [f"nr_free_pages {sum(node.nr_free_pages.nr for node in nodes)}"]
    lines += [f"{name} {nr[item]}" for name, item in _VMSTAT_TEXT]
    events = dict.fromkeys(_EVENTS, 0) | console().vm_events
    lines += [f"{event.lower()} {count}" for event, count in events.items()]
    return "".join(f"{line}\n" for line in lines)
