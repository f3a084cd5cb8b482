# SPDX-License-Identifier: GPL-2.0-only
"""The rebuilt machine has the size the kernel counted with, or a range of sizes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.report.parse import parse
from pykmm.report.world import RebuiltWorld, node_list, rebuild

MakeReport = Callable[..., str]
TASKS = [(7, "a", 500, 0), (8, "b", 60, -1000)]


def built(text: str) -> RebuiltWorld:
    return rebuild(parse(text).reports[0])


def size(world: RebuiltWorld) -> tuple[int, int, int | None]:
    return world.totalpages, world.domain.low, world.domain.high


def test_global(make_report: MakeReport) -> None:
    text = make_report(TASKS, 7).replace(
        "1000000 pages RAM", "1000000 pages RAM\n3000 pages reserved"
    )
    world = built(text.replace("Total swap = 0kB", "Total swap = 40kB"))
    assert size(world) == (997_010, 997_010, 997_010)
    assert (world.domain.ram, world.domain.swap) == (997_000, 10)
    assert world.domain.constraint == "CONSTRAINT_NONE"


def test_without_memory_summary(make_report: MakeReport) -> None:
    assert size(built(make_report(TASKS, 7, ram=None))) == (500, 500, None)


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (["memory: usage 400kB, limit 4000kB, failcnt 1"], (1000, 1000, None)),
        (
            [
                "memory: usage 4000kB, limit 4000kB, failcnt 1",
                "swap: usage 40kB, limit 400kB, failcnt 1",
            ],
            (1010, 1000, 1100),
        ),
        (
            [
                "memory: usage 4000kB, limit 4000kB, failcnt 1",
                "swap: usage 40kB, limit 9007199254740988kB, failcnt 1",
            ],
            (1010, 1000, None),
        ),
        (
            [
                "memory: usage 4000kB, limit 4000kB, failcnt 1",
                "memory+swap: usage 4080kB, limit 4400kB, failcnt 1",
            ],
            (1020, 1000, 1100),
        ),
        (
            [
                "memory: usage 4000kB, limit 4000kB, failcnt 1",
                "memsw: usage 4000kB, limit 18014398509481983kB, failcnt 1",
            ],
            (1000, 1000, None),
        ),
        (
            ["memory: usage 4000kB, limit 9007199254740988kB, failcnt 1"],
            (500, 500, None),
        ),
    ],
)
def test_memcg(
    make_report: MakeReport,
    memory: list[str],
    expected: tuple[int, int, int | None],
) -> None:
    world = built(make_report(TASKS, 7, ram=None, memory=memory))
    assert size(world) == expected
    assert world.is_memcg


def test_memory_policy_counts_its_nodes(make_report: MakeReport) -> None:
    zones = [
        "Node 0 Normal free:0kB present:4000kB managed:3000kB",
        "Node 1 DMA free:0kB present:400kB managed:300kB",
        "Node 1 Normal free:0kB present:8000kB managed:7000kB",
    ]
    text = make_report(TASKS, 7, memory=zones).replace(
        "CONSTRAINT_NONE,nodemask=(null)", "CONSTRAINT_MEMORY_POLICY,nodemask=1"
    )
    world = built(text)
    assert size(world) == (2100, 2100, 2100)
    assert world.domain.nodes == ((1, 2100),)


def test_cpuset_counts_its_nodes(make_report: MakeReport) -> None:
    zones = ["Node 0 Normal free:0kB present:4000kB managed:3000kB"]
    text = make_report(TASKS, 7, memory=zones).replace(
        "CONSTRAINT_NONE", "CONSTRAINT_CPUSET"
    )
    assert size(built(text)) == (1000, 1000, 1000)


def test_node_lists() -> None:
    assert node_list("0-1,3") == (0, 1, 3)
    assert node_list("(null)") == node_list(None) == node_list("x-9") == ()
    assert node_list("2-") == (2,)
    assert len(node_list("0-99999999999999999999")) == 4096


def test_tasks(make_report: MakeReport) -> None:
    text = make_report(TASKS, 7, uid=0).replace(
        "        0        0         ", "    12289       10         ", 1
    )
    task = built(text).tasks[0]
    assert (task.pgtables_bytes, task.pgtable_pages, task.swapents) == (12289, 3, 10)
    assert (task.used, task.cap_sys_admin) == (513, True)


def test_page_tables_in_pages_of_64k(make_report: MakeReport) -> None:
    text = make_report(TASKS, 7, memory=["Node 0 Normal: 3*64kB (U) = 192kB"])
    text = text.replace("        0        0         ", "   131072        0         ", 1)
    assert built(text).tasks[0].pgtable_pages == 2


def test_earlier_victims(make_report: MakeReport) -> None:
    report = parse(make_report(TASKS, 7)).reports[0]
    first, second = rebuild(report, {(7, "a"), (8, "other")}).tasks
    assert (first.oom_victim, first.mm_oom_skip) == (True, True)
    assert (second.oom_victim, second.mm_oom_skip) == (False, False)


def test_earlier_victims_count_after_sysrq(make_report: MakeReport) -> None:
    report = parse(make_report(TASKS, 7, order=-1)).reports[0]
    first = rebuild(report, {(7, "a")}).tasks[0]
    assert (first.oom_victim, first.mm_oom_skip) == (True, False)


def test_other_sizes_keep_what_is_printed(make_report: MakeReport) -> None:
    plain = built(make_report(TASKS, 7)).with_totalpages(5)
    assert (plain.totalpages, plain.domain.ram, plain.domain.swap) == (5, 5, 0)
    memory = ["memory: usage 4000kB, limit 4000kB, failcnt 1"]
    memcg = built(make_report(TASKS, 7, memory=memory)).with_totalpages(1500)
    assert (memcg.totalpages, memcg.domain.memcg_max, memcg.domain.swap) == (
        1500,
        1000,
        500,
    )
