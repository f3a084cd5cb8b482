# SPDX-License-Identifier: GPL-2.0-only
"""A thread group has its first thread from the start, with a list or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm.engine import Machine
from pykmm.engine.fields import is_made
from pykmm.linux.rculist import list_add_tail_rcu, list_del_rcu, list_entries
from pykmm.linux.sched import task_struct
from pykmm.linux.sched.signal import for_each_thread, signal_struct


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as booted:
        yield booted


def _group(count: int) -> list[task_struct]:
    signal = signal_struct()
    tasks = [task_struct(signal=signal) for _ in range(count)]
    signal._first = tasks[0]
    return tasks


def _on_a_thread(machine: Machine, look: Callable[[], list[task_struct]]) -> object:
    t = machine.thread("walker", look)
    machine.run()
    return t.result


def test_the_host_walks_a_group_of_one_without_a_list(machine: Machine) -> None:
    (alone,) = _group(1)
    assert list(for_each_thread(alone)) == [alone]
    assert not is_made(alone.signal, "thread_head")
    assert list_entries(alone.signal.thread_head) == [alone]
    assert list(for_each_thread(alone)) == [alone]


def test_a_walk_in_steps_names_the_links_of_the_first_thread(machine: Machine) -> None:
    (alone,) = _group(1)
    assert _on_a_thread(machine, lambda: list(for_each_thread(alone))) == [alone]
    walked = [e.obj.name for e in machine.events if e.kind == "rcu_dereference"]
    assert walked == ["signal_struct#1.thread_head", "task_struct#1.thread_node"]
    assert alone.thread_node is alone.signal.thread_head.next


@pytest.mark.parametrize("walked_before", [False, True])
def test_threads_join_behind_the_first(machine: Machine, walked_before: bool) -> None:
    first, second = _group(2)
    if walked_before:
        assert list_entries(first.signal.thread_head) == [first]
    list_add_tail_rcu(second.thread_node, first.signal.thread_head)
    assert list(for_each_thread(second)) == [first, second]
    list_del_rcu(first.thread_node)
    assert list(for_each_thread(second)) == [second]
    assert first.thread_node.next is second.thread_node  # who stands there goes on
