# SPDX-License-Identifier: GPL-2.0-only
"""How a daemon kills a process and gets its memory back, under each design."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...engine.machine import Machine
from ...linux.uapi import SIGKILL
from ...patches.designs.signal_expedite import PIDFD_SIGNAL_EXPEDITE
from ...patches.designs.signal_mm_group import PIDFD_SIGNAL_MM_GROUP
from ...syscalls import kill, pidfd_open, pidfd_send_signal, process_mrelease

__all__ = ["caller_for", "release"]

#: PROCESS_MRELEASE_REAP_KILL of the designs that have it.
_REAP_KILL: Final = 1


def _two_calls(pid: int, fd: int) -> int:
    """Kill, then release."""
    return kill(pid, SIGKILL) or process_mrelease(fd, 0)


def _one_call(pid: int, fd: int) -> int:
    """Let the release kill."""
    del pid
    return process_mrelease(fd, _REAP_KILL)


def _mm_group(pid: int, fd: int) -> int:
    """Kill all who share the memory, then release it."""
    del pid
    flags = PIDFD_SIGNAL_MM_GROUP
    return pidfd_send_signal(fd, SIGKILL, None, flags) or process_mrelease(fd, 0)


def _expedite(pid: int, fd: int) -> int:
    """Let the signal release, or see to it."""
    del pid
    return pidfd_send_signal(fd, SIGKILL, None, PIDFD_SIGNAL_EXPEDITE)


#: What the designs that are not used in two calls ask for.
_CALLERS: Final[dict[str, Callable[[int, int], int]]] = {
    "B0": _one_call,
    "B": _one_call,
    "C": _one_call,
    "D": _one_call,
    "E": _one_call,
    "H1": _mm_group,
    "H2": _expedite,
    "H3": _expedite,
}


def caller_for(machine: Machine) -> Callable[[int, int], int]:
    """Return what a daemon does on *machine*, with a pid and a pidfd."""
    for patch in machine.applied:
        if patch.name in _CALLERS:
            return _CALLERS[patch.name]
    return _two_calls


def release(machine: Machine, pid: int) -> int:
    """Kill process *pid* and release its memory; the last call's result."""
    fd = pidfd_open(pid, 0)
    return fd if fd < 0 else caller_for(machine)(pid, fd)
