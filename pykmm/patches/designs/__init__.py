# SPDX-License-Identifier: GPL-2.0-only
"""Ways to kill a process and release its memory, one file each.

Design A is the baseline: ``kill()``, then ``process_mrelease()``.
"""

from __future__ import annotations

from typing import Final

from ..patch import Patch
from . import reap_kill_count, reap_kill_v1, reap_kill_v3

__all__ = ["DESIGNS"]

#: All designs by the letter that the discussion of them uses here.
DESIGNS: Final[dict[str, Patch]] = {
    module.patch.name: module.patch
    for module in (reap_kill_v1, reap_kill_count, reap_kill_v3)
}
