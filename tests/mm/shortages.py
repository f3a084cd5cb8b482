# SPDX-License-Identifier: GPL-2.0-only
"""Machines that run short of memory, who makes them so, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.printk import console
from pykmm.linux.uapi import PROT_READ, PROT_WRITE
from pykmm.mm._conservation import _books
from pykmm.mm.swapfile import nr_swap_pages, total_swap_pages
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.schedulers import RandomWalk
from pykmm.syscalls import touch
from pykmm.workbench import Machine, Process

PAGE = 4096
NODE = frozenset({0})
BOTH = PROT_READ | PROT_WRITE


@contextmanager
def booted(
    seed: int | None = None, *nodes: int, swap: int = 0, **more: Any
) -> Iterator[Machine]:
    """Have a machine, of 4 MiB if nothing is said, whose books balance in the end."""
    config = Config(
        node_pages=nodes or (1024,),
        total_swap_pages=swap,
        timers=Timers.IDLE,
        **more,
    )
    with Machine(config, scheduler=None if seed is None else RandomWalk(seed)) as m:
        yield m
        assert _books() == []


def hog(m: Machine, pages: int, name: str = "hog", **facts: Any) -> Process:
    """Spawn a process that uses so many pages; its result is ``done``."""
    p = m.spawn(name, regions=[Region("anon", pages * PAGE, populated=0)], **facts)
    p.runs(lambda: touch(p.memory[0].start, pages * PAGE) or "done")
    return p


def two_reclaim(m: Machine, first: int, times: int = 4) -> None:
    """Spawn two who want *first* pages back, then one more, and so on."""
    for name in ("short", "too"):
        m.spawn(name).runs(
            lambda: [try_to_free_pages(first + n, NODE) for n in range(times)]
        )


def rss(mm: mm_struct | None) -> tuple[int, ...]:
    """Return how many pages of files, of its own, in swap and shared an mm has."""
    assert mm is not None
    return tuple(counter.counter for counter in mm.rss_stat)


def used() -> int:
    """Return how many slots of swap are in use."""
    return total_swap_pages() - nr_swap_pages().counter


def killed() -> list[str]:
    """Return whom the OOM killer has killed."""
    lines = [line.partition("Killed process ")[2] for line in console().verdicts()]
    return [line.split("(")[1].split(")")[0] for line in lines if line]
