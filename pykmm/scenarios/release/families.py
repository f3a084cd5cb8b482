# SPDX-License-Identifier: GPL-2.0-only
"""The scenes in which the victim's family matters: sharers that come, go, or wait."""

from __future__ import annotations

from ...boot import _map_all
from ...linux.completion import completion
from ...linux.mm_types import MMF_MULTIPROCESS
from ...linux.uapi import SIGCHLD
from ...linux.uapi_sched import CLONE_VM
from ...syscalls import clone, pause
from ...workbench import Machine
from .cast import MEMORY, Cast
from .outcomes import Judged

__all__ = ["clones_meanwhile", "init_shares", "vfork_child"]


def vfork_child(m: Machine) -> Judged:
    """The victim is in ``vfork()``, and its parent uses the memory.

    That the parent waits is left out: it sleeps, as it would.
    """
    parent = m.spawn("maker", regions=MEMORY)
    cast = Cast.of(m, read=False, shares=parent, memory=())
    with m._as_boot():
        cast.victim.task.vfork_done = completion()
        cast.mm.flags.bit(MMF_MULTIPROCESS).value = False  # not for vfork()
    cast.sharers = (parent,)
    cast.roles["maker"] = "X"
    return cast.play()


def clones_meanwhile(m: Machine) -> Judged:
    """The victim makes a process that shares its memory, while it is being killed."""
    cast = Cast.of(m, read=False)

    cast.roles["sharer"] = "X"

    def sharer() -> None:
        pause()

    @cast.victim.runs
    def _() -> None:
        clone(CLONE_VM | SIGCHLD, sharer)
        pause()

    return cast.play()


def init_shares(m: Machine) -> Judged:
    """Init shares the memory: nobody can kill it."""
    init = m.init
    with m._as_boot():
        mm = init.mm
        assert mm is not None  # it has just booted
        _map_all(mm, MEMORY)
    cast = Cast.of(m, read=False, shares=init, memory=())
    cast.sharers = (init,)
    cast.roles["init"] = "X"
    return cast.play()
