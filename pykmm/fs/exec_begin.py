# SPDX-License-Identifier: GPL-2.0-only
"""From the old program to the new one — part of ``fs/exec.c``."""

from __future__ import annotations

from attrs import evolve

from ..engine.annotate import mirrors
from ..errno import EINTR
from ..kernel.capability import ns_capable, ptracer_capable
from ..kernel.cred import commit_creds
from ..kernel.exec_state import task_exec_state_set_dumpable
from ..kernel.exit import mm_update_next_owner
from ..kernel.fork import mmput
from ..kernel.fork_copy import __cleanup_sighand, unshare_files
from ..kernel.fork_task import exec_mm_release
from ..kernel.signal_action import flush_signal_handlers
from ..linux.binfmts import linux_binprm
from ..linux.bug import BUG_ON
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.cred import CAP_EMPTY_SET, CAP_FULL_SET, init_user_ns
from ..linux.cred import cred as struct_cred
from ..linux.irqflags import local_irq_disable, local_irq_enable
from ..linux.mm_types import mm_struct
from ..linux.mmap_lock import mmap_read_lock_killable, mmap_read_unlock
from ..linux.mutex import mutex_unlock
from ..linux.refcount import refcount_read
from ..linux.rwsem import down_write_killable, up_write
from ..linux.sched import PF_FORKNOEXEC, current, task_struct, tasklist_lock
from ..linux.sched.coredump import TASK_DUMPABLE_OFF, TASK_DUMPABLE_OWNER
from ..linux.sched.exec_state import task_exec_state
from ..linux.sched.signal import sighand_struct
from ..linux.sched.task import task_lock, task_unlock
from ..linux.spinlock import spin_lock, spin_unlock, write_lock_irq, write_unlock_irq
from ..linux.uapi import CAP_SETUID
from .exec_thread import de_thread
from .file import do_close_on_exec

__all__ = ["begin_new_exec", "exec_mm_put_old", "exec_mmap", "setup_new_exec"]


def _show(tsk: task_struct, mm: mm_struct) -> None:
    """Let current show its new address space, and nobody look into it yet."""
    exec_state = task_exec_state()
    task_lock(tsk)
    local_irq_disable()
    tsk.active_mm = mm
    tsk.mm = mm
    tsk.exec_state = exec_state
    local_irq_enable()
    task_unlock(tsk)


@mirrors("fs/exec.c", checked="v7.2", abridged="no membarriers, no generations of LRU")
def exec_mmap(bprm: linux_binprm) -> int:
    """Let go of the old address space, and show the new one.

    A parent in ``vfork()`` goes on first, while current shows the old one still.

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
    if old_mm is not None:
        mmap_read_unlock(old_mm)
        bprm.old_mm = old_mm
    return 0


@mirrors("fs/exec.c", checked="v7.2", abridged="no maximum of pages is kept")
def exec_mm_put_old(old_mm: mm_struct) -> None:
    """Stop being a user of the old address space; the last one takes it down here.

    Context: May sleep; takes tasklist_lock for reading.
    """
    mm_update_next_owner(old_mm)
    mmput(old_mm)


@mirrors("fs/exec.c", checked="v7.2")
def unshare_sighand(me: task_struct) -> int:
    """Give current signal actions of its own, if a process shares them.

    Context: Takes tasklist_lock for writing, and siglock in it.
    """
    oldsighand = me.sighand
    assert oldsighand is not None  # it is alive
    if refcount_read(oldsighand.count) != 1:
        newsighand = sighand_struct()
        write_lock_irq(tasklist_lock())
        spin_lock(oldsighand.siglock)
        newsighand.__dict__["action"] = dict(oldsighand.action)
        WRITE_ONCE(me).sighand = newsighand
        me.signal._sighand = newsighand
        spin_unlock(oldsighand.siglock)
        write_unlock_irq(tasklist_lock())
        __cleanup_sighand(oldsighand)
    return 0


@mirrors("fs/exec.c", checked="v7.2", abridged="no capabilities of files, no LSM")
def bprm_creds_from_file(bprm: linux_binprm) -> None:
    """Say as whom the new program acts, now that its file is known.

    Whoever traces it would act as its user, too: unless it might anyway, the program
    runs as before. Root's capabilities come only in the first user namespace: others
    know no root's number here.
    """
    old = bprm.cred
    assert old is not None  # prepared before
    euid = old.euid
    if bprm.setuid is not None:
        safe = ptracer_capable(current(), old.user_ns)
        safe = safe or ns_capable(old.user_ns, CAP_SETUID)
        euid = bprm.setuid if safe else old.uid
    new = evolve(old, euid=euid, suid=euid, sgid=old.egid)
    if old.user_ns is init_user_ns:
        full = CAP_FULL_SET
        new = evolve(
            new,
            cap_permitted=full if 0 in (new.uid, euid) else CAP_EMPTY_SET,
            cap_effective=full if euid == 0 else CAP_EMPTY_SET,
        )
    bprm.cred = new


def _secureexec(old: struct_cred, new: struct_cred) -> bool:
    """Tell whether the program acts as somebody whom its user is not."""
    return (new.euid, new.egid) != (old.uid, old.gid)


def _set_task_comm(me: task_struct, name: str) -> None:
    task_lock(me)
    me.comm = name[:15]
    task_unlock(me)


@mirrors(
    "fs/exec.c",
    checked="v7.2",
    abridged="no timers, io_uring, executable file, namespaces, perf or LSM; who was "
    "the parent before is trusted as a sender of signals",
)
def begin_new_exec(bprm: linux_binprm) -> int:
    """Lose the old program: its threads, memory, handlers and open descriptors.

    Context: cred_guard_mutex held. May sleep, killably.
    Return: 0 with exec_update_lock held for writing; -EAGAIN or -EINTR for a task
        that is to die.
    """
    me = current()
    bprm_creds_from_file(bprm)
    bprm.point_of_no_return = True
    retval = de_thread(me)
    if retval:
        return retval
    unshare_files()
    assert me.files is not None  # it is alive
    do_close_on_exec(me.files)
    retval = exec_mmap(bprm)
    if retval:
        return retval
    bprm.mm = None
    unshare_sighand(me)
    if me.flags & PF_FORKNOEXEC:
        me.flags &= ~PF_FORKNOEXEC
    cred, new = me.cred, bprm.cred
    assert new is not None  # nobody has taken it yet
    if _secureexec(cred, new) and me.pdeath_signal:
        me.pdeath_signal = 0
    if (cred.euid, cred.egid) == (cred.uid, cred.gid):
        task_exec_state_set_dumpable(TASK_DUMPABLE_OWNER)
    else:
        task_exec_state_set_dumpable(TASK_DUMPABLE_OFF)
    _set_task_comm(me, bprm.filename.rsplit("/", 1)[-1])
    flush_signal_handlers()
    commit_creds(new)
    bprm.cred = None
    return 0


@mirrors("fs/exec.c", checked="v7.2", abridged="address spaces have one layout")
def setup_new_exec(bprm: linux_binprm) -> None:
    """Let others look at current again, and give the old address space up.

    Context: exec_update_lock and cred_guard_mutex held, which are given back. May
        sleep.
    """
    me = current()
    BUG_ON(READ_ONCE(me).mm is None, f"{me.name} has nothing to run in")
    up_write(me.signal.exec_update_lock)
    mutex_unlock(me.signal.cred_guard_mutex)
    if bprm.old_mm is not None:
        old_mm, bprm.old_mm = bprm.old_mm, None
        exec_mm_put_old(old_mm)
