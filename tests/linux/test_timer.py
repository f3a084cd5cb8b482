# SPDX-License-Identifier: GPL-2.0-only
"""Timers and sleeps: steps, races with deleting, and the clock."""

from __future__ import annotations

import pytest

from pykmm.engine import Config, Machine, PlainCell, Struct, Timers, current_thread
from pykmm.errors import Deadlock, UsageError, UseAfterFree
from pykmm.linux import jiffies as j
from pykmm.linux import timer as t
from pykmm.runner import explore
from pykmm.scenario import Scenario


class holder(Struct):
    def __init__(self):
        self.timer = t.timer_list(self)
        self._register()


def _nothing(timer):
    pass


def _armed(function=_nothing, after=10, **how):
    it = t.timer_list(**how)
    t.timer_setup(it, function)
    t.mod_timer(it, j.jiffies() + after)
    return it


def _kinds(m, name):
    found = [e for e in m.events if e.thread.name == name]
    return [f"{e.kind} {e.obj.name} {e.access.name}" for e in found]


def test_steps_of_arming_and_firing(scripted):
    with scripted("") as m:
        m.thread("a", _armed)
        m.run()
        assert _kinds(m, "a")[1:] == [
            "jiffies jiffies READ",
            "mod_timer timer_list#1 WRITE",
        ]
        assert _kinds(m, "timer:_nothing") == [
            "tick jiffies WRITE",
            "timer_fire timer_list#1 WRITE",
        ]


@pytest.mark.parametrize(
    ("script", "fires", "deleted"),
    [
        ("d d timer:_nothing", ["tick jiffies READ"], True),
        (
            "timer:_nothing d d timer:_nothing",
            ["tick jiffies WRITE", "timer_fire timer_list#1 READ"],
            True,
        ),
        (
            "timer:_nothing timer:_nothing d d",
            ["tick jiffies WRITE", "timer_fire timer_list#1 WRITE"],
            False,
        ),
    ],
)
def test_race_of_firing_and_deleting(scripted, script, fires, deleted):
    with scripted(script) as m:
        it = _armed()
        d = m.thread("d", lambda: t.timer_delete(it))
        m.run()
        assert d.result is deleted
        assert _kinds(m, "timer:_nothing") == fires
        access = "WRITE" if deleted else "READ"
        assert _kinds(m, "d")[1:] == [f"timer_delete timer_list#1 {access}"]


def test_a_timer_that_is_moved_when_its_time_has_come_waits_for_another(scripted):
    name = "timer:_nothing"
    with scripted(f"{name} b b {name} {name} {name}") as m:
        it = _armed(after=10)
        m.thread("b", lambda: t.mod_timer(it, m.clock.now + 20))
        m.run()
        assert _kinds(m, name) == [
            "tick jiffies WRITE",
            "timer_fire timer_list#1 READ",
            "tick jiffies WRITE",
            "timer_fire timer_list#1 WRITE",
        ]
        assert m.clock.now == 1030


def test_moving_an_armed_timer_makes_no_second_thread(machine):
    it = _armed()
    before = it.expires
    assert t.mod_timer(it, before + 5) is True
    assert it.expires == before + 5
    assert t.timer_pending(it)
    assert [x.name for x in machine.threads] == ["timer:_nothing"]
    machine.run()
    assert machine.clock.now == before + 5
    assert it.expires is None


def test_deleted_timer_that_is_armed_again_fires_once(machine):
    fired = []
    it = _armed(fired.append)
    assert t.timer_delete(it)
    assert not t.timer_delete(it)
    t.add_timer(it, j.jiffies() + 20)
    machine.run()
    assert fired == [it]


def test_deleted_timer_does_not_hold_up_later_ones(machine):
    fired = []
    early, late = _armed(fired.append, 10), _armed(fired.append, 20)
    assert t.timer_delete(early)
    machine.run()
    assert fired == [late]


def test_function_runs_in_softirq_context(machine):
    seen = []
    _armed(lambda it: seen.append((it.name, current_thread().atomic)))
    machine.run()
    assert seen == [("timer_list#1", 1)]


def test_arming_without_a_function_is_a_mistake(machine):
    with pytest.raises(UsageError, match=r"timer_setup\(\) comes first"):
        t.mod_timer(t.timer_list(), 5)


def test_timer_of_a_freed_structure(lab):
    with lab.machine(0) as m:
        it = holder()
        t.timer_setup(it.timer, _nothing)
        t.mod_timer(it.timer, m.clock.now + 5)
        it._free()
        with pytest.raises(UseAfterFree, match=r"holder#1 was touched by timer_fire"):
            m.run()


