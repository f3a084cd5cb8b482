# SPDX-License-Identifier: GPL-2.0-only
"""``process_mrelease()`` without its ``mmgrab()``.

The structure is used without a reference of its own, and the ``mmdrop()`` at the
end gives back one that belongs to somebody else.
"""

from __future__ import annotations

from ...errno import EINVAL, ESRCH, Errno
from ...errors import RefcountError, UseAfterFree
from ...kernel.pid import pidfd_get_task
from ...linux.mm import mm_flags_test
from ...linux.mm_types import MMF_OOM_SKIP
from ...linux.sched.mm import mmdrop
from ...linux.sched.task import put_task_struct, task_unlock
from ...mm import oom_kill
from ...mm.oom_kill import find_lock_task_mm, mrelease_reap, task_will_free_mem
from ..patch import Patch

patch = Patch(
    "mrelease-no-mmgrab",
    kind="bug",
    summary="process_mrelease() takes no reference on the mm that it walks",
    origin="seeded: the reference that pairs with the mmdrop() at the end is not taken",
    reports=(UseAfterFree, RefcountError),
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    """Reap a dying process, trusting that its mm stays."""
    if flags:
        return -EINVAL
    task = pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    p = find_lock_task_mm(task)
    if p is None:
        put_task_struct(task)
        return -ESRCH
    mm = p.mm
    assert mm is not None  # that is what was found
    ret = 0
    reap = task_will_free_mem(p)
    if not reap and not mm_flags_test(MMF_OOM_SKIP, mm):
        ret = -EINVAL
    task_unlock(p)
    if reap:
        ret = mrelease_reap(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret
