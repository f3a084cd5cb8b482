# SPDX-License-Identifier: GPL-2.0-only
"""The way out of a task — ``kernel/exit.c``.

``exit_mm()`` is the heart of the matter: a task stops *showing* its address space
before it gives it up, so whoever looks between the two finds a task without
memory and memory without a task.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..engine.annotate import extern, mirrors
from ..engine.events import Access
from ..engine.fields import field_of
from ..engine.guards import one_way
from ..engine.step import enter, leave
from ..engine.thread import Sleep
from ..linux.atomic import atomic_dec_and_test, atomic_read
from ..linux.bitops import test_bit
from ..linux.bug import panic
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.completion import complete
from ..linux.irqflags import local_irq_disable, local_irq_enable
from ..linux.mm_types import mm_struct
from ..linux.mmap_lock import mmap_read_lock, mmap_read_unlock
from ..linux.pid import is_global_init
from ..linux.ptrace import ptrace_event
from ..linux.sched import (
    PF_KTHREAD,
    PF_POSTCOREDUMP,
    PF_SIGNALED,
    TIF_MEMDIE,
    current,
    task_struct,
    tasklist_lock,
)
from ..linux.sched.mm import mmgrab_lazy_tlb
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    core_state,
    core_thread,
    for_each_process,
    for_each_thread,
)
from ..linux.sched.task import task_lock, task_unlock
from ..linux.spinlock import (
    read_lock,
    read_unlock,
    spin_lock_irq,
    spin_unlock_irq,
)
from ..linux.uapi import PTRACE_EVENT_EXIT
from .cgroup.cgroup import css_task_hide
from .exit_notify import exit_notify
from .fork import mmput
from .fork_task import exit_mm_release
from .locking.lockdep import debug_check_no_locks_held
from .sched.core import do_task_dead
from .signal_deliver import exit_signals, zap_other_threads

__all__ = [
    "do_exit",
    "do_group_exit",
    "exit_group",
    "exit_mm",
    "mm_update_next_owner",
]

_exit_files: Callable[[task_struct], None] = extern("pykmm.fs.file", "exit_files")
_exit_oom_victim: Callable[[], None] = extern("pykmm.mm.oom_kill", "exit_oom_victim")


# -- the dying task -----------------------------------------------------------------


@mirrors("kernel/exit.c", checked="v7.2", abridged="nobody freezes who waits here")
def coredump_task_exit(tsk: task_struct, state: core_state) -> None:
    """Come to the meeting of a core dump, and stand still until it is over.

    Who was not killed for the dump, but was leaving anyway, goes on.

    Context: Sleeps; no signal ends that.
    """
    own = core_thread(task=tsk) if tsk.flags & PF_SIGNALED else None
    if own is not None:
        _park(state, own)
    if atomic_dec_and_test(state.nr_threads):
        complete(state.startup)
    if own is not None:
        _schedule_parked(own)
        own._free()


def _park(state: core_state, own: core_thread) -> None:
    """Link a thread behind the dumper, which does not look at the order."""
    parked = field_of(state, "_parked")
    t = enter(parked, "xchg")
    state._parked.append(own)
    leave(t, parked, Access.ADD, len(state._parked))


@one_way
def _may_go_on(own: core_thread) -> bool:
    return own.__dict__["task"] is None


def _schedule_parked(own: core_thread) -> None:
    task = field_of(own, "task")
    t = enter(task, "schedule", partial(_may_go_on, own), Sleep.INTERRUPTIBLE)
    leave(t, task, Access.READ, None, blocking=True)


@mirrors("kernel/exit.c", checked="v7.2")
def synchronize_group_exit(tsk: task_struct, code: int) -> None:
    """Count current out; the last to come here marks the group as exiting.

    Whether a dump is under way is read in the same section in which current says
    that it is past the dump's meeting: a later dump does not count on it.

    Context: Takes siglock; sleeps while the group dumps core.
    """
    sighand = tsk.sighand
    assert sighand is not None  # not released yet
    signal = tsk.signal
    spin_lock_irq(sighand.siglock)
    signal.quick_threads -= 1
    if signal.quick_threads == 0 and not signal.flags & SIGNAL_GROUP_EXIT:
        signal.flags = SIGNAL_GROUP_EXIT
        signal.group_exit_code = code
        signal.group_stop_count = 0
    tsk.flags |= PF_POSTCOREDUMP
    state = signal.core_state
    spin_unlock_irq(sighand.siglock)
    if state is not None:
        coredump_task_exit(tsk, state)


@mirrors(
    "kernel/exit.c",
    checked="v7.2",
    abridged="accounting, namespaces and IPC are left out: between exit_mm() and "
    "exit_notify() only closed files make it wait, so real exits are slower",
)
def do_exit(code: int) -> None:
    """End current. Does not return: its thread is unwound.

    Context: May sleep; no lock held.
    """
    tsk = current()
    synchronize_group_exit(tsk, code)
    ptrace_event(PTRACE_EVENT_EXIT, code)
    exit_signals(tsk)
    group_dead = atomic_dec_and_test(tsk.signal.live)
    if group_dead:
        css_task_hide(tsk)
    if group_dead and is_global_init(tsk):
        status = READ_ONCE(tsk.signal).group_exit_code or code
        panic(f"Attempted to kill init! exitcode=0x{status:08x}")
    tsk.exit_code = code
    exit_mm()
    _exit_files(tsk)
    exit_notify(tsk, group_dead)
    debug_check_no_locks_held()
    do_task_dead(tsk)


@mirrors("kernel/exit.c", checked="v7.2")
def do_group_exit(exit_code: int) -> None:
    """End current and all threads of its group. Does not return.

    Context: Takes siglock; may sleep.
    """
    sig = current().signal
    if READ_ONCE(sig).flags & SIGNAL_GROUP_EXIT:
        exit_code = READ_ONCE(sig).group_exit_code
    elif READ_ONCE(sig).group_exec_task is not None:
        exit_code = 0
    else:
        sighand = current().sighand
        assert sighand is not None  # not released yet
        spin_lock_irq(sighand.siglock)
        if sig.flags & SIGNAL_GROUP_EXIT:
            exit_code = sig.group_exit_code
        elif sig.group_exec_task is not None:
            exit_code = 0
        else:
            sig.group_exit_code = exit_code
            sig.flags = SIGNAL_GROUP_EXIT
            zap_other_threads(current())
        spin_unlock_irq(sighand.siglock)
    do_exit(exit_code)


@mirrors("kernel/exit.c", checked="v7.2")
def exit_group(error_code: int) -> None:
    """System call: end the process with an exit status of 0 to 255."""
    do_group_exit((error_code & 0xFF) << 8)


def exit_(error_code: int) -> None:
    """System call ``exit``: end the calling thread alone."""
    do_exit((error_code & 0xFF) << 8)


@mirrors("kernel/exit.c", checked="v7.2")
def exit_mm() -> None:
    """Give current's address space up; the last user takes it down right here.

    Context: May sleep; takes ``mmap_lock`` for reading, and ``task_lock`` in it.
    """
    tsk = current()
    mm = tsk.mm
    exit_mm_release(tsk, mm)
    if mm is None:
        return
    mmap_read_lock(mm)
    mmgrab_lazy_tlb(mm)
    task_lock(tsk)
    local_irq_disable()
    tsk.mm = None
    local_irq_enable()
    task_unlock(tsk)
    mmap_read_unlock(mm)
    mm_update_next_owner(mm)
    mmput(mm)
    if test_bit(TIF_MEMDIE, tsk.thread_flags):
        _exit_oom_victim()


def _try_to_set_owner(g: task_struct, mm: mm_struct) -> bool:
    """Make the first thread of *g* that uses *mm* its owner."""
    for t in for_each_thread(g):
        t_mm = READ_ONCE(t).mm
        if t_mm is mm and _try_to_set_thread(t, mm):
            return True
        if t_mm is not None:
            break
    return False


def _try_to_set_thread(t: task_struct, mm: mm_struct) -> bool:
    task_lock(t)
    hit = t.mm is mm
    if hit:
        WRITE_ONCE(mm).owner = t
    task_unlock(t)
    return hit


@mirrors("kernel/exit.c", checked="v7.2")
def mm_update_next_owner(mm: mm_struct) -> None:
    """Find another task to be charged for *mm*, if current was that one.

    Context: Takes tasklist_lock for reading, and ``task_lock`` of candidates.
    """
    p = current()
    if READ_ONCE(mm).owner is not p:
        return
    if atomic_read(mm.mm_users) <= 1:
        WRITE_ONCE(mm).owner = None
        return
    read_lock(tasklist_lock())
    found = _next_owner(p, mm)
    read_unlock(tasklist_lock())
    if not found:
        WRITE_ONCE(mm).owner = None


def _next_owner(p: task_struct, mm: mm_struct) -> bool:
    family = list(p.children)
    if p.real_parent is not None:
        family += p.real_parent.children
    if any(_try_to_set_owner(g, mm) for g in family):
        return True
    for g in for_each_process():
        if atomic_read(mm.mm_users) <= 1:
            return False
        if g.__dict__["flags"] & PF_KTHREAD:
            continue
        if _try_to_set_owner(g, mm):
            return True
    return False
