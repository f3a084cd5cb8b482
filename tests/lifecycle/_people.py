# SPDX-License-Identifier: GPL-2.0-only
"""Running programs on threads, and looking at tasks without a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pykmm.engine.events import Access
from pykmm.engine.objects import Named
from pykmm.engine.step import enter, leave
from pykmm.engine.thread import Sleep
from pykmm.linux.rculist import list_entries
from pykmm.linux.sched import task_struct
from pykmm.linux.uapi import O_WRONLY
from pykmm.syscalls import getpid, kill, open, write
from pykmm.workbench import Machine, Process


def threads(p: Process) -> list[task_struct]:
    """The threads of a process, its leader first; the host looks."""
    return list_entries(p.task.signal.thread_head)


def call(m: Machine, name: str, program: Callable[[], object], **facts: Any) -> object:
    """Run one more process to rest, and return what its program returned."""
    process = m.spawn(name, **facts)
    process.runs(program)
    m.run()
    return process.result


def oom_kill(m: Machine) -> None:
    """Have the OOM killer choose somebody, as root can, and run to rest.

    Those who are to be chosen, and to be looked at afterwards, are worth more than
    the others to the killer, and frozen. The reaper comes to them in this run.
    """

    def root() -> object:
        return write(open("/proc/sysrq-trigger", O_WRONLY), "f")

    assert call(m, "root", root) == 1


def until(condition: Callable[[], object]) -> None:
    """Take steps of no consequence until the others have come so far."""
    while not condition():
        kill(getpid(), 0)


def wait_for(
    obj: Named,
    guard: Callable[[], object],
    sleep: Sleep = Sleep.UNINTERRUPTIBLE,
) -> None:
    """Wait, in one step, until *guard*, which looks at *obj* only."""
    t = enter(obj, "until", guard, sleep)
    leave(t, obj, Access.WAIT, None, True)


def plain(task: task_struct, field: str) -> Any:
    """A field of a task, alive or dead."""
    return task.__dict__[field]


def is_gone(p: Process) -> bool:
    """Whether nothing of the process is left."""
    return p.task._death is not None
