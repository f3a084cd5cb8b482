# SPDX-License-Identifier: GPL-2.0-only
"""Steps that the host takes while the machine is at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from ..boot import Region
from ..errno import EAGAIN
from ..linux.mmu_notifier import (
    mmu_notifier,
    mmu_notifier_ops,
    mmu_notifier_range,
    mmu_notifier_range_blockable,
)
from ..mm.mmu_notifier import mmu_notifier_register
from .model import INIT, Proc, Space
from .seat import Seat
from .world import Step, _mapped

if TYPE_CHECKING:
    from .world import World

__all__ = ["Hold", "LetGo", "Refuse", "Spawn", "Tick"]

_PAGE = 4096


@frozen
class Spawn(Step):
    """A new process, which has so many pages; it may be *grouped*: in the cgroup."""

    pages: int = 0
    grouped: int = 0

    def take(self, world: World) -> None:
        regions = [Region("anon", self.pages * _PAGE)] if self.pages else []
        memcg = world.group if self.grouped else None
        process = world.machine.spawn("p", regions=regions, memcg=memcg)
        seat = Seat(world)
        world.add(seat)
        process.runs(seat.live)
        pid, pages = process.pid, _mapped(process.mm)
        world.state = world.state.put(Proc(pid, INIT, pid)).put_space(
            Space(pid, pages, pages, family=pid, grouped=bool(self.grouped))
        )
        world.scheduler.follow(())
        world.run()
        world.compare()


@frozen
class Hold(Step):
    """Somebody who reads about a process in ``/proc`` keeps its memory in use."""

    whom: int = 0

    def take(self, world: World) -> None:
        pid = world.whom(self.whom)
        process = world.process(pid)
        if process is None or process.mm is None:
            return
        hold = world.machine.hold(process.mm.mm_users, by="reader")
        space = world.state.space_of(pid)
        world.holds.append((space.of, process.mm, hold))
        world.state = world.state.put_space(evolve(space, held=space.held + 1))


@frozen
class LetGo(Step):
    """A reader is done; if all others have gone, that frees the memory."""

    which: int = 0

    def take(self, world: World) -> None:
        if not world.holds:
            return
        of, _, hold = world.holds.pop(self.which % len(world.holds))
        hold.let_go()
        space = world.state.space(of)
        assert space is not None  # it was held
        state = world.state.put_space(evolve(space, held=space.held - 1))
        world.state = state.let_go(of)
        world.run()
        world.compare()


@frozen
class Tick(Step):
    """Time comes to when victims are reaped that still have memory, and then stands.

    Before the first tick it runs: a timer may fire at any point. When it stands, it
    still goes on where somebody cannot do without.
    """

    def take(self, world: World) -> None:
        world.state = evolve(world.state, stands=False)
        world.run()
        world.compare()
        world.state = evolve(world.state, stands=True)


@frozen
class Refuse(Step):
    """A device that uses a process's memory cannot let go of it without sleeping."""

    whom: int = 0

    def take(self, world: World) -> None:
        pid = world.whom(self.whom)
        process = world.process(pid)
        if process is None or process.mm is None or world.state.space_of(pid).refuses:
            return
        device = mmu_notifier(ops=mmu_notifier_ops(invalidate_range_start=_refuses))
        mmu_notifier_register(device, process.mm)
        space = evolve(world.state.space_of(pid), refuses=True)
        world.state = world.state.put_space(space)


def _refuses(device: mmu_notifier, span: mmu_notifier_range) -> int:
    return 0 if mmu_notifier_range_blockable(span) else -EAGAIN
