# SPDX-License-Identifier: GPL-2.0-only
"""Results for the kernel's own test tools: KTAP, version 1.

The format is told in ``Documentation/dev-tools/ktap.rst``. Tools compare results by
name, so an exploration is one test whose subtests are the same every time: one for
each kind of report, and one that says whether the exploration was complete. A limit
is no pass: what was not explored to its end skips that last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..detect import DETECTORS
from ..errors import Report, kinds
from .words import command, many

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..runner import Result
    from ..scenario import Scenario

__all__ = ["Case", "explored", "ktap"]

#: Of the kinds of reports those that only a detector makes.
_DETECTED: Final = {
    "data-race": "kcsan",
    "hung-task": "hung_task",
    "livelock": "hung_task",
    "lock-inversion": "lockdep",
}
_LAST: Final = "complete"


@frozen
class Case:
    """A test: what it came to, what there is to say of it, and what it consists of."""

    name: str
    passed: bool = True
    #: What stands behind the name: a directive such as ``SKIP`` and why, or a remark.
    note: str = ""
    #: Lines that come before the result.
    told: Sequence[str] = ()
    parts: Sequence[Case] = ()

    @property
    def ok(self) -> bool:
        """Whether it and all that it consists of passed."""
        return self.passed and all(part.ok for part in self.parts)


def ktap(cases: Sequence[Case]) -> str:
    """Write *cases* and all they consist of."""
    return "".join(f"{line}\n" for line in _lines(cases))


def _lines(cases: Sequence[Case]) -> Iterator[str]:
    yield "KTAP version 1"
    yield f"1..{len(cases)}"
    for number, case in enumerate(cases, 1):
        if case.parts:
            yield from (f"  {line}" for line in _lines(case.parts))
        for text in case.told:
            yield from (f"# {line}".rstrip() for line in text.splitlines() or [""])
        result = "ok" if case.ok else "not ok"
        note = f" # {' '.join(case.note.split())}" if case.note else ""
        name = " ".join(case.name.replace("#", "_").split())
        yield f"{result} {number} {name}{note}"


def explored(
    scenario: Scenario, result: Result, detectors: Sequence[str] | None
) -> Case:
    """Make a test of an exploration with *detectors*, all of them if that is None.

    Its reports are complete: each has its drawing, and the line that replays it.
    """
    on = tuple(DETECTORS) if detectors is None else detectors
    reports: dict[str, list[Report]] = {kind: [] for kind in kinds()}
    for report in result.reports:
        reports.setdefault(report.kind, []).append(report)
    parts = [_kind(kind, reports[kind], on) for kind in sorted(reports)]
    reason = "" if result.complete else f"SKIP {result.reason}"
    told = [
        f"outcome {outcome.value!r}: {many(outcome.count, 'execution')}, "
        f"{command(scenario, outcome.witness)}"
        for outcome in result.outcomes
    ]
    return Case(
        scenario.name,
        note=f"{many(len(result.outcomes), 'outcome')}, "
        f"{many(result.executions, 'execution')}",
        told=told,
        parts=[*parts, Case(_LAST, note=reason)],
    )


def _kind(kind: str, found: Sequence[Report], on: Sequence[str]) -> Case:
    """Make a subtest of all reports of one kind; none, if nobody looked, is no pass."""
    detector = _DETECTED.get(kind)
    if detector is not None and detector not in on and not found:
        return Case(kind, note=f"SKIP detector {detector} is off")
    return Case(
        kind,
        passed=not found,
        note=many(len(found), "report") if found else "",
        told=[report.render() for report in found],
    )
