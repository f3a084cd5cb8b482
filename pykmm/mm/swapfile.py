# SPDX-License-Identifier: GPL-2.0-only
"""Swap space, as a number of slots — ``mm/swapfile.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import current_machine
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..errors import KernelBug, UsageError
from ..linux.atomic import atomic_long_add, atomic_long_read, atomic_long_t

__all__ = [
    "_free_slots",
    "_swap_alloc",
    "folio_alloc_swap",
    "nr_swap_pages",
    "swap_put_entries_direct",
]


class _SwapStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.total = current_machine().config.total_swap_pages
        self.nr_swap_pages = atomic_long_t(self.total, self)


_swap = MachineLocal(_SwapStatics)


def nr_swap_pages() -> atomic_long_t:
    """Return the machine's count of free slots."""
    return _swap().nr_swap_pages


def _free_slots() -> int:
    """Return how many slots are free; without swap there is nothing to look at.

    Context: Any; may be old when it arrives.
    """
    statics = _swap()
    return atomic_long_read(statics.nr_swap_pages) if statics.total else 0


def _swap_alloc(slots: int) -> None:
    """Fill *slots*, as reclaim did before the story begins.

    Context: Host code that builds an address space.
    """
    free = nr_swap_pages().counter
    if slots > free:
        raise UsageError(
            f"{slots} pages do not fit into swap, which has {free} free of "
            f"{_swap().total}: boot the machine with Config(total_swap_pages=...)"
        )
    atomic_long_add(-slots, nr_swap_pages())


@mirrors(
    "mm/swapfile.c",
    checked="v7.2",
    abridged="slots are a number; the caller puts the pages into the swap cache. What "
    "the cache alone holds is not taken back for it: swap is full a little early",
)
def folio_alloc_swap(nr: int) -> int:
    """Take up to *nr* slots; return how many there were.

    Context: Any.
    """
    free = nr_swap_pages()
    t = enter(free, "folio_alloc_swap")
    got = min(nr, free.counter)
    leave(t, free, Access.WRITE if got else Access.READ, free._to(free.counter - got))
    return got


@mirrors(
    "mm/swapfile.c",
    checked="v7.2",
    abridged="slots are a number; who names them was counted by their tables",
)
def swap_put_entries_direct(nr: int) -> None:
    """Free *nr* slots that no entry names any more, nor the swap cache.

    Context: Any; usually under the page-table lock.
    """
    statics = _swap()
    if statics.nr_swap_pages.counter + nr > statics.total:
        raise KernelBug(f"{nr} swap slots freed twice")
    atomic_long_add(nr, statics.nr_swap_pages)
