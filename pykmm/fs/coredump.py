# SPDX-License-Identifier: GPL-2.0-only
"""Writing the memory of a process that dies of a signal — ``fs/coredump.c``.

The thread that took the signal dumps; the others of its process stand still in
``do_exit()``, with their address space, until it is done. Only SIGKILL ends a dump,
and the pages go nowhere as long as whoever reads the dump does not read.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.annotate import mirrors
from ..engine.fields import embedded, kernel_struct
from ..engine.objects import Struct
from ..engine.statics import MachineLocal
from ..errno import EAGAIN
from ..kernel.exec_state import task_exec_state_get_dumpable
from ..kernel.signal_queue import task_clear_jobctl_pending
from ..linux.atomic import atomic_add, atomic_dec, atomic_read, atomic_set, atomic_t
from ..linux.bitops import clear_bit
from ..linux.compiler import WRITE_ONCE
from ..linux.completion import wait_for_completion
from ..linux.freezer import freezing
from ..linux.mm import (
    VM_DONTDUMP,
    VM_HUGETLB,
    VM_IO,
    VM_SHARED,
    for_each_vma,
    vma_is_anonymous,
)
from ..linux.mm_types import (
    MM_ANONPAGES,
    MM_SHMEMPAGES,
    VMA_ITERATOR,
    mm_struct,
    vm_area_struct,
)
from ..linux.mmap_lock import (
    mmap_read_lock_killable,
    mmap_read_unlock,
    mmap_write_lock_killable,
    mmap_write_unlock,
)
from ..linux.rculist import list_entries
from ..linux.sched import (
    PF_DUMPCORE,
    PF_POSTCOREDUMP,
    TIF_SIGPENDING,
    current,
    task_struct,
)
from ..linux.sched.coredump import TASK_DUMPABLE_OFF
from ..linux.sched.jobctl import JOBCTL_PENDING_MASK
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    core_state,
    fatal_signal_pending,
    sighand_struct,
    signal_struct,
    signal_wake_up,
)
from ..linux.signal import kernel_siginfo
from ..linux.spinlock import spin_lock, spin_lock_irq, spin_unlock, spin_unlock_irq
from ..linux.uapi import SIGKILL
from ..linux.wait import wait_event_interruptible, wait_queue_head_t, wake_up
from ..mm.memory import _pte_mask, _pte_tables

__all__ = ["CorePipe", "core_settings", "vfs_coredump"]


# -- where a dump goes -----------------------------------------------------------------


@kernel_struct
class CorePipe(Struct):
    """A pipe to the program that takes a dump, which reads when it likes."""

    room: atomic_t = embedded(lambda p: atomic_t(0, p))
    wr_wait: wait_queue_head_t = embedded(wait_queue_head_t)

    def read(self, nr_pages: int) -> None:
        """Take *nr_pages* out, now or as soon as they are written."""
        atomic_add(nr_pages, self.room)
        wake_up(self.wr_wait)

    def _write(self) -> bool:
        """Put a page in, waiting for room; False if a signal came first."""
        if wait_event_interruptible(self.wr_wait, lambda: atomic_read(self.room)):
            return False
        atomic_dec(self.room)
        return True


class CoreSettings:
    """What a machine does with dumps.

    *core_pattern* is empty where nobody takes them, ``|NAME`` for a program that
    reads from a pipe, and anything else for a file, which always has room.
    """

    def __init__(self) -> None:
        self.core_pattern = ""
        #: How many pages a pipe holds before somebody reads.
        self.pipe_buffers = 16
        #: The pipes of all dumps so far, for their readers, and pages written.
        self.pipes: list[CorePipe] = []
        self.written = 0


core_settings = MachineLocal(CoreSettings)


class _CoredumpParams:
    """A dump under way: where it goes, and what is to be written."""

    def __init__(self, pipe: CorePipe | None) -> None:
        self.pipe = pipe
        self.ranges: list[tuple[int, int]] = []
        self.core_dumped = False


def _own_sighand() -> sighand_struct:
    sighand: sighand_struct | None = current().__dict__["sighand"]
    assert sighand is not None  # only a released task has none
    return sighand


# -- stopping the others ---------------------------------------------------------------


@mirrors("fs/coredump.c", checked="v7.2")
def zap_process(signal: signal_struct, exit_code: int) -> int:
    """Make the group one that exits, and kill every thread but current.

    Context: siglock held.
    Return: How many are going to stand still.
    """
    signal.flags = SIGNAL_GROUP_EXIT
    signal.group_exit_code = exit_code
    signal.group_stop_count = 0
    nr = 0
    for t in list_entries(signal.thread_head):
        task_clear_jobctl_pending(t, JOBCTL_PENDING_MASK)
        if t is not current() and not t.__dict__["flags"] & PF_POSTCOREDUMP:
            t.pending = t.__dict__["pending"] | {SIGKILL}
            signal_wake_up(t, True)
            nr += 1
    return nr


@mirrors("fs/coredump.c", checked="v7.2")
def zap_threads(tsk: task_struct, state: core_state, exit_code: int) -> int:
    """Begin a dump, unless the group exits or execs already.

    Context: Takes siglock.
    Return: How many threads to wait for, or -EAGAIN.
    """
    signal = tsk.signal
    nr: int = -EAGAIN
    spin_lock_irq(_own_sighand().siglock)
    if not signal.flags & SIGNAL_GROUP_EXIT and signal.group_exec_task is None:
        signal.core_state = state
        nr = zap_process(signal, exit_code)
        clear_bit(TIF_SIGPENDING, tsk.thread_flags)
        tsk.flags |= PF_DUMPCORE
        atomic_set(state.nr_threads, nr)
    spin_unlock_irq(_own_sighand().siglock)
    return nr


@mirrors(
    "fs/coredump.c",
    checked="v7.2",
    abridged="who has come to the meeting counts as off its processor",
)
def coredump_wait(exit_code: int, state: core_state) -> int:
    """Begin a dump, and wait until all other threads stand still.

    Context: Sleeps uninterruptibly.
    Return: As :func:`zap_threads`.
    """
    core_waiters = zap_threads(current(), state, exit_code)
    if core_waiters > 0:
        wait_for_completion(state.startup)
    return core_waiters


@mirrors("fs/coredump.c", checked="v7.2")
def coredump_finish(core_dumped: bool) -> None:
    """End the dump: note in the status whether it was one, let the others go.

    Context: Takes siglock.
    """
    task = current()
    signal = task.signal
    spin_lock_irq(_own_sighand().siglock)
    if core_dumped and SIGKILL not in task.pending:
        signal.group_exit_code |= 0x80
    state = signal.core_state
    assert state is not None  # set by zap_threads()
    signal.core_state = None
    spin_unlock_irq(_own_sighand().siglock)
    # In an order that does not tell who came first, which commutes.
    for parked in sorted(state._parked, key=_pid_of):
        WRITE_ONCE(parked).task = None
    state._free()


def _pid_of(parked: object) -> int:
    task = parked.__dict__["task"]
    return int(task.pid)


# -- writing ---------------------------------------------------------------------------


@mirrors("fs/coredump.c", checked="v7.2")
def dump_interrupted() -> bool:
    """Tell whether the dumping thread has something more urgent to do.

    Context: Any.
    """
    return fatal_signal_pending(current()) or freezing(current())


def _is_dumped(vma: vm_area_struct) -> bool:
    """Tell whether a mapping is dumped, by the default filter."""
    if vma.vm_flags & (VM_DONTDUMP | VM_IO | VM_HUGETLB):
        return False
    if vma.vm_flags & VM_SHARED:
        return vma.vm_file is not None and vma.vm_file.is_shmem
    return vma_is_anonymous(vma)


@mirrors(
    "fs/coredump.c",
    checked="v7.2",
    abridged="the filter is the default one, and takes no first pages of programs",
)
def dump_vma_snapshot(cprm: _CoredumpParams) -> bool:
    """Note which mappings there are: the others of a shared one go on changing them.

    Context: Takes ``mmap_lock`` for writing, killably.
    Return: False if it was killed.
    """
    mm = current().mm
    assert mm is not None  # it is dumping it
    if mmap_write_lock_killable(mm):
        return False
    for vma in for_each_vma(VMA_ITERATOR(mm, 0)):
        if _is_dumped(vma):
            cprm.ranges.append((vma.vm_start, vma.vm_end))
    mmap_write_unlock(mm)
    return True


@mirrors("fs/coredump.c", checked="v7.2", abridged="pages are counted, not copied")
def __dump_emit(cprm: _CoredumpParams) -> bool:
    """Write a page; False if nobody takes it, or for SIGKILL.

    Context: May sleep, interruptibly.
    """
    if dump_interrupted():
        return False
    if cprm.pipe is not None and not cprm.pipe._write():
        return False
    core_settings().written += 1
    return True


def _present(mm: mm_struct, start: int, end: int) -> Iterator[int]:
    """Count the pages that are there, by page-table page."""
    for table in _pte_tables(mm, start, end):
        low = max(start, table.index << 21)
        mask = _pte_mask(low, min(end, (table.index + 1) << 21))
        spin_lock(table.ptl)
        bits = sum(
            (table.present[kind] & mask).bit_count()
            for kind in (MM_ANONPAGES, MM_SHMEMPAGES)
        )
        spin_unlock(table.ptl)
        yield bits


@mirrors(
    "fs/coredump.c",
    checked="v7.2",
    abridged="looks at all pages of a mapping at once; reads nothing from swap",
)
def dump_user_range(cprm: _CoredumpParams, start: int, end: int) -> bool:
    """Write what is there of [start, end), which may be less than was mapped.

    Context: Takes ``mmap_lock`` for reading, killably; not while it writes.
    Return: False if the dump is over.
    """
    mm = current().mm
    assert mm is not None  # it is dumping it
    if mmap_read_lock_killable(mm):
        return False
    pages = sum(_present(mm, start, end))
    mmap_read_unlock(mm)
    return all(__dump_emit(cprm) for _ in range(pages)) and not dump_interrupted()


def _core_dump(cprm: _CoredumpParams) -> bool:
    """Be the binary format's dump; what was begun counts, if it is not cut short."""
    for start, end in cprm.ranges:
        if not dump_user_range(cprm, start, end):
            break
    return True


