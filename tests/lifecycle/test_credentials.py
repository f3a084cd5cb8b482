# SPDX-License-Identifier: GPL-2.0-only
"""Becoming somebody else: who may, what is lost, who may look in, and limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errno import EACCES, EINVAL, EPERM
from pykmm.linux.cred import CAP_EMPTY_SET, CAP_FULL_SET, cred
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.sched import current
from pykmm.linux.uapi import (
    __WALL,
    CAP_KILL,
    CAP_SETGID,
    CLONE_VM,
    O_RDWR,
    O_WRONLY,
    PR_GET_DUMPABLE,
    PR_GET_PDEATHSIG,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    PTRACE_ATTACH,
    PTRACE_CONT,
    SIGCHLD,
    SIGKILL,
    SIGTERM,
    SIGUSR1,
)
from pykmm.runner import explore
from pykmm.schedulers.random_walk import RandomWalk
from pykmm.syscalls import (
    clone,
    execve,
    exit_group,
    fork,
    getegid,
    geteuid,
    getgid,
    getuid,
    kill,
    open,
    pause,
    pidfd_open,
    prctl,
    process_mrelease,
    ptrace,
    setegid,
    seteuid,
    setgid,
    setregid,
    setresgid,
    setresuid,
    setreuid,
    setuid,
    sigaction,
    wait4,
)
from pykmm.workbench import Machine
from tests.lifecycle._people import call, is_gone, plain, threads, until

NOBODY, DAEMON = 1000, 1001


def users() -> tuple[int, int, int]:
    own = current().cred
    return own.uid, own.euid, own.suid


def groups() -> tuple[int, int, int]:
    own = current().cred
    return own.gid, own.egid, own.sgid


def ask(program: Callable[[], object], uid: int = 0) -> object:
    with Machine() as m:
        return call(m, "program", program, uid=uid)


# -- who may become whom ---------------------------------------------------------------


def test_setuid_of_root_is_for_good() -> None:
    def program() -> object:
        done = setuid(NOBODY), users(), getuid(), geteuid()
        return *done, setuid(0), setreuid(-1, 0), setresuid(-1, -1, 0), seteuid(0)

    expected = (0, (NOBODY,) * 3, NOBODY, NOBODY, -EPERM, -EPERM, -EPERM, -EPERM)
    assert ask(program) == expected


def test_seteuid_comes_back_and_its_capabilities_with_it() -> None:
    def capabilities() -> tuple[bool, bool]:
        own = current().cred
        return own.cap_effective == CAP_FULL_SET, own.cap_permitted == CAP_FULL_SET

    def program() -> object:
        away = seteuid(NOBODY), users(), capabilities(), kill(app.pid, 0)
        # Going on from there, only the saved user leads back.
        other = seteuid(DAEMON), seteuid(0), users(), capabilities()
        return away, other, kill(app.pid, 0)

    with Machine() as m:
        app = m.spawn("app", uid=DAEMON)
        away = 0, (0, NOBODY, 0), (False, True), 0
        back = -EPERM, 0, (0, 0, 0), (True, True)
        # The real user is root still, but root without a capability is nobody.
        assert call(m, "p", program) == ((*away[:3], -EPERM), back, 0)


def test_setreuid_swaps_and_saves() -> None:
    def swap() -> object:
        first = setreuid(0, NOBODY), users()
        return *first, setreuid(NOBODY, 0), users(), setreuid(-1, -1), users()

    assert ask(swap) == (
        *(0, (0, NOBODY, NOBODY)),
        *(0, (NOBODY, 0, 0)),
        *(0, (NOBODY, 0, 0)),
    )
    assert ask(lambda: (setreuid(-1, 0), users())) == (0, (0, 0, 0))


def test_setresuid_takes_any_of_the_three() -> None:
    def program() -> object:
        first = setresuid(1, 2, 3), users()
        return *first, setresuid(3, 1, 2), users(), setresuid(-1, 9, -1), users()

    expected = 0, (1, 2, 3), 0, (3, 1, 2), -EPERM, (3, 1, 2)
    assert ask(program) == expected


def test_groups_go_by_a_capability_of_their_own() -> None:
    def program() -> object:
        yes = setgid(5), groups(), setregid(6, 7), groups(), setresgid(1, 2, 3)
        return *yes, groups(), getgid(), getegid()

    expected = 0, (5, 5, 5), 0, (6, 7, 7), 0, (1, 2, 3), 1, 2
    assert ask(program) == expected
    refused = -EPERM, -EPERM, -EPERM, 0, 0
    own = NOBODY
    assert refused == ask(
        lambda: (
            setgid(5),
            setregid(5, -1),
            setresgid(-1, -1, 5),
            setgid(own),
            setegid(own),
        ),
        uid=own,
    )
    with Machine() as m:
        app = m.spawn("app", uid=own)
        app.task.cred = cred(uid=own, cap_effective=frozenset({CAP_SETGID}))
        app.runs(lambda: (setgid(0), groups(), setuid(0)))
        m.run()
        assert app.result == (0, (0, 0, 0), -EPERM)


@pytest.mark.parametrize("change", [setuid, setgid])
def test_a_number_that_is_none(change: Callable[[int], int]) -> None:
    assert ask(lambda: change(-1)) == -EINVAL
    assert ask(lambda: (setreuid(-2, 0), setresgid(0, -2, 0))) == (-EINVAL, -EINVAL)


def test_a_thread_changes_itself_alone() -> None:
    with Machine() as m:
        app = m.spawn("app", threads=2)
        app.threads[1].runs(lambda: setuid(NOBODY))
        m.run()
        assert [plain(t, "cred").uid for t in threads(app)] == [0, NOBODY]


# -- what goes with it -----------------------------------------------------------------


def test_who_becomes_another_cannot_be_looked_into_before_it_says_so() -> None:
    """Its own files are root's then, as measured; another program may be seen again."""
    path = "/proc/self/oom_score_adj"
    seen: list[object] = []

    def look() -> object:
        return prctl(PR_GET_DUMPABLE), open(path, O_WRONLY) >= 0

    def program() -> None:
        seen.append(look())
        setuid(NOBODY)
        seen.append((prctl(PR_GET_DUMPABLE), open(path, O_RDWR)))
        prctl(PR_SET_DUMPABLE, 1)
        seen.append(look())
        prctl(PR_SET_DUMPABLE, 0)
        execve(lambda: seen.append(look()), "new")

    ask(program)
    assert seen == [(1, True), (0, -EACCES), (1, True), (1, True)]
    assert ask(lambda: (prctl(PR_SET_DUMPABLE, 2), prctl(PR_SET_DUMPABLE, -1))) == (
        -EINVAL,
        -EINVAL,
    )


