# SPDX-License-Identifier: GPL-2.0-only
"""Bitmaps with levels against one object for each page, and a dictionary of entries.

In the model a page is in memory, in a slot of swap, or in both, which is the swap
cache; entries map it, or name its slot. Each rule is what Linux does with one page.
"""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from pykmm.engine import Config, Machine
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.linux.mm_types import mm_struct, vm_area_struct
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
)
from pykmm.mm._conservation import _books
from pykmm.mm.gup_pages import FOLL_WRITE, pin_user_pages_remote, unpin_user_pages
from pykmm.mm.gup_pages import Page as Pin
from pykmm.mm.madvise_pages import _masks, madvise_cold_or_pageout_pte_range
from pykmm.mm.memory import zap_vma_for_reaping, zap_vma_range
from pykmm.mm.memory_copy import copy_page_range
from pykmm.mm.memory_fault import _fault_in_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.rmap import anon_vma_fork
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.mm.vmstat import memory_by_use

PAGE = 4096
#: One mapping of so many pages, across the end of a page-table page.
FIRST, PAGES = 500, 40
START = FIRST * PAGE
#: So many slots that swap is never getting full.
SWAP, SLOTS = 8, 1024

WHO = st.integers(0, 5)
AT = st.integers(0, PAGES - 1)
ACTIONS = st.one_of(
    st.tuples(st.just("write"), WHO, AT, AT),
    st.tuples(st.just("read"), WHO, AT, AT),
    st.tuples(st.just("zap"), WHO, AT, AT),
    st.tuples(st.just("pageout"), WHO, AT, AT),
    st.tuples(st.just("reclaim"), WHO),
    st.tuples(st.just("fork"), WHO),
    st.tuples(st.just("reap"), WHO),
    st.tuples(st.just("exit"), WHO),
    st.tuples(st.just("pin"), WHO, AT, st.booleans()),
    st.tuples(st.just("unpin"), WHO),
)


@attrs.define(eq=False)
class Page:
    """What was written to a page, wherever it is."""

    memory: bool = True
    slot: bool = False
    #: Fork has not shared it since somebody had it alone.
    exclusive: bool = True
    pins: int = 0


@attrs.define
class Family:
    """An address space: what its entries refer to, and which of them name slots."""

    mm: mm_struct
    vma: vm_area_struct
    pages: dict[int, Page]
    swapped: set[int]
    #: Entries that map the page of zeroes.
    zeroes: set[int] = attrs.field(factory=set)


