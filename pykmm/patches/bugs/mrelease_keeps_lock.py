# SPDX-License-Identifier: GPL-2.0-only
"""``process_mrelease()`` that returns with ``mmap_lock`` still held.

The victim's ``exit_mmap()`` then waits for the lock for ever.
"""

from __future__ import annotations

from ...errno import EAGAIN, EINTR
from ...errors import ContextError, Deadlock
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP, mm_struct
from ...linux.mmap_lock import mmap_read_lock_killable
from ...mm import oom_kill
from ...mm.oom_kill import __oom_reap_task_mm
from ..patch import Patch

patch = Patch(
    "mrelease-keeps-lock",
    kind="bug",
    summary="process_mrelease() does not give mmap_lock back",
    origin="seeded: the mmap_read_unlock() after the reap is lost",
    reports=(Deadlock, ContextError),
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.mrelease_reap)
def mrelease_reap(mm: mm_struct) -> int:
    """Reap, and forget the lock."""
    if mmap_read_lock_killable(mm):
        return -EINTR
    if not mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
        return -EAGAIN
    return 0
