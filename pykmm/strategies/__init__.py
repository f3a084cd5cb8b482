# SPDX-License-Identifier: GPL-2.0-only
"""Hypothesis strategies: machines, processes, worlds and programs, drawn at random.

Each says what it draws, and in which proportion. All shrink to less: fewer processes,
fewer calls, smaller numbers, and what has a default to that.
"""

from .acts import Act
from .machines import (
    Group,
    Member,
    Setting,
    address_spaces,
    configs,
    machines,
    process_trees,
)
from .malformed import Malformed, malformed_worlds
from .play import Player, end_all, play
from .programs import programs
from .worlds import worlds

__all__ = [
    "Act",
    "Group",
    "Malformed",
    "Member",
    "Player",
    "Setting",
    "address_spaces",
    "configs",
    "end_all",
    "machines",
    "malformed_worlds",
    "play",
    "process_trees",
    "programs",
    "worlds",
]
