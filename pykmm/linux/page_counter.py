# SPDX-License-Identifier: GPL-2.0-only
"""Counting pages against a limit — ``include/linux/page_counter.h``.

One level of a hierarchy; :mod:`pykmm.mm.page_counter` goes up the levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.events import Access
from ..engine.step import enter, leave
from ..errors import KernelBug
from ._primitive import Primitive

if TYPE_CHECKING:
    from ..engine.objects import Struct
    from ..engine.thread import Thread

__all__ = ["PAGE_COUNTER_MAX", "page_counter"]

#: "No limit", in pages.
PAGE_COUNTER_MAX: Final = (2**63 - 1) // 4096


class page_counter(Primitive):
    """How many pages are charged, and how many may be.

    A charge that fits even if nothing is uncharged meanwhile commutes with other
    charges and uncharges (ADD). Near the limit the order counts: who is refused.
    Linux adds first and takes back what was too much; here that is one step, so
    a large charge that fails never makes a small one beside it fail.
    """

    def __init__(
        self, owner: Struct, max: int, parent: page_counter | None = None
    ) -> None:
        super().__init__(owner)
        self.parent = parent
        self.usage = 0
        self.max = max
        #: What the usage would be if nothing had been uncharged since the last rest.
        self._most = 0

    def _add(self, t: Thread, nr_pages: int) -> None:
        """Charge, in a step that has begun."""
        self.usage += nr_pages
        self._most = self.usage if t.is_boot else self._most + nr_pages
        fits = self._most <= self.max
        leave(t, self, Access.ADD if fits else Access.WRITE, self.usage)

    def _try_charge(self, nr_pages: int) -> bool:
        """Charge this level, if the limit allows it; a refusal has only read."""
        t = enter(self, "page_counter_try_charge")
        if self.usage + nr_pages > self.max:
            leave(t, self, Access.READ, self.usage)
            return False
        self._add(t, nr_pages)
        return True

    def _charge(self, nr_pages: int) -> None:
        """Charge this level, whatever the limit says."""
        self._add(enter(self, "page_counter_charge"), nr_pages)

    def _cancel(self, nr_pages: int) -> None:
        """Take a charge of this level back; more than was charged is a report."""
        t = enter(self, "page_counter_cancel")
        if self.usage < nr_pages and not t.machine.stopping:
            raise KernelBug(
                f"{self.name}: {nr_pages} pages are uncharged, but only {self.usage} "
                "are charged"
            )
        self.usage -= nr_pages
        if t.is_boot:
            self._most = self.usage
        leave(t, self, Access.ADD, self.usage)

    def _read(self, kind: str) -> tuple[int, int]:
        """Return usage and limit, read in one step."""
        t = enter(self, kind)
        found = self.usage, self.max
        leave(t, self, Access.READ, self.usage)
        return found

    def _set_max(self, nr_pages: int) -> int:
        """Set the limit, above or below the usage; return the old one."""
        t = enter(self, "page_counter_set_max")
        old, self.max = self.max, nr_pages
        leave(t, self, Access.WRITE, nr_pages)
        return old

    def _set_max_above_usage(self, nr_pages: int) -> int | None:
        """Set the limit if the usage is not above; return the old one, or None."""
        t = enter(self, "page_counter_set_max")
        if self.usage > nr_pages:
            leave(t, self, Access.READ, self.usage)
            return None
        old, self.max = self.max, nr_pages
        leave(t, self, Access.WRITE, nr_pages)
        return old
