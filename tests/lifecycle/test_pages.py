# SPDX-License-Identifier: GPL-2.0-only
"""Pages under a reap: what goes, what stays, and in which order it is free."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errno import EAGAIN, EBADF, EINVAL
from pykmm.linux.mm import get_mm_rss, mm_flags_test
from pykmm.linux.mm_types import (
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    address_space,
    mm_struct,
    vm_area_struct,
)
from pykmm.linux.mman import vm_committed_as
from pykmm.linux.mmu_notifier import mmu_notifier, mmu_notifier_ops
from pykmm.linux.printk import console
from pykmm.linux.uapi import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    O_RDONLY,
    PROT_READ,
    SIGKILL,
)
from pykmm.mm._conservation import _books
from pykmm.mm.mmu_notifier import mmu_notifier_register
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.mm.swapfile import nr_swap_pages
from pykmm.mm.vmstat import global_node_page_state
from pykmm.patches.kernels import v6_12
from pykmm.syscalls import (
    kill,
    mlock,
    mmap,
    open,
    pause,
    pidfd_open,
    process_mrelease,
    touch,
)
from pykmm.workbench import Process
from tests.lifecycle._memory import RW, memory_file
from tests.lifecycle._people import call, is_gone, oom_kill
from tests.lifecycle.pages_setup import PAGE, S, boot, maps, released, rss


def _memory(process: Process) -> mm_struct:
    assert process.mm is not None
    return process.mm


def test_l108_l109_what_a_complete_pass_takes_and_what_it_leaves() -> None:
    with boot() as m:
        app = m.spawn("app")
        maps(app, *S)
        mm = _memory(app)
        assert rss(mm) == (9, 10, 3, 6)
        assert get_mm_rss(mm) == 25
        before = (nr_free_pages(), nr_swap_pages().counter)
        kept = _kept(mm)
        seen = []

        def look(answer: int) -> None:
            seen.append(answer)
            assert rss(mm) == (5, 0, 0, 6)
            assert get_mm_rss(mm) == 11
            assert nr_free_pages() - before[0] == 10
            assert nr_swap_pages().counter - before[1] == 3
            assert mm.hugetlb_usage.counter == 512
            assert _frames(mm) == 2
            assert _kept(mm) == kept
            assert mm_flags_test(MMF_UNSTABLE, mm)
            assert not mm_flags_test(MMF_OOM_SKIP, mm)

        released(m, app, look)
        assert seen == [0]
        assert _books() == []


def _kept(mm: mm_struct) -> tuple[int, ...]:
    """Return what a pass must not change."""
    state = mm.__dict__
    return (
        state["map_count"],
        state["total_vm"],
        state["locked_vm"],
        mm.pgtables_bytes.counter,
        vm_committed_as().counter,
    )


def _frames(mm: mm_struct) -> int:
    return sum(table.present[4].bit_count() for table in mm.pgd.values())


def test_l109_l114_released_twice_then_reaped_then_released_in_vain() -> None:
    with boot() as m:
        app = m.spawn("app", oom_score_adj=1000)
        maps(app, *S)
        mm = _memory(app)
        kept = _kept(mm)
        kill(app.pid, SIGKILL)
        app.freeze()

        def release(times: int) -> object:
            fd = pidfd_open(app.pid, 0)
            return [
                (process_mrelease(fd, 0), mm_flags_test(MMF_OOM_SKIP, mm))
                for _ in range(times)
            ]

        assert call(m, "lmkd", lambda: release(2)) == [(0, False)] * 2
        oom_kill(m)
        assert (rss(mm), _kept(mm)) == ((5, 0, 0, 6), kept)
        assert mm_flags_test(MMF_UNSTABLE, mm)
        with m.as_boot():
            passes = len(console().effects)
        assert call(m, "lmkd", lambda: release(1)) == [(0, True)]
        with m.as_boot():
            assert len(console().effects) == passes
        app.thaw()
        m.run()
        assert is_gone(app)


def test_l110_page_tables_outlive_a_pass() -> None:
    with boot() as m:
        app = m.spawn("app")
        seen: list[int] = []

        @app.runs
        def _() -> None:
            touch(mmap(PAGE), 1)
            seen.append(_memory(app).pgtables_bytes.counter)

        m.run()
        mm = _memory(app)
        released(m, app, lambda _: seen.append(mm.pgtables_bytes.counter))
        assert (seen, mm.pgtables_bytes.counter) == ([12288, 12288], 0)


@pytest.mark.parametrize("answers", [1, 2])
def test_l112_a_refusing_notifier_spares_one_mapping(answers: int) -> None:
    with boot() as m:
        app = m.spawn("app")
        areas = maps(app, *[{"kind": "anon", "populate_pages": 3}] * 3)
        mm = _memory(app)
        refusals = [-EAGAIN] * answers

        def start(_: mmu_notifier, change: object) -> int:
            middle = areas[1].__dict__["vm_start"]
            if change.start == middle and refusals:  # type: ignore[attr-defined]
                return refusals.pop()
            return 0

        ops = mmu_notifier_ops(invalidate_range_start=start)
        assert mmu_notifier_register(mmu_notifier(ops=ops), mm) == 0
        seen = []

        def look(answer: int) -> None:
            left = [_present(mm, area) for area in areas]
            seen.append((answer, left))

        released(m, app, look, times=answers + 1)
        assert seen == [(-EAGAIN, [0, 3, 0])] * answers + [(0, [0, 0, 0])]


def test_l112_the_reaper_comes_back_to_who_refuses() -> None:
    """Until the subscriber is ready, or ten times: then it gives the memory up."""
    for refused, left, tries in ((3, 0, 4), (99, 3, 10)):
        with boot() as m:
            app = m.spawn("app", oom_score_adj=1000)
            areas = maps(app, *[{"kind": "anon", "populate_pages": 3}] * 3)
            mm = _memory(app)
            app.freeze()
            middle, calls = areas[1].__dict__["vm_start"], []

            def start(
                _: mmu_notifier,
                change: object,
                middle: int = middle,
                calls: list[int] = calls,
                refused: int = refused,
            ) -> int:
                if change.start != middle:  # type: ignore[attr-defined]
                    return 0
                calls.append(0)
                return -EAGAIN if len(calls) <= refused else 0

            ops = mmu_notifier_ops(invalidate_range_start=start)
            assert mmu_notifier_register(mmu_notifier(ops=ops), mm) == 0
            oom_kill(m)
            assert [_present(mm, area) for area in areas] == [0, left, 0]
            assert (len(calls), mm_flags_test(MMF_OOM_SKIP, mm)) == (tries, True)


def _present(mm: mm_struct, area: vm_area_struct) -> int:
    table = mm.pgd[area.__dict__["vm_start"] >> 21]
    return table.present[1].bit_count()


def test_l113_who_did_not_refuse_hears_of_the_end_at_once() -> None:
    with boot() as m:
        app = m.spawn("app")
        maps(app, {"kind": "anon", "populate_pages": 3})
        mm = _memory(app)
        calls: list[str] = []

        def told(what: str, answer: int = 0) -> Callable[..., int]:
            return lambda *_: calls.append(what) or answer

        refuses = mmu_notifier_ops(invalidate_range_start=told("A starts", -EAGAIN))
        agrees = mmu_notifier_ops(
            invalidate_range_start=told("B starts"),
            invalidate_range_end=told("B ends"),
        )
        for ops in (refuses, agrees):
            assert mmu_notifier_register(mmu_notifier(ops=ops), mm) == 0
        released(m, app, lambda answer: calls.append(repr(answer)))
        pass_of_mrelease = calls[: calls.index("-EAGAIN") + 1]
        assert sorted(pass_of_mrelease[:2]) == ["A starts", "B starts"]
        assert pass_of_mrelease[2:] == ["B ends", "-EAGAIN"]


def test_l115_who_may_be_released() -> None:
    with boot() as m:
        app = m.spawn("app", anon="16K")
        twin = m.spawn("twin", shares_mm=app)
        lmkd = m.spawn("lmkd")

        @lmkd.runs
        def _() -> list[int]:
            answers = [process_mrelease(99, 1)]
            fd = pidfd_open(app.pid, 0)
            answers.append(process_mrelease(fd, 0))
            kill(app.pid, SIGKILL)
            answers.append(process_mrelease(fd, 0))
            kill(twin.pid, SIGKILL)
            answers.append(process_mrelease(fd, 0))
            answers.append(process_mrelease(99, 0))
            return answers

        m.run()
        assert lmkd.result == [-EINVAL, -EINVAL, -EINVAL, 0, -EBADF]


@pytest.mark.parametrize(("old", "order"), [(True, [1, 2, 3]), (False, [3, 2, 1])])
def test_l116_order_of_mappings_in_a_pass(old: bool, order: list[int]) -> None:
    with boot() as m:
        if old:
            m.patches.update(v6_12.patch.functions)
        app = m.spawn("app")
        areas = maps(app, *[{"kind": "anon", "populate_pages": 1}] * 3)
        starts = [area.__dict__["vm_start"] for area in areas]
        seen: list[int] = []

        def look(_: int) -> None:
            effects = [e for e in console().effects if e[0] == "zap"]
            seen.extend(1 + starts.index(int(str(e[1]))) for e in effects)

        released(m, app, look)
        assert seen == order


def test_l117_what_belongs_to_a_file_stays_cached() -> None:
    with boot() as m:
        m.file("/lib/libc.so", 4 * PAGE)
        app = m.spawn("app")
        mm = _memory(app)

        @app.runs
        def _() -> None:
            memory = mmap(0, 3 * PAGE, RW, MAP_PRIVATE, memory_file(3))
            text = open("/lib/libc.so", O_RDONLY)
            shared = mmap(0, 4 * PAGE, PROT_READ, MAP_SHARED, text)
            touch(memory, 2 * PAGE)
            touch(memory + 2 * PAGE, PAGE, write=False)
            touch(shared, 4 * PAGE, write=False)
            pause()

        m.run()
        assert rss(mm) == (4, 2, 0, 1)
        mappings = [x for x in m.alive if isinstance(x, address_space)]
        free = nr_free_pages()

        def look(_: int) -> None:
            assert rss(mm) == (0, 0, 0, 0)
            assert nr_free_pages() - free == 2
            cached = [sum(x.__dict__["_nrpages"].values()) for x in mappings]
            assert sorted(cached) == [3, 4]

        released(m, app, look)


def test_l118_counters_fall_first_and_charges_later() -> None:
    with boot() as m:
        box = m.cgroup("box")
        app = m.spawn("app", memcg=box)
        maps(app, {"kind": "anon", "populate_pages": 40})
        mm = _memory(app)
        charged, free = box.memory.usage, nr_free_pages()
        moments: list[tuple[int, int, int]] = []

        class Watch:
            def event(self, event: object) -> None:
                now = (
                    mm.rss_stat[1].counter,
                    box.memory.usage - charged,
                    nr_free_pages() - free,
                )
                if not moments or moments[-1] != now:
                    moments.append(now)

            def at_rest(self, machine: object) -> None: ...

        m.observers.append(Watch())
        released(m, app, lambda _: None)
        first = moments.index((0, 0, 0))
        assert moments[0] == (40, 0, 0)
        assert moments[first + 1 : first + 3] == [(0, -40, 0), (0, -40, 40)]


def test_l121_locked_pages_go_and_stay_counted() -> None:
    with boot() as m:
        app = m.spawn("app")

        @app.runs
        def _() -> None:
            at = mmap(0, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
            assert mlock(at, 4 * PAGE) == 0
            pause()

        m.run()
        mm = _memory(app)
        seen = []

        def look(_: int = 0) -> None:
            locked = mm.__dict__["locked_vm"]
            mlocked = global_node_page_state("NR_UNEVICTABLE")
            seen.append((rss(mm)[1], locked, mlocked))

        look()
        released(m, app, look)
        assert seen == [(4, 4, 4), (0, 4, 0)]
