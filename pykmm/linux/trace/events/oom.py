# SPDX-License-Identifier: GPL-2.0-only
"""The tracepoints of the OOM killer — ``include/trace/events/oom.h``.

Their figures are looked at without a step. Those that say what was done to a task
are also noted as effects, which is what ports compare.
"""

from __future__ import annotations

from typing import Final

from ....engine.annotate import mirrors
from ....engine.machine import current_machine
from ...mm_types import MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, mm_struct
from ...printk import trace
from ...sched import task_struct
from ...tracepoint import TraceEvent, trace_hit
from .mmflags import COMPACTION_FEEDBACK, COMPACTION_PRIORITY, ZONE_TYPE

__all__ = [
    "EVENTS",
    "trace_compact_retry",
    "trace_finish_task_reaping",
    "trace_mark_victim",
    "trace_oom_score_adj_update",
    "trace_reclaim_retry_zone",
    "trace_skip_task_reaping",
    "trace_start_task_reaping",
    "trace_wake_reaper",
]

_PATH: Final = "include/trace/events/oom.h"


def _event(
    name: str, fields: str, print_fmt: str, **symbols: tuple[str, ...]
) -> TraceEvent:
    typed = []
    for field in fields.split(", "):
        ctype, _, what = field.rpartition(" ")
        typed.append((ctype, what))
    return TraceEvent("oom", name, tuple(typed), print_fmt, symbols)


_oom_score_adj_update: Final = _event(
    "oom_score_adj_update",
    "pid_t pid, char[16] comm, short oom_score_adj",
    "pid=%d comm=%s oom_score_adj=%hd",
)
_reclaim_retry_zone: Final = _event(
    "reclaim_retry_zone",
    "int node, int zone_idx, int order, unsigned long reclaimable, "
    "unsigned long available, unsigned long min_wmark, int no_progress_loops, "
    "bool wmark_check",
    "node=%d zone=%-8s order=%d reclaimable=%lu available=%lu min_wmark=%lu "
    "no_progress_loops=%d wmark_check=%d",
    zone_idx=ZONE_TYPE,
)
_mark_victim: Final = _event(
    "mark_victim",
    "int pid, char[] comm, unsigned long total_vm, unsigned long anon_rss, "
    "unsigned long file_rss, unsigned long shmem_rss, uid_t uid, "
    "unsigned long pgtables, short oom_score_adj",
    "pid=%d comm=%s total-vm=%lukB anon-rss=%lukB file-rss:%lukB shmem-rss:%lukB "
    "uid=%u pgtables=%lukB oom_score_adj=%hd",
)
_compact_retry: Final = _event(
    "compact_retry",
    "int order, int priority, int result, int retries, int max_retries, bool ret",
    "order=%d priority=%s compaction_result=%s retries=%d max_retries=%d "
    "should_retry=%d",
    priority=COMPACTION_PRIORITY,
    result=COMPACTION_FEEDBACK,
)


def _of_pid(name: str) -> TraceEvent:
    return _event(name, "int pid", "pid=%d")


_wake_reaper: Final = _of_pid("wake_reaper")
_start_task_reaping: Final = _of_pid("start_task_reaping")
_finish_task_reaping: Final = _of_pid("finish_task_reaping")
_skip_task_reaping: Final = _of_pid("skip_task_reaping")

#: All events of the group, in the order of the header.
EVENTS: Final = (
    _oom_score_adj_update,
    _reclaim_retry_zone,
    _mark_victim,
    _wake_reaper,
    _start_task_reaping,
    _finish_task_reaping,
    _skip_task_reaping,
    _compact_retry,
)


def _comm(task: task_struct) -> str:
    return str(task.__dict__["comm"])


def _adj(task: task_struct) -> int:
    return int(task.signal.__dict__["oom_score_adj"])


def _kb(pages: int) -> int:
    return pages * current_machine().config.page_size >> 10


def _rss_kb(mm: mm_struct, member: int) -> int:
    return _kb(max(0, mm.rss_stat[member].counter))


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_oom_score_adj_update(task: task_struct) -> None:
    """Record that the adjustment of *task*'s process was written."""
    trace_hit(_oom_score_adj_update, task.pid, _comm(task), _adj(task))


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_reclaim_retry_zone(
    node: int,
    zone_idx: int,
    order: int,
    reclaimable: int,
    available: int,
    min_wmark: int,
    no_progress_loops: int,
    wmark_check: bool,
) -> None:
    """Record whether reclaim is worth another round, as far as one zone goes."""
    trace_hit(
        _reclaim_retry_zone,
        node,
        zone_idx,
        order,
        reclaimable,
        available,
        min_wmark,
        no_progress_loops,
        wmark_check,
    )


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_mark_victim(task: task_struct, uid: int) -> None:
    """Record that *task* became a victim, and how large it is.

    Context: ``task.mm`` is there and stable.
    """
    trace("mark_victim", task.pid)
    mm: mm_struct = task.__dict__["mm"]
    trace_hit(
        _mark_victim,
        task.pid,
        _comm(task),
        _kb(mm.__dict__["total_vm"]),
        _rss_kb(mm, MM_ANONPAGES),
        _rss_kb(mm, MM_FILEPAGES),
        _rss_kb(mm, MM_SHMEMPAGES),
        uid,
        mm.pgtables_bytes.counter >> 10,
        _adj(task),
    )


def _hit_pid(event: TraceEvent, pid: int) -> None:
    trace(event.name, pid)
    trace_hit(event, pid)


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_wake_reaper(pid: int) -> None:
    """Record that a victim's time is up and the reaper is woken."""
    _hit_pid(_wake_reaper, pid)


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_start_task_reaping(pid: int) -> None:
    """Record the beginning of a reap pass."""
    _hit_pid(_start_task_reaping, pid)


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_finish_task_reaping(pid: int) -> None:
    """Record the end of a reap pass."""
    _hit_pid(_finish_task_reaping, pid)


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_skip_task_reaping(pid: int) -> None:
    """Record that there was no reap pass: no lock, or nothing to do any more."""
    _hit_pid(_skip_task_reaping, pid)


@mirrors(_PATH, checked="v7.2", inline=True)
def trace_compact_retry(
    order: int, priority: int, result: int, retries: int, max_retries: int, ret: bool
) -> None:
    """Record whether compaction is worth another round.

    *result* is the feedback: 1 failed, 2 withdrawn, 3 made progress.
    """
    trace_hit(_compact_retry, order, priority, result, retries, max_retries, ret)
