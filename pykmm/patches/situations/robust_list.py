# SPDX-License-Identifier: GPL-2.0-only
"""Threads with a list of robust futexes.

Who exits walks its list, and tells whoever waits for a lock that is left behind. The
list stands in the thread's own memory. If that cannot be read any more nobody is told,
and who waits does so for ever.
"""

from __future__ import annotations

from ...engine.statics import MachineLocal
from ...kernel import fork_task
from ...kernel.fork_task import mm_release
from ...kernel.futex.core_robust import futex_exit_release
from ...linux.mm_types import mm_struct
from ...linux.sched import task_struct
from ...linux.uaccess import copy_from_user
from ..patch import Patch

__all__ = ["patch", "register", "was_walked"]

patch = Patch(
    "robust-list",
    kind="situation",
    summary="a thread has a list of robust futexes, and walks it when it exits",
    origin="kernel/futex/core.c, exit_robust_list()",
)

_HEAD_SIZE = 24


class _Lists:
    def __init__(self) -> None:
        self.heads: dict[task_struct, int] = {}
        self.walked: list[task_struct] = []


_lists = MachineLocal(_Lists)


def register(task: task_struct, head: int) -> None:
    """Let *task* have a list whose head stands at *head*, as set_robust_list() does."""
    _lists().heads[task] = head


def was_walked(task: task_struct) -> bool:
    """Tell whether *task* could read its list when it exited."""
    return task in _lists().walked


@patch.replaces(fork_task.exit_mm_release)
def exit_mm_release(tsk: task_struct, mm: mm_struct | None) -> None:
    """Walk current's list, then tell of the end of its life in *mm*.

    Context: May sleep, and faults. *mm* is current's.
    """
    head = _lists().heads.get(tsk)
    if head is not None and not copy_from_user(head, _HEAD_SIZE):
        _lists().walked.append(tsk)
    futex_exit_release(tsk)
    mm_release(tsk, mm)
