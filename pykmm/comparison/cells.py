# SPDX-License-Identifier: GPL-2.0-only
"""One scene under one design: which words hold, how often, and a witness for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from ..errors import UsageError
from ..patches.designs import DESIGNS
from ..patches.patch import Patch
from ..runner import explore
from ..scenarios import SCENARIOS
from ..scenarios.release import SCENARIOS as SCENES
from ..scenarios.release import Judged

if TYPE_CHECKING:
    from ..runner import Result
    from ..scenario import Scenario

__all__ = ["Cell", "Finding", "as_patch", "fill", "scene_names", "staged"]

#: Samplers that are good at different things.
_SAMPLERS: Final = ("pos", "pct")
#: How many executions each further look takes at most, samplers together.
_LOOK: Final = 300


@frozen
class Finding:
    """How often something came out, and the schedule with the fewest preemptions."""

    count: int
    witness: str
    preemptions: int

    def merged(self, other: Finding) -> Finding:
        """Return both as one."""
        best = min(self, other, key=lambda f: (f.preemptions, len(f.witness)))
        return evolve(best, count=self.count + other.count)


@frozen
class Cell:
    """What exploring one scene under one design came to.

    *words*, *results* and *by* (who took the address space down) map what was found
    to how often, of *executions* in all. *complete* holds if there is nothing else to
    find; else *reason* says how far the search went.
    """

    scene: str
    design: str
    executions: int
    complete: bool
    reason: str
    words: dict[str, Finding]
    results: dict[str, Finding]
    by: dict[str, Finding]
    #: Broken laws and other bugs, each with its schedule.
    bugs: dict[str, str]

    def word(self, name: str) -> str:
        """Say whether *name* holds: in ``all`` executions, in ``some``, or in none."""
        found = self.words.get(name)
        if found is None:
            return ""
        return "all" if found.count == self.executions else "some"

    def entries(self) -> Iterator[tuple[str, Finding]]:
        """Yield each word, each result, and each role after ``T-BY=``."""
        yield from self.words.items()
        yield from self.results.items()
        for role, finding in self.by.items():
            if role:  # nobody has no entry
                yield f"T-BY={role}", finding

    def find(self, name: str) -> Finding | None:
        """Return what is known of an entry."""
        return dict(self.entries()).get(name)


def scene_names() -> list[str]:
    """Return the names of all scenes."""
    return [scene.name for scene in SCENES]


def as_patch(design: str | Patch) -> Patch:
    """Return the patch that a letter means; a patch of one's own means itself."""
    if isinstance(design, Patch):
        return design
    if not isinstance(design, str) or design not in DESIGNS:
        known = ", ".join(DESIGNS)
        raise UsageError(
            f"design={design!r} is unknown: take one of {known}, or a Patch"
        )
    return DESIGNS[design]


def staged(scene: str, design: str | Patch) -> Scenario:
    """Return the scenario of *scene* on a kernel of *design*."""
    if scene not in scene_names():
        raise UsageError(
            f"scenario={scene!r} cannot be compared: take one of "
            f"{', '.join(scene_names())}"
        )
    found = SCENARIOS[scene]
    return found.but(patches=(*found.patches, as_patch(design)))


def fill(scene: str, design: str | Patch, executions: int) -> Cell:
    """Explore *scene* under *design*, in about *executions* executions at most.

    Where that is not enough for all outcomes, more looks are taken: at orders with one
    preemption at most, which most bugs need, and by samplers, which go where no search
    has come yet.
    """
    scenario = staged(scene, design)
    results = [explore(scenario, executions=executions)]
    reason = results[0].reason
    if not results[0].complete:
        number = max(min(executions // 2, _LOOK), 1)
        results.append(explore(scenario, bound=1, executions=number))
        results += [
            explore(scenario, scheduler=sampler, executions=max(number // 2, 1))
            for sampler in _SAMPLERS
        ]
        reason = (
            f"{executions} executions; with one preemption: {results[1].reason}; "
            f"{' and '.join(_SAMPLERS)}: {max(number // 2, 1)} each"
        )
    return Cell(
        scene,
        design if isinstance(design, str) else design.name,
        executions=sum(result.executions for result in results),
        complete=results[0].complete,
        reason=reason,
        words=_merge(results, lambda judged: judged.words),
        results=_merge(results, lambda judged: (repr(judged.ret),)),
        by=_merge(results, lambda judged: (judged.torn_down_by,)),
        bugs={r.summary: r.schedule for result in results for r in result.reports},
    )


_Names = Callable[[Judged], Iterable[str]]


def _merge(results: Iterable[Result], names: _Names) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for result in results:
        for outcome in result.outcomes:
            judged = outcome.value
            assert isinstance(judged, Judged)  # that is what scenes return
            one = Finding(outcome.count, str(outcome.witness), outcome.preemptions)
            for name in names(judged):
                found[name] = found[name].merged(one) if name in found else one
    return found
