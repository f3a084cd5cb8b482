# SPDX-License-Identifier: GPL-2.0-only
"""Pages with several users: a page is free when the last of them has gone, once."""

from __future__ import annotations

from collections.abc import Callable

from pykmm import Machine, explore
from pykmm.engine.events import Event
from pykmm.kernel.exit import do_exit
from pykmm.linux.completion import complete, completion, wait_for_completion
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_UNSTABLE, mm_struct
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.uapi import SIGKILL
from pykmm.mm._conservation import _books
from pykmm.mm.gup_pages import FOLL_WRITE, Page, pin_user_pages, unpin_user_pages
from pykmm.mm.memory import zap_vma_for_reaping
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.schedulers import RandomWalk
from pykmm.syscalls import (
    exit_group,
    fork,
    kill,
    munmap,
    pidfd_open,
    process_mrelease,
    touch,
)
from pykmm.workbench import Process
from tests.lifecycle._people import plain
from tests.lifecycle.pages_setup import PAGE, S, boot, maps, released, releases, rss


def _memory(process: Process) -> mm_struct:
    assert process.mm is not None
    return process.mm


def _family(
    m: Machine, pages: int, **more: object
) -> tuple[Process, Process, mm_struct, mm_struct]:
    """Spawn a parent with *pages* pages, and have it fork a child that shares them."""
    parent = m.spawn("parent", **more)  # type: ignore[arg-type]  # all of one kind
    maps(parent, {"kind": "anon", "populate_pages": pages})
    parent.runs(fork)
    m.run()
    child = Process(m, plain(parent.task, "children")[0], "child")
    return parent, child, _memory(parent), _memory(child)


def test_l111_a_reaped_child_gives_nothing_back() -> None:
    with boot() as m:
        _, child, mm, own = _family(m, 10)
        free = nr_free_pages()
        seen = []

        def look(_: int) -> None:
            seen.append((rss(own), rss(mm), nr_free_pages() - free))

        released(m, child, look)
        assert seen == [((0, 0, 0, 0), (0, 10, 0, 0), 0)]
        (table,) = mm.pgd.values()
        ((pages, _, entries),) = table.shared
        assert (pages.maps, entries) == ([0x3FF], 0x3FF)
        assert table.present[1] == 0x3FF


