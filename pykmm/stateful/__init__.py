# SPDX-License-Identifier: GPL-2.0-only
"""Fuzzing call orders: stories drawn by hypothesis, checked against a model."""

from ..strategies.schedules import Switch
from .calls import Clone, Exec, Exit, Fork, Kill, Mrelease, Peek, Thread, Wait
from .calls_memory import Limit, Mmap, Munmap, Shortage, Touch
from .draw import calls, host_steps, meetings, spawns, together
from .model import Phase, Proc, Space, State
from .rules import EXAMPLES, STEPS, CallOrders, RacingCallOrders, fuzz
from .seat import LOST, Call, Crowd, Seat
from .shorten import shorten, without
from .steps import Hold, LetGo, Refuse, Spawn, Tick
from .world import CONFIG, Law, Step, Together, Unexplained, World, retell

__all__ = [
    "CONFIG",
    "EXAMPLES",
    "LOST",
    "STEPS",
    "Call",
    "CallOrders",
    "Clone",
    "Crowd",
    "Exec",
    "Exit",
    "Fork",
    "Hold",
    "Kill",
    "Law",
    "LetGo",
    "Limit",
    "Mmap",
    "Mrelease",
    "Munmap",
    "Peek",
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
    "Tick",
    "Together",
    "Touch",
    "Unexplained",
    "Wait",
    "World",
    "calls",
    "fuzz",
    "host_steps",
    "meetings",
    "retell",
    "shorten",
    "spawns",
    "together",
    "without",
]
