# SPDX-License-Identifier: GPL-2.0-only
"""Opening, reading, writing and closing what is below ``/proc``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm.engine import Config, Timers
from pykmm.errno import EBADF, EFAULT, EINVAL, EMFILE, EPERM
from pykmm.linux.fdtable import NR_OPEN
from pykmm.linux.proc_fs import ProcFile
from pykmm.linux.uapi import O_RDWR, O_WRONLY
from pykmm.syscalls import close, pidfd_open, read, write
from pykmm.syscalls import open as open_file
from pykmm.workbench import Machine

PANIC = "/proc/sys/vm/panic_on_oom"


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine whose timers go off when nobody can do anything."""
    with Machine(Config(timers=Timers.IDLE)) as booted:
        yield booted


def run(machine: Machine, body: Callable[[], object]) -> object:
    program = machine.spawn("program")
    program.runs(body)
    machine.run()
    return program.result


def test_descriptors_that_are_none(machine: Machine) -> None:
    def body() -> object:
        return read(99), write(99, "1"), close(99)

    assert run(machine, body) == (-EBADF, -EBADF, -EBADF)


def test_a_pidfd_is_no_such_file(machine: Machine) -> None:
    def body() -> object:
        fd = pidfd_open(1, 0)
        return read(fd), write(fd, "1"), close(fd), close(fd)

    assert run(machine, body) == (-EINVAL, -EINVAL, 0, -EBADF)


def test_modes_of_opening(machine: Machine) -> None:
    def body() -> object:
        reads, writes = open_file(PANIC), open_file(PANIC, O_WRONLY)
        score = open_file("/proc/self/oom_score", O_RDWR)
        bad = write(writes, None)
        return write(reads, "1"), read(writes), write(score, "1"), bad

    assert run(machine, body) == (-EBADF, -EBADF, -EINVAL, -EFAULT)


def test_who_may_is_asked_again_when_a_setting_is_used(machine: Machine) -> None:
    def body() -> object:
        from pykmm.linux.cred import cred
        from pykmm.linux.sched import current

        fd = open_file(PANIC, O_RDWR)
        current().cred = cred(uid=7)
        return read(fd), write(fd, "1")

    # Everybody may read.
    assert run(machine, body) == (b"0\n", -EPERM)


def test_a_table_that_is_full(machine: Machine) -> None:
    def body() -> object:
        fds = [open_file(PANIC) for _ in range(NR_OPEN - 2)]
        return fds[0], fds[-2], fds[-1]

    assert run(machine, body) == (3, NR_OPEN - 1, -EMFILE)
    files = [f for f in machine.alive if isinstance(f, ProcFile)]
    assert len(files) == NR_OPEN - 3


def test_an_exit_closes_everything(machine: Machine) -> None:
    from pykmm.syscalls import exit_group

    def body() -> None:
        open_file(PANIC)
        open_file("/proc/1/oom_score")
        exit_group(0)

    run(machine, body)
    assert not any(isinstance(f, ProcFile) for f in machine.alive)


def test_vmstat(machine: Machine) -> None:
    machine.spawn("app", anon="64K", file="32K", shmem="8K")
    text = run(machine, lambda: read(open_file("/proc/vmstat")))
    assert isinstance(text, bytes)
    found = dict(line.split() for line in text.decode().splitlines())
    assert found["nr_anon_pages"] == "16"
    assert found["nr_mapped"] == found["nr_file_pages"] == "10"
    assert found["nr_shmem"] == "2"
    assert found["nr_inactive_anon"] == "18"
    assert found["nr_inactive_file"] == "8"
    used = 16 + 10 + int(found["nr_page_table_pages"])
    assert int(found["nr_free_pages"]) == (1 << 20) - used
    assert found["oom_kill"] == "0"


def test_threads_by_their_own_names(machine: Machine) -> None:
    app = machine.spawn("app", threads=2, oom_score_adj=7)
    tid = app.pid + 1

    def body() -> object:
        own = read(open_file("/proc/thread-self/oom_score_adj"))
        paths = (f"/proc/{app.pid}/task/{tid}/oom_score_adj", f"/proc/{tid}/oom_adj")
        return own, *(read(open_file(path)) for path in paths)

    assert run(machine, body) == (b"0\n", b"7\n", b"0\n")
