# SPDX-License-Identifier: GPL-2.0-only
"""The scenes in which something else goes on: I/O, a dump, a killer of the killer."""

from __future__ import annotations

from ...fs.coredump import core_settings
from ...linux.mm import PAGE_SIZE
from ...linux.mmap_lock import mmap_write_lock, mmap_write_unlock
from ...linux.uapi import SIGKILL, SIGSEGV
from ...mm.gup_pages import FOLL_WRITE
from ...mm.memory_access import access_remote_vm
from ...patches.situations import aio
from ...syscalls import kill
from ...workbench import Machine
from .cast import Cast
from .outcomes import Judged

__all__ = ["caller_is_killed", "dumps_core", "io_under_way", "reader_touches"]


def caller_is_killed(m: Machine) -> Judged:
    """Somebody kills the caller, who may be waiting for ``mmap_lock``."""
    cast = Cast.of(m)
    lmkd, mm = cast.callers[0].pid, cast.mm

    @m.spawn("driver").runs
    def _() -> None:
        mmap_write_lock(mm)
        kill(lmkd, SIGKILL)
        mmap_write_unlock(mm)

    return cast.play()


def io_under_way(m: Machine) -> Judged:
    """The victim's last user has to wait for asynchronous I/O."""
    cast = Cast.of(m, read=False)
    with m.as_boot():
        aio.submit(cast.mm)
    cast.afterwards = aio.complete_all
    return cast.play()


def dumps_core(m: Machine) -> Judged:
    """The victim is dumping core, to a pipe that nobody reads."""
    cast = Cast.of(m, read=False)
    with m.as_boot():
        core_settings().core_pattern = "|reader"
        core_settings().pipe_buffers = 0
    victim = cast.victim.pid

    @m.spawn("admin").runs
    def _() -> int:
        return kill(victim, SIGSEGV)

    return cast.play()


def reader_touches(m: Machine) -> Judged:
    """The reader touches a page of the victim from far away."""
    cast = Cast.of(m)
    mm, at = cast.mm, cast.victim.memory[0].start

    @m.spawn("reader").runs
    def _() -> int:
        return access_remote_vm(mm, at, PAGE_SIZE, FOLL_WRITE)

    return cast.play()
