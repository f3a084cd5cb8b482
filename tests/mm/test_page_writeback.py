# SPDX-License-Identifier: GPL-2.0-only
"""Dirty pages of files: who finds out, who writes them, and who has to wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import explore
from pykmm.fs.fs_writeback import the_wb, wakeup_flusher_threads
from pykmm.linux.mm_types import address_space, pgtable_t
from pykmm.linux.mmzone import ZONE_NORMAL
from pykmm.linux.page_flags import PG_active, PG_dirty, PG_reclaim, PG_writeback
from pykmm.linux.printk import console
from pykmm.linux.uapi import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    O_CREAT,
    O_RDWR,
    PROT_READ,
    SIGKILL,
    SIGSEGV,
)
from pykmm.mm._conservation import _books
from pykmm.mm.show_mem import __show_mem
from pykmm.mm.truncate import mapping_evict_folio
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.mm.vmstat import memory_by_use
from pykmm.syscalls import (
    exit_group,
    fork,
    ftruncate,
    kill,
    mmap,
    mprotect,
    mremap,
    munmap,
    open,
    pause,
    touch,
)
from pykmm.workbench import Machine, Process

from .shortages import BOTH, NODE, PAGE, booted, killed, two_reclaim

NR = 8
ALL = (1 << NR) - 1


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with booted() as machine:
        yield machine


def map_file(flags: int = MAP_SHARED, nr: int = NR) -> int:
    fd = open("/file", O_CREAT | O_RDWR)
    assert isinstance(fd, int)
    assert ftruncate(fd, nr * PAGE) == 0
    at = mmap(0, nr * PAGE, BOTH, flags, fd)
    assert at > 0
    return at


def the_file(m: Machine) -> address_space:
    (found,) = [x for x in m.alive if isinstance(x, address_space) and x.i_pages]
    return found


def nr(item: str) -> int:
    return memory_by_use(lambda _: True)[item]


def table(p: Process) -> pgtable_t:
    assert p.mm is not None
    (found,) = p.mm.pgd.values()
    return found


def faults(m: Machine, p: Process) -> int:
    return sum(
        e.kind == "filemap_get_folio" and e.thread.task is p.task for e in m.events
    )


def test_a_write_makes_a_page_dirty_and_raises_no_fault_again(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        touch(at, NR * PAGE, False)
        assert nr("NR_FILE_DIRTY") == 0
        touch(at, 3 * PAGE)
        assert nr("NR_FILE_DIRTY") == 3
        before = faults(m, p)
        touch(at, 3 * PAGE)
        assert faults(m, p) == before
        pause()

    m.run()
    assert table(p).dirty.bit_count() == 3
    assert the_file(m)._flags[PG_dirty] == {0: 0b111}


@pytest.mark.parametrize("flags", [MAP_PRIVATE, MAP_SHARED | MAP_ANONYMOUS])
def test_what_no_file_will_have_is_not_dirty(m: Machine, flags: int) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        if flags & MAP_ANONYMOUS:
            at = mmap(0, NR * PAGE, BOTH, flags)
        else:
            at = map_file(flags)
        touch(at, NR * PAGE)
        pause()

    m.run()
    assert nr("NR_FILE_DIRTY") == table(p).dirty == 0


def test_unmapping_tells_the_page_what_the_entry_knows(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        touch(map_file(), NR * PAGE)
        wakeup_flusher_threads()
        pause()

    m.run()
    assert nr("NR_FILE_DIRTY") == table(p).dirty == 0
    # As between the two steps of a fault.
    table(p).dirty = table(p).present[0]
    kill(p.pid, SIGKILL)
    m.run()
    assert p.mm is None
    assert the_file(m)._flags[PG_dirty] == {0: ALL}


def test_the_next_write_after_writeback_is_noticed(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        touch(at, NR * PAGE)
        wakeup_flusher_threads()
        pause()

    m.run()
    assert (nr("NR_FILE_DIRTY"), nr("NR_WRITEBACK"), table(p).dirty) == (0, 0, 0)
    assert the_wb().__dict__["b_dirty"] == ()
    q = m.spawn("q")
    q.runs(lambda: touch(map_file(), 2 * PAGE) or pause())
    m.run()
    assert nr("NR_FILE_DIRTY") == 2


def test_reclaim_has_dirty_pages_written_first(m: Machine) -> None:
    p = m.spawn("p")
    seen = []

    @p.runs
    def _() -> None:
        at = map_file()
        touch(at, NR * PAGE)
        munmap(at, NR * PAGE)
        pause()

    m.run()
    mapping = the_file(m)

    @m.spawn("short").runs
    def _() -> None:
        seen.append(try_to_free_pages(NR, NODE))

    m.run()
    assert seen == [NR]
    assert mapping.i_pages == {}
    kinds = [
        e.kind
        for e in m.events
        if e.kind
        in ("__remove_mapping", "folio_clear_dirty_for_io", "folio_end_writeback")
    ]
    assert kinds == [
        "__remove_mapping",  # and none is
        "folio_clear_dirty_for_io",
        "folio_end_writeback",
        "__remove_mapping",
    ]
    assert {e.thread.name for e in m.events if e.kind == "folio_end_writeback"} == {
        "kworker"
    }


def test_clean_pages_go_before_dirty_ones(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        touch(at, NR * PAGE, False)
        touch(at, 3 * PAGE)
        munmap(at, NR * PAGE)
        pause()

    m.run()
    mapping = the_file(m)
    for flags in mapping._flags.values():
        if flags is not mapping._flags[PG_dirty]:
            flags.clear()
    assert try_to_free_pages(NR - 3, NODE) == NR - 3
    assert mapping.i_pages == {0: 0b111}
    # What reclaim has met is the next to go once it has been written.
    assert mapping._flags[PG_dirty] == {0: 0b111}
    assert mapping._flags[PG_reclaim] == mapping._flags[PG_active] == {0: 0b111}
    wakeup_flusher_threads()
    assert mapping._flags[PG_reclaim] == mapping._flags[PG_active] == {}
    assert try_to_free_pages(NR, NODE) == 3


def test_who_asks_for_clean_pages_to_be_dropped_loses_no_dirty_ones(
    m: Machine,
) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        touch(at, NR * PAGE, False)
        touch(at, PAGE)
        munmap(at, NR * PAGE)
        pause()

    m.run()
    assert mapping_evict_folio(the_file(m), {0: ALL}) == NR - 1


def test_a_dirty_file_larger_than_memory_kills_nobody() -> None:
    with booted(None, 512) as m:
        p = m.spawn("p")
        p.runs(lambda: touch(map_file(nr=1024), 1024 * PAGE) or "done")
        m.run()
        assert (p.result, killed()) == ("done", [])


def test_a_dirty_file_larger_than_a_cgroup_kills_nobody(m: Machine) -> None:
    box = m.cgroup("box", memory_max=16 * PAGE)
    p = m.spawn("p", memcg=box)
    p.runs(lambda: touch(map_file(nr=64), 64 * PAGE) or "done")
    m.run()
    assert p.result == "done"


def test_kswapd_has_them_written_too() -> None:
    with booted(None, 512, kswapd=True) as m:
        p = m.spawn("p")
        p.runs(lambda: touch(map_file(nr=1024), 1024 * PAGE) or "done")
        m.run()
        assert p.result == "done"


def test_a_write_protected_mapping_stays_dirty_and_cannot_be_written(
    m: Machine,
) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        touch(at, NR * PAGE)
        mprotect(at, NR * PAGE, PROT_READ)
        touch(at, NR * PAGE, False)
        fork(lambda: touch(at, PAGE))
        mprotect(at, NR * PAGE, BOTH)
        touch(at, NR * PAGE)
        mprotect(at, NR * PAGE, PROT_READ)
        touch(at, PAGE)

    m.run()
    assert p.task.__dict__["exit_code"] & 0x7F == SIGSEGV
    assert the_file(m)._flags[PG_dirty] == {0: ALL}


def test_a_move_takes_along_what_is_dirty(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        at = map_file()
        touch(at, 3 * PAGE)
        assert mremap(at, NR * PAGE, NR * PAGE, 3, 1 << 30) == 1 << 30
        pause()

    m.run()
    assert p.mm is not None
    assert p.mm.pgd[(1 << 30) >> 21].dirty == 0b111


def test_the_summary_of_memory_tells_what_is_dirty(m: Machine) -> None:
    p = m.spawn("p")

    @p.runs
    def _() -> None:
        touch(map_file(), 5 * PAGE)
        __show_mem(0, None, ZONE_NORMAL)
        pause()

    m.run()
    lines = [line for _, line in console().lines]
    assert " unevictable:0 dirty:5 writeback:0" in lines
    (node,) = [line for line in lines if line.startswith("Node 0 active_anon")]
    assert " dirty:20kB writeback:0kB " in node


@pytest.mark.parametrize("seed", range(80))
def test_writers_reclaim_truncation_and_exits_meet_in_any_order(seed: int) -> None:
    with booted(seed) as m:
        p = m.spawn("p")

        def child(at: int) -> None:
            touch(at + PAGE, 4 * PAGE)
            munmap(at, 3 * PAGE)
            exit_group(0)

        @p.runs
        def _() -> None:
            fd = open("/file", O_CREAT | O_RDWR)
            ftruncate(fd, NR * PAGE)
            at = mmap(0, NR * PAGE, BOTH, MAP_SHARED, fd)
            touch(at, NR * PAGE)
            fork(lambda: child(at))
            touch(at, 2 * PAGE)
            ftruncate(fd, 5 * PAGE)
            touch(at, 5 * PAGE)
            exit_group(0)

        two_reclaim(m, 3, times=3)
        m.spawn("killer").runs(lambda: kill(p.pid, SIGKILL))
        m.run()
        assert _books() == []
        flags = [x._flags for x in m.alive if isinstance(x, address_space)]
        assert not any(found[PG_writeback] for found in flags)
        try_to_free_pages(100, NODE)
        assert nr("NR_FILE_PAGES") == 0


def test_what_is_dirtied_beside_a_write_is_not_forgotten() -> None:
    def body(m: Machine) -> list[str]:
        p = m.spawn("p")
        at = p.call(map_file)
        p.call(lambda: touch(at, PAGE))
        p.runs(lambda: touch(at + PAGE, PAGE))
        m.spawn("q").runs(wakeup_flusher_threads)
        m.run()
        return _books()

    result = explore(body)
    assert result.complete
    assert result.values == [[]]
    assert result.reports == ()


def test_nobody_is_run_in_vain_to_wait_for_a_write() -> None:
    def body(m: Machine) -> None:
        app = m.spawn("app")
        at = app.call(map_file)
        app.call(lambda: touch(at, PAGE))
        app.runs(lambda: (try_to_free_pages(1, NODE), wakeup_flusher_threads()))
        m.spawn("other").runs(lambda: try_to_free_pages(1, NODE))
        m.run()

    assert explore(body, executions=150).blocked == 0
