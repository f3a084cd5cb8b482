# SPDX-License-Identifier: GPL-2.0-only
"""What a process says about itself — part of ``kernel/sys.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EINVAL, EPERM
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.mm import mm_flags_set, mm_flags_test
from ..linux.mm_types import MMF_HAS_MDWE, MMF_HAS_MDWE_NO_INHERIT
from ..linux.pid import is_child_reaper
from ..linux.rculist import list_entries
from ..linux.sched import current, task_struct, tasklist_lock
from ..linux.sched.coredump import TASK_DUMPABLE_OFF, TASK_DUMPABLE_OWNER
from ..linux.spinlock import read_lock, read_unlock
from ..linux.uapi import (
    _NSIG,
    PR_GET_CHILD_SUBREAPER,
    PR_GET_DUMPABLE,
    PR_GET_MDWE,
    PR_GET_PDEATHSIG,
    PR_MDWE_NO_INHERIT,
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_MDWE,
    PR_SET_PDEATHSIG,
)
from .exec_state import task_exec_state_get_dumpable, task_exec_state_set_dumpable

__all__ = ["prctl"]

#: That only root may see a core is for the kernel to say.
_MAY_BE_SET: Final = (TASK_DUMPABLE_OFF, TASK_DUMPABLE_OWNER)


def _propagate(leader: task_struct) -> None:
    """Tell all descendants that somebody above may take their orphans in.

    Those who know already have told theirs, and nobody leaves a namespace.
    """
    for parent in list_entries(leader.signal.thread_head):
        for child in list(parent.children):
            number = child.thread_pid
            if number is None or is_child_reaper(number):
                continue
            if not READ_ONCE(child.signal).has_child_subreaper:
                WRITE_ONCE(child.signal).has_child_subreaper = True
                _propagate(child)


def _set_child_subreaper(wanted: bool) -> None:
    me = current()
    WRITE_ONCE(me.signal).is_child_subreaper = wanted
    if wanted:
        read_lock(tasklist_lock())
        _propagate(me.group_leader)
        read_unlock(tasklist_lock())


def _set_pdeath_signal(sig: int) -> None:
    """Say what current gets when its parent's thread dies, unless that is too late.

    The lock makes sure that it is either sent, or the new parent is seen afterwards.
    """
    read_lock(tasklist_lock())
    current().pdeath_signal = sig
    read_unlock(tasklist_lock())


@mirrors("kernel/sys.c", checked="v7.2", inline=True)
def get_current_mdwe() -> int:
    """Return what current's program has forbidden itself, as it was told to."""
    mm = current().mm
    assert mm is not None  # a program has one
    forbidden = 0
    if mm_flags_test(MMF_HAS_MDWE, mm):
        forbidden |= PR_MDWE_REFUSE_EXEC_GAIN
    if mm_flags_test(MMF_HAS_MDWE_NO_INHERIT, mm):
        forbidden |= PR_MDWE_NO_INHERIT
    return forbidden


@mirrors("kernel/sys.c", checked="v7.2", inline=True)
def prctl_set_mdwe(bits: int) -> int:
    """Forbid current's program for good to execute what it wrote.

    Return: 0; -EINVAL for bits that mean nothing, -EPERM if others were set before.
    """
    if bits & ~(PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT):
        return -EINVAL
    if bits == PR_MDWE_NO_INHERIT:
        return -EINVAL
    before = get_current_mdwe()
    if before and before != bits:
        return -EPERM
    mm = current().mm
    assert mm is not None  # a program has one
    if bits & PR_MDWE_NO_INHERIT:
        mm_flags_set(MMF_HAS_MDWE_NO_INHERIT, mm)
    if bits & PR_MDWE_REFUSE_EXEC_GAIN:
        mm_flags_set(MMF_HAS_MDWE, mm)
    return 0


@mirrors(
    "kernel/sys.c",
    checked="v7.2",
    abridged="subreapers, core dumps, parents' deaths and writable code only; what is "
    "asked for is returned",
)
def prctl(option: int, value: int = 0) -> int:
    """System call: set or ask what holds for the calling process.

    Return: 0, or what was asked for; -EINVAL.
    """
    if option == PR_SET_CHILD_SUBREAPER:
        _set_child_subreaper(bool(value))
        return 0
    if option == PR_GET_CHILD_SUBREAPER:
        return int(READ_ONCE(current().signal).is_child_subreaper)
    if option == PR_SET_DUMPABLE and value in _MAY_BE_SET:
        task_exec_state_set_dumpable(value)
        return 0
    if option == PR_GET_DUMPABLE:
        return task_exec_state_get_dumpable(current())
    if option == PR_SET_PDEATHSIG and 0 <= value <= _NSIG:
        _set_pdeath_signal(value)
        return 0
    if option == PR_GET_PDEATHSIG:
        return current().pdeath_signal or 0
    if option == PR_SET_MDWE:
        return prctl_set_mdwe(value)
    if option == PR_GET_MDWE:
        return -EINVAL if value else get_current_mdwe()
    return -EINVAL
