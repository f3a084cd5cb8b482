# SPDX-License-Identifier: GPL-2.0-only
"""The laws of every scene: each is broken by a kernel with a bug, and by no design."""

from __future__ import annotations

import pytest

from pykmm.comparison.cells import scene_names, staged
from pykmm.linux.mm_types import mm_struct
from pykmm.mm import oom_kill, swap
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import Patch
from pykmm.runner import explore, replay

lazy = Patch("lazy", kind="bug", summary="reaps nothing and is content", origin="here")


@lazy.replaces(oom_kill.__oom_reap_task_mm)
def __oom_reap_task_mm(mm: mm_struct) -> bool:
    del mm
    return True


loses = Patch("loses", kind="bug", summary="frees no page", origin="here")


@loses.replaces(swap.folios_put_refs)
def folios_put_refs(folios: dict[tuple[int, object], int]) -> None:
    del folios


def first_report(patch: Patch) -> str:
    scenario = staged("S1", "A")
    result = explore(
        scenario.but(patches=(*scenario.patches, patch)),
        executions=50,
        stop_on_report=True,
    )
    return result.reports[0].summary


def test_success_empties() -> None:
    assert first_report(lazy) == "a release came to 0, and 32 private pages are left"


def test_pages_add_up() -> None:
    assert "pages are free and" in first_report(loses)


@pytest.mark.parametrize("scene", scene_names())
def test_no_design_breaks_a_law_when_all_goes_straight(scene: str) -> None:
    for design in DESIGNS:
        execution = replay(staged(scene, design), "", stacks=False)
        assert execution.report is None, design
        assert execution.findings == (), design
