# SPDX-License-Identifier: GPL-2.0-only
"""Whom the killer weighs how, and whom it chooses, on real objects."""

from __future__ import annotations

import pytest

from pykmm.boot import build_process
from pykmm.engine import Config
from pykmm.linux.memcontrol import mem_cgroup
from pykmm.linux.mm import mm_flags_set
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    MMF_OOM_SKIP,
)
from pykmm.linux.oom import LONG_MAX, LONG_MIN, oom_control
from pykmm.linux.sched import PF_KTHREAD, task_struct
from pykmm.mm.oom_kill import (
    oom_badness,
    select_bad_process,
)
from pykmm.workbench import Machine, Process


def sized(
    m: Machine,
    name: str,
    *,
    anon: int = 0,
    file: int = 0,
    shmem: int = 0,
    swap: int = 0,
    pgtables: int = 0,
    adj: int = 0,
) -> Process:
    """Spawn a process with counters set by hand, to score it."""
    p = m.spawn(name, oom_score_adj=adj)
    mm = p.mm
    assert mm is not None
    counts = {
        MM_ANONPAGES: anon,
        MM_FILEPAGES: file,
        MM_SHMEMPAGES: shmem,
        MM_SWAPENTS: swap,
    }
    for kind, pages in counts.items():
        mm.rss_stat[kind].counter = pages
    mm.pgtables_bytes.counter = pgtables
    return p


# -- badness: anon 100, file 20, shmem 5, swap 50, three pages of tables -----------


@pytest.mark.parametrize(
    ("adj", "totalpages", "points"),
    [
        (0, 1_000_000, 178),
        (500, 1_000_000, 500_178),
        (-500, 1_000_000, -499_822),
        (-999, 1_000_000, -998_822),
        (-1000, 1_000_000, LONG_MIN),
        (1000, 999, 178),
        (1, 4_194_303, 4372),
    ],
)
def test_badness_is_pages_plus_adj(adj: int, totalpages: int, points: int) -> None:
    with Machine() as m:
        p = sized(m, "M", anon=100, file=20, shmem=5, swap=50, pgtables=12288, adj=adj)
        assert oom_badness(p.task, totalpages) == points


def test_badness_counts_whole_pages_of_tables() -> None:
    with Machine() as m:
        p = sized(m, "M", anon=100, file=20, shmem=5, swap=50, pgtables=4095)
        assert oom_badness(p.task, 1_000_000) == 175


def test_badness_finds_a_thread_that_still_has_the_mm() -> None:
    with Machine() as m:
        p = m.spawn("app", anon="400K", threads=2)
        before = oom_badness(p.task, 1_000_000)
        p.task.mm = None
        assert oom_badness(p.task, 1_000_000) == before > 100


@pytest.mark.parametrize("why", ["no mm", "skip", "init", "kthread", "vfork"])
def test_badness_of_who_must_not_be_chosen(why: str) -> None:
    with Machine() as m:
        p = sized(m, "M", anon=100)
        assert p.mm is not None
        task = p.task
        if why == "no mm":
            task.mm = None
        elif why == "skip":
            mm_flags_set(MMF_OOM_SKIP, p.mm)
        elif why == "init":
            task = m.init.task
        elif why == "kthread":
            task.__dict__["flags"] = PF_KTHREAD
        else:
            from pykmm.linux.completion import completion

            parent = m.spawn("parent", shares_mm=p)
            task.vfork_done = completion(task)
            task.real_parent = parent.task
        assert oom_badness(task, 1_000_000) == LONG_MIN


def test_a_vfork_flag_without_a_shared_mm_protects_nobody() -> None:
    from pykmm.linux.completion import completion

    with Machine() as m:
        p = sized(m, "M", anon=100)
        p.task.vfork_done = completion(p.task)
        assert oom_badness(p.task, 1_000_000) == 100


# -- selection -----------------------------------------------------------------------


def select(oc: oom_control) -> task_struct | None:
    select_bad_process(oc)
    return oc.chosen if isinstance(oc.chosen, task_struct) else None


def test_the_largest_is_chosen_and_of_equals_the_last() -> None:
    with Machine() as m:
        sized(m, "a", anon=50)
        sized(m, "b", anon=70)
        last = sized(m, "c", anon=70)
        sized(m, "d", anon=10)
        assert select(oom_control(totalpages=1_000_000)) is last.task


def test_negative_points_are_still_a_candidate() -> None:
    with Machine() as m:
        p = sized(m, "only", anon=10, adj=-999)
        assert select(oom_control(totalpages=1_000_000)) is p.task


def test_an_origin_task_wins_whatever_protects_it() -> None:
    with Machine() as m:
        origin = sized(m, "swapoff", anon=1, adj=-1000)
        origin.task.signal.oom_flag_origin = True
        sized(m, "hog", anon=10**6)
        oc = oom_control(totalpages=1_000_000)
        assert select(oc) is origin.task
        assert oc.chosen_points == LONG_MAX


def test_a_dying_victim_ends_the_search() -> None:
    with Machine() as m:
        sized(m, "hog", anon=1000)
        victim = sized(m, "victim", anon=10)
        victim.task.signal.oom_mm = victim.mm
        oc = oom_control(totalpages=1_000_000)
        select_bad_process(oc)
        assert repr(oc.chosen) == "-1"


def test_a_victim_that_was_given_up_is_passed_over() -> None:
    with Machine() as m:
        hog = sized(m, "hog", anon=1000)
        victim = sized(m, "victim", anon=10**6)
        assert victim.mm is not None
        victim.task.signal.oom_mm = victim.mm
        mm_flags_set(MMF_OOM_SKIP, victim.mm)
        assert select(oom_control(totalpages=1_000_000)) is hog.task


def test_sysrq_does_not_care_for_pending_victims() -> None:
    with Machine() as m:
        victim = sized(m, "victim", anon=10)
        victim.task.signal.oom_mm = victim.mm
        assert select(oom_control(totalpages=1_000_000, order=-1)) is victim.task


def test_a_memcg_is_searched_with_its_children() -> None:
    with Machine() as m:
        top = mem_cgroup(cg_name="top")
        child = mem_cgroup(cg_name="child", parent=top)
        sized(m, "outside", anon=10**6)
        for memcg, name, pages in ((top, "inside", 10), (child, "below", 20)):
            task = build_process(m, name=name, thread_name=name, memcg=memcg)
            task.__dict__["mm"].rss_stat[MM_ANONPAGES].counter = pages
        chosen = select(oom_control(totalpages=1_000_000, memcg=top))
        assert chosen is not None
        assert chosen.comm == "below"


def test_mempolicy_and_cpuset_restrict_the_candidates() -> None:
    with Machine(Config(node_pages=(1000, 1000))) as m:
        bound = sized(m, "bound", anon=10**6)
        bound.task.mempolicy_nodes = frozenset({1})
        free = sized(m, "free", anon=10)
        oc = oom_control(totalpages=1_000_000, nodemask=frozenset({0}))
        assert select(oc) is free.task
