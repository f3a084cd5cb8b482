# SPDX-License-Identifier: GPL-2.0-only
"""Call stacks as function names, innermost first, without the plumbing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .thread import Thread

__all__ = ["noting", "stack_here", "stack_of"]

_PLUMBING = (
    "/pykmm/engine/",
    "/pykmm/detect/",
    "/pykmm/invariants.py",
    "/pykmm/linux/_waiting.py",
    "/pykmm/linux/lockdep.py",
    "/threading.py",
    "/contextlib.py",
)
_WRAPPERS = frozenset(
    {"call", "__init__", "__enter__", "__exit__", "<genexpr>", "<listcomp>"}
)


def _keep(filename: str, function: str) -> bool:
    where = filename.replace("\\", "/")
    return function not in _WRAPPERS and not any(part in where for part in _PLUMBING)


def stack_here() -> tuple[str, ...]:
    """Name the functions that the caller is in."""
    names = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if _keep(code.co_filename, code.co_name):
            names.append(code.co_name)
        frame = frame.f_back
    return tuple(names)


def noting(enter: Callable[..., None]) -> Callable[..., None]:
    """Return an *enter* that notes where a thread is before it may have to wait."""

    def enter_and_note(t: Thread, *step: object) -> None:
        t.where = stack_here()
        enter(t, *step)

    return enter_and_note


def stack_of(error: BaseException) -> tuple[str, ...]:
    """Name the functions that *error* came through."""
    names: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if _keep(code.co_filename, code.co_name):
            names.append(code.co_name)
        trace = trace.tb_next
    return tuple(reversed(names))
