# SPDX-License-Identifier: GPL-2.0-only
"""``process_mrelease()`` that does not look at ``MMF_OOM_SKIP`` under the lock.

Between the decision to reap and the lock, ``exit_mmap()`` can run to its end.
Whoever gets the lock then walks an address space that has been taken down; that
the tree was emptied is all that saves it (fixed in Linux by f798a1d4f94d).
"""

from __future__ import annotations

from ...errno import EAGAIN, EINTR
from ...errors import InvariantViolation
from ...linux.mm_types import mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...mm import oom_kill
from ...mm.oom_kill import __oom_reap_task_mm
from ..patch import Patch

patch = Patch(
    "mrelease-skips-skip",
    kind="bug",
    summary="process_mrelease() reaps without testing MMF_OOM_SKIP under mmap_lock",
    origin='what f798a1d4f94d ("mm: fix use-after-free bug when mm->mmap is reused '
    "after being freed\") mended, in today's structure",
    reports=(InvariantViolation,),
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.mrelease_reap)
def mrelease_reap(mm: mm_struct) -> int:
    """Reap whatever is there."""
    if mmap_read_lock_killable(mm):
        return -EINTR
    ret = 0 if __oom_reap_task_mm(mm) else -EAGAIN
    mmap_read_unlock(mm)
    return ret
