# SPDX-License-Identifier: GPL-2.0-only
"""Accesses to an address space that is being reaped, by whoever makes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm import Machine
from pykmm.errno import EFAULT, EINVAL, EPERM, ESRCH
from pykmm.kernel.entry import fault
from pykmm.kernel.exit import do_exit
from pykmm.linux.completion import complete, completion, wait_for_completion
from pykmm.linux.mm import (
    VM_FAULT_SIGBUS,
    get_mm_rss,
    mm_flags_test,
    vma_lookup,
)
from pykmm.linux.mm_types import MMF_UNSTABLE, mm_struct
from pykmm.linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from pykmm.linux.uaccess import copy_from_user, copy_to_user
from pykmm.linux.uapi import SIGBUS, SIGKILL, SIGSEGV
from pykmm.mm._conservation import _books
from pykmm.mm.gup_pages import FOLL_WRITE, get_user_pages_remote, unpin_user_pages
from pykmm.mm.memory import zap_vma_for_reaping
from pykmm.mm.memory_access import access_process_vm, access_remote_vm
from pykmm.mm.memory_fault import _fault_in_range, handle_mm_fault
from pykmm.mm.mmap import _map_region
from pykmm.syscalls import (
    exit_group,
    kill,
    pidfd_open,
    process_mrelease,
    process_vm_readv,
    process_vm_writev,
    touch,
)
from pykmm.workbench import Process
from tests.lifecycle._people import is_gone
from tests.lifecycle.pages_setup import MIB, PAGE, boot, maps, released, releases

BASE = 64 * MIB


def _memory(process: Process) -> mm_struct:
    assert process.mm is not None
    return process.mm


def _touch(mm: mm_struct, addr: int, *, write: bool, nr: int = 1) -> int:
    """Fault pages in on the kernel's behalf; return what the fault did."""
    mmap_read_lock(mm)
    vma = vma_lookup(mm, addr)
    assert vma is not None
    ret = _fault_in_range(vma, addr, addr + nr * PAGE, write=write)
    mmap_read_unlock(mm)
    return ret


@pytest.mark.parametrize("write", [False, True])
def test_l123_nothing_takes_the_place_of_lost_memory(write: bool) -> None:
    with boot() as m:
        app = m.spawn("app")
        maps(app, {"kind": "anon", "populate_pages": 4})
        mm = _memory(app)
        answers = []

        def look(_: int) -> None:
            # Reaped, and never touched: it cannot be told from the outside.
            answers.extend(_touch(mm, BASE + at, write=write) for at in (0, MIB))
            assert get_mm_rss(mm) == 0
            assert mm.pgd[BASE >> 21].present[4] == 0

        released(m, app, look)
        assert answers == [VM_FAULT_SIGBUS] * 2


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """The signals that faults of programs send, with code and address.

    Who is being killed gets none of them any more.
    """
    found: list[tuple[int, int, int]] = []
    original = fault.force_sig_fault

    def spy(sig: int, code: int, addr: int) -> None:
        found.append((sig, code, addr))
        original(sig, code, addr)

    monkeypatch.setattr(fault, "force_sig_fault", spy)
    return found


_BUS_ADRERR = 2
_SEGV_MAPERR = 1


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(
    ("addr", "expected"),
    [
        (BASE, (SIGBUS, _BUS_ADRERR)),
        (BASE + MIB, (SIGBUS, _BUS_ADRERR)),
        (BASE - MIB, (SIGSEGV, _SEGV_MAPERR)),
    ],
    ids=["reaped", "never touched", "outside"],
)
def test_l123_a_program_that_is_still_in_user_mode(
    write: bool,
    addr: int,
    expected: tuple[int, int],
    sent: list[tuple[int, int, int]],
) -> None:
    """It has not noticed yet that it was killed, and touches once more."""
    with boot() as m:
        app = m.spawn("app")
        maps(app, {"kind": "anon", "populate_pages": 4})
        app.runs(lambda: touch(addr, 1, write))
        app.step_to(inside=touch)
        lmkd = releases(m, app)
        m.run()
        assert lmkd.result == 0
        mm = app.space
        app.step_to(inside=do_exit)
        assert sent == [(*expected, addr)]
        assert get_mm_rss(mm) == 0
        assert mm.pgd[BASE >> 21].present[4] == 0
        app.thaw()
        m.run()
        assert is_gone(app)


