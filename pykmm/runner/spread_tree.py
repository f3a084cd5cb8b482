# SPDX-License-Identifier: GPL-2.0-only
"""Let others explore parts of the tree that the reduction goes through.

One *walk* goes through the whole tree, in the order of a single process. Whatever is
planned far up waits for the walk for a long time, although nothing will change about
it (:mod:`pykmm.schedulers.subtree` says why). So walks of their own begin there,
ahead of time, and where they have grown, further ones begin in them. When the first
walk comes to such a place, it takes over how far the other has come: what it counted,
what it planned above itself, and what is left. Workers take each walk a short way at
a time. How far, and who goes ahead where, makes no difference to what comes out.
Where a number of executions ends it all, a place far up may never be come to; then
walks begin in the places that come next.

What a walk ahead started from is compared with what the first one finds there. If it
was not that, the work is thrown away and done again in its turn.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from time import perf_counter
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field

from ..schedulers.frontier import Frontier, Place, Reader, read, write
from ..schedulers.subtree import chain, leaf
from ..schedulers.wakeup import PLANS, Branch, explored
from .task import run_task

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from ..engine.pool import Pool
    from ..schedulers import Subtree
    from ..schedulers.steps import Step
    from ..schedulers.world import World
    from .campaign import Campaign, Part
    from .task import Task

__all__ = ["SpreadTree"]

#: How long a walk goes on before it is looked at again.
_SECONDS: Final = 0.3
#: How many walks to have on their way.
_AHEAD: Final = 32

#: A plan for a place above: of what kind, where, what.
_Plan = tuple[str, int, "list[Step]"]


@define(eq=False)
class _Walk:
    """Goes through the tree, or through what is below a leaf of it."""

    number: int
    frontier: Frontier
    #: What it took for granted about the place of the leaf.
    asleep: dict[int, Step] = field(factory=dict)
    #: Parts that wait for the walk above, with what they plan there.
    parts: list[Part] = field(factory=list)
    outward: list[_Plan] = field(factory=list)
    trunk: list[tuple[Step, dict[int, Step]]] = field(factory=list)
    known: object = None
    going: Future[bytes] | None = None
    #: Whether it is large, by what is known: only in what is large others begin.
    grown: bool = False
    #: Whether it need not, or cannot, go on ahead of its turn.
    stopped: bool = False
    spoiled: bool = False

    @property
    def can_go(self) -> bool:
        """Whether there is something for it to do, and nobody does it."""
        return self.going is None and not self.stopped and not self.frontier.is_done

    @property
    def next_leaf(self) -> Branch | None:
        """What it would explore next, if that can be said."""
        places = self.frontier.places
        return leaf(places[-1].branches[0]) if places and places[-1].branches else None


@define
class SpreadTree:
    """Runs a campaign's executions on *executor*."""

    executor: Executor
    task: Task
    search: Subtree
    world: World = field(init=False)
    first: _Walk = field(init=False)
    #: All walks by number, in their order of birth.
    walks: dict[int, _Walk] = field(factory=dict)
    numbers: int = 0
    #: How many walks go on at once where not all of them may be come to.
    near: int = field(init=False)

    def run(self, campaign: Campaign, pool: Pool) -> str:
        """Explore; return why this ended."""
        reason = campaign.loop(pool, _SECONDS)  # what is small is done here and now
        if reason:
            return reason
        self.world = self.search.world
        self.near = 2 * getattr(self.executor, "_max_workers", _AHEAD // 2)
        self.first = self._begin(self.search.leave())
        self.first.grown = True
        try:
            reason = self._go(campaign)
        finally:
            for walk in self.walks.values():
                if walk.going is not None:
                    walk.going.cancel()
        for branch in _all(self.first.frontier):
            branch.away = 0
        self.search.resume(self.first.frontier)
        return reason

    def _begin(self, frontier: Frontier) -> _Walk:
        self.numbers += 1
        walk = self.walks[self.numbers] = _Walk(self.numbers, frontier)
        walk.known = frontier.known
        return walk

    def _go(self, campaign: Campaign) -> str:
        first = self.first
        while True:
            self._take_over(campaign)
            if first.going is None:
                if first.frontier.is_done:
                    return first.frontier.flaw or self.search.whole
                reason = campaign.reason()
                if reason:
                    return reason
            self._send(campaign)
            going = {w.going: w for w in self.walks.values() if w.going is not None}
            done, _ = wait(going, return_when=FIRST_COMPLETED)
            for future, walk in list(going.items()):
                if future in done:
                    self._land(walk, pickle.loads(future.result()), campaign)

    # -- sending -----------------------------------------------------------------

    def _send(self, campaign: Campaign) -> None:
        """Let all walks go on that can, and begin others where there is room."""
        for walk in list(self.walks.values()):
            if walk.grown and walk.can_go:
                walk.grown = False
                self._branch_off(walk, campaign)
        for walk, left in list(self._useful(campaign)):
            following = walk.next_leaf
            if following is None or not following.away:
                self._submit(walk, campaign, left)

    def _useful(self, campaign: Campaign) -> Iterator[tuple[_Walk, int | None]]:
        """Yield the walks that are to go on, and for how many executions at most.

        Where a number of executions ends it all, those are few that the first walk will
        come to soonest: whatever lies beyond the last execution is done in vain.
        """
        left = campaign.left
        if left is None:
            yield from ((walk, None) for walk in self.walks.values() if walk.can_go)
            return
        free = self.near
        for walk in self._coming(self.first):
            left -= sum(part.counted + part.blocked for part in walk.parts)
            if left <= 0 or free == 0:
                return
            free -= walk.can_go or walk.going is not None
            if walk.can_go:
                yield walk, left

    def _coming(self, walk: _Walk) -> Iterator[_Walk]:
        """Yield *walk* and those ahead of it, in the order in which it meets them."""
        yield walk
        for _, branch in _ahead(walk.frontier):
            if leaf(branch).away:
                yield from self._coming(self.walks[leaf(branch).away])

    def _branch_off(self, walk: _Walk, campaign: Campaign) -> None:
        """Begin walks at the leaves that *walk* would come to last.

        They are the largest. More may be planned for leaves behind a step that may do
        one thing or another, so these are for their own walk. Where a number of
        executions ends it all, those that it would come to first.
        """
        following = walk.next_leaf
        leaves = [
            (index, branch)
            for index, branch in _ahead(walk.frontier)
            if not leaf(branch).away and all(step.is_sure for step in chain(branch))
        ]
        many = self.near
        if campaign.left is None:
            leaves.reverse()
            busy = sum(w.can_go or w.going is not None for w in self.walks.values())
            many = min(max(_AHEAD - busy, 0), (len(leaves) + 1) // 2)
        for index, branch in leaves[:many]:
            if leaf(branch) is following:
                continue
            ahead = self._begin(_below(walk.frontier, index, branch))
            ahead.asleep = dict(ahead.frontier.places[-1].sleep)
            leaf(branch).away = ahead.number

    def _submit(self, walk: _Walk, campaign: Campaign, left: int | None) -> None:
        task = evolve(
            self.task,
            frontier=write(walk.frontier, self.world),
            pause=_SECONDS,
            executions=left,
        )
        if walk is self.first:
            if campaign.seconds is not None:
                end = campaign.begun + campaign.seconds
                task = evolve(task, seconds=max(end - perf_counter(), 0.0))
            if campaign.stop_on_report:
                task = evolve(task, known=[d.state() for d in campaign.detectors])
        walk.going = self.executor.submit(run_task, task)

    # -- landing -----------------------------------------------------------------

    def _land(self, walk: _Walk, part: Part, campaign: Campaign) -> None:
        """Note how far *walk* has come."""
        walk.going = None
        if walk.number not in self.walks:
            return  # it was called back
        if walk is not self.first and part.stand["taught"]:
            walk.stopped = True  # who comes there learns it in its turn
            return
        reader = Reader(part.stand, self.world)
        away = _away(walk.frontier)
        walk.frontier = read(part.stand, self.world, reader)
        self._call_back(away - _away(walk.frontier))  # another leaf leads there
        walk.spoiled = part.stand["spoiled"]
        walk.grown = part.seconds >= _SECONDS
        walk.stopped = walk is not self.first and bool(walk.spoiled or part.reason)
        for how, index, steps in part.stand["outward"]:
            walk.outward.append((how, index, reader.steps(steps)))
        if part.stand["trunk"]:
            walk.trunk = [
                (reader.step(step), reader.sleep(sleep))
                for step, sleep in part.stand["trunk"]
            ]
        if walk is not self.first:
            walk.parts.append(part)
            return
        if part.stand["taught"]:  # the others went on without knowing that
            self._call_back({n for n in self.walks if n != walk.number})
            for branch in _all(walk.frontier):
                branch.away = 0
        campaign.add(part)

    # -- taking over -------------------------------------------------------------

    def _take_over(self, campaign: Campaign) -> None:
        """Let walks take over from those they have come to."""
        changed = True
        while changed:
            changed = any(
                self._join(walk, campaign) for walk in list(self.walks.values())
            )

    def _join(self, walk: _Walk, campaign: Campaign) -> bool:
        """Let *walk* take over from who is ahead of it, if it has come there."""
        following = walk.next_leaf if walk.going is None and not walk.spoiled else None
        if following is None or not following.away:
            return False
        ahead = self.walks[following.away]
        if ahead.going is not None and walk is not self.first:
            return False
        begun = ahead.parts or ahead.going is not None
        if not (begun and _fits(walk, ahead)):
            self._call_back({ahead.number})
            following.away = 0
            return True
        if ahead.going is not None:
            return False
        if walk is self.first:
            if _ends_in(campaign, ahead.parts):
                self._call_back({ahead.number})
                following.away = 0
                return True
            for part in ahead.parts:
                campaign.add(part)
        else:
            walk.parts += ahead.parts
        following.away = 0
        del self.walks[ahead.number]
        _splice(walk, ahead)
        return True

    def _call_back(self, numbers: set[int]) -> None:
        """Forget walks, and those that began in them."""
        for number in numbers:
            walk = self.walks.pop(number, None)
            if walk is None:
                continue
            if walk.going is not None:
                walk.going.cancel()
            self._call_back(_away(walk.frontier))


def _fits(walk: _Walk, ahead: _Walk) -> bool:
    """Tell whether *ahead* began with what *walk* has come to."""
    places = walk.frontier.places
    if ahead.spoiled or ahead.known != walk.frontier.known:
        return False
    if any(i < len(places) and places[i].hoped for _, i, _ in ahead.outward):
        return False  # whether those who sleep there lead to it has to be looked at
    asleep = places[-1].sleep
    return {t: step.facts for t, step in asleep.items()} == {
        t: step.facts for t, step in ahead.asleep.items()
    }


def _ends_in(campaign: Campaign, parts: list[Part]) -> bool:
    """Tell whether there is a reason to stop before the end of *parts*."""
    left = campaign.left
    if left is not None:
        many = sum(part.counted + part.blocked for part in parts)
        if many > left:
            return True
    return campaign.stop_on_report and not campaign.stays_clean(parts)


def _splice(walk: _Walk, ahead: _Walk) -> None:
    """Put where *ahead* stands in place of the leaf it began at."""
    mine, theirs = walk.frontier, ahead.frontier
    place = mine.places.pop()
    for step, sleep in ahead.trunk:
        place.tid, place.step, place.sleep = step.tid, step, sleep
        mine.places.append(place)
        place = Place(branches=place.branches.pop(0).branches)
    for how, index, steps in ahead.outward:
        if index < mine.floor:
            walk.outward.append((how, index, steps))
        else:
            PLANS[how](mine.places[index], steps, mine.grounds)
    mine.places += theirs.places[theirs.floor :]
    mine.unsure, mine.known = theirs.unsure, theirs.known
    mine.grounds.add(theirs.grounds)
    mine.flaw = theirs.flaw or mine.flaw
    mine.settle()


# -- leaves -------------------------------------------------------------------------


def _ahead(frontier: Frontier) -> Iterator[tuple[int, Branch]]:
    """Yield all branches with their place, in the order in which they are come to."""
    for index in range(len(frontier.places) - 1, -1, -1):
        for branch in frontier.places[index].branches:
            yield index, branch


def _below(frontier: Frontier, index: int, branch: Branch) -> Frontier:
    """Return the frontier of the first leaf below a branch."""
    place = frontier.places[index]
    start = Place(sleep=dict(place.sleep), sleeper=place.sleeper)
    start.seen, start.pieces = list(place.seen), place.pieces
    if place.step is not None:
        explored(start, place.step)
    for other in place.branches[: place.branches.index(branch)]:
        explored(start, other.step.taken())
    steps = chain(branch)
    first = last = Branch(steps[0])
    for step in steps[1:]:
        last.branches.append(Branch(step))
        (last,) = last.branches
    start.branches.append(first)
    above = [Place(other.tid, pieces=other.pieces) for other in frontier.places[:index]]
    return Frontier(
        frontier.known,
        [*above, start],
        index + len(steps),
        True,
        [entry for entry in frontier.unsure if entry[0] < index],
        grounds=frontier.grounds,
    )


def _away(frontier: Frontier) -> set[int]:
    """Return the numbers of those who explore leaves of their own."""
    return {branch.away for branch in _all(frontier) if branch.away}


def _all(frontier: Frontier) -> Iterator[Branch]:
    """Yield every branch that is left."""
    left = [branch for place in frontier.places for branch in place.branches]
    while left:
        branch = left.pop()
        left += branch.branches
        yield branch
