# SPDX-License-Identifier: GPL-2.0-only
"""The scenes of the argument, one function each."""

from __future__ import annotations

from functools import partial

from ...linux.mm import mm_flags_set
from ...linux.mm_types import MMF_OOM_SKIP
from ...syscalls import exit_group
from ...workbench import Machine
from .cast import TWO_MAPPINGS, Cast
from .outcomes import Judged

__all__ = [
    "callers_race",
    "nobody_else",
    "nothing_left_to_gain",
    "parent_waits",
    "reader_holds",
    "sharer_lives",
    "sharer_out_of_reach",
    "victim_leaves",
    "victim_out_of_reach_leaves",
]

_USER, _OTHER = 1000, 2000


def nobody_else(m: Machine) -> Judged:
    """Kill and release, and nobody else has anything to do with it."""
    return Cast.of(m, read=False).play()


def reader_holds(m: Machine) -> Judged:
    """Kill and release while a third party holds the memory."""
    return Cast.of(m).play()


def victim_leaves(m: Machine) -> Judged:
    """The victim exits by itself while a third party holds its memory."""
    cast = Cast.of(m)
    cast.victim.runs(partial(exit_group, 0))
    return cast.play()


def victim_out_of_reach_leaves(m: Machine) -> Judged:
    """The victim exits by itself, and the caller may not kill it."""
    cast = Cast.of(m, read=False, uid=_OTHER, caller_uid=_USER)
    cast.victim.runs(partial(exit_group, 0))
    return cast.play()


def parent_waits(m: Machine) -> Judged:
    """The same, and the victim's parent waits for it."""
    return Cast.of(m, waits=True).play()


def sharer_lives(m: Machine) -> Judged:
    """Another process shares the memory, and may be killed."""
    cast = Cast.of(m, read=False)
    cast.share("helper")
    return cast.play()


def sharer_out_of_reach(m: Machine) -> Judged:
    """Another process shares the memory, which the caller may not kill."""
    cast = Cast.of(m, read=False, uid=_USER, caller_uid=_USER)
    cast.share("helper", uid=_OTHER)
    return cast.play()


def callers_race(m: Machine) -> Judged:
    """Two callers at once."""
    both = ("lmkd", "psid")
    return Cast.of(m, read=False, callers=both, memory=TWO_MAPPINGS).play()


def nothing_left_to_gain(m: Machine) -> Judged:
    """The reaper has given the memory up before, and the victim lives."""
    cast = Cast.of(m, read=False)
    with m.as_boot():
        mm_flags_set(MMF_OOM_SKIP, cast.mm)
    return cast.play()
