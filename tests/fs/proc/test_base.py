# SPDX-License-Identifier: GPL-2.0-only
"""The score that /proc shows."""

from __future__ import annotations

import pytest

from pykmm.engine import Config
from pykmm.fs.proc.base import proc_oom_score
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.workbench import Machine


@pytest.mark.parametrize(
    ("pages", "adj", "score"),
    [
        (0, 0, 666),
        (0, 1000, 1332),  # a thousandth of all pages, rounded down, for each
        (0, -999, 1),
        (1 << 20, 0, 1333),
        (1 << 20, 1000, 1999),
        (1 << 20, -1000, 0),
        (1 << 19, -500, 666),
        (3000, -1, 667),
    ],
)
def test_score(pages: int, adj: int, score: int) -> None:
    with Machine(Config(node_pages=(1 << 20,)), reaper=False) as machine:
        process = machine.spawn("p", oom_score_adj=adj)
        assert process.mm is not None
        process.mm.rss_stat[MM_ANONPAGES].counter = pages
        assert proc_oom_score(process.task) == score
        assert proc_oom_score(machine.init.task) == 0
