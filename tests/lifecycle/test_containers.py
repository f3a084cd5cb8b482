# SPDX-License-Identifier: GPL-2.0-only
"""The first process of a pid namespace: who can kill it, and what dies with it."""

from __future__ import annotations

from pykmm.errno import EINTR, ENOMEM, ERESTARTNOINTR
from pykmm.kernel.fork_clone import kernel_clone
from pykmm.kernel.signal_send import do_send_sig_info
from pykmm.linux.pid import PIDTYPE_TGID
from pykmm.linux.sched import EXIT_ZOMBIE, task_struct
from pykmm.linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    SIGNAL_STOP_STOPPED,
    SIGNAL_UNKILLABLE,
)
from pykmm.linux.sched.task import kernel_clone_args as clone_args
from pykmm.linux.signal import SEND_SIG_PRIV
from pykmm.linux.uapi import (
    SIGCHLD,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    SIGUSR1,
)
from pykmm.linux.uapi_sched import CLONE_NEWPID
from pykmm.runner import explore
from pykmm.syscalls import (
    clone,
    exit_group,
    fork,
    getpid,
    kill,
    pause,
    wait4,
)
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import (
    call,
    plain,
)


def container(m: Machine, program: object = pause) -> tuple[Process, task_struct]:
    """A process, and the first one of a namespace below, which is its child."""
    outside = m.spawn("outside")
    outside.runs(lambda: clone(CLONE_NEWPID | SIGCHLD, program))  # type: ignore[arg-type]
    m.run()
    inner: task_struct = outside.task.__dict__["children"][0]
    return outside, inner


def test_l44_a_container_s_init_dies_from_above_only() -> None:
    def suicide() -> None:
        assert kill(1, SIGKILL) == 0
        assert kill(1, SIGTERM) == 0
        assert getpid() == 1
        pause()

    with Machine() as m:
        _, init = container(m, suicide)
        assert init.signal.flags == SIGNAL_UNKILLABLE
        assert call(m, "above", lambda: kill(init.pid, SIGTERM)) == 0
        assert init.signal.flags == SIGNAL_UNKILLABLE
        assert call(m, "above", lambda: kill(init.pid, SIGKILL)) == 0
        assert init.signal.flags == SIGNAL_GROUP_EXIT
        assert plain(init, "exit_state") == EXIT_ZOMBIE


def test_l45_a_kill_leaves_nothing_else_in_the_flags() -> None:
    """Neither that it was an init, nor that its parent was owed word of a stop."""
    with Machine() as m:
        _, init = container(m)
        assert call(m, "above", lambda: kill(init.pid, SIGSTOP)) == 0
        stopped = init.signal.flags
        assert stopped & SIGNAL_UNKILLABLE
        assert stopped & SIGNAL_STOP_STOPPED
        seen: list[int] = []

        def above() -> None:
            kill(init.pid, SIGKILL)
            seen.append(init.signal.__dict__["flags"])

        call(m, "above", above)
        assert seen == [SIGNAL_GROUP_EXIT]
        assert init.signal.flags == SIGNAL_GROUP_EXIT
        assert init.signal.group_exit_code == SIGKILL


def test_l44_the_kernel_kills_a_container_s_init() -> None:
    with Machine() as m:
        _, init = container(m)

        def oom() -> object:
            return do_send_sig_info(SIGKILL, SEND_SIG_PRIV, init, PIDTYPE_TGID)

        assert call(m, "oom", oom) == 0
        assert init.signal.flags == SIGNAL_GROUP_EXIT


def test_l61_a_container_dies_with_its_init() -> None:
    members: list[int] = []

    def become_init() -> None:
        for _ in range(2):
            members.append(fork(pause))
        pause()

    with Machine() as m:
        outside, init = container(m, become_init)
        ns = init.__dict__["thread_pid"].numbers[-1].ns
        assert members == [2, 3]
        inside = [t for t in m.tasks() if t.__dict__["real_parent"] is init]
        assert len(inside) == 2
        call(m, "above", lambda: kill(init.pid, SIGKILL))
        assert all(t._death is not None for t in inside)
        assert plain(init, "exit_state") == EXIT_ZOMBIE
        assert ns.pid_allocated == 1  # its own, and no new ones
        sighand = outside.task.__dict__["sighand"]
        reaped: list[object] = []
        sighand.action = {SIGUSR1: lambda _: reaped.append(wait4(-1))}
        call(m, "poker", lambda: kill(outside.pid, SIGUSR1))
        assert reaped == [(init.pid, SIGKILL)]


def test_l21_l61_no_fork_into_a_namespace_that_ends() -> None:
    def scenario(m: Machine) -> object:
        results: list[int] = []

        def child() -> None:
            # Without the way back, on which it dies.
            results.append(kernel_clone(clone_args(exit_signal=SIGCHLD)))
            pause()

        def become_init() -> None:
            fork(child)
            exit_group(0)

        outside = m.spawn("outside")
        outside.runs(lambda: (clone(CLONE_NEWPID | SIGCHLD, become_init), wait4(-1))[1])
        m.run()
        assert isinstance(outside.result, tuple)
        assert outside.result[1] == 0
        return tuple("made" if r > 0 else r for r in results)

    result = explore(scenario, scheduler="pct", executions=150)
    assert not result.reports
    found = {o.value for o in result.outcomes}
    # Killed before its fork, made in time, too late, or killed while it was at it.
    assert found >= {(), ("made",), (-ENOMEM,)}
    assert found <= {(), ("made",), (-ENOMEM,), (-EINTR,), (-ERESTARTNOINTR,)}
