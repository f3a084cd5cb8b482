# SPDX-License-Identifier: GPL-2.0-only
"""From a world to its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..engine.collector import uncollected
from ..linux.sched import task_struct
from .build import build, machine_for
from .calls import run_calls
from .refusal import Refused
from .state import State, state_of
from .text import read_line, spell
from .world import read_world

if TYPE_CHECKING:
    from ..engine.machine import Machine

__all__ = ["Answer", "answer", "answer_line", "answered"]


@frozen
class Answer:
    """What a world's calls did."""

    results: list[dict[str, object]]
    state: State

    def value(self) -> dict[str, object]:
        """Return it as a JSON value."""
        return {"results": self.results, "state": self.state.value()}

    def line(self) -> str:
        """Spell it on a line, of which there need be no second copy."""
        begin = '{"results":', spell(self.results), ',"state":'
        return "".join([*begin, *self.state.spelled(), "}\n"])


def answer(world: object) -> dict[str, object]:
    """Answer *world*, a JSON value; one that is none gets an ``error`` object."""
    with uncollected():
        try:
            return _answer(world).value()
        except Refused as refused:
            return refused.answer()


def answer_line(text: str | bytes) -> dict[str, object]:
    """Answer one line of a file of worlds."""
    with uncollected():
        try:
            return answered(text).value()
        except Refused as refused:
            return refused.answer()


def answered(text: str | bytes) -> Answer:
    """Return the answer to a line; a :class:`Refused` says why there is none."""
    return _answer(read_line(text))


def _answer(value: object) -> Answer:
    world = read_world(value)
    del value  # large ones take as much memory as the machine, and so do their copies
    calls = world["calls"]
    machine = machine_for(world)
    try:
        with machine:
            built = build(world, machine)
            del world
            results = run_calls(calls, built, machine)
            return Answer(results, state_of(built))
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
