# SPDX-License-Identifier: GPL-2.0-only
"""What an explorer remembers of a step's guard (:mod:`pykmm.engine.guards`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..engine.guards import is_thread

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..engine.guards import Door

__all__ = ["Asked", "Decided"]


class Asked(NamedTuple):
    """What guards a step: objects, and what to ask them; *every* answer counts, or one.

    *last* are the answers when the step was taken, or when nobody could go on.
    """

    parts: tuple[tuple[int, Door | None], ...]
    last: tuple[bool | None, ...]
    every: bool = False
    #: Which parts others never shut.
    one_way: tuple[bool, ...] = ()

    def holds(self, answers: Collection[bool | None]) -> bool | None:
        """Tell whether it holds by these *answers*, as far as they are known."""
        decides = not self.every
        if decides in answers:
            return decides
        return None if None in answers else self.every

    @property
    def is_own(self) -> bool:
        """Whether the answer may depend on which thread waits."""
        return any(is_thread(arg) for _, door in self.parts for arg in door or ())


class Decided(NamedTuple):
    """What decides about the class of a step, and the classes, in bits."""

    asked: Asked
    yes: int
    no: int
