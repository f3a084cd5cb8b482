# SPDX-License-Identifier: GPL-2.0-only
"""Programs made by dice that do nothing wrong, unless they are told to.

Two or three threads use every primitive there is, each the way it is meant to be used.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from pykmm.detect import DETECTORS
from pykmm.engine import Machine
from pykmm.errors import Report
from pykmm.schedulers import Pct, RandomWalk
from tests.detect.actor import ACTIONS, WAITS, Actor
from tests.detect.world import LOCKS, World

__all__ = ["Program", "watched"]

#: About how many steps a program takes.
_STEPS = 100


class Program:
    """Threads that do nothing wrong, unless a *mistake* is named."""

    def __init__(
        self, seed: int, actions: Sequence[str] = (*ACTIONS, *WAITS), mistake: str = ""
    ) -> None:
        dice = self.dice = random.Random(seed)
        many = dice.randint(1, 4)
        kinds = [dice.choice(list(LOCKS)) for _ in range(many)]
        self.kinds = sorted(kinds, key=list(LOCKS).index)
        self.threads = dice.choice([2, 2, 3])
        self.mistake = mistake
        self.plans = [self._plan(number, actions) for number in range(self.threads)]

    def _plan(self, me: int, actions: Sequence[str]) -> list[tuple[str, int, int]]:
        """Return actions, each with what it is about and whether it writes."""
        dice = self.dice
        plan: list[tuple[str, int, int]] = []
        for _ in range(dice.randint(2, 8)):
            action = dice.choice(actions)
            if action not in WAITS:
                about = dice.randrange(len(self.kinds))
                plan.append((action, about, dice.randrange(2)))
            elif me:  # only for whom one comes after, so that nobody waits in a circle
                plan.append((action, dice.randrange(me), 0))
        return plan

    def start(self, m: Machine) -> World:
        """Make the threads, and return what they share."""
        world = World(self.kinds, self.threads)
        for me, plan in enumerate(self.plans):
            actor = Actor(m, world, me, self.mistake)
            m.thread(f"t{me}", lambda actor=actor, plan=plan: actor.run(plan))
        return world


def watched(
    program: Program, seed: int, detectors: Sequence[str] = tuple(DETECTORS)
) -> Report | None:
    """Run a program once, by dice as well, and return what is found."""
    watching = [DETECTORS[name].campaign().again() for name in detectors]
    scheduler = RandomWalk(str(seed)) if seed % 2 else Pct(3, _STEPS, str(seed))
    with Machine(scheduler=scheduler, observers=watching) as m:
        # Whoever looks for what is lost comes to what is kept from here.
        world = program.start(m)
        try:
            m.run()
        except Report as report:
            return report
        del world
    return None
