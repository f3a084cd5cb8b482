# SPDX-License-Identifier: GPL-2.0-only
"""The first two patches of the series of April 2026, whose third one is design B.

They compose with each other, and with every design.
"""

from __future__ import annotations

from typing import Final

from ..patch import Patch
from . import evict_folios, skip_marks

__all__ = ["COMPANIONS"]

#: Both by name.
COMPANIONS: Final[dict[str, Patch]] = {
    module.patch.name: module.patch for module in (evict_folios, skip_marks)
}
