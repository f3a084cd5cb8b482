# SPDX-License-Identifier: GPL-2.0-only
"""The way back to user mode, which every system call takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from ..errno import EINTR, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS
from ..kernel.entry.common import exit_to_user_mode_loop
from ..linux.signal import sigaction
from ..linux.uapi import SA_RESTART

__all__ = ["syscall"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_RESTARTS = (-ERESTARTSYS, -ERESTARTNOINTR, -ERESTARTNOHAND)


def syscall(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a system call of a kernel function: its caller then takes its signals.

    A call that a signal interrupted is made again if no handler ran, or one that
    does not mind.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        while True:
            result = function(*args, **kwargs)
            handled = exit_to_user_mode_loop()
            if not isinstance(result, int) or result not in _RESTARTS:
                return result
            if handled is not None and not _goes_on(result, handled):
                return cast("_R", -EINTR)

    return call


def _goes_on(result: int, handled: sigaction) -> bool:
    if result == -ERESTARTSYS:
        return bool(handled.sa_flags & SA_RESTART)
    return result == -ERESTARTNOINTR
