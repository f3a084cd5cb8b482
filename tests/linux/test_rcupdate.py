# SPDX-License-Identifier: GPL-2.0-only
"""RCU: the steps of readers and of grace periods."""

from __future__ import annotations

import pytest

from pykmm.engine import current_thread
from pykmm.errors import ContextError
from pykmm.linux import rcupdate as r
from pykmm.linux.refcount import refcount_t
from pykmm.runner import explore
from tests.litmus.harness import litmus


def _kinds(m, name):
    return [(e.kind, e.access.name) for e in m.events if e.thread.name == name]


def test_only_the_outermost_section_is_a_step(events):
    def body():
        t = current_thread()
        with r.rcu(), r.rcu():
            assert t.rcu_depth == 2
            assert r.rcu_read_lock_held()
        assert t.rcu_depth == 0
        assert not r.rcu_read_lock_held()
        r.synchronize_rcu()

    assert events(body) == [
        ("rcu_read_lock", "SHARE"),
        ("rcu_read_unlock", "RELEASE"),
        ("synchronize_rcu", "ADD"),
        ("synchronize_rcu_wait", "SHARE"),
    ]


def test_synchronize_waits_for_a_section_that_is_open(scripted):
    with scripted("r r u u r u") as m:

        def read():
            with r.rcu():
                pass

        m.thread("r", read)
        m.thread("u", r.synchronize_rcu)
        m.run()
        assert _kinds(m, "u")[1:] == [
            ("synchronize_rcu", "ADD"),
            ("synchronize_rcu_wait", "SHARE"),
        ]


def test_section_that_is_left_and_begun_again_is_a_later_one(scripted):
    with scripted("r r u u r r u r") as m:

        def read():
            for _ in range(2):
                with r.rcu():
                    pass

        m.thread("r", read)
        u = m.thread("u", r.synchronize_rcu)
        m.run()
        order = [e.thread.name for e in m.events]
        assert " ".join(order) == "r r u u r r u r"
        assert u.state.value == "done"


def test_callback_runs_on_a_thread_of_its_own(scripted):
    with scripted("") as m:
        seen = []

        def callback():
            t = current_thread()
            seen.append((t.name, t.atomic))

        def body():
            r.call_rcu(callback, "free_pid")
            r.call_rcu(callback, "free_pid")

        m.thread("t", body)
        m.run()
        assert sorted(seen) == [("rcu:free_pid", 1), ("rcu:free_pid/2", 1)]
        assert _kinds(m, "rcu:free_pid") == [("start", "READ")]
        assert [e.obj.name for e in m.events[1:3]] == ["rcu"] * 2


def _read():
    with r.rcu():
        pass


@pytest.mark.parametrize("schedule", ["r r r u", "r r u r", "u u r r r", "r u u r r"])
def test_grace_period_takes_the_same_steps_whether_readers_have_left(
    scripted, schedule
):
    with scripted(schedule) as m:
        m.thread("r", _read)
        m.thread("u", lambda: r.call_rcu(lambda: None))
        m.run()
        kinds = [(e.thread.name, e.kind) for e in m.events]
        began = kinds.index(("r", "rcu_read_lock"))
        waits = [("grace_period", "SHARE")] * (began < kinds.index(("u", "call_rcu")))
        assert _kinds(m, "rcu:rcu")[1:] == waits


def _order(m):
    return [
        e.access.name
        for e in m.events
        if e.kind in ("refcount_dec_and_call", "call_rcu")
    ]


@pytest.mark.parametrize("last", ["a", "b"])
def test_last_reference_is_nobodys_own(scripted, last):
    first = "b" if last == "a" else "a"
    with scripted(f"a b {first} {last}") as m:
        count, seen = refcount_t(2), []
        for name in "ab":
            m.thread(
                name,
                lambda: r._put_and_call_rcu(
                    count, lambda: seen.append(current_thread().key), "free"
                ),
            )
        m.run()
        assert seen == [("made by", count.uid, 1)]
        assert _order(m) == ["DROP", "DROP", "ADD"]


def test_who_is_last_is_not_explored():
    def program(m):
        count, freed = refcount_t(3), []
        for name in "abc":
            m.thread(
                name,
                lambda: r._put_and_call_rcu(count, lambda: freed.append(1), "free"),
            )
        m.run()
        return len(freed)

    result = explore(litmus(program), detectors=())
    assert (result.executions, result.blocked, result.values) == (1, 0, [1])


def test_host_can_use_it_between_runs(machine):
    seen = []
    r.call_rcu(lambda: seen.append(1))
    with r.rcu():
        pass
    r.synchronize_rcu()
    assert not seen
    machine.run()
    assert seen


def test_unbalanced_unlock_is_reported(machine):
    machine.thread("t", r.rcu_read_unlock)
    with pytest.raises(ContextError, match="that it has not begun"):
        machine.run()


def test_ending_inside_a_section_is_reported(machine):
    machine.thread("t", r.rcu_read_lock)
    with pytest.raises(ContextError, match="an RCU read section"):
        machine.run()
