# SPDX-License-Identifier: GPL-2.0-only
"""Counters, flags and the iterator of an address space."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm.engine import Access, Config, Machine, conflict
from pykmm.engine.fields import is_made
from pykmm.errors import ContextError, UseAfterFree
from pykmm.lib.maple_tree import mas_store
from pykmm.linux import mm as m
from pykmm.linux.maple_tree import MA_STATE
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    VMA_ITERATOR,
    _counts,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from pykmm.linux.mmap_lock import (
    mmap_assert_locked,
    mmap_assert_write_locked,
    mmap_lock_is_contended,
    mmap_read_lock,
    mmap_read_lock_killable,
    mmap_read_trylock,
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock,
    mmap_write_lock_killable,
    mmap_write_unlock,
    vma_start_write,
)
from pykmm.linux.vm_flags import _reset_flags_once
from pykmm.mm.internal import K


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as booted:
        yield booted


@pytest.fixture
def mm(machine):
    return mm_struct()


def _vma(mm, start, end):
    vma = vm_area_struct(vm_mm=mm, vm_start=start, vm_end=end, vm_flags=m.VM_READ)
    mas_store(MA_STATE(mm.mm_mt, start, end - 1), vma)
    return vma


def _trace(machine, body):
    machine.thread("t", body)
    machine.run()
    return machine.events[1:]


def test_flags_have_the_values_of_linux():
    assert (m.VM_READ, m.VM_WRITE, m.VM_EXEC, m.VM_SHARED) == (1, 2, 4, 8)
    assert m.VM_PFNMAP == 0x400
    assert m.VM_LOCKED == 0x2000
    assert m.VM_ACCOUNT == 0x100000
    assert m.VM_HUGETLB == 0x400000
    assert m.VM_MIXEDMAP == 0x10000000


def test_rss_is_all_but_swap(mm):
    for member, value in (
        (MM_FILEPAGES, 1),
        (MM_ANONPAGES, 10),
        (MM_SHMEMPAGES, 100),
        (MM_SWAPENTS, 1000),
    ):
        m.add_mm_counter(mm, member, value)
    assert m.get_mm_rss(mm) == m.get_mm_rss_sum(mm) == 111
    assert m.get_mm_counter(mm, MM_SWAPENTS) == 1000
    m.inc_mm_counter(mm, MM_SWAPENTS)
    m.dec_mm_counter(mm, MM_ANONPAGES)
    assert m.get_mm_counter_sum(mm, MM_SWAPENTS) == 1001
    assert m.get_mm_rss(mm) == 110


def test_a_counter_is_never_read_as_negative(mm):
    m.add_mm_counter(mm, MM_ANONPAGES, -5)
    assert m.get_mm_counter(mm, MM_ANONPAGES) == 0
    assert m.get_mm_counter_sum(mm, MM_ANONPAGES) == 0


def test_adding_commutes_and_reading_does_not(machine, mm):
    adds = _trace(
        machine,
        lambda: (
            m.add_mm_counter(mm, 0, 3),
            m.add_mm_counter(mm, 0, -3),
            m.get_mm_rss(mm),
        ),
    )
    assert [e.access for e in adds] == [Access.ADD] * 2 + [Access.READ] * 3
    adds[0].thread = machine.boot
    assert not conflict(adds[0], adds[1])
    assert conflict(adds[0], adds[2])


def test_tables_are_counted_in_bytes(mm):
    m.mm_inc_nr_ptes(mm)
    m.mm_inc_nr_pmds(mm)
    m.mm_inc_nr_puds(mm)
    assert m.mm_pgtables_bytes(mm) == 12288
    m.mm_dec_nr_ptes(mm)
    m.mm_dec_nr_pmds(mm)
    m.mm_dec_nr_puds(mm)
    assert m.mm_pgtables_bytes(mm) == 0


def test_flags(mm):
    assert not m.mm_flags_test(21, mm)
    assert not m.mm_flags_test_and_set(21, mm)
    assert m.mm_flags_test_and_set(21, mm)
    m.mm_flags_set(22, mm)
    assert m.mm_flags_test(22, mm)
    assert not m.mm_flags_test(25, mm)


# -- the iterator ----------------------------------------------------------------------


def test_walks(mm):
    first, second, third = (_vma(mm, n * 0x3000, n * 0x3000 + 0x1000) for n in range(3))
    assert list(m.for_each_vma(VMA_ITERATOR(mm, 0))) == [first, second, third]
    assert list(m.for_each_vma(VMA_ITERATOR(mm, 0x3FFF))) == [second, third]
    assert list(m.for_each_vma(VMA_ITERATOR(mm, 0x4000))) == [third]
    assert list(m.for_each_vma_range(VMA_ITERATOR(mm, 0), 0x3000)) == [first]
    assert list(m.for_each_vma_range(VMA_ITERATOR(mm, 0), 0x3001)) == [first, second]
    vmi = VMA_ITERATOR(mm, 0x6000)
    assert m.vma_next(vmi) is third
    assert m.vma_prev(vmi) is second
    assert m.vma_prev(vmi) is first
    assert m.vma_prev(vmi) is None
    m.vma_iter_set(vmi, 0x3000)
    assert m.vma_find(vmi, 0x9000) is second
    assert m.vma_lookup(mm, 0x1000) is None
    assert m.vma_pages(first) == 1


def test_an_iterator_can_be_made_before_the_lock_is_taken(machine, mm):
    vma = _vma(mm, 0x1000, 0x2000)
    found = []

    def body():
        vmi = VMA_ITERATOR(mm, 0)
        mmap_read_lock(mm)
        found.append(m.vma_next(vmi))
        mmap_read_unlock(mm)

    _trace(machine, body)
    assert found == [vma]


# -- the lock --------------------------------------------------------------------------


def test_locking_and_its_assertions(machine, mm):
    def body():
        with pytest.raises(ContextError, match="is not held"):
            mmap_assert_locked(mm)
        mmap_read_lock(mm)
        mmap_assert_locked(mm)
        with pytest.raises(ContextError, match="not held exclusively"):
            mmap_assert_write_locked(mm)
        mmap_read_unlock(mm)
        assert mmap_read_lock_killable(mm) == 0
        assert mmap_read_trylock(mm)
        mmap_read_unlock(mm)
        mmap_read_unlock(mm)
        assert mmap_write_lock_killable(mm) == 0
        mmap_assert_write_locked(mm)
        mmap_write_downgrade(mm)
        mmap_assert_locked(mm)
        assert not mmap_lock_is_contended(mm)
        mmap_read_unlock(mm)
        mmap_write_lock(mm)
        mm.map_count += 1
        mmap_write_unlock(mm)

    _trace(machine, body)
    assert mm.map_count == 1


@pytest.mark.parametrize(
    "field", ["map_count", "mm_mt", "locked_vm", "notifier_subscriptions"]
)
def test_fields_need_the_lock(machine, mm, field):
    machine.thread("careless", lambda: getattr(mm, field))
    with pytest.raises(
        ContextError, match=f"careless reads mm_struct#1.{field} without"
    ):
        machine.run()


# -- page-table pages ------------------------------------------------------------------


def test_a_page_table_lock_has_a_name_and_an_identity(machine, mm):
    table = pgtable_t(mm, 0x1F)
    assert table.ptl.name == "mm_struct#1.pte[0x1f].ptl"
    assert table.ptl.uid == pgtable_t(mm, 0x1F).ptl.uid
    assert table.ptl.uid != pgtable_t(mm, 0x20).ptl.uid


def test_its_lock_dies_with_the_address_space(machine, mm):
    table = pgtable_t(mm, 1)
    mm._free()
    with pytest.raises(UseAfterFree, match=r"mm_struct#1 was touched by spin_lock"):
        from pykmm.linux.spinlock import spin_lock

        spin_lock(table.ptl)


def test_pages_in_kib():
    with Machine():
        assert (K(0), K(1), K(256)) == (0, 4, 1024)
    with Machine(Config(page_size=16384)):
        assert (K(0), K(1), K(256)) == (0, 16, 4096)


def test_counters_start_where_the_structure_says(machine):
    made = mm_struct(_counted=(1, 10, 1000, 100, 4096))

    def seen():
        pages = [m.get_mm_counter_sum(made, member) for member in range(4)]
        return pages, m.get_mm_rss_sum(made), m.mm_pgtables_bytes(made)

    expected = [1, 10, 1000, 100], 111, 4096
    assert seen() == expected
    assert not is_made(made, "rss_stat")  # the host only looked
    t = machine.thread("t", seen)
    machine.run()
    assert t.result == expected
    assert is_made(made, "rss_stat")


def test_the_host_sees_what_was_counted(machine):
    made = mm_struct(_counted=(1, 10, 1000, 100, 4096))
    m.add_mm_counter(made, MM_ANONPAGES, -15)
    m.mm_inc_nr_ptes(made)
    assert _counts(made) == (1, 0, 1000, 100, 8192)
    assert m.get_mm_rss_sum(made) == 101
    assert m.get_mm_counter_sum(made, MM_ANONPAGES) == 0
    assert m.mm_pgtables_bytes(made) == 8192


def test_a_look_at_the_counters_of_a_dead_address_space_is_reported(machine):
    made = mm_struct()
    made._free()
    for look in (m.get_mm_rss_sum, m.mm_pgtables_bytes):
        with pytest.raises(UseAfterFree):
            look(made)


def test_flags_that_reclaim_looks_at_change_under_the_mapping_s_lock(machine, mm):
    vma = _vma(mm, 0, 4096)

    def changes(first):
        mmap_write_lock(mm)
        first(vma)
        _reset_flags_once(vma, m.VM_READ | m.VM_WRITE)
        mmap_write_unlock(mm)

    machine.thread("locks", lambda: changes(vma_start_write))
    machine.run()
    assert vma.__dict__["vm_flags"] == m.VM_READ | m.VM_WRITE
    machine.thread("forgets", lambda: changes(lambda _: None))
    with pytest.raises(ContextError, match="vm_area_struct#1 is not write-locked"):
        machine.run()
