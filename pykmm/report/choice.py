# SPDX-License-Identifier: GPL-2.0-only
"""Whom the kernel chose, and whether it chose at all, by the report's own word."""

from __future__ import annotations

from attrs import frozen

from .model import OomReport

__all__ = ["KernelChoice", "kernel_choice", "whats_missing"]


@frozen
class KernelChoice:
    """The kernel's decision.

    *pid* is whom it chose, None for nobody; *killed_pid* whom it then killed, who
    may be a live thread of the chosen process or, up to 5.0, a child of it.
    *bypass* says why the selection did not decide, where it did not.
    """

    pid: int | None
    comm: str
    killed_pid: int | None = None
    killed_comm: str = ""
    names_chosen: bool = False
    bypass: str | None = None


def kernel_choice(report: OomReport) -> KernelChoice:
    """Read the decision off a report that :func:`whats_missing` finds whole."""
    bypass = _bypass(report)
    if not report.kills and not report.score and not report.summary:
        return KernelChoice(None, "", bypass=bypass)
    killed = report.kills[0] if report.kills else None
    named = report.score or report.summary or killed
    assert named is not None, "one of the three was found above"
    return KernelChoice(
        pid=named.pid,
        comm=named.comm,
        killed_pid=None if killed is None else killed.pid,
        killed_comm="" if killed is None else killed.comm,
        names_chosen=named is not killed,
        bypass=bypass,
    )


def _bypass(report: OomReport) -> str | None:
    if any("oom_kill_allocating_task" in (line.why or "") for line in report.verb):
        return "vm.oom_kill_allocating_task is set"
    if report.panic is not None and "panic_on_oom" in report.panic:
        return "vm.panic_on_oom is set"
    return None


def whats_missing(report: OomReport) -> str | None:
    """Say in one sentence why a report cannot be judged; None if it can."""
    who = f"the OOM report at line {report.line}"
    if report.columns is None:
        return (
            f"{who} has no task table before it ends at line {report.last_line}: "
            "the log is cut off after the header, or vm.oom_dump_tasks was 0"
        )
    if "oom_score_adj" not in report.columns:
        return (
            f"{who} is of a kernel before 2.6.36, which had no oom_score_adj: "
            "its heuristic is not modelled, pass a newer report"
        )
    if not report.rows:
        return (
            f"{who} has the head of a task table but no row that can be read: "
            "the log is cut off or damaged there"
        )
    if _names_nobody(report):
        return (
            f"{who} ends at line {report.last_line} with row {len(report.rows)} of "
            "its task table: the line that says whom the kernel killed is missing, "
            "so the log is cut off there"
        )
    return None


def _names_nobody(report: OomReport) -> bool:
    named = report.kills or report.score or report.summary
    return not (named or report.nobody or report.panic)
