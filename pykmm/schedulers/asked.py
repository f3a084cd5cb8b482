# SPDX-License-Identifier: GPL-2.0-only
"""What an explorer remembers of a step's guard (:mod:`pykmm.engine.guards`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..engine.guards import Door

__all__ = ["Asked"]


class Asked(NamedTuple):
    """What guards a step: objects, and what to ask them, of which one has to hold.

    *last* are the answers when the step was taken, or when nobody could go on.
    """

    parts: tuple[tuple[int, Door | None], ...]
    last: tuple[bool | None, ...]

    @property
    def is_own(self) -> bool:
        """Whether the answer may depend on which thread waits."""
        return any(
            isinstance(arg, tuple) for _, door in self.parts for arg in door or ()
        )
