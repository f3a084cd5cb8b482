# SPDX-License-Identifier: GPL-2.0-only
"""Who takes the next step: one algorithm a file.

:class:`Replay`, :class:`RoundRobin` and :class:`RandomWalk` decide one execution;
:class:`Dfs` and :class:`Dpor` run through all of them.
"""

from .dfs import Dfs
from .dpor import Dpor
from .explorer import Explorer, Redundant, Verdict
from .random_walk import RandomWalk
from .replay import Replay
from .round_robin import RoundRobin

__all__ = [
    "Dfs",
    "Dpor",
    "Explorer",
    "RandomWalk",
    "Redundant",
    "Replay",
    "RoundRobin",
    "Verdict",
]
