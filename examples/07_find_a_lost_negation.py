# SPDX-License-Identifier: GPL-2.0-only
"""Lose one ``not`` of process_mrelease(), and let the explorer notice.

The second test of ``MMF_OOM_SKIP``, under the lock, is the wrong way round: what a
reviewer saw in a patch of 2025 (<20250916194915.1395712-1-clm@meta.com>).
"""

from pykmm import explore, replay
from pykmm.errno import EAGAIN, EINTR, EINVAL, ESRCH, Errno
from pykmm.kernel.pid_pidfd import pidfd_get_task
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from pykmm.linux.sched.mm import mmdrop, mmgrab
from pykmm.linux.sched.task import put_task_struct, task_unlock
from pykmm.mm import oom_kill
from pykmm.mm.oom_kill import __oom_reap_task_mm, find_lock_task_mm, task_will_free_mem
from pykmm.patches.patch import Patch
from pykmm.scenarios import SCENARIOS

mutant = Patch("lost-negation", kind="bug", summary="the lost not", origin="made up")


@mutant.replaces(oom_kill.process_mrelease)
def process_mrelease(pidfd: int, flags: int) -> int:
    task = -EINVAL if flags else pidfd_get_task(pidfd)
    if isinstance(task, Errno):
        return task
    p = find_lock_task_mm(task)
    if p is None:
        put_task_struct(task)
        return -ESRCH
    mm = p.mm
    assert mm is not None
    mmgrab(mm)
    reap = task_will_free_mem(p)
    ret = 0 if reap or mm_flags_test(MMF_OOM_SKIP, mm) else -EINVAL
    task_unlock(p)
    if reap and mmap_read_lock_killable(mm):
        ret = -EINTR
    elif reap:
        if mm_flags_test(MMF_OOM_SKIP, mm) and not __oom_reap_task_mm(mm):
            ret = -EAGAIN
        mmap_read_unlock(mm)
    mmdrop(mm)
    put_task_struct(task)
    return ret


pinned = SCENARIOS["mrelease-pinned"]
allowed = {repr(value) for value in explore(pinned).values}
wrong = explore(pinned.but(patches=(mutant,)))
print("new:", sorted({repr(value) for value in wrong.values} - allowed))
raced = SCENARIOS["mrelease-vs-exit"].but(patches=(mutant,))
report = explore(raced, stop_on_report=True).reports[0]
print("found:", report.kind, "-", report.summary)
print("again:", getattr(replay(raced, report.schedule).report, "kind", None))
