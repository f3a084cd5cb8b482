# SPDX-License-Identifier: GPL-2.0-only
"""Pages that entries of several tables map — beside ``include/linux/pgtable.h``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from ..engine.events import Access
from ..engine.machine import enter, leave
from ..engine.thread import current_thread, thread_here
from ._primitive import Primitive

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from .memcontrol import mem_cgroup
    from .pgtable import pgtable_t

__all__ = ["SharedPages", "_Origin", "_moved"]

#: Where a page came from: its node, and the cgroup that it is charged to, if it is
#: not the root.
_Origin: TypeAlias = "tuple[int, mem_cgroup | None]"


def _moved(bits: int, by: int) -> int:
    """Return the bitmap with everything *by* places further up, or down."""
    return bits << by if by >= 0 else bits >> -by


class SharedPages(Primitive):
    """Up to 512 pages of one origin that entries of several tables may map.

    ``maps[n]`` is a bitmap of the pages that have more than n mappings. Swap slots
    are shared in the same way; they have no origin. Each table's entries are under a
    lock of their own, so changing the counts is a step.
    """

    #: How many references, besides mappings, keep a page: by position.
    pins: Mapping[int, int] = MappingProxyType({})

    def __init__(
        self, origin: _Origin | None, bits: int, mappings: int, table: pgtable_t
    ) -> None:
        # As super().__init__() does, but a large fork makes many of them: no name is
        # counted, and what can be put together later is.
        thread = thread_here() or current_thread()
        self._born = thread
        self._nth = thread.created
        thread.created += 1
        #: Where they were when they began to be shared.
        self._ptl = table.ptl
        self.origin = origin
        self.maps = [bits] * mappings

    @property
    def uid(self) -> Hashable:
        return (*self._born.key, -self._nth)

    @property
    def name(self) -> str:
        kind = "slots" if self.origin is None else "pages"
        return f"{self._ptl.name.removesuffix('ptl')}{kind}"

    @property
    def pinned(self) -> int:
        """Return the pages that somebody has a reference to, as a bitmap."""
        return sum(1 << position for position in self.pins) if self.pins else 0

    def dup(self, bits: int) -> None:
        """Count one more mapping of each page in *bits*, which are all mapped."""
        t = enter(self, "folio_dup_anon_rmap")
        maps, left = self.maps, bits
        for level, have in enumerate(maps):
            maps[level] = have | left
            left &= have
        if left:
            maps.append(left)
        leave(t, self, Access.INC, len(maps))

    def drop(self, bits: int) -> int:
        """Count one mapping less of each page in *bits*.

        Return: Those that nobody refers to any more.
        """
        t = enter(self, "folio_remove_rmap")
        maps, left = self.maps, bits
        for level in range(len(maps) - 1, -1, -1):
            gone = maps[level] & left
            maps[level] ^= gone
            left ^= gone
        last = bits & ~maps[0]
        while len(maps) > 1 and not maps[-1]:
            maps.pop()
        free = last & ~self.pinned
        leave(t, self, Access.WRITE if last else Access.DEC, len(maps))
        return free

    def reuse(self, bits: int) -> tuple[int, int]:
        """Tell which pages in *bits* have no mapping but the caller's.

        Nobody else looks at these, so those without a pin can leave in the same step.

        Return: These pages, and those of them that have left.
        """
        t = enter(self, "folio_mapcount")
        once = bits & ~self.maps[1] if len(self.maps) > 1 else bits
        left = once & ~self.pinned
        self.maps[0] &= ~left
        leave(t, self, Access.READ, once.bit_count())
        return once, left

    def pin(self, position: int) -> None:
        """Keep a page that is mapped."""
        t = enter(self, "try_grab_folio")
        self.pins = {**self.pins, position: self.pins.get(position, 0) + 1}
        leave(t, self, Access.INC, self.pins[position])

    def unpin(self, position: int) -> bool:
        """Let a page go; tell whether nobody refers to it any more."""
        t = enter(self, "folio_put")
        left = self.pins[position] - 1
        others = {p: nr for p, nr in self.pins.items() if p != position}
        self.pins = others | {position: left} if left else others
        free = not left and not self.maps[0] >> position & 1
        leave(t, self, Access.WRITE if free else Access.DEC, left)
        return free
