# SPDX-License-Identifier: GPL-2.0-only
"""A fair die at each step.

Simple and cheap, and it finds shallow bugs soon; but interleavings are far from
equally likely, and bugs that need one thread to be late for long are rare.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.thread import Thread

__all__ = ["RandomWalk"]


class RandomWalk:
    """Choose among those that can run, all alike; *seed* decides the walk."""

    def __init__(self, seed: int | str = 0) -> None:
        self._random = random.Random(seed).random

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return any of *enabled*."""
        del running
        random = self._random
        return enabled[int(random() * len(enabled))]
