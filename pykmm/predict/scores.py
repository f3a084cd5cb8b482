# SPDX-License-Identifier: GPL-2.0-only
"""Compare the model's ``oom_score`` of each process with the kernel's own."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from ..fs.proc.base import proc_oom_score
from .machine import Built, boot, build, set_counters
from .pages import Counting, counted, other_counts
from .snapshot import Snapshot
from .tasks import TaskReading

__all__ = ["Agreement", "Score", "better", "compare", "compare_again"]


class Agreement(Enum):
    """How a score of the model stands to the kernel's; the first is the best."""

    EQUAL = "equal"
    #: It was another one after the reading than before.
    MOVED = "moved"
    #: Equal, but for pages that CPUs had counted and not passed on.
    HELD_BACK = "held back"
    DIFFERS = "differs"
    #: The kernel's is not there.
    UNKNOWN = "unknown"


@frozen
class Score:
    """The two scores of one process."""

    model: int
    kernel: int | None
    agreement: Agreement


def compare(built: Built, snapshot: Snapshot, counting: Counting) -> list[Score]:
    """Score all tasks of the machine that runs here."""
    return [
        _compare(built, snapshot, counting, index) for index in range(len(built.tasks))
    ]


def compare_again(snapshot: Snapshot, counting: Counting) -> dict[int, Score]:
    """Score the tasks of another *snapshot*, on a machine of its own."""
    if not snapshot.tasks:
        return {}
    with boot(snapshot) as machine:
        built = build(machine, snapshot, counting)
        scores = compare(built, snapshot, counting)
    return {task.pid: score for task, score in zip(snapshot.tasks, scores, strict=True)}


def better(first: Score, second: Score | None) -> Score:
    """Return the one that agrees more; an end in between is a move."""
    if second is None:
        return Score(first.model, first.kernel, Agreement.MOVED)
    order = list(Agreement)
    return min(first, second, key=lambda score: order.index(score.agreement))


def _compare(built: Built, snapshot: Snapshot, counting: Counting, index: int) -> Score:
    reading = snapshot.tasks[index]
    model = proc_oom_score(built.tasks[index])
    agreement = _agreement(reading, model)
    if agreement is Agreement.DIFFERS:
        others = _other_scores(built, snapshot, counting, index)
        kernel = reading.after or 0
        if min(model, *others) <= kernel <= max(model, *others):
            agreement = Agreement.HELD_BACK
    # Of two that the kernel showed, the one that the model hit, if it did.
    kernel_score = reading.before if reading.before == model else reading.after
    return Score(model, kernel_score, agreement)


def _agreement(reading: TaskReading, model: int) -> Agreement:
    if reading.before is None or reading.after is None:
        return Agreement.UNKNOWN
    if model in (reading.before, reading.after):
        return Agreement.EQUAL
    if reading.before != reading.after:
        return Agreement.MOVED
    return Agreement.DIFFERS


def _other_scores(
    built: Built, snapshot: Snapshot, counting: Counting, index: int
) -> list[int]:
    reading, mm = snapshot.tasks[index], built.mms[index]
    size = snapshot.page_size
    if mm is None:
        return [0]
    scores = []
    for pages in other_counts(reading, counting, size, snapshot.cpus):
        set_counters(mm, pages)
        scores.append(proc_oom_score(built.tasks[index]))
    set_counters(mm, counted(reading, counting, size))
    return scores
