# SPDX-License-Identifier: GPL-2.0-only
"""The engine: one execution of one machine, over real threads.

It knows nothing of kernels and imports nothing of them.
"""

from .config import BASELINE, Backend, Config, Timers
from .events import Access, Event, conflict
from .guards import AllOf, AnyOf
from .machine import Machine, current_machine
from .objects import Field, Named, Root, Struct
from .pool import Pool
from .scheduler import Schedule, Scheduler
from .statics import MachineLocal
from .step import enter, enter_if, leave
from .sync import Cell, Counter, Mutex, PlainCell, RWLock
from .thread import Sleep, Thread, ThreadState, current_thread

__all__ = [
    "BASELINE",
    "Access",
    "AllOf",
    "AnyOf",
    "Backend",
    "Cell",
    "Config",
    "Counter",
    "Event",
    "Field",
    "Machine",
    "MachineLocal",
    "Mutex",
    "Named",
    "PlainCell",
    "Pool",
    "RWLock",
    "Root",
    "Schedule",
    "Scheduler",
    "Sleep",
    "Struct",
    "Thread",
    "ThreadState",
    "Timers",
    "conflict",
    "current_machine",
    "current_thread",
    "enter",
    "enter_if",
    "leave",
]
