# SPDX-License-Identifier: GPL-2.0-only
"""Which flags of clone() go together, and which limits a maker runs into."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import Machine
from pykmm.errno import E2BIG, EAGAIN, EFAULT, EINVAL, EPERM, ERESTARTNOINTR
from pykmm.kernel.fork_clone import kernel_clone
from pykmm.kernel.signal import kill as do_kill
from pykmm.linux.pid_namespace import init_pid_ns, pid_namespace
from pykmm.linux.sched import current
from pykmm.linux.sched.signal import SIGNAL_UNKILLABLE
from pykmm.linux.sched.task import kernel_clone_args
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import SIG_IGN, SIGCHLD, SIGUSR1
from pykmm.linux.uapi_sched import (
    CLONE_AUTOREAP,
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_FS,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NNP,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_PIDFD_AUTOKILL,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
)
from pykmm.syscalls import clone, clone3, exit_group, getpid, kill, sigaction
from pykmm.workbench import Process

NOBODY = 65534
THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD


def run(m: Machine, body: Callable[[], object], uid: int = 0) -> object:
    program = m.spawn("program", uid=uid)
    program.runs(body)
    m.run()
    return program.result


def children(p: Process) -> int:
    return len(p.task.__dict__.get("children", ()))


@pytest.mark.parametrize(
    "flags",
    [
        CLONE_NEWNS | CLONE_FS,
        CLONE_NEWUSER | CLONE_FS,
        CLONE_THREAD,
        CLONE_SIGHAND,
        CLONE_THREAD | CLONE_SIGHAND,
        CLONE_THREAD | CLONE_VM,
        THREAD | CLONE_NEWUSER,
        THREAD | CLONE_NEWPID,
        CLONE_PIDFD | CLONE_DETACHED,
        65,  # no signal
    ],
)
def test_l14_flags_that_do_not_go_together(flags: int) -> None:
    with Machine() as m:
        assert run(m, lambda: clone(flags)) == -EINVAL
        assert len(m.tasks()) == 3


def test_l14_a_process_may_share_memory_and_handlers() -> None:
    with Machine() as m:
        p = m.spawn("p", anon="16K")
        p.runs(lambda: clone(CLONE_VM | CLONE_SIGHAND | SIGCHLD))
        m.run()
        (child,) = p.task.children
        assert child.pid == p.result == child.tgid
        assert child.signal is not p.task.signal
        assert child.__dict__["sighand"] is p.task.__dict__["sighand"]
        assert child.__dict__["sighand"].count.counter == 2
        assert child.__dict__["mm"] is p.mm


def test_a_sibling_of_an_init_is_refused() -> None:
    def body() -> object:
        current().signal.__dict__["flags"] |= SIGNAL_UNKILLABLE
        return clone(CLONE_PARENT)

    with Machine() as m:
        assert run(m, body) == -EINVAL


def test_a_sibling_has_its_makers_parent_and_exit_signal() -> None:
    with Machine() as m:
        p = m.spawn("p")
        q = m.spawn("q", parent=p)
        q.runs(lambda: clone(CLONE_PARENT | SIGUSR1))
        m.run()
        sibling = p.task.children[1]
        assert (sibling.pid, sibling.exit_signal) == (q.result, SIGCHLD)
        assert children(q) == 0


def test_no_threads_of_who_has_its_children_numbered_elsewhere() -> None:
    def body() -> object:
        below = pid_namespace(parent=init_pid_ns(), level=1)
        current().pid_ns_for_children = below
        told = clone(THREAD)
        current().pid_ns_for_children = None
        return told

    with Machine() as m:
        assert run(m, body) == -EINVAL


@pytest.mark.parametrize(
    ("flags", "uid", "told"),
    [
        (CLONE_AUTOREAP | THREAD, 0, -EINVAL),
        (CLONE_AUTOREAP | CLONE_PARENT, 0, -EINVAL),
        (CLONE_NNP | THREAD, 0, -EINVAL),
        (CLONE_PIDFD_AUTOKILL, 0, -EINVAL),
        (CLONE_PIDFD_AUTOKILL | CLONE_AUTOREAP, 0, -EINVAL),
        (CLONE_PIDFD_AUTOKILL | CLONE_PIDFD, 0, -EINVAL),
        (CLONE_PIDFD_AUTOKILL | CLONE_PIDFD | CLONE_AUTOREAP, NOBODY, -EPERM),
        (CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, 0, -EINVAL),
        (CLONE_DETACHED, 0, -EINVAL),
        (SIGCHLD, 0, -EINVAL),
        (1 << 38, 0, -EINVAL),
    ],
)
def test_what_clone3_refuses(flags: int, uid: int, told: int) -> None:
    with Machine() as m:
        word = UserWord()
        assert run(m, lambda: clone3(flags=flags, pidfd=word), uid) == told


def test_what_clone3_refuses_of_the_rest() -> None:
    def body() -> object:
        return [
            clone3(flags=CLONE_AUTOREAP, exit_signal=SIGCHLD),
            clone3(flags=CLONE_PARENT, exit_signal=SIGCHLD),
            clone3(exit_signal=65),
            clone3(exit_signal=256),
            clone3(stack=4096),
            clone3(stack_size=4096),
            clone3(size=63),
            clone3(size=4097),
            clone3(set_tid=(1,) * 33),
            clone3(set_tid=(0,)),
        ]

    with Machine() as m:
        assert run(m, body) == [*[-EINVAL] * 7, -E2BIG, -EINVAL, -EINVAL]


def test_an_autoreaped_process_makes_no_siblings() -> None:
    def child() -> None:
        told.append(clone(CLONE_PARENT))
        exit_group(0)

    told: list[int] = []
    with Machine() as m:
        run(m, lambda: clone3(child, flags=CLONE_AUTOREAP))
    assert told == [-EINVAL]


def test_one_address_for_two_numbers() -> None:
    def body() -> object:
        word = UserWord()
        both = CLONE_PIDFD | CLONE_PARENT_SETTID
        return clone(both, parent_tid=word), clone3(
            flags=both, pidfd=word, parent_tid=UserWord()
        )

    with Machine() as m:
        told, nr = run(m, body)  # type: ignore[misc]  # two numbers
        assert told == -EINVAL
        assert nr == 4


def test_a_bad_address_for_a_descriptor_undoes_all() -> None:
    with Machine() as m:
        p = m.spawn("p", anon="16K")
        p.runs(lambda: clone(CLONE_PIDFD))
        m.run()
        assert p.result == -EFAULT
        assert children(p) == 0
        assert p.task.__dict__["files"].__dict__["fdt"] == {}
        assert sorted(init_pid_ns()._idr) == [1, 2, 3]


def test_l19_a_pending_signal_comes_first() -> None:
    def body() -> object:
        sigaction(SIGUSR1, seen.append)
        assert do_kill(getpid(), SIGUSR1) == 0  # without the return to user mode
        mm = current().__dict__["mm"]
        told = kernel_clone(kernel_clone_args(exit_signal=SIGCHLD))
        return told, mm.mm_users.counter, list(seen), clone(SIGCHLD), list(seen)

    seen: list[int] = []
    with Machine() as m:
        # The system call starts again once the signal has been taken.
        result = run(m, body)
        assert result == (-ERESTARTNOINTR, 1, [], 4, [SIGUSR1])


def test_handlers_are_copied_or_reset() -> None:
    def handler(sig: int) -> None:
        raise AssertionError(sig)

    with Machine() as m:
        p = m.spawn("p")
        own = p.task.__dict__["sighand"]
        own.action = {SIGUSR1: handler, SIGCHLD: SIG_IGN}
        p.runs(lambda: (clone3(), clone3(flags=CLONE_CLEAR_SIGHAND)))
        m.run()
        copied, reset = (
            child.__dict__["sighand"].__dict__["action"] for child in p.task.children
        )
        assert copied == {SIGUSR1: handler, SIGCHLD: SIG_IGN}
        assert reset == {SIGCHLD: SIG_IGN}


def test_chosen_numbers() -> None:
    with Machine() as m:
        told = run(m, lambda: (clone3(set_tid=(77,)), clone3(set_tid=(77,))))
        assert told[0] == 77  # type: ignore[index]  # a pair
        assert m.tasks()[-1].pid == 77


def test_l21_numbers_run_out_for_a_fork() -> None:
    def body() -> object:
        init_pid_ns().pid_max = 5
        return clone(SIGCHLD), clone(SIGCHLD), clone(THREAD)

    with Machine() as m:
        p = m.spawn("p", anon="16K")
        p.runs(body)
        m.run()
        assert p.result == (4, -EAGAIN, -EAGAIN)
        assert p.mm is not None
        assert p.mm.mm_users.counter == 1
        assert p.task.signal.sigcnt.counter == 1


def test_a_namespace_of_its_own_needs_a_capability() -> None:
    with Machine() as m:
        assert run(m, lambda: clone(CLONE_NEWPID), NOBODY) == -EPERM
        assert len(m.tasks()) == 3


def test_the_first_process_of_a_namespace() -> None:
    told: list[object] = []

    def child() -> None:
        told.append(getpid())
        told.append(clone(SIGCHLD, grandchild))

    def grandchild() -> None:
        told.append(getpid())
        told.append(kill(4, 0))

    with Machine() as m:
        p = m.spawn("p")
        p.runs(lambda: clone(CLONE_NEWPID | SIGCHLD, child))
        m.run()
        (first,) = p.task.children
        assert p.result == first.pid == 4
        assert told[:2] == [1, 2]
        assert told[2] == 2
        assert first.signal.flags & SIGNAL_UNKILLABLE
        ns = first.__dict__["thread_pid"].numbers[1].ns
        assert ns.child_reaper is first
        assert ns.pid_allocated & 0xFF == 2


def test_a_user_namespace_of_its_own_lets_anybody_have_one_of_pids() -> None:
    with Machine() as m:
        nr = run(m, lambda: clone(CLONE_NEWPID | CLONE_NEWUSER), NOBODY)
        assert nr == 4
        cred = m.tasks()[-1].cred
        assert (cred.user_ns.level, cred.user_ns.owner) == (1, NOBODY)


def test_vfork_without_shared_memory_is_no_mistake() -> None:
    with Machine() as m:
        assert run(m, lambda: clone(CLONE_VFORK, lambda: exit_group(0))) == 4
