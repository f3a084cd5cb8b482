# SPDX-License-Identifier: GPL-2.0-only
"""Everybody in turn, as fair as can be.

One deterministic execution; useful as a first look and where fairness is wanted,
because no thread that can go on waits for more than a round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import check_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.thread import Thread

__all__ = ["RoundRobin"]


class RoundRobin:
    """Let each thread take *quantum* steps, in order of creation, round and round."""

    def __init__(self, quantum: int = 1) -> None:
        check_whole("quantum", quantum)
        self.quantum = quantum
        self._left = 0
        self._last: Thread | None = None

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the running thread while its turn lasts, else the next one."""
        if running is not None and running is self._last and self._left > 0:
            self._left -= 1
            return running
        chosen = enabled[0] if self._last is None else self._after(enabled, self._last)
        self._last = chosen
        self._left = self.quantum - 1
        return chosen

    def _after(self, enabled: Sequence[Thread], last: Thread) -> Thread:
        order = {t: place for place, t in enumerate(last.machine.threads)}
        return next((t for t in enabled if order[t] > order[last]), enabled[0])
