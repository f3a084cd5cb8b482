# SPDX-License-Identifier: GPL-2.0-only
"""What may be done with what was found in a read section, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.detect import Rcu
from pykmm.engine import Access, Cell, Machine, Sleep, enter, leave
from pykmm.engine.thread import current_thread
from pykmm.errors import ContextError
from pykmm.kernel.pid import find_get_pid, find_task_by_vpid, get_pid_task, put_pid
from pykmm.linux.pid import PIDTYPE_PID
from pykmm.linux.rculist import list_for_each_entry_rcu
from pykmm.linux.rcupdate import rcu_read_lock, rcu_read_unlock
from pykmm.linux.sched import task_struct
from pykmm.linux.sched.signal import init_tasks
from pykmm.linux.sched.task import get_task_struct, put_task_struct
from pykmm.linux.spinlock import spin_lock, spin_unlock
from pykmm.workbench import Machine as Workbench

Program = Callable[[int], object]


def look(nr: int) -> task_struct:
    """Find a task, in a section of the caller's."""
    task = find_task_by_vpid(nr)
    assert task is not None
    return task


def run(program: Program) -> None:
    """Run *program* on a process of its own; it gets another one's number."""
    with Workbench(observers=[Rcu()], reaper=False) as m:
        other = m.spawn("other")
        app = m.spawn("app")
        app.runs(lambda: program(other.pid))
        m.run()


# -- wrong --------------------------------------------------------------------------


def get_too_late(nr: int) -> None:
    rcu_read_lock()
    task = look(nr)
    rcu_read_unlock()
    put_task_struct(get_task_struct(task))


def lock_too_late(nr: int) -> None:
    rcu_read_lock()
    task = look(nr)
    rcu_read_unlock()
    spin_lock(task.alloc_lock)
    spin_unlock(task.alloc_lock)


def next_section(nr: int) -> None:
    rcu_read_lock()
    task = look(nr)
    rcu_read_unlock()
    rcu_read_lock()
    spin_lock(task.alloc_lock)
    spin_unlock(task.alloc_lock)
    rcu_read_unlock()


def after_putting_it(nr: int) -> None:
    rcu_read_lock()
    task = get_task_struct(look(nr))
    put_task_struct(task)
    rcu_read_unlock()
    spin_lock(task.alloc_lock)
    spin_unlock(task.alloc_lock)


def out_of_a_list(nr: int) -> None:
    rcu_read_lock()
    last = list(list_for_each_entry_rcu(init_tasks()))[1]
    rcu_read_unlock()
    spin_lock(last.alloc_lock)
    spin_unlock(last.alloc_lock)


@pytest.mark.parametrize(
    "program",
    [get_too_late, lock_too_late, next_section, after_putting_it, out_of_a_list],
)
def test_a_pointer_does_not_outlive_its_section(program: Program) -> None:
    with pytest.raises(ContextError, match=r"uses task_struct#2, which it found"):
        run(program)


def test_a_report_says_where_it_was_found_and_used() -> None:
    with pytest.raises(ContextError) as caught:
        run(get_too_late)
    facts = dict(caught.value.facts)
    assert "(rcu_dereference)" in facts["found"]
    assert "refcount_inc task_struct#2.usage" in facts["used"]


# -- right --------------------------------------------------------------------------


def get_in_time(nr: int) -> None:
    rcu_read_lock()
    task = get_task_struct(look(nr))
    rcu_read_unlock()
    spin_lock(task.alloc_lock)
    spin_unlock(task.alloc_lock)
    put_task_struct(task)


def lock_in_time(nr: int) -> None:
    rcu_read_lock()
    task = look(nr)
    spin_lock(task.alloc_lock)
    rcu_read_unlock()
    assert task.mm is not None
    spin_unlock(task.alloc_lock)


def all_inside(nr: int) -> None:
    rcu_read_lock()
    rcu_read_lock()
    task = look(nr)
    rcu_read_unlock()
    spin_lock(task.alloc_lock)
    spin_unlock(task.alloc_lock)
    rcu_read_unlock()


def found_again(nr: int) -> None:
    for _ in range(2):
        rcu_read_lock()
        spin_lock(look(nr).alloc_lock)
        spin_unlock(look(nr).alloc_lock)
        rcu_read_unlock()


def held_before(nr: int) -> None:
    pid = find_get_pid(nr)
    assert pid is not None
    task = get_pid_task(pid, PIDTYPE_PID)
    assert task is not None
    rcu_read_lock()
    look(nr)
    rcu_read_unlock()
    spin_lock(task.alloc_lock)
    spin_unlock(task.alloc_lock)
    put_task_struct(task)
    put_pid(pid)


def itself(nr: int) -> None:
    task = current_thread().task
    assert isinstance(task, task_struct)
    rcu_read_lock()
    look(task.pid)
    rcu_read_unlock()
    spin_lock(task.alloc_lock)
    spin_unlock(task.alloc_lock)


def under_a_lock(nr: int) -> None:
    me = current_thread().task
    assert isinstance(me, task_struct)
    spin_lock(me.alloc_lock)
    rcu_read_lock()
    task = look(nr)
    rcu_read_unlock()
    get_task_struct(task)
    put_task_struct(task)
    spin_unlock(me.alloc_lock)


@pytest.mark.parametrize(
    "program",
    [
        get_in_time,
        lock_in_time,
        all_inside,
        found_again,
        held_before,
        itself,
        under_a_lock,
    ],
)
def test_correct_code_is_not_blamed(program: Program) -> None:
    run(program)


# -- sleeping -----------------------------------------------------------------------


def wait_for(cell: Cell[int]) -> None:
    """Wait as a primitive does that forgot ``might_sleep()``."""
    t = enter(cell, "wait", lambda: cell.peek() == 1, Sleep.UNINTERRUPTIBLE)
    leave(t, cell, Access.WAIT, 1, blocking=True)


@pytest.mark.parametrize("inside", [True, False])
def test_sleeping_inside_a_section(inside: bool) -> None:
    with Machine(observers=[Rcu()]) as m:
        cell = Cell(0)

        def reader() -> None:
            if inside:
                rcu_read_lock()
            wait_for(cell)
            if inside:
                rcu_read_unlock()

        m.thread("reader", reader)
        m.thread("writer", lambda: cell.set(1))
        if not inside:
            m.run()
            return
        with pytest.raises(ContextError, match="sleeps inside an RCU read section"):
            m.run()
