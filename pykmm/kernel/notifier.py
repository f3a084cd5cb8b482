# SPDX-License-Identifier: GPL-2.0-only
"""Calling those who want to know — ``kernel/notifier.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import EEXIST, ENOENT
from ..linux.compiler import READ_ONCE
from ..linux.notifier import (
    NOTIFY_DONE,
    NOTIFY_STOP_MASK,
    blocking_notifier_head,
    notifier_block,
)
from ..linux.rwsem import down_read, down_write, up_read, up_write

__all__ = [
    "blocking_notifier_call_chain",
    "blocking_notifier_chain_register",
    "blocking_notifier_chain_unregister",
]


@mirrors(
    "kernel/notifier.c",
    checked="v7.2",
    abridged="the system is never booting, and coming twice is no warning",
)
def blocking_notifier_chain_register(
    nh: blocking_notifier_head, n: notifier_block
) -> int:
    """Put *n* into the chain, behind those of the same priority.

    Context: May sleep; not from a callback of this chain.
    Return: 0, or -EEXIST if it is in it already.
    """
    down_write(nh.rwsem)
    ret = -EEXIST if n in nh.head else 0
    if not ret:
        nh.head = tuple(sorted((*nh.head, n), key=lambda nb: -nb.priority))
    up_write(nh.rwsem)
    return ret


@mirrors("kernel/notifier.c", checked="v7.2", abridged="the system is never booting")
def blocking_notifier_chain_unregister(
    nh: blocking_notifier_head, n: notifier_block
) -> int:
    """Take *n* out of the chain; it is not being called any more then.

    Context: May sleep; not from a callback of this chain.
    Return: 0, or -ENOENT if it is not in it.
    """
    down_write(nh.rwsem)
    ret = 0 if n in nh.head else -ENOENT
    nh.head = tuple(nb for nb in nh.head if nb is not n)
    up_write(nh.rwsem)
    return ret


@mirrors("kernel/notifier.c", checked="v7.2")
def blocking_notifier_call_chain(
    nh: blocking_notifier_head, val: int, v: object
) -> int:
    """Call all of the chain, until one of them wants it to stop.

    Context: May sleep. An empty chain is told by a look without the lock.
    Return: What the last callback answered.
    """
    ret = NOTIFY_DONE
    if READ_ONCE(nh).head:
        down_read(nh.rwsem)
        for nb in nh.head:
            ret = nb.notifier_call(nb, val, v)
            if ret & NOTIFY_STOP_MASK:
                break
        up_read(nh.rwsem)
    return ret
