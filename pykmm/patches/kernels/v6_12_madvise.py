# SPDX-License-Identifier: GPL-2.0-only
"""What process_madvise() was in Linux 6.12.

Only advice that loses nothing was for it, also about the caller's own memory, and that
was checked before the memory was looked for. Each range had the lock to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...errno import EINVAL, EPERM, Errno
from ...kernel.capability import capable
from ...kernel.fork import mmput
from ...kernel.fork_mm import mm_access
from ...kernel.pid_pidfd import pidfd_get_task
from ...linux.sched import current, task_struct
from ...linux.sched.task import put_task_struct
from ...linux.uapi import CAP_SYS_NICE
from ...mm import madvise_process
from ...mm.madvise import do_madvise
from ...mm.madvise_process import process_madvise_remote_valid

__all__ = ["replaced"]


def process_madvise(
    pidfd: int, iovec: Sequence[tuple[int, int]], behavior: int, flags: int
) -> int:
    """Carry advice out on ranges of the memory of a pidfd's process."""
    if flags or len(iovec) > 1024:
        return -EINVAL
    task = pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    ret = int(-EINVAL)
    if process_madvise_remote_valid(behavior):
        ret = _advise(task, iovec, behavior)
    put_task_struct(task)
    return ret


def _advise(task: task_struct, iovec: Sequence[tuple[int, int]], behavior: int) -> int:
    mm = mm_access(task)
    if isinstance(mm, Errno):
        return mm
    done = ret = 0
    if mm is not current().mm and not capable(CAP_SYS_NICE):
        ret = -EPERM
    for start, length in () if ret else iovec:
        ret = do_madvise(mm, start, length, behavior)
        if ret < 0:
            break
        done += length
    mmput(mm)
    return done or ret


def replaced() -> Iterator[tuple[Callable[..., object], Callable[..., object]]]:
    """Yield each function of the baseline with what 6.12 had instead."""
    yield madvise_process.process_madvise, process_madvise
