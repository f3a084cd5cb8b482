# SPDX-License-Identifier: GPL-2.0-only
"""Programs that run another one in their place."""

from __future__ import annotations

import pytest

from pykmm import explore
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import (
    MMF_MULTIPROCESS,
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
)
from pykmm.linux.resource import RLIMIT_AS
from pykmm.linux.sched import current
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT
from pykmm.linux.uapi import (
    O_CLOEXEC,
    O_RDWR,
    PR_GET_DUMPABLE,
    SIG_BLOCK,
    SIG_IGN,
    SIGCHLD,
    SIGKILL,
    SIGSEGV,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
)
from pykmm.linux.uapi_sched import CLONE_FILES, CLONE_SIGHAND, CLONE_VM
from pykmm.syscalls import (
    clone,
    execve,
    exit_group,
    getpid,
    gettid,
    kill,
    open,
    pause,
    pidfd_open,
    prctl,
    read,
    setrlimit,
    sigaction,
    sigpending,
    sigprocmask,
    vfork,
    wait4,
    write,
)
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import call, is_gone, plain, threads


def test_another_program_runs_under_another_name() -> None:
    def first() -> None:
        execve(second, "/bin/second-of-a-long-name")
        raise AssertionError("came back")

    def second() -> object:
        return current().comm, getpid()

    with Machine() as m:
        p = m.spawn("p", anon="64K")
        p.runs(first)
        m.run()
        assert p.result == ("second-of-a-lon", p.pid)
        assert p.mm is not None
        assert p.mm.map_count == 3
        # A page of data, and one of the stack.
        assert sum(rss.counter for rss in p.mm.rss_stat) == 2


def test_l33_the_old_memory_goes_with_its_only_user() -> None:
    with Machine() as m:
        p = m.spawn("p", anon="64K", oom_score_adj=300)
        old = p.mm
        assert old is not None
        p.runs(lambda: execve(pause, "new"))
        m.run()
        assert p.mm is not old
        assert old not in m.alive
        (gone,) = [
            e
            for e in m.events
            if e.kind == "atomic_dec_and_test" and e.value == 0
            if e.obj is old.mm_users
        ]
        assert gone.thread.task is p.task
        assert p.task.signal.oom_score_adj == 300
        assert p.mm is not None
        for flag in (MMF_OOM_SKIP, MMF_UNSTABLE, MMF_MULTIPROCESS):
            assert not mm_flags_test(flag, p.mm)


def test_l34_who_execs_shares_no_longer() -> None:
    def child() -> None:
        execve(pause, "new")

    with Machine() as m:
        p = m.spawn("p", anon="64K")
        p.runs(lambda: clone(CLONE_VM | SIGCHLD, child))
        m.run()
        (leader,) = plain(p.task, "children")
        assert p.mm is not None
        assert mm_flags_test(MMF_MULTIPROCESS, p.mm)
        assert plain(leader, "mm") is not p.mm
        assert not mm_flags_test(MMF_MULTIPROCESS, plain(leader, "mm"))
        assert p.mm.mm_users.counter == 1


@pytest.mark.parametrize("who", [0, 1, 2])
def test_l35_the_others_die_and_the_group_lives(who: int) -> None:
    seen: list[object] = []

    def second() -> None:
        own, signal = current(), current().signal.__dict__
        seen.append((own, signal["nr_threads"], getpid() == gettid()))
        seen.append(signal["flags"] & SIGNAL_GROUP_EXIT)

    with Machine() as m:
        app = m.spawn("app", threads=3)
        others = threads(app)
        survivor = others.pop(who)
        app.threads[who].runs(lambda: execve(second, "new"))
        m.run()
        assert seen == [(survivor, 1, True), 0]
        assert all(t._death is not None for t in others)
        assert threads(Process(m, survivor, "app")) == [survivor]
        assert survivor.group_leader is survivor
        assert survivor in m.tasks()
        assert survivor in plain(m.init.task, "children")


def test_l6_a_thread_that_execs_takes_the_leaders_place() -> None:
    with Machine() as m:
        before, app, behind = m.spawn("a"), m.spawn("l", threads=2), m.spawn("c")
        number, thread = app.pid, threads(app)[1]
        app.threads[1].runs(lambda: execve(pause, "new"))
        m.run()
        assert m.tasks()[-3:] == [before.task, thread, behind.task]
        assert (thread.pid, thread.tgid) == (number, number)
        assert is_gone(app)


def test_the_cgroup_lists_the_new_leader_where_the_old_one_was() -> None:
    with Machine() as m:
        group = m.cgroup("g")
        app = m.spawn("app", threads=2, memcg=group)
        last = m.spawn("last", memcg=group)
        (thread,) = set(threads(app)) - {app.task}
        app.threads[1].runs(lambda: execve(pause, "new"))
        m.run()
        assert set(group.procs) == {thread, last.task}


