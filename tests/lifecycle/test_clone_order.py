# SPDX-License-Identifier: GPL-2.0-only
"""In which order a task is made, and what others can see meanwhile."""

from __future__ import annotations

import pytest

from pykmm import Machine, explore
from pykmm.engine import Backend
from pykmm.kernel.fork_clone import kernel_clone
from pykmm.linux.mm_types import MMF_MULTIPROCESS, mm_struct
from pykmm.linux.sched import current, task_struct
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT
from pykmm.linux.sched.task import kernel_clone_args
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import SIGCHLD, SIGKILL
from pykmm.linux.uapi_sched import (
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from pykmm.syscalls import (
    clone,
    close,
    exit,
    exit_group,
    fork,
    kill,
    open,
    pthread_create,
    vfork,
    wait4,
    write,
)

THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD


def steps(m: Machine, args: kernel_clone_args) -> list[str]:
    """Return what the maker did, each step as kind and object without numbers."""
    p = m.spawn("p", anon="16K")
    p.runs(lambda: kernel_clone(args))
    m.run()
    assert isinstance(p.result, int)
    assert p.result > 0
    return [
        f"{e.kind} {e.obj.name.rpartition('.')[2]}"
        for e in m.events
        if e.thread.name == "p"
    ]


def in_order(told: list[str], *wanted: str) -> bool:
    """Tell whether *wanted* happened in this order, each after the one before."""
    rest = iter(told)
    return all(any(step == one for step in rest) for one in wanted)


def test_the_order_for_a_process() -> None:
    with Machine() as m:
        args = kernel_clone_args(
            flags=CLONE_VM | CLONE_PIDFD, exit_signal=SIGCHLD, pidfd=UserWord()
        )
        told = steps(m, args)
        assert in_order(
            told,
            # Signals so far come first,
            "spin_lock_irq siglock",
            "spin_unlock_irq siglock",
            "test_bit thread_flags[2]",
            # then the parts: files, handlers, limits, values, memory,
            "spin_lock file_lock",
            "spin_lock_irq siglock",
            "spin_lock alloc_lock",
            "READ_ONCE oom_score_adj",
            "atomic_inc mm_users",
            # a number, and a descriptor for it,
            "spin_lock pidmap_lock",
            "idr_replace idr[4]",
            "spin_unlock pidmap_lock",
            "spin_lock file_lock",
            "put_user UserWord#1",
            # the last looks, and being found: the list, then the group's numbers,
            "write_lock_irq tasklist_lock",
            "spin_lock siglock",
            "read pid_allocated",
            "test_bit thread_flags[2]",
            "list_add_tail_rcu tasks",
            "list_add_rcu tasks[1]",
            "list_add_rcu tasks[2]",
            "list_add_rcu tasks[3]",
            "list_add_rcu tasks[0]",
            "spin_unlock siglock",
            "write_unlock_irq tasklist_lock",
            # and what comes too late for those who found it.
            "spin_lock file_lock",
            "mutex_lock oom_adj_mutex",
            "set_bit flags[26]",
            "mutex_unlock oom_adj_mutex",
            "wake_up_new_task thread_flags[2]",
        )


def test_the_order_for_a_thread() -> None:
    with Machine() as m:
        told = steps(m, kernel_clone_args(flags=THREAD))
        assert in_order(
            told,
            "refcount_inc count",
            "atomic_inc mm_users",
            "idr_replace idr[4]",
            "write_lock_irq tasklist_lock",
            "spin_lock siglock",
            "write nr_threads",
            "atomic_inc live",
            "refcount_inc sigcnt",
            "list_add_tail_rcu thread_node",
            "list_add_rcu tasks[0]",
            "spin_unlock siglock",
            "wake_up_new_task thread_flags[2]",
        )
        assert "mutex_lock oom_adj_mutex" not in told


def adj_against_clone(m: Machine) -> object:
    """W11: a write to the maker's value, while a sharer is made."""
    p = m.spawn("p", anon="4K")
    p.runs(lambda: kernel_clone(kernel_clone_args(flags=CLONE_VM, exit_signal=SIGCHLD)))

    @m.spawn("writer").runs
    def _() -> None:
        fd = open(f"/proc/{p.pid}/oom_score_adj", 2)
        write(fd, "300")
        close(fd)

    m.run()
    mm = p.mm
    assert mm is not None
    assert mm.flags._has(MMF_MULTIPROCESS)
    child = p.task.children[0]
    both = {t.signal.__dict__["oom_score_adj"] for t in (p.task, child)}
    assert len(both) == 1
    return both.pop()


def test_w11_a_value_written_while_a_sharer_is_made_reaches_it() -> None:
    within_one = explore(adj_against_clone, executions=300, bound=1)
    sampled = explore(adj_against_clone, scheduler="pct", executions=150)
    assert within_one.reports == sampled.reports == ()
    assert {*within_one.values, *sampled.values} == {300}


def thread_against_kill(m: Machine) -> object:
    """Kill a process that makes a thread: no thread may escape."""
    p = m.spawn("p", anon="4K", parent=m.spawn("shell"))
    mm, signal = p.mm, p.task.signal
    told: list[object] = []
    p.runs(lambda: told.append(kernel_clone(kernel_clone_args(flags=THREAD)) > 0))
    m.spawn("killer").runs(lambda: kill(p.pid, SIGKILL))
    m.run()
    assert mm not in m.alive
    assert signal.__dict__["flags"] == SIGNAL_GROUP_EXIT
    assert signal.__dict__["nr_threads"] == 1  # the zombie
    return told


def test_a_kill_takes_a_thread_along_or_keeps_it_from_being_made() -> None:
    within_one = explore(thread_against_kill, executions=300, bound=1)
    sampled = explore(thread_against_kill, scheduler="pct", executions=150)
    assert within_one.reports == sampled.reports == ()
    assert {repr(v) for v in [*within_one.values, *sampled.values]} == {
        "[]",
        "[False]",
        "[True]",
    }


@pytest.mark.parametrize("seed", range(5))
def test_makers_that_run_free(seed: int) -> None:
    def leaf() -> None:
        exit_group(0)

    def child() -> None:
        pthread_create(lambda: exit(0))
        wait4(fork(leaf))
        exit_group(0)

    def maker() -> int:
        made = [fork(child), clone(CLONE_VM | SIGCHLD, leaf), vfork(leaf)]
        made.append(pthread_create(lambda: exit(0)))
        reaped = [wait4(nr) for nr in made[:3]]
        assert all(isinstance(pair, tuple) and pair[1] == 0 for pair in reaped)
        return len(set(made))

    with Machine(backend=Backend.FREE, seed=seed, jitter=2) as m:
        makers = [m.spawn(f"maker{n}", anon="16K") for n in range(3)]
        before = sum(isinstance(x, task_struct) for x in m.alive)
        spaces = sum(isinstance(x, mm_struct) for x in m.alive)
        for p in makers:
            p.runs(maker)
        m.run()
        assert [p.result for p in makers] == [4, 4, 4]
        assert sum(isinstance(x, task_struct) for x in m.alive) == before
        assert sum(isinstance(x, mm_struct) for x in m.alive) == spaces
        for p in makers:
            assert p.mm is not None
            assert p.mm.mm_users.counter == 1


def test_current_is_the_child_in_the_childs_program() -> None:
    seen: list[task_struct] = []
    with Machine() as m:
        p = m.spawn("p")
        p.runs(lambda: fork(lambda: seen.append(current())))
        m.run()
        assert [t.pid for t in seen] == [p.result]
