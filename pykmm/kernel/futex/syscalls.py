# SPDX-License-Identifier: GPL-2.0-only
"""The system calls — ``kernel/futex/syscalls.c``."""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...errno import EINVAL, ENOSYS
from ...linux.sched import current
from ...linux.uaccess import UserWord
from ...linux.uapi_futex import (
    FUTEX_BITSET_MATCH_ANY,
    FUTEX_CMD_MASK,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    robust_list_head,
)
from .futex import FLAGS_CLOCKRT, futex_to_flags
from .waitwake import futex_wait, futex_wake

__all__ = ["do_futex", "set_robust_list"]


@mirrors(
    "kernel/futex/syscalls.c",
    checked="v7.2",
    abridged="waiting and waking only, and no time limit",
)
def do_futex(
    uaddr: UserWord | None, op: int, val: int, val3: int = FUTEX_BITSET_MATCH_ANY
) -> int:
    """Wait for a word while it is *val*, or wake *val* of those who wait for it.

    Context: May sleep.
    Return: As :func:`futex_wait` and :func:`futex_wake`; -ENOSYS for another *op*.
    """
    flags = futex_to_flags(op)
    cmd = op & FUTEX_CMD_MASK
    if flags & FLAGS_CLOCKRT and cmd != FUTEX_WAIT_BITSET:
        return -ENOSYS
    if cmd in (FUTEX_WAIT, FUTEX_WAKE):
        val3 = FUTEX_BITSET_MATCH_ANY
    if cmd in (FUTEX_WAIT, FUTEX_WAIT_BITSET):
        return futex_wait(uaddr, flags, val, val3)
    if cmd in (FUTEX_WAKE, FUTEX_WAKE_BITSET):
        return futex_wake(uaddr, flags, val, val3)
    return -ENOSYS


@mirrors("kernel/futex/syscalls.c", checked="v7.2")
def set_robust_list(
    head: robust_list_head | None, length: int = robust_list_head.size
) -> int:
    """System call: say where the list of current's locks is.

    Return: 0, or -EINVAL for another size of its head.
    """
    if length != robust_list_head.size:
        return -EINVAL
    current().robust_list = head
    return 0
