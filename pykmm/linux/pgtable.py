# SPDX-License-Identifier: GPL-2.0-only
"""Page-table pages and who shares their pages — ``include/linux/pgtable.h``.

A page that only one entry maps is a bit in that entry's table, and so is a slot of
swap that only one entry names. Fork makes a second entry refer to it; from then on the
two tables keep it in a :class:`SharedPages`, whose counts tell when the last of them
has gone. A page in the swap cache is kept there, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ..engine.events import READ
from ..engine.step import enter, leave
from ._bitmaps import _moved
from ._shared_pages import SharedPages, _Origin
from .mm_types_task import MM_ANONPAGES, MM_SWAPENTS
from .spinlock import spinlock_t

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..engine.objects import Struct
    from ..engine.thread import Thread
    from .mm_types import mm_struct

__all__ = [
    "PMD_SIZE",
    "PTRS_PER_PTE",
    "SharedPages",
    "_Folios",
    "_Origin",
    "pgtable_t",
]

#: Pages of one file: bitmaps, by their offset in units of 512 pages.
_Folios: TypeAlias = dict[int, int]

PTRS_PER_PTE = 512
PMD_SIZE = PTRS_PER_PTE * 4096


class pgtable_t:
    """One page of page-table entries: 512 of them, 2 MiB of address space.

    ``present[kind]`` is a bitmap of the entries that map a page of that kind
    (indices as in ``rss_stat``; ``MM_SWAPENTS`` are swap entries, and
    ``_PFN_ENTRIES`` have no page behind them). All is protected by :attr:`ptl`, the
    split page-table lock.
    """

    __slots__ = (
        "_many",
        "_one",
        "dirty",
        "index",
        "origin",
        "present",
        "protnone",
        "ptl",
        "readonly",
        "shared",
        "young",
    )

    def __init__(self, mm: mm_struct, index: int, origin: _Origin = (0, None)) -> None:
        #: Which 2 MiB of the address space: address >> 21.
        self.index = index
        #: Where the table itself came from.
        self.origin = origin
        self.present = [0, 0, 0, 0, 0]
        #: Entries of anonymous pages, and of what has no page behind it, that must not
        #: be written without a fault.
        self.readonly = 0
        #: Entries that cannot be accessed at all: PROT_NONE.
        self.protnone = 0
        #: Entries of pages of files that were written, and can be without a fault,
        #: since the page was clean.
        self.dirty = 0
        #: Entries that were used since reclaim looked last.
        self.young = 0
        #: Pages and swap slots that others may refer to, too: entry n of a bitmap
        #: refers to position n - shift.
        self.shared: tuple[tuple[SharedPages, int, int], ...] = ()
        # The origin of all other anonymous pages; or bitmaps, once there are several.
        self._one = origin
        self._many: dict[_Origin, int] | None = None
        self.ptl = _ptlock(mm, index)

    @property
    def pages(self) -> dict[_Origin, int]:
        """Which entries map an anonymous page of which origin, as bitmaps."""
        found = dict(self.exclusive)
        anon = self.present[MM_ANONPAGES]
        for folios, shift, bits in self.shared:
            for origin, here in folios.origins.items():
                if hit := anon & bits & _moved(here, shift):
                    found[origin] = found.get(origin, 0) | hit
        return found

    @property
    def exclusive(self) -> dict[_Origin, int]:
        """Which entries map an anonymous page that nobody else maps, by origin."""
        if self._many is not None:
            return self._many
        anon = self.present[MM_ANONPAGES] & ~self._shared_bits()
        return {self._one: anon} if anon else {}

    def _mapped(self) -> int:
        """Return the entries that map something, in memory or not."""
        mapped = 0
        for bits in self.present:
            mapped |= bits
        return mapped

    def _shared_bits(self) -> int:
        bits = 0
        for _, _, part in self.shared:
            bits |= part
        return bits

    def _add_pages(self, origin: _Origin, bits: int) -> None:
        """Note the origin of anonymous pages that have just become present."""
        if self._many is None and origin != self._one:
            before = self.present[MM_ANONPAGES] & ~bits & ~self._shared_bits()
            if before:
                self._many = {self._one: before}
        if self._many is None:
            self._one = origin
        else:
            self._many[origin] = self._many.get(origin, 0) | bits

    def _forget_exclusive(self, bits: int) -> dict[_Origin, int]:
        """Forget pages that only this table maps; return them by origin."""
        if self._many is None:
            return {self._one: bits} if bits else {}
        found = {origin: own & bits for origin, own in self._many.items() if own & bits}
        for origin, gone in found.items():
            self._many[origin] ^= gone
            if not self._many[origin]:
                del self._many[origin]
        if not self._many:
            self._many = None
        return found

    def _forget(self, bits: int) -> tuple[dict[_Origin, int], int]:
        """Unmap what the entries in *bits* map, which the caller then clears.

        Context: :attr:`ptl`. One step for each :class:`SharedPages`.
        Return: Pages that nobody refers to any more, by origin, and how many swap
            slots nobody does.
        """
        anon, swap = self.present[MM_ANONPAGES] & bits, self.present[MM_SWAPENTS] & bits
        freed: dict[_Origin, int] = {}
        slots = 0
        if self.shared:
            for folios, shift, part in self._cut_shared(bits):
                if pages := part & anon:
                    slots += folios.drop(_moved(pages, -shift), freed)
                if named := part & swap:
                    slots += folios.put_slots(_moved(named, -shift), freed)
                anon, swap = anon & ~part, swap & ~part
        for origin, gone in self._forget_exclusive(anon).items():
            freed[origin] = freed.get(origin, 0) + gone.bit_count()
        self._clear_flags(bits)
        return freed, slots + swap.bit_count()

    def _clear_flags(self, bits: int) -> None:
        self.readonly &= ~bits
        self.protnone &= ~bits
        self.young &= ~bits
        self.dirty &= ~bits

    def _cut_shared(self, bits: int) -> list[tuple[SharedPages, int, int]]:
        """Take the shared pages of the entries in *bits* off the list."""
        gone = [
            (s, shift, part & bits) for s, shift, part in self.shared if part & bits
        ]
        left = [(s, shift, part & ~bits) for s, shift, part in self.shared]
        self.shared = tuple(entry for entry in left if entry[2])
        return gone

    def _pinned(self, bits: int) -> int:
        """Return the entries in *bits* whose page somebody has pinned.

        Such a page has no other mapping: it must not be shared.
        """
        found = 0
        for folios, shift, part in self.shared:
            if folios.pins:
                found |= part & bits & _moved(folios.pinned, shift)
        return found

    def _anon_exclusive(self, bits: int) -> int:
        """Return the entries in *bits* whose shared page fork has not shared since."""
        found = 0
        for folios, shift, part in self.shared:
            if folios.exclusive:
                found |= part & bits & _moved(folios.exclusive, shift)
        return found

    def _pin(self, at: int) -> tuple[SharedPages, int]:
        """Keep the anonymous page that entry *at* maps; return what names it.

        Context: :attr:`ptl`.
        """
        bit = 1 << at
        for folios, shift, part in self.shared:
            if part & bit:
                folios.pin(at - shift)
                return folios, at - shift
        folios = self._share(bit)
        folios.pin(at)
        return folios, at

    def _share(self, bits: int, *, locked: bool = False) -> SharedPages:
        """Give pages of its own, those in *bits*, a place where others find them, too.

        Context: :attr:`ptl`.
        """
        folios = SharedPages(self._forget_exclusive(bits), bits, 0, 1, self)
        folios.exclusive = bits
        folios.locked = bits if locked else 0
        self.shared += ((folios, 0, bits),)
        return folios

    def _share_with(self, child: pgtable_t, bits: int) -> None:
        """Map in *child*, too, what the anonymous and swap entries in *bits* do.

        Context: Both locks. One step for each :class:`SharedPages` that was there.
        """
        anon, swap = self.present[MM_ANONPAGES] & bits, self.present[MM_SWAPENTS] & bits
        for folios, shift, part in self.shared:
            if hit := part & bits:
                folios.dup(_moved(hit & anon, -shift), _moved(hit & swap, -shift))
                anon, swap = anon & ~hit, swap & ~hit
                child.shared += ((folios, shift, hit),)
        if anon or swap:
            origins = self._forget_exclusive(anon)
            folios = SharedPages(origins, anon, swap, 2, self)
            fresh = ((folios, 0, anon | swap),)
            self.shared += fresh
            child.shared += fresh

    def _move_to(self, new: pgtable_t, bits: int, by: int) -> None:
        """Move the entries in *bits* into *new*, each *by* so many entries further.

        Context: Both locks.
        """
        own = self._forget_exclusive(
            self.present[MM_ANONPAGES] & bits & ~self._shared_bits()
        )
        shared = self._cut_shared(bits)
        readonly, protnone = self.readonly & bits, self.protnone & bits
        young, dirty = self.young & bits, self.dirty & bits
        self.readonly ^= readonly
        self.protnone ^= protnone
        self.young ^= young
        self.dirty ^= dirty
        hits = [part & bits for part in self.present]
        self.present = [part & ~bits for part in self.present]
        new.present = [
            part | _moved(hit, by) for part, hit in zip(new.present, hits, strict=True)
        ]
        new.readonly |= _moved(readonly, by)
        new.protnone |= _moved(protnone, by)
        new.young |= _moved(young, by)
        new.dirty |= _moved(dirty, by)
        new.shared += tuple(
            (s, shift + by, _moved(part, by)) for s, shift, part in shared
        )
        for origin, part in own.items():
            new._add_pages(origin, _moved(part, by))

    def _swap_out(self, folios: SharedPages, bits: int) -> int:
        """Let swap entries take the place of those in *bits* that map *folios*.

        Context: :attr:`ptl`. One step.
        Return: How many.
        """
        nr = 0
        for found, shift, part in self.shared:
            if found is folios and (hit := part & bits & self.present[MM_ANONPAGES]):
                gone = _moved(folios.try_to_unmap(_moved(hit, -shift)), shift)
                self.present[MM_ANONPAGES] ^= gone
                self.present[MM_SWAPENTS] |= gone
                self._clear_flags(gone)
                nr += gone.bit_count()
        return nr

    def _renumber(self, index: int) -> None:
        """Let the table be for another 2 MiB."""
        self.index = self.ptl.index = index

    def _reuse(self, bits: int) -> tuple[int, int]:
        """Make pages this table's own that nobody else refers to any more.

        Context: :attr:`ptl`. One step for each :class:`SharedPages`.
        Return: The entries in *bits* that may be written from now on, and how many
            slots of swap have become free.
        """
        reusable = bits & ~self._shared_bits()
        slots = 0
        for folios, shift, part in self.shared:
            if part & bits:
                once, left, nr = folios.reuse(_moved(part & bits, -shift))
                reusable |= _moved(once, shift)
                slots += nr
                self._take_home(left, shift)
        self.readonly &= ~reusable
        return reusable, slots

    def _take_home(self, left: dict[_Origin, int], shift: int) -> None:
        """Take in pages that have left a :class:`SharedPages`."""
        for origin, part in left.items():
            self._add_pages(origin, _moved(part, shift))
            self._cut_shared(_moved(part, shift))

    def _freed_into(self, grave: Struct) -> None:
        """Make every later step on the lock a use of *grave*, which is dead."""
        self.ptl.owner = grave


class _ptlock(spinlock_t):
    """The lock of one page-table page; it dies with the table, before the mm."""

    def __init__(self, mm: mm_struct, index: int) -> None:
        # As super().__init__() does: large address spaces have many.
        self.owner = self.mm = mm
        self.index = index

    def look(self, kind: str) -> Thread:
        """Begin to look at the table without the lock, when nobody is changing it.

        A single entry is as it was or as it will be, so nothing more could be seen in
        the middle of a change.
        """
        return enter(self, kind, self._idle)

    def looked(self, t: Thread, value: object = None) -> None:
        """End it: a look is one step."""
        leave(t, self, READ, value, blocking=True)

    @property
    def uid(self) -> Hashable:
        return (self.mm.uid, self.index)

    @property
    def name(self) -> str:
        return f"{self.mm.name}.pte[{self.index:#x}].ptl"
