# SPDX-License-Identifier: GPL-2.0-only
"""The scenes in which the victim's family matters: sharers that come, go, or wait."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from ...boot import Region, _map_all
from ...linux.completion import completion
from ...linux.mm_types import MMF_MULTIPROCESS
from ...linux.sched import task_struct
from ...linux.uapi import SIGCHLD, SIGKILL
from ...linux.uapi_sched import CLONE_NEWPID, CLONE_VM
from ...syscalls import clone, execve, exit_group, fork, kill, pause
from ...workbench import Machine, Process
from .cast import (
    MEMORY,
    ONE_MAPPING,
    TWO_MAPPINGS,
    Cast,
    ignores_children,
    nobody_waits,
)
from .outcomes import Judged

__all__ = [
    "clones_meanwhile",
    "execs_meanwhile",
    "init_shares",
    "sharer_in_another_namespace",
    "sharer_leaves",
    "sharer_left_before",
    "vfork_child",
]

_PARTS: Final = ("app", "lmkd")
#: What the first child of a namespace's init is called there.
_FIRST_CHILD: Final = 2


def vfork_child(m: Machine) -> Judged:
    """The victim is in ``vfork()``, and its parent uses the memory.

    That the parent waits is left out: it sleeps, as it would.
    """
    parent = m.spawn("maker", regions=MEMORY)
    cast = Cast.of(m, read=False, shares=parent, memory=())
    with m.as_boot():
        cast.victim.task.vfork_done = completion()
        cast.mm.flags.bit(MMF_MULTIPROCESS).value = False  # not for vfork()
    cast.sharers = (parent,)
    cast.roles["maker"] = "X"
    return cast.play()


def clones_meanwhile(m: Machine, memory: Sequence[Region] = ONE_MAPPING) -> Judged:
    """The victim makes a process that shares its memory, while it is being killed."""
    cast = Cast.of(m, read=False, memory=memory)
    cast.roles["sharer"] = "X"

    def sharer() -> None:
        pause()

    @cast.victim.runs
    def _() -> None:
        clone(CLONE_VM | SIGCHLD, sharer)
        pause()

    return cast.play()


def execs_meanwhile(m: Machine) -> Judged:
    """The victim turns to another program, and to other memory."""
    cast = Cast.of(m, read=False, memory=TWO_MAPPINGS)

    @cast.victim.runs
    def _() -> None:
        execve(pause, "other")

    return cast.play()


def sharer_in_another_namespace(m: Machine) -> Judged:
    """A process shares the memory that the caller cannot name.

    It makes a pid namespace; the init of that makes the victim and the caller.
    """
    nobody_waits(m)
    outer = m.spawn("outer", regions=MEMORY)

    def chief() -> None:
        clone(CLONE_VM | SIGCHLD)
        fork()
        pause()

    @outer.runs
    def _() -> None:
        clone(CLONE_VM | CLONE_NEWPID | SIGCHLD, chief)
        pause()

    m.run()
    inner = next(t for t in m.tasks() if t._thread_name == "chief")
    with m.as_boot():
        pairs = zip(inner.children, _PARTS, strict=True)
        app, lmkd = (_named(m, task, name) for task, name in pairs)
    cast = Cast.naming(m, app, (lmkd,))
    cast.sharers = (outer,)
    cast.roles |= {"outer": "X", "chief": "X"}
    cast.let_release(lmkd, pid=_FIRST_CHILD)
    return cast.play()


def _named(m: Machine, task: task_struct, name: str) -> Process:
    task._thread_name = name
    process = Process(m, task, name)
    m.processes.append(process)
    return process


def sharer_leaves(m: Machine) -> Judged:
    """A process that shares the memory exits by itself, and leaves no zombie."""
    cast = Cast.of(m, read=False, memory=TWO_MAPPINGS)
    cast.share("helper", parent=ignores_children(m)).runs(partial(exit_group, 0))
    return cast.play()


def sharer_left_before(m: Machine) -> Judged:
    """A process shared the memory once; it is gone when all begins."""
    cast = Cast.of(m, read=False, callers=())
    helper = cast.share("helper", parent=ignores_children(m))
    kill(helper.pid, SIGKILL)
    m.run()
    cast.sharers = ()
    cast.call_in("lmkd")
    return cast.play()


def init_shares(m: Machine) -> Judged:
    """Init shares the memory: nobody can kill it."""
    init = m.init
    with m.as_boot():
        mm = init.mm
        assert mm is not None  # it has just booted
        _map_all(mm, MEMORY)
    cast = Cast.of(m, read=False, shares=init, memory=())
    cast.sharers = (init,)
    cast.roles["init"] = "X"
    return cast.play()
