# SPDX-License-Identifier: GPL-2.0-only
"""A program's accesses to its memory, and the faults that they raise.

This is the part of a processor and of an architecture's fault handler: an access to
what is mapped just happens, anything else is handed to ``handle_mm_fault()``. What
that could not do ends in a signal, or in another try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...engine.events import Access
from ...engine.fields import field_of
from ...engine.objects import Named
from ...engine.step import enter, leave
from ...engine.thread import Sleep
from ...errors import UsageError
from ...linux.memcontrol import mem_cgroup, task_in_memcg_oom
from ...linux.mm import (
    PAGE_MASK,
    PAGE_SIZE,
    PMD_SHIFT,
    PMD_SIZE,
    VM_EXEC,
    VM_FAULT_OOM,
    VM_FAULT_RETRY,
    VM_FAULT_SIGSEGV,
    VM_READ,
    VM_WRITE,
)
from ...linux.mm_types import (
    _PFN_ENTRIES,
    MM_ANONPAGES,
    MM_SWAPENTS,
    mm_struct,
    pgtable_t,
    vm_area_struct,
)
from ...linux.mmap_lock import mmap_read_unlock, vma_end_read
from ...linux.mmzone import (
    NODE_DATA,
    min_wmark_pages,
    nr_online_nodes,
    pglist_data,
)
from ...linux.page_counter import page_counter
from ...linux.sched import current
from ...linux.sched.signal import init_tasks, signal_pending
from ...linux.uapi import MPOL_BIND, SIGBUS, SIGSEGV
from ...mm._stall import Scene, scene
from ...mm.memory import _pte_mask
from ...mm.memory_fault import FAULT_FLAG_USER, FAULT_FLAG_WRITE, handle_mm_fault
from ...mm.mmap_lock import lock_vma_under_rcu
from ...mm.mmap_lock_find import lock_mm_and_find_vma
from ...mm.oom_kill import oom, pagefault_out_of_memory
from ..signal_force import force_sig_fault
from .common import exit_to_user_mode_loop

__all__ = ["touch"]

_BUS_ADRERR = 2
_SEGV_MAPERR, _SEGV_ACCERR = 1, 2


def touch(addr: int, length: int, write: bool = True) -> None:
    """Access *length* bytes from *addr* on, as a program does; no system call.

    Pages that are missing are faulted in, in order of address. Comes back when all
    has been accessed: a signal may end the process before.
    """
    task = current()
    mm = None if task is None else task.mm
    if mm is None:
        raise UsageError(
            "touch() needs a process with an address space: call it in a program that "
            "Process.runs() was given"
        )
    if addr < 0 or length <= 0:
        raise UsageError(
            f"touch(): addr={addr!r}, length={length!r} must be an address and a "
            "number of bytes above 0"
        )
    at, end = addr & PAGE_MASK, addr + length + PAGE_SIZE - 1 & PAGE_MASK
    failed: Scene | None = None
    while at < end:
        stop = min((at | PMD_SIZE - 1) + 1, end)
        at = _access(mm, at, stop, write=write)
        if at == stop:
            continue
        at, failed = _fault(mm, at, end, failed, write=write)
        if signal_pending(task):
            exit_to_user_mode_loop()


# -- what the processor does -----------------------------------------------------------


def _access(mm: mm_struct, addr: int, end: int, *, write: bool) -> int:
    """Access [addr, end), which lies in one page-table page, as far as it is mapped.

    Return: The first address that is not, or not for what is wanted.
    """
    upper = field_of(mm, "pgd")
    t = enter(upper, "walk")
    table = mm.pgd.get(addr >> PMD_SHIFT)
    leave(t, upper, Access.READ, "no table" if table is None else "a table")
    if table is None:
        return addr
    t = table.ptl.look("access")
    mask = _pte_mask(addr, end)
    missing = mask & ~_usable(table, write=write)
    first = (missing & -missing).bit_length() - 1
    table.young |= mask & (1 << first) - 1 if missing else mask
    table.ptl.looked(t, "all there" if not missing else first)
    return (table.index << PMD_SHIFT) + first * PAGE_SIZE if missing else end


def _usable(table: pgtable_t, *, write: bool) -> int:
    """Return the entries that raise no fault; what may be shared is written by one."""
    if write:
        own = table.present[MM_ANONPAGES] | table.present[_PFN_ENTRIES] | table.dirty
        return own & ~table.readonly & ~table.protnone
    usable = 0
    for member, bits in enumerate(table.present):
        if member != MM_SWAPENTS:
            usable |= bits
    return usable & ~table.protnone


# -- what the architecture's handler does ----------------------------------------------


def _fault(
    mm: mm_struct, addr: int, end: int, failed: Scene | None, *, write: bool
) -> tuple[int, Scene | None]:
    """Handle the fault at *addr*, and those behind it as far as *end*.

    *failed* is how things stood when a fault found no memory the last time.

    Return: How far the access has come, and how things stand if there was no memory.
    """
    vma = lock_vma_under_rcu(mm, addr)
    ret = VM_FAULT_RETRY
    if vma is not None:
        ret, upto = _handle(vma, addr, end, write=write)
        vma_end_read(vma)
    if ret & VM_FAULT_RETRY:
        vma = lock_mm_and_find_vma(mm, addr)
        ret, upto = _handle(vma, addr, end, write=write)
        if vma is not None:
            mmap_read_unlock(mm)
    if not ret:
        return upto, None
    if ret & VM_FAULT_OOM:
        return upto, _out_of_memory(mm, failed)
    if ret & VM_FAULT_SIGSEGV:
        code = _SEGV_MAPERR if vma is None else _SEGV_ACCERR
        force_sig_fault(SIGSEGV, code, addr)
    else:
        force_sig_fault(SIGBUS, _BUS_ADRERR, addr)
    return upto, None


def _handle(
    vma: vm_area_struct | None, addr: int, end: int, *, write: bool
) -> tuple[int, int]:
    """Handle the fault in *vma*, if that is there and allows the access."""
    needed = VM_WRITE if write else VM_READ | VM_EXEC | VM_WRITE
    if vma is None or not vma.vm_flags & needed:
        return VM_FAULT_SIGSEGV, addr
    flags = FAULT_FLAG_USER | (FAULT_FLAG_WRITE if write else 0)
    return handle_mm_fault(vma, addr, min(end, vma.vm_end), flags)


# -- trying again ----------------------------------------------------------------------


def _out_of_memory(mm: mm_struct, failed: Scene | None) -> Scene | None:
    """Settle a fault that found no memory; the access will be tried again.

    Where nobody can be killed Linux tries for ever, with a report each time. Here a
    second failure with everything as it was waits until something has changed. That
    is no hang: like any loop in user mode a signal ends it.
    """
    settled = task_in_memcg_oom(current())
    before = scene(init_tasks())
    pagefault_out_of_memory()
    if settled:
        return None
    _await_change(mm, before, at_once=failed != before)
    return before


def _await_change(mm: mm_struct, before: Scene, *, at_once: bool) -> None:
    """Wait for a signal, for memory, or for something that the killer looks at.

    It is a step even if the access is to be tried *at_once*.
    """
    task, tasks, killer = current(), init_tasks(), oom().__dict__
    there_is_room = _there_is_room(mm)
    disabled = killer["oom_killer_disabled"]

    def changed() -> bool:
        return (
            at_once
            or task._signal_pending()
            or there_is_room()
            or scene(tasks) != before
            or killer["oom_killer_disabled"] != disabled
        )

    obj: Named = NODE_DATA(0).nr_free_pages
    t = enter(obj, "fault_again", changed, Sleep.INTERRUPTIBLE)
    leave(t, obj, Access.WAIT, blocking=True)


def _there_is_room(mm: mm_struct) -> Callable[[], bool]:
    """Make a guard: could a page be had and charged by now?"""
    marks = [(node.nr_free_pages, min_wmark_pages(node)) for node in _reachable()]
    payers = [current().memcg]
    if mm.__dict__["owner"] is not None:
        payers.append(mm.__dict__["owner"].memcg)
    levels = [level for memcg in payers for level in _levels(memcg)]
    return lambda: (
        any(free.nr > mark for free, mark in marks)
        and all(level.usage < level.max for level in levels)
    )


def _reachable() -> list[pglist_data]:
    """Return the nodes that current may have user memory from."""
    task = current()
    nodes = [NODE_DATA(nid) for nid in range(nr_online_nodes())]
    walls = [task.mems_allowed]
    if task.mempolicy_mode == MPOL_BIND:
        walls.append(task.mempolicy_nodes)
    return [
        node
        for node in nodes
        if all(wall is None or node.node_id in wall for wall in walls)
    ]


def _levels(memcg: mem_cgroup | None) -> Iterator[page_counter]:
    level = None if memcg is None else memcg.memory
    while level is not None:
        yield level
        level = level.parent
