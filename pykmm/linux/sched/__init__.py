# SPDX-License-Identifier: GPL-2.0-only
"""The task — ``include/linux/sched.h``.

The life of a task, as others see it: *running*, *exiting* (``PF_EXITING``),
*zombie* (``EXIT_ZOMBIE``: waits for its parent), *dead* (``EXIT_DEAD``: released,
in no list), *freed* (the last ``usage`` is gone).
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import TYPE_CHECKING, Any, Final, cast

from ...engine.fields import const, embedded, guarded, kernel_struct, owned, shared
from ...engine.objects import Root, Struct
from ...engine.statics import MachineLocal
from ...engine.thread import Thread, current_thread, thread_here
from ..bitops import Bit, Bits
from ..completion import completion
from ..cred import cred as struct_cred
from ..mm_types import mm_struct
from ..pid import PIDTYPE_MAX
from ..pid import pid as struct_pid
from ..rculist import list_head
from ..refcount import refcount_t
from ..signal import kernel_siginfo
from ..spinlock import rwlock_t, spinlock_t
from ..timer import timer_list
from ..uapi import MPOL_BIND, SIGKILL

if TYPE_CHECKING:
    from ..binfmts import linux_binprm
    from ..cpuset import cpuset
    from ..fdtable import files_struct
    from ..memcontrol import mem_cgroup
    from ..pid_namespace import pid_namespace
    from ..uaccess import UserWord
    from ..uapi_futex import robust_list_head
    from .exec_state import task_exec_state
    from .signal import sighand_struct, signal_struct

__all__ = [
    "EXIT_DEAD",
    "EXIT_TRACE",
    "EXIT_ZOMBIE",
    "PF_DUMPCORE",
    "PF_EXITING",
    "PF_FORKNOEXEC",
    "PF_KTHREAD",
    "PF_MEMALLOC",
    "PF_MEMALLOC_NOFS",
    "PF_MEMALLOC_NOIO",
    "PF_NOFREEZE",
    "PF_NPROC_EXCEEDED",
    "PF_POSTCOREDUMP",
    "PF_SIGNALED",
    "PF_SUSPEND_TASK",
    "PF_WQ_WORKER",
    "TASK_COMM_LEN",
    "TASK_FROZEN",
    "TIF_MEMDIE",
    "TIF_SIGPENDING",
    "current",
    "task_struct",
    "tasklist_lock",
]

# -- task->flags
PF_EXITING: Final = 0x4
PF_POSTCOREDUMP: Final = 0x8
PF_WQ_WORKER: Final = 0x20
PF_FORKNOEXEC: Final = 0x40
PF_DUMPCORE: Final = 0x200
PF_SIGNALED: Final = 0x400
PF_MEMALLOC: Final = 0x800
PF_NPROC_EXCEEDED: Final = 0x1000
PF_NOFREEZE: Final = 0x8000
PF_MEMALLOC_NOFS: Final = 0x40000
PF_MEMALLOC_NOIO: Final = 0x80000
PF_KTHREAD: Final = 0x200000
PF_SUSPEND_TASK: Final = 0x80000000

# -- task->exit_state
EXIT_DEAD: Final = 0x10
EXIT_ZOMBIE: Final = 0x20
EXIT_TRACE: Final = EXIT_ZOMBIE | EXIT_DEAD

# -- thread flags (bit numbers)
TIF_SIGPENDING: Final = 2
TIF_MEMDIE: Final = 18

# -- task->__state (a bit number)
TASK_FROZEN: Final = 15

TASK_COMM_LEN: Final = 16

_ROOT: Final = struct_cred()


class _SchedStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.tasklist_lock = rwlock_t(self)


_sched = MachineLocal(_SchedStatics)


def tasklist_lock(_: object = None) -> rwlock_t:
    """Return the machine's lock of the process list and of family links."""
    return _sched().tasklist_lock


