# SPDX-License-Identifier: GPL-2.0-only
"""Open files, as mappings see them — ``include/linux/fs.h``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from .mm_types import file
from .refcount import refcount_inc

__all__ = ["FMODE_READ", "FMODE_WRITE", "S_APPEND", "S_SWAPFILE", "get_file"]

FMODE_READ: Final = 1
FMODE_WRITE: Final = 2
S_APPEND: Final = 1 << 2
S_SWAPFILE: Final = 1 << 8


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def get_file(f: file) -> file:
    """Take a reference; the caller holds one already.

    Context: Any.
    """
    refcount_inc(f.f_ref)
    return f
