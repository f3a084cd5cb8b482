# SPDX-License-Identifier: GPL-2.0-only
"""Dropping pages of files — ``mm/truncate.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.mm_types import address_space
from ..linux.spinlock import spin_lock, spin_unlock
from .swap import folios_put_refs

__all__ = ["truncate_inode_pages_final"]


@mirrors("mm/truncate.c", checked="v7.2", abridged="in one go, not folio by folio")
def truncate_inode_pages_final(mapping: address_space) -> None:
    """Drop all pages of a file that nobody can open any more.

    Context: May sleep. No mapping is left.
    """
    spin_lock(mapping.i_pages_lock)
    nrpages = dict(mapping._nrpages)
    mapping._nrpages.clear()
    mapping.i_pages.clear()
    spin_unlock(mapping.i_pages_lock)
    folios_put_refs(nrpages)
