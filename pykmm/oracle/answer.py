# SPDX-License-Identifier: GPL-2.0-only
"""From a world to its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.collector import uncollected
from ..linux.mm_types import MMF_FLAGS
from ..linux.sched import TIF_MEMDIE, task_struct
from ..linux.sched.signal import SIGNAL_GROUP_EXIT
from ..mm.oom_kill import oom
from .build import Built, build, machine_for
from .calls import run_calls
from .refusal import Refused
from .text import read_line
from .world import read_world

if TYPE_CHECKING:
    from ..engine.machine import Machine
    from ..linux.mm_types import mm_struct

__all__ = ["answer", "answer_line"]


def answer(world: object) -> dict[str, object]:
    """Answer *world*, a JSON value; one that is none gets an ``error`` object."""
    with uncollected():
        try:
            return _answer(world)
        except Refused as refused:
            return refused.answer()


def answer_line(text: str | bytes) -> dict[str, object]:
    """Answer one line of a file of worlds."""
    with uncollected():
        try:
            return _answer(read_line(text))
        except Refused as refused:
            return refused.answer()


def _answer(value: object) -> dict[str, object]:
    world = read_world(value)
    del value  # large ones take as much memory as the machine, and so do their copies
    calls = world["calls"]
    machine = machine_for(world)
    try:
        with machine:
            built = build(world, machine)
            del world
            results = run_calls(calls, built, machine)
            return {"results": results, "state": _state(built)}
    finally:
        _scrap(machine)


def _scrap(machine: Machine) -> None:
    """Cut what the structures of a closed machine know of each other.

    Without circles they go as soon as nobody asks for them any more, and whoever
    looks for garbage finds none.
    """
    for struct in (*machine.alive, *machine.dead):
        state = struct.__dict__
        if type(struct) is task_struct:
            for link in ("tasks", "thread_node"):
                if link in state:
                    state[link].__dict__.clear()
        state.clear()
    machine.alive.clear()
    machine.dead.clear()
    machine.locals.clear()


def _state(built: Built) -> dict[str, object]:
    """Look at everything, without a step."""
    return {
        "tasks": {
            str(pid): _task(task, built.mm_ids) for pid, task in built.tasks.items()
        },
        "mms": {name: _mm(mm) for name, mm in built.mms.items()},
        "oom_victims": oom().oom_victims.counter,
        "oom_reaper_list": _reaper_list(),
    }


def _task(task: task_struct, mm_ids: dict[mm_struct, str]) -> dict[str, object]:
    state = task.__dict__
    signal = state["signal"].__dict__
    # What nobody has ever asked for, or written, is as at first.
    usage, flags = state.get("usage"), state.get("thread_flags")
    oom_mm = signal.get("oom_mm")
    return {
        "usage": 0 if usage is None else usage.refs - 1,
        "memdie": flags is not None and flags._has(TIF_MEMDIE),
        "oom_mm": None if oom_mm is None else mm_ids[oom_mm],
        "group_exit": signal.get("flags", 0) & SIGNAL_GROUP_EXIT != 0,
        "fatal_signal_pending": flags is not None and task._fatal_signal_pending(),
    }


def _mm(mm: mm_struct) -> dict[str, object]:
    state = mm.__dict__
    word, count = state.get("flags"), state.get("mm_count")
    flags: list[str] = []
    if word is not None and word._bits:
        flags = sorted(name for name, nr in MMF_FLAGS.items() if word._has(nr))
    return {
        "flags": flags,
        "mm_users": mm.mm_users.counter,
        "mm_count": 1 if count is None else count.counter,
    }


def _reaper_list() -> list[int]:
    pids = []
    task = oom().oom_reaper_list
    while task is not None:
        pids.append(task.pid)
        task = task.oom_reaper_list
    return pids
