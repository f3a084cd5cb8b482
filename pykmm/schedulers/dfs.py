# SPDX-License-Identifier: GPL-2.0-only
"""Every interleaving, one after the other.

No reduction at all: this is what cleverer explorers are tested against, and with
a bound it is iterative context bounding as in M. Musuvathi and S. Qadeer,
"Iterative context bounding for systematic testing of multithreaded programs"
(PLDI 2007): all executions with at most so many preemptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Nondeterminism
from .explorer import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.machine import Machine
    from ..engine.scheduler import Scheduler
    from ..engine.thread import Thread

__all__ = ["Dfs"]


class Dfs:
    """Depth first through all choices; *bound* limits preemptions.

    A choice is a place among the threads that can run, the running one first.
    Siblings are visited in that order, so the first execution has no preemption.
    """

    def __init__(self, bound: int | None = None) -> None:
        self.bound = bound
        self.claim = "complete" if bound is None else f"complete within bound {bound}"
        #: For each step of the current path: the choice, and how many there are.
        self._path: list[int] = []
        self._width: list[int] = []
        self._depth = 0
        self._preemptions = 0
        self._ready = True
        self._floor = 0

    def under(self, prefix: Sequence[int]) -> None:
        """Visit only paths that begin with the choices in *prefix*."""
        self._path = list(prefix)
        self._width = [0] * len(prefix)
        self._floor = len(prefix)

    def leave(self) -> list[list[int]] | None:
        """Return the next path, as pairs of a choice and how many; None if done."""
        if not self._ready:
            self._ready = self._advance()
        pairs = zip(self._path, self._width, strict=True)
        return [list(pair) for pair in pairs] if self._ready else None

    def resume(self, path: Sequence[Sequence[int]] | None) -> None:
        """Go on with *path*, which was left."""
        self._ready = path is not None
        self._path = [choice for choice, _ in path or ()]
        self._width = [width for _, width in path or ()]

    @property
    def fork(self) -> list[tuple[int, ...]]:
        """What can follow on the prefix up to the first choice; empty if none comes."""
        widths = self._width[self._floor :]
        for alone, width in enumerate(widths):
            if width > 1:
                return [(*(0,) * alone, choice) for choice in range(width)]
        return []

    def begin(self) -> Scheduler | None:
        """Go to the next path; None after the last one."""
        if not self._ready and not self._advance():
            return None
        self._ready = True
        self._depth = 0
        self._preemptions = 0
        return self

    def _advance(self) -> bool:
        path, width = self._path, self._width
        while len(path) > self._floor and path[-1] + 1 >= width[-1]:
            path.pop()
            width.pop()
        if len(path) == self._floor:
            return False
        path[-1] += 1
        return True

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the thread on the path, or the first choice beyond it."""
        depth = self._depth
        self._depth = depth + 1
        self._ready = False
        order = list(enabled)
        if running is not None:
            order.remove(running)
            order.insert(0, running)
        if depth == len(self._path):
            self._path.append(0)
            self._width.append(0)
        choice = self._path[depth]
        if not self._width[depth]:
            spent = self._preemptions == self.bound and running is not None
            self._width[depth] = 1 if spent else len(order)
        if choice >= len(order):
            raise Nondeterminism(depth, f"choice {choice}", [t.name for t in order])
        self._preemptions += running is not None and choice > 0
        return order[choice]

    def end(self, machine: Machine) -> Verdict:
        """Every path counts."""
        del machine
        return Verdict.NEW
