# SPDX-License-Identifier: GPL-2.0-only
"""Putting a world's objects there: a machine at rest, as the line describes it.

Nothing runs yet and nobody looks, so structures are filled in directly, without
steps and without the way that would have led there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..boot import number_of_choice
from ..engine.config import Config, Timers
from ..engine.machine import Machine
from ..engine.thread import Thread
from ..kernel.fork_task import init_task_pid
from ..kernel.pid import attach_pid
from ..linux.atomic import atomic_long_t, atomic_t
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

__all__ = ["Built", "build", "machine_for"]

#: Keys that few of many tasks and address spaces have.
_RARE_OF_MM: Final = frozenset({"flags", "vmas", "mmap_lock"})
_RARE_OF_TASK: Final = frozenset(
    {"flags", "group_exit", "core_dump", "oom_score_adj_min", "oom_origin", "oom_mm"}
    | {"memcg", "mems_allowed", "mempolicy_nodes"}
)
_FLAGS: Final = {"PF_EXITING": PF_EXITING, "PF_KTHREAD": PF_KTHREAD}


class Built:
    """The objects of a world, by the names that the line has for them."""

    def __init__(self) -> None:
        self.memcgs: dict[str, mem_cgroup] = {}
        self.mms: dict[str, mm_struct] = {}
        self.tasks: dict[int, task_struct] = {}
        #: Address spaces whose users the world counts itself.
        self.counted: set[str] = set()
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
    for mm in world["mms"]:
        _mm(built, mm, machine)
    processes = init_tasks()
    for task in world["tasks"]:
        _task(built, task, processes)
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


def _mm(built: Built, mm: Mm, machine: Machine) -> None:
    name, users = mm["id"], mm["mm_users"]
    made = mm_struct(total_vm=mm["total_vm"])
    state = made.__dict__
    # Numbered as MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS and MM_SHMEMPAGES are.
    pages = mm["file"], mm["anon"], mm["swap"], mm["shmem"]
    state["rss_stat"] = [atomic_long_t(nr, made) for nr in pages]
    state["pgtables_bytes"] = atomic_long_t(mm["pgtables_bytes"], made)
    state["mm_users"] = atomic_t(users or 0, made)
    if not _RARE_OF_MM.isdisjoint(mm):
        _rare_of_mm(made, mm, machine)
    built.mms[name] = made
    built.mm_ids[made] = name
    if users is not None:
        built.counted.add(name)


def _rare_of_mm(made: mm_struct, mm: Mm, machine: Machine) -> None:
    for flag in mm["flags"]:
        made.flags.bit(MMF_FLAGS[flag]).value = True
    if mm["vmas"]:
        add_mappings(made, mm["vmas"])
    if mm["mmap_lock"] == "read":
        made.mmap_lock.readers = 1
    elif mm["mmap_lock"] == "write":
        made.mmap_lock.writer = Thread(machine, "somebody", lambda: None, None)


def _task(built: Built, given: Task, processes: list_head[task_struct]) -> None:
    """Make one thread, and with a leader its group."""
    tgid = given["tgid"]
    leads = tgid == given["pid"]
    if leads:
        signal = signal_struct(
            _sighand=built.sighand, oom_score_adj=given["oom_score_adj"]
        )
    else:
        signal = built.tasks[tgid].signal
    task = task_struct(
        pid=given["pid"],
        tgid=tgid,
        cred=built.cred(given["uid"]),
        comm=given["comm"],
        signal=signal,
        sighand=built.sighand,
        flags=0,
    )
    if not _RARE_OF_TASK.isdisjoint(given):
        _rare_of_task(built, task, given)
    if leads:
        _lead(task, processes)
    else:
        _join(task, built.tasks[tgid])
    task.__dict__["thread_node"] = _last_in(signal.thread_head, task)
    built.tasks[task.pid] = task
    if given["mm"] is not None:
        _use(task, built.mms[given["mm"]], counted=given["mm"] in built.counted)


def _last_in(head: list_head[task_struct], task: task_struct) -> list_head[task_struct]:
    link = list_head(task, task)
    _append(link, head)
    return link


def _rare_of_task(built: Built, task: task_struct, given: Task) -> None:
    task.__dict__["flags"] = sum(map(_FLAGS.__getitem__, given["flags"]))
    if given["tgid"] == given["pid"]:
        _rare_of_signal(built, task, given)
    if given["memcg"] is not None:
        task.memcg = built.memcgs[given["memcg"]]
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
    state["group_leader"], state["exit_signal"] = task, SIGCHLD
    state["tasks"] = _last_in(processes, task)
    if task.memcg is not None:
        task.memcg.procs.append(task)


def _join(task: task_struct, leader: task_struct) -> None:
    """Count *task* as one more thread of *leader*'s group."""
    task.group_leader = leader
    task.exit_signal = -1
    signal = leader.signal
    signal.nr_threads += 1
    signal.quick_threads += 1
    signal.live.counter += 1


def _use(task: task_struct, mm: mm_struct, *, counted: bool) -> None:
    """Let *task* use *mm*, which is charged to its first user."""
    state = task.__dict__
    state["mm"] = state["active_mm"] = mm
    if not counted:
        mm.mm_users.counter += 1
    if mm.__dict__["owner"] is None and not state["flags"] & PF_KTHREAD:
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
