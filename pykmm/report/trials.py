# SPDX-License-Identifier: GPL-2.0-only
"""Choose under every assumption that a report leaves open, the likeliest first.

A report may leave open the rules (no version), the size of the domain (the swap
behind a memory cgroup) and whether uid 0 had CAP_SYS_ADMIN (it often has not in
a container). The first trial makes the ordinary assumption about all three. Each
further one departs from it in a way the report allows, and is named, so that an
agreement that needs it is reported as one that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from attrs import frozen

from .eras import Badness, EraRules, Ties
from .historic import Selection, is_candidate
from .world import RebuiltTask, RebuiltWorld

__all__ = ["Selector", "Trial", "agreement_range", "totalpages_to_try", "trials"]

_ROOT_BONUS = (Badness.PERMILLE, Badness.ADJ_BONUS, Badness.CURRENT_BONUS)


class Selector(Protocol):
    """Whatever can choose a victim on a rebuilt machine."""

    def select(self, world: RebuiltWorld, rules: EraRules) -> Selection:
        """Choose a victim on *world* by *rules*."""
        ...


@frozen
class Trial:
    """One selection and what it assumes."""

    rules: EraRules
    world: RebuiltWorld
    selection: Selection
    root_is_capable: bool = True


def _line(task: RebuiltTask, rules: EraRules) -> tuple[int, int]:
    """Write points as *base* + *slope* x (totalpages / 1000), before the floor."""
    base, slope = task.used, task.oom_score_adj
    if task.cap_sys_admin and rules.badness is Badness.ADJ_BONUS:
        slope -= 30
    if task.cap_sys_admin and rules.badness is Badness.CURRENT_BONUS:
        base -= base * 3 // 100
    return base, slope


def _envelope(world: RebuiltWorld, rules: EraRules) -> list[tuple[int, int]]:
    """Keep the highest line of each slope: no other can ever be chosen."""
    highest: dict[int, int] = {}
    for task in world.tasks:
        if is_candidate(task):
            base, slope = _line(task, rules)
            highest[slope] = max(highest.get(slope, base), base)
    return [(base, slope) for slope, base in highest.items()]


def _thresholds(world: RebuiltWorld, rules: EraRules, victim: RebuiltTask) -> set[int]:
    """Find every totalpages / 1000 at which the answer about *victim* may change."""
    base, slope = _line(victim, rules)
    found: set[int] = set()
    for other_base, other_slope in [*_envelope(world, rules), (base, slope)]:
        if other_slope != slope:
            found.add((other_base - base) // (slope - other_slope))
        if other_slope:
            found.add((1 - other_base) // other_slope)
    return found


def totalpages_to_try(
    world: RebuiltWorld, rules: EraRules, victim: RebuiltTask
) -> list[int]:
    """List sizes of the domain, such that no answer between two of them is new."""
    domain = world.domain
    if domain.exact:
        return [domain.totalpages]
    if rules.badness is Badness.PERMILLE:
        most = domain.high or domain.totalpages * 4
        return sorted({domain.low, domain.totalpages, most})
    steps = {k + d for k in _thresholds(world, rules, victim) for d in (-1, 0, 1, 2)}
    sizes = {step * 1000 for step in steps} | {domain.low, domain.totalpages}
    if domain.high is None:
        sizes.add((max(sizes) // 1000 + 1) * 1000)
    else:
        sizes.add(domain.high)
    top = max(sizes) if domain.high is None else domain.high
    return sorted(size for size in sizes if domain.low <= size <= top)


def trials(
    world: RebuiltWorld,
    candidates: tuple[EraRules, ...],
    victim: RebuiltTask | None,
    selector: Selector,
) -> Iterator[Trial]:
    """Yield selections, the one with the ordinary assumptions first.

    Without a *victim* to look for, only rules and capabilities are varied.
    """
    for rules in candidates:
        capable = any(task.cap_sys_admin for task in world.tasks)
        matters = capable and rules.badness in _ROOT_BONUS
        for machine in (world, world.without_root_capability())[: 1 + matters]:
            sizes = [machine.totalpages]
            if victim is not None:
                sizes += totalpages_to_try(machine, rules, machine.tasks[victim.index])
            for size in dict.fromkeys(sizes):
                sized = machine.with_totalpages(size)
                yield Trial(
                    rules=rules,
                    world=sized,
                    selection=selector.select(sized, rules),
                    root_is_capable=machine is world,
                )


def agreement_range(
    trial: Trial, victim: RebuiltTask, selector: Selector
) -> tuple[int, int | None] | None:
    """Bound the sizes of the domain around *trial* that give the same victim.

    Return: None if every size does that the report allows. The upper bound is
        None where there is none.
    """
    sizes = totalpages_to_try(trial.world, trial.rules, victim)
    good = [
        selector.select(trial.world.with_totalpages(size), trial.rules).chosen
        == victim.index
        for size in sizes
    ]
    if all(good):
        return None
    here = sizes.index(trial.world.totalpages)
    first = max((i + 1 for i in range(here) if not good[i]), default=0)
    last = next((i for i in range(here, len(sizes)) if not good[i]), None)
    high = trial.world.domain.high if last is None else sizes[last] - 1
    return sizes[first], high


def equals(trial: Trial) -> list[RebuiltTask]:
    """List the tasks that share the most points, in scan order."""
    selection = trial.selection
    if selection.chosen is None:
        return []
    best = selection.points[selection.chosen]
    return [task for task in trial.world.tasks if selection.points[task.index] == best]


def tie_word(rules: EraRules) -> str:
    """Say which of several equals the rules take."""
    return "last" if rules.ties is Ties.LAST else "first"
