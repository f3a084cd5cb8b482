# SPDX-License-Identifier: GPL-2.0-only
"""Copying an address space, and what is left when that fails halfway."""

from __future__ import annotations

import pytest

from pykmm import Machine, Scenario, explore
from pykmm.errno import EINTR, ENOMEM, Errno
from pykmm.kernel.fork_clone import kernel_clone
from pykmm.kernel.signal import kill as do_kill
from pykmm.linux.completion import complete, completion, wait_for_completion
from pykmm.linux.maple_tree import XA_ZERO_ENTRY, mt_in_rcu, mtree_empty
from pykmm.linux.mm import (
    VM_LOCKED,
    VM_LOCKONFAULT,
    get_mm_counter,
)
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    _tree_of,
    mm_struct,
    vm_area_struct,
)
from pykmm.linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from pykmm.linux.sched import current
from pykmm.linux.sched.task import kernel_clone_args
from pykmm.linux.uapi import SIGCHLD, SIGKILL
from pykmm.linux.uapi_mman import MADV_DONTFORK, MADV_WIPEONFORK, MLOCK_ONFAULT
from pykmm.mm import mmap_dup
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.patches.kernels import v6_12
from pykmm.syscalls import (
    exit_group,
    fork,
    kill,
    madvise,
    mlock2,
    mmap,
    pause,
    touch,
    wait4,
)
from pykmm.workbench import Process
from tests.lifecycle._memory import FIXED, RW
from tests.lifecycle.pages_setup import MIB, PAGE, boot, maps, rss

FLAGS = (MMF_OOM_SKIP, MMF_UNSTABLE)
THREE = ({"kind": "anon", "populate_pages": 2},) * 3


def flags(mm: mm_struct) -> tuple[bool, ...]:
    return tuple(mm.flags._has(flag) for flag in FLAGS)


def entries(mm: mm_struct) -> list[object]:
    """Return what stands in the tree, from low to high: whose, or a marker."""
    found = []
    for slot in _tree_of(mm)._slots:
        entry = slot.entry
        if entry is XA_ZERO_ENTRY:
            found.append("marker")
        elif entry is not None:
            found.append("own" if entry.vm_mm is mm else "parent's")
    return found


