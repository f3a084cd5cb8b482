# SPDX-License-Identifier: GPL-2.0-only
"""Swap space, as a number of slots — ``mm/swapfile.c``.

There is one area, as large as the machine was told to have, in a file of its own. It
is in use from boot on; ``swapfile_off`` has what turns it off, and on again.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.machine import current_machine
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from ..errors import KernelBug, UsageError
from ..linux.atomic import atomic_long_add, atomic_long_read, atomic_long_t
from ..linux.mm_types import mm_struct
from ..linux.spinlock import spinlock_t
from ._lru import Lru

__all__ = [
    "SWAP_FILE",
    "_forget_swapped",
    "_free_slots",
    "_note_swapped",
    "_swap",
    "_swap_alloc",
    "folio_alloc_swap",
    "nr_swap_pages",
    "swap_put_entries_direct",
    "total_swap_pages",
]


#: The file that is swapped to.
SWAP_FILE: Final = "/swapfile"


class _MmList(Lru[mm_struct]):
    """The address spaces that have had swap entries; Linux guards them by a lock."""

    _KINDS = ("list_add", "mmlist_unlock", "list_del", "mmlist_wait")


class _SwapStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        #: How many slots the area has, in use or not.
        self.pages = current_machine().config.total_swap_pages
        #: Whether somebody has swapped it on, and whether slots may be taken.
        self.used = self.writeok = bool(self.pages)
        self.swap_lock = spinlock_t(self)
        self.total_swap_pages = atomic_long_t(self.pages, self)
        #: Less than none while the area is being emptied.
        self.nr_swap_pages = atomic_long_t(self.pages, self)
        self.mmlist = _MmList()


_swap = MachineLocal(_SwapStatics)


def total_swap_pages() -> int:
    """Return how many slots there are, free or not.

    Context: Any; may be old when it arrives.
    """
    statics = _swap()
    return atomic_long_read(statics.total_swap_pages) if statics.pages else 0


def _note_swapped(mm: mm_struct) -> None:
    """Let who swaps off find *mm*, which has got swap entries.

    Context: Any; something keeps *mm*, and it has users.
    """
    mmlist = _swap().mmlist
    if mm not in mmlist.members:
        mmlist.add(mm)


def _forget_swapped(mm: mm_struct) -> None:
    """Let nobody find *mm* any more.

    Context: May sleep; *mm* has no users any more.
    """
    mmlist = _swap().mmlist
    if mm in mmlist.members:
        mmlist.forget(mm)


def nr_swap_pages() -> atomic_long_t:
    """Return the machine's count of free slots."""
    return _swap().nr_swap_pages


def _free_slots() -> int:
    """Return how many slots are free; without swap there is nothing to look at.

    Context: Any; may be old when it arrives.
    """
    statics = _swap()
    return max(atomic_long_read(statics.nr_swap_pages), 0) if statics.pages else 0


def _swap_alloc(slots: int) -> None:
    """Fill *slots*, as reclaim did before the story begins.

    Context: Host code that builds an address space.
    """
    free = nr_swap_pages().counter
    if slots > free:
        raise UsageError(
            f"{slots} pages do not fit into swap, which has {free} free of "
            f"{_swap().pages}: boot the machine with Config(total_swap_pages=...)"
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
    got = max(min(nr, free.counter), 0)
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
    if statics.nr_swap_pages.counter + nr > statics.total_swap_pages.counter:
        raise KernelBug(f"{nr} swap slots freed twice")
    atomic_long_add(nr, statics.nr_swap_pages)
