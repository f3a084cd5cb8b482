# SPDX-License-Identifier: GPL-2.0-only
"""Who runs here, and how it came here — ``lib/dump_stack.c``.

The stack shows the functions that Linux has, too, by their names alone: there are
no addresses.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ..engine.annotate import SYMBOLS, mirrors
from ..engine.config import BASELINE
from ..linux.printk import KERN_DEFAULT, printk_dump
from ..linux.sched import current

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["dump_stack", "dump_stack_lvl", "dump_stack_print_info"]

#: What ``uname -rv`` says, as far as a dump shows it, and how the kernel preempts.
_UTSNAME: Final = f"{BASELINE.removeprefix('v')}.0 #1"
_PREEMPT: Final = "PREEMPT(full)"


@mirrors("lib/dump_stack.c", checked="v7.2", abridged="one CPU, no hardware, no build")
def dump_stack_print_info(log_lvl: int) -> None:
    """Print the line that says which task runs on which kernel.

    Context: Any.
    """
    task = current()
    printk_dump(
        f"CPU: 0 UID: {task.cred.uid} PID: {task.pid} "
        f"Comm: {task.__dict__['comm']:.20} "
        f"Not tainted {_UTSNAME} {_PREEMPT}  ",
        log_lvl,
    )


def _functions() -> list[str]:
    """Name the running functions that mirror one of Linux's, the innermost first."""
    names = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_name
        if (frame.f_globals.get("__name__"), name) in SYMBOLS:
            names.append(name)
        frame = frame.f_back
    return names


@mirrors("lib/dump_stack.c", checked="v7.2", abridged="nobody else prints meanwhile")
def dump_stack_lvl(log_lvl: int) -> None:
    """Print who runs here and the stack, at a level.

    Context: Any.
    """
    dump_stack_print_info(log_lvl)
    printk_dump("Call Trace:", log_lvl)
    printk_dump(" <TASK>", log_lvl)
    for name in _functions():
        printk_dump(f" {name}", log_lvl)
    printk_dump(" </TASK>", log_lvl)


@mirrors("lib/dump_stack.c", checked="v7.2")
def dump_stack() -> None:
    """Print who runs here and the stack.

    Context: Any.
    """
    dump_stack_lvl(KERN_DEFAULT)
