# SPDX-License-Identifier: GPL-2.0-only
"""The first process of a namespace, who takes in its orphans, and its end."""

from __future__ import annotations

from pykmm import Machine, explore
from pykmm.linux.pid_namespace import PIDNS_ADDING, pid_namespace
from pykmm.linux.sched import EXIT_ZOMBIE, current, task_struct
from pykmm.linux.uapi import SIGCHLD, SIGKILL
from pykmm.linux.uapi_sched import CLONE_NEWPID
from pykmm.syscalls import clone, exit_group, fork, getpid, kill, pause, wait4


def family(m: Machine) -> tuple[list[object], pid_namespace]:
    """Make an init with two children, one of whom has left it an orphan."""
    told: list[object] = []

    def orphan() -> None:
        told.append(("orphan", getpid()))
        pause()

    def middle() -> None:
        fork(orphan)
        exit_group(0)

    def first() -> None:
        fork(pause)
        wait4(fork(middle))
        told.append(("init", getpid(), len(children(current()))))
        pause()

    p = m.spawn("p")
    p.runs(lambda: clone(CLONE_NEWPID | SIGCHLD, first))
    m.run()
    (init,) = p.task.children
    return told, init.__dict__["thread_pid"].numbers[1].ns


def children(task: task_struct) -> list[task_struct]:
    """Return who is a child now, without looking at whether that may change."""
    found: list[task_struct] = task.__dict__.get("children", [])
    return found


def left(m: Machine, ns: pid_namespace) -> list[int]:
    return [
        t.pid
        for t in m.alive
        if isinstance(t, task_struct)
        and t.__dict__["thread_pid"] is not None
        and t.__dict__["thread_pid"].numbers[-1].ns is ns
    ]


def test_an_orphan_becomes_the_child_of_its_namespaces_init() -> None:
    with Machine() as m:
        told, ns = family(m)
        assert sorted(map(str, told)) == ["('init', 1, 2)", "('orphan', 4)"]
        assert len(left(m, ns)) == 3
        assert ns.pid_allocated == PIDNS_ADDING | 3


def test_an_init_takes_all_others_along() -> None:
    with Machine() as m:
        _, ns = family(m)
        init = ns.child_reaper
        assert init is not None
        kill(init.pid, SIGKILL)
        m.run()
        # Its parent is outside, and has not waited for it.
        assert left(m, ns) == [init.pid]
        assert init.__dict__["exit_state"] == EXIT_ZOMBIE
        assert ns.pid_allocated == 1
        assert ns._idr.keys() == {1}


def test_nobody_in_the_namespace_can_kill_its_init() -> None:
    told: list[object] = []

    def child() -> None:
        told.append(kill(1, SIGKILL))

    def first() -> None:
        fork(child)
        pause()

    with Machine() as m:
        p = m.spawn("p")
        p.runs(lambda: clone(CLONE_NEWPID | SIGCHLD, first))
        m.run()
        (init,) = p.task.children
        assert told == [0]
        assert init.__dict__["exit_state"] == 0
        kill(init.pid, SIGKILL)
        m.run()
        assert init.__dict__["exit_state"] == EXIT_ZOMBIE


def forks_while_its_init_dies(m: Machine) -> object:
    """Fork in a namespace whose init is being killed: no child may be left over."""
    told: list[object] = []

    def child() -> None:
        told.append(fork())

    def first() -> None:
        fork(child)
        pause()

    p = m.spawn("p")
    p.runs(lambda: clone(CLONE_NEWPID | SIGCHLD, first))

    @m.spawn("killer").runs
    def _() -> None:
        for task in children(p.task):
            kill(task.pid, SIGKILL)

    m.run()
    for init in p.task.children:
        if init.__dict__["exit_state"]:
            ns = init.__dict__["thread_pid"].numbers[1].ns
            assert ns.pid_allocated == 1
    return len(told)


def test_fork_against_the_end_of_the_namespace() -> None:
    within_one = explore(forks_while_its_init_dies, executions=250, bound=1)
    sampled = explore(forks_while_its_init_dies, scheduler="pct", executions=100)
    # Linux's own: copy_process() looks at pid_allocated without pidmap_lock, but it is
    # written under that. Who does not see the namespace end is killed with it.
    assert [report.kind for report in within_one.reports] == ["data-race"]
    assert "pid_allocated and child reads it" in within_one.reports[0].summary
    assert sampled.reports == ()
    assert {*within_one.values, *sampled.values} == {0, 1}
