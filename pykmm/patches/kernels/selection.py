# SPDX-License-Identifier: GPL-2.0-only
"""The victim selection of older kernels, as replacements for the baseline's.

The formula of ``oom_badness()`` changed four times between 2.6.36 and 5.9, and
the rule for equals once. Each replacement weighs a task as the kernel of its
time did; finding the thread that has the address space, the locks and the tests
of eligibility are the baseline's. Until 5.8 the function returned 0 for a task
that must not be chosen and at least 1 for every other; the replacements keep
``LONG_MIN`` for the first, which selects the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...engine.annotate import original
from ...engine.machine import current_machine
from ...kernel.capability import has_capability_noaudit
from ...linux.compiler import READ_ONCE
from ...linux.mm import get_mm_counter_sum, get_mm_rss_sum, mm_flags_test
from ...linux.mm_types import MM_SWAPENTS, MMF_OOM_SKIP, mm_struct
from ...linux.oom import LONG_MIN, oom_control, oom_task_origin, tsk_is_oom_victim
from ...linux.sched import task_struct
from ...linux.sched.task import get_task_struct, put_task_struct, task_unlock
from ...linux.uapi import CAP_SYS_ADMIN, OOM_SCORE_ADJ_MIN
from ...mm.oom_kill import (
    find_lock_task_mm,
    is_memcg_oom,
    oom_badness,
    oom_cpuset_eligible,
    oom_evaluate_task,
    oom_unkillable_task,
)

__all__ = [
    "Badness",
    "adj_bonus",
    "current_bonus",
    "no_bonus",
    "oom_evaluate_task_first_of_equals",
    "permille",
    "signed",
]

#: ``oom_badness()`` by its signature.
Badness = Callable[[task_struct, int], int]

#: What root's processes were forgiven: 3 % of all memory, or of their own.
_ROOT_PERMILLE: Final = 30
_ROOT_PERCENT: Final = 3


def _used(mm: mm_struct) -> int:
    tables = mm.pgtables_bytes.counter // current_machine().config.page_size
    return get_mm_rss_sum(mm) + get_mm_counter_sum(mm, MM_SWAPENTS) + tables


def _badness(weigh: Callable[[task_struct, int, int, int], int]) -> Badness:
    """Make a badness out of how a kernel weighed an eligible task.

    *weigh* gets the thread, its pages, its adjustment and ``totalpages``.
    """

    def badness(p: task_struct, totalpages: int) -> int:
        if oom_unkillable_task(p):
            return LONG_MIN
        t = find_lock_task_mm(p)
        if t is None:
            return LONG_MIN
        mm = t.mm
        assert mm is not None  # that is what was found
        adj = READ_ONCE(t.signal).oom_score_adj
        if adj == OOM_SCORE_ADJ_MIN or mm_flags_test(MMF_OOM_SKIP, mm):
            task_unlock(t)
            return LONG_MIN
        used = _used(mm)
        task_unlock(t)
        return weigh(t, used, adj, totalpages)

    return badness


def _permille(t: task_struct, used: int, adj: int, totalpages: int) -> int:
    points = used * 1000 // max(totalpages, 1) + adj
    if has_capability_noaudit(t, CAP_SYS_ADMIN):
        points -= _ROOT_PERMILLE
    return min(max(points, 1), 1000)


def _adj_bonus(t: task_struct, used: int, adj: int, totalpages: int) -> int:
    bonus = _ROOT_PERMILLE if has_capability_noaudit(t, CAP_SYS_ADMIN) else 0
    return max(used + (adj - bonus) * (totalpages // 1000), 1)


def _current_bonus(t: task_struct, used: int, adj: int, totalpages: int) -> int:
    if has_capability_noaudit(t, CAP_SYS_ADMIN):
        used -= used * _ROOT_PERCENT // 100
    return max(used + adj * (totalpages // 1000), 1)


def _no_bonus(t: task_struct, used: int, adj: int, totalpages: int) -> int:
    del t
    return max(used + adj * (totalpages // 1000), 1)


#: 2.6.36 to 3.4: thousandths of all memory (a63d83f427fb, f19e8aa11afa).
permille: Final = _badness(_permille)
#: 3.5 to 3.13: pages; root as if its adj were 30 less (a7f638f999ff, 61eafb00d55d).
adj_bonus: Final = _badness(_adj_bonus)
#: 3.14 to 4.16: pages; root 3 % of its own less (778c14affaf9).
current_bonus: Final = _badness(_current_bonus)
#: 4.17 to 5.8: pages, at least 1 (d46078b28889).
no_bonus: Final = _badness(_no_bonus)
#: 5.9 and later: the baseline's own, without a floor (9066e5cfb73c).
signed: Final = oom_badness


def oom_evaluate_task_first_of_equals(task: task_struct, oc: oom_control) -> int:
    """Let the first of two equals stay chosen, as until June 2019 (v5.3).

    A victim that is still dying ends the search there, too; its kernels told by
    the thread's TIF_MEMDIE, which comes to the same for whole processes.
    """
    chosen, points = oc.chosen, oc.chosen_points
    if oom_unkillable_task(task) or tsk_is_oom_victim(task) or oom_task_origin(task):
        return _baseline_evaluate(task, oc)
    if not is_memcg_oom(oc) and not oom_cpuset_eligible(task, oc):
        return 0
    found = oom_badness(task, oc.totalpages)
    if found == LONG_MIN or found <= points:
        return 0
    if isinstance(chosen, task_struct):
        put_task_struct(chosen)
    oc.chosen = get_task_struct(task)
    oc.chosen_points = found
    return 0


def _baseline_evaluate(task: task_struct, oc: oom_control) -> int:

    return original(oom_evaluate_task)(task, oc)
