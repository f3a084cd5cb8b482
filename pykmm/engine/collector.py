# SPDX-License-Identifier: GPL-2.0-only
"""Keeping Python's garbage collector out of what only makes things that stay."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch the collector off for a block; it would walk the same again and again.

    It is switched on again by whoever switched it off, so of several threads that are
    in such a block the first one out may do it for all.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
