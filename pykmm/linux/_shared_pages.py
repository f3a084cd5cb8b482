# SPDX-License-Identifier: GPL-2.0-only
"""Pages that entries of several tables map — beside ``include/linux/pgtable.h``."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import attrs

from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import current_thread, thread_here
from ._bitmaps import _NONE, _Counts, _one_less, _one_more, _through_nth
from ._primitive import Primitive

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from .memcontrol import mem_cgroup
    from .pgtable import pgtable_t

__all__ = ["SharedPages", "SwappedIn", "Wanted", "_Origin", "_of_origins"]

#: Where a page came from: its node, and the cgroup that it is charged to, if it is
#: not the root.
_Origin: TypeAlias = "tuple[int, mem_cgroup | None]"
#: Tells whether pages of an origin are what is looked for.
Wanted: TypeAlias = "Callable[[_Origin], bool]"


def _of_origins(origins: dict[_Origin, int], wanted: Wanted) -> int:
    """Return the pages of all *wanted* origins together."""
    found = 0
    for origin, bits in list(origins.items()):
        if wanted(origin):
            found |= bits
    return found


@attrs.frozen
class SwappedIn:
    """What became of pages that were to be mapped from the swap cache."""

    #: Those that are mapped now.
    mapped: int
    #: Those that nobody else can have, and of them those that have left, by origin.
    exclusive: int
    left: dict[_Origin, int]
    #: How many slots became free.
    slots: int


class SharedPages(Primitive):
    """Up to 512 anonymous pages that more than one entry, or another one, refers to.

    Each has a position. It is in memory, or its contents are in a slot of swap, or
    both: then it is in the swap cache. ``maps`` counts the entries that map the page,
    and ``swaps`` those that name the slot. Each table's entries are under a lock of
    their own, so changing the counts is a step.
    """

    #: How many references, besides mappings, keep a page: by position.
    pins: Mapping[int, int] = MappingProxyType({})
    swaps: _Counts = _NONE
    #: The swap cache; nothing of it is anywhere else.
    cached: int = 0
    #: PG_locked: somebody takes the page away, or brings it.
    locked: int = 0
    #: References of who copies: while there are any, the page stays in memory.
    held: _Counts = _NONE
    #: PG_anon_exclusive, and its mark on swap entries: fork has not shared them.
    exclusive: int = 0

    def __init__(
        self,
        origins: dict[_Origin, int],
        pages: int,
        slots: int,
        users: int,
        table: pgtable_t,
    ) -> None:
        # As super().__init__() does, but a large fork makes many of them: no name is
        # counted, and what can be put together later is.
        thread = thread_here() or current_thread()
        self._born = thread
        self._nth = thread.created
        thread.created += 1
        #: Where they were when they began to be shared.
        self._ptl = table.ptl
        #: Those in memory, by where they came from.
        self.origins = origins
        self.maps: _Counts = [pages] * users if pages else [0]
        if slots:
            self.swaps = [slots] * users

    @property
    def uid(self) -> Hashable:
        return (*self._born.key, -self._nth)

    @property
    def name(self) -> str:
        return f"{self._ptl.name.removesuffix('ptl')}pages"

    @property
    def pinned(self) -> int:
        """Return the pages that somebody has a reference to, as a bitmap."""
        return sum(1 << position for position in self.pins) if self.pins else 0

    @property
    def in_memory(self) -> int:
        """Return those that are in memory, as a bitmap."""
        found = 0
        for bits in self.origins.values():
            found |= bits
        return found

    # -- mappings ----------------------------------------------------------------------

    def dup(self, pages: int, slots: int) -> None:
        """Count one more entry of each of the *pages* and *slots*, which all have some.

        From now on nobody has them alone.
        """
        t = enter(self, "folio_dup_anon_rmap" if pages else "swap_dup_entry_direct")
        if pages:
            _one_more(self.maps, pages)
        if slots:
            _one_more(self.swaps, slots)
        alone = self.exclusive & (pages | slots)
        if alone:
            self.exclusive ^= alone
        leave(t, self, Access.WRITE if alone else Access.INC, len(self.maps))

    def drop(self, bits: int, freed: dict[_Origin, int]) -> int:
        """Count one mapping less of each page in *bits*.

        Return: How many slots nobody refers to any more. Pages that nobody does are
            added to *freed*, by origin.
        """
        t = enter(self, "folio_remove_rmap")
        last = _one_less(self.maps, bits)
        slots = self._release(last, freed) if last else 0
        leave(t, self, Access.WRITE if last else Access.DEC, len(self.maps))
        return slots

    def reuse(self, bits: int) -> tuple[int, dict[_Origin, int], int]:
        """Tell which pages in *bits* have no user but the caller's entry.

        Those without a pin can leave in the same step.

        Return: These pages, those of them that have left, by origin, and how many
            slots have become free.
        """
        t = enter(self, "folio_mapcount")
        once = bits & ~self.maps[1] if len(self.maps) > 1 else bits
        busy = self.locked | self.held[0]
        freeable = once & self.cached & ~(self.swaps[0] | busy | self.exclusive)
        self.cached ^= freeable
        once &= ~(self.cached | busy) | self.exclusive
        if once:
            self.exclusive |= once
        left = self._leave(once)
        # Without swap nobody else looks at pages of which this is the only user.
        seen = once and t.machine.config.total_swap_pages
        access = Access.WRITE if freeable or seen else Access.READ
        leave(t, self, access, once.bit_count())
        return once, left, freeable.bit_count()

    def _leave(self, bits: int) -> dict[_Origin, int]:
        """Let those leave that nothing but the caller's one entry refers to."""
        bits &= ~(self.cached | self.locked | self.held[0] | self.pinned)
        self.maps[0] &= ~bits
        self.exclusive &= ~bits
        found = {o: here & bits for o, here in self.origins.items() if here & bits}
        for origin, gone in found.items():
            self.origins[origin] ^= gone
        return found

    def _release(self, bits: int, freed: dict[_Origin, int]) -> int:
        """Free those in *bits* that nobody needs: neither entries nor who locked them.

        A slot that the swap cache alone refers to goes when the last mapping does.

        Return: As :meth:`drop`.
        """
        slots = 0
        bits &= ~self.maps[0]
        if self.cached or self.locked or self.pins or self.held[0]:
            bits &= ~(self.locked | self.held[0])
            uncached = bits & self.cached & ~self.swaps[0]
            self.cached &= ~uncached
            bits &= ~(self.cached | self.pinned)
            slots = uncached.bit_count()
        self._free(bits, freed)
        return slots

    def _free(self, bits: int, freed: dict[_Origin, int]) -> None:
        """Add those in *bits* that are in memory to *freed*."""
        for origin, here in self.origins.items():
            if gone := here & bits:
                self.origins[origin] = here ^ gone
                freed[origin] = freed.get(origin, 0) + gone.bit_count()

    # -- references --------------------------------------------------------------------

    def pin(self, position: int) -> None:
        """Keep a page that is mapped."""
        t = enter(self, "try_grab_folio")
        self.pins = {**self.pins, position: self.pins.get(position, 0) + 1}
        leave(t, self, Access.INC, self.pins[position])

    def unpin(self, position: int, freed: dict[_Origin, int]) -> None:
        """Let a page go; add it to *freed* if nobody refers to it any more."""
        t = enter(self, "folio_put")
        left = self.pins[position] - 1
        others = {p: nr for p, nr in self.pins.items() if p != position}
        self.pins = others | {position: left} if left else others
        last = not left and not self.maps[0] >> position & 1
        if last:
            self._release(1 << position, freed)
        leave(t, self, Access.WRITE if last else Access.DEC, left)

    def folio_get(self, bits: int) -> None:
        """Keep the pages in *bits*, which are mapped, as long as they are copied."""
        t = enter(self, "folio_get")
        if self.held is _NONE:
            self.held = [0]
        _one_more(self.held, bits)
        leave(t, self, Access.INC, len(self.held))

    def folio_put(self, bits: int, freed: dict[_Origin, int]) -> int:
        """Let the pages in *bits* go, and free those that nobody needs any more.

        Return: As :meth:`drop`.
        """
        t = enter(self, "folio_put")
        last = _one_less(self.held, bits)
        slots = self._release(last, freed)
        leave(t, self, Access.WRITE if last else Access.DEC, len(self.held))
        return slots

    # -- slots -------------------------------------------------------------------------

    def put_slots(self, bits: int, freed: dict[_Origin, int]) -> int:
        """Count one swap entry less of each slot in *bits*.

        Return: As :meth:`drop`.
        """
        t = enter(self, "swap_put_entries_direct")
        last = _one_less(self.swaps, bits)
        slots = (last & ~self.cached).bit_count()
        slots += self._release(last & self.cached, freed)
        leave(t, self, Access.WRITE if last else Access.DEC, len(self.swaps))
        return slots

    # -- the swap cache ----------------------------------------------------------------

    def _unlocked(self, bits: int) -> bool:
        return not self.locked & bits

    def swap_cache_get_folio(self, bits: int) -> int:
        """Return which slots in *bits* have their page in memory, too.

        Context: May sleep, in a step of its own, until nobody has locked any of them.
        """
        while True:
            t = enter(self, "swap_cache_get_folio")
            found, locked = self.cached & bits, self.locked & bits
            leave(t, self, Access.READ, found.bit_count())
            if not locked:
                return found
            t = enter(self, "folio_lock", partial(self._unlocked, bits))
            leave(t, self, Access.WAIT, blocking=True)

    def swap_cache_alloc_folio(self, bits: int, origin: _Origin) -> int:
        """Put pages of *origin* into the swap cache for the slots in *bits*, locked.

        Return: Those slots that were still in use, and had none.
        """
        t = enter(self, "swap_cache_alloc_folio")
        new = bits & self.swaps[0] & ~self.cached
        if new:
            self.cached |= new
            self.locked |= new
            self.origins[origin] = self.origins.get(origin, 0) | new
        leave(t, self, Access.WRITE if new else Access.READ, new.bit_count())
        return new

    def swap_in(self, bits: int, mine: int, *, write: bool, full: bool) -> SwappedIn:
        """Let mappings take the place of swap entries, where the page is in the cache.

        Those that somebody has locked stay, unless they are *mine*: then they are
        unlocked. A slot that no entry names any more is freed if swap is *full*, or
        if the page is about to be written and has no other user.
        """
        t = enter(self, "folio_add_anon_rmap_ptes")
        bits &= self.cached & (mine | ~self.locked)
        _one_more(self.maps, bits)
        last = _one_less(self.swaps, bits)
        self.locked &= ~bits
        alone = bits & ~(self.pinned | self.held[0])
        if len(self.maps) > 1:
            alone &= ~self.maps[1]
        freeable = last if full else last & alone if write else 0
        self.cached ^= freeable
        exclusive = bits & self.exclusive
        left = self._leave(freeable & alone & exclusive)
        leave(t, self, Access.WRITE, bits.bit_count())
        return SwappedIn(bits, exclusive, left, freeable.bit_count())

    def folio_unlock(self, bits: int, freed: dict[_Origin, int]) -> int:
        """Unlock pages, and free those that nobody needs any more.

        Return: As :meth:`drop`.
        """
        t = enter(self, "folio_unlock")
        self.locked &= ~bits
        slots = self._release(bits, freed)
        leave(t, self, Access.WRITE, bits.bit_count())
        return slots

    # -- reclaim -----------------------------------------------------------------------

    def folio_trylock(
        self, bits: int, wanted: Wanted, nr: int, used: int, *, alone: bool
    ) -> tuple[int, int]:
        """Lock the first *nr* of those *wanted* in *bits* that nobody has in hand.

        Those that were *used* are spared. With *alone*, only those that not more than
        one entry maps.

        Return: The pages that are locked now, and those spared.
        """
        t = enter(self, "folio_trylock")
        there = bits & _of_origins(self.origins, wanted)
        there &= ~(self.locked | self.held[0] | self.pinned)
        if alone and len(self.maps) > 1:
            there &= ~self.maps[1]
        got = there & ~used
        got &= _through_nth(got, nr)
        self.locked |= got
        leave(t, self, Access.WRITE if got else Access.READ, got.bit_count())
        return got, there & used

    def mapped_elsewhere(self, bits: int, here: int) -> bool:
        """Tell whether one of the pages in *bits* is mapped besides once *here*."""
        t = enter(self, "folio_mapcount")
        found = bool(self.maps[0] & bits & ~here)
        found = found or (len(self.maps) > 1 and bool(self.maps[1] & bits))
        leave(t, self, Access.READ, found)
        return found

    def swap_cache_add_folio(self, bits: int) -> None:
        """Put the pages in *bits*, which are locked, into the swap cache."""
        t = enter(self, "swap_cache_add_folio")
        self.cached |= bits
        leave(t, self, Access.WRITE, bits.bit_count())

    def try_to_unmap(self, bits: int) -> int:
        """Let swap entries take the place of one mapping of each page in *bits*.

        Return: Those for which they may: pinned pages stay.
        """
        t = enter(self, "folio_dup_swap")
        bits &= ~self.pinned
        _one_less(self.maps, bits)
        if self.swaps is _NONE:
            self.swaps = [0]
        _one_more(self.swaps, bits)
        leave(t, self, Access.WRITE, bits.bit_count())
        return bits

    def remove_mapping(self, bits: int, freed: dict[_Origin, int]) -> int:
        """Free those pages in *bits* that are in swap, and unlock all.

        Return: As :meth:`drop`.
        """
        t = enter(self, "__remove_mapping")
        gone = bits & self.cached & ~(self.maps[0] | self.held[0] | self.pinned)
        self.cached ^= gone
        self.locked &= ~bits
        self._free(gone, freed)
        slots = (gone & ~self.swaps[0]).bit_count()
        slots += self._release(bits & ~gone, freed)
        leave(t, self, Access.WRITE, gone.bit_count())
        return slots
