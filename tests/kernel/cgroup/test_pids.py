# SPDX-License-Identifier: GPL-2.0-only
"""Limits on the tasks of a cgroup: who counts, who is refused, who makes room."""

from __future__ import annotations

import pytest

from pykmm import Machine, explore
from pykmm.errno import EAGAIN
from pykmm.errors import UsageError
from pykmm.linux.printk import console
from pykmm.linux.uapi import SIGKILL
from pykmm.syscalls import exit as exit_thread
from pykmm.syscalls import exit_group, fork, kill, pause, pthread_create, wait4
from tests.lifecycle._people import call


def test_processes_and_threads_count_until_they_are_reaped() -> None:
    def program() -> object:
        zombie = fork(lambda: exit_group(0))
        full = fork(None), pthread_create(pause)
        wait4(zombie)
        # A thread is nobody's to wait for.
        alone = pthread_create(lambda: exit_thread(0)) > 0
        return full, alone

    with Machine() as m:
        box = m.cgroup("box", pids_max=2)
        assert call(m, "app", program, memcg=box) == ((-EAGAIN, -EAGAIN), True)
        assert box.pids_counter.counter == 1
        assert box.pids_events_max.counter == 2
        lines = [line for line in console().verdicts() if "pids controller" in line]
        assert lines == ["cgroup: fork rejected by pids controller in /box"]


def test_a_fork_that_fails_later_is_not_counted() -> None:
    with Machine() as m:
        box = m.cgroup("box", pids_max=9)
        app = m.spawn("app", memcg=box, parent=m.spawn("shell"))
        app.runs(lambda: [fork(None) for _ in range(3)])
        m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
        m.run()
        living = [t for t in m.tasks() if t.memcg is box]
        assert box.pids_counter.counter == len(living)


def test_all_limits_above_hold() -> None:
    def program() -> object:
        return [fork(None) > 0 for _ in range(3)]

    with Machine() as m:
        outer = m.cgroup("outer", pids_max=3)
        middle = m.cgroup("middle", parent=outer)
        inner = m.cgroup("inner", parent=middle, pids_max=9)
        m.spawn("other", memcg=outer)
        assert call(m, "app", program, memcg=inner) == [True, False, False]
        assert (outer.pids_counter.counter, inner.pids_counter.counter) == (3, 2)
        events = [c.pids_events_max.counter for c in (outer, middle, inner)]
        assert events == [2, 0, 0]
        # What is refused is told where it was tried, and once.
        failures = [c.pids_fork_failures.counter for c in (outer, middle, inner)]
        assert failures == [0, 0, 2]


def test_more_than_fit_are_not_spawned() -> None:
    with Machine() as m:
        box = m.cgroup("box", pids_max=1)
        with pytest.raises(UsageError, match="has room for pids_max=1 tasks only"):
            m.spawn("app", memcg=box, threads=2)


def _two_for_one(m: Machine) -> object:
    """Two threads fork where one more task fits."""
    box = m.cgroup("box", pids_max=3)
    app = m.spawn("app", memcg=box, threads=2)
    told: list[bool] = []

    for number in (0, 1):
        app.threads[number].runs(lambda: told.append(fork(None) > 0))
    m.run()
    assert box.pids_counter.counter == 2 + sum(told)
    return sum(told)


def test_one_of_two_is_made() -> None:
    found = explore(_two_for_one, scheduler="pct", executions=150)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {1}
