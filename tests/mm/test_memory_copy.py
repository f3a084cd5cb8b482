# SPDX-License-Identifier: GPL-2.0-only
"""Fork: what the child maps, who gets a copy, and when a page is free."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.engine import Machine
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm import VM_FAULT_OOM
from pykmm.linux.mm_types import mm_struct, vm_area_struct
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
)
from pykmm.linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    MMU_NOTIFY_PROTECTION_PAGE,
    mmu_notifier,
    mmu_notifier_ops,
)
from pykmm.mm._conservation import _books
from pykmm.mm.memory import zap_vma_for_reaping, zap_vma_range
from pykmm.mm.memory_copy import copy_page_range
from pykmm.mm.memory_fault import _fault_in_range
from pykmm.mm.mmap import _map_region, find_vma
from pykmm.mm.mmu_notifier import mmu_notifier_register
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.page_counter import page_counter_charge
from pykmm.mm.rmap import anon_vma_fork
from pykmm.mm.swapfile import nr_swap_pages

PAGE = 4096
MIB = 1 << 20
Rss = Callable[[mm_struct], tuple[int, int, int, int]]


def fork_vma(mm: mm_struct, pvma: vm_area_struct) -> tuple[vm_area_struct, int]:
    """Give the child *mm* what the parent has in *pvma*, as ``dup_mmap()`` does."""
    mmap_write_lock(pvma.vm_mm)
    mmap_write_lock(mm)
    mmap_write_unlock(mm)
    vma = _map_region(
        mm,
        pvma.vm_start,
        pvma.vm_end - pvma.vm_start,
        kind="anon" if pvma.vm_file is None else "file",
        vm_file=pvma.vm_file,
    )
    mmap_write_lock(mm)
    vma.vm_flags = pvma.vm_flags
    assert anon_vma_fork(vma, pvma) == 0
    ret = copy_page_range(vma, pvma)
    mmap_write_unlock(mm)
    mmap_write_unlock(pvma.vm_mm)
    return vma, ret


def forked(pages: int) -> tuple[vm_area_struct, vm_area_struct, mm_struct, mm_struct]:
    parent, child = mm_alloc(), mm_alloc()
    pvma = _map_region(parent, 0, pages * PAGE, kind="anon", populate_pages=pages)
    vma, ret = fork_vma(child, pvma)
    assert ret == 0
    return pvma, vma, parent, child


def test_a_child_maps_its_parents_pages(machine: Machine, rss: Rss) -> None:
    free = nr_free_pages()
    pvma, vma, parent, child = forked(600)
    assert rss(parent) == rss(child) == (0, 600, 0, 0)
    # The pages of one, and the tables of two.
    assert free - nr_free_pages() == 600 + 2 * 4
    assert child.pgtables_bytes.counter == 4 * PAGE
    assert all(t.readonly == t.present[1] for t in parent.pgd.values())
    assert all(t.readonly == t.present[1] for t in child.pgd.values())
    assert vma.anon_vma is not pvma.anon_vma
    assert vma.anon_vma.root is pvma.anon_vma.root
    mmput(parent)
    assert free - nr_free_pages() == 600 + 4
    mmput(child)
    assert free == nr_free_pages()


def test_a_writer_gets_a_copy_and_the_last_one_keeps_the_page(
    machine: Machine, rss: Rss
) -> None:
    pvma, vma, parent, child = forked(8)
    free = nr_free_pages()
    assert _fault_in_range(vma, 0, 3 * PAGE) == 0
    assert free - nr_free_pages() == 3
    assert child.pgd[0].readonly == 0b11111000
    assert rss(parent) == rss(child) == (0, 8, 0, 0)
    # Of those three the parent is the only user now: nothing to be copied.
    assert _fault_in_range(pvma, 0, 4 * PAGE) == 0
    assert free - nr_free_pages() == 4
    assert parent.pgd[0].readonly == 0b11110000
    assert _books() == []


def test_reading_copies_nothing(machine: Machine) -> None:
    _, vma, _, child = forked(8)
    free = nr_free_pages()
    assert _fault_in_range(vma, 0, 8 * PAGE, write=False) == 0
    assert free == nr_free_pages()
    assert child.pgd[0].readonly == 0xFF


def test_generations_share_one_page(machine: Machine, rss: Rss) -> None:
    pvma, _, parent, child = forked(16)
    free = nr_free_pages()
    others = [mm_alloc() for _ in range(3)]
    for mm in others:
        fork_vma(mm, pvma)
    assert free - nr_free_pages() == 3 * 3
    for mm in (parent, others[1], child):
        vma = find_vma(mm, 0)
        assert vma is not None
        assert zap_vma_for_reaping(vma) == 0
        assert rss(mm) == (0, 0, 0, 0)
        assert free - nr_free_pages() == 3 * 3
        assert _books() == []
    for mm, gone in ((others[0], 0), (others[2], 16)):
        vma = find_vma(mm, 0)
        assert vma is not None
        zap_vma_range(vma, 0, 16 * PAGE)
        assert nr_free_pages() - free + 9 == gone


def test_swap_slots_are_shared_as_well(machine: Machine, rss: Rss) -> None:
    parent, child = mm_alloc(), mm_alloc()
    pvma = _map_region(parent, 0, MIB, kind="anon", populate_pages=2, swapped_pages=5)
    vma, _ = fork_vma(child, pvma)
    slots = nr_swap_pages().counter
    assert rss(child) == (0, 2, 5, 0)
    _fault_in_range(vma, 3 * PAGE, 5 * PAGE)
    assert (rss(child), nr_swap_pages().counter) == ((0, 4, 3, 0), slots)
    assert _books() == []
    mmput(parent)
    assert nr_swap_pages().counter - slots == 2
    mmput(child)
    assert nr_swap_pages().counter - slots == 5


def test_what_faults_bring_back_is_left_to_them(machine: Machine, rss: Rss) -> None:
    for shared in (False, True):
        parent, child = mm_alloc(), mm_alloc()
        pvma = _map_region(parent, 0, MIB, kind="file", shared=shared, populate_pages=9)
        fork_vma(child, pvma)
        assert rss(child) == (0, 0, 0, 0)
        assert child.pgtables_bytes.counter == 0


def test_a_private_file_with_copies_is_copied_whole(machine: Machine, rss: Rss) -> None:
    parent, child = mm_alloc(), mm_alloc()
    pvma = _map_region(parent, 0, MIB, kind="file", populate_pages=9, copied_pages=4)
    fork_vma(child, pvma)
    assert rss(child) == rss(parent) == (5, 4, 0, 0)


def test_no_memory_for_tables(machine: Machine, boot: Callable[..., object]) -> None:
    with boot(600 + 4 + 3):  # type: ignore[attr-defined]  # a context manager
        parent, child = mm_alloc(), mm_alloc()
        pvma = _map_region(parent, 0, 600 * PAGE, kind="anon", populate_pages=600)
        assert fork_vma(child, pvma)[1] == -12
        assert child.pgtables_bytes.counter == 0


def test_no_memory_for_a_copy(machine: Machine, boot: Callable[..., object]) -> None:
    with boot(8 + 3 + 3 + 2):  # type: ignore[attr-defined]  # a context manager
        _, vma, _, child = forked(8)
        assert _fault_in_range(vma, 0, 8 * PAGE) == VM_FAULT_OOM
        assert child.pgd[0].readonly == 0b11111100


def test_a_shared_page_is_charged_until_its_last_user_goes(machine: Machine) -> None:
    box = mem_cgroup(cg_name="box")
    pvma, vma, parent, _ = forked(4)
    for pages, _, _ in parent.pgd[0].shared:
        (bits,) = pages.origins.values()
        pages.origins = {(0, box): bits}
    page_counter_charge(box.memory, 4)
    zap_vma_for_reaping(pvma)
    assert box.memory.usage == 4
    zap_vma_for_reaping(vma)
    assert box.memory.usage == 0


def test_notifiers_hear_of_fork_and_of_copies(machine: Machine) -> None:
    heard = []
    parent, child = mm_alloc(), mm_alloc()
    ops = mmu_notifier_ops(
        invalidate_range_start=lambda _, r: heard.append((r.event, r.start, r.end)) or 0
    )
    assert mmu_notifier_register(mmu_notifier(ops=ops), parent) == 0
    pvma = _map_region(parent, 0, 8 * PAGE, kind="anon", populate_pages=8)
    fork_vma(child, pvma)
    assert heard.pop() == (MMU_NOTIFY_PROTECTION_PAGE, 0, 8 * PAGE)
    _fault_in_range(pvma, 2 * PAGE, 4 * PAGE)
    assert heard == [(MMU_NOTIFY_CLEAR, 2 * PAGE, 4 * PAGE)]


@pytest.mark.parametrize("seed", range(100))
def test_both_write_at_once(boot: Callable[..., object], rss: Rss, seed: int) -> None:
    with boot(seed=seed) as machine:  # type: ignore[attr-defined]  # a context manager
        free = nr_free_pages()
        pvma, vma, parent, _ = forked(6)

        def write(to: vm_area_struct, *, leave: bool) -> None:
            mmap_read_lock(to.vm_mm)
            assert _fault_in_range(to, 0, 4 * PAGE) == 0
            mmap_read_unlock(to.vm_mm)
            if leave:
                mmput(to.vm_mm)

        machine.thread("parent", lambda: write(pvma, leave=False))
        machine.thread("child", lambda: write(vma, leave=True))
        machine.run()
        assert rss(parent) == (0, 6, 0, 0)
        assert free - nr_free_pages() == 6 + 3
        assert parent.pgd[0].readonly == 0b110000
