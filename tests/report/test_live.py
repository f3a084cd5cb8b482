# SPDX-License-Identifier: GPL-2.0-only
"""The library's own killer chooses, and it chooses as the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from pykmm.report import judge_text
from pykmm.report.eras import ERAS, EraRules
from pykmm.report.historic import PlainSelector
from pykmm.report.live import LiveSelector
from pykmm.report.model import OomReport
from pykmm.report.parse import parse
from pykmm.report.world import RebuiltWorld, rebuild

LOGS = sorted((Path(__file__).parent / "data").glob("*.log"))


def worlds(log: Path) -> list[RebuiltWorld]:
    reports: list[OomReport] = parse(log.read_text(errors="replace")).reports
    return [rebuild(report) for report in reports if report.rows]


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_real_objects_and_plain_numbers_agree(log: Path) -> None:
    """Under the rules of every era, whichever the log is from."""
    for world in worlds(log)[:1]:
        for rules in ERAS:
            live = LiveSelector().select(world, rules)
            assert live == PlainSelector().select(world, rules), rules.name


@pytest.mark.parametrize("log", LOGS[:6], ids=lambda path: path.stem)
def test_verdicts_are_the_same_with_either(log: Path) -> None:
    text = log.read_text(errors="replace")
    assert judge_text(text, log.name) == judge_text(text, log.name, PlainSelector())


@pytest.mark.parametrize(("rules", "index"), [(ERAS[-1], -1), (ERAS[0], 0)])
def test_equals(rules: EraRules, index: int) -> None:
    """All candidates made equal: the last wins today, the first won once."""
    world = worlds(LOGS[-1])[0]
    first = evolve(world.tasks[0], oom_score_adj=0, mm_oom_skip=False)
    twins = tuple(evolve(first, index=i, pid=100 + i) for i in range(4))
    chosen = LiveSelector().select(evolve(world, tasks=twins), rules).chosen
    assert chosen == range(4)[index]