def test_who_shares_memory_shares_that_too() -> None:
    def program() -> object:
        clone(CLONE_VM | SIGCHLD, lambda: setuid(NOBODY))
        fork(lambda: prctl(PR_SET_DUMPABLE, 1))
        until(lambda: not plain(own, "exec_state").dumpable)
        return prctl(PR_GET_DUMPABLE)

    with Machine(scheduler=RandomWalk(0)) as m:
        app = m.spawn("app")
        own = app.task
        app.runs(program)
        m.run()
        assert app.result == 0


@pytest.mark.parametrize(
    ("dumpable", "told"), [(1, 0), (0, -EPERM)], ids=["dumpable", "not"]
)
def test_the_same_user_traces_what_may_be_dumped(dumpable: int, told: int) -> None:
    with Machine() as m:
        app = m.spawn("app", uid=NOBODY)
        app.runs(lambda: [prctl(PR_SET_DUMPABLE, dumpable), pause()])
        m.run()
        asked = call(m, "gdb", lambda: ptrace(PTRACE_ATTACH, app.pid), uid=NOBODY)
        assert asked == told
        assert call(m, "other", lambda: ptrace(PTRACE_ATTACH, app.pid), uid=7) == -EPERM


def test_a_group_of_its_own_keeps_tracers_out() -> None:
    with Machine() as m:
        app = m.spawn("app", uid=NOBODY)
        app.task.cred = cred(uid=NOBODY, sgid=5)
        asked = call(m, "gdb", lambda: ptrace(PTRACE_ATTACH, app.pid), uid=NOBODY)
        assert asked == -EPERM


def test_release_asks_for_no_permission() -> None:
    """Whoever has a pidfd may release root's memory, once it is dying (measured)."""
    with Machine() as m:
        app = m.spawn("app", anon="64K")
        mm = app.mm
        assert mm is not None
        told: list[object] = []
        app.task._program = None  # it sleeps on, however often it is killed

        def program() -> None:
            fd = pidfd_open(app.pid, 0)
            setuid(NOBODY)
            told.append((kill(app.pid, SIGKILL), process_mrelease(fd, 0)))
            pause()
            told.append(process_mrelease(fd, 0))

        releaser = m.spawn("releaser")
        releaser.runs(lambda: [sigaction(SIGUSR1, lambda _: None), program()])
        m.run()
        call(m, "root", lambda: [kill(app.pid, SIGKILL), kill(releaser.pid, SIGUSR1)])
        assert told == [(-EPERM, -EINVAL), 0]
        assert mm.rss_stat[MM_ANONPAGES].counter == 0


