# SPDX-License-Identifier: GPL-2.0-only
"""The scenes of the argument about kill-and-release, to be played under each design.

What a scene comes to is told in the words of :data:`.outcomes.OUTCOMES`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ...patches.patch import Patch
from ...patches.situations import aio
from ...scenario import Scenario
from ...workbench import Machine
from . import disturbances, families, scenes
from .cast import TWO_MAPPINGS
from .outcomes import OUTCOMES, Judged, Word

__all__ = ["OUTCOMES", "SCENARIOS", "Judged", "Word"]


def _scene(
    name: str, function: Callable[[Machine], Judged], summary: str, *patches: Patch
) -> Scenario:
    # Nobody runs out of memory here, so the reaper would only add steps.
    return Scenario(
        name=name,
        function=function,
        summary=summary,
        machine=partial(Machine, reaper=False),
        patches=patches,
    )


SCENARIOS: Final = (
    _scene("S0", scenes.nobody_else, "a victim and a caller, and nobody else"),
    _scene(
        "S0-perm",
        scenes.victim_out_of_reach_leaves,
        "the victim exits by itself, and the caller may not kill it",
    ),
    _scene("S1", scenes.reader_holds, "a reader holds the victim's memory"),
    _scene("S1-exit", scenes.victim_leaves, "the same, and the victim exits by itself"),
    _scene("S2", scenes.parent_waits, "a reader, too, and the victim's parent waits"),
    _scene("S3", scenes.sharer_lives, "a live process shares the memory"),
    _scene("S3'", scenes.sharer_out_of_reach, "and the caller may not kill it"),
    _scene("S3-exit", families.sharer_leaves, "a sharer exits by itself"),
    _scene("S3-past", families.sharer_left_before, "a process shared the memory once"),
    _scene("S4", families.vfork_child, "the victim is a vfork child"),
    _scene("S5", families.clones_meanwhile, "the victim clones a sharer meanwhile"),
    _scene(
        "S5m",
        partial(families.clones_meanwhile, memory=TWO_MAPPINGS),
        "the same, and there is enough memory for two walks to meet",
    ),
    _scene("S6", families.execs_meanwhile, "the victim execs meanwhile"),
    _scene("S7", scenes.callers_race, "two callers at once"),
    _scene("S8", disturbances.caller_is_killed, "a fatal signal reaches the caller"),
    _scene(
        "S9",
        disturbances.io_under_way,
        "the victim has asynchronous I/O under way",
        aio.patch,
    ),
    _scene("S10", families.init_shares, "init shares the memory"),
    _scene(
        "S11",
        families.sharer_in_another_namespace,
        "a sharer is outside of the caller's pid namespace",
    ),
    _scene("S12", disturbances.dumps_core, "the victim is dumping core"),
    _scene("S13", scenes.nothing_left_to_gain, "MMF_OOM_SKIP is set on a live mm"),
    _scene("S14", disturbances.reader_touches, "the reader touches the memory"),
)
