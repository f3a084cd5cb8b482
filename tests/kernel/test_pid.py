# SPDX-License-Identifier: GPL-2.0-only
"""Numbers, the structures behind them, and descriptors that name processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errno import EINVAL, ENOENT, ESRCH, Errno
from pykmm.errors import UsageError
from pykmm.kernel.pid import find_get_pid, get_pid_task, put_pid
from pykmm.kernel.pid_pidfd import pidfd_get_task
from pykmm.linux.pid import PIDTYPE_TGID
from pykmm.linux.sched.task import put_task_struct
from pykmm.linux.uapi import PIDFD_NONBLOCK, PIDFD_THREAD, SIGKILL
from pykmm.patches.kernels import v6_12
from pykmm.patches.patch import apply
from pykmm.syscalls import kill, pidfd_open
from pykmm.workbench import Machine


def call(m: Machine, body: Callable[[], object]) -> object:
    caller = m.spawn("caller")
    caller.runs(body)
    m.run()
    return caller.result


@pytest.mark.parametrize(
    ("nr", "flags", "ret"),
    [
        (1, 1, -EINVAL),
        (9999, 1, -EINVAL),  # flags are looked at first
        (0, 0, -EINVAL),
        (-1, 0, -EINVAL),
        (9999, 0, -ESRCH),
    ],
)
def test_pidfd_open_errors(nr: int, flags: int, ret: int) -> None:
    with Machine() as m:
        assert call(m, lambda: pidfd_open(nr, flags)) == ret


def test_pidfd_open_of_a_thread() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=2)
        tid = app.pid + 1
        assert call(m, lambda: pidfd_open(tid, 0)) == -ENOENT
        fd = call(m, lambda: pidfd_open(tid, PIDFD_THREAD | PIDFD_NONBLOCK))
        assert isinstance(fd, int)
        assert fd >= 3


def test_a_zombie_opens_and_a_reaped_process_does_not() -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        child = m.spawn("child", parent=parent)
        kill(child.pid, SIGKILL)
        m.run()
        fd = call(m, lambda: pidfd_open(child.pid, 0))
        assert isinstance(fd, int)
        assert fd >= 3
    with Machine() as m:
        child = m.spawn("child")
        kill(child.pid, SIGKILL)
        m.run()
        assert call(m, lambda: pidfd_open(child.pid, 0)) == -ESRCH


def test_a_pidfd_never_names_another_process() -> None:
    with Machine() as m:
        app = m.spawn("app", pid=500)
        caller = m.spawn("caller")

        @caller.runs
        def _() -> object:
            fd = pidfd_open(app.pid, 0)
            kill(app.pid, SIGKILL)
            return fd

        m.run()
        m.spawn("other", pid=500)
        assert isinstance(caller.result, int)
        found = caller.call(pidfd_get_task, caller.result)
        assert isinstance(found, Errno)
        assert found == -ESRCH


def test_a_task_reference_outlives_the_release() -> None:
    with Machine() as m:
        app = m.spawn("app")
        number = find_get_pid(app.pid)
        assert number is not None
        task = get_pid_task(number, PIDTYPE_TGID)
        assert task is app.task
        put_pid(number)
        # The law at rest would rightly complain about a reference nobody owns up to.
        kept = m.hold(task.usage, by="the test")
        put_task_struct(task)
        kill(app.pid, SIGKILL)
        m.run()
        assert task._death is None
        assert task.__dict__["sighand"] is None
        kept.let_go()
        assert task._death is None  # RCU frees it
        m.run()
        assert task._death is not None


def test_the_last_drop_of_6_12_frees_at_once() -> None:
    with Machine() as m:
        apply(m, [v6_12.patch])
        app = m.spawn("app")
        kept = m.hold(app.task.usage, by="the test")
        kill(app.pid, SIGKILL)
        m.run()
        kept.let_go()
        assert app.task._death is not None


def test_a_number_that_is_in_use() -> None:
    with Machine() as m:
        m.spawn("one", pid=77)
        with pytest.raises(UsageError, match="is in use: choose another number"):
            m.spawn("two", pid=77)
