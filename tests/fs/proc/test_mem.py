# SPDX-License-Identifier: GPL-2.0-only
"""Memory as a file: what is reached, and what its reader keeps alive."""

from __future__ import annotations

import pytest

from pykmm import Machine, explore
from pykmm.engine import Access
from pykmm.errno import EACCES, EBADF, EFAULT, EINVAL, EIO, ENOENT, ESRCH
from pykmm.linux.mm_types import MM_ANONPAGES, mm_struct
from pykmm.linux.uapi import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    O_RDONLY,
    O_RDWR,
    PR_SET_DUMPABLE,
    PROT_READ,
    SIGKILL,
)
from pykmm.syscalls import (
    exit_group,
    kill,
    mmap,
    open,
    pause,
    pidfd_open,
    prctl,
    pread,
    process_mrelease,
    pwrite,
    read,
    write,
)
from pykmm.workbench import Process
from tests.lifecycle._people import call

PAGE = 4096


def memory(p: Process) -> mm_struct:
    assert p.mm is not None
    return p.mm


def test_what_can_be_reached() -> None:
    def program() -> object:
        at = mmap(2 * PAGE)
        fd = open("/proc/self/mem", O_RDWR)
        got = pread(fd, 3 * PAGE, at), pread(fd, 5, at + PAGE - 2)
        lengths = [len(x) if isinstance(x, bytes) else x for x in got]
        return (
            lengths,
            pwrite(fd, b"x" * 10, at),
            pread(fd, 1, 0),
            read(fd, 1),
            pwrite(fd, None, at),
            write(fd, "x"),
            pread(fd, 1, -1),
            pwrite(fd, "x", -1),
            pread(99, 1, 0),
            pwrite(99, "x", 0),
        )

    with Machine() as m:
        errors = [-EIO, -EIO, -EFAULT, -EIO, -EINVAL, -EINVAL, -EBADF, -EBADF]
        lengths, written, *rest = call(m, "p", program, anon="64K")  # type: ignore[misc]
        assert lengths[0] >= 2 * PAGE  # and what happens to be mapped behind
        assert (lengths[1], written, rest) == (5, 10, errors)


def test_it_ends_at_a_hole_and_writes_what_may_only_be_read() -> None:
    def program() -> object:
        flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x10
        at = mmap(1 << 32, PAGE, PROT_READ, flags)
        fd = open("/proc/self/mem", O_RDWR)
        found = pread(fd, 2 * PAGE, at), pwrite(fd, b"x" * 100, at + PAGE - 50)
        return len(found[0]), found[1]  # type: ignore[arg-type]  # bytes

    with Machine() as m:
        p = m.spawn("p")
        p.runs(program)
        m.run()
        assert p.result == (PAGE, 50)
        assert memory(p).rss_stat[MM_ANONPAGES].counter == 1


@pytest.mark.parametrize(("uid", "told"), [(0, 3), (1000, 3), (1001, -EACCES)])
def test_who_may_open_it(uid: int, told: int) -> None:
    with Machine() as m:
        app = m.spawn("app", uid=1000)
        path = f"/proc/{app.pid}/mem"
        assert call(m, "reader", lambda: open(path, O_RDONLY), uid=uid) == told
        shy = m.spawn("shy", uid=1000)
        shy.runs(lambda: [prctl(PR_SET_DUMPABLE, 0), pause()])
        m.run()
        path = f"/proc/{shy.pid}/mem"
        expected = 3 if uid == 0 else -EACCES
        assert call(m, "reader", lambda: open(path, O_RDONLY), uid=uid) == expected


def test_zombies_and_kernel_threads_have_none() -> None:
    with Machine() as m:
        zombie = m.spawn("zombie", parent=m.spawn("shell"))
        zombie.runs(lambda: exit_group(0))
        m.run()
        kthread = next(t for t in m.tasks() if t.comm == "oom_reaper")
        paths = [f"/proc/{nr}/mem" for nr in (zombie.pid, kthread.pid, 9999)]
        found = call(m, "reader", lambda: [open(path) for path in paths])
        assert found == [-ESRCH, -ESRCH, -ENOENT]


def test_an_open_file_keeps_the_structure_and_no_memory() -> None:
    """As measured: it pins nothing."""
    with Machine() as m:
        app = m.spawn("app", anon="64K")
        mm, (area,) = memory(app), app.memory
        told: list[object] = []

        def reader() -> None:
            fd = open(f"/proc/{app.pid}/mem")
            counts = mm.mm_users.counter, mm.mm_count.counter
            kill(app.pid, SIGKILL)
            pidfd = pidfd_open(app.pid, 0)
            released = process_mrelease(pidfd, 0)
            told.extend([counts, released, pread(fd, 8, area.start)])
            pause()

        reading = m.spawn("reader")
        reading.runs(reader)
        m.run()
        assert (mm.mm_users.counter, mm.mm_count.counter) == (0, 1)
        assert mm.rss_stat[MM_ANONPAGES].counter == 0
        # Reaped, but still there: nothing is put in place of what was lost.
        assert told == [(1, 2), 0, -EIO]
        call(m, "killer", lambda: kill(reading.pid, SIGKILL))
        assert mm not in m.alive


def _reads_while_it_dies(m: Machine) -> object:
    """Open in time, read whenever: all, nothing, or an error; who takes it down?"""
    app = m.spawn("app", anon="8K")
    mm, (area,) = memory(app), app.memory
    reader = m.spawn("reader")

    def program() -> object:
        fd = open(f"/proc/{app.pid}/mem")
        if fd < 0:
            return fd
        found = pread(fd, 2 * PAGE, area.start)
        return len(found) if isinstance(found, bytes) else found

    reader.runs(program)
    m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    drops = [e for e in m.events if e.obj is mm.mm_users and e.access is Access.WRITE]
    return reader.result, drops[-1].thread.name


def test_a_reader_may_be_the_last_user() -> None:
    found = explore(_reads_while_it_dies, scheduler="pct", executions=300)
    assert found.reports == ()
    outcomes = {o.value for o in found.outcomes}
    assert {result for result, _ in outcomes} == {2 * PAGE, 0, -ESRCH, -ENOENT}
    assert (2 * PAGE, "app") in outcomes
    assert (2 * PAGE, "reader") in outcomes
    assert (0, "app") in outcomes
