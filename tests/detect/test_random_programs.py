# SPDX-License-Identifier: GPL-2.0-only
"""Programs made by dice: correct ones are not blamed, and races are exactly those
that a second, slower definition finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import DETECTORS, Kcsan
from pykmm.engine import (
    Access,
    Cell,
    Counter,
    Event,
    Machine,
    Mutex,
    PlainCell,
    RWLock,
    Struct,
)
from pykmm.engine.fields import const, embedded, kernel_struct, shared
from pykmm.errors import Report
from pykmm.linux.compiler import READ_ONCE, WRITE_ONCE, data_race
from pykmm.linux.completion import (
    complete_all,
    completion,
    wait_for_completion,
)
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.rcupdate import rcu_read_lock, rcu_read_unlock
from pykmm.linux.refcount import refcount_dec_and_test, refcount_inc, refcount_t
from pykmm.linux.rwsem import down_read, down_write, rw_semaphore, up_read, up_write
from pykmm.linux.spinlock import (
    read_lock,
    read_unlock,
    rwlock_t,
    spin_lock,
    spin_unlock,
    spinlock_t,
    write_lock,
    write_unlock,
)
from pykmm.linux.wait import wait_event, wait_queue_head_t, wake_up
from pykmm.schedulers import RandomWalk


@kernel_struct
class shared_buffer(Struct):
    """Something counted, with a field that races where it is marked."""

    number: int = const(default=1)
    hint: int = shared(default=0)
    count: refcount_t = embedded(refcount_t)


#: Locks by kind: how to make one, and to take and give it back for writing and for
#: reading. The first three may sleep, so they come outside of the others.
LOCKS = {
    "mutex": (mutex, mutex_lock, mutex_unlock, mutex_lock, mutex_unlock),
    "rwsem": (rw_semaphore, down_write, up_write, down_read, up_read),
    "Mutex": (Mutex, Mutex.lock, Mutex.unlock, Mutex.lock, Mutex.unlock),
    "spin": (spinlock_t, spin_lock, spin_unlock, spin_lock, spin_unlock),
    "rwlock": (rwlock_t, write_lock, write_unlock, read_lock, read_unlock),
    "RWLock": (
        RWLock,
        RWLock.write_lock,
        RWLock.write_unlock,
        RWLock.read_lock,
        RWLock.read_unlock,
    ),
}


class World:
    """What the threads of one program share."""

    def __init__(self, kinds: Sequence[str], threads: int) -> None:
        self.kinds = kinds
        self.locks = [LOCKS[kind][0]() for kind in kinds]  # type: ignore[operator]
        self.cells = [PlainCell(0) for _ in kinds]
        self.hints = Cell(0)
        #: What each thread does before it tells the others that it is done.
        self.gifts = [PlainCell(0) for _ in range(threads)]
        self.done = [completion() for _ in range(threads)]
        self.ready = [Cell(0) for _ in range(threads)]
        self.queue = wait_queue_head_t()
        self.buffer = shared_buffer()
        self.buffer.count.refs = threads


class Program:
    """Two or three threads that do nothing wrong, unless they forget their locks."""

    def __init__(self, seed: int) -> None:
        dice = self.dice = random.Random(seed)
        many = dice.randint(1, 4)
        kinds = [dice.choice(list(LOCKS)) for _ in range(many)]
        self.kinds = sorted(kinds, key=list(LOCKS).index)
        self.threads = dice.choice([2, 2, 3])
        self.plans = [self._plan(number) for number in range(self.threads)]

    def _plan(self, me: int) -> list[tuple[str, int, int]]:
        """Return steps as an action, what it is about, and whether it writes."""
        dice = self.dice
        plan: list[tuple[str, int, int]] = []
        for _ in range(dice.randint(2, 7)):
            what = dice.choice(["lock", "lock", "lock", "hint", "rcu", "ref", "gift"])
            if what == "gift" and me:
                plan.append((dice.choice(["wait", "sleep"]), dice.randrange(me), 0))
            elif what != "gift":
                plan.append((what, dice.randrange(len(self.kinds)), dice.randrange(2)))
        return plan

    def bodies(self, world: World, *, locked: bool = True) -> list[Callable[[], None]]:
        """Return what the threads do."""
        return [
            (lambda me=me: Actor(world, me, locked=locked).run(self.plans[me]))
            for me in range(self.threads)
        ]


class Actor:
    """One thread."""

    def __init__(self, world: World, me: int, *, locked: bool) -> None:
        self.world = world
        self.me = me
        self.locked = locked

    def run(self, plan: Sequence[tuple[str, int, int]]) -> None:
        world, me = self.world, self.me
        world.gifts[me].set(me)
        for action, about, writes in plan:
            getattr(self, action)(about, writes)
        complete_all(world.done[me])
        world.ready[me].store_release(1)
        wake_up(world.queue)
        self._put()

    def lock(self, outer: int, writes: int) -> None:
        """Take a lock, and the ones behind it inside."""
        for at in range(outer, len(self.world.locks)):
            self._take(at, writes)
            value = self.world.cells[at].get()
            if writes:
                self.world.cells[at].set(value + 1)
        for at in reversed(range(outer, len(self.world.locks))):
            self._give(at, writes)

    def _take(self, at: int, writes: int) -> None:
        if self.locked:
            LOCKS[self.world.kinds[at]][1 if writes else 3](self.world.locks[at])  # type: ignore[operator]

    def _give(self, at: int, writes: int) -> None:
        if self.locked:
            LOCKS[self.world.kinds[at]][2 if writes else 4](self.world.locks[at])  # type: ignore[operator]

    def hint(self, about: int, writes: int) -> None:
        """Race on purpose."""
        if writes:
            self.world.hints.set(about)
            WRITE_ONCE(self.world.buffer).hint = about
        else:
            self.world.hints.get()
            assert READ_ONCE(self.world.buffer).hint >= 0

    def rcu(self, about: int, writes: int) -> None:
        rcu_read_lock()
        self.hint(about, writes)
        rcu_read_unlock()

    def ref(self, about: int, writes: int) -> None:
        """Use what is counted, under a reference of one's own."""
        refcount_inc(self.world.buffer.count)
        assert self.world.buffer.number == 1
        self._put()

    def wait(self, whom: int, _: int) -> None:
        """Wait for what another one did, and look at it."""
        wait_for_completion(self.world.done[whom])
        assert self.world.gifts[whom].get() == whom

    def sleep(self, whom: int, _: int) -> None:
        wait_event(self.world.queue, self.world.ready[whom].load_acquire)
        assert self.world.gifts[whom].get() == whom

    def _put(self) -> None:
        if refcount_dec_and_test(self.world.buffer.count):
            self.world.buffer._free()


