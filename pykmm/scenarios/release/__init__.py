# SPDX-License-Identifier: GPL-2.0-only
"""The scenes of the argument about kill-and-release, to be played under each design.

What a scene comes to is told in the words of :data:`.outcomes.OUTCOMES`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ...scenario import Scenario
from ...workbench import Machine
from . import scenes
from .outcomes import OUTCOMES, Judged, Word

__all__ = ["OUTCOMES", "SCENARIOS", "Judged", "Word"]


def _scene(name: str, function: Callable[[Machine], Judged], summary: str) -> Scenario:
    # Nobody runs out of memory here, so the reaper would only add steps.
    return Scenario(
        name=name,
        function=function,
        summary=summary,
        machine=partial(Machine, reaper=False),
    )


SCENARIOS: Final = (
    _scene("S0", scenes.nobody_else, "a victim and a caller, and nobody else"),
    _scene("S1", scenes.reader_holds, "a reader holds the victim's memory"),
    _scene("S2", scenes.parent_waits, "the same, and the victim's parent waits"),
    _scene("S3", scenes.sharer_lives, "a live process shares the memory"),
    _scene("S3'", scenes.sharer_out_of_reach, "and the caller may not kill it"),
    _scene("S7", scenes.callers_race, "two callers at once"),
    _scene("S13", scenes.nothing_left_to_gain, "MMF_OOM_SKIP is set on a live mm"),
)
