# SPDX-License-Identifier: GPL-2.0-only
"""The states of a process on its way out, and what each observer sees of it.

A scene takes a process to a state and leaves it there; then one observer looks. Each
look is a run of its own, because to look can be to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from pykmm.engine import Config, Timers
from pykmm.fs.coredump import core_settings
from pykmm.kernel.exit import exit_notify
from pykmm.kernel.fork_clone import wait_for_vfork_done
from pykmm.kernel.fork_process import copy_process
from pykmm.kernel.pid import find_vpid
from pykmm.linux.mm_types import (
    MM_ANONPAGES,
    MMF_FLAGS,
    MMF_OOM_SKIP,
    MMF_UNSTABLE,
    _tree_of,
    mm_struct,
)
from pykmm.linux.mutex import mutex_lock, mutex_unlock
from pykmm.linux.oom import oom_control, tsk_is_oom_victim
from pykmm.linux.pid import PIDTYPE_MAX, pid_nr
from pykmm.linux.pid import pid as struct_pid
from pykmm.linux.sched import task_struct, tasklist_lock
from pykmm.linux.sched.task import get_task_struct, put_task_struct, task_locked
from pykmm.linux.uapi import SIGKILL, SIGSEGV
from pykmm.mm.mmap import exit_mmap
from pykmm.mm.oom_kill import __oom_kill_process, oom
from pykmm.mm.oom_kill_reaper import oom_reap_task_mm
from pykmm.mm.oom_kill_select import LONG_MIN, oom_evaluate_task
from pykmm.mm.oom_kill_victim import mark_oom_victim
from pykmm.syscalls import exit as exit_thread
from pykmm.syscalls import (
    exit_group,
    fork,
    getpid,
    kill,
    pause,
    pidfd_open,
    process_mrelease,
    vfork,
)
from pykmm.workbench import Machine, Process

_SIZE = "64K"


@attrs.define
class Scene:
    """A process in a state, and who looks at it."""

    m: Machine
    watcher: Process
    #: Who is looked at; a scene may say that it is somebody else than *app*.
    task: task_struct
    mm: mm_struct
    pid: int
    fd: int
    victim: bool


def _app(scene: Scene) -> Process:
    return next(p for p in scene.m.processes if p.name == "app")


def _doom(scene: Scene) -> None:
    """Mark the process as a victim of the OOM killer, if the scene is about one."""
    if scene.victim:
        with task_locked(scene.task):
            mark_oom_victim(scene.task)


def _newborn(scene: Scene) -> None:
    app = _app(scene)
    app.runs(fork)
    app.step_to("write_lock_irq", on=tasklist_lock(), inside=copy_process)
    alive = list(scene.m.alive)
    scene.task = next(x for x in reversed(alive) if isinstance(x, task_struct))
    scene.mm = scene.task.__dict__["mm"]
    scene.pid = pid_nr(next(x for x in reversed(alive) if isinstance(x, struct_pid)))


def _vfork_child(scene: Scene) -> None:
    app = _app(scene)
    app.runs(lambda: vfork(pause))
    app.step_to(inside=wait_for_vfork_done)
    alive = list(scene.m.alive)
    scene.task = next(x for x in reversed(alive) if isinstance(x, task_struct))
    scene.pid = scene.task.__dict__["pid"]
    scene.fd = scene.watcher.call(pidfd_open, scene.pid, 0)


def _protected(scene: Scene) -> None:
    scene.task.signal.oom_score_adj = -1000


def _killed(scene: Scene) -> None:
    _doom(scene)
    _app(scene).freeze()
    kill(scene.pid, SIGKILL)


def _dumping(scene: Scene) -> None:
    core_settings().core_pattern, core_settings().pipe_buffers = "|slow", 1
    _app(scene).runs(lambda: kill(getpid(), SIGSEGV))
    scene.m.run()


def _shared(scene: Scene) -> None:
    scene.m.spawn("sharer", shares_mm=_app(scene))
    _killed(scene)


def _kill_for_memory(task: task_struct) -> None:
    mutex_lock(oom().oom_lock)
    __oom_kill_process(get_task_struct(task), "Out of memory")
    mutex_unlock(oom().oom_lock)


def _reaped(scene: Scene) -> None:
    _app(scene).freeze()
    scene.watcher.call(_kill_for_memory, scene.task)
    scene.m.run()


def _given_up(scene: Scene) -> None:
    with scene.m.hold(scene.mm.mmap_lock, by="writer"):
        _reaped(scene)


def _headless(scene: Scene) -> None:
    leader, _ = _app(scene).threads
    leader.runs(lambda: exit_thread(0))
    scene.m.run()


def _read(scene: Scene) -> None:
    _doom(scene)
    scene.m.hold(scene.mm.mm_users, by="reader")
    _app(scene).runs(lambda: exit_group(0))
    scene.m.run()


def _unmapping(scene: Scene) -> None:
    _doom(scene)
    _app(scene).runs(lambda: exit_group(0))
    _app(scene).step_to(inside=exit_mmap)


def _skipped(scene: Scene) -> None:
    _unmapping(scene)
    _app(scene).step_to("set_bit", on=scene.mm.flags.bit(MMF_OOM_SKIP))
    _app(scene).step_to(on=scene.mm.mmap_lock)


def _pinned(scene: Scene) -> None:
    scene.m.hold(scene.mm.mm_count, by="pin")
    _dead(scene)


def _dead(scene: Scene) -> None:
    _doom(scene)
    _app(scene).runs(lambda: exit_group(0))
    scene.m.run()


def _empty(scene: Scene) -> None:
    _headless(scene)
    _, last = _app(scene).threads
    last.runs(lambda: exit_thread(0))
    last.step_to(inside=exit_notify)


def _released(scene: Scene) -> None:
    scene.m.hold(scene.task.usage, by="somebody")
    _freed(scene)


def _freed(scene: Scene) -> None:
    _app(scene).runs(lambda: exit_group(0))
    scene.m.run()


#: Name, what it is, how to get there, and what is special about it: ``dying``, so it
#: may be a victim of the OOM killer; ``threads``: the process has two; ``reaped``: its
#: parent is init, who waits for it.
STATES: tuple[tuple[str, str, Callable[[Scene], None] | None, str], ...] = (
    ("S0", "being cloned, not attached yet", _newborn, ""),
    ("S1", "running", None, ""),
    ("S1v", "child of vfork() that shares the memory", _vfork_child, ""),
    ("S1a", "running, oom_score_adj -1000", _protected, ""),
    ("S2", "killed, and has its memory", _killed, "dying"),
    ("S2c", "dumping core", _dumping, ""),
    ("S2x", "killed, but another process uses the memory", _shared, "dying"),
    ("S2r", "reaped by the OOM reaper, and stuck", _reaped, ""),
    ("S2g", "the OOM reaper gave up: mmap_lock was taken", _given_up, ""),
    ("S3", "leader dead, another thread lives", _headless, "threads"),
    ("S4'", "no task shows the memory, a reader holds it", _read, "dying"),
    ("S4", "exit_mmap() before MMF_OOM_SKIP", _unmapping, "dying"),
    ("S5", "MMF_OOM_SKIP set, page tables to be freed", _skipped, "dying"),
    ("S6", "mappings gone, the structure held", _pinned, "dying"),
    ("S7", "zombie that nobody waits for", _dead, "dying"),
    ("S7L", "dead leader, a last thread without memory", _empty, "threads"),
    ("S8", "released, the task_struct held", _released, "reaped"),
    ("S9", "freed", _freed, "reaped"),
)


def staged(state: str, look: Callable[[Scene], str], *, victim: bool = False) -> str:
    """Take a process to a state, and return what an observer says of it."""
    _, _, stage, how = next(row for row in STATES if row[0] == state)
    with Machine(Config(timers=Timers.IDLE)) as m:
        parent = None if how == "reaped" else m.spawn("parent")
        app = m.spawn(
            "app", anon=_SIZE, parent=parent, threads=2 if how == "threads" else 1
        )
        watcher = m.spawn("watcher")
        fd = watcher.call(pidfd_open, app.pid, 0)
        scene = Scene(m, watcher, app.task, app.space, app.pid, fd, victim)
        if stage is not None:
            stage(scene)
        return look(scene)


# -- the observers ---------------------------------------------------------------------


def shown(scene: Scene) -> str:
    """Say whether the task shows an address space, or another one of its group."""
    facts = scene.task.__dict__
    if scene.task._death is not None:
        return "-"
    if facts["mm"] is not None:
        return "set"
    if facts["sighand"] is not None:
        group = [t for t in scene.m.alive if isinstance(t, task_struct)]
        if any(t.signal is scene.task.signal and t.__dict__["mm"] for t in group):
            return "None, of a thread: set"
    return "None"


def users(scene: Scene) -> str:
    """Return ``mm_users``."""
    return str(scene.mm.mm_users.counter) if scene.mm in scene.m.alive else "-"


def mappings(scene: Scene) -> str:
    """Return how many mappings there are."""
    return str(len(_tree_of(scene.mm)._entries())) if scene.mm in scene.m.alive else "-"


def _resident(mm: mm_struct) -> int:
    return mm.rss_stat[MM_ANONPAGES].counter


def pages(scene: Scene) -> str:
    """Return how many pages are mapped."""
    return str(_resident(scene.mm)) if scene.mm in scene.m.alive else "-"


def flags(scene: Scene) -> str:
    """Name the flags of the address space."""
    if scene.mm not in scene.m.alive:
        return "-"
    names = [n for n, bit in MMF_FLAGS.items() if scene.mm.flags._has(bit)]
    return " ".join(n.removeprefix("MMF_").removeprefix("OOM_") for n in names) or "-"


def visible(scene: Scene) -> str:
    """Say what the number leads to."""
    number = scene.watcher.call(find_vpid, scene.pid)
    if number is None:
        return "no"
    heads = (number.tasks[kind] for kind in range(PIDTYPE_MAX))
    return "yes" if any(head.next.entry for head in heads) else "number only"


def scan(scene: Scene) -> str:
    """Ask the OOM killer what it thinks of the process."""
    if scene.task not in scene.m.tasks():
        return "not visited"
    return scene.watcher.call(_evaluate, scene.task)


def _evaluate(task: task_struct) -> str:
    oc = oom_control(totalpages=1 << 20, chosen_points=LONG_MIN)
    if oom_evaluate_task(task, oc):
        return "aborts"
    if isinstance(oc.chosen, task_struct):
        put_task_struct(oc.chosen)
        return "candidate"
    return "passed over" if tsk_is_oom_victim(task) else "no candidate"


def mrelease(scene: Scene) -> str:
    """Release the memory, and say what that brought."""
    fd = scene.fd
    if scene.pid != _app(scene).pid:
        fd = scene.watcher.call(pidfd_open, scene.pid, 0)
        if fd < 0:
            return f"{fd!r} (no descriptor)"
    before = _resident(scene.mm)
    answer = scene.watcher.call(process_mrelease, fd, 0)
    return repr(answer) if answer else f"0, {before - _resident(scene.mm)} pages"


def reap(scene: Scene) -> str:
    """Let the OOM reaper have a go, and say what that brought."""
    mm = scene.mm
    if mm not in scene.m.alive:
        return "-"
    before = _resident(mm), mm.flags._has(MMF_UNSTABLE)
    scene.watcher.call(oom_reap_task_mm, scene.task, mm)
    if (_resident(mm), mm.flags._has(MMF_UNSTABLE)) == before:
        return "leaves"
    return f"{before[0] - _resident(mm)} pages"


#: The columns, and who says what stands there.
OBSERVERS: dict[str, Callable[[Scene], str]] = {
    "task.mm": shown,
    "mm_users": users,
    "VMAs": mappings,
    "pages": pages,
    "flags": flags,
    "pid visible": visible,
    "mrelease": mrelease,
    "scan": scan,
}


TEXT = """\
# The states of a process, from alive to freed

Found out by running: `docs/reference/states.py` takes a process to each state and lets
one observer look, in a machine of its own for each look.
The process has one mapping of 16 pages.

- *VMAs*, *pages* and *flags* are those of the address space that it showed last; a dash
  stands where the structure is freed.
- *mrelease* is what `process_mrelease()` answers, through a descriptor that was opened
  before, and how many pages that brought.
- *scan* is what the OOM killer's search says, and *scan if a victim* what it says of a
  process that is marked as its victim.
- *a reap* is a visit of the OOM reaper; it leaves where `MMF_OOM_SKIP` is set.

"""
HEAD = ", ".join(("state", "what", *OBSERVERS, "scan if a victim", "a reap"))


def rows() -> Iterator[tuple[str, ...]]:
    """Yield what stands in the table."""
    for state, what, stage, how in STATES:
        seen = [staged(state, look) for look in OBSERVERS.values()]
        dying = how == "dying"
        as_victim = staged(state, scan, victim=True) if dying else "-"
        late = dying or stage in (_reaped, _given_up)
        reaped = staged(state, reap, victim=dying) if late else "-"
        yield (state, what, *seen, as_victim, reaped)
