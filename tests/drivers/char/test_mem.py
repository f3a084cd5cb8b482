# SPDX-License-Identifier: GPL-2.0-only
"""Mapping the memory of devices: page frames that nobody counts, and no page's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm import Config, Machine
from pykmm.errno import EAGAIN, EFAULT, EINVAL, ENODEV, ENOENT, ENOMEM, EPERM
from pykmm.linux.mm import VM_DONTDUMP, VM_DONTEXPAND, VM_IO, VM_LOCKED, VM_PFNMAP
from pykmm.linux.mm_types import _PFN_ENTRIES, _tree_of, mm_struct
from pykmm.linux.uapi import O_RDONLY, O_RDWR, SIGKILL, SIGSEGV
from pykmm.linux.uapi_falloc import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
from pykmm.linux.uapi_mman import (
    MADV_COLD,
    MADV_DOFORK,
    MADV_DONTNEED,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_WILLNEED,
    MAP_LOCKED,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MCL_CURRENT,
    MREMAP_DONTUNMAP,
    MREMAP_MAYMOVE,
    PROT_READ,
)
from pykmm.mm import memory_remap
from pykmm.mm._conservation import _books
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.syscalls import (
    exit_group,
    fallocate,
    fork,
    ftruncate,
    getpid,
    kill,
    madvise,
    mlock,
    mlockall,
    mmap,
    mprotect,
    mremap,
    munmap,
    open,
    pidfd_open,
    pread,
    process_mrelease,
    process_vm_readv,
    pwrite,
    touch,
    wait4,
)
from tests.lifecycle._memory import PAGE, RW, own, rss, runs
from tests.lifecycle._people import call

#: Where the memory of a device is, for a machine of 64 MiB.
DEVICE = 1 << 32


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine of 64 MiB whose books balance in the end."""
    with Machine(Config(node_pages=(1 << 14,))) as machine:
        machine.ready()
        free = nr_free_pages()
        yield machine
        assert _books() == []
        for p in machine.processes[1:]:
            kill(p.pid, SIGKILL)
        machine.run()
        assert nr_free_pages() == free


def device(
    pages: int, prot: int = RW, flags: int = MAP_SHARED, mode: int = O_RDWR
) -> int:
    """Map so much of the device: the address, or an error."""
    return mmap(0, pages * PAGE, prot, flags, open("/dev/mem", mode), DEVICE)


def frames(mm: mm_struct | None = None) -> int:
    """Count the entries that map something with no page behind it."""
    tables = (mm or own()).pgd.values()
    return sum(table.present[_PFN_ENTRIES].bit_count() for table in tables)


def end_of(program: Callable[[], object]) -> object:
    """Let a child do something; return the signal that it died of, or 0."""
    found = wait4(fork(lambda: (program(), exit_group(0))))
    assert isinstance(found, tuple)
    return found[1] & 0x7F


# -- making one ------------------------------------------------------------------------


def test_who_may_have_the_device(m: Machine) -> None:
    def program() -> object:
        return open("/dev/mem"), open("/dev/null")

    assert runs(m, program) == (3, -ENOENT)
    assert runs(m, program, uid=1000) == (-EPERM, -ENOENT)


def test_what_is_no_device_s_memory(m: Machine) -> None:
    def program() -> object:
        fd = open("/dev/mem", O_RDWR)
        own_memory, above = (1 << 14) * PAGE, 1 << 46
        at = [0, own_memory - PAGE, own_memory, above - PAGE, above, above - 2 * PAGE]
        found = [mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, offset) for offset in at]
        return [x if x < 0 else "mapped" for x in found], len(_tree_of(own())._slots)

    refused = [-EPERM, -EPERM, "mapped", -EINVAL, -EINVAL, "mapped"]
    assert runs(m, program) == (refused, 2)


def test_a_device_cannot_be_cut(m: Machine) -> None:
    def program() -> object:
        fd = open("/dev/mem", O_RDWR)
        hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
        return ftruncate(fd, PAGE), fallocate(fd, hole, 0, PAGE)

    assert runs(m, program) == (-EINVAL, -ENODEV)


def test_all_of_it_is_there_from_the_beginning(m: Machine) -> None:
    def program() -> object:
        before = rss(), frames()
        at = device(5)
        (slot,) = _tree_of(own())._slots
        flags = slot.entry.__dict__["vm_flags"]
        return before, rss(), frames(), flags & _SPECIAL == _SPECIAL, munmap(at, PAGE)

    nothing = (0, 0, 0, 0)
    assert runs(m, program) == ((nothing, 0), nothing, 5, True, 0)
    mm = m.processes[1].space
    assert (frames(mm), mm.pgtables_bytes.counter) == (4, 3 * PAGE)


_SPECIAL = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP


def test_an_access_raises_no_fault(m: Machine) -> None:
    """Nor does it wait for whoever changes the address space."""
    p = m.spawn("app")
    at: list[int] = []

    @p.runs
    def _() -> str:
        at.append(device(1))
        touch(at[0], PAGE, write=False)
        touch(at[0], PAGE)
        return "done"

    p.step_to("walk", inside=touch)
    with m.hold(p.space.mmap_lock, by="somebody"):
        p.thaw()
        m.run()
        assert p.result == "done"
    assert [c.counter for c in p.space.rss_stat] == [0, 0, 0, 0]


