# SPDX-License-Identifier: GPL-2.0-only
"""The way out, and who is told of it."""

from __future__ import annotations

import pytest

from pykmm.engine import Backend
from pykmm.errno import ECHILD
from pykmm.errors import KernelPanic
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_SKIP, mm_struct
from pykmm.linux.sched import EXIT_ZOMBIE, task_struct
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT, signal_struct
from pykmm.linux.uapi import SIG_IGN, SIGCHLD, SIGKILL, WNOHANG
from pykmm.schedulers.random_walk import RandomWalk
from pykmm.syscalls import exit as exit_thread
from pykmm.syscalls import exit_group, kill, wait4
from pykmm.workbench import Machine


def count(m: Machine, kind: type) -> int:
    return sum(type(obj) is kind for obj in m.alive)


@pytest.mark.parametrize("backend", Backend)
@pytest.mark.parametrize("seed", range(10))
def test_everything_of_a_dead_process_is_freed(backend: Backend, seed: int) -> None:
    with Machine(scheduler=RandomWalk(seed), backend=backend, seed=seed, jitter=3) as m:
        m.boot_kernel()
        kinds = (task_struct, signal_struct, mm_struct)
        before = [count(m, kind) for kind in kinds]
        app = m.spawn("app", anon="64K", threads=3)
        kill(app.pid, SIGKILL)
        m.run()
        assert [count(m, kind) for kind in kinds] == before


def test_a_single_thread_that_exits_leaves_the_group_alive() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K", threads=2)
        app.runs(lambda: exit_thread(0))
        m.run()
        # The leader is a zombie that nobody reaps while a thread lives.
        assert app.task.exit_state == EXIT_ZOMBIE
        assert app.task.signal.nr_threads == 2
        assert not app.task.signal.flags & SIGNAL_GROUP_EXIT
        kill(app.pid, SIGKILL)
        m.run()
        assert app.task._death is not None


def test_the_last_one_out_marks_the_group() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", parent=parent)
        app.runs(lambda: exit_thread(7))
        m.run()
        assert app.task.exit_state == EXIT_ZOMBIE
        assert app.task.signal.flags & SIGNAL_GROUP_EXIT
        assert app.task.signal.group_exit_code == 7 << 8
        parent.runs(lambda: wait4(-1))
        m.run()


def test_exit_mm_hides_the_mm_before_it_is_freed() -> None:
    """A window that every observer can fall into."""
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        mm = app.mm
        assert mm is not None
        pin = m.hold(app.space.mm_users, by="reader")
        kill(app.pid, SIGKILL)
        m.run()
        assert app.mm is None
        assert mm.mm_users.counter == 1
        assert not mm_flags_test(MMF_OOM_SKIP, mm)
        pin.let_go()
        assert mm._death is not None


def test_orphans_go_to_init() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        kill(parent.pid, SIGKILL)
        m.run()
        assert parent.task._death is not None
        assert child.task.real_parent is m.init.task
        kill(child.pid, SIGKILL)
        m.run()
        assert child.task._death is not None


def test_a_parent_that_ignores_sigchld_never_sees_a_zombie() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        parent.task.__dict__["sighand"].action = {SIGCHLD: SIG_IGN}
        child = m.spawn("child", parent=parent)
        kill(child.pid, SIGKILL)
        m.run()
        assert child.task._death is not None


def test_wait_without_children_and_without_hanging() -> None:
    with Machine() as m:
        lonely = m.spawn("lonely")
        lonely.runs(lambda: wait4(-1))
        parent = m.spawn("parent")
        m.spawn("child", parent=parent)
        parent.runs(lambda: wait4(-1, WNOHANG))
        m.run()
        assert lonely.result == -ECHILD
        assert parent.result == (0, 0)


def test_of_two_waiting_threads_one_gets_the_child() -> None:
    for seed in range(20):
        with Machine(scheduler=RandomWalk(seed)) as m:
            parent = m.spawn("parent")
            child = m.spawn("child", parent=parent)
            child.runs(lambda: exit_group(0))
            parent.runs(lambda: [wait4(-1), wait4(-1)])
            m.run()
            assert parent.result == [(child.pid, 0), -ECHILD]


def test_the_end_of_init_is_the_end() -> None:
    with pytest.raises(KernelPanic, match="Attempted to kill init"):
        with Machine() as m:
            m.init.runs(lambda: exit_group(0))
            m.run()
