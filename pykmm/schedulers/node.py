# SPDX-License-Identifier: GPL-2.0-only
"""A state of the path that an explorer is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .wakeup import ANYBODY, Branch

if TYPE_CHECKING:
    from .steps import Step

__all__ = ["Node"]


class Node:
    """A state of the current path: a :class:`~.wakeup.Fork`."""

    __slots__ = ("branches", "pieces", "planned", "seen", "sleep", "sleeper", "tid")

    def __init__(self, sleep: dict[int, Step], branches: list[Branch]) -> None:
        self.sleep = sleep
        self.branches = branches
        self.sleeper = ANYBODY
        self.seen: list[int] = []
        self.pieces: dict[int, int] = {}
        #: Who goes on, and the step that was planned, if one was.
        self.tid = -1
        self.planned: Step | None = None
