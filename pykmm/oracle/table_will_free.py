# SPDX-License-Identifier: GPL-2.0-only
"""When ``task_will_free_mem()`` says yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..linux.mm import mm_flags_test
from ..linux.mm_types import MMF_OOM_SKIP
from ..linux.sched.signal import for_each_process, same_thread_group
from ..linux.sched.task import task_lock, task_unlock
from ..mm.oom_kill import __task_will_free_mem, process_shares_mm, task_will_free_mem
from .table_case import OTHER, TARGET, Decision, case

if TYPE_CHECKING:
    from ..linux.mm_types import mm_struct
    from ..linux.sched import task_struct
    from .table_case import Inputs

__all__ = ["WILL_FREE"]

_BOTH: Final = (False, True)

#: Who uses the address space besides the target's own threads.
_USERS: Final = ("nobody", "a passing reader", "a live process", "a dying process")
_DUMPING: Final = "a process that dumps core"

_INPUTS: Final[dict[str, tuple[object, ...]]] = {
    "has_mm": _BOTH,
    "dumps_core": _BOTH,
    "group_exit": _BOTH,
    "exiting": _BOTH,
    "has_other_threads": _BOTH,
    "oom_skip": _BOTH,
    "other_user": (*_USERS, _DUMPING),
}


def _is_possible(inputs: Inputs) -> bool:
    """Leave out what is said of an address space that is not there."""
    if inputs["has_mm"]:
        return True
    return not inputs["oom_skip"] and inputs["other_user"] == "nobody"


def _decide(inputs: Inputs) -> tuple[bool, str]:
    user = inputs["other_user"]
    others: list[dict[str, object]] = []
    if inputs["has_other_threads"]:
        others.append({"pid": TARGET + 1, "tgid": TARGET})
    if user not in ("nobody", "a passing reader"):
        dumps = user == _DUMPING
        dies = dumps or user == "a dying process"
        others.append({"pid": OTHER, "group_exit": dies, "core_dump": dumps})
    mm: dict[str, object] = {"flags": ["MMF_OOM_SKIP"] if inputs["oom_skip"] else []}
    if user == "a passing reader":
        mm["mm_users"] = len(others) + 2
    target: dict[str, object] = {
        "group_exit": inputs["group_exit"],
        "core_dump": inputs["dumps_core"],
        "flags": ["PF_EXITING"] if inputs["exiting"] else [],
    }
    with case(target, mm, *others, in_use=bool(inputs["has_mm"])) as (task, _):
        task_lock(task)
        ret = task_will_free_mem(task)
        why = _why(task, task.mm)
        task_unlock(task)
    return ret, why


def _why(task: task_struct, mm: mm_struct | None) -> str:
    """Ask what the function asks, in its order, until something decides."""
    if mm is None:
        return "the task has no address space any more"
    if not __task_will_free_mem(task):
        if task.signal.core_state is not None:
            return "the process dumps core, which may take for ever"
        return "the process is not on its way out"
    if mm_flags_test(MMF_OOM_SKIP, mm):
        return "the reaper has been here: little is left"
    if mm.mm_users.counter <= 1:
        return "the process is on its way out, and the only user"
    others = [
        p
        for p in for_each_process()
        if process_shares_mm(p, mm) and not same_thread_group(task, p)
    ]
    if any(not __task_will_free_mem(p) for p in others):
        return "a process that shares the address space does not die"
    if others:
        return "everybody who shares the address space is on the way out"
    return "the other users of the address space are no other process"


WILL_FREE: Final = Decision("task_will_free_mem", _INPUTS, _is_possible, _decide)
