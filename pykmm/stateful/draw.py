# SPDX-License-Identifier: GPL-2.0-only
"""Strategies for steps and calls, and in which proportion they are drawn."""

from __future__ import annotations

from hypothesis import strategies as st

from ..linux.uapi import SIGKILL, SIGTERM
from ..strategies.schedules import schedules
from .calls import (
    Clone,
    Exit,
    Fork,
    Kill,
    Mmap,
    Mrelease,
    Munmap,
    Shortage,
    Thread,
    Touch,
    Wait,
)
from .seat import Call
from .steps import Hold, LetGo, Refuse, Spawn
from .world import Step, Together

__all__ = ["calls", "host_steps", "spawns", "together"]

_WHO = st.integers(0, 3)
_PAGE = st.integers(0, 8)
_SIGNALS = st.sampled_from((int(SIGKILL), int(SIGKILL), int(SIGTERM), 0))
_FLAGS = st.integers(0, 8).map(lambda n: n // 8)
_OWN = (
    st.builds(Touch, _WHO, _PAGE),
    st.builds(Fork, _WHO),
    st.builds(Clone, _WHO),
    st.builds(Thread, _WHO),
    st.builds(Exit, _WHO, st.integers(0, 2)),
    st.builds(Wait, _WHO),
    st.builds(Mmap, _WHO, st.integers(1, 4)),
    st.builds(Munmap, _WHO, _PAGE, st.integers(1, 4)),
    st.builds(Shortage, _WHO),
)


def calls(whom: st.SearchStrategy[int] = _WHO) -> st.SearchStrategy[Call]:
    """Draw a call: of five two kill, two reap, and one is evenly any of the others.

    Of the signals half are SIGKILL; of nine reaps one has flags that are none.
    """
    kill = st.builds(Kill, _WHO, whom, _SIGNALS)
    mrelease = st.builds(Mrelease, _WHO, whom, _FLAGS)
    return st.one_of(kill, mrelease, kill, mrelease, st.one_of(_OWN))


@st.composite
def together(
    draw: st.DrawFn,
    *,
    at_most: int = 3,
    switches: int = 3,
    more: st.SearchStrategy[Call] | None = None,
) -> Step:
    """Draw up to *at_most* calls that overlap, and up to *switches* preemptions.

    Where two can overlap, half of the time all are about one process, because those
    that are not cannot meet; half of these begin with a kill and a reap. *more*
    are calls of one's own; they are every other one.
    """
    one = at_most > 1 and draw(st.booleans())
    whom = st.just(draw(_WHO)) if one else _WHO
    drawn = calls(whom) if more is None else st.one_of(more, calls(whom))
    made: list[Call] = []
    if one and draw(st.booleans()):
        made = [
            draw(st.builds(Kill, _WHO, whom)),
            draw(st.builds(Mrelease, _WHO, whom)),
        ]
    least = 0 if made else 1
    made += draw(st.lists(drawn, min_size=least, max_size=at_most - len(made)))
    gives = draw(schedules(switches=switches)) if switches else []
    return Together(*made, switches=gives)


def spawns() -> st.SearchStrategy[Step]:
    """Draw a new process of up to 16 pages."""
    return st.builds(Spawn, st.integers(0, 16))


def host_steps() -> st.SearchStrategy[Step]:
    """Draw evenly what the host does to processes: it holds, lets go, or refuses."""
    return st.one_of(
        st.builds(Hold, _WHO), st.builds(LetGo, _WHO), st.builds(Refuse, _WHO)
    )
