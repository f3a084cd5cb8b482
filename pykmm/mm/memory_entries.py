# SPDX-License-Identifier: GPL-2.0-only
"""What a fault has to do about entries — part of ``mm/memory.c``.

Linux finds out entry by entry; here those of one page-table page are seen at once.
"""

from __future__ import annotations

import attrs

from ..linux.mm import VM_SHARED, vma_is_anonymous
from ..linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    pgtable_t,
    vm_area_struct,
)

__all__ = ["_Change", "_change", "_kind"]


@attrs.frozen
class _Change:
    """What a fault will do to the entries of one page-table page."""

    #: Entries that map nothing yet, and how they will count.
    missing: int
    member: int
    #: Entries whose page becomes a private copy: of a file's page or of zeroes.
    copied: int
    #: Entries whose page is in swap.
    swapped: int
    #: Entries whose page is there, but may be somebody else's, too.
    protected: int

    def anon(self) -> int:
        """Return the entries that get a new page of anonymous memory."""
        own = self.missing if self.member == MM_ANONPAGES else 0
        return own | self.copied

    def among(self, mask: int) -> _Change:
        """Return what is to be done to the entries in *mask*."""
        return _Change(
            self.missing & mask,
            self.member,
            self.copied & mask,
            self.swapped & mask,
            self.protected & mask,
        )


def _kind(vma: vm_area_struct, *, write: bool) -> int:
    """Say how a page counts that a fault puts where none is."""
    if vma_is_anonymous(vma):
        return MM_ANONPAGES if write else _PFN_ENTRIES
    if write and not vma.vm_flags & VM_SHARED:
        return MM_ANONPAGES
    if vma.vm_file is None:
        return _PFN_ENTRIES
    return MM_SHMEMPAGES if vma.vm_file.is_shmem else MM_FILEPAGES


def _change(
    table: pgtable_t, mask: int, member: int, *, write: bool, private: bool
) -> _Change:
    """See what has to be done about the entries in *mask*."""
    present = table.present
    there = 0
    for bits in present:
        there |= bits
    copied = 0
    if write and private:
        copied = present[MM_FILEPAGES] | present[MM_SHMEMPAGES] | present[_PFN_ENTRIES]
    protected = table.readonly & present[MM_ANONPAGES] & mask if write else 0
    swapped = present[MM_SWAPENTS] & mask
    return _Change(mask & ~there, member, copied & mask, swapped, protected)
