# SPDX-License-Identifier: GPL-2.0-only
"""Machines, trees and address spaces: what is drawn, how often, and the least of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, find, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pykmm import Config, Machine
from pykmm.boot import Region
from pykmm.engine import Timers
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.mm.page_alloc import nr_free_pages
from pykmm.strategies import (
    Group,
    Member,
    Setting,
    address_spaces,
    configs,
    end_all,
    machines,
    process_trees,
)

pytestmark = pytest.mark.slow


def share(strategy: st.SearchStrategy[Any], holds: Any) -> float:
    """Return in what part of a sample, the same each time, something holds."""
    found: list[bool] = []

    @hypothesis_settings(max_examples=300, phases=(Phase.generate,))
    @given(strategy)
    def look(value: Any) -> None:
        found.append(bool(holds(value)))

    look()
    return sum(found) / len(found)


@pytest.mark.parametrize(
    ("strategy", "holds", "said"),
    [
        (configs(), lambda c: len(c.node_pages) == 1, 1 / 2),
        (configs(), lambda c: c.total_swap_pages, 1 / 2),
        (configs(), lambda c: c.panic_on_oom, 1 / 8),
        (configs(), lambda c: c.oom_kill_allocating_task, 1 / 8),
        (configs(), lambda c: not c.oom_dump_tasks, 1 / 4),
        (process_trees(), lambda t: t[0].threads > 1, 1 / 4),
        (process_trees(), lambda t: t[0].uid, 1 / 4),
        (process_trees(), lambda t: t[0].oom_score_adj == 0, 3 / 7),
        (process_trees(groups=2), lambda t: t[0].group is not None, 1 / 2),
        (
            process_trees().filter(lambda t: len(t) > 1),
            lambda t: t[1].parent is not None,
            1 / 2,
        ),
        (
            process_trees().filter(lambda t: len(t) > 1),
            lambda t: t[1].shares is not None,
            1 / 4,
        ),
        (
            address_spaces().filter(bool),
            lambda s: s[0].kind == "anon",
            1 / 2,
        ),
    ],
)
def test_the_proportions_are_those_of_the_docstrings(
    strategy: st.SearchStrategy[Any], holds: Any, said: float
) -> None:
    assert said / 2 < share(strategy, holds) < min(2 * said, (1 + said) / 2)


@given(address_spaces(swap=True))
def test_mappings_lie_beside_each_other(regions: tuple[Region, ...]) -> None:
    for below, above in pairwise(regions):
        assert below.start is not None
        assert above.start is not None
        assert below.start + below.size <= above.start
    for region in regions:
        assert region.populated is not None
        assert region.populated + region.swapped <= region.size


def test_they_shrink_to_what_matters() -> None:
    assert find(machines(), lambda _: True) == Setting(
        Config(node_pages=(4096,)), (), (Member(),)
    )
    assert find(configs(), lambda c: len(c.node_pages) > 1) == Config(
        node_pages=(4096, 4096)
    )
    assert find(process_trees(), lambda t: any(m.threads > 1 for m in t)) == (
        Member(threads=2),
    )
    assert find(process_trees(), lambda t: any(m.shares is not None for m in t)) == (
        Member(),
        Member(shares=0),
    )
    assert find(machines(), lambda s: any(g.max_pages for g in s.groups)).groups == (
        Group(max_pages=1),
    )
    (region,) = find(address_spaces(), lambda s: any(r.populated for r in s))
    assert region == Region("anon", 4096, populated=4096, start=1 << 30)


@hypothesis_settings(max_examples=40)
@given(machines())
def test_a_machine_is_built_and_everything_of_it_comes_back(setting: Setting) -> None:
    with Machine(Config(**as_drawn(setting.config))) as m:
        m.ready()
        before = nr_free_pages()
        processes = setting.build(m)
        for process, member in zip(processes, setting.members, strict=True):
            mm = process.mm
            assert mm is not None
            starts = [region.start for region in member.regions]
            if member.shares is None:
                assert [area.start for area in process.memory] == starts
                assert mm.rss_stat[MM_ANONPAGES].counter == sum(
                    (r.populated or 0) // 4096
                    for r in member.regions
                    if r.kind == "anon"
                )
            else:
                assert mm is processes[member.shares].mm
        end_all(m)
        assert nr_free_pages() == before


def as_drawn(config: Config) -> dict[str, Any]:
    """Return the facts of *config*, with timers that wait for their turn."""
    names = ("node_pages", "total_swap_pages", "oom_dump_tasks")
    return {"timers": Timers.IDLE, **{name: getattr(config, name) for name in names}}