def _siglock(task: task_struct) -> spinlock_t:
    # A released task has no sighand any more; nobody may touch what it guarded.
    sighand = task.__dict__["sighand"]
    return cast("spinlock_t", sighand.siglock if sighand else task._no_siglock)


def _thread_node(t: Struct) -> list_head[task_struct]:
    task = cast("task_struct", t)
    if task.signal is not None and task.signal._first is task:
        return task.signal.thread_head.next
    return list_head(task, task)


@kernel_struct
class task_struct(Struct):
    """One thread."""

    # -- fixed before anybody can find the task
    pid: int = const(default=0)
    tgid: int = const(default=0)
    group_leader: task_struct = const(default=None)
    signal: signal_struct = const(default=None)
    #: None is the root memory cgroup; the mems are None for all nodes.
    memcg: mem_cgroup | None = const(default=None)
    mems_allowed: frozenset[int] | None = const(default=None)
    #: Its memory policy: the nodes, and what they mean; None for no policy.
    mempolicy_nodes: frozenset[int] | None = const(default=None)
    mempolicy_mode: int = const(default=MPOL_BIND)
    #: Where it is in the tree of cpusets; None is the root.
    cpuset: cpuset | None = const(default=None)
    thread_pid: struct_pid | None = guarded(
        by=tasklist_lock, default=None, lockless=True
    )

    # -- references
    usage: refcount_t = embedded(lambda task: refcount_t(1, task))
    rcu_users: refcount_t = embedded(lambda task: refcount_t(2, task))

    # -- protected by alloc_lock (task_lock)
    alloc_lock: spinlock_t = embedded(spinlock_t)
    #: None for kernel threads and after ``exit_mm()``; only the task itself
    #: changes it, so that it reads its own without the lock.
    mm: mm_struct | None = guarded(
        by="alloc_lock", default=None, lockless=True, owner="self"
    )
    comm: str = guarded(by="alloc_lock", default="", lockless=True, owner="self")
    vfork_done: completion | None = guarded(
        by="alloc_lock", default=None, lockless=True
    )

    # -- written by the task itself
    flags: int = owned(default=0)
    active_mm: mm_struct | None = owned(default=None)
    in_user_fault: bool = owned(default=False)
    #: Where the task ran into a limit and has to wait for somebody else's help.
    memcg_in_oom: mem_cgroup | None = owned(default=None)
    cred: struct_cred = owned(default=_ROOT)
    #: What it gets when its parent's thread dies. None: it never asked for anything,
    #: which it can only do with tasklist_lock, so whoever holds that need not look.
    pdeath_signal: int | None = owned(default=None)
    #: What exec left, shared by all that were cloned with ``CLONE_VM`` since. It is
    #: replaced with alloc_lock held.
    exec_state: task_exec_state = guarded(
        by="alloc_lock", default=None, lockless=True, owner="self"
    )

    # -- protected by tasklist_lock
    exit_state: int = guarded(by=tasklist_lock, default=0, lockless=True)
    exit_signal: int = guarded(by=tasklist_lock, default=0, lockless=True)
    real_parent: task_struct | None = guarded(
        by=tasklist_lock, default=None, lockless=True
    )
    parent: task_struct | None = guarded(by=tasklist_lock, default=None, lockless=True)
    children: list[task_struct] = guarded(by=tasklist_lock, factory=list, lazy=True)
    tasks: list_head[task_struct] = embedded(lambda t: list_head(t, t))
    thread_node: list_head[task_struct] = embedded(_thread_node)
    pid_links: list[list_head[task_struct]] = embedded(
        lambda t: [list_head(t, cast("task_struct", t)) for _ in range(PIDTYPE_MAX)]
    )

    # -- who traces it, and whom it traces: that it is traced changes under
    # tasklist_lock, too, so that whoever holds either may look
    ptrace: int = guarded(by=_siglock, default=0, lockless=True)
    ptraced: tuple[task_struct, ...] = guarded(by=tasklist_lock, default=())
    #: As whom its tracer acted when it became that.
    ptracer_cred: struct_cred | None = guarded(
        by=tasklist_lock, default=None, lockless=True
    )

    # -- protected by sighand->siglock
    sighand: sighand_struct | None = shared(default=None)
    pending: Set[int] = guarded(by=_siglock, default=frozenset(), lockless=True)
    blocked: Set[int] = guarded(by=_siglock, default=frozenset(), owner="self")
    #: Stops that are asked for, and whether it stands still; who sleeps in a stop
    #: waits for a change of this.
    jobctl: int = guarded(by=_siglock, default=0, lockless=True)
    #: What is known of the signals in ``pending``, oldest first.
    _pending_list: tuple[kernel_siginfo, ...] = guarded(by=_siglock, default=())
    #: Stands in for the lock of a sighand that is gone: nobody ever holds it.
    _no_siglock: spinlock_t = embedded(spinlock_t)

    # -- no lock
    thread_flags: Bits = embedded(Bits)
    #: Of ``__state`` only one bit: TASK_FROZEN, changed under the freezer's lock.
    _state: Bits = embedded(Bits)
    files: files_struct | None = owned(default=None)
    #: Where the program wants a thread's number, and a 0 at its end.
    set_child_tid: UserWord | None = owned(default=None)
    clear_child_tid: UserWord | None = owned(default=None)
    #: Of its locks, which are given up at its end.
    robust_list: robust_list_head | None = owned(default=None)
    #: Of ``nsproxy`` only where its children's numbers come from; None: as its own.
    pid_ns_for_children: pid_namespace | None = owned(default=None)
    #: How it ended or, while it is traced, why it stands still: its own then, and
    #: its tracer's under siglock.
    exit_code: int = shared(default=0)
    #: What was blocked before ``sigsuspend()``; None otherwise.
    saved_sigmask: Set[int] | None = owned(default=None)
    #: What a traced task tells of an event.
    ptrace_message: int = shared(default=0)

    # -- the OOM reaper's: protected by oom_reaper_lock, and by being queued once
    oom_reaper_list: task_struct | None = const(default=None)
    oom_reaper_timer: timer_list = embedded(timer_list)

    # -- pykmm's own: where the task's code runs, and what it does in user mode
    _thread: Thread | None = const(default=None)
    _program: Callable[[], object] | None = const(default=None)
    _thread_name: str = const(default="")
    #: A sighand that it was the last to use. Linux's are of a type-stable cache, and
    #: can be locked through an RCU read section; here they go with the task.
    _stale_sighand: sighand_struct | None = const(default=None)
    #: What its exec keeps of address spaces, for the books at rest.
    _bprm: linux_binprm | None = const(default=None)
    #: The number that a ``wait()`` keeps while it sleeps, for the books at rest.
    _waited_for: struct_pid | None = const(default=None)

    def _signal_pending(self) -> bool:
        """Look, without a step, whether a signal ends an interruptible sleep."""
        return self.thread_flags._has(TIF_SIGPENDING)

    @property
    def _signal_object(self) -> Bit:
        """Name what a sender changes when it makes the task look."""
        return self.thread_flags.bit(TIF_SIGPENDING)

    def _change_jobctl(self, *, clear: int = 0, add: int = 0) -> None:
        """Change ``jobctl``; no step if it was so already. siglock is held."""
        wanted = self.jobctl & ~clear | add
        if wanted != self.jobctl:
            self.jobctl = wanted

    def _lacks(self, jobctl: int) -> bool:
        """Look, without a step, whether none of the bits is set."""
        return not self.__dict__["jobctl"] & jobctl

    def _fatal_signal_pending(self) -> bool:
        """Look, without a step, whether a signal ends a killable sleep."""
        return self._signal_pending() and SIGKILL in self.__dict__["pending"]


def current() -> task_struct:
    """Return the task whose code runs here."""
    task: Any = (thread_here() or current_thread()).task
    found: task_struct = task
    return found
