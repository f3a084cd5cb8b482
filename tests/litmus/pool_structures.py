# SPDX-License-Identifier: GPL-2.0-only
"""Classic programs: structures without locks, and threads that wait for each other."""

from __future__ import annotations

from pykmm.engine import Cell, Counter, Machine, Mutex, RWLock
from tests.litmus.harness import Program, run
from tests.schedulers.primitives import Flag, Semaphore

# -- lock-free structures -------------------------------------------------------


def treiber(pushers: int, poppers: int) -> Program:
    """Treiber's stack; a list stands for the nodes that a top leads to."""

    def program(m: Machine) -> object:
        top = Cell(("bottom",))

        def push(me: str) -> None:
            while not top.cas(seen := top.get(), (me, *seen)):
                pass

        def pop() -> str:
            while len(seen := top.get()) > 1:
                if top.cas(seen, seen[1:]):
                    return seen[0]
            return ""

        pushes = [lambda i=i: push(str(i)) for i in range(pushers)]
        return run(m, *pushes, *[pop] * poppers)[pushers:]

    return program


def work_stealing(m: Machine) -> object:
    """The queue of Arora, Blumofe and Plaxton: an owner, and a thief."""
    head, tail, task = Counter(0), Cell(0), [Cell(0), Cell(0)]

    def owner() -> object:
        task[0].set(1)
        tail.set(1)
        tail.set(0)  # take it back
        if (seen := head.get()) > 0:
            return None
        return task[0].get() if head.cas(seen, seen + 1) else None

    def thief() -> object:
        seen = head.get()
        if seen >= tail.get():
            return None
        found = task[seen].get()
        return found if head.cas(seen, seen + 1) else None

    return run(m, owner, thief)


def seqlock(readers: int) -> Program:
    def program(m: Machine) -> object:
        seq, x, y = Counter(0), Cell(0), Cell(0)

        def write() -> None:
            seq.fetch_add()
            x.set(1)
            y.set(1)
            seq.fetch_add()

        def read() -> object:
            begin = seq.get()
            found = x.get(), y.get()
            return found if begin % 2 == 0 and seq.get() == begin else None

        return run(m, write, *[read] * readers)[1:]

    return program


def read_copy_update(readers: int) -> Program:
    """A pointer to one of two versions; the old one is overwritten afterwards."""

    def program(m: Machine) -> object:
        versions, pointer = [Cell("old"), Cell("new")], Cell(0)

        def update() -> None:
            pointer.set(1)
            versions[0].set("freed")

        return run(m, update, *[lambda: versions[pointer.get()].get()] * readers)[1:]

    return program


# -- waiting --------------------------------------------------------------------


def readers_first(readers: int, writers: int) -> Program:
    """Courtois, Heymans and Parnas: the first reader locks the writers out."""

    def program(m: Machine) -> object:
        gate, room, count = Mutex(), Semaphore(), Cell(0)
        room.permits = 1

        def read() -> None:
            with gate:
                count.set(count.get() + 1)
                if count.get() == 1:
                    room.down()
            with gate:
                count.set(count.get() - 1)
                if count.get() == 0:
                    room.up()

        def write() -> None:
            room.down()
            room.up()

        run(m, *[read] * readers, *[write] * writers)
        return count.peek(), room.permits

    return program


def producer_consumer(items: int) -> Program:
    """A buffer of one place, with a semaphore for either side."""

    def program(m: Machine) -> object:
        empty, full, place, got = Semaphore(), Semaphore(), Cell(0), []
        empty.permits = 1

        def produce() -> None:
            for item in range(items):
                empty.down()
                place.set(item)
                full.up()

        def consume() -> None:
            for _ in range(items):
                full.down()
                got.append(place.get())
                empty.up()

        run(m, produce, consume)
        return got

    return program


def lost_signal(m: Machine) -> object:
    """Whoever looks before it waits misses the signal in between."""
    ready, signal = Cell(0), Flag()

    def wait() -> str:
        if not ready.get():
            signal.lower()
            signal.wait()
        return "went on"

    return run(m, wait, lambda: (ready.set(1), signal.raise_()))[0]


def upgrade_in_vain(m: Machine) -> object:
    """Two readers look and write later, one of them under the lock all along."""
    lock, x = RWLock(), Cell(0)

    def careful() -> None:
        lock.write_lock()
        x.set(x.get() + 1)
        lock.write_unlock()

    def careless() -> None:
        lock.read_lock()
        seen = x.get()
        lock.read_unlock()
        lock.write_lock()
        x.set(seen + 1)
        lock.write_unlock()

    run(m, careful, careless)
    return x.peek()
