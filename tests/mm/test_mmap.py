# SPDX-License-Identifier: GPL-2.0-only
"""Finding mappings, and the order in which an address space is taken down."""

from __future__ import annotations

import pytest

from pykmm.errors import ContextError, KernelWarning, UseAfterFree
from pykmm.kernel.fork import mm_alloc, mmput
from pykmm.linux.mm import mm_flags_test, vma_lookup
from pykmm.linux.mm_types import MMF_OOM_SKIP, file
from pykmm.linux.mman import vm_committed_as
from pykmm.linux.mmap_lock import (
    mmap_read_lock,
    mmap_read_trylock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
)
from pykmm.linux.sched.mm import mmgrab
from pykmm.mm.mmap import (
    _map_region,
    exit_mmap,
    find_vma,
    find_vma_intersection,
    find_vma_prev,
)
from pykmm.mm.page_alloc import nr_free_pages

MIB = 1 << 20
PAGE = 4096


@pytest.fixture
def three(mm):
    """Three mappings of two pages, one page apart, from page 1 on."""
    return [
        _map_region(mm, (3 * n + 1) * PAGE, 2 * PAGE, kind="anon", populate_pages=1)
        for n in range(3)
    ]


# -- finding ---------------------------------------------------------------------------

#: For each page: which mapping contains it, and which is the first that ends above it.
WHERE = [
    (None, 0),
    (0, 0),
    (0, 0),
    (None, 1),
    (1, 1),
    (1, 1),
    (None, 2),
    (2, 2),
    (2, 2),
    (None, None),
]


@pytest.mark.parametrize("page", range(10))
def test_find(mm, three, page):
    def at(index):
        return None if index is None else three[index]

    contains, ends_above = WHERE[page]
    before = {0: None, 1: 0, 2: 1, None: 2}[ends_above]
    for address in (page * PAGE, page * PAGE + PAGE - 1):
        assert vma_lookup(mm, address) is at(contains)
        assert find_vma(mm, address) is at(ends_above)
        assert find_vma_prev(mm, address) == (at(ends_above), at(before))
    assert find_vma_intersection(mm, page * PAGE, (page + 1) * PAGE) is at(contains)


def test_intersection_is_the_first_one(mm, three):
    assert find_vma_intersection(mm, 0, PAGE) is None
    assert find_vma_intersection(mm, 0, 100 * PAGE) is three[0]
    assert find_vma_intersection(mm, 3 * PAGE, 5 * PAGE) is three[1]


def test_finding_needs_the_lock(machine, mm, three):
    machine.thread("finder", lambda: find_vma(mm, 0))
    with pytest.raises(ContextError, match=r"finder reads mm_struct#1\.mm_mt without"):
        machine.run()


# -- the end ---------------------------------------------------------------------------


def _steps(machine, mm):
    """Let the last user leave on a thread; return its steps from mm_users on."""
    machine.thread("last", lambda: mmput(mm))
    machine.run()
    return [(e.kind, e.obj.name.replace(f"{mm.name}.", "")) for e in machine.events[1:]]


def test_order_of_the_end(machine, mm):
    for start in (0, 4 * MIB):
        _map_region(mm, start, PAGE, kind="anon", populate_pages=1)
    zap = [
        ("spin_lock", "{}"),
        ("add_mm_counter", "rss_stat[1]"),
        ("spin_unlock", "{}"),
    ]
    low, high = (
        [(kind, what.format(f"pte[{i}].ptl")) for kind, what in zap]
        for i in ("0x0", "0x2")
    )

    def unlink(number):
        kinds = ("down_write", "up_write", "atomic_dec_and_test", "rwsem_is_locked")
        parts = ("rwsem", "rwsem", "refcount", "rwsem")
        names = [f"anon_vma#{number}.{part}" for part in parts]
        listed = ("lruvec_del_folio", "_AnonLru#1")  # the machine has swap
        return [*zip(kinds, names, strict=True), listed]

    assert _steps(machine, mm) == [
        ("atomic_dec_and_test", "mm_users"),
        ("READ_ONCE", "notifier_subscriptions"),
        ("down_read", "mmap_lock"),
        ("pmd_none", "pgd"),
        *low,
        ("pmd_none", "pgd"),
        *high,
        ("up_read", "mmap_lock"),
        ("set_bit", "flags[21]"),
        ("down_write", "mmap_lock"),
        ("WRITE_ONCE", "mm_lock_seq"),
        ("vma_start_write", "vm_area_struct#1.vm_refcnt"),
        *unlink(1),
        ("atomic_long_add", "pgtables_bytes"),
        ("vma_start_write", "vm_area_struct#2.vm_refcnt"),
        *unlink(2),
        ("atomic_long_add", "pgtables_bytes"),
        ("__free_pages", "pglist_data#1.nr_free_pages"),
        ("vma_mark_detached", "vm_area_struct#1.vm_refcnt"),
        ("vma_mark_detached", "vm_area_struct#2.vm_refcnt"),
        ("WRITE_ONCE", "mm_lock_seq"),
        ("up_write", "mmap_lock"),
        ("atomic_long_add", "_UtilStatics#1.vm_committed_as"),
        ("atomic_dec_and_call", "mm_count"),
        ("free", "mmdrop"),
    ]


