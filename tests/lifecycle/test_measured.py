# SPDX-License-Identifier: GPL-2.0-only
"""What real kernels were seen to do, and the model does: releasing the dying's memory.

In the experiments victims were held by a tracer at the event of their exit, or were
asleep; most of the facts hold from 6.1 to 7.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from pykmm.errno import EINVAL, ESRCH
from pykmm.linux.mm_types import MM_ANONPAGES, mm_struct
from pykmm.linux.sched import PF_EXITING
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT
from pykmm.linux.sched.task import task_locked
from pykmm.linux.uapi import (
    __WALL,
    P_PID,
    PIDFD_THREAD,
    PTRACE_ATTACH,
    PTRACE_CONT,
    PTRACE_O_TRACEEXIT,
    PTRACE_SETOPTIONS,
    SIG_BLOCK,
    SIG_IGN,
    SIGABRT,
    SIGINT,
    SIGKILL,
    SIGQUIT,
    SIGRTMIN,
    SIGSEGV,
    SIGSTOP,
    SIGTERM,
    SIGUSR1,
    WEXITED,
    WNOWAIT,
)
from pykmm.mm.oom_kill_reaper import queue_oom_reaper
from pykmm.mm.oom_kill_victim import mark_oom_victim
from pykmm.patches.kernels import v6_12
from pykmm.runner import explore
from pykmm.scenario import Scenario
from pykmm.syscalls import exit as exit_thread
from pykmm.syscalls import (
    exit_group,
    fork,
    kill,
    open,
    pause,
    pidfd_open,
    process_mrelease,
    ptrace,
    read,
    sigaction,
    sigprocmask,
    vfork,
    wait4,
    waitid,
)
from pykmm.workbench import Machine, Process
from tests.lifecycle._people import call, plain, threads


@pytest.fixture(name="m", params=["7.2", "6.12"])
def _machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Machine() as machine:
        if request.param == "6.12":
            machine.patches.update(v6_12.patch.functions)
        yield machine


def memory(p: Process) -> mm_struct:
    assert p.mm is not None
    return p.mm


def pages(mm: mm_struct) -> int:
    return mm.rss_stat[MM_ANONPAGES].counter


def release(nr: int, flags: int = 0) -> int:
    return process_mrelease(pidfd_open(nr, flags), 0)


def hold_at_exit(m: Machine, app: Process) -> None:
    """Have a tracer hold the process at the event of its exit."""

    def trace() -> None:
        ptrace(PTRACE_ATTACH, app.pid)
        wait4(app.pid, __WALL)
        ptrace(PTRACE_SETOPTIONS, app.pid, PTRACE_O_TRACEEXIT)
        ptrace(PTRACE_CONT, app.pid)

    m.spawn("tracer").runs(trace)
    m.run()


# -- A 1 to 4: what comes back, and what it means --------------------------------------


def _released_for_ever(m: Machine) -> object:
    """Release again and again, from the kill on: what came back, as text."""
    app = m.spawn("app", anon="8K")

    def program() -> object:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        answers = [process_mrelease(fd, 0) for _ in range(5)]
        return "".join("0" if a == 0 else "E" if a == -ESRCH else "?" for a in answers)

    return call(m, "lmkd", program)


@pytest.mark.parametrize("old", [False, True])
def test_only_zeros_and_then_only_esrch_come_back(old: bool) -> None:
    patches = (v6_12.patch,) if old else ()
    scenario = Scenario(name="again", function=_released_for_ever, patches=patches)
    found = explore(scenario, scheduler="pct", executions=150)
    assert found.reports == ()
    sequences = {str(o.value) for o in found.outcomes}
    assert all(re.fullmatch("0*E*", sequence) for sequence in sequences)
    assert {"00000", "EEEEE"} < sequences


def _charged_at_the_answer(m: Machine) -> object:
    box = m.cgroup("box")
    app = m.spawn("app", anon="64K", memcg=box)

    def program() -> object:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        answer = process_mrelease(fd, 0)
        return answer, box.memory.usage >= 16

    return call(m, "lmkd", program)


def test_esrch_does_not_mean_that_the_memory_is_free() -> None:
    found = explore(_charged_at_the_answer, scheduler="pct", executions=150)
    assert found.reports == ()
    # Nor does 0, if the exit has taken the pages and still gathers them.
    assert {o.value for o in found.outcomes} == {
        (answer, charged) for answer in (0, -ESRCH) for charged in (True, False)
    }


@pytest.mark.parametrize("in_time", [True, False])
def test_with_a_pin_it_matters_whether_one_came_in_time(
    m: Machine, in_time: bool
) -> None:
    app = m.spawn("app", anon="64K", parent=m.spawn("shell"))
    mm = memory(app)
    pin = m.hold(mm.mm_users, by="a reader")
    if in_time:
        app.freeze()
    assert call(m, "killer", lambda: kill(app.pid, SIGKILL)) == 0
    answer = call(m, "lmkd", lambda: release(app.pid))
    assert (answer, pages(mm)) == ((0, 0) if in_time else (-ESRCH, 16))
    pin.let_go()
    assert pages(mm) == 0


def test_it_is_idempotent_and_the_score_is_the_reapers(m: Machine) -> None:
    app = m.spawn("app", anon="64K")
    hold_at_exit(m, app)
    mm = memory(app)

    def score() -> object:
        return read(open(f"/proc/{app.pid}/oom_score"))

    def program() -> object:
        kill(app.pid, SIGKILL)
        return score(), [release(app.pid) for _ in range(3)], score()

    assert call(m, "lmkd", program) == (b"666\n", [0, 0, 0], b"666\n")
    with m.as_boot():
        with task_locked(app.task):
            mark_oom_victim(app.task)
        queue_oom_reaper(app.task)
    m.run()
    assert call(m, "lmkd", lambda: (score(), release(app.pid))) == (b"0\n", 0)
    assert memory(app) is mm


# -- A 5 to 7: what kills --------------------------------------------------------------


@pytest.mark.parametrize("sig", [SIGTERM, SIGINT, SIGUSR1, SIGRTMIN, SIGKILL])
def test_any_signal_that_kills_is_as_good_as_sigkill(m: Machine, sig: int) -> None:
    """The pages are gone before the victim has run at all."""
    app = m.spawn("app", anon="64K")
    mm = memory(app)
    app.task._program = None
    answers = call(m, "lmkd", lambda: (kill(app.pid, sig), release(app.pid)))
    assert (answers, pages(mm)) == ((0, 0), 0)


@pytest.mark.parametrize("sig", [SIGSEGV, SIGABRT, SIGQUIT])
def test_a_signal_that_dumps_core_is_not(m: Machine, sig: int) -> None:
    app = m.spawn("app", anon="64K")
    app.task._program = None
    answers = call(m, "lmkd", lambda: (kill(app.pid, sig), release(app.pid)))
    assert (answers, pages(memory(app))) == ((0, -EINVAL), 16)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda: sigprocmask(SIG_BLOCK, {SIGTERM}),
        lambda: sigaction(SIGTERM, SIG_IGN),
        lambda: sigaction(SIGTERM, lambda _: None),
    ],
    ids=["blocked", "ignored", "caught"],
)
def test_nor_is_one_that_the_process_has_prepared_for(
    m: Machine, prepare: Callable[[], object]
) -> None:
    app = m.spawn("app", anon="64K")
    app.runs(prepare)
    m.run()
    app.task._program = None
    answers = call(m, "lmkd", lambda: (kill(app.pid, SIGTERM), release(app.pid)))
    assert answers == (0, -EINVAL)
    assert call(m, "lmkd", lambda: (kill(app.pid, SIGKILL), release(app.pid))) in (
        (0, 0),
        (0, -ESRCH),
    )


def test_nor_one_to_who_is_traced_stopped_or_has_a_signal_already(m: Machine) -> None:
    traced, stopped, busy = (m.spawn(n, anon="64K") for n in ("a", "b", "c"))
    hold_at_exit(m, traced)
    call(m, "shell", lambda: kill(stopped.pid, SIGSTOP))
    busy.runs(lambda: sigaction(SIGUSR1, lambda _: None))
    m.run()
    told: list[object] = []

    def program() -> None:
        kill(busy.pid, SIGUSR1)  # which it has not looked at yet
        for p in (traced, stopped, busy):
            kill(p.pid, SIGTERM)
            told.append(release(p.pid))
        for p in (traced, stopped, busy):
            kill(p.pid, SIGKILL)
            told.append(release(p.pid))

    call(m, "lmkd", program)
    assert told == [-EINVAL] * 3 + [0] * 3


@pytest.mark.parametrize("leave", [lambda: exit_group(0), lambda: exit_thread(0)])
def test_who_leaves_by_itself_counts_as_killed(
    m: Machine, leave: Callable[[], object]
) -> None:
    """At the exit's event, before PF_EXITING is set."""
    app = m.spawn("app", anon="64K")

    def program() -> None:
        sigaction(SIGUSR1, lambda _: leave())
        pause()

    app.runs(program)
    m.run()

    def trace() -> None:
        ptrace(PTRACE_ATTACH, app.pid)
        wait4(app.pid, __WALL)
        ptrace(PTRACE_SETOPTIONS, app.pid, PTRACE_O_TRACEEXIT)
        ptrace(PTRACE_CONT, app.pid)
        kill(app.pid, SIGUSR1)
        wait4(app.pid, __WALL)
        ptrace(PTRACE_CONT, app.pid, SIGUSR1)
        wait4(app.pid, __WALL)  # at its exit

    m.spawn("tracer").runs(trace)
    m.run()
    assert not plain(app.task, "flags") & PF_EXITING
    assert app.task.signal.flags & SIGNAL_GROUP_EXIT
    assert call(m, "lmkd", lambda: release(app.pid)) == 0
    assert pages(memory(app)) == 0


