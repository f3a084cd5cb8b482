# SPDX-License-Identifier: GPL-2.0-only
"""Who takes the next step: one algorithm a file.

:class:`Replay`, :class:`RoundRobin` and the samplers :class:`RandomWalk`, :class:`Pct`,
:class:`Pos` and :class:`Urw` decide one execution; :class:`Dfs`, :class:`Dpor` and
:class:`Bounded` run through all of them.
"""

from .bounded import Bounded
from .dfs import Dfs
from .dpor import Dpor
from .explorer import Explorer, Redundant, Verdict
from .pct import Pct
from .pos import Pos
from .random_walk import RandomWalk
from .replay import Replay
from .round_robin import RoundRobin
from .subtree import Subtree
from .urw import Urw

__all__ = [
    "Bounded",
    "Dfs",
    "Dpor",
    "Explorer",
    "Pct",
    "Pos",
    "RandomWalk",
    "Redundant",
    "Replay",
    "RoundRobin",
    "Subtree",
    "Urw",
    "Verdict",
]
