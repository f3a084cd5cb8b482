# SPDX-License-Identifier: GPL-2.0-only
"""A trace as the text of tracefs, which the tools around ftrace read.

A step is a microsecond, and every thread has a processor of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import Trace

__all__ = ["ftrace"]

_HEADER = """\
# tracer: nop
#
# entries-in-buffer/entries-written: {n}/{n}   #P:{cpus}
#
#           TASK-PID     CPU#     TIMESTAMP  FUNCTION
#              | |         |         |         |
"""


def ftrace(trace: Trace) -> str:
    """Write one line a step: who, when, what, to which object."""
    numbers = {thread: number for number, thread in enumerate(trace.threads, 1)}
    lines = [_HEADER.format(n=len(trace.steps), cpus=len(trace.threads))]
    for step in trace.steps:
        number = numbers[step.thread]
        who = f"{step.thread[:16]:>16}-{number:<7}"
        value = f" value={step.value}" if step.value else ""
        when = f"{step.index // 1_000_000:>5}.{step.index % 1_000_000:06}"
        lines.append(
            f"{who} [{number - 1:03}] {when}: {step.kind}: obj={step.obj}{value}\n"
        )
    return "".join(lines)
