# SPDX-License-Identifier: GPL-2.0-only
"""Selection, the kill, and the reaper, on real objects."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.boot import Region, build_process
from pykmm.engine import Config, Timers
from pykmm.errors import KernelPanic
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MMF_OOM_SKIP,
    mm_struct,
)
from pykmm.linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.oom import oom_control
from pykmm.linux.printk import console
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT
from pykmm.mm.oom_kill import (
    oom,
    out_of_memory,
    process_shares_mm,
    task_will_free_mem,
)
from pykmm.workbench import Machine, Process


def lines(m: Machine) -> list[str]:
    with m.as_boot():
        return [text for _, text in console().lines]


def ask(m: Machine, oc: oom_control | None = None) -> tuple[bool, oom_control]:
    """Ask the killer on a process's behalf."""
    oc = oc or oom_control()
    caller = m.spawn("caller", oom_score_adj=-1000)

    def body() -> bool:
        mutex_lock(oom().oom_lock)
        try:
            return out_of_memory(oc)
        finally:
            mutex_unlock(oom().oom_lock)

    caller.runs(body)
    m.run()
    assert isinstance(caller.result, bool)
    return caller.result, oc


# -- the kill ------------------------------------------------------------------------


def test_the_victim_dies_is_reaped_by_nobody_and_everything_comes_back() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        hog = m.spawn("hog", anon="1M")
        m.spawn("small", anon="64K")
        ret, oc = ask(m)
        assert ret
        assert oc.chosen is hog.task
        assert hog.task._death is not None
        assert any("Out of memory: Killed process" in line for line in lines(m))
        # It exited in time, so the timer found nothing to do.
        assert not any("oom_reaper" in line for line in lines(m))


def stuck(m: Machine, name: str, anon: str) -> Process:
    """Spawn a process that does not react to its death, as if it were traced."""
    p = m.spawn(name, anon=anon)
    p.task._program = None
    return p


def test_a_stuck_victim_is_reaped_after_two_seconds() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        hog = stuck(m, "hog", "1M")
        mm = hog.mm
        assert mm is not None
        before = m.clock.now
        ask(m)
        assert m.clock.now - before == 2 * m.config.hz
        assert mm.rss_stat[MM_ANONPAGES].counter == 0
        assert mm_flags_test(MMF_OOM_SKIP, mm)
        assert lines(m)[-1] == (
            f"oom_reaper: reaped process {hog.pid} (hog), now anon-rss:0kB, "
            "file-rss:0kB, shmem-rss:0kB"
        )


def test_the_reaper_gives_up_after_ten_attempts() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        hog = stuck(m, "hog", "1M")
        mm = hog.mm
        assert mm is not None
        blocker = m.spawn("blocker", oom_score_adj=-1000)

        def hold_the_lock() -> None:
            from pykmm.linux.jiffies import schedule_timeout_uninterruptible

            mmap_write_lock(mm)
            schedule_timeout_uninterruptible(100 * m.config.hz)
            mmap_write_unlock(mm)

        blocker.runs(hold_the_lock)
        ask(m)
        with m.as_boot():
            effects = [effect[0] for effect in console().effects]
        assert effects.count("skip_task_reaping") == 10
        assert effects.count("sleep") == 10
        assert f"oom_reaper: unable to reap pid:{hog.pid} (hog)" in lines(m)
        assert mm_flags_test(MMF_OOM_SKIP, mm)
        assert mm.rss_stat[MM_ANONPAGES].counter == 256


def test_sharers_die_too_whatever_their_adj() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        hog = m.spawn("hog", anon="1M")
        friend = m.spawn("friend", shares_mm=hog, oom_score_adj=-1000)
        ask(m)
        assert hog.task._death is not None
        assert friend.task._death is not None
        assert sum("Killed process" in line for line in lines(m)) == 1


def test_an_mm_shared_with_init_is_not_reaped() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        hog = stuck(m, "hog", "1M")
        mm = hog.mm
        assert mm is not None
        with m.as_boot():
            init = m.init.task
            old = init.__dict__["mm"]
            old.mm_users.counter -= 1
            old.mm_count.counter -= 1
            old._free()
            mm.mm_users.counter += 1
            init.mm = mm
        ask(m)
        assert mm.rss_stat[MM_ANONPAGES].counter == 256
        assert mm_flags_test(MMF_OOM_SKIP, mm)
        assert f"oom killer {hog.pid} (hog) has mm pinned by 1 (init)" in lines(m)


