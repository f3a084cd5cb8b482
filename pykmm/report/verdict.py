# SPDX-License-Identifier: GPL-2.0-only
"""The answer about one report: every task's points, and who should have died."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from .model import OomReport

__all__ = ["JudgedRow", "Outcome", "Verdict"]


class Outcome(Enum):
    """How the kernel's choice and the model's compare."""

    AGREES = "agrees"
    DIFFERS = "differs"
    BYPASSED = "bypassed"
    UNDECIDED = "undecided"


@frozen
class JudgedRow:
    """One task of the table with its points; None means not eligible."""

    index: int
    pid: int
    tgid: int
    uid: int
    comm: str
    oom_score_adj: int
    rss: int
    swapents: int | None
    pgtable_pages: int | None
    points: int | None
    reason: str
    chosen: bool
    killed: bool


@frozen
class Verdict:
    """What the model says about one report.

    *model_pid* is whom the rules choose, *kernel_pid* whom the kernel chose; None
    is nobody. *condition* names the assumption without which the two would not
    agree, where there is one.
    """

    name: str
    number: int
    outcome: Outcome
    explanation: str
    report: OomReport
    rows: tuple[JudgedRow, ...] = ()
    rules: str | None = None
    rules_why: str | None = None
    commits: tuple[str, ...] = ()
    constraint: str | None = None
    totalpages: int | None = None
    totalpages_source: str | None = None
    model_pid: int | None = None
    kernel_pid: int | None = None
    condition: str | None = None

    @property
    def decided(self) -> bool:
        """Tell whether the report allowed an answer."""
        return self.outcome is not Outcome.UNDECIDED

    @property
    def fine(self) -> bool:
        """Tell whether nothing speaks against the model here."""
        return self.outcome is not Outcome.DIFFERS