def watched(seed: int, *, locked: bool = True) -> Report | None:
    """Run the program of *seed* once, by dice as well, and return what is found."""
    program = Program(seed)
    watching = [detector.campaign().again() for detector in DETECTORS.values()]
    with Machine(scheduler=RandomWalk(str(seed)), observers=watching) as m:
        world = World(program.kinds, program.threads)
        for number, body in enumerate(program.bodies(world, locked=locked)):
            m.thread(f"t{number}", body)
        try:
            m.run()
        except Report as report:
            return report
    return None


@pytest.mark.parametrize("block", range(10))
def test_correct_programs_are_not_blamed(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        report = watched(seed)
        assert report is None, f"seed {seed}\n{report.render()}"  # type: ignore[union-attr]


def test_without_their_locks_most_of_them_are() -> None:
    """The programs above are not quiet because nothing happens in them."""
    found = [watched(seed, locked=False) for seed in range(100)]
    kinds = [report.kind for report in found if report is not None]
    assert set(kinds) == {"data-race"}
    assert len(kinds) > 60


# -- against another definition -----------------------------------------------------


class Mess:
    """Threads that access and synchronise at random."""

    def __init__(self) -> None:
        self.plain = [PlainCell(0), PlainCell(0)]
        self.box = shared_buffer()
        self.cells = [Cell(0), Cell(0)]
        self.turn = Counter(0)
        self.mutex = Mutex()
        self.rw = RWLock()

    def actions(self, dice: random.Random) -> list[Callable[[], object]]:
        """Return everything that a thread may do, to choose from."""
        x = dice.choice(self.plain)
        cell = dice.choice(self.cells)
        box = self.box

        def mark() -> None:
            WRITE_ONCE(box).hint = 1

        def write() -> None:
            box.hint = 2

        return [
            x.get,
            lambda: x.set(1),
            lambda: box.hint,
            write,
            lambda: READ_ONCE(box).hint,
            mark,
            lambda: data_race(box).hint,
            cell.get,
            lambda: cell.set(1),
            lambda: cell.store_release(2),
            cell.load_acquire,
            lambda: cell.cas(2, 3),
            self.turn.fetch_add,
            self.turn.add,
        ]

    def thread(self, dice: random.Random) -> Callable[[], None]:
        """Make a thread that does a few things, some of them under a lock."""
        sections = [
            (dice.randrange(5), dice.choices(self.actions(dice), k=dice.randint(1, 3)))
            for _ in range(dice.randint(1, 5))
        ]

        def body() -> None:
            for lock, actions in sections:
                take, give = {
                    0: (self.mutex.lock, self.mutex.unlock),
                    1: (self.rw.read_lock, self.rw.read_unlock),
                    2: (self.rw.write_lock, self.rw.write_unlock),
                }.get(lock, (int, int))
                take()
                for action in actions:
                    action()
                give()

        return body


def edges(events: Sequence[Event], at: int) -> list[int]:
    """Return earlier events right behind which event *at* comes."""
    event = events[at]
    before = [i for i in range(at) if events[i].thread is event.thread][-1:]
    mine = [i for i in range(at) if events[i].obj is event.obj]
    if event.access in (Access.ACQUIRE, Access.SHARE):
        gives = [Access.RELEASE]
        if event.access is Access.ACQUIRE:
            gives.append(Access.UNSHARE)
        before += [i for i in mine if events[i].access in gives]
    elif event.kind == "load_acquire" or _is_full(event):
        releases = [
            i for i in mine if events[i].kind == "store_release" or _is_full(events[i])
        ]
        before += releases[-1:]
    return before


def _is_full(event: Event) -> bool:
    return event.kind in ("cas", "fetch_add") and event.access is Access.WRITE


def racing_objects(events: Sequence[Event], *, strict: bool) -> set[str]:
    """Compare all pairs of accesses, by the transitive closure of what orders them."""
    before: list[int] = []
    found: set[str] = set()
    for at, event in enumerate(events):
        mask = 0
        for i in edges(events, at):
            mask |= before[i] | 1 << i
        before.append(mask)
        for i in range(at):
            if not mask >> i & 1 and race(events[i], event, strict=strict):
                found.add(event.obj.name)
    return found


def race(a: Event, b: Event, *, strict: bool) -> bool:
    if a.obj is not b.obj or not a.obj.plain or a.thread is b.thread:
        return False
    if "data_race" in (a.kind, b.kind):
        return False
    writes = [e for e in (a, b) if e.access is Access.WRITE]
    plain = [e for e in (a, b) if e.kind in ("read", "write")]
    if not writes or not plain:
        return False
    marked_read = any(e.kind == "READ_ONCE" for e in (a, b))
    return strict or not marked_read


def mess_about(seed: int, *, strict: bool) -> tuple[list[str], set[str]]:
    """Return what the detector says, and which objects race by the definition."""
    dice = random.Random(seed)
    seen: list[str] = []
    watch = Kcsan(lambda report: seen.append(report.summary), strict=strict)
    with Machine(scheduler=RandomWalk(str(seed)), observers=[watch]) as m:
        mess = Mess()
        for number in range(dice.choice([2, 3, 4])):
            m.thread(f"t{number}", mess.thread(dice))
        m.run()
    return seen, racing_objects(m.events, strict=strict)


@pytest.mark.parametrize("strict", [False, True])
def test_races_are_those_of_the_definition(strict: bool) -> None:
    racy = 0
    for seed in range(300):
        seen, wanted = mess_about(seed, strict=strict)
        found = {name for name in wanted if any(name in text for text in seen)}
        assert found == wanted, f"seed {seed}"
        assert all(any(name in text for name in wanted) for text in seen)
        racy += bool(wanted)
    assert 50 < racy < 290