def test_l131_a_shared_page_is_charged_until_the_last_mapping_goes() -> None:
    with boot() as m:
        box = m.cgroup("box")
        parent, child, mm, own = _family(m, 10, memcg=box)
        usage: list[int] = []

        def look(_: int) -> None:
            tables = mm.pgtables_bytes.counter + own.pgtables_bytes.counter
            usage.append(box.memory.usage - tables // PAGE)

        released(m, child, look)
        look(0)
        released(m, parent, look)
        assert usage == [10, 10, 0]


def test_l125_a_shared_page_that_is_left_is_copied_in_spite_of_a_reap() -> None:
    """The pass has marked the memory, and has not come to the mapping yet."""
    with boot() as m:
        _, child, mm, own = _family(m, 4)
        free = nr_free_pages()
        child.runs(lambda: touch(64 << 20, 2 * PAGE))
        child.step_to(inside=touch)
        lmkd = releases(m, child)
        lmkd.step_to(inside=zap_vma_for_reaping)
        assert mm_flags_test(MMF_UNSTABLE, own)
        child.step_to(inside=do_exit)
        assert free - nr_free_pages() == 2
        assert rss(own) == rss(mm) == (0, 4, 0, 0)
        (table,) = own.pgd.values()
        assert table.readonly == 0b1100
        for p in (child, lmkd):
            p.thaw()
        m.run()
        assert (lmkd.result, rss(mm)) == (0, (0, 4, 0, 0))


def test_l122_a_pinned_page_outlives_the_pass() -> None:
    with boot() as m:
        app = m.spawn("app")
        maps(app, {"kind": "anon", "populate_pages": 4})
        mm = _memory(app)
        pinned, done, free = completion(), completion(), nr_free_pages()
        held: list[Page] = []
        lmkd = m.spawn("lmkd")

        @app.runs
        def _() -> None:
            mmap_read_lock(mm)
            pages = pin_user_pages(64 << 20, 1, FOLL_WRITE)
            assert not isinstance(pages, int)
            held.extend(pages)
            mmap_read_unlock(mm)
            complete(pinned)
            wait_for_completion(done)

        @lmkd.runs
        def _() -> tuple[object, ...]:
            wait_for_completion(pinned)
            fd = pidfd_open(app.pid, 0)
            kill(app.pid, SIGKILL)
            seen = [process_mrelease(fd, 0), rss(mm), nr_free_pages() - free, _books()]
            unpin_user_pages(held)
            complete(done)
            return (*seen, nr_free_pages() - free)

        m.run()
        assert lmkd.result == (0, (0, 0, 0, 0), 3, [], 4)
        assert _books() == []


def _meet(seed: int, program: Callable[[Process], None]) -> set[str]:
    """Let an exit and two releases meet; return who took pages away."""
    with boot(scheduler=RandomWalk(seed)) as m:
        free = nr_free_pages()
        app = m.spawn("app")
        maps(app, *[{"kind": "anon", "populate_pages": 500}] * 2, S[0])
        mm = _memory(app)
        app.runs(lambda: program(app))
        took: set[str] = set()
        m.observers.append(_Takers(mm, took))
        for name in ("lmkd", "other"):
            caller = m.spawn(name)

            @caller.runs
            def _() -> None:
                fd = pidfd_open(app.pid, 0)
                kill(app.pid, SIGKILL)
                process_mrelease(fd, 0)

        m.run()
        assert rss(mm) == (0, 0, 0, 0)
        assert nr_free_pages() == free
        assert _books() == []
        return took


class _Takers:
    """Writes down whose steps take anonymous pages away from an address space."""

    def __init__(self, mm: mm_struct, took: set[str]) -> None:
        self.counter, self.took = mm.rss_stat[1], took
        self.before = self.counter.counter

    def event(self, event: Event) -> None:
        """Look at the counter."""
        if event.obj is self.counter:
            if self.counter.counter < self.before:
                self.took.add(event.thread.name)
            self.before = self.counter.counter

    def at_rest(self, machine: object) -> None:
        """Nothing to look at."""


def test_l119_each_page_is_freed_once_in_any_order() -> None:
    took: set[str] = set()
    for seed in range(60):
        took |= _meet(seed, lambda _: None)
    assert took == {"app", "lmkd", "other"}


def test_l120_a_munmap_beside_a_pass() -> None:
    took: set[str] = set()
    for seed in range(60):
        took |= _meet(seed, lambda _: munmap(64 << 20, 2 << 20) and None)
    assert took >= {"app", "lmkd"}


def _forks_and_writes(m: Machine) -> object:
    """A child of fork() exits while its parent writes what both map."""
    parent = m.spawn("parent")
    maps(parent, {"kind": "anon", "populate_pages": 2})
    mm, free = _memory(parent), nr_free_pages()

    @parent.runs
    def _() -> int:
        pid = fork(lambda: exit_group(0))
        touch(64 << 20, 2 * PAGE)
        return pid

    m.run()
    assert isinstance(parent.result, int)
    assert parent.result > 0
    assert _books() == []
    assert rss(mm) == (0, 2, 0, 0)
    return nr_free_pages() - free


def test_l111_a_child_of_fork_exits_while_its_parent_writes() -> None:
    result = explore(_forks_and_writes, detectors=("kasan", "lockdep"))
    assert result.complete
    assert result.executions > 1
    assert [outcome.value for outcome in result.outcomes] == [0]
    assert not result.reports


def test_l111_a_reaped_child_of_fork_leaves_its_parents_pages() -> None:
    with boot() as m:
        app, lmkd = m.spawn("app"), m.spawn("lmkd")
        maps(app, {"kind": "anon", "populate_pages": 10})
        mm, made, done = _memory(app), completion(), completion()
        free = nr_free_pages()
        child: list[int] = []

        @app.runs
        def _() -> None:
            child.append(fork(lambda: wait_for_completion(done)))
            complete(made)

        @lmkd.runs
        def _() -> tuple[object, ...]:
            wait_for_completion(made)
            fd = pidfd_open(child[0], 0)
            tables = free - nr_free_pages()
            kill(child[0], SIGKILL)
            ret = process_mrelease(fd, 0)
            seen = ret, rss(mm), free - nr_free_pages() - tables
            complete(done)
            return seen

        m.run()
        assert lmkd.result == (0, (0, 10, 0, 0), 0)
        assert nr_free_pages() == free


def test_of_a_large_populated_process_and_its_child_nothing_is_left() -> None:
    with Machine() as m:
        free = nr_free_pages()
        app = m.spawn("app", anon="2G")
        seen: list[int] = []

        @app.runs
        def _() -> None:
            fork(lambda: exit_group(0))
            seen.append(free - nr_free_pages())
            exit_group(0)

        m.run()
        # Each has a table for every 2 MiB, and all pages are still one and the same.
        pages = 2 << 30 >> 12
        assert pages + 2 * 1024 <= seen[0] < pages + 2 * 1024 + 20
        assert (nr_free_pages(), _books()) == (free, [])
