# SPDX-License-Identifier: GPL-2.0-only
"""What ``futex()`` can be asked for — ``include/uapi/linux/futex.h``."""

from __future__ import annotations

from typing import Final

__all__ = [
    "FUTEX_BITSET_MATCH_ANY",
    "FUTEX_CLOCK_REALTIME",
    "FUTEX_CMD_MASK",
    "FUTEX_PRIVATE_FLAG",
    "FUTEX_WAIT",
    "FUTEX_WAIT_BITSET",
    "FUTEX_WAKE",
    "FUTEX_WAKE_BITSET",
]

FUTEX_WAIT: Final = 0
FUTEX_WAKE: Final = 1
FUTEX_WAIT_BITSET: Final = 9
FUTEX_WAKE_BITSET: Final = 10

FUTEX_PRIVATE_FLAG: Final = 128
FUTEX_CLOCK_REALTIME: Final = 256
FUTEX_CMD_MASK: Final = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

FUTEX_BITSET_MATCH_ANY: Final = 0xFFFFFFFF
