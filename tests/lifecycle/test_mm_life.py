# SPDX-License-Identifier: GPL-2.0-only
"""The counts and flags in the life of an address space, and who may use it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import Machine
from pykmm.boot import start_kthread
from pykmm.errno import EACCES, EINTR, EINVAL, ESRCH
from pykmm.errors import KernelBug, UseAfterFree
from pykmm.kernel.fork import mm_alloc, mmput, mmput_async
from pykmm.kernel.fork_copy import copy_sighand
from pykmm.kernel.fork_mm import get_task_mm, mm_access
from pykmm.kernel.kthread import kthread_unuse_mm, kthread_use_mm
from pykmm.linux.completion import complete, completion, wait_for_completion
from pykmm.linux.maple_tree import mtree_empty
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MMF_HAS_MDWE,
    MMF_HAS_MDWE_NO_INHERIT,
    MMF_MULTIPROCESS,
    MMF_OOM_REAP_QUEUED,
    MMF_OOM_SKIP,
    MMF_TOPDOWN,
    MMF_UNSTABLE,
    _tree_of,
    mm_struct,
    mmf_init_legacy_flags,
)
from pykmm.linux.mmap_lock import (
    mmap_read_trylock,
)
from pykmm.linux.rwsem import down_write, up_write
from pykmm.linux.sched import EXIT_ZOMBIE, current, task_struct
from pykmm.linux.sched.mm import mmdrop, mmget, mmget_not_zero, mmgrab
from pykmm.linux.spinlock import spin_lock, spin_unlock, spinlock_t
from pykmm.linux.uapi import (
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_MDWE,
    SIGCHLD,
    SIGKILL,
)
from pykmm.linux.uapi_sched import CLONE_VM
from pykmm.mm.mmap_dup import dup_mmap
from pykmm.mm.oom_kill_victim import process_shares_mm
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.syscalls import (
    clone,
    exit_group,
    fork,
    kill,
    open,
    pause,
    pidfd_open,
    poll,
    prctl,
    pread,
    process_mrelease,
)
from tests.lifecycle._people import call, oom_kill
from tests.lifecycle.pages_setup import TWO, boot, maps, memory, rss

NOBODY = 65534


def counts(mm: mm_struct) -> tuple[int, int]:
    return mm.mm_users.counter, mm.mm_count.counter


def run(m: Machine, body: Callable[[], object], **facts: object) -> object:
    program = m.spawn("program", **facts)  # type: ignore[arg-type]  # spawn's
    program.runs(body)
    m.run()
    return program.result


def test_l67_only_the_last_user_tears_down() -> None:
    with boot() as m:
        app = m.spawn("app", parent=m.spawn("shell"))
        maps(app, *TWO)
        mm = memory(app)
        kept = m.hold(mm.mm_count, by="the test")
        reader = m.hold(mm.mm_users, by="a reader")
        assert counts(mm) == (2, 2)
        app.runs(lambda: exit_group(0))
        m.run()
        assert (counts(mm), mm.map_count, rss(mm)[MM_ANONPAGES]) == ((1, 2), 2, 5)
        reader.let_go()
        assert (counts(mm), rss(mm)[MM_ANONPAGES]) == ((0, 1), 0)
        assert mtree_empty(_tree_of(mm))
        kept.let_go()
        assert mm not in m.alive


def test_l68_no_user_after_the_last_one() -> None:
    """Who has /proc/PID/mem open keeps the structure, and asks at each access.

    Others are looked up by process, so nothing but the host can ask for one more.
    """
    with boot() as m:
        app = m.spawn("app", anon="16K")
        at, mm = app.memory[0].start, memory(app)
        seen: list[object] = []

        def program() -> None:
            fd = open(f"/proc/{app.pid}/mem")
            seen.append(pread(fd, 8, at))
            pidfd = pidfd_open(app.pid, 0)
            kill(app.pid, SIGKILL)
            poll(pidfd)
            seen.extend(pread(fd, 8, at) for _ in range(3))
            pause()

        reader = m.spawn("reader")
        reader.runs(program)
        m.run()
        assert seen == [bytes(8), b"", b"", b""]
        assert counts(mm) == (0, 1)
        mmgrab(mm)
        assert not mmget_not_zero(mm)
        mmdrop(mm)
        assert counts(mm) == (0, 1)
        call(m, "killer", lambda: kill(reader.pid, SIGKILL))
        assert mm not in m.alive
        with pytest.raises(UseAfterFree):
            mmgrab(mm)


def test_l69_a_reader_is_the_last_user() -> None:
    with boot() as m:
        app = m.spawn("app", parent=m.spawn("shell"), oom_score_adj=1000)
        maps(app, *TWO)
        mm = memory(app)
        reference = m.hold(app.space.mm_users, by="reader")
        oom_kill(m)  # and the reaper comes after two seconds
        assert (app.mm, app.task.__dict__["exit_state"]) == (None, EXIT_ZOMBIE)
        assert (rss(mm)[MM_ANONPAGES], mm.map_count) == (0, 2)
        skip = mm.flags.bit(MMF_OOM_SKIP)
        by = [e.thread.name for e in m.events if e.obj is skip and e.kind == "set_bit"]
        assert by == ["oom_reaper"]

        def reader() -> object:
            released = process_mrelease(pidfd_open(app.pid, 0), 0)
            mmput(mm)
            return released, mtree_empty(_tree_of(mm))

        reference.hand_over()
        assert run(m, reader) == (-ESRCH, True)


def test_l70_the_last_user_in_atomic_context() -> None:
    """No system call does this: in Linux tracing programs and private futexes do."""
    with boot() as m:
        app = m.spawn("app")
        maps(app, *TWO)
        mm = memory(app)
        lock = spinlock_t()

        def atomic() -> int:
            mmget(mm)
            exits = mm.mm_users.counter
            mmput(mm)
            own = mm_alloc()
            spin_lock(lock)
            mmput_async(own)
            spin_unlock(lock)
            told.append(own in m.alive)
            return exits

        told: list[bool] = []
        assert run(m, atomic) == 2
        assert told == [True]
        workers = [e.thread.name for e in m.events if e.kind == "set_bit"]
        assert "program" not in workers
        assert any(t.name.startswith("kworker") for t in m.threads)


def test_l75_a_queued_writer_keeps_the_reaper_out() -> None:
    with boot() as m:
        app = m.spawn("app", parent=m.spawn("shell"))
        maps(app, *TWO)
        mm = memory(app)
        mm_count = m.hold(mm.mm_count, by="the test")
        with m.hold(mm.mmap_lock, by="a reader", shared=True):
            app.runs(lambda: exit_group(0))
            m.run()
            assert "down_write_wait" in app.where
            assert mm.flags._has(MMF_OOM_SKIP)
            assert run(m, lambda: mmap_read_trylock(mm)) is False
        m.run()
        assert mtree_empty(_tree_of(mm))
        mm_count.let_go()


def test_l76_pages_that_are_still_counted() -> None:
    """Only a bug of the kernel leaves some, so the counter is set by hand."""
    with boot():
        mm = mm_alloc()
        mmgrab(mm)
        mmput(mm)
        mm.rss_stat[MM_ANONPAGES].counter = 1
        with pytest.raises(KernelBug, match="MM_ANONPAGES val:1"):
            mmdrop(mm)


def test_l77_flags_that_a_child_starts_with() -> None:
    """Let somebody be reaped while it copies itself."""
    with boot() as m:
        app = m.spawn("app", anon="64K", oom_score_adj=1000)
        mm = memory(app)

        @app.runs
        def _() -> None:
            prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)
            clone(CLONE_VM | SIGCHLD, pause)
            fork()

        app.step_to(inside=clone)
        app.step_to(inside=copy_sighand)
        app.step_to(inside=fork)
        app.step_to(inside=copy_sighand)
        oom_kill(m)
        lost = (MMF_OOM_SKIP, MMF_UNSTABLE, MMF_OOM_REAP_QUEUED, MMF_MULTIPROCESS)
        assert all(mm.flags._has(flag) for flag in (*lost, MMF_HAS_MDWE))
        app.step_to(inside=dup_mmap)
        copy = [x for x in m.alive if type(x) is mm_struct][-1]
        assert copy is not mm
        assert copy.flags._value == 1 << MMF_HAS_MDWE


def test_which_flags_a_copy_starts_with() -> None:
    both = 1 << MMF_HAS_MDWE | 1 << MMF_HAS_MDWE_NO_INHERIT
    assert mmf_init_legacy_flags(both | 1 << MMF_TOPDOWN | 0b111) == (
        1 << MMF_TOPDOWN | 0b100
    )


def test_l78_an_address_space_is_queued_once() -> None:
    """Two that share it are killed, and the killer comes to both: one has gone then."""
    with boot() as m:
        p = m.spawn("p", anon="16K")
        q = m.spawn("q", shares_mm=p, oom_score_adj=1000)
        mm = memory(p)
        m.clock.stands = True  # the reaper's two seconds are not over
        p.freeze()
        q.freeze()
        call(m, "killer", lambda: [kill(p.pid, SIGKILL), kill(q.pid, SIGKILL)])
        oom_kill(m)
        oom_kill(m)
        assert [x.task.signal.__dict__["oom_mm"] for x in (p, q)] == [None, mm]
        q.thaw()
        m.run()
        oom_kill(m)
        assert [x.task.signal.__dict__["oom_mm"] for x in (p, q)] == [mm, mm]
        assert mm.flags._has(MMF_OOM_REAP_QUEUED)
        m.clock.stands = False
        m.run()
        timers = (p.task.oom_reaper_timer, q.task.oom_reaper_timer)
        added = [e.obj for e in m.events if e.obj in timers and e.kind == "add_timer"]
        assert added == [q.task.oom_reaper_timer]
        queued = [e for e in m.events if e.obj is mm.flags.bit(MMF_OOM_SKIP)]
        assert [e.thread.name for e in queued if e.kind == "set_bit"] == ["oom_reaper"]
        p.thaw()
        m.run()


def test_l79_whose_memory_may_be_accessed() -> None:
    with boot() as m:
        zombie = m.spawn("zombie", parent=m.spawn("shell"))
        zombie.runs(lambda: exit_group(0))
        m.run()
        other = m.spawn("other")

        def body() -> object:
            own = mm_access(current())
            assert isinstance(own, mm_struct)
            mmput(own)
            return (
                get_task_mm(zombie.task),
                mm_access(zombie.task),
                mm_access(other.task),
                own is current().mm,
            )

        assert run(m, body, uid=NOBODY) == (None, -ESRCH, -EACCES, True)
        assert counts(memory(other)) == (1, 1)


def test_l79_killed_while_waiting_for_an_exec() -> None:
    told: list[object] = []
    with boot() as m:
        other = m.spawn("other")
        waiter = m.spawn("waiter", parent=m.spawn("shell"))

        def execs() -> None:
            down_write(other.task.signal.exec_update_lock)
            complete(locked)
            wait_for_completion(done)
            up_write(other.task.signal.exec_update_lock)

        def waits() -> None:
            wait_for_completion(locked)
            told.append(mm_access(other.task))
            complete(done)

        locked, done = completion(), completion()
        waiter.runs(waits)
        other.runs(execs)
        m.spawn("killer").runs(lambda: kill(waiter.pid, SIGKILL))
        m.run()
        assert told == [-EINTR]


def test_l32_a_kernel_thread_borrows_memory() -> None:
    with boot() as m:
        app = m.spawn("app", anon="16K", parent=m.spawn("shell"))
        mm = memory(app)
        app.task._program = None  # it sleeps through its end
        user = m.hold(mm.mm_users, by="a reader")  # or nobody looks who else there is
        told: list[object] = []

        def body() -> None:
            before = counts(mm)
            kthread_use_mm(mm)
            own = current()
            told.append((before, counts(mm), get_task_mm(own)))
            told.append(process_shares_mm(own, mm))
            complete(borrowed)
            wait_for_completion(asked)
            kthread_unuse_mm(mm)
            told.append((counts(mm), own.mm is None, own.active_mm is mm))
            complete(returned)

        borrowed, asked, returned = completion(), completion(), completion()
        start_kthread(m, "worker", body)

        def lmkd() -> None:
            wait_for_completion(borrowed)
            fd = pidfd_open(app.pid, 0)
            kill(app.pid, SIGKILL)
            told.append(process_mrelease(fd, 0))
            complete(asked)
            wait_for_completion(returned)
            told.append(process_mrelease(fd, 0))

        m.spawn("lmkd").runs(lmkd)
        m.run()
        assert told == [
            ((2, 1), (2, 2), None),
            True,
            -EINVAL,
            ((2, 2), True, True),
            0,
        ]
        user.let_go()


def test_the_owner_of_shared_memory_hands_it_on() -> None:
    with boot() as m:
        free = nr_free_pages()
        app = m.spawn("app", anon="16K", parent=m.spawn("shell"))
        mm = memory(app)

        def body() -> None:
            clone(CLONE_VM | SIGCHLD)
            assert mm.__dict__["owner"] is current()
            exit_group(0)

        app.runs(body)
        m.run()
        (child,) = [
            t for t in m.alive if isinstance(t, task_struct) and t.__dict__["mm"] is mm
        ]
        assert mm.__dict__["owner"] is child
        kill(child.pid, SIGKILL)
        m.run()
        assert mm not in m.alive
        assert nr_free_pages() == free