def test_an_empty_address_space_takes_the_short_way(machine, mm):
    mmgrab(mm)
    assert _steps(machine, mm) == [
        ("atomic_dec_and_test", "mm_users"),
        ("READ_ONCE", "notifier_subscriptions"),
        ("down_read", "mmap_lock"),
        ("up_read", "mmap_lock"),
        ("down_write", "mmap_lock"),
        ("WRITE_ONCE", "mm_lock_seq"),
        ("WRITE_ONCE", "mm_lock_seq"),
        ("up_write", "mmap_lock"),
        ("atomic_long_add", "_UtilStatics#1.vm_committed_as"),
        ("atomic_dec_and_call", "mm_count"),
    ]
    assert not mm_flags_test(MMF_OOM_SKIP, mm)


def test_everything_comes_back(machine, mm):
    free = nr_free_pages()
    app = file(f_path="/usr/bin/app")
    for number, kind in enumerate(("anon", "file", "shmem", "hugetlb", "pfnmap")):
        _map_region(mm, number << 40, 4 * MIB, kind=kind, populate_pages=512)
    _map_region(
        mm, 9 << 40, MIB, kind="file", populate_pages=7, copied_pages=3, vm_file=app
    )
    _map_region(mm, 10 << 40, MIB, kind="anon", shared=True, populate_pages=7)
    mmgrab(mm)
    mmput(mm)
    # What files with a name have in memory stays.
    assert free - nr_free_pages() == 512 + 7
    assert (mm.pgtables_bytes.counter, mm.hugetlb_usage.counter) == (0, 0)
    assert [counter.counter for counter in mm.rss_stat] == [0] * 4
    assert (mm.pgd, mm._pmds, mm._puds, mm._hugetlb) == ({}, {}, {}, {})
    assert (app.f_ref.refs, vm_committed_as().counter) == (1, 0)
    assert mm_flags_test(MMF_OOM_SKIP, mm)
    assert find_vma(mm, 0) is None


def test_mappings_are_freed(machine, mm):
    vma = _map_region(mm, 0, MIB, kind="anon")
    mmput(mm)
    names = {type(x).__name__ for x in machine.alive}
    assert not names & {"vm_area_struct", "mm_struct", "file", "address_space"}
    machine.thread("late", lambda: vma.vm_start)
    with pytest.raises(UseAfterFree, match=r"vm_area_struct#1 was read \(vm_start\)"):
        machine.run()


def test_a_wrong_number_of_mappings_is_noticed(machine, mm):
    _map_region(mm, 0, MIB, kind="anon")
    mm.map_count = 2
    with pytest.raises(KernelWarning, match="1 mappings, counted 2"):
        exit_mmap(mm)


class _Script:
    """Run the named threads in this order, each as long as its number says."""

    def __init__(self, *turns):
        self.turns = [name for name, steps in turns for _ in range(steps)]

    def choose(self, enabled, running):
        name = self.turns.pop(0) if self.turns else enabled[0].name
        return next((t for t in enabled if t.name == name), enabled[0])


def _meet(machine, mm, *turns):
    """Let a reader and the last user meet; return what the reader saw."""
    seen = {}

    def reader():
        seen["trylock"] = mmap_read_trylock(mm)
        if not seen["trylock"]:
            mmap_read_lock(mm)
        seen["skip"] = mm_flags_test(MMF_OOM_SKIP, mm)
        seen["vma"] = find_vma(mm, 0) is not None
        mmap_read_unlock(mm)

    machine.carrier.scheduler = _Script(*turns)
    mmgrab(mm)
    machine.thread("last", lambda: exit_mmap(mm))
    machine.thread("reader", reader)
    machine.run()
    return seen


@pytest.mark.parametrize(
    ("steps", "trylock", "skip", "vma"),
    [
        # start, notifiers, lock, look, lock, count, unlock, unlock, flag, lock
        (0, True, False, True),
        (5, True, False, True),
        (8, True, False, True),  # between the read lock and the flag
        (9, True, True, True),  # between the flag and the write lock
        (10, False, True, False),  # has to wait until all is gone
        (22, True, True, False),
    ],
)
def test_what_a_reader_finds(machine, mm, steps, trylock, skip, vma):
    _map_region(mm, 0, PAGE, kind="anon", populate_pages=1)
    seen = _meet(machine, mm, ("last", steps), ("reader", 99))
    assert seen == {"trylock": trylock, "skip": skip, "vma": vma}


def test_the_write_lock_waits_for_a_reader_that_was_there_before(machine, mm):
    _map_region(mm, 0, PAGE, kind="anon", populate_pages=1)
    seen = _meet(machine, mm, ("reader", 2), ("last", 99))
    assert seen == {"trylock": True, "skip": True, "vma": True}


def test_a_queued_writer_keeps_trylocks_out(machine, mm):
    mmap_read_lock(mm)
    held = mm.mmap_lock
    machine.boot.held.clear()
    machine.thread("writer", lambda: (mmap_write_lock(mm), mmap_write_unlock(mm)))
    answers = []

    def late():
        answers.append(mmap_read_trylock(mm))
        held.readers -= 1
        held.queue[0].woken = True

    machine.carrier.scheduler = _Script(("writer", 2), ("late", 99))
    machine.thread("late", late)
    machine.run()
    assert answers == [False]


def test_two_address_spaces_do_not_share_anything(machine):
    first, second = mm_alloc(), mm_alloc()
    for mm in (first, second):
        _map_region(mm, 0, MIB, kind="anon", populate_pages=10)
    mmput(first)
    assert second.rss_stat[1].counter == 10
    mmput(second)
