# SPDX-License-Identifier: GPL-2.0-only
"""Keeping Python's garbage collector out of what only makes things that stay."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["set_aside", "uncollected"]

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


@contextmanager
def set_aside() -> Iterator[None]:
    """Have the collector pass over all that there is already, for a block.

    Nothing of that is freed before the block ends, if it takes the collector to find
    out that nobody needs it; and the collector forgets how much there was. So it is for
    long blocks, which leave much less behind than they make.
    """
    if gc.get_freeze_count():  # others' stays frozen
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
