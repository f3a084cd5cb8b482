# SPDX-License-Identifier: GPL-2.0-only
"""Compare the kernel's choice with the choice that its own rules make.

The judge never computes points itself: it rebuilds the machine, hands it to a
:class:`Selector`, and compares. Where the report leaves something open it tries
what is allowed (:mod:`pykmm.report.trials`), and an agreement that depends on
it says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import evolve

from ..errors import UsageError
from . import explain
from .choice import KernelChoice, kernel_choice, whats_missing
from .eras import find_era
from .live import LiveSelector
from .model import OomReport
from .parse import Findings, parse
from .trials import Selector, Trial, agreement_range, trials
from .verdict import JudgedRow, Outcome, Verdict
from .world import RebuiltTask, RebuiltWorld, rebuild

__all__ = ["Selector", "judge", "judge_text"]


def judge_text(text: str, name: str, selector: Selector | None = None) -> list[Verdict]:
    """Judge every OOM report of a log; *name* is what to call the log.

    Return: one verdict for each report, in order, at least one of them decided.
    Raises :class:`UsageError` for a text in which no report can be judged.
    """
    findings = parse(text)
    reports = findings.reports
    if not reports:
        raise UsageError(_why_nothing(findings, name))
    verdicts = list(_judge_all(reports, name, selector or LiveSelector()))
    if not any(verdict.decided for verdict in verdicts):
        raise UsageError(f"{name} cannot be judged: {verdicts[0].explanation}")
    return verdicts


def _why_nothing(findings: Findings, name: str) -> str:
    if not findings.lines:
        return f"{name} is empty: pass a kernel log that holds an OOM report"
    if findings.stray_rows:
        return (
            f"{name} begins inside an OOM report: the line that heads the columns "
            "of its task table is missing, pass the log from the line "
            "'... invoked oom-killer' on"
        )
    if findings.stray_kills:
        return (
            f"{name} holds {findings.stray_kills} 'Killed process' lines but no "
            "task table: pass the log from the line '... invoked oom-killer' on "
            "(the kernel prints no table when vm.oom_dump_tasks is 0 or when it "
            "kills very often)"
        )
    return (
        f"{name} is not a log with a kernel OOM report: no line of "
        f"{findings.lines} is '... invoked oom-killer' or heads a task table"
    )


def _judge_all(
    reports: list[OomReport], name: str, selector: Selector
) -> Iterator[Verdict]:
    dying: set[tuple[int, str]] = set()
    seen: list[OomReport] = []
    for number, report in enumerate(reports, start=1):
        if _starts_afresh(report, seen):
            dying, seen = set(), []
        yield judge(report, selector, dying, name=name, number=number)
        dying |= {(kill.pid, kill.comm) for kill in report.kills}
        seen.append(report)


def _starts_afresh(report: OomReport, seen: list[OomReport]) -> bool:
    """Tell whether what came before is another boot, or the same log once more."""
    if not seen or seen[-1].boot != report.boot:
        return True
    facts = [evolve(row, line=0) for row in report.rows]
    return any([evolve(row, line=0) for row in old.rows] == facts for old in seen)


def judge(
    report: OomReport,
    selector: Selector,
    dying: Collection[tuple[int, str]] = (),
    *,
    name: str = "report",
    number: int = 1,
) -> Verdict:
    """Judge one report; *dying* is whom earlier reports of that boot killed."""
    blank = Verdict(
        name=name,
        number=number,
        outcome=Outcome.UNDECIDED,
        explanation="",
        report=report,
    )
    missing = whats_missing(report)
    if missing is not None:
        return evolve(blank, explanation=missing)
    choice = kernel_choice(report)
    world = rebuild(report, dying)
    victim = _victim(world, report, choice)
    if choice.pid is not None and victim is None:
        return evolve(blank, explanation=explain.victim_not_listed(report, choice))
    return _decide(blank, choice, world, victim, selector)


def _victim(
    world: RebuiltWorld, report: OomReport, choice: KernelChoice
) -> RebuiltTask | None:
    named = (choice.pid,) if report.score else (choice.pid, choice.killed_pid)
    for pid in named:
        row = None if pid is None else report.row_of(pid)
        if row is not None:
            return next(task for task in world.tasks if task.pid == row.pid)
    return None


def _decide(
    blank: Verdict,
    choice: KernelChoice,
    world: RebuiltWorld,
    victim: RebuiltTask | None,
    selector: Selector,
) -> Verdict:
    era = find_era(blank.report)
    wanted = None if victim is None else victim.index
    tried = trials(world, era.candidates, victim, selector)
    first = next(tried)
    if choice.bypass is not None:
        said = evolve(blank, outcome=Outcome.BYPASSED)
        text = explain.bypassed(first, choice, victim)
        return _fill(said, first, victim, era.why, text)
    found: Trial | None = first
    if first.selection.chosen != wanted:
        found = next((t for t in tried if t.selection.chosen == wanted), None)
    if found is None:
        said = evolve(blank, outcome=Outcome.DIFFERS)
        text = explain.differs(first, choice, victim)
        return _fill(said, first, victim, era.why, text)
    span = None if victim is None else agreement_range(found, victim, selector)
    said = evolve(
        blank,
        outcome=Outcome.AGREES,
        condition=explain.condition(first, found, span),
    )
    text = explain.agrees(blank.report, found, choice, victim)
    return _fill(said, found, victim, era.why, text)


def _fill(
    said: Verdict, trial: Trial, victim: RebuiltTask | None, why: str, text: str
) -> Verdict:
    selection, world = trial.selection, trial.world
    chosen = None if selection.chosen is None else world.tasks[selection.chosen]
    return evolve(
        said,
        explanation=text,
        rows=tuple(_rows(trial, victim)),
        rules=trial.rules.describe(),
        rules_why=why,
        commits=trial.rules.commits,
        constraint=world.domain.constraint,
        totalpages=selection.totalpages,
        totalpages_source=world.domain.source,
        model_pid=None if chosen is None else chosen.pid,
        kernel_pid=None if victim is None else victim.pid,
    )


def _rows(trial: Trial, victim: RebuiltTask | None) -> Iterator[JudgedRow]:
    world, selection = trial.world, trial.selection
    for task in world.tasks:
        yield JudgedRow(
            index=task.index,
            pid=task.pid,
            tgid=task.tgid,
            uid=task.uid,
            comm=task.comm,
            oom_score_adj=task.oom_score_adj,
            rss=task.rss,
            swapents=None if world.hides_swap else task.swapents,
            pgtable_pages=None if world.hides_pgtables else task.pgtable_pages,
            points=selection.points[task.index],
            reason=explain.reason(task, trial),
            chosen=task.index == selection.chosen,
            killed=victim is not None and task.index == victim.index,
        )
