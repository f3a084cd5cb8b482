# SPDX-License-Identifier: GPL-2.0-only
"""How many pages of each kind the kernel counts for an address space.

Since 6.2 each CPU counts by itself and passes batches on. ``status`` adds all of
it up; ``stat``, and until 6.19 ``oom_badness()``, look at what has been passed on.
So an older kernel's rss is the one of ``stat``; how it divides into kinds, and
what is held back of the swap entries, nobody can read.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import evolve, frozen

from .parse import parse_release
from .tasks import TaskReading

__all__ = ["Counting", "Pages", "counted", "counting_of", "other_counts"]

#: The first kernel whose badness adds up what each CPU has counted.
_SUMS_SINCE: Final = (7, 0)
#: A CPU passes on what it counted when it has so many, or two for each CPU.
_BATCH: Final = 32


class Counting(Enum):
    """Which of its counters a kernel's badness reads."""

    SUMS = "as /proc/PID/status shows them"
    BATCHES = "as /proc/PID/stat shows them"


@frozen
class Pages:
    """An address space in pages, its tables in bytes."""

    file: int = 0
    anon: int = 0
    shmem: int = 0
    swap: int = 0
    tables: int = 0

    @property
    def rss(self) -> int:
        """All resident pages."""
        return self.file + self.anon + self.shmem


def counting_of(release: str | None) -> Counting:
    """Return how a kernel of *release* counts; the newest way if that is unknown."""
    version = parse_release(release or "")
    if version is None or version >= _SUMS_SINCE:
        return Counting.SUMS
    return Counting.BATCHES


def counted(task: TaskReading, counting: Counting, page_size: int) -> Pages:
    """Return the pages of *task*; none if it has no address space."""
    memory = task.memory
    if memory is None:
        return Pages()
    sums = Pages(
        file=memory.file * 1024 // page_size,
        anon=memory.anon * 1024 // page_size,
        shmem=memory.shmem * 1024 // page_size,
        swap=memory.swap * 1024 // page_size,
        tables=memory.tables * 1024,
    )
    return sums if counting is Counting.SUMS else _with_rss(sums, task.rss)


def _with_rss(pages: Pages, rss: int) -> Pages:
    """Let *pages* add up to *rss*; the largest kind takes the difference."""
    more = rss - pages.rss
    kind = max(("anon", "file", "shmem"), key=lambda name: int(getattr(pages, name)))
    changed = int(getattr(pages, kind)) + more
    if changed < 0:
        return evolve(pages, file=0, anon=rss, shmem=0)
    return evolve(pages, **{kind: changed})


def other_counts(
    task: TaskReading, counting: Counting, page_size: int, cpus: int
) -> list[Pages]:
    """Return what else the kernel can have counted for *task* at that moment."""
    sums = counted(task, Counting.SUMS, page_size)
    batches = counted(task, Counting.BATCHES, page_size)
    if counting is Counting.SUMS:
        return [batches]
    held_back = max(_BATCH, 2 * cpus) * cpus if batches.swap else 0
    least = max(batches.swap - held_back, 0)
    return [
        sums,
        evolve(batches, swap=least),
        evolve(batches, swap=batches.swap + held_back),
    ]
