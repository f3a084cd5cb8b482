# SPDX-License-Identifier: GPL-2.0-only
"""The way back to user mode, which every system call takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from ..engine.thread import current_thread
from ..errno import EINTR, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS
from ..errors import UsageError
from ..kernel.entry.common import exit_to_user_mode_loop
from ..linux.signal import sigaction
from ..linux.uapi import SA_RESTART
from ._arguments import check_of

__all__ = ["syscall"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Numbers above are addresses, rather than something that was counted.
_ADDRESSES = 0xFFFFFFFF
#: What Linux puts before the names of functions that do a system call's work.
_PREFIXES = re.compile("^(__sys_|ksys_|kernel_)")
_RESTARTS = (-ERESTARTSYS, -ERESTARTNOINTR, -ERESTARTNOHAND)


def _as_int(value: int) -> int:
    """Cut a number to the 32 bits that an ``int`` has."""
    low = value & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def syscall(
    function: Callable[_P, _R], *, name: str = "", ints: bool = False
) -> Callable[_P, _R]:
    """Make a system call of a kernel function: its caller then takes its signals.

    A call that a signal interrupted is made again if no handler ran, or one that
    does not mind. Programs know it by *name*, if not by the function's. If all
    arguments are *ints*, nobody looks at more than 32 bits.
    """
    name = name or _PREFIXES.sub("", function.__name__)
    check = check_of(function, name)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> _R:
        if current_thread().task is None:
            raise UsageError(
                f"{name}(): nobody is there to call it: call it in a program, or as "
                "Process.call(...) does"
            )
        check(args, kwargs)
        if ints:
            args = tuple(map(_as_int, args))
            kwargs = {key: _as_int(value) for key, value in kwargs.items()}
        while True:
            result = function(*args, **kwargs)
            _note(name, result)
            handled = exit_to_user_mode_loop()
            if not isinstance(result, int) or result not in _RESTARTS:
                return result
            if handled is not None and not _goes_on(result, handled):
                return cast("_R", -EINTR)

    return cast("Callable[_P, _R]", call)


def _note(name: str, result: object) -> None:
    """Keep what a call came to, for drawings; an address as people write them."""
    thread = current_thread()
    machine = thread.machine
    if machine.stacks and isinstance(result, int):
        text = hex(result) if result > _ADDRESSES else repr(result)
        machine.answers.append((len(machine.events), thread, f"{name} = {text}"))


def _goes_on(result: int, handled: sigaction) -> bool:
    if result == -ERESTARTSYS:
        return bool(handled.sa_flags & SA_RESTART)
    return result == -ERESTARTNOINTR
