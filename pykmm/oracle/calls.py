# SPDX-License-Identifier: GPL-2.0-only
"""Making a world's calls: each is the library's own function.

They run one after another on one model thread, the boot thread, whose task is
``current``. Steps are taken at once there; where a step would have to wait, nobody
will ever let it go on, and that is said.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..engine.machine import Machine
from ..errors import KernelPanic, Report, WouldWait
from ..fs.open import close
from ..fs.proc.base import proc_oom_score
from ..kernel.pid_pidfd import pidfd_open
from ..linux.mutex import mutex_lock, mutex_unlock
from ..linux.oom import LONG_MIN, Aborted, oom_control
from ..linux.printk import console
from ..linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ..linux.sched import task_struct
from ..linux.sched.task import task_lock, task_unlock
from ..linux.timer import _fire_now
from ..mm.oom_kill import (
    exit_oom_victim,
    find_lock_task_mm,
    oom,
    oom_badness,
    oom_reaper,
    out_of_memory,
    process_mrelease,
    process_shares_mm,
    task_will_free_mem,
)
from .refusal import Refused, pointer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .build import Built
    from .world import Call

__all__ = ["run_calls"]

_NO_DESCRIPTOR: Final = -1
_PANIC_PREFIX: Final = "Kernel panic - not syncing: "

#: What a call adds to its result, ``ret`` first.
Found = dict[str, object]

#: What mm/memcontrol.c says of a group kill. The recorded answers hold what
#: mm/oom_kill.c itself prints, so a port is compared on that.
_GROUP = re.compile(r"Tasks in .* are going to be killed due to memory\.oom\.group set")


def run_calls(calls: list[Call], built: Built, machine: Machine) -> list[Found]:
    """Make *calls* in order, up to and including one that panics."""
    results: list[Found] = []
    for index, call in enumerate(calls):
        seen = console()
        lines, effects = len(seen.lines), len(seen.effects)
        found = _run(call, built, machine, pointer("/calls", index))
        results.append(
            {
                "fn": call["fn"],
                **found,
                "events": [_event(effect) for effect in seen.effects[effects:]],
                "log": _log(seen.verdicts(lines)),
            }
        )
        if found["ret"] == "panic":
            break
    return results


def _run(call: Call, built: Built, machine: Machine, where: str) -> Found:
    fn = call["fn"]
    try:
        return _CALLS[fn](call, built, machine)
    except KernelPanic:
        return {"ret": "panic"}
    except WouldWait as error:
        why = str(error).partition(":")[0].removeprefix("host code ")
        for mm, name in built.mm_ids.items():
            why = why.replace(f" {mm.name}.", f" {name}'s ")
        raise Refused(where, f"{fn} {why}, and nobody will end that wait") from None
    except Report as report:
        raise Refused(where, f"{fn} hits a bug: {report.summary}") from None


def _event(effect: tuple[object, ...]) -> list[object]:
    """Spell an effect; a cgroup has its name in the world at the end of its path."""
    if effect[0] != "memcg_event":
        return list(effect)
    kind, path = effect[1:]
    if kind == "OOM_KILL":
        return ["memcg_event", kind]
    return ["memcg_event", kind, str(path).rpartition("/")[2]]


def _log(lines: list[str]) -> list[str]:
    """Return the lines of the log; of a panic, the message that it was called with."""
    return [
        line.removeprefix(_PANIC_PREFIX)
        for line in lines
        if line[0:1] != "T" or not _GROUP.fullmatch(line)
    ]


def _points(points: int) -> int | str:
    return "LONG_MIN" if points == LONG_MIN else points


def _task(call: Call, built: Built) -> task_struct:
    pid = call["pid"]
    assert pid is not None  # only a descriptor may be a bad one
    return built.tasks[pid]


def _oom_badness(call: Call, built: Built, _: Machine) -> Found:
    return {"ret": _points(oom_badness(_task(call, built), call["totalpages"]))}


def _proc_oom_score(call: Call, built: Built, _: Machine) -> Found:
    return {"ret": proc_oom_score(_task(call, built))}


def _task_will_free_mem(call: Call, built: Built, _: Machine) -> Found:
    task = _task(call, built)
    task_lock(task)
    ret = task_will_free_mem(task)
    task_unlock(task)
    return {"ret": ret}


def _process_shares_mm(call: Call, built: Built, _: Machine) -> Found:
    rcu_read_lock()
    ret = process_shares_mm(_task(call, built), built.mms[call["mm"]])
    rcu_read_unlock()
    return {"ret": ret}


def _find_lock_task_mm(call: Call, built: Built, _: Machine) -> Found:
    found = find_lock_task_mm(_task(call, built))
    if found is None:
        return {"ret": None}
    task_unlock(found)
    return {"ret": found.pid}


def _out_of_memory(call: Call, built: Built, _: Machine) -> Found:
    memcg, nodemask = call["memcg"], call["nodemask"]
    oc = oom_control(
        zonelist=call["zonelist"],
        nodemask=None if nodemask is None else frozenset(nodemask),
        memcg=None if memcg is None else built.memcgs[memcg],
        gfp_mask=call["gfp_mask"],
        order=call["order"],
    )
    mutex_lock(oom().oom_lock)
    ret = out_of_memory(oc)
    mutex_unlock(oom().oom_lock)
    chosen = oc.chosen
    return {
        "ret": ret,
        "constraint": oc.constraint.name,
        "totalpages": oc.totalpages,
        "chosen": -1 if isinstance(chosen, Aborted) else chosen and chosen.pid,
        "points": _points(oc.chosen_points),
    }


def _process_mrelease(call: Call, built: Built, _: Machine) -> Found:
    if call["pid"] is None:
        return {"ret": int(process_mrelease(_NO_DESCRIPTOR, call["flags"]))}
    fd = pidfd_open(_task(call, built).tgid, 0)
    try:
        return {"ret": int(process_mrelease(fd, call["flags"]))}
    finally:
        close(fd)


def _wake_oom_reaper(call: Call, built: Built, _: Machine) -> Found:
    _fire_now(_task(call, built).oom_reaper_timer)
    return {"ret": None}


def _oom_reaper(call: Call, built: Built, machine: Machine) -> Found:
    """Be the reaper's thread until it has to wait for work."""
    del call, built
    caller = machine.boot.task
    machine.boot.task = oom().oom_reaper_th
    try:
        oom_reaper()
    except WouldWait:
        if oom().oom_reaper_list is not None:
            raise
    finally:
        machine.boot.task = caller
    return {"ret": None}


def _exit_oom_victim(call: Call, built: Built, machine: Machine) -> Found:
    caller = machine.boot.task
    machine.boot.task = _task(call, built)
    exit_oom_victim()
    machine.boot.task = caller
    return {"ret": None}


_CALLS: Final[dict[str, Callable[[Call, Built, Machine], Found]]] = {
    "oom_badness": _oom_badness,
    "proc_oom_score": _proc_oom_score,
    "task_will_free_mem": _task_will_free_mem,
    "process_shares_mm": _process_shares_mm,
    "find_lock_task_mm": _find_lock_task_mm,
    "out_of_memory": _out_of_memory,
    "process_mrelease": _process_mrelease,
    "wake_oom_reaper": _wake_oom_reaper,
    "oom_reaper": _oom_reaper,
    "exit_oom_victim": _exit_oom_victim,
}
