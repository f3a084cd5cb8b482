# SPDX-License-Identifier: GPL-2.0-only
"""What exit_mm() leaves to others: words in memory, and victims (L58, L59, L62)."""

from __future__ import annotations

from pykmm.linux.bitops import test_bit as has_bit
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MM_ANONPAGES, MMF_OOM_SKIP
from pykmm.linux.oom import tsk_is_oom_victim
from pykmm.linux.sched import EXIT_DEAD, EXIT_ZOMBIE, TIF_MEMDIE
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import O_RDWR, SIGCHLD
from pykmm.linux.uapi_futex import FUTEX_WAIT
from pykmm.linux.uapi_sched import CLONE_CHILD_CLEARTID
from pykmm.mm.oom_kill import oom
from pykmm.syscalls import (
    clone,
    exit_group,
    futex,
    open,
    pthread_create,
    wait4,
    write,
)
from pykmm.syscalls import exit as exit_thread
from pykmm.workbench import Machine
from tests.lifecycle._people import oom_kill


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


def victims(m: Machine) -> int:
    with m.as_boot():
        return oom().oom_victims.counter


def test_l58_a_victim_counts_until_its_memory_is_gone() -> None:
    with Machine(reaper=False) as m:
        parent = m.spawn("parent")
        app = m.spawn("app", anon="16K", parent=parent, oom_score_adj=1000)
        mm = app.space
        app.freeze()
        oom_kill(m)
        assert victims(m) == 1
        assert has_bit(TIF_MEMDIE, app.task.thread_flags)
        skipped_at: list[bool] = []

        class Watch:
            def event(self, event: object) -> None:
                if getattr(event, "obj", None) is oom_victims:
                    skipped_at.append(mm.flags._has(MMF_OOM_SKIP))

            def at_rest(self, machine: object) -> None:
                del machine

        with m.as_boot():
            oom_victims = oom().oom_victims
        m.observers.append(Watch())
        app.thaw()
        m.run()
        assert victims(m) == 0
        assert app.task.signal.oom_mm is mm
        assert mm.mm_count.counter == 1
        assert mm.mm_users.counter == 0
        assert skipped_at == [True]


def test_l59_a_victim_that_leaves_others_counts_no_more() -> None:
    """The other one sleeps where no signal wakes it, and keeps all in memory."""
    with Machine(reaper=False) as m:
        app = m.spawn("app", anon="16K", threads=2, oom_score_adj=1000)
        mm, other = app.space, app.threads[1]

        @other.runs
        def _() -> None:
            write(open("/proc/self/oom_score_adj", O_RDWR), "1000")

        with m.as_boot():
            adjusting = oom().oom_adj_mutex
        with m.hold(adjusting, by="an administrator"):
            oom_kill(m)
            assert app.task.__dict__["exit_state"] == EXIT_ZOMBIE
            assert victims(m) == 0
            assert not has_bit(TIF_MEMDIE, other.task.thread_flags)
            assert tsk_is_oom_victim(other.task)
            assert app.task.signal.oom_mm is mm is other.mm
            assert mm.mm_users.counter == 1
            assert mm.rss_stat[MM_ANONPAGES].counter == 4
            assert not mm_flags_test(MMF_OOM_SKIP, mm)
        m.run()
        assert app.task.__dict__["exit_state"] == EXIT_DEAD
        assert mm.rss_stat[MM_ANONPAGES].counter == 0
