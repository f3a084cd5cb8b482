# SPDX-License-Identifier: GPL-2.0-only
"""Open files, as mappings see them — ``include/linux/fs.h``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from .mm_types import file
from .refcount import refcount_inc

__all__ = ["get_file"]


@mirrors("include/linux/fs.h", checked="v7.2", inline=True)
def get_file(f: file) -> file:
    """Take a reference; the caller holds one already.

    Context: Any.
    """
    refcount_inc(f.f_ref)
    return f
