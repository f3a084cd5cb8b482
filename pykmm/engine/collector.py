# SPDX-License-Identifier: GPL-2.0-only
"""Keeping Python's garbage collector out of what only makes things that stay."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["uncollected"]

#: How many objects are walked in a time that anybody notices.
_MUCH: Final = 10_000


@contextmanager
def uncollected(*, stays: bool = False) -> Iterator[None]:
    """Switch the collector off for a block; it would walk the same again and again.

    If it is much that *stays*, it goes straight to the oldest generation, and nobody
    walks it soon. That brings the next walk no nearer either: who makes as much again
    and again has to let the collector see the like of it elsewhere.

    It is switched on again by whoever switched it off, so of several threads that are
    in such a block the first one out may do it for all.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            much = gc.get_count()[0] >= _MUCH
            if stays and much and not gc.get_freeze_count():  # others' stays frozen
                gc.freeze()
                gc.unfreeze()
            gc.enable()
