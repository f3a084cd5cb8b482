# SPDX-License-Identifier: GPL-2.0-only
"""What exit_mm() leaves to others: words in memory, and victims (L58, L59, L62)."""

from __future__ import annotations

from pykmm.linux.bitops import test_bit as has_bit
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.sched import TIF_MEMDIE
from pykmm.linux.sched.task import task_lock, task_unlock
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import SIGCHLD
from pykmm.linux.uapi_futex import FUTEX_WAIT
from pykmm.linux.uapi_sched import CLONE_CHILD_CLEARTID
from pykmm.mm.oom_kill import mark_oom_victim, oom
from pykmm.syscalls import clone, exit_group, futex, pthread_create, wait4
from pykmm.syscalls import exit as exit_thread
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import call, threads


def test_l62_a_word_is_cleared_and_its_waiter_woken_for_those_who_stay() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="4K")
        thread = UserWord(77)

        @app.runs
        def _() -> object:
            nr = pthread_create(lambda: exit_thread(0), tid=thread)
            return futex(thread, FUTEX_WAIT, nr)

        m.run()
        assert app.result == 0  # it slept, and was woken: else -EAGAIN
        assert thread.value == 0


def test_l62_nobody_is_told_by_the_only_user() -> None:
    with Machine() as m:
        app, alone = m.spawn("app"), UserWord(78)

        @app.runs
        def _() -> object:
            flags = CLONE_CHILD_CLEARTID | SIGCHLD
            child = clone(flags, lambda: exit_group(0), child_tid=alone)
            return wait4(child)[0] == child  # type: ignore[index]

        m.run()
        assert app.result is True
        assert alone.value == 78
        assert not [e for e in m.events if e.obj is alone]


def mark(m: Machine, app: Process, number: int) -> None:
    """Mark one thread of a process as the killer does."""

    def body() -> None:
        task = threads(app)[number]
        task_lock(task)
        mark_oom_victim(task)
        task_unlock(task)

    call(m, "marker", body)


def victims(m: Machine) -> int:
    with m._as_boot():
        return oom().oom_victims.counter


def test_l58_a_victim_counts_until_its_memory_is_gone() -> None:
    with Machine(reaper=False) as m:
        parent = m.spawn("parent")
        app = m.spawn("app", anon="16K", parent=parent)
        mm = app.mm
        assert mm is not None
        mark(m, app, 0)
        assert victims(m) == 1
        app.runs(lambda: exit_group(0))
        freed_at: list[bool] = []

        class Watch:
            def event(self, event: object) -> None:
                if getattr(event, "obj", None) is oom_victims:
                    freed_at.append(mm.flags._has(MMF_OOM_SKIP))

            def at_rest(self, machine: object) -> None:
                del machine

        with m._as_boot():
            oom_victims = oom().oom_victims
        m.observers.append(Watch())
        m.run()
        assert victims(m) == 0
        assert app.task.signal.oom_mm is mm
        assert mm.mm_count.counter == 1
        assert mm.mm_users.counter == 0
        assert freed_at == [True]


def test_l59_a_victim_that_leaves_others_counts_no_more() -> None:
    with Machine(reaper=False) as m:
        app = m.spawn("app", anon="16K", threads=2)
        mm = app.mm
        assert mm is not None
        mark(m, app, 0)
        app.threads[0].runs(lambda: exit_thread(0))
        m.run()
        assert victims(m) == 0
        assert not has_bit(TIF_MEMDIE, threads(app)[1].thread_flags)
        assert app.task.signal.oom_mm is mm
        assert mm.mm_users.counter == 1
        assert not mm_flags_test(MMF_OOM_SKIP, mm)
