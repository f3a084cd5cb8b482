# SPDX-License-Identifier: GPL-2.0-only
"""What a strategy that runs many executions answers to whoever runs them.

A scheduler decides within one execution. An explorer decides between them: it
hands out one scheduler after another and is shown each machine that was run.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..engine.machine import Machine
    from ..engine.scheduler import Scheduler

__all__ = ["Explorer", "Redundant", "Verdict"]


class Redundant(BaseException):
    """Ends an execution that can only repeat what another one showed."""


class Verdict(Enum):
    """What an execution was worth."""

    #: It counts.
    NEW = "new"
    #: It came to nothing: all that could follow has been explored already.
    REDUNDANT = "redundant"
    #: It has to be looked at once more: the same one comes next.
    AGAIN = "again"
    #: It taught something that earlier decisions did not know: forget what was
    #: counted so far, this one included; the explorer begins anew.
    RESTART = "restart"


class Explorer(Protocol):
    """Hands out schedulers until there is nothing left to see."""

    @property
    def claim(self) -> str:
        """What may be claimed when it has nothing left; empty if it never ends."""
        ...

    def begin(self) -> Scheduler | None:
        """Return the next execution's scheduler; None if all is explored."""
        ...

    def end(self, machine: Machine) -> Verdict:
        """Look at *machine*, which has been run and closed."""
        ...
