# SPDX-License-Identifier: GPL-2.0-only
"""Small things of ``mm/internal.h``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.machine import current_machine

__all__ = ["K"]


@mirrors("mm/internal.h", checked="v7.2", inline=True)
def K(x: int) -> int:  # noqa: N802 -- Linux's name
    """Return the size of *x* pages in KiB, as reports print it."""
    return x * current_machine().config.page_size >> 10
