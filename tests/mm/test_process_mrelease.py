# SPDX-License-Identifier: GPL-2.0-only
"""``process_mrelease()``: every errno, in the order in which they are looked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.boot import Region
from pykmm.engine import Config
from pykmm.errno import EAGAIN, EBADF, EINVAL, ENOSYS, ESRCH
from pykmm.kernel.fork import mmput
from pykmm.linux.mm import mm_flags_set, mm_flags_test
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MMF_OOM_REAP_QUEUED,
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    mm_struct,
)
from pykmm.linux.sched import PF_KTHREAD
from pykmm.linux.sched.mm import mmgrab
from pykmm.linux.sched.signal import SIGNAL_GROUP_EXIT, core_state
from pykmm.linux.uapi import PIDFD_SELF_THREAD_GROUP, PIDFD_THREAD, SIGKILL
from pykmm.syscalls import kill, pidfd_open, process_mrelease
from pykmm.workbench import Machine, Process

ALL_BITS = [1 << bit for bit in range(32)]


def call(m: Machine, body: Callable[[], object]) -> object:
    """Run *body* as a process's program and return what it returned."""
    caller = m.spawn("caller")
    caller.runs(body)
    m.run()
    return caller.result


def held(app: Process) -> mm_struct:
    """Mark *app* as killed while it stays where it is, as a tracer can hold it.

    Nobody wakes it: that is what stopping at PTRACE_EVENT_EXIT comes to.
    """
    app.task.signal.flags = SIGNAL_GROUP_EXIT
    assert app.mm is not None
    return app.mm


def resident(mm: mm_struct) -> int:
    return sum(
        mm.rss_stat[kind].counter
        for kind in (MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES)
    )


@pytest.mark.parametrize("flags", [*ALL_BITS, 0xFFFFFFFF, 3])
def test_any_flag_is_refused_before_the_descriptor_is_looked_at(flags: int) -> None:
    with Machine() as m:
        assert call(m, lambda: process_mrelease(-1, flags)) == -EINVAL


def test_no_descriptor() -> None:
    with Machine() as m:
        assert call(m, lambda: process_mrelease(77, 0)) == -EBADF


def test_a_living_process() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="64K")
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == -EINVAL
        assert app.mm is not None
        assert resident(app.mm) == 16
        assert not mm_flags_test(MMF_UNSTABLE, app.mm)


def test_a_held_victim_is_reaped_and_stays_attached() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="64K", file="8K", shmem="4K")
        mm = held(app)
        tables = mm.pgtables_bytes.counter
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == 0
        assert mm_flags_test(MMF_UNSTABLE, mm)
        # Neither SKIP nor QUEUED is the system call's to set, and tables stay.
        assert not mm_flags_test(MMF_OOM_SKIP, mm)
        assert not mm_flags_test(MMF_OOM_REAP_QUEUED, mm)
        assert mm.pgtables_bytes.counter == tables
        assert mm.rss_stat[MM_ANONPAGES].counter == 0


@pytest.mark.parametrize(
    ("region", "left"),
    [
        (Region("anon", 8 << 12), 0),
        (Region("file", 8 << 12), 0),
        (Region("shmem", 8 << 12), 0),
        (Region("file", 8 << 12, shared=True), 8),
        (Region("shmem", 8 << 12, shared=True), 8),
    ],
)
def test_private_mappings_are_reaped_and_shared_ones_kept(
    region: Region, left: int
) -> None:
    with Machine() as m:
        app = m.spawn("app", regions=[region])
        mm = held(app)
        assert resident(mm) == 8
        assert call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0)) == 0
        assert resident(mm) == left


def test_it_is_idempotent_while_the_mm_is_attached() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        held(app)

        def body() -> object:
            fd = pidfd_open(app.pid, 0)
            return [process_mrelease(fd, 0) for _ in range(3)]

        assert call(m, body) == [0, 0, 0]


def test_after_the_reaper_there_is_nothing_left_to_do() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        assert app.mm is not None
        mm_flags_set(MMF_OOM_SKIP, app.mm)
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        # Alive or not: the work has been done already.
        assert ret == 0
        assert resident(app.mm) == 4


