# SPDX-License-Identifier: GPL-2.0-only
"""The setup S of the vectors about pages: one of everything, in a victim."""

from __future__ import annotations

from collections.abc import Callable

from pykmm import Config, Machine
from pykmm.engine import Scheduler, Timers
from pykmm.linux.mm import VM_LOCKED
from pykmm.linux.mm_types import mm_struct, vm_area_struct
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.mmap import _map_region
from pykmm.syscalls import kill, pidfd_open, process_mrelease
from pykmm.workbench import Process

PAGE = 4096
MIB = 1 << 20

#: What the mappings of S are, in order of address.
S = (
    {"kind": "anon", "populate_pages": 4, "swapped_pages": 3},
    {"kind": "anon", "populate_pages": 2},
    {"kind": "anon", "populate_pages": 1},
    {"kind": "file", "populate_pages": 3},
    {"kind": "file", "populate_pages": 2, "copied_pages": 1},
    {"kind": "file", "populate_pages": 5, "shared": True},
    {"kind": "shmem", "populate_pages": 6, "shared": True},
    {"kind": "hugetlb", "populate_pages": 512},
    {"kind": "pfnmap", "populate_pages": 2},
    {"kind": "anon", "populate_pages": 2, "extra_flags": VM_LOCKED},
)


#: Two mappings, with two pages and three.
TWO = ({"kind": "anon", "populate_pages": 2}, {"kind": "anon", "populate_pages": 3})


def boot(scheduler: Scheduler | None = None, swap: int = 64) -> Machine:
    """Return a machine of 32 MiB, with *swap* pages of swap."""
    config = Config(node_pages=(1 << 13,), total_swap_pages=swap, timers=Timers.IDLE)
    return Machine(config, scheduler=scheduler)


def maps(
    process: Process, *kinds: dict[str, object], base: int = 64 * MIB
) -> list[vm_area_struct]:
    """Map one area for each of *kinds*, 4 MiB apart."""
    mm = process.mm
    assert mm is not None
    return [
        _map_region(mm, base + number * 4 * MIB, 2 * MIB, **kind)  # type: ignore[arg-type]  # as they stand above
        for number, kind in enumerate(kinds)
    ]


def memory(p: Process) -> mm_struct:
    """Return the address space that a process shows."""
    assert p.mm is not None
    return p.mm


def rss(mm: mm_struct) -> tuple[int, ...]:
    """Look at the counters: file, anonymous, swapped, shmem."""
    return tuple(counter.counter for counter in mm.rss_stat)


def released(
    m: Machine, app: Process, look: Callable[[int], None], times: int = 1
) -> None:
    """Kill *app* and have its memory released before it runs; then *look* at it.

    *look* gets each answer of ``process_mrelease()``.
    """
    lmkd = m.spawn("lmkd")

    @lmkd.runs
    def _() -> None:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        for _ in range(times):
            look(process_mrelease(fd, 0))

    m.run()


def releases(m: Machine, app: Process) -> Process:
    """Spawn a process that kills *app* and returns what releasing its memory said."""
    lmkd = m.spawn("lmkd")

    @lmkd.runs
    def _() -> int:
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        return process_mrelease(fd, 0)

    return lmkd
