# SPDX-License-Identifier: GPL-2.0-only
"""What was worked out of each design by hand, where no table of scenes tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pytest

from pykmm.boot import start_kthread
from pykmm.comparison.cells import fill, staged
from pykmm.engine import Config, Timers
from pykmm.errno import EBUSY, EINVAL, EPERM, ESRCH
from pykmm.errors import UseAfterFree
from pykmm.kernel.freezer import freeze_task
from pykmm.kernel.kthread import kthread_use_mm
from pykmm.kernel.pid_pidfd import pidfd_get_task
from pykmm.linux.compiler import WRITE_ONCE
from pykmm.linux.freezer import freezer, frozen, static_branch_freezer
from pykmm.linux.jiffies import HZ
from pykmm.linux.mm import PAGE_SIZE
from pykmm.linux.mm_types import MM_ANONPAGES, MMF_MULTIPROCESS, MMF_UNSTABLE
from pykmm.linux.sched import EXIT_ZOMBIE, task_struct
from pykmm.linux.sched.mm import mmdrop
from pykmm.linux.sched.task import put_task_struct
from pykmm.linux.uapi import SIGCHLD, SIGKILL
from pykmm.linux.uapi_sched import CLONE_NEWPID, CLONE_VM
from pykmm.mm import oom_kill
from pykmm.mm._conservation import _books
from pykmm.mm.gup_pages import FOLL_WRITE
from pykmm.mm.memory_access import access_remote_vm
from pykmm.mm.mmap import exit_mmap
from pykmm.mm.oom_kill import (
    __oom_reap_task_mm,
    mark_oom_victim,
    oom_killer_disable,
)
from pykmm.patches.designs import DESIGNS, exit_mm_pinned
from pykmm.patches.patch import Patch, apply
from pykmm.runner import Result, explore
from pykmm.scenarios import SCENARIOS
from pykmm.scenarios.release import Judged
from pykmm.scenarios.release.callers import release
from pykmm.scenarios.release.cast import (
    ONE_MAPPING,
    Cast,
    ignores_children,
    nobody_waits,
)
from pykmm.scenarios.release.outcomes import is_dying
from pykmm.syscalls import (
    clone,
    close,
    exit_group,
    kill,
    mmap,
    pause,
    pidfd_open,
    pidfd_send_signal,
    process_mrelease,
)
from pykmm.workbench import Machine
from tests.scenarios.release.exploring import explored

REAP_KILL = 1


def words(result: Result) -> set[str]:
    judged = [outcome.value for outcome in result.outcomes]
    assert all(isinstance(each, Judged) for each in judged)
    return {word for each in judged for word in each.words}


@pytest.fixture
def m() -> Iterator[Machine]:
    with Machine(reaper=False) as machine:
        yield machine


# -- one call that kills ---------------------------------------------------------------


def test_who_may_not_kill_takes_memory_down_all_the_same() -> None:
    """The first posting holds users before it asks for the permission."""
    outcomes = explore(staged("S0-perm", "B")).outcomes
    both = {(each.value.ret, each.value.torn_down_by) for each in outcomes}
    assert both == {(-ESRCH, "V"), (-EPERM, "V"), (-EPERM, "K")}


def test_who_may_not_kill_reaps_what_nobody_shows_any_more() -> None:
    """The third posting asks for each sharer, and by then there may be none."""
    cell = fill("S0-perm", "E", 100)
    assert set(cell.results) == {"-EBUSY", "0", "-ESRCH"}
    assert cell.word("MEET") == "some"


@pytest.mark.parametrize("design", ["B", "C", "D", "E"])
def test_one_call_is_too_late_for_who_exits_by_itself(design: str) -> None:
    cell = fill("S1-exit", design, 100)
    assert cell.word("STRAND") == "some"
    assert set(cell.results) == {"0", "-ESRCH"}


def test_what_is_kept_reachable_is_never_too_late() -> None:
    assert list(fill("S1-exit", "F", 100).results) == ["0"]


def test_one_sharer_once_makes_immune_for_life() -> None:
    assert list(fill("S3-past", "D", 100).results) == ["-EINVAL"]
    assert list(fill("S3-past", "C", 100).results) == ["0"]


@pytest.mark.parametrize("design", ["B", "C", "D"])
def test_the_number_that_the_signal_goes_to_is_nobodys(design: str) -> None:
    """Once the pidfd is closed and the victim is reaped, it is freed memory."""

    def play(m: Machine) -> None:
        app = m.spawn("app", anon="16K", parent=ignores_children(m))
        lmkd = m.spawn("lmkd", threads=2)
        fd = lmkd.call(pidfd_open, app.pid, 0)
        first, second = lmkd.threads
        first.runs(lambda: process_mrelease(fd, REAP_KILL))
        second.runs(lambda: close(fd))
        app.runs(lambda: exit_group(0))
        m.run()

    (report,) = explored(play, DESIGNS[design], stop=True).reports
    assert isinstance(report, UseAfterFree)
    assert re.match(r"pid#\d+ was touched by rcu_dereference", report.summary)


def test_only_the_rfc_marks_the_memory_before_it_kills() -> None:
    """What the first posting said of itself, and did not do."""
    marked = {}
    for design in ("B0", "B"):
        with Machine(reaper=False) as machine:
            apply(machine, [DESIGNS[design]])
            app, lmkd = machine.spawn("app", anon="16K"), machine.spawn("lmkd")
            app.freeze()
            lmkd.runs(partial(release, machine, app.pid))
            lmkd.step_to(inside=__oom_reap_task_mm)
            marked[design] = app.space.flags._has(MMF_UNSTABLE)
    assert marked == {"B0": True, "B": False}


@pytest.mark.parametrize("design", ["B", "C"])
def test_a_reader_does_not_help_against_a_new_sharer(design: str) -> None:
    """With more than one user all processes are asked, and it is as much in vain."""

    def play(m: Machine) -> Judged:
        cast = Cast.of(m, memory=ONE_MAPPING)

        @cast.victim.runs
        def _() -> None:
            clone(CLONE_VM | SIGCHLD, pause)
            pause()

        return cast.play()

    assert "LIVEZAP" in words(explored(play, DESIGNS[design]))


def test_naming_the_parent_of_a_vfork_child_empties_the_child() -> None:
    """The hole of the second posting has two ends."""

    def play(m: Machine) -> Judged:
        cast = Cast.of(m, read=False)
        cast.share("child")
        cast.mm.flags.bit(MMF_MULTIPROCESS).value = False  # as after vfork()
        return cast.play()

    assert "LIVEZAP" in words(explored(play, DESIGNS["D"]))


@pytest.mark.parametrize(
    ("design", "answer"), [("B", 0), ("C", 0), ("D", 0), ("E", -EBUSY)]
)
def test_who_asks_for_the_namespace(m: Machine, design: str, answer: int) -> None:
    """A descriptor that comes from outside names whom the caller could not signal."""
    apply(m, [DESIGNS[design]])
    app, outer = m.spawn("app", anon="16K"), m.spawn("outer")
    fd = outer.call(pidfd_open, app.pid, 0)
    answers = []

    def inner() -> None:
        answers.append(pidfd_send_signal(fd, SIGKILL, None, 0))
        answers.append(process_mrelease(fd, REAP_KILL))
        pause()

    @outer.runs
    def _() -> None:
        clone(CLONE_NEWPID | SIGCHLD, inner)
        pause()

    m.run()
    assert answers == [-EINVAL, answer]
    assert is_dying(app.task) is (answer == 0)


@pytest.mark.parametrize(
    ("design", "answer"), [("A", -EINVAL), ("B", -EINVAL), ("D", 0), ("E", 0)]
)
def test_kernel_threads_that_borrow_the_memory(
    m: Machine, design: str, answer: int
) -> None:
    """Who asks whether all are dying does not leave them out; who kills all does."""
    apply(m, [DESIGNS[design]])
    app, lmkd = m.spawn("app", anon="16K"), m.spawn("lmkd")
    mm = app.space
    start_kthread(m, "worker", lambda: kthread_use_mm(mm))
    app.freeze()
    lmkd.freeze()
    lmkd.runs(partial(release, m, app.pid))
    with m.hold(mm.mm_users, by="worker"):
        m.run()
        lmkd.thaw()
        m.run()
        assert lmkd.result == answer


# -- what a task gave up ---------------------------------------------------------------

blind = Patch("blind", kind="bug", summary="F without the sharers", origin="here")
for _target, _function in DESIGNS["F"].functions.items():
    if _target is not oom_kill.process_mrelease:
        blind.replaces(_target)(_function)


@blind.replaces(oom_kill.process_mrelease)
def _process_mrelease(pidfd: int, flags: int) -> int:
    del flags
    task = pidfd_get_task(pidfd)
    assert isinstance(task, task_struct)
    mm = exit_mm_pinned._mm_of(task)
    assert mm is not None
    ret = exit_mm_pinned._reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


def test_what_was_given_up_has_to_be_asked_for_its_sharers() -> None:
    scenario = SCENARIOS["S3"]
    seeing = explore(scenario.but(patches=(DESIGNS["F"],)))
    unseeing = explore(scenario.but(patches=(blind,)))
    assert "LIVEZAP" not in words(seeing)
    assert "LIVEZAP" in words(unseeing)


@pytest.mark.parametrize(("design", "kept"), [("A", False), ("F", True)])
def test_every_zombie_keeps_a_structure(m: Machine, design: str, kept: bool) -> None:
    apply(m, [DESIGNS[design]])
    nobody_waits(m)
    app = m.spawn("app", anon="16K")
    mm = app.space
    kill(app.pid, SIGKILL)
    m.run()
    assert app.task.__dict__["exit_state"] == EXIT_ZOMBIE
    assert (mm._death is None) is kept


# -- readers without users -------------------------------------------------------------


def test_an_exit_waits_for_a_readers_section_and_not_for_the_reader(
    m: Machine,
) -> None:
    apply(m, [DESIGNS["G"]])
    app = m.spawn("app", anon="64K")
    mm = app.space
    with m.hold(mm.mm_count, by="reader"):
        with m.hold(mm.mmap_lock, by="reader", shared=True):
            kill(app.pid, SIGKILL)
            m.run()
            assert mm.rss_stat[MM_ANONPAGES].counter == 16
        m.run()
        assert mm.rss_stat[MM_ANONPAGES].counter == 0


def test_what_a_reader_faults_in_without_users_is_not_lost(m: Machine) -> None:
    """It was said to leak, unless readers looked at the users first.

    Before the exit has the lock the page is taken with all others; afterwards there
    is no mapping any more.
    """
    apply(m, [DESIGNS["G"]])
    app, reader = m.spawn("app"), m.spawn("reader")
    mm, at = app.space, app.call(mmap, PAGE_SIZE)
    read = partial(access_remote_vm, mm, at, PAGE_SIZE, FOLL_WRITE)
    with m.hold(mm.mm_count, by="reader"):
        kill(app.pid, SIGKILL)
        app.step_to(inside=exit_mmap)
        assert mm.mm_users.counter == 0
        assert reader.call(read) == PAGE_SIZE
        assert mm.rss_stat[MM_ANONPAGES].counter == 1
        app.thaw()
        m.run()
        assert mm.rss_stat[MM_ANONPAGES].counter == 0
        assert reader.call(read) == 0
        with m.as_boot():
            assert list(_books()) == []


# -- a frozen victim -------------------------------------------------------------------


@pytest.mark.parametrize("design", ["A", "I-thaw"])
def test_thawing_all_lets_threads_run_that_nobody_counts(design: str) -> None:
    """Thawing one leaves the others, and the memory, in the cold.

    Either way the killer is switched off as soon as the counted thread is gone.
    """
    with Machine(Config(timers=Timers.IDLE), reaper=False) as m:
        apply(m, [DESIGNS[design]])
        app, suspend = m.spawn("app", anon="16K", threads=2), m.spawn("suspend")
        sibling, mm = app.threads[1], app.space
        with m.as_boot():
            WRITE_ONCE(freezer()).pm_freezing = True
            static_branch_freezer(True)
            for thread in app.threads:
                freeze_task(thread.task)
        m.run()
        assert all(frozen(thread.task) for thread in app.threads)
        sibling.freeze()  # keeps it from a step, whether it may take one or not
        kill(app.pid, SIGKILL)
        with m.as_boot():
            mark_oom_victim(app.task)
        suspend.runs(partial(oom_killer_disable, HZ()))
        m.run()
        assert suspend.result is True
        assert frozen(sibling.task) is (design == "I-thaw")
        sibling.thaw()
        m.run()
        assert bool(mm.rss_stat[MM_ANONPAGES].counter) is (design == "I-thaw")
