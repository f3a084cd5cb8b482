# SPDX-License-Identifier: GPL-2.0-only
"""T24 to T43: who is chosen, and what restricts the choice.

A name stands for so many anonymous pages; processes are made in the order in which
they are named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pykmm.linux.cpuset import cpuset
from pykmm.linux.gfp_types import __GFP_THISNODE, GFP_DMA, GFP_KERNEL, GFP_USER
from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.oom import LONG_MAX, Aborted, oom_constraint, oom_control
from pykmm.linux.uapi import MPOL_BIND, MPOL_PREFERRED
from pykmm.mm.oom_kill import constrained_alloc, select_bad_process
from pykmm.workbench import Process

if TYPE_CHECKING:
    from tests.mm.vectors.conftest import World

TP = 1_000_000


def chosen(world: World, oc: oom_control | None = None) -> str:
    """Select, and return whose name comes out."""
    oc = oc or oom_control()
    oc.totalpages = TP
    select_bad_process(oc)
    assert oc.chosen is not None
    if isinstance(oc.chosen, Aborted):
        return repr(oc.chosen)
    assert oc.chosen.usage.refs == 2  # its own, and the question's
    return oc.chosen.__dict__["comm"]


def three(world: World) -> tuple[Process, Process, Process]:
    """Make A of 100 pages, B that is a victim, and C of a million."""
    a = world.process("A", anon=100)
    b = world.victim(world.process("B", anon=10))
    return a, b, world.process("C", anon=1_000_000)


def test_T24_the_later_of_equals(world: World) -> None:
    world.process("A", anon=100)
    world.process("B", anon=100)
    assert chosen(world) == "B"


def test_T25_the_larger(world: World) -> None:
    world.process("A", anon=100)
    world.process("B", anon=99)
    assert chosen(world) == "A"


def test_T26_an_only_candidate_with_negative_points(world: World) -> None:
    world.process("A", anon=999_000 - 5, adj=-999)
    oc = oom_control()
    assert chosen(world, oc) == "A"
    assert oc.chosen_points == -5


def test_T27_a_victim_that_is_still_dying(world: World) -> None:
    a, _, _ = three(world)
    world.be(world.process("caller", adj=-1000))
    ret, oc = world.oom()
    assert ret is True
    assert isinstance(oc.chosen, Aborted)
    assert a.task.usage.refs == 1
    assert (world.lines(), world.kills(), world.counted()) == ([], [], 0)


def test_T28_a_victim_that_was_given_up(world: World) -> None:
    _, b, _ = three(world)
    mm_flags_set(MMF_OOM_SKIP, world.mm(b))
    assert chosen(world) == "C"


def test_T29_sysrq_looks_at_everybody(world: World) -> None:
    three(world)
    assert chosen(world, oom_control(order=-1)) == "C"


def origin(world: World, name: str, **facts: int) -> Process:
    made = world.process(name, **facts)
    made.task.signal.oom_flag_origin = True
    return made


def test_T30_an_origin_task_whatever_protects_it(world: World) -> None:
    origin(world, "O", adj=-1000)
    world.process("C", anon=1_000_000)
    oc = oom_control()
    assert chosen(world, oc) == "O"
    assert oc.chosen_points == LONG_MAX


def test_T31_the_later_of_two_origin_tasks(world: World) -> None:
    origin(world, "O", anon=1000)
    origin(world, "P")
    assert chosen(world) == "P"


def test_T32_a_victim_behind_an_origin_task(world: World) -> None:
    o = origin(world, "O")
    world.victim(world.process("B"))
    assert chosen(world) == "-1"
    assert o.task.usage.refs == 1


def test_T33_a_victim_elsewhere_is_not_seen(make_world: Callable[..., World]) -> None:
    world = make_world(node_pages=(6000, 5000))
    away = world.victim(world.process("away", anon=10**6))
    away.task.mems_allowed = frozenset({1})
    here = world.process("here", anon=10)
    here.task.mems_allowed = frozenset({0})
    caller = world.process("caller", adj=-1000)
    caller.task.mems_allowed = frozenset({0})
    world.be(caller)
    ret, oc = world.oom()
    assert ret is True
    assert oc.constraint == oom_constraint.CONSTRAINT_CPUSET
    assert world.kills() == ["kill here"]


@pytest.mark.parametrize(
    ("who", "policies", "eligible"),
    [
        pytest.param("X", (None,), True, id="T34-X"),
        pytest.param("Y", ((MPOL_BIND, 0),), False, id="T34-Y"),
        pytest.param("Z", ((MPOL_PREFERRED, 0),), True, id="T34-Z"),
        pytest.param("W", ((MPOL_BIND, 0), (MPOL_BIND, 1)), True, id="T34-W"),
    ],
)
def test_policies(
    make_world: Callable[..., World],
    who: str,
    policies: tuple[tuple[int, int] | None, ...],
    eligible: bool,
) -> None:
    world = make_world(node_pages=(6000, 5000))
    p = world.process(who, anon=1000)
    tasks = [p.task] + [world.thread(p) for _ in policies[1:]]
    for task, policy in zip(tasks, policies, strict=True):
        if policy is not None:
            task.mempolicy_mode, node = policy
            task.mempolicy_nodes = frozenset({node})
    world.process("other", anon=1)
    oc = oom_control(nodemask=frozenset({1}))
    assert chosen(world, oc) == (who if eligible else "other")


def test_T35_a_memcg_does_not_mind_nodes(make_world: Callable[..., World]) -> None:
    world = make_world(node_pages=(6000, 5000))
    box = world.machine.cgroup("box")
    p = world.process("inside", anon=10, memcg=box)
    p.task.mems_allowed = frozenset({1})
    caller = world.process("caller", adj=-1000)
    caller.task.mems_allowed = frozenset({0})
    world.be(caller)
    assert chosen(world, oom_control(memcg=box, zonelist=False)) == "inside"


# -- constrained_alloc(): 10000 pages, 100 of swap, on nodes of 6000 and 5000 ----------


@pytest.fixture
def nodes(make_world: Callable[..., World]) -> World:
    """A machine with two nodes, of which boot kept a part."""
    return make_world(
        node_pages=(6000, 5000), managed_pages=10000, total_swap_pages=100
    )


N1, BOTH = frozenset({1}), frozenset({0, 1})


@pytest.mark.parametrize(
    ("oc", "mems", "constraint", "totalpages"),
    [
        pytest.param(oom_control(zonelist=False), None, "NONE", 10100, id="T36"),
        pytest.param(oom_control(nodemask=N1), None, "MEMORY_POLICY", 5100, id="T37"),
        pytest.param(oom_control(nodemask=BOTH), None, "NONE", 10100, id="T38"),
        pytest.param(oom_control(), 0, "CPUSET", 6100, id="T39"),
        pytest.param(
            oom_control(nodemask=N1, gfp_mask=GFP_KERNEL | __GFP_THISNODE),
            None,
            "NONE",
            10100,
            id="T40",
        ),
        pytest.param(oom_control(gfp_mask=GFP_DMA), 0, "NONE", 10100, id="dma"),
    ],
)
def test_constraint(
    nodes: World, oc: oom_control, mems: int | None, constraint: str, totalpages: int
) -> None:
    caller = nodes.process("caller")
    if mems is not None:
        caller.task.mems_allowed = frozenset({mems})
    nodes.be(caller)
    assert constrained_alloc(oc).name == f"CONSTRAINT_{constraint}"
    assert oc.totalpages == totalpages


def test_T38_the_nodemask_is_forgotten(nodes: World) -> None:
    nodes.process("hog", anon=10)
    oc = oom_control(nodemask=BOTH)
    nodes.oom(oc)
    assert oc.constraint == oom_constraint.CONSTRAINT_NONE
    assert oc.nodemask is None


@pytest.mark.parametrize(
    ("v2", "hardwall", "gfp_mask", "constraint"),
    [
        (True, False, GFP_USER, "CONSTRAINT_CPUSET"),
        (True, False, GFP_KERNEL, "CONSTRAINT_NONE"),
        (False, False, GFP_KERNEL, "CONSTRAINT_NONE"),
        (False, True, GFP_KERNEL, "CONSTRAINT_CPUSET"),
    ],
)
def test_T39_kernel_memory_reaches_to_the_next_hard_wall(
    nodes: World, v2: bool, hardwall: bool, gfp_mask: int, constraint: str
) -> None:
    caller = nodes.process("caller")
    caller.task.mems_allowed = frozenset({0})
    caller.task.cpuset = cpuset(
        cs_name="n0", v2=v2, mem_hardwall=hardwall, mems_allowed=frozenset({0})
    )
    nodes.be(caller)
    assert constrained_alloc(oom_control(gfp_mask=gfp_mask)).name == constraint


def test_T39_who_is_dying_may_take_memory_everywhere(nodes: World) -> None:
    caller = nodes.victim(nodes.process("caller"))
    caller.task.mems_allowed = frozenset({0})
    nodes.be(caller)
    assert constrained_alloc(oom_control()) == oom_constraint.CONSTRAINT_NONE


def test_T41_a_memcg_counts_the_swap_that_it_may_have(
    make_world: Callable[..., World],
) -> None:
    world = make_world(total_swap_pages=200)
    box = world.machine.cgroup("box", memory_max=1000 * 4096)
    box.swap_max_pages = 500
    oc = oom_control(memcg=box, zonelist=False)
    assert constrained_alloc(oc) == oom_constraint.CONSTRAINT_MEMCG
    assert oc.totalpages == 1200
    box.swappiness = 0
    constrained_alloc(oc)
    assert oc.totalpages == 1000


def test_T42_a_memcg_without_any_memory(world: World) -> None:
    box = world.machine.cgroup("box", memory_max=0)
    oc = oom_control(memcg=box, zonelist=False)
    constrained_alloc(oc)
    assert oc.totalpages == 1


def test_T43_version_1_limits_memory_and_swap_together(
    make_world: Callable[..., World],
) -> None:
    world = make_world(total_swap_pages=300)
    box = world.machine.cgroup("box", memory_max=1000 * 4096, legacy=True)
    box.memsw_max_pages = 1500
    oc = oom_control(memcg=box, zonelist=False)
    constrained_alloc(oc)
    assert oc.totalpages == 1300
    box.memsw_max_pages = 1100
    constrained_alloc(oc)
    assert oc.totalpages == 1100
