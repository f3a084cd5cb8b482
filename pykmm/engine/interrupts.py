# SPDX-License-Identifier: GPL-2.0-only
"""What can interrupt a thread on its own processor, where it has not masked it.

Here an interrupt is a thread like all others, which never has to wait for the one
that it interrupts. So the engine only notes who is one, and what each thread masks;
what that comes to is for detectors to say.
"""

from __future__ import annotations

from typing import Final

from .objects import Named

__all__ = ["INTERRUPTS", "Interrupt"]

#: Every kind that a modelled kernel has, in the order of their levels.
INTERRUPTS: Final[list[Interrupt]] = []


class Interrupt(Named):
    """A kind of interrupts; they come in where a thread masks less than *level*."""

    def __init__(self, name: str, level: int) -> None:
        self._name = name
        self.level = level
        INTERRUPTS.append(self)

    @property
    def uid(self) -> tuple[str, str]:
        return ("interrupt", self._name)

    @property
    def name(self) -> str:
        return self._name
