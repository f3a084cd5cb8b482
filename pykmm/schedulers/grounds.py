# SPDX-License-Identifier: GPL-2.0-only
"""What was concluded from guesses, as far as it can turn out to be wrong.

A guess takes together what steps of a kind have shown so far (:mod:`.world`). When one
of them shows more, most conclusions stand: they were about other objects, or about
steps that depend on it either way. Only if one does not is the exploration begun anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .steps import against

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .steps import Step

__all__ = ["Grounds"]

#: Steps of a kind, on an object.
_Guess = tuple[str, int]


class Grounds:
    """What guessed steps were found to commute with, and who has been looked at."""

    def __init__(self) -> None:
        #: By guess: the classes, by object, of steps that were planned in any order.
        self.beside: dict[_Guess, dict[int, int]] = {}
        #: By guess, of steps that were never taken: classes on the same object.
        self.behind: dict[_Guess, int] = {}
        #: Whose steps of which kinds have been seen in executions before this one.
        self.met: dict[tuple[int, str], None] = {}

    def commute(self, one: Step, other: Step) -> None:
        """Note that the order of two steps was found to make no difference."""
        for guess, step in ((one, other), (other, one)):
            if guess.guessed:
                beside = self.beside.setdefault((guess.kind, guess.oid), {})
                for oid, bits in step.touched.items():
                    beside[oid] = beside.get(oid, 0) | bits

    def look_back(self, step: Step, history: Iterable[tuple[int, int]]) -> None:
        """Note that *step*, not taken, was held against all that happened."""
        key = step.kind, step.oid
        bits = self.behind.get(key, 0)
        for _, classes in history:
            bits |= classes
        self.behind[key] = bits

    def meet(self, steps: Iterable[Step]) -> None:
        """Note whose steps have been looked at."""
        self.met.update(dict.fromkeys((step.tid, step.kind) for step in steps))

    def rest_on_classes(self, kind: str, known: int, new: int) -> bool:
        """Tell whether anything would be otherwise if *kind* had *new* classes, too."""
        more = against(known | new) & ~against(known)
        return bool(more) and (
            any(
                beside.get(oid, 0) & more
                for (other, oid), beside in self.beside.items()
                if other == kind
            )
            or any(
                bits & more for (other, _), bits in self.behind.items() if other == kind
            )
        )

    def rest_on_life(self, kind: str, oid: int, life: int, *, mortal: bool) -> bool:
        """Tell the same if steps of *kind* on that object ended a *life*.

        As long as a life is not known to be *mortal* nobody is seen to touch it.
        """
        beside = self.beside.get((kind, oid), {})
        return life in beside or (bool(beside) and not mortal)

    def add(self, other: Grounds) -> None:
        """Note all that *other* has noted."""
        for guess, found in other.beside.items():
            beside = self.beside.setdefault(guess, {})
            for oid, bits in found.items():
                beside[oid] = beside.get(oid, 0) | bits
        for guess, bits in other.behind.items():
            self.behind[guess] = self.behind.get(guess, 0) | bits
        self.met.update(other.met)
