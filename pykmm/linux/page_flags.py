# SPDX-License-Identifier: GPL-2.0-only
"""What is known about a page of a file — ``include/linux/page-flags.h``."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["PG_active", "PG_locked", "PG_referenced", "pageflags"]


class pageflags(IntEnum):
    """Flags, by their bit numbers; the others are not modelled."""

    #: Somebody takes the page out of the cache, or may: nobody maps it meanwhile.
    PG_locked = 0
    #: Reclaim has seen it used once, or more often: not the next to go.
    PG_referenced = 2
    PG_active = 8


PG_locked: Final = pageflags.PG_locked
PG_referenced: Final = pageflags.PG_referenced
PG_active: Final = pageflags.PG_active
