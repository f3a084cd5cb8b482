# SPDX-License-Identifier: GPL-2.0-only
"""T126 to T138: who calls the killer, and when not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.engine.annotate import original
from pykmm.errors import KernelWarning
from pykmm.linux.bug import __warn
from pykmm.linux.gfp_types import (
    __GFP_NOFAIL,
    __GFP_NOMEMALLOC,
    __GFP_RETRY_MAYFAIL,
    __GFP_THISNODE,
    GFP_DMA,
    GFP_KERNEL,
)
from pykmm.linux.jiffies import jiffies, schedule_timeout_uninterruptible
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mmzone import NODE_DATA
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.uapi import SIGKILL
from pykmm.mm.memcontrol_charge import (
    mem_cgroup_oom,
    mem_cgroup_out_of_memory,
    memory_max_write,
)
from pykmm.mm.memcontrol_v1 import mem_cgroup_oom_control_write
from pykmm.mm.oom_kill import oom
from pykmm.mm.page_alloc import __alloc_pages
from pykmm.mm.page_alloc_freelist import alloc_context
from pykmm.mm.page_alloc_slowpath import __alloc_pages_may_oom
from pykmm.mm.page_alloc_watermark import (
    ALLOC_MIN_RESERVE,
    ALLOC_NON_BLOCK,
    ALLOC_OOM,
    lowest_free_pages,
)
from pykmm.syscalls import kill
from pykmm.workbench import Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World


def exhausted(world: World, free: int = 0) -> Process:
    """Take all pages but *free*; return somebody to kill."""
    node = NODE_DATA(0)
    node.nr_free_pages.nr = free
    world.be(world.process("caller", adj=-1000))
    return world.process("hog", anon=1000)


def may_oom(gfp_mask: int, order: int = 0) -> tuple[object, bool]:
    return __alloc_pages_may_oom(gfp_mask, order, alloc_context(0, None))


@pytest.mark.parametrize(
    ("gfp_mask", "order"),
    [
        pytest.param(GFP_KERNEL, 4, id="T126"),
        pytest.param(GFP_KERNEL | __GFP_RETRY_MAYFAIL, 0, id="T127"),
        pytest.param(GFP_KERNEL | GFP_DMA, 0, id="T128"),
        pytest.param(GFP_KERNEL | __GFP_NOFAIL | __GFP_THISNODE, 0, id="T131"),
    ],
)
def test_the_killer_is_not_called(world: World, gfp_mask: int, order: int) -> None:
    exhausted(world)
    assert may_oom(gfp_mask, order) == (None, False)
    assert world.lines() == []


def test_order_3_calls_it(world: World) -> None:
    exhausted(world)
    assert may_oom(GFP_KERNEL, 3) == (None, True)
    assert world.kills() == ["kill hog"]


def test_T129_somebody_else_is_at_it(world: World) -> None:
    exhausted(world)
    holder, caller = world.machine.spawn("holder"), world.machine.spawn("second")

    @holder.runs
    def _() -> None:
        mutex_lock(oom().oom_lock)
        schedule_timeout_uninterruptible(50)
        mutex_unlock(oom().oom_lock)

    @caller.runs
    def _() -> object:
        schedule_timeout_uninterruptible(5)
        before = jiffies()
        return (*may_oom(GFP_KERNEL), jiffies() - before)

    world.machine.run()
    assert caller.result == (None, True, 1)
    assert world.lines() == []


def quiet(world: World) -> list[str]:
    """Let warnings be told instead of ending the world."""
    told: list[str] = []
    world.machine.patches[original(__warn)] = told.append
    return told


def test_T130_nofail_while_the_killer_is_off(world: World) -> None:
    exhausted(world, free=1)
    oom().oom_killer_disabled = True
    with pytest.raises(KernelWarning, match="__GFP_NOFAIL"):
        may_oom(GFP_KERNEL | __GFP_NOFAIL)


def test_T130_nofail_takes_the_last_page(world: World) -> None:
    exhausted(world, free=1)
    oom().oom_killer_disabled = True
    told = quiet(world)
    page, progress = may_oom(GFP_KERNEL | __GFP_NOFAIL)
    assert progress is True
    assert page is not None  # below every watermark
    assert NODE_DATA(0).nr_free_pages.nr == 0
    assert len(told) == 1
    assert world.lines() == []


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        ("OOM", 500),
        ("MIN_RESERVE", 500),
        ("MIN_RESERVE OOM", 250),
        ("MIN_RESERVE NON_BLOCK", 375),
        ("MIN_RESERVE NON_BLOCK OOM", 188),
    ],
    ids=lambda value: f"T132-{value}".replace(" ", "+"),
)
def test_T132_watermarks(world: World, flags: str, left: int) -> None:
    node = NODE_DATA(0)
    node._watermark[0] = 1000
    bits = {
        "OOM": ALLOC_OOM(),
        "MIN_RESERVE": ALLOC_MIN_RESERVE,
        "NON_BLOCK": ALLOC_NON_BLOCK,
    }
    assert lowest_free_pages(node, sum(bits[flag] for flag in flags.split())) == left


def test_T133_a_victim_that_may_not_use_reserves(world: World) -> None:
    exhausted(world)
    p = world.victim(world.machine.spawn("p"))
    p.runs(lambda: __alloc_pages(GFP_KERNEL | __GFP_NOMEMALLOC, 0, 0, None))
    world.machine.run()
    assert p.result is None


# -- cgroups ---------------------------------------------------------------------------


def full(world: World, **facts: object) -> mem_cgroup:
    """Make a cgroup of 100 pages that are all charged, with somebody to kill."""
    box = world.machine.cgroup(
        "box",
        memory_max=100 * 4096,
        **facts,  # type: ignore[arg-type]  # by name
    )
    box.memory.usage = 100
    world.process("hog", anon=100, memcg=box)
    world.be(world.process("caller", adj=-1000))
    return box


def counts(memcg: mem_cgroup) -> tuple[int, int]:
    return memcg.memory_events["OOM"], memcg.memory_events["OOM_KILL"]


def test_T134_a_costly_order(world: World) -> None:
    box = full(world)
    assert mem_cgroup_oom(box, GFP_KERNEL, 4) is False
    assert counts(box) == (0, 0)


def test_T135_there_is_room_by_now(world: World) -> None:
    box = full(world)
    box.memory.usage = 92
    assert mem_cgroup_oom(box, GFP_KERNEL, 3) is True
    assert counts(box) == (1, 0)
    box.memory.usage = 93
    assert mem_cgroup_oom(box, GFP_KERNEL, 3) is True
    assert counts(box) == (2, 1)


def test_T136_killed_while_waiting_for_the_lock(world: World) -> None:
    box = full(world)
    machine, results = world.machine, []
    holder, caller, killer = (machine.spawn(n) for n in ("holder", "second", "killer"))

    @holder.runs
    def _() -> None:
        mutex_lock(oom().oom_lock)
        schedule_timeout_uninterruptible(50)
        mutex_unlock(oom().oom_lock)

    @caller.runs
    def _() -> None:
        schedule_timeout_uninterruptible(5)
        results.append(mem_cgroup_out_of_memory(box, GFP_KERNEL, 0))

    @killer.runs
    def _() -> None:
        schedule_timeout_uninterruptible(10)
        kill(caller.pid, SIGKILL)

    machine.run()
    assert results == [True]
    assert counts(box) == (0, 0)


@pytest.mark.parametrize("user_fault", [True, False])
def test_T137_version_1_leaves_it_to_user_space(world: World, user_fault: bool) -> None:
    box = full(world, legacy=True)
    mem_cgroup_oom_control_write(box, 1)
    caller = world.process("faulting")
    caller.task.__dict__["in_user_fault"] = user_fault
    world.be(caller)
    assert mem_cgroup_oom(box, GFP_KERNEL, 0) is False
    assert caller.task.memcg_in_oom is (box if user_fault else None)
    assert counts(box) == (1, 0)


def test_T138_a_limit_below_the_usage(make_world: Callable[..., World]) -> None:
    world = make_world(node_pages=(1 << 16,))
    machine = world.machine
    box = machine.cgroup("box", memory_max="64M")
    hog = machine.spawn("hog", anon="1M", memcg=box)
    writer = machine.spawn("writer", oom_score_adj=-1000)
    writer.runs(lambda: memory_max_write(box, 16))
    machine.run()
    assert writer.result == 0
    assert hog.task._death is not None
    asked, killed = counts(box)
    assert killed == 1
    assert asked >= 1  # and once more for each round that found the victim dying
    assert world.lines()[0].startswith("writer invoked oom-killer: ")


def test_T131_nofail_on_one_node_loops(world: World) -> None:
    mark = NODE_DATA(0)._watermark[0]
    exhausted(world, free=mark)
    p = world.machine.spawn("p")
    gfp_mask = GFP_KERNEL | __GFP_NOFAIL | __GFP_THISNODE
    p.runs(lambda: __alloc_pages(gfp_mask, 0, 0, None))
    world.machine.run()
    assert p.result is not None  # above half of the lowest mark, without a kill
    assert world.kills() == []