def test_l18_who_has_left_the_memory_is_written_alone() -> None:
    seen: list[object] = []

    def adjust() -> None:
        sharer = clone(CLONE_VM | SIGCHLD)
        left = vfork(lambda: execve(pause, "new"))
        fd = open("/proc/self/oom_score_adj", O_RDWR)
        seen.append(write(fd, "300"))
        for nr in (sharer, left):
            seen.append(read(open(f"/proc/{nr}/oom_score_adj")))

    with Machine() as m:
        m.spawn("p", anon="16K").runs(adjust)
        m.run()
        assert seen[0] == 3
        # The vfork child may still be about to leave when it is written to.
        assert seen[1] == b"300\n"
        assert seen[2] == b"0\n"


@pytest.mark.parametrize("who", [0, 2])
def test_l35_the_status_is_the_new_programs(who: int) -> None:
    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", parent=parent, anon="64K", threads=3)
        number = app.pid
        app.threads[who].runs(lambda: execve(lambda: exit_group(7), "new"))
        parent.runs(lambda: wait4(number))
        m.run()
        assert parent.result == (number, 7 << 8)


# -- what survives ---------------------------------------------------------------------


def test_what_a_program_hands_to_the_next() -> None:
    seen: list[object] = []

    def first() -> None:
        sigaction(SIGUSR1, SIG_IGN)
        sigaction(SIGUSR2, lambda _: None)
        sigprocmask(SIG_BLOCK, {SIGTERM})
        kill(getpid(), SIGTERM)
        kept, closed = open("/proc/vmstat"), open("/proc/vmstat", O_CLOEXEC)
        own = pidfd_open(getpid(), 0)
        execve(lambda: second(kept, closed, own), "second")

    def second(kept: int, closed: int, own: int) -> None:
        actions = plain(current(), "sighand").__dict__["action"]
        seen.append((actions, current().blocked, sigpending()))
        seen.append([isinstance(read(fd, 4), bytes) for fd in (kept, closed, own)])
        seen.append(open("/proc/vmstat") == closed)

    with Machine() as m:
        m.spawn("p", anon="16K").runs(first)
        m.run()
    assert seen == [
        ({SIGUSR1: SIG_IGN}, {SIGTERM}, {SIGTERM}),
        [True, False, False],
        True,
    ]


def test_who_shares_files_and_handlers_keeps_them() -> None:
    def child() -> None:
        sigaction(SIGUSR1, SIG_IGN)
        execve(lambda: sigaction(SIGUSR2, SIG_IGN), "new")

    with Machine() as m:
        p = m.spawn("p", anon="16K")
        p.runs(lambda: clone(CLONE_VM | CLONE_SIGHAND | CLONE_FILES | SIGCHLD, child))
        m.run()
        (other,) = plain(p.task, "children")
        mine, theirs = (plain(t, "sighand") for t in (p.task, other))
        assert mine is not theirs
        assert other.signal._sighand is theirs
        assert (set(mine.action), set(theirs.action)) == ({SIGUSR1}, {SIGUSR1, SIGUSR2})
        assert plain(p.task, "files") is not plain(other, "files")
        assert call(m, "killer", lambda: kill(other.pid, SIGKILL)) == 0


def test_a_set_user_id_program_acts_as_another() -> None:
    seen: list[object] = []

    def second() -> None:
        cred = current().cred
        seen.append((cred.uid, cred.euid, cred.suid, prctl(PR_GET_DUMPABLE)))
        execve(third, "third")

    def third() -> None:
        seen.append((current().cred.euid, prctl(PR_GET_DUMPABLE)))

    with Machine() as m:
        m.spawn("p", uid=1000).runs(lambda: execve(second, "su", setuid=0))
        m.run()
    assert seen == [(1000, 0, 0, 0), (0, 0)]


def test_a_failure_after_the_old_program_is_lost_kills() -> None:
    """Its files are larger than what it may map."""

    def program() -> None:
        setrlimit(RLIMIT_AS, 8 * 4096, 8 * 4096)
        sigaction(SIGSEGV, lambda _: None)
        execve(pause, "new")

    with Machine() as m:
        parent = m.spawn("parent")
        app = m.spawn("app", parent=parent, anon="16K")
        number = app.pid
        app.runs(program)
        parent.runs(lambda: wait4(number))
        m.run()
        assert isinstance(parent.result, tuple)
        assert parent.result[1] & 0x7F == SIGSEGV
        assert is_gone(app)


def test_a_thread_waits_for_another_ones_exec_and_dies() -> None:
    def of_two(m: Machine) -> object:
        app = m.spawn("app", anon="16K", threads=2)
        seen: list[object] = []
        programs = [lambda n=n: execve(lambda: seen.append(n), "new") for n in (0, 1)]
        app.runs(programs[0])
        app.threads[1].runs(programs[1])
        m.run()
        return tuple(seen)

    found = explore(of_two, scheduler="pct", executions=100)
    assert found.reports == ()
    assert {o.value for o in found.outcomes} == {(0,), (1,)}
