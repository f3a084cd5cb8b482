# SPDX-License-Identifier: GPL-2.0-only
"""The way back to user mode, which every system call takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..kernel.entry.common import exit_to_user_mode_loop

__all__ = ["syscall"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def syscall(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a system call of a kernel function: its caller then takes its signals."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        result = function(*args, **kwargs)
        exit_to_user_mode_loop()
        return result

    return call