# -- A 8 to 12: whom, and by what ------------------------------------------------------


def test_a_thread_names_no_process_alive_or_killed(m: Machine) -> None:
    app = m.spawn("app", anon="64K", threads=2)
    for t in threads(app):
        t._program = None  # they sleep through their end
    told: list[int] = []

    def program() -> None:
        of_thread = pidfd_open(app.pid + 1, PIDFD_THREAD)
        of_leader = pidfd_open(app.pid, PIDFD_THREAD)
        told.extend(process_mrelease(fd, 0) for fd in (of_thread, of_leader))
        kill(app.pid, SIGKILL)
        told.extend(process_mrelease(fd, 0) for fd in (of_thread, of_leader))

    call(m, "lmkd", program)
    assert told == [-ESRCH, -EINVAL, -ESRCH, 0]


def test_a_dead_leader_is_released_through_its_thread(m: Machine) -> None:
    app = m.spawn("app", anon="64K", threads=2, parent=m.spawn("shell"))
    app.runs(lambda: exit_thread(0))
    m.run()
    assert app.mm is None

    def program() -> object:
        alive = release(app.pid)
        kill(app.pid, SIGKILL)
        return alive, release(app.pid)

    assert call(m, "lmkd", program) == (-EINVAL, 0)


def test_a_zombie_among_the_sharers_blocks_nobody(m: Machine) -> None:
    first = m.spawn("first", anon="64K", parent=m.spawn("shell"))
    mm = memory(first)
    second, third = (m.spawn(n, shares_mm=first) for n in ("second", "third"))
    call(m, "killer", lambda: kill(first.pid, SIGKILL))
    assert (first.mm, mm.mm_users.counter) == (None, 2)
    for p in (second, third):
        p.task._program = None

    def program() -> object:
        told = [[release(p.pid) for p in (first, second, third)]]
        for p in (second, third):
            kill(p.pid, SIGKILL)
            told.append([release(q.pid) for q in (first, second, third)])
        return told

    refused = [-ESRCH, -EINVAL, -EINVAL]
    assert call(m, "lmkd", program) == [refused, refused, [-ESRCH, 0, 0]]
    assert pages(mm) == 0


