# SPDX-License-Identifier: GPL-2.0-only
"""Small named situations, with everything that is needed to explore them.

Sizes are tiny on purpose: what matters is who can meet whom, and two page-table
pages already show both walks and the place where they meet.
"""

from __future__ import annotations

from typing import Final

from ..scenario import Scenario
from . import mrelease, oom, release

__all__ = ["SCENARIOS"]

#: All scenarios by name.
SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (*mrelease.SCENARIOS, *oom.SCENARIOS, *release.SCENARIOS)
}
