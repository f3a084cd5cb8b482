# SPDX-License-Identifier: GPL-2.0-only
"""Advice about another process's memory — part of ``mm/madvise.c``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..engine.annotate import mirrors
from ..errno import EINVAL, EPERM, Errno
from ..kernel.capability import capable
from ..kernel.fork import mmput
from ..kernel.fork_mm import mm_access
from ..kernel.pid_pidfd import pidfd_get_task
from ..linux.mm_types import mm_struct
from ..linux.sched import current, task_struct
from ..linux.sched.task import put_task_struct
from ..linux.uapi import CAP_SYS_NICE
from ..linux.uapi_mman import MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_WILLNEED
from .madvise import (
    check_input_range,
    madvise_behavior_valid,
    madvise_do_behavior,
    madvise_lock,
    madvise_unlock,
)
from .madvise_state import madvise_behavior
from .mmu_gather import tlb_finish_mmu, tlb_gather_mmu

__all__ = ["process_madvise", "process_madvise_remote_valid"]

#: UIO_MAXIOV: how many ranges one call may have.
_UIO_MAXIOV: Final = 1024
#: What loses nothing, so that others may advise it.
_HARMLESS: Final = (MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE)


@mirrors("mm/madvise.c", checked="v7.2")
def process_madvise_remote_valid(behavior: int) -> bool:
    """Tell whether one process may advise it about another's memory."""
    return behavior in _HARMLESS


@mirrors("mm/madvise.c", checked="v7.2", abridged="no advice has to be restarted")
def vector_madvise(
    mm: mm_struct, iovec: Sequence[tuple[int, int]], behavior: int
) -> int:
    """Carry advice out on several ranges of *mm*, under one lock.

    Context: Takes ``mmap_lock`` of *mm*. May sleep.
    Return: How many bytes of ranges were done, or the first one's error.
    """
    ret = madvise_lock(mm, behavior)
    if ret:
        return ret
    madv = madvise_behavior(mm, behavior, tlb_gather_mmu(mm))
    done = 0
    for start, length in iovec:
        ret = check_input_range(start, length)
        if not ret and length:
            ret = madvise_do_behavior(madv, start, length)
        if ret < 0:
            break
        done += length
    tlb_finish_mmu(madv.tlb)
    madvise_unlock(mm, behavior)
    return done or ret


@mirrors("mm/madvise.c", checked="v7.2", abridged="ranges are numbers, and no pointers")
def process_madvise(
    pidfd: int, iovec: Sequence[tuple[int, int]], behavior: int, flags: int
) -> int:
    """System call: carry advice out on ranges of the memory of a pidfd's process.

    Context: May sleep.
    Return: How many bytes of ranges were done; -EINVAL for flags, too many ranges, and
        advice that is not for others; -EBADF, -ESRCH, -EACCES; -EPERM about another
        process's memory without CAP_SYS_NICE.
    """
    if flags or len(iovec) > _UIO_MAXIOV:
        return -EINVAL
    task = pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    ret = _advise(task, iovec, behavior)
    put_task_struct(task)
    return ret


def _advise(task: task_struct, iovec: Sequence[tuple[int, int]], behavior: int) -> int:
    mm = mm_access(task)
    if isinstance(mm, Errno):
        return mm
    ret: int = -EINVAL
    own = mm is current().mm
    if madvise_behavior_valid(behavior) and (
        own or process_madvise_remote_valid(behavior)
    ):
        ret = -EPERM
        if own or capable(CAP_SYS_NICE):
            ret = vector_madvise(mm, iovec, behavior)
    mmput(mm)
    return ret