def test_a_victim_that_is_dying_already_is_marked_silently() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        hog = stuck(m, "hog", "1M")
        hog.task.signal.flags = SIGNAL_GROUP_EXIT
        ask(m)
        assert not any("Killed" in line or "invoked" in line for line in lines(m))
        assert lines(m)[-1].startswith("oom_reaper: reaped process")


def test_a_group_dies_together_and_the_protected_are_spared() -> None:
    with Machine(Config(timers=Timers.IDLE)) as m:
        box = mem_cgroup(cg_name="box", oom_group=True)
        tasks = {
            name: build_process(
                m,
                name=name,
                thread_name=name,
                memcg=box,
                oom_score_adj=adj,
                regions=[Region("anon", 4 << 12)],
            )
            for name, adj in (("one", 0), ("two", 0), ("spared", -1000))
        }
        ask(m, oom_control(memcg=box))
        assert tasks["one"]._death is not None
        assert tasks["two"]._death is not None
        assert tasks["spared"]._death is None
        text = lines(m)
        assert (
            "Tasks in /box are going to be killed due to memory.oom.group set" in text
        )
        box.procs = [task for task in box.procs if task._death is None]


def test_nobody_left_is_a_panic_for_the_machine() -> None:
    with pytest.raises(KernelPanic, match="System is deadlocked on memory"):
        with Machine() as m:
            ask(m)


def test_nobody_left_is_a_refusal_for_a_memcg_and_for_sysrq() -> None:
    with Machine() as m:
        assert ask(m, oom_control(memcg=mem_cgroup(cg_name="empty")))[0] is False
    with Machine() as m:
        assert ask(m, oom_control(order=-1))[0] is False


@pytest.mark.parametrize(
    ("policy", "memcg", "panics"),
    [(0, False, False), (1, False, True), (1, True, False), (2, True, True)],
)
def test_panic_on_oom(policy: int, memcg: bool, panics: bool) -> None:
    def run(m: Machine) -> None:
        box = mem_cgroup(cg_name="box") if memcg else None
        build_process(
            m, name="hog", thread_name="hog", memcg=box, regions=[Region("anon", 4096)]
        )
        ask(m, oom_control(memcg=box))
        if box is not None:
            box.procs = []

    with Machine(Config(panic_on_oom=policy, timers=Timers.IDLE)) as m:
        if panics:
            with pytest.raises(KernelPanic, match="panic_on_oom is enabled"):
                run(m)
        else:
            run(m)


def test_gfp_nofs_lets_the_caller_come_again() -> None:
    with Machine() as m:
        m.spawn("hog", anon="1M")
        ret, oc = ask(m, oom_control(gfp_mask=0))
        assert ret
        assert oc.chosen is None


def test_kill_allocating_task() -> None:
    with Machine(Config(oom_kill_allocating_task=1, timers=Timers.IDLE)) as m:
        m.spawn("hog", anon="1M")
        caller = m.spawn("caller", anon="4K")

        def body() -> None:
            mutex_lock(oom().oom_lock)
            out_of_memory(oom_control())
            mutex_unlock(oom().oom_lock)

        @caller.runs
        def _() -> None:
            from pykmm.kernel.entry.common import exit_to_user_mode_loop

            body()
            exit_to_user_mode_loop()

        m.run()
        message = "Out of memory (oom_kill_allocating_task): Killed process"
        assert any(message in line for line in lines(m))
        assert caller.task._death is not None


# -- predicates ----------------------------------------------------------------------


def dying(p: Process) -> Process:
    p.task.signal.flags = SIGNAL_GROUP_EXIT
    return p


CASES: dict[str, tuple[Callable[[Machine], Process], bool]] = {
    "alive": (lambda m: m.spawn("p"), False),
    "dying": (lambda m: dying(m.spawn("p")), True),
}


@pytest.mark.parametrize("case", CASES)
def test_task_will_free_mem(case: str) -> None:
    make, expected = CASES[case]
    with Machine() as m:
        assert task_will_free_mem(make(m).task) is expected


def test_process_shares_mm_lets_the_first_thread_with_an_mm_decide() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=2)
        other = m.spawn("other")
        mm, foreign = app.mm, other.mm
        assert isinstance(mm, mm_struct)
        assert isinstance(foreign, mm_struct)
        assert process_shares_mm(app.task, mm)
        assert not process_shares_mm(app.task, foreign)
        app.task.mm = None
        assert process_shares_mm(app.task, mm)