class World:
    """All of them."""

    def __init__(self) -> None:
        self.free, self.slots = nr_free_pages(), nr_swap_pages().counter
        mm = mm_alloc()
        vma = _map_region(
            mm,
            START,
            PAGES * PAGE,
            kind="anon",
            populate_pages=PAGES // 2,
            swapped_pages=SWAP,
        )
        pages = {n: Page() for n in range(PAGES // 2)}
        there = range(PAGES // 2, PAGES // 2 + SWAP)
        pages |= {n: Page(memory=False, slot=True) for n in there}
        self.all = [Family(mm, vma, pages, set(there))]
        self.pinned: list[tuple[list[Pin], Page]] = []

    def pick(self, who: int) -> Family | None:
        return self.all[who % len(self.all)] if self.all else None

    def maps(self, page: Page) -> int:
        return self._entries(page, swapped=False)

    def swaps(self, page: Page) -> int:
        return self._entries(page, swapped=True)

    def _entries(self, page: Page, *, swapped: bool) -> int:
        return sum(
            found is page and (n in f.swapped) == swapped
            for f in self.all
            for n, found in f.pages.items()
        )

    # What happens to one page.

    def _swap_in(self, f: Family, n: int, *, write: bool) -> None:
        page = f.pages[n]
        page.memory = True
        f.swapped.discard(n)
        alone = self.maps(page) == 1 and not page.pins
        if write and alone and not self.swaps(page):
            page.slot = False

    def _own(self, f: Family, n: int) -> None:
        """Have a page that is mapped for one entry alone, by a copy if need be."""
        page = f.pages[n]
        if page.exclusive:
            return
        if self.maps(page) == 1 and not self.swaps(page):
            page.slot, page.exclusive = False, True
            return
        self._drop(f, n)
        f.pages[n] = Page()

    def _drop(self, f: Family, n: int) -> None:
        page = f.pages.pop(n)
        f.swapped.discard(n)
        if self.maps(page):
            return
        if not self.swaps(page):
            page.slot = False
        page.memory = page.memory and bool(page.slot or page.pins)

    # What programs do.

    def write(self, f: Family, at: int, size: int) -> None:
        end = min(at + size + 1, PAGES)
        first, last = START + at * PAGE, START + end * PAGE
        assert _fault_in_range(f.vma, first, last) == 0
        for n in range(at, end):
            f.zeroes.discard(n)
            if n in f.swapped:
                self._swap_in(f, n, write=True)
            if n in f.pages:
                self._own(f, n)
            else:
                f.pages[n] = Page()

    def read(self, f: Family, at: int, size: int) -> None:
        end = min(at + size + 1, PAGES)
        first, last = START + at * PAGE, START + end * PAGE
        assert _fault_in_range(f.vma, first, last, write=False) == 0
        for n in range(at, end):
            if n in f.swapped:
                self._swap_in(f, n, write=False)
            elif n not in f.pages:
                f.zeroes.add(n)

    def zap(self, f: Family, at: int, size: int) -> None:
        end = min(at + size + 1, PAGES)
        zap_vma_range(f.vma, START + at * PAGE, (end - at) * PAGE)
        self._forget(f, range(at, end))

    def _forget(self, f: Family, which: range) -> None:
        for n in which:
            if n in f.pages:
                self._drop(f, n)
            f.zeroes.discard(n)

    def reap(self, f: Family) -> None:
        assert zap_vma_for_reaping(f.vma) == 0
        self._forget(f, range(PAGES))

    def exit(self, f: Family) -> None:
        mmput(f.mm)
        self._forget(f, range(PAGES))
        self.all.remove(f)

    def fork(self, f: Family) -> None:
        if len(self.all) == 6:
            return
        mm = mm_alloc()
        vma = _map_region(mm, START, PAGES * PAGE, kind="anon")
        mmap_write_lock(f.mm)
        mmap_write_lock(mm)
        assert anon_vma_fork(vma, f.vma) == 0
        assert copy_page_range(vma, f.vma) == 0
        mmap_write_unlock(mm)
        mmap_write_unlock(f.mm)
        pages = {n: Page() if page.pins else page for n, page in f.pages.items()}
        for page in f.pages.values():
            page.exclusive = bool(page.pins)
        zeroes = set(f.zeroes) if f.vma.anon_vma else set()
        self.all.append(Family(mm, vma, pages, set(f.swapped), zeroes))

    # What reclaim does.

    def pageout(self, f: Family, at: int, size: int) -> None:
        end = min(at + size + 1, PAGES)
        mmap_read_lock(f.mm)
        for table, mask in _masks(f.mm, START + at * PAGE, START + end * PAGE):
            madvise_cold_or_pageout_pte_range(f.vma, table, mask)
        mmap_read_unlock(f.mm)
        for n in range(at, end):
            page = f.pages.get(n)
            if page and n not in f.swapped and self.maps(page) == 1 and not page.pins:
                f.swapped.add(n)
                page.memory, page.slot = False, True

    def reclaim(self, _: Family) -> None:
        try_to_free_pages(1 << 12, frozenset({0}))
        for f in self.all:
            for n, page in f.pages.items():
                if page.memory and not page.pins:
                    f.swapped.add(n)
        for f in self.all:
            for n in f.swapped:
                f.pages[n].memory, f.pages[n].slot = False, True

    # Who needs a page whatever becomes of its mappings.

    def pin(self, f: Family, at: int, write: bool) -> None:
        mmap_read_lock(f.mm)
        got = pin_user_pages_remote(
            f.mm, START + at * PAGE, 1, FOLL_WRITE if write else 0
        )
        mmap_read_unlock(f.mm)
        assert not isinstance(got, int)
        if at not in f.pages and not write:
            f.zeroes.add(at)  # it has no owner, and needs none
            unpin_user_pages(got)
            return
        f.zeroes.discard(at)
        if at in f.swapped:
            self._swap_in(f, at, write=write)
        if at in f.pages:
            self._own(f, at)
        page = f.pages.setdefault(at, Page())
        page.pins += 1
        self.pinned.append((got, page))

    def unpin(self, who: int) -> None:
        if self.pinned:
            got, page = self.pinned.pop(who % len(self.pinned))
            unpin_user_pages(got)
            page.pins -= 1

    # The same on both sides.

    def check(self) -> None:
        assert _books() == []
        used = {page for f in self.all for page in f.pages.values()}
        used |= {page for _, page in self.pinned}
        tables = sum(f.mm.pgtables_bytes.counter for f in self.all) // PAGE
        memory = sum(page.memory for page in used)
        assert self.free - nr_free_pages() == memory + tables
        assert self.slots - nr_swap_pages().counter == sum(p.slot for p in used)
        cached = sum(page.memory and page.slot for page in used)
        assert memory_by_use(lambda _: True)["NR_SWAPCACHE"] == cached
        for f in self.all:
            there = len(f.pages) - len(f.swapped)
            assert f.mm.rss_stat[1].counter == there
            assert f.mm.rss_stat[2].counter == len(f.swapped)
            found = [table.present[4] for table in f.mm.pgd.values()]
            assert sum(map(int.bit_count, found)) == len(f.zeroes)

    def end(self) -> None:
        while self.pinned:
            self.unpin(0)
        for f in [*self.all]:
            self.exit(f)
        self.check()


@given(st.lists(ACTIONS, max_size=30))
def test_any_program_of_forks_writes_and_reaps(
    actions: list[tuple[object, ...]],
) -> None:
    config = Config(node_pages=(1 << 12,), total_swap_pages=SLOTS, min_free_kbytes=0)
    with Machine(config):
        world = World()
        world.check()
        for name, who, *rest in actions:
            assert isinstance(who, int)
            if name == "unpin":
                world.unpin(who)
            elif (family := world.pick(who)) is not None:
                getattr(world, str(name))(family, *rest)
            world.check()
        world.end()
