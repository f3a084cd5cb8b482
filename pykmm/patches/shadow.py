# SPDX-License-Identifier: GPL-2.0-only
"""Fields that a patch adds to structures it did not make.

Baseline structures have no place for them. As livepatches do, a patch keeps what it
adds beside the structure, found by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..engine.objects import Struct
from ..engine.statics import MachineLocal
from ..linux.sched import task_struct

__all__ = ["Shadow", "Shadows"]


class Shadow(Struct):
    """What a patch keeps beside a structure."""

    def _pins(self) -> Struct | None:
        """Return the structure on which this holds a reference, if it does."""
        return None


_T = TypeVar("_T", bound=Shadow)


class Shadows(Generic[_T]):
    """One more structure for each task, made when somebody first asks for it.

    *make* gets the task as ``task=``.
    """

    def __init__(self, make: Callable[..., _T]) -> None:
        self._make = make
        self._all: MachineLocal[dict[task_struct, _T]] = MachineLocal(dict)

    def of(self, task: task_struct) -> _T:
        """Return the structure of *task*."""
        every = self._all()
        if task not in every:
            every[task] = self._make(task=task)
        return every[task]

    def pop(self, task: task_struct) -> _T | None:
        """Return the structure of *task*, if there is one, and forget it."""
        return self._all().pop(task, None)
