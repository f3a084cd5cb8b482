# SPDX-License-Identifier: GPL-2.0-only
"""Two walks over one address space: how much they are in each other's way.

This repeats, in the model, the measurement that turned the reap pass round
(5e1953dc71af, in v6.18): the same victim, reaped from the bottom up or from the top
down while its own ``exit_mmap()`` goes up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..boot import Region
from ..engine.config import Backend
from ..engine.free_running import FreeRunning
from ..linux.mm import PMD_SIZE
from ..linux.pgtable import _ptlock
from ..linux.uapi import SIGKILL
from ..patches.designs import DESIGNS
from ..patches.patch import apply
from ..runner import explore
from ..scenario import Scenario
from ..scenarios.release.cast import Cast
from ..scenarios.release.zaps import Visit, may_contend, visits
from ..schedulers.timed import Timed
from ..syscalls import kill, pidfd_open, process_mrelease
from ..workbench import Machine

if TYPE_CHECKING:
    from ..engine.scheduler import Scheduler
    from ..engine.thread import Thread

__all__ = [
    "ORDERS",
    "Spread",
    "Walk",
    "explored",
    "free_running",
    "meet",
    "spread",
]

#: Designs that differ in nothing but the direction of the walk.
ORDERS: Final = {"down": "A", "up": "I-up"}
#: Ticks for unmapping what one page-table page maps; any other step takes one.
_UNMAP: Final = 64


@frozen
class Walk:
    """One victim's end: who visited which page tables, and what that cost.

    *ticks* is how long it took until both walks were over; *waited* is the part that
    threads spent waiting for page-table locks, *contended* how often.
    """

    visits: tuple[Visit, ...]
    contended: int
    waited: int
    ticks: int


def _cost(thread: Thread) -> int:
    return _UNMAP if thread.kind == "add_mm_counter" else 1


def _run(machine: Machine, order: str, tables: int) -> tuple[Visit, ...]:
    """Kill a process of *tables* page tables, and release its memory meanwhile."""
    apply(machine, [DESIGNS[ORDERS[order]]])
    full = [Region("anon", PMD_SIZE)] * tables
    app = machine.spawn("app", regions=full, parent=machine.spawn("shell"))
    lmkd = machine.spawn("lmkd")
    mm = app.mm
    assert mm is not None  # it has just been spawned

    @lmkd.runs
    def _() -> int:
        return process_mrelease(pidfd_open(app.pid, 0), 0)

    kill(app.pid, SIGKILL)
    machine.run()
    return tuple(visits(machine, mm))


def meet(order: str, *, tables: int = 32, seed: int = 0) -> Walk:
    """Let the two walks race on two processors, one of them a little late.

    *seed* says which one and how late: by up to half the length of a walk.
    """
    random = Random(seed)
    late = {random.choice(("app", "lmkd")): random.randrange(tables * _UNMAP // 2)}
    clock = Timed(_cost, late)
    scheduler: Scheduler = clock
    with Machine(scheduler=scheduler, reaper=False) as machine:
        seen = _run(machine, order, tables)
        waits = [w.ticks for w in clock.waits if isinstance(w.obj, _ptlock)]
    return Walk(seen, len(waits), sum(waits), max(clock.clocks.values()))


def free_running(order: str, *, tables: int = 32, seed: int = 0) -> int:
    """Let the walks race on real threads; return how many acquisitions had to wait."""
    with Machine(backend=Backend.FREE, reaper=False, jitter=3, seed=seed) as machine:
        _run(machine, order, tables)
        carrier = machine.carrier
        assert isinstance(carrier, FreeRunning)  # as it was asked for
        return sum(isinstance(obj, _ptlock) for obj in carrier.waits)


def _contended(tables: int, machine: Machine) -> int:
    """Count the tables that both walks may want at once."""
    cast = Cast.of(machine, read=False, memory=[Region("anon", PMD_SIZE)] * tables)
    found = cast.play().visits
    reap, teardown = (
        [visit for visit in found if visit.thread.name == name]
        for name in ("lmkd", "app")
    )
    return len(may_contend(machine, reap, teardown))


def explored(order: str, *, tables: int = 6) -> dict[int, int]:
    """Let the walks race in every way there is.

    Return: for each number of tables that both may want at once, in how many
        executions it is that.
    """
    scenario = Scenario(
        name=f"walk {order}",
        function=partial(_contended, tables),
        machine=partial(Machine, reaper=False),
        patches=(DESIGNS[ORDERS[order]],),
    )
    times: dict[int, int] = {}
    for outcome in explore(scenario).outcomes:
        assert isinstance(outcome.value, int)  # that is what is counted
        times[outcome.value] = outcome.count
    return dict(sorted(times.items()))


@frozen
class Spread:
    """How a figure is spread over runs."""

    least: float
    middle: float
    most: float
    total: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Sum *figures* up."""
        return cls(min(figures), median(figures), max(figures), sum(figures))


def spread(*, runs: int = 100, tables: int = 32) -> dict[str, dict[str, Spread]]:
    """Return, for each order, the spread of each figure over *runs* seeds."""
    found = {}
    for order in ORDERS:
        walk = partial(meet, order, tables=tables)
        walks = [walk(seed=seed) for seed in range(runs)]
        found[order] = {
            "contended": Spread.of([w.contended for w in walks]),
            "waited": Spread.of([w.waited for w in walks]),
            "ticks": Spread.of([w.ticks for w in walks]),
        }
    return found
