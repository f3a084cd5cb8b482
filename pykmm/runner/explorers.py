# SPDX-License-Identifier: GPL-2.0-only
"""Explorers by name, and schedulers of single executions made into explorers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..errors import UsageError, choices
from ..schedulers import Dfs, Dpor, RandomWalk, RoundRobin, Verdict

if TYPE_CHECKING:
    from ..engine.machine import Machine
    from ..engine.scheduler import Scheduler
    from ..schedulers import Explorer

__all__ = ["SCHEDULERS", "explorer"]


class _Series:
    """Executions that know nothing of each other, without end unless *many* says."""

    def __init__(
        self, make: Callable[[int], Scheduler], many: int | None = None, claim: str = ""
    ) -> None:
        self.claim = claim
        self._make = make
        self._many = many
        self._number = 0

    def begin(self) -> Scheduler | None:
        """Return the next execution's scheduler."""
        if self._number == self._many:
            return None
        self._number += 1
        return self._make(self._number - 1)

    def end(self, machine: Machine) -> Verdict:
        """Learn nothing."""
        del machine
        return Verdict.NEW


@frozen
class _Named:
    """How to make an explorer, and what to say of it."""

    make: Callable[[int | None, int], Explorer]
    summary: str
    takes_bound: bool = False


def _dpor(bound: int | None, _seed: int) -> Explorer:
    # Reduction and a bound do not go together: what the reduction leaves out as
    # equivalent may be all that is within the bound.
    return Dpor() if bound is None else Dfs(bound)


#: All explorers by the name that users give.
SCHEDULERS: Final[dict[str, _Named]] = {
    "dpor": _Named(
        _dpor, "one execution for each order that matters", takes_bound=True
    ),
    "dfs": _Named(lambda bound, _: Dfs(bound), "all interleavings", takes_bound=True),
    "random": _Named(
        lambda _, seed: _Series(lambda number: RandomWalk(f"{seed}/{number}")),
        "random walks",
    ),
    "round_robin": _Named(
        lambda _, __: _Series(lambda _: RoundRobin(), 1, "one execution only"),
        "one execution, everybody in turn",
    ),
}


def explorer(scheduler: str | Explorer, bound: int | None, seed: int) -> Explorer:
    """Return the explorer that *scheduler* names, or is."""
    if not isinstance(scheduler, str):
        if not (hasattr(scheduler, "begin") and hasattr(scheduler, "end")):
            raise UsageError(f"scheduler={scheduler!r} must be a name or an Explorer")
        return scheduler
    named = SCHEDULERS.get(scheduler)
    if named is None:
        raise UsageError(f"scheduler={scheduler!r} must be {choices(list(SCHEDULERS))}")
    if bound is not None and not named.takes_bound:
        raise UsageError(
            f"bound={bound!r} does not go with scheduler={scheduler!r}: drop it"
        )
    return named.make(bound, seed)
