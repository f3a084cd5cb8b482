# SPDX-License-Identifier: GPL-2.0-only
"""Bitmaps with levels against dictionaries of pages, one for each process.

In the model a page is a number, and is in use as long as it stands in any
dictionary, or as somebody has pinned it.
"""

from __future__ import annotations

from itertools import count

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
from pykmm.mm.gup_pages import FOLL_WRITE, Page, pin_user_pages_remote, unpin_user_pages
from pykmm.mm.memory import zap_vma_for_reaping, zap_vma_range
from pykmm.mm.memory_copy import copy_page_range
from pykmm.mm.memory_fault import _fault_in_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.rmap import anon_vma_fork
from pykmm.mm.swapfile import nr_swap_pages

PAGE = 4096
#: One mapping of so many pages, across the end of a page-table page.
FIRST, PAGES = 500, 40
START = FIRST * PAGE
SWAP, SLOTS = 8, 64

WHO = st.integers(0, 5)
AT = st.integers(0, PAGES - 1)
ACTIONS = st.one_of(
    st.tuples(st.just("write"), WHO, AT, AT),
    st.tuples(st.just("read"), WHO, AT, AT),
    st.tuples(st.just("zap"), WHO, AT, AT),
    st.tuples(st.just("fork"), WHO),
    st.tuples(st.just("reap"), WHO),
    st.tuples(st.just("exit"), WHO),
    st.tuples(st.just("pin"), WHO, AT, st.booleans()),
    st.tuples(st.just("unpin"), WHO),
)


@attrs.define
class Family:
    """An address space, and what its entries map: a page, or a swap slot below 0."""

    mm: mm_struct
    vma: vm_area_struct
    pages: dict[int, int]
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
        self.names = count(1)
        pages = {n: next(self.names) for n in range(PAGES // 2)}
        pages |= {PAGES // 2 + n: -1 - n for n in range(SWAP)}
        self.all = [Family(mm, vma, pages)]
        self.pinned: list[tuple[list[Page], int]] = []

    def pick(self, who: int) -> Family | None:
        return self.all[who % len(self.all)] if self.all else None

    def users(self, page: int) -> int:
        return sum(page in f.pages.values() for f in self.all)

    def held(self) -> set[int]:
        return {page for _, page in self.pinned}

    def write(self, f: Family, at: int, size: int) -> None:
        end = min(at + size + 1, PAGES)
        first, last = START + at * PAGE, START + end * PAGE
        assert _fault_in_range(f.vma, first, last) == 0
        for n in range(at, end):
            page = f.pages.get(n, 0)
            f.zeroes.discard(n)
            if page <= 0 or self.users(page) > 1:
                f.pages[n] = next(self.names)

    def read(self, f: Family, at: int, size: int) -> None:
        end = min(at + size + 1, PAGES)
        first, last = START + at * PAGE, START + end * PAGE
        assert _fault_in_range(f.vma, first, last, write=False) == 0
        for n in range(at, end):
            page = f.pages.get(n, 0)
            if page < 0:
                f.pages[n] = next(self.names)
            elif not page:
                f.zeroes.add(n)

    def zap(self, f: Family, at: int, size: int) -> None:
        end = min(at + size + 1, PAGES)
        zap_vma_range(f.vma, START + at * PAGE, (end - at) * PAGE)
        for n in range(at, end):
            f.pages.pop(n, None)
            f.zeroes.discard(n)

    def reap(self, f: Family) -> None:
        assert zap_vma_for_reaping(f.vma) == 0
        f.pages.clear()
        f.zeroes.clear()

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
        copied = self.held()
        pages = {
            n: next(self.names) if page in copied else page
            for n, page in f.pages.items()
        }
        zeroes = set(f.zeroes) if f.vma.anon_vma else set()
        self.all.append(Family(mm, vma, pages, zeroes))

    def exit(self, f: Family) -> None:
        mmput(f.mm)
        self.all.remove(f)

    def pin(self, f: Family, at: int, write: bool) -> None:
        mmap_read_lock(f.mm)
        got = pin_user_pages_remote(
            f.mm, START + at * PAGE, 1, FOLL_WRITE if write else 0
        )
        mmap_read_unlock(f.mm)
        assert not isinstance(got, int)
        page = f.pages.get(at, 0)
        if not page and not write:
            f.zeroes.add(at)  # it has no owner, and needs none
            unpin_user_pages(got)
            return
        f.zeroes.discard(at)
        if page <= 0 or self.users(page) > 1:
            page = f.pages[at] = next(self.names)
        self.pinned.append((got, page))

    def unpin(self, who: int) -> None:
        if self.pinned:
            got, _ = self.pinned.pop(who % len(self.pinned))
            unpin_user_pages(got)

    def check(self) -> None:
        assert _books() == []
        used = {page for f in self.all for page in f.pages.values()}
        pages = {page for page in used if page > 0} | self.held()
        tables = sum(f.mm.pgtables_bytes.counter for f in self.all) // PAGE
        assert self.free - nr_free_pages() == len(pages) + tables
        slots = sum(page < 0 for page in used)
        assert self.slots - nr_swap_pages().counter == slots
        for f in self.all:
            anon = sum(page > 0 for page in f.pages.values())
            assert f.mm.rss_stat[1].counter == anon
            assert f.mm.rss_stat[2].counter == len(f.pages) - anon
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