@mirrors("fs/coredump.c", checked="v7.2", abridged="no file system to freeze")
def coredump_write(cprm: _CoredumpParams) -> bool:
    """Write the dump.

    Context: May sleep.
    Return: False if it was killed before there was anything to write.
    """
    if dump_interrupted():
        return True
    if not dump_vma_snapshot(cprm):
        return False
    cprm.core_dumped = _core_dump(cprm)
    return True


def _open(pattern: str) -> CorePipe | None:
    """Open what the dump is written to; None is a file."""
    if not pattern.startswith("|"):
        return None
    pipe = CorePipe()
    atomic_set(pipe.room, core_settings().pipe_buffers)
    core_settings().pipes.append(pipe)
    return pipe


@mirrors(
    "fs/coredump.c",
    checked="v7.2",
    abridged="no names of files, no limit, no sockets; nobody waits for the reader",
)
def vfs_coredump(siginfo: kernel_siginfo) -> None:
    """Dump core, if the process may be dumped and nobody else ends it meanwhile.

    The others of the group stand still even if there is nobody to take the dump.

    Context: May sleep.
    """
    if task_exec_state_get_dumpable(current()) == TASK_DUMPABLE_OFF:
        return
    state = core_state(dumper=current())
    if coredump_wait(siginfo.si_signo, state) < 0:
        state._free()
        return
    pattern = core_settings().core_pattern
    cprm = _CoredumpParams(_open(pattern))
    if pattern:
        coredump_write(cprm)
    coredump_finish(cprm.core_dumped)
