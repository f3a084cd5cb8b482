# SPDX-License-Identifier: GPL-2.0-only
"""Charging against a limit — part of ``mm/memcontrol.c``.

The order of the decisions is what matters here: who is let through beyond the limit,
who is refused at once, and who calls the OOM killer and tries again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..engine.annotate import mirrors
from ..engine.thread import current_thread
from ..errno import ENOMEM
from ..linux.gfp_types import (
    __GFP_DIRECT_RECLAIM,
    __GFP_HIGH,
    __GFP_NOFAIL,
    __GFP_NORETRY,
    __GFP_RETRY_MAYFAIL,
    GFP_KERNEL,
)
from ..linux.memcontrol import (
    mem_cgroup,
    mem_cgroup_is_descendant,
    task_in_memcg_oom,
)
from ..linux.mm import mm_flags_test
from ..linux.mm_types import MMF_OOM_SKIP, mm_struct
from ..linux.mutex import mutex_lock_killable, mutex_unlock
from ..linux.oom import oom_control, tsk_is_oom_victim, victim_mm
from ..linux.page_counter import page_counter
from ..linux.sched import PF_EXITING, PF_MEMALLOC, current
from ..linux.sched.signal import fatal_signal_pending, signal_pending
from ..linux.uapi import O_NONBLOCK
from ._stall import killer_would_act, no_task, stall
from .memcontrol import (
    get_mem_cgroup_from_mm,
    mem_cgroup_margin,
    memcg_memory_event,
)
from .memcontrol_v1 import memcg1_oom_finish, memcg1_oom_prepare
from .oom_kill import oom, out_of_memory
from .page_alloc_slowpath import PAGE_ALLOC_COSTLY_ORDER
from .page_counter import (
    page_counter_charge,
    page_counter_margin,
    page_counter_try_charge,
)
from .vmscan import could_reclaim, try_to_free_mem_cgroup_pages

__all__ = [
    "__mem_cgroup_charge",
    "charge_up_to",
    "mem_cgroup_oom",
    "mem_cgroup_out_of_memory",
    "memory_max_write",
    "task_is_dying",
    "try_charge_memcg",
]

_COSTLY: Final = 1 << PAGE_ALLOC_COSTLY_ORDER


@mirrors("mm/memcontrol.c", checked="v7.2")
def task_is_dying() -> bool:
    """Tell whether current is on its way out.

    Context: Any.
    """
    task = current()
    return (
        tsk_is_oom_victim(task)
        or fatal_signal_pending(task)
        or bool(task.flags & PF_EXITING)
    )


def _looks_dying() -> Callable[[], bool]:
    """Make a guard that tells the same."""
    task = current()
    signal = task.signal.__dict__
    return lambda: task._fatal_signal_pending() or signal["oom_mm"] is not None


# -- out of memory ---------------------------------------------------------------------


@mirrors("mm/memcontrol.c", checked="v7.2")
def mem_cgroup_out_of_memory(memcg: mem_cgroup, gfp_mask: int, order: int) -> bool:
    """Have somebody of *memcg* killed, unless there is room by now.

    Context: May sleep; takes oom_lock.
    Return: False if nobody can be killed. Who was killed while waiting for the lock
        has got what it needs.
    """
    if mutex_lock_killable(oom().oom_lock):
        return True
    ret = True
    if mem_cgroup_margin(memcg) < 1 << order:
        oc = oom_control(zonelist=False, memcg=memcg, gfp_mask=gfp_mask, order=order)
        ret = out_of_memory(oc)
    mutex_unlock(oom().oom_lock)
    return ret


@mirrors("mm/memcontrol.c", checked="v7.2")
def mem_cgroup_oom(memcg: mem_cgroup, mask: int, order: int) -> bool:
    """Do something about a charge for which *memcg* has no room.

    Context: May sleep; whatever locks a charge is made under are held.
    Return: Whether the charge is worth another try.
    """
    if order > PAGE_ALLOC_COSTLY_ORDER:
        return False
    memcg_memory_event(memcg, "OOM")
    proceed, locked = memcg1_oom_prepare(memcg)
    if not proceed:
        return False
    ret = mem_cgroup_out_of_memory(memcg, mask, order)
    memcg1_oom_finish(memcg, locked)
    return ret


def _wait_for_room(memcg: mem_cgroup, nr_pages: int) -> None:
    """Wait until there is room, current is dying, or the killer would act again."""
    counter, dying, would_act = memcg.memory, _looks_dying(), killer_would_act(memcg)
    reclaimable = could_reclaim(lambda o: mem_cgroup_is_descendant(o[1], memcg))

    def ready() -> bool:
        if counter.max - counter.usage >= nr_pages or dying():
            return True
        return would_act() or reclaimable()

    stall(counter, ready)


# -- charging --------------------------------------------------------------------------

_ROUNDS = (
    "charges are exact, without stocks a CPU to drain; Linux reclaims in up to 16 more "
    "rounds, which come to the same where all that can be reclaimed goes in the first; "
    "memory.high throttles nobody"
)


def _over(counter: page_counter) -> mem_cgroup:
    memcg = counter.owner
    assert isinstance(memcg, mem_cgroup)  # it is embedded in one
    return memcg


def _refused_at_once(gfp_mask: int) -> bool:
    """Tell whether nothing may be tried for a charge that does not fit."""
    if task_in_memcg_oom(current()):
        return True
    if not gfp_mask & __GFP_DIRECT_RECLAIM:
        return True
    # The reaper has done with its memory: it has no business with more.
    return tsk_is_oom_victim(current()) and mm_flags_test(
        MMF_OOM_SKIP, victim_mm(current())
    )


@mirrors("mm/memcontrol.c", checked="v7.2", abridged=_ROUNDS)
def try_charge_memcg(memcg: mem_cgroup, gfp_mask: int, nr_pages: int) -> int:
    """Charge *nr_pages* to *memcg* and above, at any cost that *gfp_mask* allows.

    Context: May sleep with __GFP_DIRECT_RECLAIM.
    Return: 0 or -ENOMEM.
    """
    counter = memcg.memory
    passed_oom = raised_max_event = False
    while True:
        hit = page_counter_try_charge(counter, nr_pages)
        if hit is None:
            return 0
        over = _over(hit)
        if no_task() or current().flags & PF_MEMALLOC:
            return _force(memcg, over, nr_pages, told=raised_max_event)
        if _refused_at_once(gfp_mask):
            break
        memcg_memory_event(over, "MAX")
        raised_max_event = True
        reclaimed = try_to_free_mem_cgroup_pages(over, nr_pages)
        if mem_cgroup_margin(over) >= nr_pages:
            continue
        if gfp_mask & __GFP_NORETRY:
            break
        if reclaimed and nr_pages <= _COSTLY:
            continue
        if gfp_mask & __GFP_RETRY_MAYFAIL:
            break
        if passed_oom and task_is_dying():
            break
        if not mem_cgroup_oom(over, gfp_mask, (nr_pages - 1).bit_length()):
            break
        passed_oom = True
        _wait_for_room(over, nr_pages)
    if not gfp_mask & (__GFP_NOFAIL | __GFP_HIGH):
        return -ENOMEM
    return _force(memcg, over, nr_pages, told=raised_max_event)


def _force(memcg: mem_cgroup, over: mem_cgroup, nr_pages: int, *, told: bool) -> int:
    """Charge beyond the limit: it has to be, or brings more back than it takes."""
    if not told:
        memcg_memory_event(over, "MAX")
    page_counter_charge(memcg.memory, nr_pages)
    return 0


def charge_up_to(memcg: mem_cgroup | None, gfp_mask: int, want: int) -> int:
    """Charge *want* pages, or as many as there is room for, but at least one.

    Context: As :func:`try_charge_memcg`. Nobody could tell this from so many charges
        of one page.
    Return: How many pages were charged, or -ENOMEM.
    """
    if memcg is None:
        return want
    if want > 1:
        if page_counter_try_charge(memcg.memory, want) is None:
            return want
        room = _room(memcg.memory, want)
        if room and page_counter_try_charge(memcg.memory, room) is None:
            return room
    ret = try_charge_memcg(memcg, gfp_mask, 1)
    return ret if ret < 0 else 1


def _room(counter: page_counter, want: int) -> int:
    level: page_counter | None = counter
    while level is not None and want:
        want = min(want, page_counter_margin(level))
        level = level.parent
    return want


@mirrors(
    "mm/memcontrol.c", checked="v7.2", abridged="several pages; swap is not charged"
)
def __mem_cgroup_charge(
    mm: mm_struct, gfp_mask: int, want: int
) -> tuple[mem_cgroup | None, int]:
    """Charge up to *want* pages to whom memory of *mm* is charged.

    Context: As :func:`try_charge_memcg`.
    Return: The cgroup, and how many pages were charged, or -ENOMEM.
    """
    memcg = get_mem_cgroup_from_mm(mm)
    return memcg, charge_up_to(memcg, gfp_mask, want)


# -- the limit -------------------------------------------------------------------------


@mirrors(
    "mm/memcontrol.c",
    checked="v7.2",
    abridged="takes pages, no text; one attempt at reclaim, as for a charge",
)
def memory_max_write(memcg: mem_cgroup, max: int, f_flags: int = 0) -> int:
    """Set the limit: ``memory.max``. Below the usage it makes room, by killing at last.

    The writer invokes the killer itself, and goes on as long as there is somebody to
    kill; a signal stops it. The host only sets the limit.

    Context: May sleep; takes oom_lock.
    Return: 0, also when the usage stays above the limit.
    """
    memcg.memory._set_max(max)
    if f_flags & O_NONBLOCK or current_thread().is_boot:
        return 0
    while _is_above(memcg, max):
        if signal_pending(current()):
            break
        if try_to_free_mem_cgroup_pages(memcg, 1):
            continue
        memcg_memory_event(memcg, "OOM")
        if not mem_cgroup_out_of_memory(memcg, GFP_KERNEL, 0):
            break
        _wait_until_below(memcg, max)
    return 0


def _is_above(memcg: mem_cgroup, max: int) -> bool:
    """Tell whether the usage is above the limit, and the limit still ours."""
    usage, limit = memcg.memory._read("page_counter_read")
    return limit == max and usage > max


def _wait_until_below(memcg: mem_cgroup, max: int) -> None:
    counter, task, would_act = memcg.memory, current(), killer_would_act(memcg)
    reclaimable = could_reclaim(lambda o: mem_cgroup_is_descendant(o[1], memcg))

    def ready() -> bool:
        if counter.usage <= max or counter.max != max:
            return True
        return task._signal_pending() or would_act() or reclaimable()

    stall(counter, ready)
