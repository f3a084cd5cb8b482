# SPDX-License-Identifier: GPL-2.0-only
"""What the reaper would take from the chosen process, and what that brings.

The reaper unmaps private mappings. Their anonymous pages are free at once unless
a forked relative has them, too; their file pages stay in the page cache; swap
entries go. Shared mappings, hugetlb pages and page tables stay until the exit.

``smaps`` tells mappings apart, but only its owner and root may read it. Without it
the counters bound the answer: any file page may belong to a private mapping.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, evolve, frozen

from ..boot import Region
from ..engine.config import Config
from ..linux.mm_types import MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES
from ..linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from ..mm.oom_kill import __oom_reap_task_mm
from ..workbench import Machine
from .parse import Memory
from .source import Folder, Gone, Unreadable

__all__ = ["Reap", "foresee_reap"]

_LINE: Final = re.compile(
    rb"^(?:[0-9a-f]+-[0-9a-f]+ ([-r][-w][-x][ps]) "
    rb"|(Rss|Anonymous|Swap|Private_Clean|Private_Dirty):[ \t]*(\d+) kB"
    rb"|VmFlags:([ a-z?]*))",
    re.MULTILINE,
)


@frozen
class Reap:
    """What a reap does to one process, in kB.

    *anon*, *file* and *swap* are taken from private mappings. Of *anon*, *alone* is
    what nobody else maps. *kept* is resident in shared mappings.
    """

    source: str
    anon: int
    alone: int
    file: int
    swap: int
    kept: int
    tables: int

    @property
    def is_exact(self) -> bool:
        """Whether mappings were told apart; else *file* and *alone* are at most."""
        return self.source == "smaps"


@define
class _Mapping:
    """One mapping in ``smaps``, while its lines are read."""

    shared: bool
    special: bool = False
    rss: int = 0
    anon: int = 0
    swap: int = 0
    alone: int = 0

    @property
    def is_reaped(self) -> bool:
        return not (self.shared or self.special)


def foresee_reap(proc: Folder, pid: int, memory: Memory) -> Reap:
    """Read the mappings of *pid* and let the model's reaper loose on the like."""
    found = _from_smaps(_read(proc, pid, "smaps"), memory)
    if found is None:
        found = _from_counters(_read(proc, pid, "smaps_rollup"), memory)
    return _reap_like(found)


def _read(proc: Folder, pid: int, name: str) -> bytes:
    try:
        with Folder(str(pid), proc) as folder:
            return folder.read_if_there(name) or b""
    except (Gone, Unreadable):
        return b""


def _mappings(raw: bytes) -> list[_Mapping]:
    found: list[_Mapping] = []
    for perms, key, value, flags in _LINE.findall(raw):
        if perms:
            found.append(_Mapping(shared=perms.endswith(b"s")))
        elif found and key:
            _note(found[-1], key, int(value))
        elif found:
            # "sh" is VM_SHARED, which a file opened for reading only never has.
            words = flags.split()
            found[-1].shared = b"sh" in words
            found[-1].special = b"ht" in words or b"pf" in words
    return found


def _note(mapping: _Mapping, key: bytes, value: int) -> None:
    if key == b"Rss":
        mapping.rss = value
    elif key == b"Anonymous":
        mapping.anon = value
    elif key == b"Swap":
        mapping.swap = value
    else:
        mapping.alone += value


def _from_smaps(raw: bytes, memory: Memory) -> Reap | None:
    mappings = _mappings(raw)
    if not mappings:
        return None
    reaped = [mapping for mapping in mappings if mapping.is_reaped]
    return Reap(
        source="smaps",
        anon=sum(m.anon for m in reaped),
        # A mapping of a file has both kinds; what is alone can be of either.
        alone=sum(min(m.anon, m.alone) for m in reaped),
        file=sum(m.rss - m.anon for m in reaped),
        swap=sum(m.swap for m in reaped),
        kept=sum(m.rss for m in mappings if not m.is_reaped),
        tables=memory.tables,
    )


def _from_counters(rollup: bytes, memory: Memory) -> Reap:
    whole = _mappings(rollup)
    return Reap(
        source="smaps_rollup" if whole else "status",
        anon=whole[0].anon if whole else memory.anon,
        alone=min(whole[0].anon, whole[0].alone) if whole else memory.anon,
        file=memory.file,
        swap=memory.swap,
        kept=memory.shmem,
        tables=memory.tables,
    )


def _reap_like(seen: Reap) -> Reap:
    """Map as much of each kind, reap it, and see what is left."""
    regions = [
        Region(kind, size * 1024, shared=shared)
        for kind, size, shared in (
            ("anon", seen.anon, False),
            ("file", seen.file, False),
            ("shmem", seen.kept, True),
        )
        if size
    ]
    room = 2 * sum(region.size for region in regions) // 4096 + 4096
    with Machine(Config(node_pages=(room,)), reaper=False) as machine:
        mm = machine.spawn("victim", regions=regions).mm
        assert mm is not None  # it has just been given one
        mmap_read_lock(mm)
        __oom_reap_task_mm(mm)
        mmap_read_unlock(mm)
        left = [counter.counter * 4 for counter in mm.rss_stat]
    return evolve(
        seen,
        anon=max(seen.anon - left[MM_ANONPAGES], 0),
        file=max(seen.file - left[MM_FILEPAGES], 0),
        kept=min(seen.kept, left[MM_SHMEMPAGES]),
    )
