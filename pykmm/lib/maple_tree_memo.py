# SPDX-License-Identifier: GPL-2.0-only
"""What searches for room have proved, kept as long as it is true."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["GapMemo"]

#: More proofs than this cost every erase more than they save a search.
_KEPT: Final = 8


@attrs.define(eq=False)
class GapMemo:
    """What downward searches proved, for as long as it is true.

    A proof ``(size, top): end`` says: cut off at *top*, no gap that has room for
    *size* reaches above *end*. Entries that come cannot make it false; a gap that
    opens can, and :meth:`opened` corrects it. Upward searches use a memo of their
    own, in which every address is negated.
    """

    _proofs: dict[tuple[int, int], int] = attrs.field(init=False, factory=dict)

    def begin(self, top: int, size: int) -> int:
        """Say where a search for *size* that comes down from *top* may begin."""
        begin = top
        for (proved, upto), end in self._proofs.items():
            if proved <= size and end <= top <= upto and end < begin:
                begin = end
        return begin

    def prove(self, top: int, size: int, end: int) -> None:
        """Remember that no gap for *size*, cut off at *top*, reaches above *end*."""
        if end == top:
            return
        self._proofs.pop((size, top), None)
        if len(self._proofs) == _KEPT:
            del self._proofs[next(iter(self._proofs))]
        self._proofs[size, top] = end

    def opened(self, first: int, last: int) -> None:
        """Correct what a gap that now reaches from *first* to *last* made false."""
        for (size, top), end in self._proofs.items():
            reach = min(last, top)
            if end < reach and reach - first >= size - 1:
                self._proofs[size, top] = reach

    def clear(self) -> None:
        """Forget everything."""
        self._proofs.clear()
