# SPDX-License-Identifier: GPL-2.0-only
"""Whether all memory adds up; true whenever a machine is at rest.

Every page is free, mapped as anonymous memory, in a page cache, a huge page, or a
page of page tables. Counters are sums of what the page tables hold. A cgroup is
charged for just those pages that came from it, or from one below. A file knows just
its mappings, and they map nothing of it that is not cached. Nothing here takes a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from ..engine.machine import current_machine
from ..fs.fs_writeback import the_wb
from ..linux._bitmaps import _moved
from ..linux.memcontrol import mem_cgroup
from ..linux.mm import PAGE_SIZE, PMD_SIZE, PTRS_PER_PTE
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    NR_MM_COUNTERS,
    _Origin,
    _Rss,
    address_space,
    mm_struct,
    vm_area_struct,
)
from ..linux.page_flags import PG_dirty, PG_locked, PG_writeback
from ..linux.pgtable import SharedPages
from ._conservation_huge import _huge_pages, _misused_pool
from .filemap_cache import _in_window, _without
from .gup_pages import pinned
from .memory import _pte_mask
from .page_alloc_freelist import nr_free_pages
from .swapfile import _swap, nr_swap_pages

__all__ = ["_books"]


def _books() -> list[str]:
    """Audit the running machine; return one sentence for each law that is broken."""
    machine = current_machine()
    spaces = [x for x in machine.alive if isinstance(x, mm_struct)]
    files = [x for x in machine.alive if isinstance(x, address_space)]
    wrong = [sentence for mm in spaces for sentence in _miscounted(mm)]
    shared = _shared_of(spaces)
    wrong += [s for pages, found in shared.items() for s in _mismapped(pages, found)]
    used = sum(_pages_of(mm) for mm in spaces)
    used += sum(pages.in_memory.bit_count() for pages in shared)
    used += sum(sum(mapping.__dict__["_nrpages"].values()) for mapping in files)
    used += _huge_pages()
    wrong += _misused_pool(spaces, files)
    present = machine.config.totalram_pages
    if nr_free_pages() + used != present:
        wrong.append(
            f"{nr_free_pages()} pages are free and {used} in use, of {present}: "
            f"{nr_free_pages() + used - present:+}"
        )
    swapped = sum(_own_entries(mm, MM_SWAPENTS) for mm in spaces)
    swapped += sum((p.swaps[0] | p.cached).bit_count() for p in shared)
    swapped += sum(_swapped(mapping) for mapping in files)
    slots = _swap().total_swap_pages.counter
    if nr_swap_pages().counter + swapped != slots:
        wrong.append(
            f"{nr_swap_pages().counter} swap slots free, {swapped} used, of {slots}"
        )
    wrong += _misplaced(spaces, files)
    wrong += [sentence for mapping in files for sentence in _flagged(mapping)]
    return wrong + _mischarged(spaces, files, shared)


def _swapped(mapping: address_space) -> int:
    return sum(bits.bit_count() for bits in mapping._swapped.values())


#: For shared pages, what the tables say how often each is mapped, and how many entries
#: name its slot.
_Shared: TypeAlias = dict[SharedPages, tuple[list[int], list[int]]]


def _shared_of(spaces: Iterable[mm_struct]) -> _Shared:
    found: _Shared = {pages: ([0], [0]) for pages in pinned().folios}
    for mm in spaces:
        for table in mm.pgd.values():
            for pages, shift, bits in table.shared:
                maps, swaps = found.setdefault(pages, ([0], [0]))
                _add(maps, _moved(bits & table.present[MM_ANONPAGES], -shift))
                _add(swaps, _moved(bits & table.present[MM_SWAPENTS], -shift))
    return found


def _add(counts: list[int], bits: int) -> None:
    level = 0
    while bits:
        if level == len(counts):
            counts.append(0)
        counts[level], bits = counts[level] | bits, counts[level] & bits
        level += 1


def _mismapped(pages: SharedPages, found: tuple[list[int], list[int]]) -> Iterator[str]:
    counted = pages.maps, pages.swaps
    if counted != found:
        yield f"{pages.name} is referred to as {found}, but counted as {counted}"
    needed = pages.maps[0] | pages.pinned | pages.cached
    if needed != pages.in_memory:
        yield f"{pages.name} has {pages.in_memory:#x} in memory, but needs {needed:#x}"
    if pages.locked:
        yield f"{pages.name} has {pages.locked:#x} locked, and nobody to unlock them"
    useless = pages.cached & ~(pages.maps[0] | pages.swaps[0])
    if useless:
        yield f"{pages.name} has {useless:#x} in the swap cache for nobody"


def _origins(
    spaces: Iterable[mm_struct],
    files: Iterable[address_space],
    shared: Iterable[SharedPages],
) -> Iterator[tuple[_Origin, int]]:
    """Yield origins, and how many pages in use have them; some more than once."""
    for mm in spaces:
        for table in mm.pgd.values():
            yield table.origin, 1
            for origin, bits in table.exclusive.items():
                yield origin, bits.bit_count()
        for upper in (mm._pmds, mm._puds):
            for origin in upper.values():
                yield origin, 1
    for pages in shared:
        for origin, bits in pages.origins.items():
            yield origin, bits.bit_count()
    for mapping in files:
        yield from mapping.__dict__["_nrpages"].items()


def _mischarged(
    spaces: Iterable[mm_struct],
    files: Iterable[address_space],
    shared: Iterable[SharedPages],
) -> list[str]:
    found: dict[mem_cgroup, int] = {}
    for (_, memcg), pages in _origins(spaces, files, shared):
        while memcg is not None:
            found[memcg] = found.get(memcg, 0) + pages
            memcg = memcg.parent
    cgroups = [x for x in current_machine().alive if isinstance(x, mem_cgroup)]
    return [
        f"{memcg.path()} is charged {memcg.memory.usage} pages, but has "
        f"{found.get(memcg, 0)}"
        for memcg in cgroups
        if memcg.memory.usage != found.get(memcg, 0)
    ]


def _misplaced(
    spaces: Iterable[mm_struct], files: Iterable[address_space]
) -> Iterator[str]:
    """Compare the mappings that files know with those that there are."""
    found: dict[address_space, set[vm_area_struct]] = {}
    for mm in spaces:
        for slot in mm.__dict__["mm_mt"]._slots:
            opened = slot.entry.__dict__["vm_file"]
            if opened is not None:
                found.setdefault(opened.f_mapping, set()).add(slot.entry)
    for mapping in files:
        known, there = set(mapping.__dict__["i_mmap"]), found.get(mapping, set())
        if known != there:
            yield (
                f"{mapping.name} knows {len(known - there)} mappings that are gone, "
                f"and does not know {len(there - known)} of its own"
            )
        uncached = sum(_uncached(vma) for vma in known & there)
        if uncached:
            yield f"{mapping.name}: {uncached} pages are mapped, but not cached"


def _uncached(vma: vm_area_struct) -> int:
    """Count the pages of its file that *vma* maps although they are not cached."""
    state = vma.__dict__
    start, end, found = state["vm_start"], state["vm_end"], 0
    for index in range(start // PMD_SIZE, -(-end // PMD_SIZE)):
        table = state["vm_mm"].pgd.get(index)
        if table is not None:
            here = table.present[MM_FILEPAGES] | table.present[MM_SHMEMPAGES]
            at = index * PMD_SIZE
            here &= _pte_mask(max(start, at), min(end, at + PMD_SIZE))
            offset = state["vm_pgoff"] + (at - start) // PAGE_SIZE
            cached = _in_window(state["vm_file"].f_mapping.i_pages, offset)
            found += (here & ~cached).bit_count()
    return found


def _entries(mm: mm_struct, member: int) -> int:
    """Count the entries of *mm* that map *member*."""
    return sum(table.present[member].bit_count() for table in mm.pgd.values())


def _own_entries(mm: mm_struct, member: int) -> int:
    """Count those that nobody else maps."""
    return sum(
        (table.present[member] & ~table._shared_bits()).bit_count()
        for table in mm.pgd.values()
    )


def _with_origin(mm: mm_struct) -> int:
    parts = [bits for table in mm.pgd.values() for bits in table.pages.values()]
    return sum(bits.bit_count() for bits in parts)


def _readonly(mm: mm_struct) -> int:
    """Count write-protected entries of what could not be written anyway."""
    found = 0
    for table in mm.pgd.values():
        own = table.present[MM_ANONPAGES] | table.present[_PFN_ENTRIES]
        found += (table.readonly & ~(own | table.dirty)).bit_count()
    return found


def _dirty(mm: mm_struct) -> int:
    """Count dirty entries that map no page of a file."""
    return sum(
        (table.dirty & ~table.present[MM_FILEPAGES]).bit_count()
        for table in mm.pgd.values()
    )


def _flagged(mapping: address_space) -> Iterator[str]:
    """Look at what is known of a file's pages: of those that there are, and at rest."""
    for flag, pages in mapping._flags.items():
        stray = sum(map(int.bit_count, _without(pages, mapping.i_pages).values()))
        if stray:
            yield f"{mapping.name}: {stray} pages have {flag.name} and are not cached"
    for flag in (PG_locked, PG_writeback):
        busy = sum(map(int.bit_count, mapping._flags[flag].values()))
        if busy:
            yield f"{mapping.name}: {busy} pages have {flag.name}, and nobody ends it"
    if mapping._flags[PG_dirty] and mapping not in the_wb().__dict__["b_dirty"]:
        yield f"{mapping.name} is dirty, and not on the list of what has to be written"


def _tables(mm: mm_struct) -> int:
    return len(mm.pgd) + len(mm._pmds) + len(mm._puds)


def _pages_of(mm: mm_struct) -> int:
    """Count the pages that go when *mm* does."""
    return _own_entries(mm, MM_ANONPAGES) + _tables(mm)


def _miscounted(mm: mm_struct) -> list[str]:
    pairs = [
        (_Rss(member).name, mm.rss_stat[member].counter, _entries(mm, member))
        for member in range(NR_MM_COUNTERS)
    ]
    pairs += [
        ("pgtables_bytes", mm.pgtables_bytes.counter, _tables(mm) * PAGE_SIZE),
        ("hugetlb_usage", mm.hugetlb_usage.counter, len(mm._hugetlb) * PTRS_PER_PTE),
        ("write-protected entries of nothing", _readonly(mm), 0),
        ("dirty entries of nothing", _dirty(mm), 0),
        ("pages with an origin", _with_origin(mm), _entries(mm, MM_ANONPAGES)),
    ]
    return [
        f"{mm.name}: {name} is {counted}, but there are {there}"
        for name, counted, there in pairs
        if counted != there
    ]