def test_l124_shared_mappings_go_on_and_private_ones_do_not() -> None:
    with boot() as m:
        app = m.spawn("app")
        maps(app, {"kind": "file", "shared": True}, {"kind": "file"})
        mm = _memory(app)
        answers = []

        def look(_: int) -> None:
            for base in (BASE, BASE + 4 * MIB):
                answers.extend(_touch(mm, base, write=write) for write in (False, True))

        released(m, app, look)
        assert answers == [0, 0, VM_FAULT_SIGBUS, VM_FAULT_SIGBUS]


def _swapped(m: Machine) -> Process:
    """Spawn a process with three swapped pages."""
    app = m.spawn("app")
    maps(app, {"kind": "anon", "swapped_pages": 3})
    return app


def test_l125_swap_that_is_left_comes_back(sent: list[tuple[int, int, int]]) -> None:
    """The pass has marked the memory, and has not come to the mapping yet."""
    with boot() as m:
        app = _swapped(m)
        mm = app.space
        app.runs(lambda: touch(BASE, PAGE, write=False))
        app.step_to(inside=touch)
        lmkd = releases(m, app)
        lmkd.step_to(inside=zap_vma_for_reaping)
        assert mm_flags_test(MMF_UNSTABLE, mm)
        app.step_to(inside=do_exit)
        assert (sent, [c.counter for c in mm.rss_stat]) == ([], [0, 1, 2, 0])
        for p in (app, lmkd):
            p.thaw()
        m.run()
        assert lmkd.result == 0


def test_l125_swap_that_goes_meanwhile_does_not() -> None:
    """Who has found the entry tries again when it is gone, and fails then."""
    with boot() as m:
        app = _swapped(m)
        mm = app.space
        app.freeze()
        reader = m.spawn("reader", anon="4K")
        own = [(reader.memory[0].start, PAGE)]
        reader.runs(lambda: process_vm_readv(app.pid, own, [(BASE, PAGE)], 0))
        reader.step_to("__alloc_pages", inside=handle_mm_fault)
        lmkd = releases(m, app)
        m.run()
        assert lmkd.result == 0
        assert [c.counter for c in mm.rss_stat] == [0, 0, 0, 0]
        reader.thaw()
        m.run()
        assert reader.result == -EFAULT
        assert _books() == []


def _two_pages(
    m: Machine, parent: Process | None = None
) -> tuple[Process, mm_struct, int]:
    """Spawn a process with two neighbours: a page that stays, and one to be reaped."""
    app = m.spawn("app", parent=parent)
    mm = _memory(app)
    _map_region(mm, BASE, PAGE, kind="anon", shared=True, populate_pages=1)
    _map_region(mm, BASE + PAGE, PAGE, kind="anon", populate_pages=1)
    return app, mm, BASE


@pytest.mark.parametrize("copy", [copy_from_user, copy_to_user])
def test_l127_a_system_call_of_a_dying_process_fails(
    copy: Callable[[int, int], int],
) -> None:
    with boot() as m:
        app, _, addr = _two_pages(m)
        done, lmkd = completion(), m.spawn("lmkd")
        left: list[int] = []

        @app.runs
        def _() -> None:
            wait_for_completion(done)  # as in the middle of a system call
            left.append(copy(addr, 2 * PAGE))
            left.append(copy(addr, PAGE))
            left.append(copy(addr + PAGE, PAGE))

        @lmkd.runs
        def _() -> int:
            fd = pidfd_open(app.pid, 0)
            kill(app.pid, SIGKILL)
            ret = process_mrelease(fd, 0)
            complete(done)
            return ret

        m.run()
        assert lmkd.result == 0
        assert left == [PAGE, 0, PAGE]