def test_a_dumping_process_is_not_dying() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        held(app)
        app.task.signal.core_state = core_state(dumper=app.task)
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == -EINVAL


def test_a_sharer_that_lives_on_forbids_it() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        friend = m.spawn("friend", shares_mm=app)
        mm = held(app)
        both: list[object] = []

        def body() -> None:
            fd = pidfd_open(app.pid, 0)
            both.append(process_mrelease(fd, 0))

        call(m, body)
        held(friend)
        call(m, body)
        assert both == [-EINVAL, 0]
        assert resident(mm) == 0


def test_a_kernel_thread_that_borrows_the_mm_forbids_it() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        vhost = m.spawn("vhost", shares_mm=app)
        vhost.task.__dict__["flags"] = PF_KTHREAD
        mm = held(app)
        mmgrab(mm)  # who borrows keeps the structure, and is no user
        mmput(mm)
        # Has it look who else shows the mm.
        pin = m.hold(app.space.mm_users, by="reader")
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == -EINVAL
        pin.let_go()


def test_a_passing_reader_does_not_forbid_it() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")
        pin = m.hold(app.space.mm_users, by="reader")
        mm = held(app)
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == 0
        assert resident(mm) == 0
        pin.let_go()


def test_the_descriptor_of_a_thread_names_no_process() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K", threads=2)
        held(app)
        tid = app.pid + 1
        ret = call(m, lambda: process_mrelease(pidfd_open(tid, PIDFD_THREAD), 0))
        assert ret == -ESRCH


def test_a_dead_leader_with_living_threads() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K", threads=2)
        mm = held(app)
        app.task.mm = None
        mm.mm_users.counter -= 1
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == 0
        assert resident(mm) == 0


def test_once_reaped_there_is_no_such_process() -> None:
    with Machine() as m:
        app = m.spawn("app", anon="16K")

        def body() -> object:
            fd = pidfd_open(app.pid, 0)
            kill(app.pid, SIGKILL)
            return fd

        caller = m.spawn("caller")
        caller.runs(body)
        m.run()
        fd = caller.result
        assert isinstance(fd, int)
        with_task = m.spawn("again")
        with_task.task.files = caller.task.files
        caller.task.files.count.counter += 1
        with_task.runs(lambda: process_mrelease(fd, 0))
        m.run()
        assert with_task.result == -ESRCH


def test_oneself_is_alive() -> None:
    with Machine() as m:
        assert call(m, lambda: process_mrelease(PIDFD_SELF_THREAD_GROUP, 0)) == -EINVAL


def test_init_is_alive_and_a_kernel_thread_has_no_mm() -> None:
    with Machine() as m:
        kthread = next(t for t in m.tasks() if t.comm == "oom_reaper")
        results = call(
            m,
            lambda: [process_mrelease(pidfd_open(nr, 0), 0) for nr in (1, kthread.pid)],
        )
        assert results == [-EINVAL, -ESRCH]


def test_without_an_mmu_there_is_no_such_call() -> None:
    with Machine(Config(CONFIG_MMU=False)) as m:
        assert call(m, lambda: process_mrelease(-1, 5)) == -ENOSYS


def test_a_notifier_that_refuses_leaves_the_rest_done() -> None:
    from pykmm.linux.mmu_notifier import mmu_notifier, mmu_notifier_ops
    from pykmm.mm.mmu_notifier import mmu_notifier_register

    with Machine() as m:
        app = m.spawn("app", regions=[Region("anon", 4 << 12), Region("anon", 4 << 12)])
        mm = held(app)
        starts: list[int] = []

        def refuse_low(subscription: mmu_notifier, range_: object) -> int:
            start = range_.start  # type: ignore[attr-defined]  # an mmu_notifier_range
            starts.append(start)
            return -EAGAIN if start == min_start else 0

        min_start = 0x10_0000_0000
        subscription = mmu_notifier(
            ops=mmu_notifier_ops(invalidate_range_start=refuse_low)
        )
        assert mmu_notifier_register(subscription, mm) == 0
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == -EAGAIN
        # From the top down, and the refused one is all that is left.
        assert starts == sorted(starts, reverse=True)
        assert resident(mm) == 4
