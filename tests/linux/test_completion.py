# SPDX-License-Identifier: GPL-2.0-only
"""Completions: their steps and their arithmetic."""

from __future__ import annotations

from pykmm.errno import ERESTARTSYS
from pykmm.linux import completion as c


def test_events(events):
    def body():
        x = c.completion()
        assert not c.try_wait_for_completion(x)
        c.complete(x)
        c.complete(x)
        assert c.completion_done(x)
        c.wait_for_completion(x)
        assert c.wait_for_completion_killable(x) == 0
        assert not c.completion_done(x)
        c.complete_all(x)
        c.complete(x)
        c.wait_for_completion(x)
        assert c.try_wait_for_completion(x)
        c.reinit_completion(x)

    assert events(body) == [
        ("try_wait_for_completion", "READ"),
        ("complete", "WRITE"),
        ("complete", "WRITE"),
        ("completion_done", "READ"),
        ("wait_for_completion", "WRITE"),
        ("wait_for_completion_killable", "WRITE"),
        ("completion_done", "READ"),
        ("complete_all", "WRITE"),
        ("complete", "WRITE"),
        ("wait_for_completion", "WAIT"),
        ("try_wait_for_completion", "READ"),
        ("reinit_completion", "WRITE"),
    ]


def test_init_makes_it_new(machine):
    x = c.completion()
    c.complete_all(x)
    c.init_completion(x)
    assert not c.completion_done(x)


def test_killed_waiter_consumes_nothing(scripted, victim):
    with scripted("v v v k k v w w") as m:
        x, task = c.completion(), victim()
        v = m.thread("v", lambda: c.wait_for_completion_killable(x))
        v.task = task
        m.thread("k", lambda: task.kill(v))
        m.thread("w", lambda: c.complete(x))
        m.run()
        assert v.result == -ERESTARTSYS
        assert x.done == 1


def test_dying_task_passes_if_it_is_done(scripted, victim):
    with scripted("k k w w v v") as m:
        x, task = c.completion(), victim()
        v = m.thread("v", lambda: c.wait_for_completion_killable(x))
        v.task = task
        m.thread("k", lambda: task.kill(v))
        m.thread("w", lambda: c.complete(x))
        m.run()
        assert v.result == 0
        assert x.done == 0