def test_timer_deleted_before_its_structure_is_freed(machine):
    it = holder()
    t.timer_setup(it.timer, _nothing)
    t.mod_timer(it.timer, machine.clock.now + 5)
    t.timer_delete(it.timer)
    it._free()
    machine.run()


def test_deleting_in_sync_waits_for_the_end(scripted):
    name = "timer:slow"
    with scripted(f"{name} d {name} {name} {name} d") as m:

        def slow(it):
            j.jiffies()

        it = _armed(slow, synced=True)
        d = m.thread("d", lambda: t.timer_delete_sync(it))
        m.run()
        assert d.result is False
        assert _kinds(m, "d")[1:] == ["timer_delete_sync timer_list#1 WAIT"]
        assert _kinds(m, name)[-1] == "timer_done timer_list#1 WRITE"
        assert m.events[-1].thread is d


def test_deleting_in_sync_needs_to_be_announced(machine):
    with pytest.raises(UsageError, match="synced=True"):
        t.timer_delete_sync(t.timer_list())


def test_deleting_oneself_in_sync_is_a_deadlock(machine):
    _armed(lambda it: t.timer_delete_sync(it), synced=True)
    with pytest.raises(Deadlock, match="waits for itself"):
        machine.run()


def test_a_function_that_ends_in_a_step_never_runs_beside_itself():
    """Armed again while it runs, it waits: in Linux a timer stays on its processor."""

    def program(m):
        fired = PlainCell(0)  # plain: two at a time would be a data race
        it = t.timer_list(synced=True)
        t.timer_setup(it, lambda _: fired.set(fired.get() + 1))
        for who in ("a", "b"):
            m.thread(who, lambda: t.mod_timer(it, 100))
        m.run()

    result = explore(Scenario(name="again", function=program, machine=Machine))
    assert result.complete
    assert result.reports == ()


# -- idle timers -----------------------------------------------------------------------


@pytest.fixture
def idle():
    with Machine(Config(timers=Timers.IDLE)) as machine:
        yield machine


def test_idle_timer_lets_everybody_else_finish(idle):
    order = []
    it = _armed(lambda _: order.append("timer"), after=1)

    def busy():
        for _ in range(5):
            j.jiffies()
        order.append("busy")

    idle.thread("busy", busy)
    idle.run()
    assert order == ["busy", "timer"]
    assert idle.clock.now == 1001
    assert it.expires is None
    (fire,) = (e for e in idle.events if e.kind == "timer_fire")
    assert fire.access.name == "BARRIER"


def test_deleted_idle_timer_does_not_move_the_clock(idle):
    it = _armed(after=50)
    t.timer_delete(it)
    idle.run()
    assert idle.clock.now == 1000
    assert not idle.clock.due


def test_moved_idle_timer_is_due_once(idle):
    it = _armed(after=50)
    t.mod_timer(it, 1020)
    assert idle.clock.due == [1020]
    idle.run()
    assert idle.clock.now == 1020


def test_sleep_and_timers_share_the_clock(idle):
    order = []
    _armed(lambda _: order.append((j.jiffies(), "timer")), after=15)

    def sleeper():
        for _ in range(2):
            j.schedule_timeout_idle(10)
            order.append((j.jiffies(), "sleeper"))

    idle.thread("sleeper", sleeper)
    idle.run()
    assert order == [(1010, "sleeper"), (1015, "timer"), (1020, "sleeper")]


@pytest.mark.parametrize(
    ("call", "fatal", "left"),
    [
        (j.schedule_timeout_killable, True, 10),
        (j.schedule_timeout_interruptible, False, 10),
        (j.schedule_timeout_uninterruptible, True, 0),
        (j.schedule_timeout_killable, False, 0),
    ],
)
def test_signal_ends_an_idle_sleep(idle, victim, call, fatal, left):
    task = victim()
    s = idle.thread("s", lambda: call(10))
    s.task = task
    idle.thread("k", lambda: task.kill(s, fatal=fatal))
    idle.run()
    assert s.result == left
    assert idle.clock.now == 1010 - left
    assert not idle.clock.due


@pytest.mark.parametrize("timers", Timers)
def test_host_sleeps_at_once(timers):
    with Machine(Config(timers=timers)) as m:
        assert j.schedule_timeout_uninterruptible(5) == 0
        assert m.clock.now == 1005
        assert not m.clock.due
