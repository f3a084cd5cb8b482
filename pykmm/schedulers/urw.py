# SPDX-License-Identifier: GPL-2.0-only
"""A die that is weighted by how much everybody has left to do.

A walk that chooses among threads alike favours executions in which short threads
end early. Weighted by the number of steps left, and where nobody waits for anybody,
each interleaving is as likely as any other. The numbers come from an earlier
execution, so they are right only as far as all executions take the same steps.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..engine.machine import Machine
    from ..engine.thread import Thread

__all__ = ["Urw"]

_Key = tuple[object, ...]


class Urw:
    """Choose by the number of steps left; *seed* decides.

    *steps* is how many each thread takes, by the thread's key. What threads will do
    that are not there yet counts for the one that is going to make them.
    """

    def __init__(self, steps: Mapping[_Key, int], seed: int | str = 0) -> None:
        self._random = random.Random(seed).random
        self._left = {
            key: sum(steps[other] for other in steps if other[: len(key)] == key)
            for key in steps
        }
        self._met = 0

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return any of *enabled*, those with much left to do more likely."""
        del running
        self._meet(enabled[0].machine)
        left = self._left
        sums = list(accumulate(max(1, left.get(t.key, 1)) for t in enabled))
        point = self._random() * sums[-1]
        chosen = next(t for t, end in zip(enabled, sums, strict=True) if point < end)
        if chosen.key in left:
            left[chosen.key] -= 1
        return chosen

    def _meet(self, machine: Machine) -> None:
        """Let new threads do their own steps."""
        left = self._left
        for t in machine.threads[self._met :]:
            creator = t.creator
            if creator is not None and creator.key in left and t.key in left:
                left[creator.key] -= left[t.key]
        self._met = len(machine.threads)
