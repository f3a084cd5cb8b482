# SPDX-License-Identifier: GPL-2.0-only
"""Small machines that run out of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pykmm.engine import Config, Timers
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.printk import console
from pykmm.linux.sched import current
from pykmm.mm._conservation import _books
from pykmm.mm.mempolicy_alloc import alloc_pages
from pykmm.mm.oom_kill import mark_oom_victim, oom
from pykmm.mm.page_alloc import Pages, __free_pages, nr_free_pages
from pykmm.workbench import Machine, Process

#: Of 64 pages 32 are for nobody.
PAGES, MIN = 64, 32
PAGE = 4096


@contextmanager
def booted(*nodes: int, **facts: object) -> Iterator[Machine]:
    """Boot a small machine whose books must balance in the end."""
    config = Config(node_pages=nodes or (PAGES,), timers=Timers.IDLE, **facts)  # type: ignore[arg-type]
    with Machine(config) as m:
        yield m
        assert _books() == []


def asks(m: Machine, body: Callable[[], object], name: str = "asker") -> Process:
    """Have a process run *body* in the kernel; nobody may choose it."""
    asker = m.spawn(name, oom_score_adj=-1000)
    asker.runs(body)
    return asker


def free(page: Pages) -> None:
    __free_pages(page.nr, page.nid)


class Taken:
    """Pages that a body has taken, to be given back."""

    def __init__(self) -> None:
        self.pages: list[Pages] = []

    def take(self, gfp: int, order: int = 0, want: int = 1) -> bool:
        page = alloc_pages(gfp, order, want=want)
        if page is not None:
            self.pages.append(page)
        return page is not None

    def take_all(self, gfp: int) -> int:
        """Take pages one by one until there are none; return how many are left."""
        while self.take(gfp):
            pass
        return nr_free_pages()

    def give_back(self) -> None:
        while self.pages:
            free(self.pages.pop())


def says(what: str) -> list[str]:
    """Return the log's lines about *what*."""
    return [line for line in console().verdicts() if what in line]


def be_nobody() -> None:
    """Have no rights."""


def be_a_victim() -> None:
    mutex_lock(oom().oom_lock)
    mark_oom_victim(current())
    mutex_unlock(oom().oom_lock)
