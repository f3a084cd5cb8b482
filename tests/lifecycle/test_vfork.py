# SPDX-License-Identifier: GPL-2.0-only
"""Children that borrow their maker's memory while it sleeps."""

from __future__ import annotations

import pytest

from pykmm import Machine, explore
from pykmm.errors import Deadlock
from pykmm.linux.sched import EXIT_ZOMBIE, current
from pykmm.linux.sched.mm import in_vfork
from pykmm.linux.uapi import SIGCHLD, SIGKILL, SIGUSR1
from pykmm.linux.uapi_sched import CLONE_PARENT, CLONE_VFORK, CLONE_VM
from pykmm.mm.oom_kill import oom_badness
from pykmm.mm.oom_kill_select import LONG_MIN
from pykmm.syscalls import (
    clone,
    execve,
    exit_group,
    fork,
    kill,
    pause,
    vfork,
    wait4,
)

BOTH = CLONE_VM | CLONE_VFORK


def asks(seen: list[object]) -> None:
    """Note whether current is in vfork, and what the OOM killer thinks of it."""
    seen.append((in_vfork(current()), oom_badness(current(), 1000) == LONG_MIN))


def test_l23_the_maker_sleeps_until_the_child_exits() -> None:
    order: list[object] = []

    def child() -> None:
        asks(order)
        exit_group(7)

    def body() -> object:
        nr = vfork(child)
        order.append("back")
        return nr, wait4(nr)

    with Machine() as m:
        p = m.spawn("p", anon="64K")
        p.runs(body)
        m.run()
        assert p.result == (3 + 1, (4, 7 << 8))
        assert order == [(True, True), "back"]
        assert p.mm is not None
        assert p.mm.mm_users.counter == 1


def test_l23_the_maker_goes_on_when_the_child_leaves_its_memory() -> None:
    order: list[object] = []

    def child() -> None:
        asks(order)
        execve(second, "second")

    def second() -> None:
        asks(order)
        pause()

    def body() -> object:
        nr = vfork(child)
        order.append("back")
        return nr

    with Machine() as m:
        p = m.spawn("p", anon="64K")
        p.runs(body)
        m.run()
        # W9: for a while it uses the memory still, and is not in vfork any more.
        assert order[0] == (True, True)
        assert sorted(map(str, order[1:])) == ["(False, False)", "back"]
        assert p.mm is not None
        assert p.mm.mm_users.counter == 1


def test_only_a_fatal_signal_ends_the_sleep() -> None:
    seen: list[int] = []

    def child() -> None:
        parent = current().__dict__["real_parent"]
        kill(parent.pid, SIGUSR1)
        seen.append(0)
        pause()

    with Machine() as m:
        p = m.spawn("p")
        p.task.__dict__["sighand"].action = {SIGUSR1: seen.append}
        p.runs(lambda: vfork(child))
        with pytest.raises(Deadlock, match="p can never go on"):
            m.run()
        assert seen == [0]


def test_l24_without_shared_memory_the_maker_waits_all_the_same() -> None:
    order: list[object] = []

    def child() -> None:
        asks(order)
        exit_group(0)

    def body() -> None:
        clone(CLONE_VFORK | SIGCHLD, child)
        order.append("back")

    with Machine() as m:
        m.spawn("p", anon="64K").runs(body)
        m.run()
        assert order == [(False, False), "back"]


def test_l24_a_child_of_the_grandparent_is_in_vfork_only_if_that_shares() -> None:
    seen: list[object] = []

    def child() -> None:
        asks(seen)
        exit_group(0)

    def middle() -> None:
        clone(BOTH | CLONE_PARENT | SIGCHLD, child)

    with Machine() as m:
        p = m.spawn("p", anon="64K")
        p.runs(lambda: fork(middle))
        m.run()
        q = m.spawn("q", anon="64K")
        q.runs(lambda: clone(CLONE_VM | SIGCHLD, middle))
        m.run()
        assert seen == [(False, False), (True, True)]


def test_l25_a_maker_that_is_killed_leaves_the_child_running() -> None:
    def child() -> None:
        parent = current().__dict__["real_parent"]
        kill(parent.pid, SIGKILL)
        pause()

    with Machine() as m:
        p = m.spawn("p", anon="64K", parent=m.spawn("shell"))
        mm = p.mm
        p.runs(lambda: vfork(child))
        m.run()
        assert mm is not None
        orphan = m.tasks()[-1]
        assert p.task.__dict__["exit_state"] == EXIT_ZOMBIE
        assert p.mm is None
        assert orphan.__dict__["vfork_done"] is None
        assert orphan.__dict__["mm"] is mm
        assert mm.mm_users.counter == 1
        assert mm.owner is orphan  # it was handed on
        assert orphan.__dict__["real_parent"] is m.init.task


def killed_while_it_waits(m: Machine) -> object:
    """Kill the maker while its child ends: one of the two comes first."""
    told: list[object] = []
    p = m.spawn("p", anon="16K", parent=m.spawn("shell"))
    mm = p.mm

    def body() -> None:
        told.append(vfork(lambda: exit_group(0)) > 0)
        told.append(wait4(-1) is not None)

    p.runs(body)
    m.spawn("killer").runs(lambda: kill(p.pid, SIGKILL))
    m.run()
    assert p.task.__dict__["exit_state"] == EXIT_ZOMBIE
    assert mm not in m.alive
    return len(told)


def test_w10_kill_of_the_maker_against_the_end_of_the_child() -> None:
    within_one = explore(killed_while_it_waits, executions=150, bound=1)
    sampled = explore(killed_while_it_waits, scheduler="pct", executions=150)
    assert within_one.reports == sampled.reports == ()
    # Killed before or while it waits, before it waits for the zombie, or then.
    assert {0, 2} <= {*within_one.values, *sampled.values} <= {0, 1, 2}