def test_l127_by_its_pages() -> None:
    with boot() as m:
        app, mm, addr = _two_pages(m)
        answers: list[object] = []

        def get(at: int, nr: int) -> object:
            pages = get_user_pages_remote(mm, at, nr, 0)
            if isinstance(pages, int):
                return pages
            unpin_user_pages(pages)
            return len(pages)

        def look(_: int) -> None:
            mmap_read_lock(mm)
            answers.extend([get(addr, 2), get(addr + PAGE, 1)])
            mmap_read_unlock(mm)
            answers.append(access_remote_vm(mm, addr, 2 * PAGE, 0))
            answers.append(access_remote_vm(mm, addr + PAGE - 8, 100, FOLL_WRITE))

        released(m, app, look)
        assert answers == [1, -EFAULT, PAGE, 8]
        assert _books() == []


def test_l127_by_other_processes() -> None:
    with boot() as m:
        app, _, addr = _two_pages(m)
        other = m.spawn("other", anon="8K", uid=1)
        own = [(other.memory[0].start, 2 * PAGE)]
        both, second = [(addr, 2 * PAGE)], [(addr + PAGE, PAGE)]
        lmkd = m.spawn("lmkd", anon="8K")
        mine = [(lmkd.memory[0].start, 2 * PAGE)]
        dead = m.spawn("dead", anon="4K")

        other.runs(lambda: process_vm_readv(app.pid, own, both, 0))

        @lmkd.runs
        def _() -> list[int]:
            kill(dead.pid, SIGKILL)
            fd = pidfd_open(app.pid, 0)
            answers = [process_vm_readv(app.pid, mine, both, 1)]
            answers.append(process_vm_readv(app.pid, mine, both, 0))
            kill(app.pid, SIGKILL)
            answers.append(process_mrelease(fd, 0))
            answers.append(process_vm_readv(app.pid, mine, both, 0))
            answers.append(process_vm_writev(app.pid, mine, second, 0))
            answers.append(access_process_vm(app.task, addr, 2 * PAGE, 0))
            answers.append(process_vm_readv(99999, mine, both, 0))
            return answers

        m.run()
        assert lmkd.result == [
            -EINVAL,
            2 * PAGE,
            0,
            PAGE,
            -EFAULT,
            PAGE,
            -ESRCH,
        ]
        assert other.result in (-EPERM, -ESRCH)  # whoever comes first


def test_l127_an_exited_task_has_no_memory() -> None:
    with boot() as m:
        # Nobody waits for it: it stays a zombie.
        app, _, addr = _two_pages(m, parent=m.spawn("parent"))
        tracer = m.spawn("tracer")
        app.runs(lambda: exit_group(0))
        m.run()
        assert app.mm is None
        tracer.runs(lambda: access_process_vm(app.task, addr, PAGE, 0))
        m.run()
        assert tracer.result == 0


def test_l128_a_living_partner_keeps_the_memory_and_a_dying_one_misses_it() -> None:
    with boot() as m:
        app, _, addr = _two_pages(m)
        twin = m.spawn("twin", shares_mm=app)
        started, done, lmkd = completion(), completion(), m.spawn("lmkd")
        left: list[int] = []

        @twin.runs
        def _() -> None:
            left.append(copy_from_user(addr + PAGE, 8))
            complete(started)
            wait_for_completion(done)
            left.append(copy_from_user(addr + PAGE, 8))

        @lmkd.runs
        def _() -> list[int]:
            wait_for_completion(started)
            fd = pidfd_open(app.pid, 0)
            kill(app.pid, SIGKILL)
            answers = [process_mrelease(fd, 0)]
            kill(twin.pid, SIGKILL)
            answers.append(process_mrelease(fd, 0))
            complete(done)
            return answers

        m.run()
        assert (lmkd.result, left) == ([-EINVAL, 0], [0, 8])
