# SPDX-License-Identifier: GPL-2.0-only
"""Each formula and each rule for equals, by the numbers."""

from __future__ import annotations

import pytest
from attrs import evolve

from pykmm.report.eras import ERAS, EraRules
from pykmm.report.historic import (
    PlainSelector,
    is_candidate,
    oom_badness_adj_bonus,
    oom_badness_current_bonus,
    oom_badness_no_bonus,
    oom_badness_permille,
    oom_badness_signed,
)
from pykmm.report.world import Domain, RebuiltTask, RebuiltWorld

TASK = RebuiltTask(
    index=0,
    pid=1000,
    tgid=1000,
    uid=1000,
    comm="a",
    oom_score_adj=0,
    total_vm=500,
    rss=125,
    anon=100,
    file=20,
    shmem=5,
    swapents=50,
    pgtables_bytes=12288,
    pgtable_pages=3,
    cap_sys_admin=False,
)


def with_adj(adj: int, *, root: bool = False) -> RebuiltTask:
    return evolve(TASK, oom_score_adj=adj, cap_sys_admin=root)


def world(*tasks: RebuiltTask, totalpages: int = 1_000_000) -> RebuiltWorld:
    numbered = (evolve(t, index=i, pid=1000 + i) for i, t in enumerate(tasks))
    domain = Domain("CONSTRAINT_NONE", totalpages, totalpages, totalpages, "")
    return RebuiltWorld(4, domain, tuple(numbered), None, 0, 0, False, False)


def era(name: str) -> EraRules:
    return next(rules for rules in ERAS if rules.name == name)


@pytest.mark.parametrize(
    ("adj", "totalpages", "points"),
    [
        (0, 1_000_000, 178),
        (500, 1_000_000, 500_178),
        (-500, 1_000_000, -499_822),
        (-999, 1_000_000, -998_822),
        (1000, 999, 178),
        (1, 4_194_303, 4372),
    ],
)
def test_signed(adj: int, totalpages: int, points: int) -> None:
    assert oom_badness_signed(with_adj(adj), totalpages) == points


def test_floor_of_one_until_5_8() -> None:
    assert oom_badness_no_bonus(with_adj(-500), 1_000_000) == 1
    assert oom_badness_no_bonus(with_adj(500), 1_000_000) == 500_178
    assert oom_badness_no_bonus(with_adj(0, root=True), 1_000_000) == 178


def test_root_keeps_three_percent_of_its_own() -> None:
    assert oom_badness_current_bonus(with_adj(0, root=True), 1_000_000) == 173
    assert oom_badness_current_bonus(with_adj(0), 1_000_000) == 178


def test_root_bonus_as_adj() -> None:
    big = evolve(TASK, rss=100_000, cap_sys_admin=True)
    assert oom_badness_adj_bonus(big, 1_000_000) == 100_053 - 30_000
    assert oom_badness_adj_bonus(with_adj(0, root=True), 1_000_000) == 1


def test_permille() -> None:
    big = evolve(TASK, rss=61_947)
    assert oom_badness_permille(big, 1_000_000) == 62
    assert oom_badness_permille(evolve(big, cap_sys_admin=True), 1_000_000) == 32
    assert oom_badness_permille(evolve(big, oom_score_adj=1000), 1_000_000) == 1000
    assert oom_badness_permille(evolve(big, oom_score_adj=-999), 1_000_000) == 1
    assert oom_badness_permille(TASK, 0) == 1000


def test_who_is_no_candidate() -> None:
    assert is_candidate(with_adj(-999))
    assert not is_candidate(with_adj(-1000))
    assert not is_candidate(evolve(TASK, mm_oom_skip=True))
    assert is_candidate(evolve(TASK, oom_victim=True))


@pytest.mark.parametrize("rules", ERAS, ids=[rules.name for rules in ERAS])
def test_equals(rules: EraRules) -> None:
    chosen = PlainSelector().select(world(TASK, TASK, TASK), rules).chosen
    assert chosen == (0 if rules.since < (5, 3, 0) else 2)


@pytest.mark.parametrize("rules", ERAS, ids=[rules.name for rules in ERAS])
def test_most_points_win(rules: EraRules) -> None:
    big = evolve(TASK, rss=60_000)
    assert PlainSelector().select(world(TASK, big, TASK), rules).chosen == 1


def test_pause_container_dies_first_before_5_9_only() -> None:
    pause = evolve(with_adj(-998), rss=1)
    server = evolve(with_adj(-998), rss=90_000)
    machine = world(pause, server, totalpages=100_000)
    assert PlainSelector().select(machine, era("5.1 to 5.2")).chosen == 0
    assert PlainSelector().select(machine, era("5.9 and later")).chosen == 1


def test_negative_points_are_candidates() -> None:
    selection = PlainSelector().select(world(with_adj(-999)), era("5.9 and later"))
    assert (selection.chosen, selection.points) == (0, (-998_822,))


def test_nobody() -> None:
    selection = PlainSelector().select(world(with_adj(-1000)), era("5.9 and later"))
    assert (selection.chosen, selection.points) == (None, (None,))
