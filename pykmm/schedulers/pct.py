# SPDX-License-Identifier: GPL-2.0-only
"""Priorities by lot, and few moments at which one of them drops.

From S. Burckhardt, P. Kothari, M. Musuvathi and S. Nagarakatte, "A Randomized
Scheduler with Probabilistic Guarantees of Finding Bugs" (ASPLOS 2010). A bug that
takes *d* orderings to show is found with probability at least 1/(n k^(d-1)) in each
execution of n threads and k steps; one that takes more is never found. Departures:
no two moments are the same, which makes each set of moments more likely, and threads
draw their priorities when they are first seen, so that n need not be known.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ..errors import check_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.thread import Thread

__all__ = ["Pct"]


class Pct:
    """Run whoever has the highest priority, in one execution of about *steps* steps.

    At *depth* - 1 moments the thread that took the last step falls below all threads
    that did not fall yet. The moments are drawn from the first *steps* steps.
    """

    def __init__(self, depth: int, steps: int, seed: int | str = 0) -> None:
        check_whole("depth", depth)
        check_whole("steps", steps)
        lot = random.Random(seed)
        self._random = lot.random
        changes = lot.sample(range(1, steps + 1), min(depth - 1, steps))
        #: After which step to which priority; those of the start are above 0.
        self._falls = {step: -number for number, step in enumerate(changes, 1)}
        self._priorities: dict[Thread, float] = {}
        self._taken = 0
        self._last: Thread | None = None

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the one of *enabled* whose priority is highest."""
        del running
        priorities = self._priorities
        if self._taken in self._falls and self._last is not None:
            priorities[self._last] = self._falls[self._taken]
        for t in enabled:
            if t not in priorities:
                priorities[t] = self._random()
        self._taken += 1
        self._last = max(enabled, key=priorities.__getitem__)
        return self._last
