# SPDX-License-Identifier: GPL-2.0-only
"""What a new process or thread shares, counts and inherits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import Machine
from pykmm.engine import Config
from pykmm.errno import ECHILD, ENOENT, ESRCH
from pykmm.kernel.fork_copy import copy_sighand
from pykmm.kernel.fork_mm import dup_mm
from pykmm.kernel.pid import find_task_by_vpid, pid_task
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_MULTIPROCESS
from pykmm.linux.pid import PIDTYPE_PID, PIDTYPE_TGID, is_global_init
from pykmm.linux.rculist import list_entries
from pykmm.linux.sched import PF_FORKNOEXEC, current, task_struct
from pykmm.linux.sched.signal import init_tasks, signal_struct
from pykmm.linux.uaccess import UserWord
from pykmm.linux.uapi import (
    __WALL,
    PR_SET_DUMPABLE,
    SIGCHLD,
    SIGKILL,
    WNOHANG,
)
from pykmm.linux.uapi_sched import (
    CLONE_CHILD_SETTID,
    CLONE_FILES,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
)
from pykmm.mm.swapfile import SWAP_FILE
from pykmm.mm.swapfile_off import try_to_unuse
from pykmm.syscalls import (
    clone,
    close,
    exit,
    exit_group,
    fork,
    getpid,
    gettid,
    kill,
    open,
    pidfd_open,
    prctl,
    process_mrelease,
    pthread_create,
    read,
    setuid,
    swapoff,
    wait4,
    write,
)
from pykmm.workbench import Process
from tests.lifecycle._people import oom_kill
from tests.lifecycle.pages_setup import maps

NOBODY = 65534
THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD


def run(m: Machine, body: Callable[[], object], **facts: object) -> Process:
    program = m.spawn("program", anon="16K", **facts)  # type: ignore[arg-type]  # spawn's
    program.runs(body)
    m.run()
    return program


def newest(m: Machine) -> task_struct:
    return m.tasks()[-1]


def counts(task: task_struct) -> tuple[int, int, int, int]:
    signal = task.signal
    return (
        signal.sigcnt.counter,
        signal.live.counter,
        signal.__dict__["nr_threads"],
        signal.__dict__["quick_threads"],
    )


def test_l1_a_forked_process() -> None:
    with Machine() as m:
        p = run(m, fork)
        child = newest(m)
        assert child.pid == p.result == child.tgid
        assert (child.usage.counter, child.rcu_users.counter) == (1, 2)
        assert counts(child) == (1, 1, 1, 1)
        assert [t.pid for t in list_entries(init_tasks())].count(child.pid) == 1
        assert list_entries(child.signal.thread_head) == [child]
        assert child.__dict__["flags"] & PF_FORKNOEXEC
        assert child.__dict__["exit_signal"] == SIGCHLD
        assert child.__dict__["real_parent"] is child.__dict__["parent"] is p.task
        assert p.task.children == [child]


def test_l2_threads() -> None:
    with Machine() as m:
        p = run(m, lambda: (pthread_create(), pthread_create()))
        assert counts(p.task) == (3, 3, 3, 3)
        threads = list_entries(p.task.signal.thread_head)
        assert [t.pid for t in threads] == [p.pid, *p.result]  # type: ignore[misc]
        assert [t.tgid for t in threads] == [p.pid] * 3
        assert all(t.group_leader is p.task for t in threads)
        assert [t.__dict__["exit_signal"] for t in threads] == [SIGCHLD, -1, -1]
        assert p.task in list_entries(init_tasks())
        assert not set(threads[1:]) & set(list_entries(init_tasks()))
        assert p.mm is not None
        assert p.mm.mm_users.counter == 3


def test_l3_a_thread_exits_alone() -> None:
    def body() -> object:
        word = UserWord()
        tid = pthread_create(lambda: exit(0), tid=word)
        return tid, word

    with Machine() as m:
        p = m.spawn("p")
        p.runs(body)
        other = m.spawn("other")
        other.runs(pthread_create)
        m.run()
        tid, word = p.result  # type: ignore[misc]  # a pair
        assert counts(p.task) == (1, 1, 1, 1)
        assert word.value == 0
        assert all(t.pid != tid for t in m.alive if isinstance(t, task_struct))


def test_l3_a_thread_is_nobodys_to_wait_for() -> None:
    """Not its group's, nor the parent's of its leader, dead or alive."""
    everybody = __WALL | WNOHANG
    told: list[object] = []

    def body() -> None:
        tid = pthread_create(lambda: exit(0))
        alive = pthread_create()
        told.extend([tid, wait4(tid, everybody), wait4(alive, everybody)])

    with Machine() as m:
        shell = m.spawn("shell")
        p = m.spawn("p", parent=shell)
        p.runs(body)
        m.run()
        tid = told.pop(0)
        assert isinstance(tid, int)
        shell.runs(lambda: [wait4(nr, everybody) for nr in (tid, tid + 1, -1)])
        m.run()
        assert told == [-ECHILD] * 2
        assert shell.result == [-ECHILD, -ECHILD, (0, 0)]
        assert counts(p.task) == (2, 2, 2, 2)


def test_l12_all_threads_of_the_first_process_are_init() -> None:
    with Machine() as m:
        other = m.spawn("other", threads=2)
        m.init.runs(pthread_create)
        m.run()
        group = list_entries(m.init.task.signal.thread_head)
        assert [is_global_init(t) for t in group] == [True, True]
        theirs = list_entries(other.task.signal.thread_head)
        assert [is_global_init(t) for t in theirs] == [False, False]


def test_l3_a_thread_that_somebody_keeps_is_counted_by_the_group() -> None:
    with Machine() as m:
        p = m.spawn("p", threads=3)
        assert counts(p.task) == (3, 3, 3, 3)
        thread = p.threads[1]
        kept = m.hold(thread.task.usage, by="a walker")
        thread.runs(lambda: exit(0))
        m.run()
        assert counts(p.task) == (3, 2, 2, 2)
        kept.let_go()
        m.run()
        assert counts(p.task) == (2, 2, 2, 2)


def test_l3_the_group_counts_a_thread_until_its_structure_is_gone() -> None:
    with Machine() as m:
        p = m.spawn("p")
        p.runs(lambda: pthread_create(lambda: exit(0)))
        m.run()
        drops = [
            e.value
            for e in m.events
            if e.obj is p.task.signal.sigcnt or e.obj is p.task.signal.live
        ]
        # In: live, sigcnt. Out: live first, and sigcnt when RCU lets go.
        assert drops == [2, 2, 1, 1]
        last = [e for e in m.events if e.obj is p.task.signal.sigcnt][-1]
        assert last.thread.name.startswith("rcu:")


def test_l12_what_a_threads_number_finds() -> None:
    def body() -> object:
        tid = pthread_create()
        found = find_task_by_vpid(tid)
        assert found is not None
        number = found.__dict__["thread_pid"]
        return (
            found.pid == tid,
            pid_task(number, PIDTYPE_TGID),
            pid_task(number, PIDTYPE_PID) is found,
            pidfd_open(tid, 0),
        )

    with Machine() as m:
        assert run(m, body).result == (True, None, True, -ENOENT)


@pytest.mark.parametrize(
    ("flags", "is_set"),
    [
        (CLONE_VM, True),
        (CLONE_VM | CLONE_VFORK, False),
        (THREAD, False),
        (0, False),
        (CLONE_VFORK, False),
    ],
)
def test_l15_who_makes_memory_shared_between_processes(
    flags: int, is_set: bool
) -> None:
    with Machine() as m:
        signal = 0 if flags & CLONE_THREAD else SIGCHLD
        p = run(m, lambda: clone(flags | signal, lambda: exit(0)))
        assert p.mm is not None
        assert mm_flags_test(MMF_MULTIPROCESS, p.mm) is is_set


def test_l16_what_the_killer_knows_of_the_parent_is_not_inherited() -> None:
    """Its maker is killed while it copies itself, so the child is looked at halfway."""

    def body() -> None:
        _set_adj("self", 100)  # root, so nobody goes lower
        setuid(NOBODY)
        prctl(PR_SET_DUMPABLE, 1)
        _set_adj("self", 500)
        fork()

    with Machine(Config(total_swap_pages=64)) as m:
        maps(m.spawn("other"), {"kind": "anon", "swapped_pages": 4})
        app = m.spawn("app", anon="16K", threads=2)
        app.threads[1].runs(lambda: swapoff(SWAP_FILE))
        app.threads[1].step_to(inside=try_to_unuse)
        app.runs(body)
        app.step_to(inside=copy_sighand)
        oom_kill(m)
        assert told(app.task.signal) == (500, 100, True, app.mm)
        app.step_to(inside=dup_mm)
        child = [x for x in m.alive if type(x) is signal_struct][-1]
        assert told(child) == (500, 100, False, None)


def told(signal: signal_struct) -> tuple[object, ...]:
    """All that a group tells the killer."""
    names = [name for name in signal_struct._rules if name.startswith("oom_")]
    assert len(names) == 4
    return tuple(
        signal.__dict__[f"oom_{name}"]
        for name in ("score_adj", "score_adj_min", "flag_origin", "mm")
    )


def _set_adj(nr: int | str, value: int) -> int:
    fd = open(f"/proc/{nr}/oom_score_adj", 2)
    ret = write(fd, str(value))
    close(fd)
    return ret


def _adj(nr: int | str) -> int:
    fd = open(f"/proc/{nr}/oom_score_adj")
    text = read(fd)
    close(fd)
    return int(text)  # type: ignore[arg-type]  # it is open


def test_l17_sharers_are_written_together_and_vfork_children_apart() -> None:
    seen: list[object] = []

    def child_in_vfork() -> None:
        seen.append([_adj("self"), _set_adj(4, 300), _adj(5), _adj("self")])
        seen.append([_set_adj("self", 77), _adj("self"), _adj(4), _adj(5)])
        exit_group(0)

    def body() -> object:
        sharer = clone(CLONE_VM | SIGCHLD)
        vforked = clone(CLONE_VM | CLONE_VFORK | SIGCHLD, child_in_vfork)
        return sharer, vforked

    with Machine() as m:
        m.spawn("other")
        assert run(m, body).result == (5, 6)
        assert seen == [[0, 3, 300, 0], [2, 77, 300, 300]]


def test_l22_users_and_keepers_of_memory() -> None:
    def body() -> object:
        mm = current().mm
        assert mm is not None
        before = mm.mm_users.counter, mm.mm_count.counter
        clone(CLONE_VM | SIGCHLD)
        shared = mm.mm_users.counter, mm.mm_count.counter
        fork()
        return before, shared, (mm.mm_users.counter, mm.mm_count.counter)

    with Machine() as m:
        p = run(m, body)
        assert p.result == ((1, 1), (2, 1), (2, 1))
        copy = newest(m).__dict__["mm"]
        assert copy is not p.mm
        assert (copy.mm_users.counter, copy.mm_count.counter) == (1, 1)
        assert copy.owner is newest(m)


def test_numbers_are_told_where_the_program_wants_them() -> None:
    def body() -> object:
        theirs, own = UserWord(), UserWord()
        flags = CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD
        nr = clone(flags, lambda: None, parent_tid=own, child_tid=theirs)
        return nr, own, theirs

    with Machine() as m:
        nr, own, theirs = run(m, body).result  # type: ignore[misc]  # three
        assert (own.value, theirs.value) == (nr, nr)


def test_a_child_knows_who_it_is() -> None:
    told: list[int] = []

    def thread() -> None:
        told.extend([getpid(), gettid()])

    with Machine() as m:
        p = run(m, lambda: pthread_create(thread))
        assert told == [p.pid, p.result]


def test_a_pidfd_of_the_child() -> None:
    def body() -> object:
        word = UserWord()
        nr = clone(CLONE_PIDFD | SIGCHLD, parent_tid=word)
        before = process_mrelease(word.value, 0)
        kill(nr, SIGKILL)
        wait4(nr)
        return word.value, before, process_mrelease(word.value, 0), close(word.value)

    with Machine() as m:
        p = run(m, body)
        assert p.result == (3, -22, -ESRCH, 0)


def test_open_files_are_copied_or_shared() -> None:
    def body() -> object:
        fd = pidfd_open(1, 0)
        copier = fork(lambda: exit_group(0 if close(fd) == 0 else 1))
        copied = wait4(copier), process_mrelease(fd, 0)
        sharer = clone(CLONE_FILES | SIGCHLD, lambda: exit_group(-close(fd)))
        return copied, wait4(sharer), close(fd)

    with Machine() as m:
        p = run(m, body)
        (copied, still), shared, closed = p.result  # type: ignore[misc]  # so
        assert copied[1] == 0
        assert still == -22  # the descriptor still leads to init
        assert shared[1] == 0
        assert closed == -9


def test_a_process_in_a_cgroup_is_listed_there() -> None:
    with Machine() as m:
        group = m.cgroup("group")
        p = run(m, lambda: (fork(), pthread_create()), memcg=group)
        assert group.procs == [p.task, newest(m)]
        assert newest(m).memcg is group
