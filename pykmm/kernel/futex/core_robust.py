# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of locks whose holder dies — part of ``kernel/futex/core.c``.

A thread keeps a list of the locks that it holds, in memory of its own. The kernel goes
through it when the thread leaves that memory: whoever waits for such a lock is woken,
and finds in its word that the holder died. All of it may fault, and where memory has
been reaped the walk ends: who waits then is not told.
"""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...linux.sched import task_struct
from ...linux.uaccess import UserWord, copy_from_user, copy_to_user
from ...linux.uapi_futex import (
    FUTEX_BITSET_MATCH_ANY,
    FUTEX_OWNER_DIED,
    FUTEX_TID_MASK,
    FUTEX_WAITERS,
    ROBUST_LIST_LIMIT,
)
from ..pid import pid_vnr
from .futex import FLAGS_SHARED
from .waitwake import futex_wake

__all__ = ["futex_exec_release", "futex_exit_release"]

_ENTRY_SIZE, _WORD_SIZE = 8, 4


def _wake_one(word: UserWord) -> None:
    futex_wake(word, FLAGS_SHARED, 1, FUTEX_BITSET_MATCH_ANY)


@mirrors(
    "kernel/futex/core.c",
    checked="v7.2",
    abridged="no priority inheritance; a word is where its entry is",
)
def handle_futex_death(
    addr: int, word: UserWord, curr: task_struct, *, pending_op: bool
) -> int:
    """Give a lock up for *curr*, if it holds it, and wake one who waits.

    A lock that was about to be taken or given back (*pending_op*) may have been given
    back already, with nobody woken yet.

    Context: *curr* is current. May sleep, and faults.
    Return: 0, or -1 if its word cannot be reached.
    """
    if addr % _WORD_SIZE:
        return -1
    while True:
        if copy_from_user(addr, _WORD_SIZE):
            return -1
        uval = word.read()
        owner = uval & FUTEX_TID_MASK
        if owner != pid_vnr(curr.__dict__["thread_pid"]):
            if pending_op and not (owner and uval & FUTEX_WAITERS):
                _wake_one(word)
            return 0
        if copy_to_user(addr, _WORD_SIZE):
            return -1
        if word.cmpxchg(uval, uval & FUTEX_WAITERS | FUTEX_OWNER_DIED):
            break
    if uval & FUTEX_WAITERS:
        _wake_one(word)
    return 0


@mirrors(
    "kernel/futex/core.c",
    checked="v7.2",
    abridged="the head of the list is read at once",
)
def exit_robust_list(curr: task_struct) -> None:
    """Give up all locks on the list of *curr*, as far as it can be read.

    Context: *curr* is current. May sleep, and faults.
    """
    head = curr.robust_list
    assert head is not None  # so the caller found
    if copy_from_user(head.addr, head.size):
        return
    pending = head.list_op_pending
    for addr, word in list(head.list.items())[:ROBUST_LIST_LIMIT]:
        # What comes next is read before the lock is given to somebody who changes it.
        lost = copy_from_user(addr, _ENTRY_SIZE)
        if addr != pending and handle_futex_death(addr, word, curr, pending_op=False):
            return
        if lost:
            return
    if pending is not None:
        handle_futex_death(pending, head.list[pending], curr, pending_op=True)


@mirrors("kernel/futex/core.c", checked="v7.2", abridged="no priority inheritance")
def futex_exit_release(tsk: task_struct) -> None:
    """Give up the locks of current, which leaves its memory.

    Context: May sleep, and faults.
    """
    if tsk.robust_list is not None:
        exit_robust_list(tsk)
        tsk.robust_list = None


@mirrors("kernel/futex/core.c", checked="v7.2")
def futex_exec_release(tsk: task_struct) -> None:
    """Give up the locks of current, which is to run another program.

    Context: As :func:`futex_exit_release`.
    """
    futex_exit_release(tsk)
