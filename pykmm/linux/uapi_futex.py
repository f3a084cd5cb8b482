# SPDX-License-Identifier: GPL-2.0-only
"""What ``futex()`` can be asked for — ``include/uapi/linux/futex.h``."""

from __future__ import annotations

from typing import ClassVar, Final

import attrs

from .uaccess import UserWord

__all__ = [
    "FUTEX_BITSET_MATCH_ANY",
    "FUTEX_CLOCK_REALTIME",
    "FUTEX_CMD_MASK",
    "FUTEX_OWNER_DIED",
    "FUTEX_PRIVATE_FLAG",
    "FUTEX_TID_MASK",
    "FUTEX_WAIT",
    "FUTEX_WAITERS",
    "FUTEX_WAIT_BITSET",
    "FUTEX_WAKE",
    "FUTEX_WAKE_BITSET",
    "ROBUST_LIST_LIMIT",
    "robust_list_head",
]

FUTEX_WAIT: Final = 0
FUTEX_WAKE: Final = 1
FUTEX_WAIT_BITSET: Final = 9
FUTEX_WAKE_BITSET: Final = 10

FUTEX_PRIVATE_FLAG: Final = 128
FUTEX_CLOCK_REALTIME: Final = 256
FUTEX_CMD_MASK: Final = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

FUTEX_BITSET_MATCH_ANY: Final = 0xFFFFFFFF

#: What the word of a lock says: its holder, and whether it died, and who waits.
FUTEX_WAITERS: Final = 0x80000000
FUTEX_OWNER_DIED: Final = 0x40000000
FUTEX_TID_MASK: Final = 0x3FFFFFFF

ROBUST_LIST_LIMIT: Final = 2048


@attrs.define(eq=False)
class robust_list_head:
    """A thread's list of the locks that it holds, in memory of its own.

    The thread changes it as it likes; the kernel reads it when the thread leaves.
    """

    size: ClassVar[int] = 24

    #: Where it stands.
    addr: int
    #: The locks: where each stands, and its word.
    list: dict[int, UserWord] = attrs.field(factory=dict)
    #: Where the one stands that is being taken or given back; on the list or not, its
    #: word is in ``list``.
    list_op_pending: int | None = None
