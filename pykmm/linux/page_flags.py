# SPDX-License-Identifier: GPL-2.0-only
"""What is known about a page of a file — ``include/linux/page-flags.h``."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = [
    "PG_active",
    "PG_dirty",
    "PG_locked",
    "PG_reclaim",
    "PG_referenced",
    "PG_writeback",
    "pageflags",
]


class pageflags(IntEnum):
    """Flags, by their bit numbers; the others are not modelled."""

    #: Somebody takes the page out of the cache, or may: nobody maps it meanwhile.
    PG_locked = 0
    #: It is on its way to the disk: it stays until it has got there.
    PG_writeback = 1
    #: Reclaim has seen it used once; or more often: not the next to go.
    PG_referenced = 2
    #: The disk does not have what it holds.
    PG_dirty = 4
    PG_active = 8
    #: Reclaim has met it dirty: it is the next to go when it has been written.
    PG_reclaim = 16


PG_locked: Final = pageflags.PG_locked
PG_writeback: Final = pageflags.PG_writeback
PG_dirty: Final = pageflags.PG_dirty
PG_reclaim: Final = pageflags.PG_reclaim
PG_referenced: Final = pageflags.PG_referenced
PG_active: Final = pageflags.PG_active
