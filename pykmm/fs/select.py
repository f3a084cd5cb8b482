# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for descriptors — ``fs/select.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..errno import ERESTARTNOHAND
from ..linux.fdtable import OpenFile, pidfd_file
from ..linux.uapi import POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDNORM, POLLWRNORM
from ..linux.wait import wait_event_interruptible
from .file import _fd
from .pidfs import pidfd_poll

__all__ = ["poll"]

#: What a file answers whose kind knows no waiting.
_DEFAULT_POLLMASK = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM


def _look(opened: OpenFile, events: int) -> int:
    found = _DEFAULT_POLLMASK
    if isinstance(opened, pidfd_file):
        found = pidfd_poll(opened)
    return found & (events | POLLHUP)


@mirrors(
    "fs/select.c",
    checked="v7.2",
    abridged="one descriptor, and a time-out of nothing or for ever",
)
def poll(fd: int, events: int, *, wait: bool) -> int:
    """System call: find out which of *events* a descriptor has, waiting for one.

    Context: May sleep, interruptibly, unless *wait* is false.
    Return: The events, and whatever else was not asked for but cannot be missed;
        POLLNVAL for no descriptor; -ERESTARTNOHAND for a signal.
    """
    with _fd(fd) as opened:
        if opened is None:
            return POLLNVAL
        if not wait or not isinstance(opened, pidfd_file):
            return _look(opened, events)
        polled, found = opened, 0

        def look() -> int:
            nonlocal found
            found = _look(polled, events)
            return found

        wait_event_interruptible(polled.pid.wait_pidfd, look)
        return found or -ERESTARTNOHAND
