# SPDX-License-Identifier: GPL-2.0-only
"""Gaps, stores and copies of a maple tree, and VMAs in one: vectors L157 to L167."""

from __future__ import annotations

import pytest

from pykmm import Machine
from pykmm.errno import EBUSY, EEXIST, EINVAL
from pykmm.lib.maple_tree import (
    __mt_destroy,
    __mt_dup,
    mas_empty_area,
    mas_empty_area_rev,
    mas_find,
    mas_store,
    mas_walk,
    mt_find,
    mtree_insert_range,
    mtree_load,
    mtree_store_range,
)
from pykmm.linux.maple_tree import (
    MA_STATE,
    MT_FLAGS_ALLOC_RANGE,
    ULONG_MAX,
    XA_ZERO_ENTRY,
    ZeroEntry,
    maple_tree,
    mtree_empty,
    xa_is_zero,
)
from pykmm.linux.mm import vma_lookup
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.sched import current
from pykmm.linux.uapi_mman import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ
from pykmm.mm.mmap import find_vma, find_vma_intersection, find_vma_prev
from pykmm.syscalls import mmap
from tests.lifecycle._people import call

MAX = ULONG_MAX
Tree = maple_tree[str]


def tree(*ranges: tuple[int, int, str | ZeroEntry]) -> Tree:
    made: Tree = maple_tree(MT_FLAGS_ALLOC_RANGE)
    for first, last, entry in ranges:
        assert mtree_store_range(made, first, last, entry, 0) == 0
    return made


def slots(mt: Tree) -> list[tuple[int, int, str]]:
    mas = MA_STATE(mt, 0, 0)
    found = []
    while (entry := mas_find(mas, MAX)) is not None:
        found.append((mas.index, mas.last, entry))
    return found


def room(mt: Tree, low: int, high: int, size: int, *, top: bool = False) -> int:
    """Return the address of room, or the errno; check that the state has both ends."""
    mas = MA_STATE(mt, 0, 0)
    error = (mas_empty_area_rev if top else mas_empty_area)(mas, low, high, size)
    if error:
        return error
    assert mas.last == mas.index + size - 1
    return mas.index


def test_l157_the_zero_entry_is_walked_over_but_never_loaded():
    mt = tree(
        (0x1000, 0x1FFF, "A"), (0x2000, 0x2FFF, XA_ZERO_ENTRY), (0x3000, 0x3FFF, "B")
    )
    mas = MA_STATE(mt, 0, 0)
    assert mas_find(mas, MAX) == "A"
    assert xa_is_zero(mas_find(mas, MAX))
    assert mas_find(mas, MAX) == "B"
    assert mtree_load(mt, 0x2800) is None
    assert mt_find(mt, 0x2000, MAX) == ("B", 0x4000)
    assert room(mt, 0x1000, 0x3FFF, 0x1000) == -EBUSY


@pytest.mark.parametrize(
    ("low", "high", "size", "found"),
    [
        (0, 0xFFFF, 0x1000, 0),
        (0x1000, 0xFFFF, 0x1000, 0x2000),
        (0x1000, 0xFFFF, 0x1001, 0x4000),
        (0x1000, 0x7FFF, 0x4001, -EBUSY),
        (0x1000, 0xFFFF, 0x4001, 0x9000),
    ],
)
def test_l162_the_lowest_room(low, high, size, found):
    assert room(_gaps(), low, high, size) == found


@pytest.mark.parametrize(
    ("low", "high", "size", "found"),
    [
        (0x1800, 0x2800, 0x800, 0x2000),
        (5, 4, 1, -EINVAL),
        (0, 8, 10, -EINVAL),
        (0, 8, 0, -EINVAL),
        (0, 8, 9, 0),
    ],
)
def test_l163_windows_that_cut_a_gap_or_hold_nothing(low, high, size, found):
    assert room(_gaps(), low, high, size) == found


@pytest.mark.parametrize(
    ("low", "high", "size", "found"),
    [
        (0, 0xFFFF, 0x1000, 0xF000),
        (0, 0x8FFF, 0x4000, 0x4000),
        (0, 0x8FFF, 0x4001, -EBUSY),
        (0, 0x2800, 0x800, 0x2001),
        (0x1000, 0x2000, 0x800, -EBUSY),
        (0, MAX, 0x1000, 0xFFFFFFFFFFFFF000),
    ],
)
def test_l164_the_highest_room(low, high, size, found):
    assert room(_gaps(), low, high, size, top=True) == found


def _gaps() -> Tree:
    return tree((0x1000, 0x1FFF, "A"), (0x3000, 0x3FFF, "B"), (0x8000, 0x8FFF, "C"))


def test_l165_equal_neighbours_are_never_merged():
    mt = tree((0x1000, 0x1FFF, "A"))
    mas_store(MA_STATE(mt, 0x1400, 0x17FF), None)
    assert slots(mt) == [(0x1000, 0x13FF, "A"), (0x1800, 0x1FFF, "A")]
    mas_store(MA_STATE(mt, 0x1400, 0x17FF), "A")
    assert slots(mt) == [
        (0x1000, 0x13FF, "A"),
        (0x1400, 0x17FF, "A"),
        (0x1800, 0x1FFF, "A"),
    ]


def test_l166_inserts_copies_and_destruction():
    mt = tree((0x1000, 0x1FFF, "A"))
    assert mtree_insert_range(mt, 0x1800, 0x2800, "B", 0) == -EEXIST
    assert mtree_insert_range(mt, 0x2800, 0x2000, "B", 0) == -EINVAL
    assert slots(mt) == [(0x1000, 0x1FFF, "A")]
    copy = tree()
    assert __mt_dup(mt, copy, 0) == 0
    assert slots(copy) == slots(mt)
    assert __mt_dup(mt, copy, 0) == -EINVAL
    __mt_destroy(mt)
    assert mtree_empty(mt)
    assert slots(mt) == []
    assert mt.ma_flags == MT_FLAGS_ALLOC_RANGE
    assert mas_walk(MA_STATE(copy, 0x1800, 0x1800)) == "A"


def test_l167_what_each_lookup_of_a_mapping_finds():
    def program():
        fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        for address, prot in ((0x1000, PROT_READ), (0x2000, 0), (0x5000, PROT_READ)):
            assert mmap(address, 0x1000, prot, fixed) == address
        mm = current().mm
        mmap_read_lock(mm)
        a, b, c = (find_vma(mm, address) for address in (0x1000, 0x2000, 0x5000))
        assert [vma.vm_start for vma in (a, b, c)] == [0x1000, 0x2000, 0x5000]
        assert vma_lookup(mm, 0x3000) is None
        assert find_vma(mm, 0x3000) is c
        assert find_vma(mm, 0x6000) is None
        assert find_vma_prev(mm, 0x6000) == (None, c)
        assert find_vma_intersection(mm, 0x2FFF, 0x5000) is b
        assert find_vma_intersection(mm, 0x3000, 0x5000) is None
        mmap_read_unlock(mm)
        return "done"

    with Machine() as m:
        assert call(m, "app", program) == "done"
