# SPDX-License-Identifier: GPL-2.0-only
"""The selection as every kernel since 2.6.36 has made it, on plain numbers.

One function for each thing that changed, named after what it changed to. They
take a rebuilt task and ``totalpages`` and know nothing of locks or threads: they
are what the replacement functions of an older kernel compute, and the yardstick
that a selection on real objects is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from .eras import Badness, EraRules, Ties
from .world import RebuiltTask, RebuiltWorld

__all__ = [
    "BADNESS",
    "PlainSelector",
    "Selection",
    "is_candidate",
    "oom_badness_adj_bonus",
    "oom_badness_current_bonus",
    "oom_badness_no_bonus",
    "oom_badness_permille",
    "oom_badness_signed",
]

OOM_SCORE_ADJ_MIN = -1000


@frozen
class Selection:
    """What one selection found.

    *points* has one entry for each task of the world, in its order; None means
    not eligible. *chosen* is an index into them, None if nobody is eligible.
    """

    chosen: int | None
    totalpages: int
    points: tuple[int | None, ...]


def is_candidate(task: RebuiltTask) -> bool:
    """Tell whether the table row may be chosen at all.

    The rows of init and of kernel threads are never printed, nor are those
    outside the memory policy or cpuset, so that two reasons remain.
    """
    return task.oom_score_adj != OOM_SCORE_ADJ_MIN and not task.mm_oom_skip


def _share(task: RebuiltTask, totalpages: int) -> int:
    return task.oom_score_adj * (totalpages // 1000)


def oom_badness_permille(task: RebuiltTask, totalpages: int) -> int:
    """Score by the thousandth part of all memory (2.6.36 to 3.4, and RHEL 6).

    So coarse that on a large machine most tasks are equals. Introduced by
    a63d83f427fb ("oom: badness heuristic rewrite"); the floor of 1 is f19e8aa11afa.
    """
    points = task.used * 1000 // max(totalpages, 1)
    if task.cap_sys_admin:
        points -= 30
    points += task.oom_score_adj
    return min(max(points, 1), 1000)


def oom_badness_adj_bonus(task: RebuiltTask, totalpages: int) -> int:
    """Score by pages; root counts as if its adj were 30 lower (3.5 to 3.13).

    a7f638f999ff ("mm, oom: normalize oom scores to oom_score_adj scale only for
    userspace") in the form that 61eafb00d55d gave it.
    """
    bonus = 30 if task.cap_sys_admin else 0
    points = task.used + (task.oom_score_adj - bonus) * (totalpages // 1000)
    return max(points, 1)


def oom_badness_current_bonus(task: RebuiltTask, totalpages: int) -> int:
    """Score by pages; root is forgiven 3% of its own (3.14 to 4.16).

    778c14affaf9 ("mm, oom: base root bonus on current usage").
    """
    points = task.used
    if task.cap_sys_admin:
        points -= points * 3 // 100
    return max(points + _share(task, totalpages), 1)


def oom_badness_no_bonus(task: RebuiltTask, totalpages: int) -> int:
    """Score by pages, root like anybody (4.17 to 5.8).

    d46078b28889 ("mm, oom: remove 3% bonus for CAP_SYS_ADMIN processes").
    """
    return max(task.used + _share(task, totalpages), 1)


def oom_badness_signed(task: RebuiltTask, totalpages: int) -> int:
    """Score by pages without a floor (5.9 and later).

    9066e5cfb73c ("mm, oom: make the calculation of oom badness more accurate"):
    before it, all tasks of a protected container were equals at 1.
    """
    return task.used + _share(task, totalpages)


BADNESS: Mapping[Badness, Callable[[RebuiltTask, int], int]] = {
    Badness.PERMILLE: oom_badness_permille,
    Badness.ADJ_BONUS: oom_badness_adj_bonus,
    Badness.CURRENT_BONUS: oom_badness_current_bonus,
    Badness.NO_BONUS: oom_badness_no_bonus,
    Badness.SIGNED: oom_badness_signed,
}


def _beats_first_of_equals(points: int, best: int) -> bool:
    return points > best


def _beats_last_of_equals(points: int, best: int) -> bool:
    return points >= best


_BEATS = {Ties.FIRST: _beats_first_of_equals, Ties.LAST: _beats_last_of_equals}


class PlainSelector:
    """Selects with the functions of this module, whatever the era."""

    def select(self, world: RebuiltWorld, rules: EraRules) -> Selection:
        """Choose a victim on *world* the way *rules* say."""
        badness, beats = BADNESS[rules.badness], _BEATS[rules.ties]
        scores: list[int | None] = []
        chosen: int | None = None
        best = 0
        for task in world.tasks:
            points = badness(task, world.totalpages) if is_candidate(task) else None
            scores.append(points)
            if points is not None and (chosen is None or beats(points, best)):
                chosen, best = task.index, points
        return Selection(chosen, world.totalpages, tuple(scores))