def _become_against_kill(m: Machine) -> object:
    app = m.spawn("app")
    app.runs(lambda: [setuid(NOBODY), pause()])
    told = m.spawn("killer", uid=NOBODY)
    told.runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    return told.result, is_gone(app)


def test_a_signal_meets_the_old_users_or_the_new_ones() -> None:
    found = explore(_become_against_kill)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {(0, True), (-EPERM, False)}


def _become_against_trace(m: Machine) -> object:
    app = m.spawn("app")
    app.runs(lambda: [setuid(NOBODY), pause()])
    told = m.spawn("gdb", uid=NOBODY)
    told.runs(lambda: ptrace(PTRACE_ATTACH, app.pid))
    m.run()
    return told.result


def test_no_tracer_slips_in_while_root_becomes_another() -> None:
    """It is not to be looked into before it acts as the other, so it never can be."""
    found = explore(_become_against_trace)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {-EPERM}


def _trace_against_exec(m: Machine) -> object:
    app = m.spawn("app", uid=NOBODY)
    seen: list[int] = []
    app.runs(lambda: execve(lambda: [seen.append(geteuid()), pause()], "su", setuid=0))
    tracer = m.spawn("tracer", uid=NOBODY)
    told: list[int] = []

    def trace() -> None:
        told.append(ptrace(PTRACE_ATTACH, app.pid))
        while told == [0]:  # it stops when attached to, and behind its exec
            wait4(app.pid, __WALL)
            ptrace(PTRACE_CONT, app.pid)

    tracer.runs(trace)
    m.run()
    return *told, *seen


def test_nobody_traces_a_program_that_runs_as_another_user() -> None:
    """Whoever attaches in time finds that the program runs as before."""
    found = explore(_trace_against_exec, scheduler="pct", executions=150)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {(-EPERM, 0), (0, NOBODY)}


# -- a parent's death ------------------------------------------------------------------


def bereaved(before: Callable[[], object]) -> tuple[object, list[int]]:
    """What a child that wants SIGUSR1 is told, and gets, when its parent dies."""
    with Machine() as m:
        shell = m.spawn("shell")
        seen: list[object] = []
        got: list[int] = []

        def child() -> None:
            sigaction(SIGUSR1, got.append)
            prctl(PR_SET_PDEATHSIG, SIGUSR1)
            before()
            seen.append(prctl(PR_GET_PDEATHSIG))
            pause()

        shell.runs(lambda: fork(child))
        m.run()
        call(m, "killer", lambda: kill(shell.pid, SIGKILL))
        return seen[0], got


def test_a_parents_death_is_told_to_whoever_wants_it() -> None:
    assert bereaved(lambda: None) == (SIGUSR1, [SIGUSR1])
    assert bereaved(lambda: prctl(PR_SET_PDEATHSIG, 0)) == (0, [])
    # Not to who has become another since; nor is it handed on.
    assert bereaved(lambda: setuid(NOBODY)) == (0, [])
    assert ask(lambda: (prctl(PR_SET_PDEATHSIG, 65), prctl(PR_SET_PDEATHSIG, -1))) == (
        -EINVAL,
        -EINVAL,
    )


def test_a_set_user_id_program_is_not_told() -> None:
    seen: list[int] = []

    def program() -> None:
        prctl(PR_SET_PDEATHSIG, SIGTERM)
        execve(first, "plain")

    def first() -> None:
        seen.append(prctl(PR_GET_PDEATHSIG))
        execve(lambda: seen.append(prctl(PR_GET_PDEATHSIG)), "su", setuid=0)

    ask(program, uid=NOBODY)
    assert seen == [SIGTERM, 0]


def _ask_against_death(m: Machine) -> object:
    shell = m.spawn("shell")
    seen: list[bool] = []

    def child() -> None:
        prctl(PR_SET_PDEATHSIG, SIGKILL)
        seen.append(plain(current(), "real_parent") is shell.task)

    shell.runs(lambda: [fork(child), exit_group(0)])
    m.run()
    alive = len(m.tasks()) == 3  # with init and the reaper
    return alive, seen


def test_who_asks_too_late_sees_a_new_parent() -> None:
    found = explore(_ask_against_death, scheduler="pct", executions=60)
    assert found.reports == ()
    outcomes = {(o.value[0], *o.value[1]) for o in found.outcomes}
    assert (True, True) not in outcomes  # neither told nor able to notice
    assert {alive for alive, *_ in outcomes} == {True, False}


def test_capabilities_are_lost_with_root_and_kept_by_who_has_others() -> None:
    own = cred(uid=NOBODY, cap_effective=frozenset({CAP_KILL}))
    assert own.cap_permitted == {CAP_KILL}
    assert cred(uid=NOBODY).cap_permitted == CAP_EMPTY_SET
    assert (own.gid, own.egid, own.sgid) == (NOBODY,) * 3
