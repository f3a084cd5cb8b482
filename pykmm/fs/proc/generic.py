# SPDX-License-Identifier: GPL-2.0-only
"""What files below ``/proc`` have in common — ``fs/proc/generic.c``, ``fs/libfs.c``."""

from __future__ import annotations

__all__ = ["simple_read_from_buffer"]


def simple_read_from_buffer(pos: int, text: bytes) -> bytes:
    """Return what is left of *text* from a position on."""
    return text[pos:]
