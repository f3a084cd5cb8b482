# SPDX-License-Identifier: GPL-2.0-only
"""The sentences of a verdict: why it is so, and what it hangs on."""

from __future__ import annotations

from .choice import KernelChoice
from .eras import Badness
from .model import OomReport
from .trials import Trial, equals, tie_word
from .world import RebuiltTask

__all__ = [
    "agrees",
    "bypassed",
    "condition",
    "differs",
    "reason",
    "victim_not_listed",
]

_MOST_NAMES = 3
_DRIFT = 128
"""Pages by which per-CPU counters may move between selection and table."""


def _who(task: RebuiltTask) -> str:
    return f"{task.pid} ({task.comm})"


def _names(tasks: list[RebuiltTask]) -> str:
    shown = ", ".join(_who(task) for task in tasks[:_MOST_NAMES])
    rest = len(tasks) - _MOST_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown


def _pages(pages: int, trial: Trial) -> str:
    return f"{pages} pages ({pages * trial.world.page_kib // 1024} MiB)"


def reason(task: RebuiltTask, trial: Trial) -> str:
    """Say why a task is not eligible; empty if it is."""
    if trial.selection.points[task.index] is not None:
        return ""
    if task.oom_score_adj == -1000:
        return "protected: oom_score_adj -1000"
    if task.mm_oom_skip:
        return "killed before, its memory already given up"
    return "not eligible"


def victim_not_listed(report: OomReport, choice: KernelChoice) -> str:
    """Say that the table has no row of the kernel's victim."""
    return (
        f"the OOM report at line {report.line} says that {choice.pid} "
        f"({choice.comm}) was chosen, but its task table has no such row among "
        f"{len(report.rows)}: lines of the table are missing"
    )


def agrees(
    report: OomReport, trial: Trial, choice: KernelChoice, victim: RebuiltTask | None
) -> str:
    """Say why model and kernel choose alike."""
    if victim is None:
        return "the kernel found nobody to kill, and no task is eligible"
    text = f"the kernel chose {_who(victim)}, and so do its rules: {_lead(trial)}"
    return "; ".join([text, *_remarks(report, trial, choice, victim)])


def _lead(trial: Trial) -> str:
    """Say by how much the chosen task leads."""
    selection, tasks = trial.selection, trial.world.tasks
    assert selection.chosen is not None, "somebody leads"
    best = selection.points[selection.chosen]
    same = equals(trial)
    if len(same) > 1:
        return (
            f"{len(same)} tasks have {best} points and the {tie_word(trial.rules)} "
            "of equals wins"
        )
    others = [
        (points, task)
        for points, task in zip(selection.points, tasks, strict=True)
        if points is not None and task.index != selection.chosen
    ]
    if not others:
        return f"{best} points, and no other task is eligible"
    points, second = max(others, key=lambda pair: pair[0])
    return f"{best} points, before {_who(second)} with {points}"


def _remarks(
    report: OomReport, trial: Trial, choice: KernelChoice, victim: RebuiltTask
) -> list[str]:
    remarks: list[str] = []
    killed = choice.killed_pid
    if victim.pid != victim.tgid:
        remarks.append(
            f"{victim.pid} is a thread of process {victim.tgid}, "
            "whose leader had no memory of its own any more"
        )
    elif killed is not None and killed not in (choice.pid, victim.pid):
        remarks.append(f"it then killed {killed} ({choice.killed_comm}) in its place")
    score = _score(trial)
    if report.score is not None and report.score.score != score:
        remarks.append(f"its score line says {report.score.score}, not {score}")
    if killed is None:
        remarks.append("no 'Killed process' line follows")
    more = len({kill.pid for kill in report.kills} - {killed})
    if more:
        of = f" in {report.oom_group}, a memory.oom.group" if report.oom_group else ""
        remarks.append(f"{more} more died with it{of}")
    if trial.world.hides_swap or trial.world.hides_pgtables:
        remarks.append(
            "the table prints neither swap entries nor page tables, so that points "
            "are lower bounds"
        )
    return remarks


def _score(trial: Trial) -> int:
    """Compute the score that kernels up to 5.0 print of the task they choose."""
    selection = trial.selection
    assert selection.chosen is not None, "somebody was chosen"
    points = selection.points[selection.chosen] or 0
    if trial.rules.badness is Badness.PERMILLE:
        return points
    return points * 1000 // max(selection.totalpages, 1)


