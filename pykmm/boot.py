# SPDX-License-Identifier: GPL-2.0-only
"""Making tasks out of nothing, while a machine is at rest.

This is what ``copy_process()`` leaves behind, without the way there: a process
that is found by its number, stands in the lists, and sleeps in user mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from .engine.events import Access
from .engine.machine import Machine
from .engine.thread import Sleep
from .errors import UsageError
from .kernel.cgroup.pids import pids_try_charge
from .kernel.entry.common import user_mode
from .kernel.fork import mm_alloc
from .kernel.fork_limit import count_threads
from .kernel.fork_task import init_task_pid
from .kernel.pid import attach_pid
from .kernel.pid_alloc import alloc_pid
from .kernel.ucount import inc_rlimit_ucounts
from .linux.atomic import atomic_inc
from .linux.cred import cred
from .linux.fdtable import files_struct
from .linux.memcontrol import mem_cgroup
from .linux.mm import mm_flags_set
from .linux.mm_types import MMF_MULTIPROCESS, mm_struct
from .linux.pid import (
    PIDTYPE_PGID,
    PIDTYPE_PID,
    PIDTYPE_SID,
    PIDTYPE_TGID,
    is_child_reaper,
    pid,
    pid_nr,
    upid,
)
from .linux.pid_namespace import init_pid_ns
from .linux.rculist import list_add_tail_rcu
from .linux.refcount import refcount_inc
from .linux.sched import PF_KTHREAD, task_struct
from .linux.sched.coredump import TASK_DUMPABLE_OWNER
from .linux.sched.exec_state import task_exec_state
from .linux.sched.mm import mmget
from .linux.sched.signal import (
    SIGNAL_UNKILLABLE,
    init_tasks,
    sighand_struct,
    signal_struct,
)
from .linux.uapi import _NSIG, SIG_IGN, SIGCHLD
from .mm.mmap import _map_region

__all__ = [
    "Region",
    "build_process",
    "build_thread",
    "number_of_choice",
    "start_kthread",
]

#: Where the first mapping of a spawned process begins.
_BASE = 0x10_0000_0000
#: Mappings start at multiples of what one page-table page covers.
_ALIGN = 1 << 21

_KINDS = ("anon", "file", "shmem", "hugetlb", "pfnmap")


@frozen
class Region:
    """A mapping of a spawned process: what kind, how many bytes, how full.

    ``populated`` is how many bytes are present, from the start, and ``swapped`` how
    many behind them are in swap; by default all that is not swapped is present.
    ``start`` is its address, by default one of its own.
    """

    kind: str
    size: int
    shared: bool = False
    populated: int | None = None
    swapped: int = 0
    start: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise UsageError(
                f"Region: kind={self.kind!r} must be one of {', '.join(_KINDS)}"
            )
        if self.size <= 0:
            raise UsageError(f"Region: size={self.size!r} must be above 0 bytes")


def number_of_choice(nr: int) -> pid | None:
    """Put a chosen number into the first namespace; None if it is in use."""
    ns = init_pid_ns()
    if nr in ns._idr:
        return None
    made = pid(numbers=(upid(nr, ns),))
    ns._idr[nr] = made
    ns.pid_allocated += 1
    return made


def build_process(
    machine: Machine,
    *,
    name: str,
    thread_name: str,
    pid: int = 0,
    uid: int = 0,
    oom_score_adj: int = 0,
    parent: task_struct | None = None,
    mm: mm_struct | None = None,
    regions: Sequence[Region] = (),
    kthread: bool = False,
    memcg: mem_cgroup | None = None,
) -> task_struct:
    """Make a single-threaded process and put it into all tables.

    With *mm* it becomes one more user of that address space; a *kthread* has none.
    """
    machine.ready()
    number = number_of_choice(pid) if pid else _next_number()
    if number is None:
        raise UsageError(f"spawn(): pid={pid!r} is in use: choose another number")
    sighand = sighand_struct()
    signal = signal_struct(
        _sighand=sighand,
        leader=True,
        flags=SIGNAL_UNKILLABLE if pid == 1 else 0,
        oom_score_adj=oom_score_adj,
        oom_score_adj_min=0,
    )
    task = task_struct(
        pid=pid_nr(number),
        tgid=pid_nr(number),
        cred=cred(uid=uid),
        comm=name[:15],
        signal=signal,
        sighand=sighand,
        files=files_struct(),
        exit_signal=SIGCHLD,
        flags=PF_KTHREAD if kthread else 0,
        memcg=memcg,
        exec_state=_exec_state(mm),
    )
    task.group_leader = task
    task._thread_name = thread_name
    if kthread:
        sighand.action = dict.fromkeys(range(1, _NSIG + 1), SIG_IGN)
    else:
        _give_mm(task, mm, regions)
        task._program = lambda: user_mode(None)
    _enlist(task, number, parent or init_tasks().next.entry)
    if memcg is not None:
        memcg.procs = [*memcg.procs, task]
    return task


def _next_number() -> pid:
    number = alloc_pid(init_pid_ns())
    if not isinstance(number, pid):
        raise UsageError("spawn(): no number is left for another task")
    return number


def _give_mm(
    task: task_struct, mm: mm_struct | None, regions: Sequence[Region]
) -> None:
    if mm is None:
        mm = mm_alloc()
        mm.owner = task
        _map_all(mm, regions)
    else:
        mmget(mm)
        mm_flags_set(MMF_MULTIPROCESS, mm)
    task.mm = mm
    task.active_mm = mm


def _exec_state(mm: mm_struct | None) -> task_exec_state:
    """Return what the users of *mm* share; who has it alone may be looked into."""
    owner: task_struct | None = None if mm is None else mm.owner
    if owner is None:
        return task_exec_state(dumpable=TASK_DUMPABLE_OWNER)
    shared: task_exec_state = owner.__dict__["exec_state"]
    return shared


def _map_all(mm: mm_struct, regions: Sequence[Region]) -> None:
    start = _BASE
    for region in regions:
        page = 4096
        length = -(-region.size // page) * page
        populated = region.populated
        if populated is None:
            populated = length - region.swapped
        _map_region(
            mm,
            start if region.start is None else region.start,
            length,
            kind=region.kind,
            shared=region.shared,
            populate_pages=populated // page,
            swapped_pages=region.swapped // page,
        )
        start += -(-length // _ALIGN) * _ALIGN + _ALIGN


def _enlist(task: task_struct, number: pid, parent: task_struct | None) -> None:
    """Do what ``copy_process()`` does past the point of no failure."""
    inc_rlimit_ucounts(task.__dict__["cred"].uid, 1)
    count_threads(1)
    _charge_pid(task)
    task.real_parent = parent
    task.parent = parent
    if parent is not None:
        parent.children = [*parent.children, task]
    list_add_tail_rcu(task.tasks, init_tasks())
    list_add_tail_rcu(task.thread_node, task.signal.thread_head)
    if is_child_reaper(number):
        init_pid_ns().child_reaper = task
    for kind in (PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_PID):
        init_task_pid(task, kind, number)
        attach_pid(task, kind)


def _charge_pid(task: task_struct) -> None:
    over = pids_try_charge(task.memcg, 1)
    if over is not None:
        raise UsageError(
            f"spawn(): memcg={over.path()} has room for pids_max={over.pids_max!r} "
            "tasks only: raise that, or spawn fewer"
        )


def build_thread(leader: task_struct, thread_name: str) -> task_struct:
    """Add a thread to *leader*'s group, as ``CLONE_THREAD`` does."""
    number = _next_number()
    signal = leader.signal
    sighand = leader.__dict__["sighand"]
    mm = leader.__dict__["mm"]
    task = task_struct(
        pid=pid_nr(number),
        tgid=leader.tgid,
        cred=leader.__dict__["cred"],
        comm=leader.__dict__["comm"],
        signal=signal,
        sighand=sighand,
        files=leader.__dict__["files"],
        exit_signal=-1,
        memcg=leader.memcg,
        exec_state=leader.__dict__["exec_state"],
    )
    task.group_leader = leader
    task._thread_name = thread_name
    task._program = lambda: user_mode(None)
    mmget(mm)
    task.mm = mm
    task.active_mm = mm
    task.real_parent = leader.__dict__["real_parent"]
    task.parent = leader.__dict__["parent"]
    inc_rlimit_ucounts(task.__dict__["cred"].uid, 1)
    count_threads(1)
    _charge_pid(task)
    refcount_inc(sighand.count)
    refcount_inc(signal.sigcnt)
    atomic_inc(signal.live)
    atomic_inc(leader.__dict__["files"].count)
    signal.nr_threads += 1
    signal.quick_threads += 1
    list_add_tail_rcu(task.thread_node, signal.thread_head)
    init_task_pid(task, PIDTYPE_PID, number)
    attach_pid(task, PIDTYPE_PID)
    return task


def start_kthread(
    machine: Machine, name: str, body: Callable[[], object]
) -> task_struct:
    """Make a kernel thread that runs *body* from the machine's first run on."""
    task = build_process(machine, name=name, thread_name=name, kthread=True)
    task._thread = machine.thread(
        name, body, task=task, sleep=Sleep.INTERRUPTIBLE, access=Access.READ
    )
    return task
