# SPDX-License-Identifier: GPL-2.0-only
"""What ``fallocate()`` can be asked for — ``include/uapi/linux/falloc.h``."""

from __future__ import annotations

from typing import Final

__all__ = [
    "FALLOC_FL_ALLOCATE_RANGE",
    "FALLOC_FL_COLLAPSE_RANGE",
    "FALLOC_FL_INSERT_RANGE",
    "FALLOC_FL_KEEP_SIZE",
    "FALLOC_FL_MODE_MASK",
    "FALLOC_FL_PUNCH_HOLE",
    "FALLOC_FL_UNSHARE_RANGE",
    "FALLOC_FL_WRITE_ZEROES",
    "FALLOC_FL_ZERO_RANGE",
]

FALLOC_FL_ALLOCATE_RANGE: Final = 0x00
FALLOC_FL_KEEP_SIZE: Final = 0x01
FALLOC_FL_PUNCH_HOLE: Final = 0x02
FALLOC_FL_COLLAPSE_RANGE: Final = 0x08
FALLOC_FL_ZERO_RANGE: Final = 0x10
FALLOC_FL_INSERT_RANGE: Final = 0x20
FALLOC_FL_UNSHARE_RANGE: Final = 0x40
FALLOC_FL_WRITE_ZEROES: Final = 0x80

#: In Linux it stands in ``include/linux/falloc.h``.
FALLOC_FL_MODE_MASK: Final = (
    FALLOC_FL_PUNCH_HOLE
    | FALLOC_FL_COLLAPSE_RANGE
    | FALLOC_FL_ZERO_RANGE
    | FALLOC_FL_INSERT_RANGE
    | FALLOC_FL_UNSHARE_RANGE
    | FALLOC_FL_WRITE_ZEROES
)
