# SPDX-License-Identifier: GPL-2.0-only
"""Schedules drawn at random, as the few places where a thread gives way.

A schedule of :mod:`pykmm.engine` names who took each step, which no strategy can
draw: who can run is known only when it comes to that. What is drawn here says where
the running thread gives way that could go on, and to whom. Nothing at all is the
schedule without preemptions, so shrinking comes to the fewest of them by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from attrs import frozen
from hypothesis import strategies as st

from ..engine.events import Access

if TYPE_CHECKING:
    from ..engine.events import Event
    from ..engine.thread import Thread

__all__ = ["GiveWay", "Switch", "schedules"]


#: Steps behind which others find what they could not have before.
_GIVES_BACK: Final = frozenset(
    (Access.RELEASE, Access.UNSHARE, Access.DEC, Access.DROP)
)


def _gives_back(event: Event) -> bool:
    return event.access in _GIVES_BACK and event.kind != "rcu_read_unlock"


@frozen
class Switch:
    """Give way after *after* more steps, to the one with number *to* of the others.

    With *releases* only steps are counted that give back a lock or a reference;
    nobody waits for the end of an RCU read section.
    """

    after: int = 0
    to: int = 0
    releases: bool = True


class GiveWay:
    """The scheduler that follows switches; otherwise the running thread goes on.

    A switch that comes due while nobody else can run waits until somebody can.
    """

    def __init__(self, switches: Iterable[Switch] = ()) -> None:
        self.follow(switches)

    def follow(self, switches: Iterable[Switch]) -> None:
        """Begin anew with *switches*."""
        self._coming = list(switches)[::-1]
        self._steps = 0
        self._releases = 0

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the running thread, or the first one, or whoever a switch names."""
        goes_on = running or enabled[0]
        if not self._coming:
            return goes_on
        switch = self._coming[-1]
        events = goes_on.machine.events
        due = self._releases if switch.releases else self._steps
        if self._steps and events:
            due += switch.releases and _gives_back(events[-1])
            self._releases = due if switch.releases else 0
        self._steps += 1
        others = [t for t in enabled if t is not goes_on]
        if due < switch.after or not others:
            return goes_on
        self._coming.pop()
        self._steps = self._releases = 0
        return others[switch.to % len(others)]


@cache
def schedules(
    *, least: int = 0, switches: int = 3, steps: int = 60, releases: int = 12
) -> st.SearchStrategy[list[Switch]]:
    """Draw *least* to *switches* switches, each a while behind the last one.

    Three of four come after up to *releases* locks and references were given back,
    because that is where most races begin, and one after up to *steps* steps. Where
    and to whom is drawn evenly. They shrink to the fewest, to early ones, and to the
    oldest thread that can run.
    """
    whom = st.integers(0, 3)
    soon = st.builds(Switch, st.integers(0, releases), whom)
    anywhere = st.builds(Switch, st.integers(0, steps), whom, st.just(False))
    one = st.one_of(soon, soon, soon, anywhere)
    return st.lists(one, min_size=least, max_size=switches)
