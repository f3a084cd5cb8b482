# SPDX-License-Identifier: GPL-2.0-only
"""Reclaiming ahead: when a node's thread wakes, and how far it goes."""

from __future__ import annotations

from functools import partial

import pytest

from pykmm import Scenario, explore
from pykmm.boot import Region
from pykmm.engine import Config
from pykmm.linux.mmzone import NODE_DATA, high_wmark_pages, low_wmark_pages
from pykmm.linux.uapi import SIGKILL
from pykmm.mm._conservation import _books
from pykmm.syscalls import kill, pause, touch
from pykmm.workbench import Machine, Process

from .shortages import PAGE, booted, killed

#: A machine with a thread that reclaims for each node.
boot = partial(booted, kswapd=True)


def free(nid: int = 0) -> int:
    return NODE_DATA(nid).nr_free_pages.nr


def touches(m: Machine, pages: int, name: str = "hog") -> Process:
    p = m.spawn(name, regions=[Region("anon", pages * PAGE, populated=0)])

    @p.runs
    def _() -> None:
        for n in range(pages):
            touch(p.memory[0].start + n * PAGE, PAGE)
        pause()

    return p


def woken(m: Machine) -> list[str]:
    kinds = ("wake_up_interruptible",)
    return [e.obj.name for e in m.events if e.kind in kinds and "kswapd" in e.obj.name]


def reclaimers(m: Machine) -> set[str]:
    return {e.thread.name for e in m.events if e.kind == "__remove_mapping"}


def test_each_node_has_a_thread_that_sleeps() -> None:
    with boot(None, 512, 512) as m:
        m.spawn("p")
        m.run()
        names = [task.comm for task in m.tasks()]
        assert [n for n in names if "kswapd" in n] == ["kswapd0", "kswapd1"]
        assert m.events == []


def test_a_machine_has_none_unless_it_is_said() -> None:
    with Machine(Config(node_pages=(1024,))) as m:
        m.spawn("p")
        assert not any("kswapd" in task.comm for task in m.tasks())


def test_it_is_woken_below_the_low_mark_and_not_before() -> None:
    with boot() as m:
        m.spawn("files", regions=[Region("file", 512 * PAGE, shared=True)])
        left = free() - low_wmark_pages(NODE_DATA(0)) - 4
        touches(m, left - 8, "first")
        m.run()
        assert free() >= low_wmark_pages(NODE_DATA(0))
        assert not woken(m)
        touches(m, 16, "second")
        m.run()
        assert len(woken(m)) == 1
        assert reclaimers(m) == {"kswapd0"}
        assert free() >= high_wmark_pages(NODE_DATA(0)) - 16


def test_it_swaps_out_as_well() -> None:
    with boot(swap=1024) as m:
        sleeper = m.spawn("sleeper", anon="2M")
        touches(m, 600)
        m.run()
        assert sleeper.mm is not None
        assert sleeper.mm.rss_stat[2].counter > 0
        assert any(
            e.thread.name == "kswapd0" and e.kind == "folio_alloc_swap"
            for e in m.events
        )


def test_with_nothing_to_be_had_the_killer_is_called() -> None:
    with boot() as m:
        hog = touches(m, 2000)
        m.run()
        assert (killed(), hog.mm) == (["hog"], None)


@pytest.mark.parametrize("seed", range(25))
def test_it_works_beside_those_who_are_short_themselves(seed: int) -> None:
    with boot(seed, swap=200) as m:
        files = m.spawn("files", regions=[Region("file", 600 * PAGE, shared=True)])
        files.runs(lambda: touch(files.memory[0].start, 600 * PAGE, False))
        hogs = [touches(m, 250, f"hog{n}") for n in range(2)]
        m.spawn("killer").runs(lambda: kill(hogs[0].pid, SIGKILL))
        m.run()


def _race(m: Machine) -> bool:
    """Take memory below the low mark, while the thread may come to sleep again."""
    m.spawn("files", regions=[Region("file", 40 * PAGE, shared=True)])
    node = NODE_DATA(0)
    touches(m, free() - low_wmark_pages(node) + 2)
    m.run()
    assert _books() == []
    return bool(woken(m)) and free() >= low_wmark_pages(node)


def test_no_order_loses_the_wakeup() -> None:
    config = Config(node_pages=(128,), min_free_kbytes=64, kswapd=True)
    result = explore(
        Scenario(name="kswapd", function=_race, config=config), executions=300
    )
    assert {outcome.value for outcome in result.outcomes} == {True}
