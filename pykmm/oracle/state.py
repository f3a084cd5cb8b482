# SPDX-License-Identifier: GPL-2.0-only
"""What a world's answer says of everything that is in it.

Of a large world nearly all tasks end alike, and so do nearly all address spaces.
So what is said of one is a value, which all that are alike share and which is spelled
once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from attrs import frozen

from ..linux.mm_types import MMF_FLAGS
from ..linux.sched import TIF_MEMDIE, task_struct
from ..linux.sched.signal import SIGNAL_GROUP_EXIT
from ..mm.oom_kill import oom
from .text import spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..linux.mm_types import mm_struct
    from .build import Built

__all__ = ["State", "state_of"]


class TaskState(NamedTuple):
    """What is said of a task."""

    usage: int = 0
    memdie: bool = False
    oom_mm: str | None = None
    group_exit: bool = False
    fatal_signal_pending: bool = False


class MmState(NamedTuple):
    """What is said of an address space."""

    flags: tuple[str, ...] = ()
    mm_users: int = 1
    mm_count: int = 1


_TASK_AT_FIRST: Final = TaskState()
_MM_AT_FIRST: Final = MmState()


@frozen
class State:
    """What is said of all that a world has, by its names for them."""

    tasks: dict[int, TaskState]
    mms: dict[str, MmState]
    oom_victims: int
    oom_reaper_list: list[int]

    def value(self) -> dict[str, object]:
        """Return it as a JSON value."""
        return {
            "tasks": {str(pid): task._asdict() for pid, task in self.tasks.items()},
            "mms": {
                name: {**mm._asdict(), "flags": list(mm.flags)}
                for name, mm in self.mms.items()
            },
            "oom_victims": self.oom_victims,
            "oom_reaper_list": self.oom_reaper_list,
        }

    def spelled(self) -> Iterator[str]:
        """Spell it as :func:`spell` would spell :meth:`value`, but sooner, in parts."""
        tasks, mms = _spelled(self.tasks), _spelled(self.mms)
        yield '{"tasks":{'
        yield ",".join([f'"{pid}":{tasks[of]}' for pid, of in self.tasks.items()])
        yield '},"mms":{'
        yield ",".join([f"{spell(name)}:{mms[of]}" for name, of in self.mms.items()])
        yield f'}},"oom_victims":{self.oom_victims},"oom_reaper_list":'
        yield spell(self.oom_reaper_list)
        yield "}"


def _spelled(states: Mapping[Any, TaskState | MmState]) -> dict[object, str]:
    """Spell each of *states* once."""
    return {state: spell(state._asdict()) for state in set(states.values())}


def state_of(built: Built) -> State:
    """Look at everything, without a step."""
    names = built.mm_ids
    return State(
        {pid: _task(task, names) for pid, task in built.tasks.items()},
        {name: _mm(mm) for name, mm in built.mms.items()},
        oom().oom_victims.counter,
        _reaper_list(),
    )


def _task(task: task_struct, names: dict[mm_struct, str]) -> TaskState:
    state = task.__dict__
    signal = state["signal"].__dict__
    # What nobody has ever asked for, or written, is as at first.
    usage, flags = state.get("usage"), state.get("thread_flags")
    oom_mm, group = signal.get("oom_mm"), signal.get("flags", 0)
    if usage is None and flags is None and oom_mm is None and not group:
        return _TASK_AT_FIRST
    return TaskState(
        0 if usage is None else usage.refs - 1,
        flags is not None and flags._has(TIF_MEMDIE),
        None if oom_mm is None else names[oom_mm],
        group & SIGNAL_GROUP_EXIT != 0,
        flags is not None and task._fatal_signal_pending(),
    )


def _mm(mm: mm_struct) -> MmState:
    state = mm.__dict__
    word, users = state.get("flags"), state.get("mm_users")
    count = state.get("mm_count")
    if word is None and users is None and count is None:
        return _MM_AT_FIRST
    flags: tuple[str, ...] = ()
    if word is not None and word._bits:
        flags = tuple(sorted(name for name, nr in MMF_FLAGS.items() if word._has(nr)))
    return MmState(
        flags,
        1 if users is None else users.counter,
        1 if count is None else count.counter,
    )


def _reaper_list() -> list[int]:
    pids = []
    task = oom().oom_reaper_list
    while task is not None:
        pids.append(task.pid)
        task = task.oom_reaper_list
    return pids
