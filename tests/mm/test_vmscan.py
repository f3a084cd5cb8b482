# SPDX-License-Identifier: GPL-2.0-only
"""Reclaiming the cache of files that nobody has open."""

from __future__ import annotations

from pykmm.engine import Config, Timers
from pykmm.engine.events import conflict
from pykmm.linux.uapi import MAP_SHARED, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE
from pykmm.mm._conservation import _books
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.syscalls import close, exit_group, mmap, open, touch
from pykmm.workbench import Machine

PAGE = 4096
BOTH = PROT_READ | PROT_WRITE


def use_file() -> None:
    """Open a file, have some pages of it in memory, and end."""
    fd = open("/file", O_CREAT | O_RDWR)
    assert isinstance(fd, int)
    touch(mmap(0, 4 * PAGE, BOTH, MAP_SHARED, fd), 4 * PAGE)
    close(fd)
    exit_group(0)


def test_whether_a_file_is_open_again_before_it_is_reclaimed_is_a_race() -> None:
    """Both look at one list, so their steps are on it, and conflict."""
    with Machine(Config(timers=Timers.IDLE)) as m:
        m.spawn("first").runs(use_file)
        m.run()
        begin = len(m.events)
        m.spawn("again").runs(use_file)
        m.spawn("short").runs(lambda: try_to_free_pages(100, frozenset({0})))
        m.run()
        steps = {event.kind: event for event in m.events[begin:]}
        assert conflict(steps["folio_del_lru"], steps["isolate_lru_folios"])
        assert _books() == []
