# SPDX-License-Identifier: GPL-2.0-only
"""Bitmaps against a dictionary of pages: any maps, faults and zaps in any order."""

from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.engine import Config, Machine
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.linux.mm_types import vm_area_struct
from pykmm.mm._conservation import _books
from pykmm.mm.memory import zap_vma_for_reaping, zap_vma_range
from pykmm.mm.memory_fault import _fault_in_range
from pykmm.mm.mmap import _map_region
from pykmm.mm.page_alloc import nr_free_pages

#: Around these page numbers tables of one, two and three levels end.
BASES = (0, (1 << 18) - 600, (1 << 27) - 600)
SPAN = 1200
FILE, ANON, SWAP, SHMEM, PFN = range(5)

KINDS = st.sampled_from(
    [
        ("anon", False),
        ("anon", True),
        ("file", False),
        ("file", True),
        ("shmem", False),
        ("shmem", True),
        ("pfnmap", False),
        ("pfnmap", True),
    ]
)
PAGES = st.integers(0, SPAN)
ACTIONS = st.one_of(
    st.tuples(
        st.just("map"), st.sampled_from(BASES), PAGES, PAGES, KINDS, PAGES, PAGES
    ),
    st.tuples(st.just("zap"), st.integers(0, 9), PAGES, PAGES),
    st.tuples(st.just("fault"), st.integers(0, 9), PAGES, PAGES, st.booleans()),
    st.tuples(st.just("reap"), st.integers(0, 9)),
)


@attrs.define
class Mapping:
    """What the model knows of a mapping."""

    vma: vm_area_struct
    first: int
    last: int
    kind: str
    shared: bool

    def cut(self, first, size):
        """Choose some pages of the mapping: first, and one past the last."""
        pages = self.last - self.first
        begin = self.first + first % pages
        return begin, min(begin + size % pages + 1, self.last)

    @property
    def own(self):
        """How a page counts that is no private copy."""
        if self.kind == "anon":
            return SHMEM if self.shared else ANON
        return {"file": FILE, "shmem": SHMEM, "pfnmap": PFN}[self.kind]


class World:
    """An address space, and the same as a dictionary of pages."""

    def __init__(self):
        self.mm = mm_alloc()
        self.pages = {}
        self.maps = []

    def map(self, base, first, size, kind, populated, swapped):
        start = base + first
        last = start + size % 700 + 1
        if any(m.first < last and start < m.last for m in self.maps):
            return
        name, shared = kind
        populated = min(populated, last - start)
        swapped = (
            0 if shared or name == "pfnmap" else min(swapped, last - start - populated)
        )
        vma = _map_region(
            self.mm,
            start << 12,
            (last - start) << 12,
            kind=name,
            shared=shared,
            populate_pages=populated,
            swapped_pages=swapped,
        )
        made = Mapping(vma, start, last, name, shared)
        self.maps.append(made)
        self.pages.update(dict.fromkeys(range(start, start + populated), made.own))
        at = start + populated
        self.pages.update(dict.fromkeys(range(at, at + swapped), SWAP))

    def pick(self, number):
        return self.maps[number % len(self.maps)] if self.maps else None

    def zap(self, number, first, size):
        chosen = self.pick(number)
        if chosen is not None:
            begin, end = chosen.cut(first, size)
            zap_vma_range(chosen.vma, begin << 12, end - begin << 12)
            self.forget(begin, end)

    def reap(self, number):
        chosen = self.pick(number)
        if chosen is not None:
            assert zap_vma_for_reaping(chosen.vma) == 0
            self.forget(chosen.first, chosen.last)

    def forget(self, begin, end):
        for page in range(begin, end):
            self.pages.pop(page, None)

    def fault(self, number, first, size, write):
        chosen = self.pick(number)
        if chosen is None:
            return
        begin, end = chosen.cut(first, size)
        answer = _fault_in_range(chosen.vma, begin << 12, end << 12, write=write)
        if chosen.kind == "pfnmap":  # what is not there never comes
            missing = (page for page in range(begin, end) if page not in self.pages)
            stop = next(missing, end)
        else:
            stop = end
        assert (answer != 0) is (stop < end)
        for page in range(begin, stop):
            self.pages[page] = self.after_fault(chosen, self.pages.get(page), write)

    def after_fault(self, chosen, now, write):
        if chosen.shared:
            return chosen.own
        if write or now in (ANON, SWAP):
            return ANON
        if now is not None:
            return now
        return PFN if chosen.kind == "anon" else chosen.own

    def check(self):
        found = {}
        for index, table in self.mm.pgd.items():
            for member, bits in enumerate(table.present):
                while bits:
                    low = bits & -bits
                    page = (index << 9) + low.bit_length() - 1
                    assert page not in found, "an entry is of two kinds"
                    found[page] = member
                    bits ^= low
        assert found == self.pages
        values = list(self.pages.values())
        counted = [counter.counter for counter in self.mm.rss_stat]
        assert counted == [values.count(member) for member in range(4)]
        assert _books() == []


@settings(max_examples=120)
@given(st.lists(ACTIONS, min_size=4, max_size=20))
def test_pages_are_what_the_model_says(actions):
    config = Config(node_pages=(1 << 15, 1 << 15), total_swap_pages=1 << 16)
    with Machine(config):
        world = World()
        for name, *arguments in actions:
            getattr(world, name)(*arguments)
            world.check()
        kept = {
            m.vma.vm_file.f_mapping for m in world.maps if m.kind == "file"
        }  # their pages stay in the page cache
        cached = sum(sum(mapping._nrpages.values()) for mapping in kept)
        mmput(world.mm)
        assert _books() == []
        assert config.totalram_pages - nr_free_pages() == cached