def bypassed(trial: Trial, choice: KernelChoice, victim: RebuiltTask | None) -> str:
    """Say that the selection had no say, and what it would have said."""
    selection = trial.selection
    if selection.chosen is None:
        would = "nobody"
    else:
        would = _who(trial.world.tasks[selection.chosen])
    if victim is None:
        done = "the kernel panicked before it selected"
    else:
        done = f"the kernel killed {_who(victim)}, the allocating task"
    return f"{choice.bypass}: {done}; its rules would have chosen {would}"


def condition(
    first: Trial, found: Trial, span: tuple[int, int | None] | None
) -> str | None:
    """Name what an agreement depends on; None if on nothing."""
    parts: list[str] = []
    if found.rules is not first.rules:
        parts.append(
            f"the kernel had the rules of {found.rules.name}, not of "
            f"{first.rules.name}, which the report does not tell apart"
        )
    if not found.root_is_capable:
        parts.append("tasks of uid 0 had no CAP_SYS_ADMIN, as in a container")
    if span is not None:
        parts.append(_span(found, *span))
    return " and ".join(parts) or None


def _span(trial: Trial, low: int, high: int | None) -> str:
    what = "totalpages, which the report does not print,"
    if high is None:
        return f"{what} was at least {_pages(low, trial)}"
    if low <= trial.world.domain.low:
        return f"{what} was at most {_pages(high, trial)}"
    return f"{what} was {_pages(low, trial)} to {_pages(high, trial)}"


def differs(trial: Trial, choice: KernelChoice, victim: RebuiltTask | None) -> str:
    """Say how model and kernel differ, and what could be behind it."""
    selection, tasks = trial.selection, trial.world.tasks
    chosen = None if selection.chosen is None else tasks[selection.chosen]
    if victim is None:
        assert chosen is not None, "nobody against nobody is an agreement"
        return (
            f"the kernel found nobody to kill, but its rules choose {_who(chosen)} "
            f"with {selection.points[chosen.index]} points"
        )
    mine = selection.points[victim.index]
    scored = "is not eligible" if mine is None else f"has {mine} points"
    text = f"the kernel chose {_who(victim)}, which {scored}"
    if chosen is None:
        return f"{text}, and its rules choose nobody"
    text += (
        f", but its rules choose {_who(chosen)} with {selection.points[chosen.index]}"
    )
    hints = _hints(trial, choice, victim, chosen)
    return f"{text}; {'; '.join(hints)}" if hints else text


def _order(above: list[RebuiltTask]) -> str:
    stand = "task stands" if len(above) == 1 else "tasks stand"
    return f"{len(above)} {stand} before the victim: {_names(above)}"


def _hints(
    trial: Trial, choice: KernelChoice, victim: RebuiltTask, chosen: RebuiltTask
) -> list[str]:
    """List what a report does not show and would explain the difference."""
    above = _above(trial, victim)
    hints = [_order(above)]
    if chosen.same_mm_key == victim.same_mm_key:
        hints.append(
            f"{_who(chosen)} and {_who(victim)} show the same numbers, as a vfork "
            "child and its parent do, and a vfork child is not eligible"
        )
    if trial.rules.sacrifices_children and not choice.names_chosen:
        hints.append(
            "kernels up to 5.0 kill a child of the task they chose, and the line "
            "that names the chosen task is not in the log"
        )
    if trial.world.is_memcg and trial.rules.until < (5, 3, 0):
        hints.append(
            "kernels up to 5.2 walk a memory cgroup in another order than the "
            "table, which matters between equals"
        )
    if trial.world.hides_swap:
        hints.append("the table prints neither swap entries nor page tables")
    gap = _gap(trial, victim, chosen)
    if gap is not None and gap <= _DRIFT and trial.rules.badness is Badness.SIGNED:
        hints.append(
            f"they are {gap} pages apart, and kernels before 7.0 read counters "
            "that lag behind by tens of pages"
        )
    if victim.oom_score_adj == -1000:
        hints.append("a task in swapoff is chosen first, whatever its oom_score_adj")
    return hints


def _above(trial: Trial, victim: RebuiltTask) -> list[RebuiltTask]:
    points = trial.selection.points
    mine = points[victim.index]
    return [
        task
        for task in trial.world.tasks
        if task.index != victim.index
        and (score := points[task.index]) is not None
        and (mine is None or score > mine or _wins_tie(trial, task, victim))
        and (mine is None or score >= mine)
    ]


def _wins_tie(trial: Trial, task: RebuiltTask, victim: RebuiltTask) -> bool:
    if tie_word(trial.rules) == "last":
        return task.index > victim.index
    return task.index < victim.index


def _gap(trial: Trial, victim: RebuiltTask, chosen: RebuiltTask) -> int | None:
    points = trial.selection.points
    mine, best = points[victim.index], points[chosen.index]
    return None if mine is None or best is None else best - mine
