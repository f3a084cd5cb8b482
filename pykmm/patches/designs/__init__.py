# SPDX-License-Identifier: GPL-2.0-only
"""Ways to kill a process and release its memory, one file each.

Design A is the baseline: ``kill()``, then ``process_mrelease()``.
"""

from __future__ import annotations

from typing import Final

from ..patch import Patch
from . import (
    baseline,
    exit_mm_pinned,
    mrelease_users,
    readers_lock,
    reap_at_once,
    reap_in_chunks,
    reap_kill_count,
    reap_kill_rfc,
    reap_kill_v1,
    reap_kill_v2,
    reap_kill_v3,
    signal_expedite,
    signal_mm_group,
    signal_reaper,
    thaw_one,
    walk_up,
)

__all__ = ["DESIGNS"]

#: All designs by the letter that the discussion of them uses here.
DESIGNS: Final[dict[str, Patch]] = {
    module.patch.name: module.patch
    for module in (
        baseline,
        mrelease_users,
        reap_kill_rfc,
        reap_kill_v1,
        reap_kill_count,
        reap_kill_v2,
        reap_kill_v3,
        exit_mm_pinned,
        readers_lock,
        signal_mm_group,
        signal_expedite,
        signal_reaper,
        walk_up,
        reap_at_once,
        thaw_one,
        reap_in_chunks,
    )
}
