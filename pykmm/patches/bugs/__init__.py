# SPDX-License-Identifier: GPL-2.0-only
"""Bugs to be found, one file each: seeded by us, or fixed in Linux long ago."""

from __future__ import annotations

from typing import Final

from ..patch import Patch
from . import (
    exit_keeps_mm,
    exit_tables_unlocked,
    mrelease_keeps_lock,
    mrelease_no_mmgrab,
    mrelease_skips_skip,
    reaper_queues_twice,
)

__all__ = ["BUGS"]

#: All bugs by name.
BUGS: Final[dict[str, Patch]] = {
    module.patch.name: module.patch
    for module in (
        exit_keeps_mm,
        exit_tables_unlocked,
        mrelease_keeps_lock,
        mrelease_no_mmgrab,
        mrelease_skips_skip,
        reaper_queues_twice,
    )
}
