# SPDX-License-Identifier: GPL-2.0-only
"""Machines with cgroups whose books must balance, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.printk import console
from pykmm.mm._conservation import _books
from pykmm.mm.memcontrol import memory_events_local_show, memory_events_show
from pykmm.syscalls import touch
from pykmm.workbench import Machine, Process

PAGE = 4096


@contextmanager
def booted(**facts: object) -> Iterator[Machine]:
    """Boot a machine whose books, those of its cgroups too, must balance."""
    config = Config(node_pages=(4096,), timers=Timers.IDLE)
    with Machine(config, **facts) as m:
        yield m
        assert _books() == []


def hog(m: Machine, pages: int, name: str = "hog", **facts: object) -> Process:
    """Spawn a process that touches *pages* pages and says so."""
    region = Region("anon", pages * PAGE, populated=0)
    p = m.spawn(name, regions=[region], **facts)  # type: ignore[arg-type]

    @p.runs
    def _() -> str:
        touch(p.memory[0].start, len(p.memory[0]))
        return "done"

    return p


def killed() -> list[str]:
    """Return the names in the log's lines of kills."""
    found = [line.partition("Killed process ")[2] for line in console().verdicts()]
    return [text.split("(")[1].split(")")[0] for text in found if text]


def events(memcg: mem_cgroup, *, local: bool = False) -> dict[str, int]:
    show = memory_events_local_show if local else memory_events_show
    return {
        name: int(count)
        for name, count in (line.split() for line in show(memcg).splitlines())
        if count != "0"
    }
