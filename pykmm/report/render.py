# SPDX-License-Identifier: GPL-2.0-only
"""Put verdicts on paper: text for people, plain values for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .model import OomReport
from .verdict import JudgedRow, Outcome, Verdict

__all__ = ["render", "render_one", "summary_line", "to_dict"]

_TOP = 10
_COLUMNS = ("points", "pid", "uid", "adj", "rss", "swap", "pgtables", "task")


def render(verdicts: Sequence[Verdict], *, show_all: bool = False) -> str:
    """Write all verdicts of a log, and one line that sums them up.

    A table shows the tasks with the most points, and always those that kernel or
    model chose; *show_all* shows every row.
    """
    parts = [render_one(verdict, show_all=show_all) for verdict in verdicts]
    return "\n".join([*parts, summary_line(verdicts) + "\n"])


def summary_line(verdicts: Sequence[Verdict]) -> str:
    """Count the outcomes in one line."""
    name = verdicts[0].name if verdicts else "log"
    total = len(verdicts)
    counts = {
        outcome: sum(verdict.outcome is outcome for verdict in verdicts)
        for outcome in Outcome
    }
    said = ", ".join(f"{n} {outcome.value}" for outcome, n in counts.items() if n)
    return f"{name}: {total} report{'s' if total != 1 else ''}: {said}"


def render_one(verdict: Verdict, *, show_all: bool = False) -> str:
    """Write one verdict."""
    lines = [*_head(verdict), *_facts(verdict)]
    if verdict.rows:
        lines += ["", *_table(verdict.rows, show_all), ""]
    lines += _kill_lines(verdict.report)
    lines.append(f"{verdict.outcome.value}: {verdict.explanation}")
    if verdict.condition is not None:
        lines.append(f"provided that {verdict.condition}")
    return "\n".join(lines) + "\n"


def _head(verdict: Verdict) -> Iterator[str]:
    report = verdict.report
    yield (
        f"{verdict.name}, report {verdict.number} "
        f"(lines {report.line} to {report.last_line})"
    )
    if report.header is not None:
        pid = "" if report.invoker_pid is None else f"{report.invoker_pid} "
        names = report.header.gfp_names
        gfp = f"{report.header.gfp_mask:#x}{f'({names})' if names else ''}"
        yield (
            f"  invoked by  {pid}({report.header.comm}), gfp_mask {gfp}, "
            f"order {report.header.order}"
        )
    if report.kernel is not None:
        yield f"  kernel      {report.kernel}"


def _facts(verdict: Verdict) -> Iterator[str]:
    if verdict.rules is None:
        return
    yield f"  rules       {verdict.rules}"
    yield f"              ({verdict.rules_why})"
    yield (
        f"  domain      {verdict.constraint}, totalpages {verdict.totalpages} "
        f"({verdict.totalpages_source})"
    )


def _by_points(rows: Sequence[JudgedRow]) -> list[JudgedRow]:
    """Sort by points, equals in scan order, those without points last."""
    return sorted(
        rows,
        key=lambda row: (
            row.points is None,
            0 if row.points is None else -row.points,
            row.index,
        ),
    )


def _table(rows: Sequence[JudgedRow], show_all: bool) -> Iterator[str]:
    ordered = _by_points(rows)
    shown = [
        row
        for place, row in enumerate(ordered)
        if show_all or place < _TOP or row.chosen or row.killed
    ]
    cells = [_COLUMNS, *(_cells(row) for row in shown)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS) - 1)]
    for line, row in zip(cells, [None, *shown], strict=True):
        numbers = "  ".join(
            cell.rjust(width) for cell, width in zip(line, widths, strict=False)
        )
        yield f"  {numbers}  {line[-1]}{_mark(row)}".rstrip()
    if len(shown) < len(rows):
        yield f"  and {len(rows) - len(shown)} more (--all shows them)"


def _cells(row: JudgedRow) -> tuple[str, ...]:
    return (
        "-" if row.points is None else str(row.points),
        str(row.pid),
        str(row.uid),
        str(row.oom_score_adj),
        str(row.rss),
        "?" if row.swapents is None else str(row.swapents),
        "?" if row.pgtable_pages is None else str(row.pgtable_pages),
        _printable(row.comm),
    )


def _printable(comm: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in comm)


def _mark(row: JudgedRow | None) -> str:
    if row is None:
        return ""
    words = [row.reason] if row.reason else []
    if row.killed:
        words.append("the kernel's choice")
    if row.chosen:
        words.append("the rules' choice")
    return f"   <- {', '.join(words)}" if words else ""


def _kill_lines(report: OomReport) -> Iterator[str]:
    if report.score is not None:
        score = report.score
        yield f"  log line {score.line}: chose {score.pid} ({_printable(score.comm)})"
    if report.summary is not None:
        named = report.summary
        yield f"  log line {named.line}: chose {named.pid} ({_printable(named.comm)})"
    if report.kills:
        kill = report.kills[0]
        yield f"  log line {kill.line}: killed {kill.pid} ({_printable(kill.comm)})"


def to_dict(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as plain values that ``json.dumps`` takes."""
    report = verdict.report
    return {
        "name": verdict.name,
        "report": verdict.number,
        "lines": [report.line, report.last_line],
        "kernel": report.kernel,
        "outcome": verdict.outcome.value,
        "explanation": verdict.explanation,
        "condition": verdict.condition,
        "rules": verdict.rules,
        "rules_why": verdict.rules_why,
        "commits": list(verdict.commits),
        "constraint": verdict.constraint,
        "totalpages": verdict.totalpages,
        "kernel_pid": verdict.kernel_pid,
        "model_pid": verdict.model_pid,
        "killed": [{"pid": kill.pid, "comm": kill.comm} for kill in report.kills],
        "tasks": [_row_dict(row) for row in verdict.rows],
    }


def _row_dict(row: JudgedRow) -> dict[str, object]:
    return {
        "pid": row.pid,
        "tgid": row.tgid,
        "uid": row.uid,
        "comm": row.comm,
        "oom_score_adj": row.oom_score_adj,
        "rss": row.rss,
        "swapents": row.swapents,
        "pgtable_pages": row.pgtable_pages,
        "points": row.points,
        "eligible": row.points is not None,
        "reason": row.reason or None,
    }
