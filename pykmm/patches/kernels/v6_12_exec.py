# SPDX-License-Identifier: GPL-2.0-only
"""How an exec left its old memory in Linux 6.12 — part of the patch ``v6.12``.

It was given up, and by its last user taken down, with the locks of the exec held:
whoever wanted to look at the process waited for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...errno import EINTR
from ...fs import exec_begin
from ...fs.exec_begin import _show, exec_mm_put_old
from ...kernel.fork_task import exec_mm_release
from ...linux.binfmts import linux_binprm
from ...linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ...linux.rwsem import down_write_killable, up_write
from ...linux.sched import current

__all__ = ["replaced"]


def exec_mmap(bprm: linux_binprm) -> int:
    """Show the new address space, and give the old one up.

    Context: May sleep, killably. Takes ``mmap_lock`` of the old one for reading,
        and task_lock in it.
    Return: 0 with exec_update_lock held for writing, or -EINTR.
    """
    tsk = current()
    old_mm = tsk.mm
    exec_mm_release(tsk, old_mm)
    if down_write_killable(tsk.signal.exec_update_lock):
        return -EINTR
    if old_mm is not None and mmap_read_lock_killable(old_mm):
        up_write(tsk.signal.exec_update_lock)
        return -EINTR
    assert bprm.mm is not None  # it was made before the old program was lost
    _show(tsk, bprm.mm)
    # From here on the task shows it, so the exec holds it no longer.
    bprm.mm = None
    if old_mm is not None:
        mmap_read_unlock(old_mm)
        bprm.old_mm = old_mm
        exec_mm_put_old(old_mm)
        bprm.old_mm = None
    return 0


def replaced() -> Iterator[tuple[Callable[..., object], Callable[..., object]]]:
    """Yield what is replaced, and by what."""
    yield exec_begin.exec_mmap, exec_mmap
