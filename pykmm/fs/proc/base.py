# SPDX-License-Identifier: GPL-2.0-only
"""What ``/proc/PID`` shows of a process, and is told — ``fs/proc/base.c``.

A file names its task by the task's ``struct pid``, so it outlives the task: whoever
reads or writes later finds that nobody bears the number any more. Writing the
adjustment is in ``base_oom``.
"""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...engine.machine import current_machine
from ...errno import EBADF, EISDIR, ESRCH, Errno
from ...linux.compiler import READ_ONCE
from ...linux.fdtable import OpenFile
from ...linux.oom import LONG_MIN
from ...linux.pid import pid
from ...linux.proc_fs import ProcFile, proc_ops
from ...linux.sched import task_struct
from ...linux.sched.task import put_task_struct
from ...linux.uapi import OOM_ADJUST_MAX, OOM_DISABLE, OOM_SCORE_ADJ_MAX
from ...mm.oom_kill import oom_badness
from ...mm.swapfile import total_swap_pages
from .base_oom import get_proc_task, oom_adj_write, oom_score_adj_write
from .generic import simple_read_from_buffer

__all__ = [
    "get_proc_task",
    "oom_adj_read",
    "oom_score_adj_read",
    "proc_oom_score",
    "proc_tgid_base_operations",
    "proc_tid_base_operations",
    "tgid_pidfd_to_pid",
    "tid_base_stuff",
]


def _quotient(dividend: int, divisor: int) -> int:
    """Divide as C does: towards zero."""
    result = abs(dividend) // abs(divisor)
    return -result if (dividend < 0) is not (divisor < 0) else result


@mirrors("fs/proc/base.c", checked="v7.2", abridged="returns what Linux prints")
def proc_oom_score(task: task_struct) -> int:
    """Put the badness of *task* on a scale from 0, which also means: never.

    Context: As :func:`oom_badness`.
    """
    totalpages = current_machine().config.totalram_pages + total_swap_pages()
    badness = oom_badness(task, totalpages)
    if badness == LONG_MIN:
        return 0
    return _quotient((1000 + _quotient(badness * 1000, totalpages)) * 2, 3)


def _oom_score_read(file: ProcFile, pos: int) -> bytes | Errno:
    task = get_proc_task(file)
    if task is None:
        return -ESRCH
    text = b"%d\n" % proc_oom_score(task)
    put_task_struct(task)
    return simple_read_from_buffer(pos, text)


def _adjustment(file: ProcFile) -> int | None:
    """Read the adjustment that *file* is about; None once its task is gone."""
    task = get_proc_task(file)
    if task is None:
        return None
    adj = READ_ONCE(task.signal).oom_score_adj
    put_task_struct(task)
    return adj


@mirrors("fs/proc/base.c", checked="v7.2")
def oom_adj_read(file: ProcFile, pos: int) -> bytes | Errno:
    """Read the adjustment on the old scale, rounded towards 0.

    Context: May be called by programs.
    Return: The text from *pos* on, or -ESRCH once the task was reaped.
    """
    adj = _adjustment(file)
    if adj is None:
        return -ESRCH
    oom_adj = OOM_ADJUST_MAX
    if adj != OOM_SCORE_ADJ_MAX:
        oom_adj = _quotient(adj * -OOM_DISABLE, OOM_SCORE_ADJ_MAX)
    return simple_read_from_buffer(pos, b"%d\n" % min(oom_adj, OOM_ADJUST_MAX))


@mirrors("fs/proc/base.c", checked="v7.2")
def oom_score_adj_read(file: ProcFile, pos: int) -> bytes | Errno:
    """Read the adjustment.

    Context: May be called by programs.
    Return: The text from *pos* on, or -ESRCH once the task was reaped.
    """
    adj = _adjustment(file)
    if adj is None:
        return -ESRCH
    return simple_read_from_buffer(pos, b"%d\n" % adj)


# -- directories -----------------------------------------------------------------------


def _is_a_directory(file: ProcFile, pos: int) -> Errno:
    del file, pos
    return -EISDIR


#: What is open of ``/proc/PID`` and ``/proc/PID/task/TID``.
proc_tgid_base_operations = proc_ops(_is_a_directory)
proc_tid_base_operations = proc_ops(_is_a_directory)


@mirrors("fs/proc/base.c", checked="v7.2")
def tgid_pidfd_to_pid(opened: OpenFile | None) -> pid | Errno:
    """Return whom a directory of a process names, without a reference.

    Return: The pid; -EBADF for anything else, a directory of a thread too.
    """
    if not isinstance(opened, ProcFile) or opened.pid is None:
        return -EBADF
    if opened.f_op is not proc_tgid_base_operations:
        return -EBADF
    return opened.pid


def tid_base_stuff() -> dict[str, tuple[int, proc_ops]]:
    """Return the files of a task, each with its mode."""
    return {
        "oom_score": (0o444, proc_ops(_oom_score_read)),
        "oom_adj": (0o644, proc_ops(oom_adj_read, oom_adj_write)),
        "oom_score_adj": (0o644, proc_ops(oom_score_adj_read, oom_score_adj_write)),
    }
