# SPDX-License-Identifier: GPL-2.0-only
"""What a cgroup is charged for, and when it gets that back."""

from __future__ import annotations

import pytest

from pykmm.boot import Region
from pykmm.linux.uapi import (
    SIGKILL,
    SIGUSR1,
)
from pykmm.syscalls import exit_group, kill, pause, touch
from tests.mm.cgroups import PAGE, booted, hog


def test_a_fault_charges_pages_and_tables_and_exit_gives_them_back() -> None:
    with booted() as m:
        top = m.cgroup("top")
        box = m.cgroup("box", parent=top)
        p = hog(m, 600, memcg=box)
        m.run()
        assert p.result == "done"
        assert (box.memory.usage, top.memory.usage) == (604, 604)
        kill(p.pid, SIGKILL)
        m.run()
        assert (box.memory.usage, top.memory.usage) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "shared", "left"),
    [("anon", False, 0), ("shmem", True, 0), ("anon", True, 0), ("file", True, 8)],
)
def test_pages_of_files_stay_charged_as_long_as_they_are_cached(
    kind: str, shared: bool, left: int
) -> None:
    with booted() as m:
        box = m.cgroup("box")
        p = m.spawn(
            "p", regions=[Region(kind, 8 * PAGE, shared, populated=0)], memcg=box
        )
        p.runs(lambda: touch(p.memory[0].start, 8 * PAGE))
        m.run()
        assert box.memory.usage == 8 + 3
        kill(p.pid, SIGKILL)
        m.run()
        assert box.memory.usage == left


def test_what_a_process_is_spawned_with_is_charged_beyond_the_limit() -> None:
    with booted() as m:
        box = m.cgroup("box", memory_max="16K")
        m.spawn("p", anon="2M", file="64K", memcg=box)
        assert box.memory.usage == 512 + 16 + 2 + 2
        assert box.memory.max == 4


def test_memory_is_charged_to_the_owner_of_the_address_space() -> None:
    with booted() as m:
        box = m.cgroup("box")
        owner = m.spawn(
            "owner", regions=[Region("anon", 8 * PAGE, populated=0)], memcg=box
        )
        sharer = m.spawn("sharer", shares_mm=owner)
        sharer.runs(lambda: touch(owner.memory[0].start, 8 * PAGE))
        m.run()
        # The tables are the kernel's, who works for the sharer, in the root.
        assert box.memory.usage == 8


def test_charges_stay_behind_when_the_owner_is_another() -> None:
    with booted() as m:
        first, second = m.cgroup("first"), m.cgroup("second")
        region = Region("anon", 8 * PAGE, populated=4 * PAGE)
        owner = m.spawn("owner", regions=[region], memcg=first)
        sharer = m.spawn("sharer", shares_mm=owner, memcg=second)
        owner.runs(lambda: exit_group(0))

        @sharer.runs
        def _() -> None:
            pause()
            touch(owner.memory[0].start, 8 * PAGE)

        m.run()
        sharer.task.__dict__["sighand"].action = {SIGUSR1: lambda sig: None}
        kill(sharer.pid, SIGUSR1)
        m.run()
        assert (first.memory.usage, second.memory.usage) == (4 + 3, 4)
        kill(sharer.pid, SIGKILL)
        m.run()
        assert (first.memory.usage, second.memory.usage) == (0, 0)
