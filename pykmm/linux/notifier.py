# SPDX-License-Identifier: GPL-2.0-only
"""Chains of callbacks — ``include/linux/notifier.h``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from ..engine.fields import embedded, guarded, kernel_struct
from ..engine.objects import Struct
from .rwsem import rw_semaphore

__all__ = [
    "NOTIFY_BAD",
    "NOTIFY_DONE",
    "NOTIFY_OK",
    "NOTIFY_STOP",
    "NOTIFY_STOP_MASK",
    "blocking_notifier_head",
    "notifier_block",
]

NOTIFY_DONE: Final = 0x0000
NOTIFY_OK: Final = 0x0001
#: In an answer: nobody further down the chain is called.
NOTIFY_STOP_MASK: Final = 0x8000
NOTIFY_BAD: Final = NOTIFY_STOP_MASK | 0x0002
NOTIFY_STOP: Final = NOTIFY_OK | NOTIFY_STOP_MASK


@attrs.frozen(eq=False)
class notifier_block:
    """One callback; those with a higher *priority* are called first.

    It gets its block, the number of what happened, and data.
    """

    notifier_call: Callable[[notifier_block, int, object], int]
    priority: int = 0


@kernel_struct
class blocking_notifier_head(Struct):
    """A chain whose callbacks may sleep."""

    rwsem: rw_semaphore = embedded(rw_semaphore)
    #: All blocks, in the order in which they are called.
    head: tuple[notifier_block, ...] = guarded(by="rwsem", default=(), lockless=True)