@pytest.mark.parametrize("failing", [1, 2])
def test_without_memory_for_tables_nothing_is_left(
    m: Machine, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = memory_remap.pte_alloc, []

    def short(mm: mm_struct, index: int) -> object:
        calls.append(index)
        return -ENOMEM if len(calls) == failing else original(mm, index)

    monkeypatch.setattr(memory_remap, "pte_alloc", short)

    def program() -> object:
        refused = device(1024, PROT_READ)
        return (
            refused,
            len(_tree_of(own())._slots),
            frames(),
            own().__dict__["total_vm"],
        )

    assert runs(m, program) == (-EAGAIN, 0, 0, 0)


# -- what it allows --------------------------------------------------------------------


def test_shared_frames_are_written_as_the_mapping_says(m: Machine) -> None:
    def program() -> object:
        at = device(2)
        told = [end_of(lambda: touch(at, PAGE))]
        for prot in (PROT_READ, RW):
            assert mprotect(at, PAGE, prot) == 0
            told.append(end_of(lambda: touch(at, PAGE)))
            told.append(end_of(lambda: touch(at, 2 * PAGE, write=False)))
        only = device(1, PROT_READ, mode=O_RDONLY)
        told.append(end_of(lambda: touch(only, PAGE, write=False)))
        told.append(end_of(lambda: touch(only, PAGE)))
        return told, mprotect(only, PAGE, RW) < 0, rss()

    told = [0, SIGSEGV, 0, 0, 0, 0, SIGSEGV]
    assert runs(m, program) == (told, True, (0, 0, 0, 0))


def test_a_private_mapping_gets_copies_of_what_it_writes(m: Machine) -> None:
    def program() -> object:
        at = device(4, flags=MAP_PRIVATE)
        touch(at, 4 * PAGE, write=False)
        seen = [(rss()[1], frames())]
        touch(at + PAGE, 2 * PAGE)
        seen.append((rss()[1], frames()))
        munmap(at + 2 * PAGE, 2 * PAGE)
        seen.append((rss()[1], frames()))
        return seen

    assert runs(m, program) == [(0, 4), (2, 2), (1, 1)]


# -- who passes by ---------------------------------------------------------------------


@pytest.mark.parametrize("flags", [MAP_SHARED, MAP_PRIVATE])
def test_a_child_has_them_without_a_fault(m: Machine, flags: int) -> None:
    seen: list[object] = []

    def program() -> object:
        at = device(3, flags=flags)
        if flags == MAP_PRIVATE:
            touch(at, PAGE)

        def child() -> None:
            seen.append((rss()[1], frames()))
            touch(at, 3 * PAGE)
            seen.append((rss()[1], frames()))
            exit_group(0)

        wait4(fork(child))
        return rss()[1], frames()

    parent = runs(m, program)
    if flags == MAP_SHARED:
        assert (parent, seen) == ((0, 3), [(0, 3), (0, 3)])
    else:
        assert (parent, seen) == ((1, 2), [(1, 2), (3, 0)])


def test_a_reap_leaves_the_mapping_alone(m: Machine) -> None:
    """With its private copies, which are as good as any other's."""
    app = m.spawn("app", anon="16K")

    @app.runs
    def _() -> None:
        touch(device(3, flags=MAP_PRIVATE), PAGE)

    m.run()
    mm = app.space
    app.freeze()

    def release() -> object:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        return process_mrelease(fd, 0)

    assert mm.rss_stat[1].counter == 5
    assert call(m, "lmkd", release) == 0
    assert (mm.rss_stat[1].counter, frames(mm)) == (1, 2)
    app.thaw()
    m.run()


def test_nobody_gets_hold_of_its_pages_but_a_debugger_reads(m: Machine) -> None:
    def program() -> object:
        at = device(2)
        only = device(1, PROT_READ, mode=O_RDONLY)
        buffer = mmap(2 * PAGE)
        vm = process_vm_readv(getpid(), [(buffer, PAGE)], [(at, PAGE)], 0)
        mem = open("/proc/self/mem", O_RDWR)
        read = pread(mem, 2 * PAGE, at)
        written = pwrite(mem, b"x" * 8, at), pwrite(mem, b"x" * 8, only)
        return vm, len(read) if isinstance(read, bytes) else read, written

    assert runs(m, program) == (-EFAULT, 2 * PAGE, (8, -5))


def test_advice_and_locks_are_not_for_it(m: Machine) -> None:
    def program() -> object:
        at = device(2)
        refused = [
            madvise(at, PAGE, advice)
            for advice in (MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT, MADV_DOFORK)
        ]
        refused.append(madvise(at, PAGE, MADV_POPULATE_READ))
        locked = mlock(at, PAGE), mlockall(MCL_CURRENT)
        other = device(1, flags=MAP_SHARED | MAP_LOCKED | MAP_POPULATE)
        slots = _tree_of(own())._slots
        flags = [slot.entry.__dict__["vm_flags"] & VM_LOCKED for slot in slots]
        state = own().__dict__["locked_vm"], frames(), other > 0, flags
        return refused, madvise(at, PAGE, MADV_WILLNEED), locked, state

    state = (0, 3, True, [0, 0])
    assert runs(m, program) == ([-EINVAL] * 5, 0, (0, 0), state)
    caches = [x for x in m.alive if type(x).__name__ == "address_space"]
    assert not any(x.__dict__["_nrpages"] for x in caches)


def test_it_moves_and_shrinks_but_never_grows(m: Machine) -> None:
    def program() -> object:
        at = device(4)
        refused = (
            mremap(at, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE),
            mremap(at, 0, PAGE, MREMAP_MAYMOVE),
            mremap(at, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP),
        )
        shrunk = mremap(at, 4 * PAGE, 3 * PAGE), frames()
        to = mmap(8 * PAGE)
        munmap(to, 8 * PAGE)
        moved = mremap(at, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | 2, to)
        touch(moved, 3 * PAGE)
        return refused, (shrunk[0] == at, shrunk[1]), moved == to, frames(), rss()

    kept = (0, 0, 0, 0)
    assert runs(m, program) == ((-EFAULT, -EFAULT, -EINVAL), (True, 3), True, 3, kept)
