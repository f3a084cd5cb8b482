# SPDX-License-Identifier: GPL-2.0-only
"""The reference: who lives, who holds which pages, and what happens by itself.

It is a value without locks and counters. Where the kernel takes many steps, this
takes one, and where the order of things is open, :meth:`State.later` yields all
that can come next. Linux's own words are used, but nothing of pykmm's kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from attrs import evolve, frozen

__all__ = ["INIT", "Phase", "Proc", "Space", "State"]

#: The number of init, which takes orphans in and waits for them at once.
INIT: Final = 1

#: How many pages of page tables a process may have, or have more than another one.
_TABLES: Final = 8


class Phase(IntEnum):
    """How far a process is on its way out."""

    ALIVE = 0
    #: Killed, or exiting, and its memory is still to be seen.
    DYING = 1
    #: It shows no memory any more.
    BARE = 2
    #: Its parent can wait for it.
    ZOMBIE = 3


@frozen
class Proc:
    """A process; *space* is known by the number of the process that had it first."""

    pid: int
    parent: int
    space: int
    phase: Phase = Phase.ALIVE
    #: What wait4() says, without the bit of a core dump.
    status: int = 0
    #: It may be dumping core, which counts as staying.
    dumps: bool = False


@frozen
class Space:
    """An address space: the numbers of pages that are mapped, and that are there.

    *of* is the number of the process that had it first; below 0 it is the one of so
    many execs.
    """

    of: int
    mapped: frozenset[int] = frozenset()
    present: frozenset[int] = frozenset()
    #: Which of the mapped pages cannot be written, and which are of a stack. A stack
    #: grows where it is touched, which is not modelled: no call is about one.
    text: frozenset[int] = frozenset()
    stack: frozenset[int] = frozenset()
    #: The first one of those that were copied from each other: they share pages.
    family: int = 0
    #: The cgroup is charged for it.
    grouped: bool = False
    #: The OOM killer wants it back; its reaper is done with it; notifiers refuse.
    doomed: bool = False
    skip: bool = False
    refuses: bool = False
    #: How many others keep it in use.
    held: int = 0
    #: A call that did not return may have mapped something.
    vague: bool = False


@frozen
class State:
    """All processes and address spaces, each in order of their numbers."""

    procs: tuple[Proc, ...] = ()
    spaces: tuple[Space, ...] = ()
    #: How many of the address spaces came by an exec.
    execs: int = 0
    #: An OOM kill was asked for; the victim that was chosen.
    asked: bool = False
    victim: int = 0
    #: How many pages the cgroup may have; whoever has set that makes room for it.
    limit: int | None = None
    trims: bool = False
    #: A call is under way that the cgroup may have to be charged for.
    hungry: bool = False
    #: Processes that may be in the middle of an exec, with their first thread gone.
    begins: frozenset[int] = frozenset()
    #: Time stands, so that nobody is reaped before the next tick.
    stands: bool = False
    #: Processes that are there although nobody was told of them.
    unknown: tuple[int, ...] = ()

    # -- looking

    def proc(self, pid: int) -> Proc | None:
        """Return a process that was not waited for yet."""
        return next((p for p in self.procs if p.pid == pid), None)

    def space(self, of: int) -> Space | None:
        """Return an address space that is still in use."""
        return next((s for s in self.spaces if s.of == of), None)

    def space_of(self, pid: int) -> Space:
        """Return the address space of a process that goes on."""
        p = self.proc(pid)
        space = None if p is None else self.space(p.space)
        assert space is not None  # whoever makes a call has memory
        return space

    def alive(self, pid: int) -> bool:
        """Tell whether a process goes on."""
        p = self.proc(pid)
        return p is not None and p.phase is Phase.ALIVE

    def heir(self, p: Proc) -> int:  # noqa: ARG002 -- a model that knows more looks
        """Return who takes the children of a process in when it is gone."""
        return INIT

    def users(self, of: int) -> list[Proc]:
        """Return the processes that show an address space."""
        return [p for p in self.procs if p.space == of and p.phase <= Phase.DYING]

    def children(self, pid: int) -> list[Proc]:
        """Return whom a process can wait for, sooner or later."""
        return [p for p in self.procs if p.parent == pid]

    # -- changing

    def put(self, *procs: Proc) -> State:
        """Return the state with these processes in place of those of their numbers."""
        by = {p.pid: p for p in (*self.procs, *procs)}
        return evolve(self, procs=tuple(by[pid] for pid in sorted(by)))

    def drop(self, pid: int) -> State:
        """Return the state without a process."""
        return evolve(self, procs=tuple(p for p in self.procs if p.pid != pid))

    def put_space(self, space: Space) -> State:
        """Return the state with *space* in place of the one of its number."""
        by = {s.of: s for s in (*self.spaces, space)}
        return evolve(self, spaces=tuple(by[of] for of in sorted(by)))

    def let_go(self, of: int) -> State:
        """Return the state in which an address space that nobody uses is gone."""
        space = self.space(of)
        if space is None or space.held or self.users(of):
            return self
        return evolve(self, spaces=tuple(s for s in self.spaces if s.of != of))

    def die(self, pid: int, status: int, *, dumps: bool = False) -> State:
        """Return the state in which a process is on its way out: the first reason
        counts.
        """
        p = self.proc(pid)
        if p is None or p.phase is not Phase.ALIVE:
            return self
        return self.put(evolve(p, phase=Phase.DYING, status=status, dumps=dumps))

    # -- the cgroup

    def least(self, *changed: Space) -> int:
        """Return for how many pages the cgroup is charged if all are shared that can
        be; *changed* are taken in place of those of their numbers.
        """
        most: dict[int, int] = {}
        for space in {s.of: s for s in (*self.spaces, *changed)}.values():
            if space.grouped:
                pages = len(space.present)
                most[space.family] = max(pages, most.get(space.family, 0))
        return sum(most.values())

    @property
    def most(self) -> int:
        """For how many it is charged if none are, with the pages of page tables."""
        charged = [space for space in self.spaces if space.grouped]
        return sum(len(space.present) + _TABLES for space in charged)

    def has_room(self, *changed: Space) -> bool:
        """Tell whether the cgroup may have what it would be charged for."""
        return self.limit is None or self.least(*changed) <= self.limit

    # -- what happens by itself

    def later(self) -> Iterator[State]:
        """Yield each state that comes next without anybody's call, in any order."""
        yield from self.leaves()
        if not self.stands:
            yield from self._reap()
        if self.asked:
            for pid in self._choose(self._candidates()) or [0]:
                yield evolve(self, asked=False, victim=pid)
        if self.trims:
            yield from self._trim()
        if self.victim:
            yield self._kill(self.victim)

    def leaves(self) -> Iterator[State]:
        """Yield each state in which somebody has come further on the way out."""
        for p in self.procs:
            if p.phase is not Phase.ALIVE:
                yield self._next(p)

    def perhaps(self) -> Iterator[State]:
        """Yield each state that may come next, but need not."""
        if not self.hungry or self.limit is None:
            return
        # Who waits for room waits for the reaper, too.
        if self.stands:
            yield from self._reap()
        if not self.victim and self.most + _TABLES > self.limit:
            members = self._candidates(grouped=True)
            for pid in self._choose(members):
                yield evolve(self, victim=pid)
            # Whoever is dying and needs a page is a victim right away.
            for _, pid in members:
                p = self.proc(pid)
                if p is not None and p.phase is Phase.DYING and not p.dumps:
                    yield self._kill(pid)

    def _next(self, p: Proc) -> State:
        """Take a process one phase further."""
        if p.phase is Phase.DYING:
            return self.put(evolve(p, phase=Phase.BARE)).let_go(p.space)
        if p.phase is Phase.BARE:
            heir = self.heir(p)
            orphans = [evolve(c, parent=heir) for c in self.children(p.pid)]
            return self.put(evolve(p, phase=Phase.ZOMBIE), *orphans)
        return self.drop(p.pid) if p.parent == INIT else self

    def _reap(self) -> Iterator[State]:
        for space in self.spaces:
            if space.doomed and not space.skip:
                yield self.put_space(evolve(space, present=frozenset(), skip=True))
                if space.refuses:
                    yield self.put_space(evolve(space, skip=True))

    def _trim(self) -> Iterator[State]:
        """Have somebody killed, unless there is room or nobody left to kill."""
        members = self._candidates(grouped=True)
        if self.has_room() or not members:
            yield evolve(self, trims=False)
        elif not self.victim:
            for pid in self._choose(members):
                yield evolve(self, victim=pid)

    def _candidates(self, *, grouped: bool = False) -> list[tuple[int, int]]:
        """Return whom the killer can choose: how many pages each has, and who it is."""
        return [
            (len(space.present), p.pid)
            for p in self.procs
            if p.phase <= Phase.DYING and (space := self.space(p.space))
            if not space.skip and (space.grouped or not grouped)
        ]

    def _choose(self, found: list[tuple[int, int]]) -> list[int]:
        """Return who may be the worst of them: page tables count, and differ."""
        most = max(found, default=(0, 0))[0]
        return [pid for pages, pid in found if pages + _TABLES >= most]

    def _kill(self, pid: int) -> State:
        state = evolve(self, victim=0)
        p, space = self.proc(pid), None
        if p is not None and p.phase <= Phase.DYING:
            space = self.space(p.space)
        if p is None or space is None:
            return state
        for user in self.users(p.space):
            state = state.die(user.pid, 9)
        return state.put_space(evolve(space, doomed=True))

    @property
    def at_rest(self) -> bool:
        """Whether nothing has to happen any more without a call."""
        return all(state == self for state in self.later())
