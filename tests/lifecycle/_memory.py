# SPDX-License-Identifier: GPL-2.0-only
"""Programs that change their own address space, and how it looks to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pykmm import Machine
from pykmm.linux.mm import VM_ACCOUNT, VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.mman import _settings
from pykmm.linux.sched import current
from pykmm.linux.uapi import O_CREAT, O_RDWR
from pykmm.linux.uapi_mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    PROT_READ,
    PROT_WRITE,
)
from pykmm.syscalls import ftruncate, memfd_create, mmap, mprotect, munmap, open

PAGE = 4096
RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS
FIXED = ANON | MAP_FIXED
A = 0x10000

T = TypeVar("T")


def memory_file(pages: int) -> int:
    """Make a file in memory of so many pages; return its descriptor."""
    fd = memfd_create("f")
    assert ftruncate(fd, pages * PAGE) == 0
    return fd


def plain_file(pages: int, path: str = "/data") -> int:
    """Open a plain file, made if need be, of so many pages; return its descriptor."""
    fd = open(path, O_CREAT | O_RDWR)
    assert ftruncate(fd, pages * PAGE) == 0
    return fd


def runs(m: Machine, program: Callable[[], T], uid: int = 0) -> T:
    """Let a process run *program*; return what it returns."""
    p = m.spawn("app", uid=uid)
    p.runs(program)
    m.run()
    return p.result  # type: ignore[return-value]  # the program ran to its end


def own() -> mm_struct:
    """Return the address space of whoever asks."""
    mm = current().mm
    assert mm is not None
    return mm


def vmas(mm: mm_struct | None = None) -> list[tuple[int, int, str]]:
    """List the mappings, in pages from A on, and what may be done with them."""
    state = (mm or own()).__dict__
    found = [slot.entry.__dict__ for slot in state["mm_mt"]._slots]
    assert len(found) == state["map_count"]
    assert sum(v["vm_end"] - v["vm_start"] >> 12 for v in found) == state["total_vm"]
    return [
        (v["vm_start"] - A >> 12, v["vm_end"] - A >> 12, _letters(v["vm_flags"]))
        for v in found
    ]


def _letters(flags: int) -> str:
    known = (
        (VM_READ, "r"),
        (VM_WRITE, "w"),
        (VM_SHARED, "s"),
        (VM_ACCOUNT, "a"),
        (VM_LOCKED, "l"),
    )
    return "".join(letter for bit, letter in known if flags & bit)


def rss() -> tuple[int, ...]:
    """Return current's counters: file, anonymous, swapped, shmem."""
    return tuple(counter.counter for counter in own().rss_stat)


def fixed(page: int, pages: int = 1, prot: int = RW) -> int:
    """Map at page *page* from A on."""
    return mmap(A + page * PAGE, pages * PAGE, prot, FIXED)


def protect(page: int, pages: int, prot: int) -> int:
    """Change what may be done with *pages* from *page* on."""
    return mprotect(A + page * PAGE, pages * PAGE, prot)


def unmap(page: int, pages: int = 1) -> int:
    """Unmap *pages* from *page* on."""
    return munmap(A + page * PAGE, pages * PAGE)


def at_limit(spare: int) -> None:
    """Let everybody have *spare* mappings more than current has."""
    count = own().__dict__["map_count"]
    _settings().__dict__["max_map_count"] = count + spare
