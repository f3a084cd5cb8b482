# SPDX-License-Identifier: GPL-2.0-only
"""The laws of a kernel at rest, one short function each.

They count who *should* hold a reference by looking at the objects, and compare
with what the counters say. A counter that says more is a leak, one that says
less is a use after free that has not happened yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .engine.ledger import Account, calls
from .errors import InvariantViolation, Leak, RefcountError
from .holds import holds
from .linux.binfmts import linux_binprm
from .linux.bitops import Bit
from .linux.fdtable import pidfd_file
from .linux.maple_tree import mtree_empty
from .linux.mm_types import MMF_OOM_SKIP, MMF_UNSTABLE, _tree_of, mm_struct
from .linux.mmu_notifier import mmu_notifier
from .linux.pid import PIDTYPE_MAX, pid
from .linux.proc_fs import ProcFile
from .linux.sched import PF_KTHREAD, TIF_MEMDIE, task_struct
from .linux.sched.signal import sighand_struct, signal_struct
from .linux.timer import timer_list
from .mm.oom_kill import oom
from .patches.shadow import Shadow

if TYPE_CHECKING:
    from .engine.events import Event
    from .engine.machine import Machine
    from .engine.objects import Named, Struct

__all__ = ["LAWS", "Law", "Watch", "check_at_rest"]


@frozen
class Law:
    """One law: its name, what it says, and a check that yields broken cases."""

    name: str
    says: str
    check: Callable[[Machine], Iterator[tuple[Named, int, int]]]


def _alive(machine: Machine, kind: type[Struct]) -> list[Struct]:
    return [obj for obj in machine.alive if type(obj) is kind]


def _field(obj: Struct, name: str) -> object:
    return obj.__dict__[name]


def _declared(counter: Named) -> int:
    return sum(hold.counter is counter for hold in holds())


def _borrows(task: Struct) -> bool:
    """Tell whether a task only keeps what it shows, or showed last: a kernel thread."""
    flags = task.__dict__["flags"]
    return bool(flags & PF_KTHREAD) and not _field(task, "exit_state")


def _held_by_exec(task: Struct, mm: mm_struct) -> bool:
    """Tell whether an exec is about to show *mm*, or to give it up."""
    bprm = _field(task, "_bprm")
    return isinstance(bprm, linux_binprm) and mm in (bprm.mm, bprm.old_mm)


def _mm_users(machine: Machine) -> Iterator[tuple[Named, int, int]]:
    tasks = _alive(machine, task_struct)
    for mm in _alive(machine, mm_struct):
        assert isinstance(mm, mm_struct)
        users = sum(
            _field(t, "mm") is mm and not _borrows(t) for t in tasks
        ) + _declared(mm.mm_users)
        users += sum(_held_by_exec(t, mm) for t in tasks)
        yield mm.mm_users, users, mm.mm_users.counter


def _mm_count(machine: Machine) -> Iterator[tuple[Named, int, int]]:
    signals = _alive(machine, signal_struct)
    notifiers, files = _alive(machine, mmu_notifier), _alive(machine, ProcFile)
    kthreads = [t for t in _alive(machine, task_struct) if _borrows(t)]
    shadows = [obj._pins() for obj in machine.alive if isinstance(obj, Shadow)]
    for mm in _alive(machine, mm_struct):
        assert isinstance(mm, mm_struct)
        count = sum(_field(s, "oom_mm") is mm for s in signals)
        count += bool(mm.mm_users.counter) + _declared(mm.mm_count)
        count += sum(_field(t, "active_mm") is mm for t in kthreads)
        count += sum(pinned is mm for pinned in shadows)
        count += sum(_field(f, "private_data") is mm for f in files)
        count += sum(
            _field(n, "mm") is mm and bool(_field(n, "_holds_mm")) for n in notifiers
        )
        yield mm.mm_count, count, mm.mm_count.counter


def _awaits_reaper(task: Struct) -> bool:
    """Tell whether a task is to be reaped, and time stands."""
    timer = task.__dict__.get("oom_reaper_timer")
    return isinstance(timer, timer_list) and timer.expires is not None


def _queued_for_reaper() -> list[task_struct]:
    """List those whose time is up; some are left where nobody reaps.

    A bug can make a circle of the list.
    """
    queued: list[task_struct] = []
    task = oom().oom_reaper_list
    while task is not None and task not in queued:
        queued.append(task)
        task = task.oom_reaper_list
    return queued


def _task_usage(machine: Machine) -> Iterator[tuple[Named, int, int]]:
    queued = _queued_for_reaper()
    for task in _alive(machine, task_struct):
        assert isinstance(task, task_struct)
        usage = bool(task.rcu_users.counter) + _declared(task.usage)
        usage += _awaits_reaper(task) + queued.count(task)
        yield task.usage, usage, task.usage.counter


def _sigcnt(machine: Machine) -> Iterator[tuple[Named, int, int]]:
    tasks = _alive(machine, task_struct)
    for signal in _alive(machine, signal_struct):
        assert isinstance(signal, signal_struct)
        count = sum(_field(t, "signal") is signal for t in tasks)
        yield signal.sigcnt, count, signal.sigcnt.counter


def _sighand(machine: Machine) -> Iterator[tuple[Named, int, int]]:
    tasks = _alive(machine, task_struct)
    for sighand in _alive(machine, sighand_struct):
        assert isinstance(sighand, sighand_struct)
        count = sum(_field(t, "sighand") is sighand for t in tasks)
        yield sighand.count, count, sighand.count.counter


def _pids(machine: Machine) -> Iterator[tuple[Named, int, int]]:
    files = _alive(machine, pidfd_file) + _alive(machine, ProcFile)
    tasks = _alive(machine, task_struct)
    for number in _alive(machine, pid):
        assert isinstance(number, pid)
        borne = any(number.tasks[kind].next.entry for kind in range(PIDTYPE_MAX))
        count = borne + sum(_field(f, "pid") is number for f in files)
        count += sum(_field(t, "_waited_for") is number for t in tasks)
        yield number.count, count + _declared(number.count), number.count.counter


def _victims(machine: Machine) -> Iterator[tuple[Named, int, int]]:
    tasks = _alive(machine, task_struct)
    marked = sum(
        t.thread_flags._has(TIF_MEMDIE) for t in tasks if isinstance(t, task_struct)
    )
    yield oom().oom_victims, marked, oom().oom_victims.counter


#: All laws, in the order in which they are checked.
LAWS: Final = (
    Law(
        "mm-users",
        "every user of an address space is a task that shows it, or is in an exec",
        _mm_users,
    ),
    Law(
        "mm-count",
        "its users together hold one reference on the structure; victims' groups, "
        "notifiers, kernel threads and files of memory hold one each",
        _mm_count,
    ),
    Law(
        "task-usage",
        "at rest only a task's visibility keeps it, or the queue of the reaper",
        _task_usage,
    ),
    Law("sigcnt", "each task of a group holds its signal_struct", _sigcnt),
    Law("sighand", "each task that is not released holds its sighand", _sighand),
    Law(
        "pid-count",
        "a pid is held by its bearers together, by files and waits",
        _pids,
    ),
    Law("oom-victims", "oom_victims counts the threads with TIF_MEMDIE", _victims),
)


class Watch:
    """Watches steps for two laws that a machine at rest cannot show any more.

    *mm-lifetime*: nobody frees the structure of an address space that is in use.
    *reap-before-teardown*: no reap pass begins on one that was taken down:
    ``exit_mmap()`` sets ``MMF_OOM_SKIP`` and then passes through ``mmap_lock`` for
    writing; who gets the lock for reading later has to see the flag and leave.
    """

    def event(self, event: Event) -> None:
        """Look at drops of the last reference, and at how a reap pass begins."""
        if event.kind in ("atomic_dec_and_test", "atomic_dec_and_call"):
            if event.value == 0 and isinstance(event.obj.owner, mm_struct):
                self._last_drop(event, event.obj.owner)
        elif event.kind == "set_bit" and isinstance(event.obj, Bit):
            if event.obj.nr == MMF_UNSTABLE and isinstance(event.obj.owner, mm_struct):
                self._reap(event, event.obj.owner)

    def at_rest(self, machine: Machine) -> None:
        """Nothing to say: these laws are about steps."""

    def _last_drop(self, event: Event, mm: mm_struct) -> None:
        if event.obj is not mm.mm_count or not mm.mm_users.counter:
            return
        machine = event.thread.machine
        users = [t for t in _alive(machine, task_struct) if _field(t, "mm") is mm]
        # Who comes last, and how many use it by then, is chance: not in the summary.
        facts = [("law", "mm-lifetime: its users together keep the structure")]
        facts += [("freed", f"by {event.thread.name}, {_deed(event)}")]
        facts += [("mm_users", str(mm.mm_users.counter))]
        facts += [("in use", f"by {t.name} ({_field(t, 'comm')})") for t in users]
        facts += [(e.thread.name, _deed(e)) for e in _story(machine, mm.mm_count)]
        raise RefcountError(
            f"the last reference on {mm.name} was dropped while it was in use",
            facts=facts,
        )

    def _reap(self, event: Event, mm: mm_struct) -> None:
        if mm.mm_users.counter or not mm.flags._has(MMF_OOM_SKIP):
            return
        if not mtree_empty(_tree_of(mm)):
            return
        events = event.thread.machine.events
        skip = mm.flags.bit(MMF_OOM_SKIP)
        gone = [e for e in events if e.obj is skip and e.thread is not event.thread]
        facts = [("law", "reap-before-teardown: a pass ends before the tree goes")]
        facts += [("taken down", f"by {e.thread.name}, {_deed(e)}") for e in gone[-1:]]
        facts.append(("reap pass", f"by {event.thread.name}, {_deed(event)}"))
        raise InvariantViolation(
            f"{event.thread.name} reaps {mm.name}, which was taken down before",
            facts=facts,
        )


def check_at_rest(machine: Machine) -> None:
    """Check every law; the first broken one is raised as a report.

    Context: The machine is at rest, and the caller is its host.
    """
    for law in LAWS:
        for counter, expected, found in law.check(machine):
            if expected != found:
                raise _broken(machine, law, counter, expected, found)


def _broken(
    machine: Machine, law: Law, counter: Named, expected: int, found: int
) -> InvariantViolation | Leak:
    facts = [("law", f"{law.name}: {law.says}"), ("owners", str(expected))]
    if found > expected:
        return Leak(
            f"{counter.name} is {found} at rest, but {expected} can be accounted for",
            facts=[*facts, *Account(counter, machine.events).facts()],
        )
    facts += [
        (f"{event.thread.name}", _deed(event)) for event in _story(machine, counter)
    ]
    return InvariantViolation(
        f"{counter.name} is {found} at rest, but {expected} hold a reference",
        facts=facts,
    )


def _story(machine: Machine, counter: Named) -> list[Event]:
    """Return the last things that happened to *counter*."""
    told = [event for event in machine.events if event.obj is counter]
    return told[-8:]


def _deed(event: Event) -> str:
    return f"step {event.index}: {event.kind} -> {event.value}{calls(event)}"
