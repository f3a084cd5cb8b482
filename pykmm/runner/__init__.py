# SPDX-License-Identifier: GPL-2.0-only
"""Run scenarios: once, again, or in every way there is.

:func:`explore` answers with all outcomes and bugs of a scenario, :func:`replay`
runs one schedule, :func:`shrink` makes one small, and :func:`double_run` tells whether
a scenario is deterministic.
"""

from ..scenario import Scenario
from .campaign import Progress
from .exploration import explore
from .explorers import SCHEDULERS
from .once import Execution, double_run, replay
from .result import Outcome, Result
from .shrink import shrink

__all__ = [
    "SCHEDULERS",
    "Execution",
    "Outcome",
    "Progress",
    "Result",
    "Scenario",
    "double_run",
    "explore",
    "replay",
    "shrink",
]
