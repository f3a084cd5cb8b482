# SPDX-License-Identifier: GPL-2.0-only
"""What an explorer has learned, to be handed on or written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..engine.guards import Door

__all__ = ["Known"]


class Known(NamedTuple):
    """What kinds of steps do, in fields that are those of :class:`~.world.World`."""

    classes: dict[str, int]
    kills: dict[tuple[str, int], tuple[int, ...]]
    gates: dict[tuple[int, str, int], tuple[int, ...]]
    guards: dict[str, tuple[Door, ...]]
    waits: dict[int, tuple[int, ...]]
    strays: tuple[int, ...]
    barriers: bool
    relied: bool
    learned: bool