def dup(
    m: Machine,
    monkeypatch: pytest.MonkeyPatch,
    *kinds: dict[str, object],
) -> tuple[Process, int, mm_struct, list[object]]:
    """Fork a process with these mappings; return it, and its copy as left behind.

    The copy is looked at between ``dup_mmap()`` and its end.
    """
    seen: list[object] = []
    tables: list[int] = []
    original = mmap_dup.dup_mmap

    def spy(mm: mm_struct, oldmm: mm_struct) -> int:
        error = original(mm, oldmm)
        seen.extend([mm, error, flags(mm), entries(mm), rss(mm)[MM_ANONPAGES]])
        tables.append(mm.pgtables_bytes.counter // PAGE)
        return error

    monkeypatch.setattr("pykmm.kernel.fork_mm.dup_mmap", spy)
    app = m.spawn("app")
    maps(app, *kinds)
    app.runs(lambda: kernel_clone(kernel_clone_args(exit_signal=SIGCHLD)))
    m.run()
    mm = seen[0]
    assert isinstance(mm, mm_struct)
    # Pages stand in tables, and what has neither is in none.
    assert (tables[0] > 0) is (seen[4] > 0)  # type: ignore[operator]  # numbers
    return app, app.result, mm, seen[1:]  # type: ignore[return-value]  # a number


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Have the call number *number* of a function of dup_mmap() want for memory."""
    original = getattr(mmap_dup, name)
    calls = []

    def failing(*args: object) -> object:
        calls.append(args)
        return -ENOMEM if len(calls) == number else original(*args)

    monkeypatch.setattr(mmap_dup, name, failing)


@pytest.fixture(params=["7.2", "6.12"])
def machine(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]  # a machine
    with boot() as m:
        if request.param == "6.12":
            m.patches.update(v6_12.patch.functions)
        yield m


def is_old(m: Machine) -> bool:
    return bool(m.patches)


def whole(app: Process) -> bool:
    """Tell whether the parent has all its pages, alone."""
    mm = app.mm
    assert mm is not None
    return (
        rss(mm)[MM_ANONPAGES] == 6
        and mm.map_count == 3
        and all(area.vm_mm is mm for area in areas(mm))
    )


def areas(mm: mm_struct) -> list[vm_area_struct]:
    return [s.entry for s in _tree_of(mm)._slots if s.entry is not None]


def test_l26_l29_the_second_mapping_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, "anon_vma_fork", 2)
    free = machine.config.totalram_pages
    app, told, mm, (error, marks, left, pages) = dup(machine, monkeypatch, *THREE)
    assert (told, error) == (-ENOMEM, -ENOMEM)
    if is_old(machine):
        assert (marks, left, pages) == ((True, True), ["own", "marker", "parent's"], 2)
    else:
        assert (marks, left, pages) == ((True, True), [], 0)
    assert mm not in machine.alive
    assert whole(app)
    assert app.mm is not None
    assert nr_free_pages() < free
    assert app.task.__dict__.get("children", []) == []


def test_l27_the_first_mapping_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, "anon_vma_fork", 1)
    app, told, mm, (_, marks, left, pages) = dup(machine, monkeypatch, *THREE)
    assert told == -ENOMEM
    kept = ["marker", "parent's", "parent's"] if is_old(machine) else []
    assert (marks, left, pages) == ((True, True), kept, 0)
    assert mm not in machine.alive
    assert whole(app)


def test_l27_the_pages_of_the_last_mapping_fail(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, "copy_page_range", 3)
    app, told, mm, (_, marks, left, pages) = dup(machine, monkeypatch, *THREE)
    assert told == -ENOMEM
    if is_old(machine):  # no marker, and the tree is a whole one
        assert (marks, left, pages) == ((False, True), ["own"] * 3, 4)
    else:
        assert (marks, left, pages) == ((True, True), [], 0)
    assert mm not in machine.alive
    assert whole(app)


def test_the_pages_of_the_first_mapping_fail(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, "copy_page_range", 1)
    app, told, mm, (_, marks, left, _) = dup(machine, monkeypatch, *THREE)
    assert told == -ENOMEM
    kept = ["own", "marker", "parent's"] if is_old(machine) else []
    assert (marks, left) == ((True, True), kept)
    assert mm not in machine.alive
    assert whole(app)


@pytest.mark.parametrize("old", [False, True])
def test_l28_the_tree_cannot_be_copied(
    old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "pykmm.patches.kernels.v6_12_fork" if old else "pykmm.mm.mmap_dup"
    monkeypatch.setattr(f"{where}.__mt_dup", lambda *_: -ENOMEM)
    with boot() as m:
        if old:
            m.patches.update(v6_12.patch.functions)
        app, told, mm, (_, marks, left, _) = dup(m, monkeypatch, *THREE)
        assert (told, marks, left) == (-ENOMEM, (False, False), [])
        assert mm not in m.alive
        assert whole(app)


def test_l28_killed_while_waiting_for_the_parents_lock(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    original = mmap_dup.dup_mmap

    def spy(mm: mm_struct, oldmm: mm_struct) -> int:
        error = original(mm, oldmm)
        seen.extend([error, flags(mm), mtree_empty(_tree_of(mm))])
        complete(done)
        return error

    monkeypatch.setattr("pykmm.kernel.fork_mm.dup_mmap", spy)
    app = machine.spawn("app")
    maps(app, *THREE)
    mm = app.mm
    assert mm is not None
    locked, done = completion(), completion()

    def holder() -> None:
        mmap_write_lock(mm)
        complete(locked)
        wait_for_completion(done)
        mmap_write_unlock(mm)

    def body() -> None:
        wait_for_completion(locked)
        kernel_clone(kernel_clone_args())

    app.runs(body)
    machine.spawn("holder").runs(holder)
    # Who can go on does so, in this order: app waits for the lock when it is killed.
    machine.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
    machine.run()
    assert seen[:3] == [-EINTR, (False, False), True]


def forks_while_killed(m: Machine) -> object:
    """Kill a process that forks; return what its call said, if it said anything."""
    told: list[object] = []
    app = m.spawn("app", anon="16K", parent=m.spawn("shell"))
    mm = app.mm
    assert mm is not None
    app.runs(lambda: told.append(kernel_clone(kernel_clone_args(exit_signal=SIGCHLD))))
    m.spawn("killer").runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    assert mm not in m.alive
    return [x if isinstance(x, Errno) else "child" for x in told]


@pytest.mark.parametrize("old", [False, True])
def test_l20_fork_against_kill(old: bool) -> None:
    patches = (v6_12.patch,) if old else ()
    scenario = Scenario(name="fork-kill", function=forks_while_killed, patches=patches)
    within_one = explore(scenario, executions=150, bound=1)
    sampled = explore(scenario, scheduler="pct", executions=120)
    assert within_one.reports == sampled.reports == ()
    seen = {str(value) for value in [*within_one.values, *sampled.values]}
    # Killed before the call, at its beginning, in or behind the copy, or too late.
    assert seen >= {"[]", "[-ERESTARTNOINTR]", "[-EINTR]", "['child']"}
    assert seen <= {*seen, "[-ENOMEM]"}
    assert ("[-ENOMEM]" in seen) is old


def test_l20_a_copy_that_came_too_late_is_torn_down_by_its_maker(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = mmap_dup.dup_mmap
    copies: list[mm_struct] = []

    def and_be_killed(mm: mm_struct, oldmm: mm_struct) -> int:
        error = original(mm, oldmm)
        copies.append(mm)
        assert len(_shared(oldmm)) == 3
        do_kill(current().pid, SIGKILL)  # without the return to user mode
        return error

    told: list[object] = []
    monkeypatch.setattr("pykmm.kernel.fork_mm.dup_mmap", and_be_killed)
    app = machine.spawn("app")
    maps(app, *THREE)

    def body() -> None:
        mm = current().mm
        assert mm is not None
        told.append(kernel_clone(kernel_clone_args(exit_signal=SIGCHLD)))
        told.extend([len(copies), _shared(mm)])
        told.append(rss(mm)[MM_ANONPAGES])

    app.runs(lambda: body())
    machine.run()
    assert told[0] == -EINTR
    assert told[2:] == [[], 6]
    assert copies[0] not in machine.alive
    events = [e for e in machine.events if e.obj is copies[0].mm_users]
    assert {e.thread.name for e in events} == {"app"}


def _shared(mm: mm_struct) -> list[int]:
    """Return, for each table, how many pages others map, too."""
    found = []
    for table in mm.pgd.values():
        twice = [s.maps[1].bit_count() for s, _, _ in table.shared if len(s.maps) > 1]
        if any(twice):
            found.append(sum(twice))
    return found


def test_l30_what_a_child_does_not_get() -> None:
    with boot() as m:
        app = m.spawn("app")

        def program() -> None:
            at = [mmap(n * MIB, 8 * PAGE, RW, FIXED) for n in range(64, 68)]
            for number, start in enumerate(at):
                touch(start, (number + 1) * PAGE)
            assert madvise(at[1], 8 * PAGE, MADV_DONTFORK) == 0
            assert madvise(at[2], 8 * PAGE, MADV_WIPEONFORK) == 0
            assert mlock2(at[3], 8 * PAGE, MLOCK_ONFAULT) == 0
            fork()

        app.runs(program)
        m.run()
        old, new = app.mm, m.tasks()[-1].__dict__["mm"]
        assert old is not None
        assert old.total_vm - new.total_vm == 8
        assert new.map_count == 3
        plain, wiped, locked = areas(new)
        assert wiped.anon_vma is None
        assert plain.anon_vma is not None
        assert not locked.vm_flags & (VM_LOCKED | VM_LOCKONFAULT)
        assert areas(old)[3].vm_flags & VM_LOCKED
        assert (old.locked_vm, new.locked_vm) == (8, 0)
        assert rss(new)[MM_ANONPAGES] == 5
        assert mt_in_rcu(_tree_of(new))


def test_l31_pages_are_shared_and_files_left_to_faults() -> None:
    with boot() as m:
        app = m.spawn("app")
        anon = {"kind": "anon", "populate_pages": 10}
        maps(app, anon, {"kind": "file", "populate_pages": 5})
        free = nr_free_pages()
        app.runs(fork)
        m.run()
        old, new = app.mm, m.tasks()[-1].__dict__["mm"]
        assert old is not None
        told = [get_mm_counter(new, member) for member in (MM_ANONPAGES, MM_FILEPAGES)]
        assert told == [10, 0]
        assert rss(old)[MM_ANONPAGES] == 10
        # Page tables were made, and no page was copied.
        assert free - nr_free_pages() == new.pgtables_bytes.counter // PAGE
        (shared,) = [s for table in new.pgd.values() for s in table.shared]
        assert [level.bit_count() for level in shared[0].maps] == [10, 10]
        file_area = areas(new)[1]
        assert file_area.vm_file is not None
        assert file_area.vm_file.f_ref.counter == 2  # one a mapping


def test_everything_comes_back() -> None:
    with boot() as m:
        free = nr_free_pages()
        app = m.spawn("app", parent=m.spawn("shell"))
        kinds = [{"kind": "anon", "populate_pages": 20, "swapped_pages": 3}]
        maps(app, *kinds, {"kind": "shmem", "populate_pages": 5, "shared": True})

        def body() -> None:
            child = fork(lambda: exit_group(0))
            wait4(child)
            fork(lambda: fork(pause))
            kill(current().pid, SIGKILL)

        app.runs(body)
        m.run()
        for task in m.tasks()[-2:]:
            kill(task.pid, SIGKILL)
        m.run()
        left = [x for x in m.alive if isinstance(x, mm_struct)]
        assert left == [m.init.mm, m.tasks()[2].__dict__["mm"]]
        assert nr_free_pages() == free