def test_a_child_in_vfork_has_its_makers_memory(m: Machine) -> None:
    app = m.spawn("app", anon="64K")
    app.runs(lambda: vfork(pause))

    def program() -> object:
        (child,) = plain(app.task, "children")
        kill(child.pid, SIGKILL)
        return child.pid, release(child.pid)

    assert call(m, "lmkd", program) == (app.result, -EINVAL)
    assert pages(memory(app)) == 16


def test_children_of_fork_do_not_matter(m: Machine) -> None:
    app = m.spawn("app", anon="64K")
    app.runs(lambda: [fork(None), pause()])
    m.run()
    mm, (child,) = memory(app), plain(app.task, "children")

    def program() -> object:
        kill(app.pid, SIGKILL)
        return release(app.pid)

    assert call(m, "lmkd", program) == 0
    assert (pages(mm), pages(child.mm)) == (0, 16)


def test_arguments_have_32_bits() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="64K")

        def program() -> object:
            fd = pidfd_open(app.pid + (1 << 32), 1 << 32)
            first = process_mrelease(fd, 1 << 33), process_mrelease(fd, (1 << 32) + 1)
            kill(app.pid + (1 << 40), SIGKILL)
            return fd, *first, process_mrelease(fd + (1 << 32), 1 << 32)

        assert call(m, "lmkd", program) == (3, -EINVAL, -EINVAL, 0)


def test_which_argument_is_looked_at_first(m: Machine) -> None:
    def program() -> object:
        gone = fork(lambda: exit_group(0))
        wait4(gone)
        return process_mrelease(-1, 1), pidfd_open(gone, 1), pidfd_open(gone, 0)

    assert call(m, "p", program) == (-EINVAL, -EINVAL, -ESRCH)


def test_init_kernel_threads_and_zombies_can_be_named(m: Machine) -> None:
    kthread = next(t for t in m.tasks() if t.comm == "oom_reaper")

    def program() -> object:
        zombie = fork(lambda: exit_group(0))
        waitid(P_PID, zombie, WEXITED | WNOWAIT)
        return [pidfd_open(nr, 0) >= 0 for nr in (1, kthread.pid, zombie)]

    assert call(m, "p", program) == [True, True, True]
    assert call(m, "p", lambda: [release(1), release(kthread.pid)]) == [-EINVAL, -ESRCH]
