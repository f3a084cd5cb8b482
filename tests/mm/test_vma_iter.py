# SPDX-License-Identifier: GPL-2.0-only
"""The iterator of mappings against a dictionary of pages, and beside a writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm import Machine, explore
from pykmm.errno import EBUSY
from pykmm.lib.maple_tree import mas_find, mas_find_rev, mas_next, mtree_load
from pykmm.linux.maple_tree import MA_STATE, ULONG_MAX, mas_for_each
from pykmm.linux.mm import (
    VM_WRITE,
    for_each_vma,
    for_each_vma_range,
    vma_find,
    vma_iter_set,
    vma_next,
    vma_prev,
)
from pykmm.linux.mm_types import VMA_ITERATOR, _tree_of, vm_area_struct, vma_iterator
from pykmm.linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from pykmm.linux.rcupdate import rcu
from pykmm.linux.uapi_mman import PROT_READ
from pykmm.mm.mmap_find import find_vma, find_vma_intersection, find_vma_prev
from pykmm.mm.vma_iter import (
    vma_iter_addr,
    vma_iter_area_highest,
    vma_iter_area_lowest,
    vma_iter_end,
    vma_iter_load,
    vma_iter_next_range,
    vma_iter_next_range_limit,
    vma_iter_prev_range,
    vma_prev_limit,
)
from pykmm.syscalls import mprotect
from tests.lifecycle._memory import PAGE, RW, A, fixed, own, unmap

#: A mapping: its first page above A, the first behind it, and whether it is written.
Range = tuple[int, int, bool]

PAGES = 24
#: How far the searches go: beyond what is mapped, on both sides.
LOW, HIGH = -2, PAGES + 2


class Pages:
    """Which pages are mapped, and how: too simple to be wrong."""

    def __init__(self) -> None:
        self.writable: dict[int, bool] = {}

    def ranges(self) -> list[Range]:
        """Put equal neighbours together, as mappings without pages are."""
        found: list[Range] = []
        for page, how in sorted(self.writable.items()):
            if found and found[-1][1:] == (page, how):
                found[-1] = (found[-1][0], page + 1, how)
            else:
                found.append((page, page + 1, how))
        return found

    def slot(self, page: int) -> tuple[int | None, int | None]:
        """Return the first page of the mapping or gap around *page*, and its end."""
        inside = next((r for r in self.ranges() if r[0] <= page < r[1]), None)
        if inside is not None:
            return inside[:2]
        below = [r[1] for r in self.ranges() if r[1] <= page]
        above = [r[0] for r in self.ranges() if r[0] > page]
        return (max(below) if below else None), (min(above) if above else None)

    def do(self, what: str, page: int, pages: int) -> None:
        """Make the change in the memory of current, and in the dictionary."""
        for n in range(page, page + pages):
            if what == "unmap":
                self.writable.pop(n, None)
            else:
                self.writable[n] = what == "write"
        if what == "unmap":
            assert unmap(page, pages) == 0
        else:
            fixed(page, pages, RW if what == "write" else PROT_READ)


def seen(vma: vm_area_struct | None) -> Range | None:
    if vma is None:
        return None
    start, end = (vma.vm_start - A) // PAGE, (vma.vm_end - A) // PAGE
    return start, end, bool(vma.vm_flags & VM_WRITE)


def address(page: int) -> int:
    return A + page * PAGE


def first(ranges: Iterable[Range]) -> Range | None:
    return next(iter(ranges), None)


changes = st.tuples(
    st.sampled_from(["write", "read", "unmap"]),
    st.integers(0, PAGES - 6),
    st.integers(1, 6),
)
scripts = st.lists(changes, min_size=1, max_size=8)
#: An address, and one up or down to which a search goes.
questions = st.lists(
    st.tuples(st.integers(LOW, HIGH), st.integers(LOW, HIGH)), min_size=4, max_size=8
)
few = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def with_memory(
    script: list[tuple[str, int, int]], ask: Callable[[Pages], None]
) -> None:
    """Let a process change its memory, and look at it with the lock held."""
    asked: list[bool] = []

    def program() -> None:
        pages = Pages()
        for what, page, count in script:
            pages.do(what, page, count)
        mmap_write_lock(own())
        ask(pages)
        mmap_write_unlock(own())
        asked.append(True)

    with Machine(reaper=False) as m:
        m.spawn("app").runs(program)
        m.run()
    assert asked == [True]


def at(page: int) -> vma_iterator:
    return VMA_ITERATOR(own(), address(page))


@few
@given(scripts, questions)
def test_it_finds_what_the_dictionary_holds(
    script: list[tuple[str, int, int]], points: list[tuple[int, int]]
) -> None:
    def ask(pages: Pages) -> None:
        ranges = pages.ranges()
        for here, limit in points:
            above = [r for r in ranges if r[1] > here]
            assert [seen(v) for v in for_each_vma(at(here))] == above
            bounded = [r for r in above if r[0] < limit and here < limit]
            found = [seen(v) for v in for_each_vma_range(at(here), address(limit))]
            assert found == bounded
            assert seen(find_vma(own(), address(here))) == first(above)
            if here < limit:
                both = find_vma_intersection(own(), address(here), address(limit))
                assert seen(both) == first(bounded)
            start, _ = pages.slot(here)
            below = [r for r in reversed(ranges) if start is not None and r[1] <= start]
            assert seen(vma_prev(at(here))) == first(below)
            near = first(r for r in below if limit < r[1] and limit < here)
            assert seen(vma_prev_limit(at(here), address(limit))) == near
            found_with = find_vma_prev(own(), address(here))
            assert tuple(map(seen, found_with)) == (first(above), first(below))

    with_memory(script, ask)


@few
@given(scripts, questions)
def test_it_goes_from_slot_to_slot(
    script: list[tuple[str, int, int]], points: list[tuple[int, int]]
) -> None:
    def slot_of(vmi: vma_iterator) -> tuple[int | None, int | None]:
        low, high = vma_iter_addr(vmi), vma_iter_end(vmi)
        start = None if low == 0 else (low - A) // PAGE
        return start, None if high == ULONG_MAX + 1 else (high - A) // PAGE

    def ask(pages: Pages) -> None:
        ranges = pages.ranges()
        for here, limit in points:
            vmi = at(here)
            inside = first(r for r in ranges if r[0] <= here < r[1])
            assert seen(vma_iter_load(vmi)) == inside
            if not ranges:
                continue  # no node, and so no slots
            start, end = pages.slot(here)
            assert slot_of(vmi) == (start, end)
            if end is not None:
                vma_iter_next_range(vmi)
                assert slot_of(vmi) == pages.slot(end)
                vma_iter_prev_range(vmi)
                assert slot_of(vmi) == (start, end)
                allowed = first(r for r in ranges if r[0] == end and end <= limit)
                onward = vma_iter_next_range_limit(vmi, address(limit))
                assert seen(onward) == allowed

    with_memory(script, ask)


@few
@given(scripts, questions, st.integers(1, 8))
def test_it_finds_room(
    script: list[tuple[str, int, int]], points: list[tuple[int, int]], size: int
) -> None:
    def ask(pages: Pages) -> None:
        for here, limit in points:
            if limit - here < size:
                continue
            free = [
                page
                for page in range(here, limit - size + 1)
                if not any(n in pages.writable for n in range(page, page + size))
            ]
            for search, pick in (
                (vma_iter_area_lowest, min),
                (vma_iter_area_highest, max),
            ):
                vmi = at(0)
                error = search(vmi, address(here), address(limit), size * PAGE)
                assert error == (0 if free else -EBUSY)
                if free:
                    assert vma_iter_addr(vmi) == address(pick(free))
                    assert vma_iter_end(vmi) == address(pick(free) + size)

    with_memory(script, ask)


@few
@given(scripts, questions)
def test_it_turns_round_where_it_stands(
    script: list[tuple[str, int, int]], points: list[tuple[int, int]]
) -> None:
    """Forward and back again is the mapping before; set anew it forgets all that."""

    def ask(pages: Pages) -> None:
        ranges = pages.ranges()
        for here, limit in points:
            vmi = at(here)
            found = seen(vma_next(vmi))
            if found is None:
                continue
            index = ranges.index(found)
            before = ranges[index - 1] if index else None
            assert seen(vma_prev(vmi)) == before
            assert seen(vma_next(vmi)) == found
            vma_iter_set(vmi, address(limit))
            wanted = first(r for r in ranges if r[1] > limit and r[0] < PAGES)
            assert seen(vma_find(vmi, address(PAGES))) == wanted

    with_memory(script, ask)


# -- under RCU alone -------------------------------------------------------------------


def beside(
    m: Machine, write: Callable[[], object], read: Callable[[], object]
) -> object:
    """Read the map without its lock while somebody writes it: pages 0, 2 and 4."""
    app = m.spawn("app")
    app.runs(lambda: [fixed(page) for page in (0, 2, 4)])
    m.run()

    def reader() -> object:
        with rcu():
            return read()

    m.spawn("writer", shares_mm=app).runs(write)
    looker = m.spawn("looker", shares_mm=app)
    looker.runs(reader)
    m.run()
    return looker.result


def starts() -> tuple[int, ...]:
    """Walk up the map; return where its mappings begin, by what the state says."""
    mas = MA_STATE(_tree_of(own()), 0, 0)
    return tuple((mas.index - A) // PAGE for _ in mas_for_each(mas, ULONG_MAX))


def test_a_walker_sees_each_store_or_not() -> None:
    def changed(m: Machine) -> object:
        return beside(m, lambda: [unmap(2), fixed(6)], starts)

    found = explore(changed)
    assert found.complete
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {
        (0, 2, 4),
        (0, 4),
        (0, 4, 6),
        (0, 2, 4, 6),  # past the first before it went, and at the end late enough
    }


def test_a_walker_that_turns_round_looks_again() -> None:
    """What its state says is of its last call; who has gone is not found again."""

    def turn() -> object:
        mas = MA_STATE(_tree_of(own()), address(2), address(2))
        up = mas_find(mas, ULONG_MAX)
        high = mas.index
        down = mas_find_rev(mas, 0)
        back = mas_next(mas, ULONG_MAX)
        return tuple(x is not None for x in (up, down, back)), (high - A) // PAGE

    found = explore(lambda m: beside(m, lambda: unmap(2), turn))
    assert found.complete
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {
        ((True, True, True), 2),
        ((True, True, True), 4),
    }


@pytest.mark.parametrize("prot", [RW, PROT_READ])
def test_a_mapping_that_replaces_another_leaves_no_gap(prot: int) -> None:
    """Not even for a moment, and not where only a part is replaced."""

    def look() -> bool:
        tree = _tree_of(own())
        return all(mtree_load(tree, address(page)) is not None for page in (0, 0, 2))

    found = explore(lambda m: beside(m, lambda: fixed(0, 1, prot), look))
    assert found.complete
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {True}


def test_nor_does_a_change_of_protection() -> None:
    def look() -> bool:
        tree = _tree_of(own())
        return all(mtree_load(tree, address(0)) is not None for _ in range(3))

    def protect() -> object:
        return mprotect(A, PAGE, PROT_READ), mprotect(A, PAGE, RW)

    found = explore(lambda m: beside(m, protect, look))
    assert found.complete
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {True}
