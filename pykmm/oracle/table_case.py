# SPDX-License-Identifier: GPL-2.0-only
"""What the rows of all tables have in common: a small world to decide in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .build import Built, build, machine_for
from .schema import FORMAT
from .world import read_world

if TYPE_CHECKING:
    from ..linux.sched import task_struct

__all__ = ["CALLER", "OTHER", "TARGET", "Decision", "Inputs", "case"]

#: What one row's world looks like.
Inputs = Mapping[str, object]

#: The processes of a row: who asks, who is asked about, and who shares its memory.
CALLER: Final = 2
TARGET: Final = 3
OTHER: Final = 5


@frozen
class Decision:
    """One function, what its decision depends on, and how to find out.

    *decide* returns what the function returned, and why.
    """

    function: str
    inputs: dict[str, tuple[object, ...]]
    is_possible: Callable[[Inputs], bool]
    decide: Callable[[Inputs], tuple[object, str]]


@contextmanager
def case(
    target: dict[str, object],
    mm: dict[str, object],
    *others: dict[str, object],
    in_use: bool = True,
) -> Iterator[tuple[task_struct, Built]]:
    """Boot a machine with *target*, whose memory is *mm*, and *others*, for a block."""
    shown = "m" if in_use else None
    world = read_world(
        {
            "format": FORMAT,
            "mms": [{"id": "m", **mm}],
            "tasks": [
                {"pid": CALLER, "comm": "caller"},
                {"pid": TARGET, "comm": "target", "mm": shown, **target},
                *({"mm": shown, **other} for other in others),
            ],
            "current": CALLER,
            "calls": [{"fn": "process_mrelease", "pid": TARGET}],
        }
    )
    machine = machine_for(world)
    with machine:
        built = build(world, machine)
        yield built.tasks[TARGET], built
