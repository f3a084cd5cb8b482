# SPDX-License-Identifier: GPL-2.0-only
"""What several subcommands say in the same words."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ..trace import complete, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.scheduler import Schedule
    from ..errors import Report
    from ..scenario import Scenario
    from ..trace import Trace

__all__ = ["PREFERRED", "command", "drawn", "many", "quoted", "report_dict", "splat"]

#: What people look for first in a drawing: the two lives of an address space.
PREFERRED = ("mm_users", "mm_count")
_NEEDS_NO_CARE = re.compile(r"[\w\s*/:.,+=@%-]*", re.ASCII)


def many(number: int, what: str, plural: str = "") -> str:
    """Count something."""
    return f"{number} {what}" if number == 1 else f"{number} {plural or f'{what}s'}"


def command(scenario: Scenario, schedule: Schedule | str) -> str:
    """Write the line that runs *schedule* again; a shell takes it as it is."""
    kernel = "".join(
        f"--{patch.kind} {shlex.quote(patch.name)} "
        for patch in scenario.patches
        if patch.kind != "situation"  # those come with the scenario
    )
    name = shlex.quote(scenario.name)
    return f"python -m pykmm replay {kernel}{name} {quoted(schedule)}"


def quoted(schedule: Schedule | str) -> str:
    """Write *schedule* as one word of a shell."""
    text = str(schedule)
    return f'"{text}"' if _NEEDS_NO_CARE.fullmatch(text) else shlex.quote(text)


def drawn(
    trace: Trace, *, watch: Sequence[str] | None = None, full: bool = False
) -> str:
    """Draw *trace*."""
    return draw(trace, watch=watch, prefer=PREFERRED, full=full)


def splat(scenario: Scenario, report: Report, trace: Trace) -> str:
    """Write *report* with what *trace*, which led to it, shows."""
    line = command(scenario, report.schedule)
    complete(report, trace, replay=line, prefer=PREFERRED)
    return report.render()


def report_dict(report: Report) -> dict[str, object]:
    """Return *report* as plain values, its text included."""
    return {
        "kind": report.kind,
        "summary": report.summary,
        "facts": [list(fact) for fact in report.facts],
        "thread": report.thread,
        "functions": list(report.functions),
        "stack": list(report.stack),
        "held": list(report.held),
        "schedule": report.schedule,
        "replay": report.replay,
        "text": report.render(),
    }
