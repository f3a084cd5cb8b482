# SPDX-License-Identifier: GPL-2.0-only
"""Putting a world's objects there: a machine at rest, as the line describes it.

Nothing runs yet and nobody looks, so structures are filled in directly, without
steps and without the way that would have led there.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from ..boot import number_of_choice
from ..engine.config import Config, Timers
from ..engine.fields import make_many
from ..engine.machine import Machine
from ..engine.thread import Thread
from ..kernel.fork_task import init_task_pid
from ..kernel.pid import attach_pid
from ..linux.atomic import atomic_t
from ..linux.completion import completion
from ..linux.cred import cred
from ..linux.fdtable import files_struct
from ..linux.memcontrol import mem_cgroup
from ..linux.mm_types import MMF_FLAGS, mm_struct
from ..linux.notifier import NOTIFY_OK, notifier_block
from ..linux.pid import PIDTYPE_PID, PIDTYPE_TGID
from ..linux.rculist import _append, list_head
from ..linux.sched import PF_EXITING, PF_KTHREAD, task_struct
from ..linux.sched.signal import (
    SIGNAL_GROUP_EXIT,
    core_state,
    init_tasks,
    sighand_struct,
    signal_struct,
)
from ..linux.uapi import SIGCHLD
from ..mm.oom_kill import OomFreed, oom, register_oom_notifier
from ..patches.kernels import v6_12
from ..patches.patch import apply
from . import recorded
from .mappings import add_mappings

if TYPE_CHECKING:
    from .world import Memcg, Mm, Task, World

    _State = dict[str, Any]

__all__ = ["Built", "build", "machine_for"]

#: Keys that few of many tasks and address spaces have.
_RARE_OF_MM: Final = frozenset({"flags", "vmas", "mm_users", "mmap_lock"})
_RARE_OF_TASK: Final = frozenset(
    {"flags", "group_exit", "core_dump", "oom_score_adj_min", "oom_origin", "oom_mm"}
    | {"memcg", "mems_allowed", "mempolicy_nodes"}
)
#: Numbered as MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS and MM_SHMEMPAGES are.
_counted: Final = itemgetter("file", "anon", "swap", "shmem", "pgtables_bytes")
_FLAGS: Final = {"PF_EXITING": PF_EXITING, "PF_KTHREAD": PF_KTHREAD}


class Built:
    """The objects of a world, by the names that the line has for them."""

    def __init__(self) -> None:
        self.memcgs: dict[str, mem_cgroup] = {}
        self.mms: dict[str, mm_struct] = {}
        self.tasks: dict[int, task_struct] = {}
        #: The other way round.
        self.mm_ids: dict[mm_struct, str] = {}
        self._creds: dict[int, cred] = {}
        #: What its processes would do with signals. No call of a world changes that,
        #: so one is enough.
        self.sighand = sighand_struct()

    def cred(self, uid: int) -> cred:
        """Return who user *uid* is: nothing changes that, so all its tasks share it."""
        return self._creds.get(uid) or self._creds.setdefault(uid, cred(uid=uid))


def machine_for(world: World) -> Machine:
    """Make the machine, still empty."""
    given, sysctl = world["machine"], world["sysctl"]
    machine = Machine(
        Config(
            page_size=world["page_size"],
            hz=world["hz"],
            node_pages=tuple(node["present_pages"] for node in given["nodes"]),
            managed_pages=given["totalram_pages"],
            total_swap_pages=given["total_swap_pages"],
            panic_on_oom=sysctl["panic_on_oom"],
            oom_kill_allocating_task=sysctl["oom_kill_allocating_task"],
            oom_dump_tasks=sysctl["oom_dump_tasks"],
            timers=Timers.IDLE,
        )
    )
    rare = [task for task in world["tasks"] if not _RARE_OF_TASK.isdisjoint(task)]
    if any(task["flags"] or task["mems_allowed"] for task in rare):
        apply(machine, [recorded.patch])
    if world["kernel"] == "6.12":
        apply(machine, [v6_12.patch])
    return machine


def build(world: World, machine: Machine) -> Built:
    """Put everything there that *world* has.

    Context: On the boot thread of *machine*, which becomes the thread of the task
        that makes the calls.
    """
    built = Built()
    for memcg in world["memcgs"]:
        _memcg(built, memcg, world["page_size"])
    _mms(built, world, machine)
    _tasks(built, world)
    _parents(built, world)
    _statics(world)
    for call in world["calls"]:
        if call["fn"] == "process_mrelease" and call["pid"] is not None:
            _findable(built.tasks[call["pid"]].group_leader)
    machine.boot.task = current = _current(built, world)
    current.files = files_struct()
    return built


def _current(built: Built, world: World) -> task_struct:
    """Return who makes the calls; without anybody, the idle task."""
    if world["current"] is not None:
        return built.tasks[world["current"]]
    for task in built.tasks.values():
        if task.tgid != 1 and not task.__dict__["flags"] & PF_KTHREAD:
            return task
    signal = signal_struct(_sighand=built.sighand)
    return task_struct(
        comm="swapper/0", flags=PF_KTHREAD, signal=signal, sighand=built.sighand
    )


def _statics(world: World) -> None:
    given = world["machine"]
    oom().oom_killer_disabled = given["oom_killer_disabled"]
    pages = given["notifier_frees"]
    if pages:

        def frees(_: notifier_block, action: int, freed: object) -> int:
            assert isinstance(freed, OomFreed)
            assert not action
            freed.pages += pages
            return NOTIFY_OK

        register_oom_notifier(notifier_block(frees))


def _memcg(built: Built, memcg: Memcg, page_size: int) -> None:
    unlimited = ((1 << 63) - 1) // page_size
    name, above = memcg["id"], memcg["parent"]
    limits = memcg["max_pages"], memcg["swap_max_pages"]
    most, swap_most = (unlimited if n is None else n for n in limits)
    made = mem_cgroup(
        cg_name=name,
        parent=None if above is None else built.memcgs[above],
        max_pages=most,
        swap_max_pages=swap_most,
        oom_group=memcg["oom_group"],
    )
    assert made.memory.owner is made  # its counter is there before its children's
    built.memcgs[name] = made


def _mms(built: Built, world: World, machine: Machine) -> None:
    given = world["mms"]
    made = make_many(
        mm_struct,
        ({"total_vm": mm["total_vm"], "_counted": _counted(mm)} for mm in given),
    )
    built.mms = {mm["id"]: struct for mm, struct in zip(given, made, strict=True)}
    built.mm_ids = dict(zip(made, built.mms, strict=True))
    users = Counter(task["mm"] for task in world["tasks"])
    for mm, struct in zip(given, made, strict=True):
        if users[mm["id"]] != 1:  # as it is at first
            struct.__dict__["mm_users"] = atomic_t(users[mm["id"]], struct)
        if not _RARE_OF_MM.isdisjoint(mm):
            _rare_of_mm(struct, mm, machine)


def _rare_of_mm(made: mm_struct, mm: Mm, machine: Machine) -> None:
    for flag in mm["flags"]:
        made.flags.bit(MMF_FLAGS[flag]).value = True
    if mm["vmas"]:
        add_mappings(made, mm["vmas"])
    if mm["mm_users"] is not None:
        made.__dict__["mm_users"] = atomic_t(mm["mm_users"], made)
    if mm["mmap_lock"] == "read":
        made.mmap_lock.readers = 1
    elif mm["mmap_lock"] == "write":
        made.mmap_lock.writer = Thread(machine, "somebody", lambda: None, None)


def _tasks(built: Built, world: World) -> None:
    """Make all threads, and with each leader its group."""
    given, processes = world["tasks"], init_tasks()
    leaders = [task for task in given if task["tgid"] == task["pid"]]
    signals = make_many(
        signal_struct,
        (
            {"_sighand": built.sighand, "oom_score_adj": task["oom_score_adj"]}
            for task in leaders
        ),
    )
    groups = {task["pid"]: s for task, s in zip(leaders, signals, strict=True)}
    made = make_many(task_struct, (_task(built, task, groups) for task in given))
    built.tasks = {task["pid"]: t for task, t in zip(given, made, strict=True)}
    for task, struct in zip(given, made, strict=True):
        if task["tgid"] == task["pid"]:
            _lead(struct, processes)
        else:
            _join(struct, built.tasks[task["tgid"]])
        if not _RARE_OF_TASK.isdisjoint(task):
            _rare_of_task(built, struct, task)
        _charge(struct)


def _task(built: Built, given: Task, groups: dict[int, signal_struct]) -> _State:
    """Return what is known of a thread before any of them is there."""
    pid, tgid, mm = given["pid"], given["tgid"], given["mm"]
    space = None if mm is None else built.mms[mm]
    return {
        "pid": pid,
        "tgid": tgid,
        "cred": built.cred(given["uid"]),
        "comm": given["comm"],
        "signal": groups[tgid],
        "sighand": built.sighand,
        "flags": 0,
        "exit_signal": SIGCHLD if tgid == pid else -1,
        "mm": space,
        "active_mm": space,
    }


def _rare_of_task(built: Built, task: task_struct, given: Task) -> None:
    task.__dict__["flags"] = sum(map(_FLAGS.__getitem__, given["flags"]))
    if given["tgid"] == given["pid"]:
        _rare_of_signal(built, task, given)
    if given["memcg"] is not None:
        task.memcg = built.memcgs[given["memcg"]]
        if given["tgid"] == given["pid"]:
            task.memcg.procs.append(task)
    if given["mems_allowed"] is not None:
        task.mems_allowed = frozenset(given["mems_allowed"])
    if given["mempolicy_nodes"] is not None:
        task.mempolicy_nodes = frozenset(given["mempolicy_nodes"])


def _rare_of_signal(built: Built, leader: task_struct, given: Task) -> None:
    signal, oom_mm = leader.signal, given["oom_mm"]
    signal.__dict__.update(
        flags=SIGNAL_GROUP_EXIT if given["group_exit"] else 0,
        oom_score_adj_min=given["oom_score_adj_min"],
        oom_flag_origin=given["oom_origin"],
        oom_mm=None if oom_mm is None else built.mms[oom_mm],
        core_state=core_state(dumper=leader) if given["core_dump"] else None,
    )


def _lead(task: task_struct, processes: list_head[task_struct]) -> None:
    """Put *task* where leaders stand."""
    state = task.__dict__
    state["group_leader"] = state["signal"].__dict__["_first"] = task
    link = state["tasks"] = list_head(task, task)
    _append(link, processes)


def _join(task: task_struct, leader: task_struct) -> None:
    """Count *task* as one more thread of *leader*'s group."""
    task.group_leader = leader
    signal = leader.signal
    _append(task.thread_node, signal.thread_head)
    signal.nr_threads += 1
    signal.quick_threads += 1
    signal.live.counter += 1


def _charge(task: task_struct) -> None:
    """Charge *task*'s address space to it if it is the first user."""
    state = task.__dict__
    mm = state["mm"]
    if mm is not None and mm.__dict__["owner"] is None:
        if not state["flags"] & PF_KTHREAD:
            mm.__dict__["owner"] = task


def _parents(built: Built, world: World) -> None:
    for given in world["tasks"]:
        if "vfork_parent" in given and given["vfork_parent"] is not None:
            task = built.tasks[given["pid"]]
            task.real_parent = built.tasks[given["vfork_parent"]]
            task.vfork_done = completion()


def _findable(leader: task_struct) -> None:
    """Let *leader* be found by its number, as who opens a descriptor finds it."""
    if leader.__dict__["thread_pid"] is not None:
        return
    number = number_of_choice(leader.pid)
    assert number is not None  # each number stands once
    for kind in (PIDTYPE_PID, PIDTYPE_TGID):
        init_task_pid(leader, kind, number)
        attach_pid(leader, kind)
