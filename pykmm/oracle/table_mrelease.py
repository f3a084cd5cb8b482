# SPDX-License-Identifier: GPL-2.0-only
"""What ``process_mrelease()`` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import WouldWait
from ..kernel.pid_pidfd import pidfd_open
from ..kernel.signal_send import do_send_sig_info
from ..linux.mm import mm_flags_test
from ..linux.mm_types import MMF_OOM_SKIP
from ..linux.pid import PIDTYPE_TGID
from ..linux.sched import current
from ..linux.sched.task import task_unlock
from ..linux.signal import SEND_SIG_PRIV
from ..linux.uapi import SIGKILL
from ..mm.oom_kill import find_lock_task_mm, process_mrelease, task_will_free_mem
from .table_case import TARGET, Decision, case

if TYPE_CHECKING:
    from ..linux.sched import task_struct
    from .table_case import Inputs

__all__ = ["MRELEASE"]

_BOTH: Final = (False, True)
_NO_DESCRIPTOR: Final = -1

_INPUTS: Final[dict[str, tuple[object, ...]]] = {
    "flags": (0, 1),
    "bad_descriptor": _BOTH,
    "has_mm": _BOTH,
    "dying": _BOTH,
    "oom_skip": _BOTH,
    "lock_held_for_writing": _BOTH,
    "caller_killed": _BOTH,
    "notifier_refuses": _BOTH,
}


def _is_possible(inputs: Inputs) -> bool:
    """Leave out what is said of an address space that is not there."""
    told = ("oom_skip", "lock_held_for_writing", "notifier_refuses")
    return bool(inputs["has_mm"]) or not any(inputs[key] for key in told)


def _decide(inputs: Inputs) -> tuple[int | str, str]:
    mm: dict[str, object] = {
        "flags": ["MMF_OOM_SKIP"] if inputs["oom_skip"] else [],
        "mmap_lock": "write" if inputs["lock_held_for_writing"] else "free",
        "vmas": [
            {
                "start": 1 << 21,
                "end": 1 << 22,
                "notifier": "blocks" if inputs["notifier_refuses"] else "none",
            }
        ],
    }
    target: dict[str, object] = {"group_exit": inputs["dying"]}
    with case(target, mm, in_use=bool(inputs["has_mm"])) as (task, _):
        if inputs["caller_killed"]:
            do_send_sig_info(SIGKILL, SEND_SIG_PRIV, current(), PIDTYPE_TGID)
        bad = bool(inputs["bad_descriptor"])
        fd = _NO_DESCRIPTOR if bad else pidfd_open(TARGET, 0)
        flags = 1 if inputs["flags"] else 0
        why = _why_not(task, flags, bad=bad)
        try:
            ret = int(process_mrelease(fd, flags))
        except WouldWait:
            return "waits", "the caller waits for mmap_lock, as nothing has killed it"
        return ret, why or _OUTCOMES[ret]


_OUTCOMES: Final = {
    0: "everything that may be reaped is",
    -4: "the caller was killed while it waited for mmap_lock",
    -11: "a notifier would have had to wait, so its part is still there",
}


def _why_not(task: task_struct, flags: int, *, bad: bool) -> str:
    """Ask what the function asks before it reaps; empty if it is going to."""
    if flags:
        return "there are no flags"
    if bad:
        return "the descriptor is none of a process"
    p = find_lock_task_mm(task)
    if p is None:
        return "no thread has the address space any more"
    mm = p.mm
    assert mm is not None  # that is what was found
    reaps = task_will_free_mem(p)
    skips = mm_flags_test(MMF_OOM_SKIP, mm)
    task_unlock(p)
    if reaps:
        return ""
    if skips:
        return "the reaper has been here: there is nothing left to do"
    return "the process, or one that shares its address space, does not die"


MRELEASE: Final = Decision("process_mrelease", _INPUTS, _is_possible, _decide)
