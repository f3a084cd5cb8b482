# SPDX-License-Identifier: GPL-2.0-only
"""Strategies for steps and calls, and in which proportion they are drawn."""

from __future__ import annotations

from hypothesis import strategies as st

from ..linux.uapi import SIGKILL, SIGTERM
from ..strategies.schedules import schedules
from .calls import Clone, Exec, Exit, Fork, Kill, Mrelease, Peek, Thread, Wait
from .calls_memory import Limit, Mmap, Munmap, Shortage, Touch
from .seat import Call, Crowd
from .steps import Hold, LetGo, Refuse, Spawn, Tick
from .world import Step, Together

__all__ = ["calls", "host_steps", "meetings", "spawns", "together"]

_WHO = st.integers(0, 3)
_PAGE = st.integers(0, 8)
_SIGNALS = st.sampled_from((int(SIGKILL), int(SIGKILL), int(SIGTERM), 0))
_FLAGS = st.integers(0, 8).map(lambda n: n // 8)


def calls(
    by: st.SearchStrategy[int] = _WHO,
    whom: st.SearchStrategy[int] = _WHO,
) -> st.SearchStrategy[Call]:
    """Draw a call: of five two kill, two reap, and one is evenly any of the others.

    Of the signals half are SIGKILL; of nine reaps one has flags that are none.
    """
    kill = st.builds(Kill, by, whom, _SIGNALS)
    mrelease = st.builds(Mrelease, by, whom, _FLAGS)
    others = (
        st.builds(Touch, by, _PAGE),
        st.builds(Peek, by, whom),
        st.builds(Fork, by),
        st.builds(Clone, by),
        st.builds(Thread, by),
        st.builds(Exec, by),
        st.builds(Exit, by, st.integers(0, 2)),
        st.builds(Wait, by),
        st.builds(Mmap, by, st.integers(1, 4)),
        st.builds(Munmap, by, _PAGE, st.integers(1, 4)),
        st.builds(Limit, by, st.integers(0, 40)),
        st.builds(Shortage, by),
    )
    return st.one_of(kill, mrelease, kill, mrelease, st.one_of(others))


_ANY = calls()
_ONE_MORE = st.lists(_ANY, max_size=1)
_GOES = st.sampled_from((Kill, Exit, Kill, Exec))
_LOOKS = st.sampled_from((Mrelease, Peek))


@st.composite
def meetings(draw: st.DrawFn, crowd: Crowd, *, switches: int = 3) -> Step:
    """Draw how the memory of a process goes, and who else uses it meanwhile.

    One of *crowd* is killed half of the time, or ends, or execs. Another one reaps it,
    or looks into its memory; a third call is any. There are up to *switches*
    preemptions, and at least one: calls that do not meet are drawn by :func:`together`.
    """
    procs = crowd.state.procs
    whom = draw(_WHO) % len(procs)
    is_own = [crowd.pid_of(by) == procs[whom].pid for by in range(crowd.size)]
    own = [by for by, is_it in enumerate(is_own) if is_it] or [0]
    others = [by for by, is_it in enumerate(is_own) if not is_it] or [0]
    goes, looks = draw(_GOES), draw(_LOOKS)
    first = own[draw(_WHO) % len(own)]
    other = others[draw(_WHO) % len(others)]
    made = [
        Kill(other, whom) if goes is Kill else goes(first),
        looks(others[draw(_WHO) % len(others)], whom),
        *draw(_ONE_MORE),
    ]
    return Together(*made, switches=draw(schedules(least=1, switches=switches)))


@st.composite
def together(
    draw: st.DrawFn,
    *,
    at_most: int = 3,
    switches: int = 3,
    more: st.SearchStrategy[Call] | None = None,
) -> Step:
    """Draw up to *at_most* calls that overlap, and up to *switches* preemptions.

    *more* are calls of one's own; they are every other one.
    """
    drawn = _ANY if more is None else st.one_of(more, _ANY)
    made = draw(st.lists(drawn, min_size=1, max_size=at_most))
    gives = draw(schedules(switches=switches)) if switches else []
    return Together(*made, switches=gives)


def spawns() -> st.SearchStrategy[Step]:
    """Draw a new process of up to 16 pages, every other one in the cgroup."""
    return st.builds(Spawn, st.integers(0, 16), st.integers(0, 1))


def host_steps() -> st.SearchStrategy[Step]:
    """Draw evenly what the host does: it holds memory, lets go, refuses, or has time
    come.
    """
    return st.one_of(
        st.builds(Hold, _WHO),
        st.builds(LetGo, _WHO),
        st.builds(Refuse, _WHO),
        st.builds(Tick),
    )
