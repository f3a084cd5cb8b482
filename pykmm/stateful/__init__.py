# SPDX-License-Identifier: GPL-2.0-only
"""Fuzzing call orders: stories drawn by hypothesis, checked against a model."""

from ..strategies.schedules import Switch
from .calls import (
    Clone,
    Exit,
    Fork,
    Kill,
    Mmap,
    Mrelease,
    Munmap,
    Shortage,
    Thread,
    Touch,
    Wait,
)
from .draw import calls, host_steps, spawns, together
from .model import Phase, Proc, Space, State
from .rules import EXAMPLES, STEPS, CallOrders, RacingCallOrders, fuzz
from .seat import LOST, Call, Crowd, Seat
from .shorten import shorten, without
from .steps import Hold, LetGo, Refuse, Spawn
from .world import CONFIG, Step, Together, Unexplained, World, retell

__all__ = [
    "CONFIG",
    "EXAMPLES",
    "LOST",
    "STEPS",
    "Call",
    "CallOrders",
    "Clone",
    "Crowd",
    "Exit",
    "Fork",
    "Hold",
    "Kill",
    "LetGo",
    "Mmap",
    "Mrelease",
    "Munmap",
    "Phase",
    "Proc",
    "RacingCallOrders",
    "Refuse",
    "Seat",
    "Shortage",
    "Space",
    "Spawn",
    "State",
    "Step",
    "Switch",
    "Thread",
    "Together",
    "Touch",
    "Unexplained",
    "Wait",
    "World",
    "calls",
    "fuzz",
    "host_steps",
    "retell",
    "shorten",
    "spawns",
    "together",
    "without",
]
