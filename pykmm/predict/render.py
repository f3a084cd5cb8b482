# SPDX-License-Identifier: GPL-2.0-only
"""Put a forecast on paper: text for people, plain values for programs."""

from __future__ import annotations

from collections.abc import Iterator

from .forecast import Forecast, JudgedTask
from .reap import Reap
from .scores import Agreement

__all__ = ["TOP", "render"]

#: How many tasks a table shows unless it is told otherwise.
TOP = 10
#: How many of those are named that use more than the chosen one.
_SPARED = 3
_COLUMNS = (
    "points",
    "score",
    "kernel's",
    "pid",
    "uid",
    "adj",
    "rss",
    "swap",
    "pgtables",
    "task",
)
_MARKS = {
    Agreement.MOVED: "moved",
    Agreement.HELD_BACK: "held back",
    Agreement.DIFFERS: "differs",
    Agreement.UNKNOWN: "not shown",
}
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def render(forecast: Forecast, *, top: int = TOP, show_all: bool = False) -> str:
    """Write the whole answer.

    The table shows the *top* candidates with the most points; with *show_all* every
    process, those that may not be chosen with the reason.
    """
    lines = [*_head(forecast), "", *_table(forecast, top, show_all), ""]
    lines += _choice(forecast)
    lines += _spared(forecast)
    if forecast.reap is not None:
        lines += _reap(forecast.reap)
    lines += _scores(forecast, top, show_all)
    lines += (f"note    {printable(note)}" for note in forecast.notes)
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Escape what would move the cursor or end the line, and the escape itself."""
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that was no text
        return f"\\x{ord(character) - 0xDC00:x}"
    return character.encode("unicode_escape").decode()


def size(kib: int) -> str:
    """Write a number of KiB with a unit that leaves few digits."""
    value, units = float(kib), list(_UNITS)
    while value >= 1024 and len(units) > 1:
        value /= 1024
        del units[0]
    return f"{kib} KiB" if units == list(_UNITS) else f"{value:.1f} {units[0]}"


def named(task: JudgedTask) -> str:
    """Name a process as kernel logs do."""
    return f"{task.pid} ({printable(task.reading.comm)})"


def _plural(number: int, what: str, more: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else more}"


# -- the machine --------------------------------------------------------------------


def _head(forecast: Forecast) -> Iterator[str]:
    snapshot = forecast.snapshot
    swap = f"{size(snapshot.swap_kib)} swap" if snapshot.swap_kib else "no swap"
    yield f"memory  {size(snapshot.ram_kib)} RAM, {swap}"
    release = printable(snapshot.release or "of unknown release")
    yield f"kernel  {release}: badness counts pages {forecast.counting.value}"
    yield f"tasks   {_census(forecast)}"
    if snapshot.unreadable or snapshot.hidden_threads:
        yield f"hidden  {_hidden(forecast)}"
    if forecast.memcg is not None:
        group = forecast.memcg
        limit = "no limit" if group.limit is None else size(group.limit // 1024)
        yield (
            f"domain  {printable(group.path)}, {limit}: "
            f"totalpages {forecast.totalpages}"
        )
    else:
        yield f"domain  the whole machine: totalpages {forecast.totalpages}"
    if forecast.nearest is not None:
        near = forecast.nearest
        yield (
            f"limits  {printable(near.path)} is nearest to its own: "
            f"{size((near.usage or 0) // 1024)} of {size((near.limit or 0) // 1024)} "
            f"({near.used_share:.0%})"
        )


def _census(forecast: Forecast) -> str:
    readings = [task.reading for task in forecast.tasks]
    kthreads = sum(reading.kthread for reading in readings)
    zombies = sum(reading.is_zombie for reading in readings)
    words = [
        _plural(len(readings) - kthreads - zombies, "process", "es"),
        _plural(kthreads, "kernel thread"),
    ]
    if zombies:
        words.append(_plural(zombies, "zombie"))
    if forecast.snapshot.gone:
        words.append(f"{forecast.snapshot.gone} ended while being read")
    return ", ".join(words)


def _hidden(forecast: Forecast) -> str:
    snapshot = forecast.snapshot
    words = []
    if snapshot.unreadable:
        words.append(f"{_plural(snapshot.unreadable, 'task')} unreadable")
    if snapshot.hidden_threads:
        words.append(f"{_plural(snapshot.hidden_threads, 'thread')} not shown")
    return f"{', '.join(words)}: the kernel may choose among them, too"


# -- the table ----------------------------------------------------------------------


def _table(forecast: Forecast, top: int, show_all: bool) -> Iterator[str]:
    ranked = forecast.candidates
    shown = ranked if show_all else ranked[:top]
    if show_all:
        shown = shown + _others(forecast)
    cells = [_COLUMNS, *(_cells(forecast, task) for task in shown)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS) - 1)]
    for line, task in zip(cells, [None, *shown], strict=True):
        numbers = "  ".join(
            cell.rjust(width) for cell, width in zip(line, widths, strict=False)
        )
        yield f"  {numbers}  {line[-1]}{_mark(forecast, task)}".rstrip()
    more = len(forecast.tasks) - len(shown)
    if more:
        yield f"  and {more} more (--all shows them)"


def _others(forecast: Forecast) -> list[JudgedTask]:
    """Return those that cannot be chosen, the largest first."""
    found = [t for t in forecast.tasks if not t.is_candidate or t.points is None]
    return sorted(found, key=lambda task: -_used(forecast, task))


def _cells(forecast: Forecast, task: JudgedTask) -> tuple[str, ...]:
    pages, reading = task.pages, task.reading
    kernel = task.score.kernel
    return (
        "-" if task.points is None or not task.is_candidate else str(task.points),
        str(task.score.model),
        "?" if kernel is None else str(kernel),
        str(reading.pid),
        str(reading.uid),
        str(reading.oom_score_adj),
        str(pages.rss),
        str(pages.swap),
        str(pages.tables // forecast.snapshot.page_size),
        printable(reading.comm),
    )


def _mark(forecast: Forecast, task: JudgedTask | None) -> str:
    if task is None:
        return ""
    words = [task.reason] if task.reason else []
    if not task.is_candidate:
        words.append("outside of the cgroup")
    if task is forecast.chosen:
        words.append("chosen")
    if task.score.agreement is not Agreement.EQUAL:
        words.append(f"score {_MARKS[task.score.agreement]}")
    return f"   <- {', '.join(words)}" if words else ""


# -- the choice ---------------------------------------------------------------------


def _choice(forecast: Forecast) -> Iterator[str]:
    chosen = forecast.chosen
    if chosen is None:
        what = "panic" if forecast.memcg is None else "fail the charge"
        yield f"chosen  nobody may be killed: the kernel would {what}"
        return
    yield f"chosen  {named(chosen)}: {_weight(forecast, chosen)}"
    others = forecast.candidates[1:]
    if not others:
        yield "        nobody else may be chosen"
    elif others[0].points == chosen.points:
        yield f"        {named(others[0])} has as many, but stands before it"
    else:
        yield f"        next is {named(others[0])} with {others[0].points}"
    if forecast.group:
        names = ", ".join(named(task) for task in forecast.group[:3])
        more = len(forecast.group) - 3
        tail = f" and {more} more" if more > 0 else ""
        yield f"        memory.oom.group kills {names}{tail} along with it"


def _weight(forecast: Forecast, task: JudgedTask) -> str:
    pages = task.pages
    tables = pages.tables // forecast.snapshot.page_size
    parts = f"{pages.rss} resident + {pages.swap} swapped + {tables} in page tables"
    adj = task.reading.oom_score_adj
    if adj:
        shift = adj * (forecast.totalpages // 1000)
        parts += f" {'+' if adj > 0 else '-'} {abs(shift)} for oom_score_adj {adj}"
    return f"most points, {task.points} = {parts}"


def _used(forecast: Forecast, task: JudgedTask) -> int:
    tables = task.pages.tables // forecast.snapshot.page_size
    return task.pages.rss + task.pages.swap + tables


def _spared(forecast: Forecast) -> Iterator[str]:
    """Yield who uses more than the chosen one and lives, and why: the largest."""
    chosen = forecast.chosen
    if chosen is None:
        return
    least = _used(forecast, chosen)
    larger = [
        task
        for task in forecast.tasks
        if task.is_candidate and task is not chosen and _used(forecast, task) > least
    ]
    larger.sort(key=lambda task: -_used(forecast, task))
    adj = chosen.reading.oom_score_adj
    for task in larger[:_SPARED]:
        why = task.reason or f"oom_score_adj {task.reading.oom_score_adj}, not {adj}"
        yield f"spared  {named(task)} uses {_used(forecast, task)} pages: {why}"
    if len(larger) > _SPARED:
        yield f"        and {len(larger) - _SPARED} more with more pages than it"


def _reap(reap: Reap) -> Iterator[str]:
    most = "" if reap.is_exact else "at most "
    swap = f" and {size(reap.swap)} of swap" if reap.swap else ""
    yield (
        f"reap    frees {most}{size(reap.alone)} of anonymous memory{swap} "
        f"(from {reap.source})"
    )
    unmapped = []
    if reap.anon > reap.alone:
        unmapped.append(f"{size(reap.anon - reap.alone)} that relatives share")
    if reap.file:
        unmapped.append(
            f"{most}{size(reap.file)} of private file mappings, which are cache then"
        )
    if unmapped:
        yield f"        unmaps {', '.join(unmapped)}"
    yield (
        f"        keeps {size(reap.kept)} of shared memory and "
        f"{size(reap.tables)} of page tables until the exit"
    )


# -- the scores ---------------------------------------------------------------------

_WORDS = {
    Agreement.MOVED: "moved while being read",
    Agreement.HELD_BACK: "equal but for what CPUs have counted and not passed on",
    Agreement.DIFFERS: "differ",
    Agreement.UNKNOWN: "not shown",
}


def _scores(forecast: Forecast, top: int, show_all: bool) -> Iterator[str]:
    total = len(forecast.tasks) - forecast.count(Agreement.UNKNOWN)
    equal = forecast.count(Agreement.EQUAL)
    words = [f"{equal} of {total} equal the kernel's oom_score"]
    words += [
        f"{forecast.count(agreement)} {word}"
        for agreement, word in _WORDS.items()
        if forecast.count(agreement)
    ]
    yield f"scores  {', '.join(words)}"
    wrong = [t for t in forecast.tasks if t.score.agreement is Agreement.DIFFERS]
    shown = wrong if show_all else wrong[:top]
    for task in shown:
        yield (
            f"differs {named(task)}: the model says {task.score.model}, the kernel "
            f"{task.score.kernel}{_guess(task)}"
        )
    if len(shown) < len(wrong):
        yield f"        and {len(wrong) - len(shown)} more that differ"


def _guess(task: JudgedTask) -> str:
    if task.score.kernel == 0:
        return ", as of a process that was reaped or borrows memory in vfork()"
    return ""
