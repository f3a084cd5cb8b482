# SPDX-License-Identifier: GPL-2.0-only
"""Exploring what a test plays, under patches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pykmm.patches.patch import Patch
from pykmm.runner import Result, explore
from pykmm.scenario import Scenario
from pykmm.workbench import Machine


def explored(
    play: Callable[[Machine], object],
    *patches: Patch,
    stop: bool = False,
) -> Result:
    """Explore *play*, without the kernel's own reaper; *stop* at the first bug."""
    scenario = Scenario(
        name="here",
        function=play,
        summary="",
        machine=partial(Machine, reaper=False),
        patches=patches,
    )
    return explore(scenario, executions=300, stop_on_report=stop)
