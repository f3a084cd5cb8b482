# SPDX-License-Identifier: GPL-2.0-only
"""What the pages of a process are counted as — ``include/linux/mm_types_task.h``."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = [
    "MM_ANONPAGES",
    "MM_FILEPAGES",
    "MM_SHMEMPAGES",
    "MM_SWAPENTS",
    "NR_MM_COUNTERS",
    "_PFN_ENTRIES",
    "_Rss",
]


class _Rss(IntEnum):
    """Indices into ``mm->rss_stat``."""

    MM_FILEPAGES = 0
    MM_ANONPAGES = 1
    MM_SWAPENTS = 2
    MM_SHMEMPAGES = 3


# Plain numbers: as an index, a member of an enumeration takes several times as long.
MM_FILEPAGES: Final = int(_Rss.MM_FILEPAGES)
MM_ANONPAGES: Final = int(_Rss.MM_ANONPAGES)
MM_SWAPENTS: Final = int(_Rss.MM_SWAPENTS)
MM_SHMEMPAGES: Final = int(_Rss.MM_SHMEMPAGES)
NR_MM_COUNTERS: Final = len(_Rss)

#: Index of the entries that are counted nowhere: zero page, raw frame numbers.
_PFN_ENTRIES: Final = NR_MM_COUNTERS
