# SPDX-License-Identifier: GPL-2.0-only
"""Programs that wait: those which Nidhugg's awaits are tested with, and two locks.

A loop that looks until something holds is a step behind a guard here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pykmm.engine import Machine, Mutex
from tests.litmus.awaited import Awaited, awaited
from tests.litmus.harness import Program, run

if TYPE_CHECKING:
    from collections.abc import Callable

BIAS = 0x100000


def simplified_dekker(m: Machine) -> object:
    """Each raises a flag, and waits for the other's to fall."""
    x, y = awaited(0, 0)

    def body(mine: Awaited, other: Awaited) -> None:
        mine.set(1)
        other.wait_for(0)
        mine.set(0)

    return run(m, lambda: body(x, y), lambda: body(y, x))


def broken_mutual_exclusion(m: Machine) -> object:
    """Two wait for a flag to be down, and raise it then."""
    x = Awaited(0)
    return run(m, *[lambda: (x.wait_for(0), x.set(1))] * 2)


def revealed_write(m: Machine) -> object:
    """One waits for what the other writes only if it comes early enough."""
    x, y = awaited(0, 0)
    return run(
        m,
        lambda: (x.wait_for(0), y.set(1)),
        lambda: (x.set(1), y.wait_for(1)),
    )


def lock_and_trylock(m: Machine) -> object:
    """The simplified algorithm of Dekker; one of the two does not wait."""
    x, y = awaited(0, 0)
    return run(
        m,
        lambda: (x.set(1), y.get(), x.set(0)),
        lambda: (y.set(1), x.wait_for(0), y.set(0)),
    )


def parker(m: Machine) -> object:
    """A part of the race between Java's park() and unpark()."""
    x, y, counter, cond, stop, ended = awaited(*[0] * 6)

    def park() -> None:
        x.set(1)
        if y.get() != 0:
            return
        cond.set(1)
        x.set(0)
        counter.set(0)

    def unpark() -> None:
        y.set(1)
        x.wait_for(0)
        seen = counter.get()
        counter.set(1)
        y.set(0)
        if seen < 1:
            cond.set(0)
        stop.set(1)
        ended.set(1)

    return run(m, park, unpark)


def mud(*, deeper: bool) -> Program:
    """Who is waited for runs a program of two threads, if it comes early enough."""

    def program(m: Machine) -> object:
        y, z, told, x, w, joined = awaited(*[0] * 6)

        def whole() -> None:
            m.thread("other", lambda: (x.set(1), w.set(1), joined.set(1)))
            x.get()
            joined.wait_for(1)
            z.set(1)
            w.get()
            z.set(42)

        def tell() -> None:
            if y.get() == 0:
                told.set(1)

        def maybe() -> None:
            if (told.get() == 1) if deeper else (y.get() == 0):
                whole()

        between = [tell] if deeper else []
        return run(m, lambda: y.set(1), maybe, *between, lambda: z.wait_for(42))

    return program


def swap_and_chain(guard: Callable[[Awaited], Callable[[], bool]]) -> Program:
    """A swap that waits for a guard, beside three increments in a row."""

    def program(m: Machine) -> object:
        a = Awaited(0)
        return run(
            m,
            lambda: [a.fetch_add() for _ in range(3)],
            lambda: a.swap_once(guard(a), 0),
        )

    return program


def swaps(swappers: int, readers: int, writers: int) -> Program:
    """Each swap waits for another number than the one after its own."""

    def program(m: Machine) -> object:
        a = Awaited(0)

        def swap(mine: int) -> None:
            a.swap_once(partial(a._is_not, mine + 1), mine)

        return run(
            m,
            *[lambda i=i: swap(i + 1) for i in range(swappers)],
            *[a.get] * readers,
            *[lambda i=i: a.set(i + 1 + swappers) for i in range(writers)],
        )

    return program


def awaited_sum(
    wanted: int, *amounts: int, chain: tuple[int, ...] = (), swaps: bool = False
) -> Program:
    """Additions that commute, and somebody who waits for the sum of some of them."""

    def program(m: Machine) -> object:
        x = Awaited(0)

        def wait() -> None:
            if swaps:
                x.swap_once(partial(x._is, wanted), 999)
            else:
                x.wait_for(wanted)

        return run(
            m,
            *[lambda a=a: x.add(a) for a in amounts],
            lambda: [x.add(a) for a in chain],
            wait,
        )

    return program


def rwlocks(*, commute: bool) -> Program:
    """A reader that backs off and waits, and two writers, of which one tries once."""

    def program(m: Machine) -> object:
        lock = Awaited(BIAS)
        add = lock.add if commute else lock.fetch_add

        def read() -> None:
            while lock.fetch_add(-1) <= 0:
                add(1)
                lock.wait(partial(lock._is_above, 0))

        def write() -> None:
            lock.swap_once(partial(lock._is, BIAS), 0)
            add(BIAS)

        return run(m, write, lambda: lock.fetch_add(-BIAS), read)

    return program


# -- loops that do more than to look: an iteration in vain ends the thread ------------


def burns(m: Machine) -> object:
    """Burns and Lynch: one bit a process, and the lower number goes first."""
    flags, x = awaited(0, 0), Awaited(0)

    def inside(me: int) -> None:
        x.set(me)
        assert x.get() == me
        flags[me].set(0)

    def low() -> None:
        flags[0].set(0)
        flags[0].set(1)
        flags[1].wait_for(0)
        inside(0)

    def high() -> None:
        flags[1].set(0)
        flags[0].wait_for(0)
        flags[1].set(1)
        flags[0].wait_for(0)
        inside(1)

    return run(m, low, high)


def last_of_four(m: Machine) -> object:
    """Three writes of the value that is there, and one that is waited for."""
    x = Awaited(0)
    return run(m, lambda: [x.set(v) for v in (0, 0, 0, 1)], lambda: x.wait_for(1))


def seqlock(*, awaits: bool) -> Program:
    """A writer, and a reader who looks whether all is as before, or waits for that."""

    def program(m: Machine) -> object:
        sequence, shared, lock = Awaited(0), Awaited(0), Mutex()

        def read() -> None:
            start = sequence.get()
            if start % 2 == 0:
                shared.get()
                if awaits:
                    sequence.wait_for(start)
                else:
                    sequence.get()

        def write() -> None:
            with lock:
                sequence.fetch_add()
                shared.set(1)
                sequence.fetch_add()

        return run(m, read, write)

    return program


def futex_mutex(*, commute: bool) -> Program:
    """A lock of three values, and a number that counts who was woken."""

    def program(m: Machine) -> object:
        lock, signal, inside = awaited(0, 0, 0)

        def sleep() -> None:
            seen = signal.get()
            if lock.get() == 2:
                signal.wait(partial(signal._is_not, seen))

        def take() -> None:
            if not lock.cas(0, 1):
                while True:
                    lock.cas(1, 2)
                    sleep()
                    if lock.cas(0, 2):
                        break

        def give() -> None:
            if not lock.cas(1, 0):
                lock.set(0)
                signal.add() if commute else signal.fetch_add()

        def body(me: int) -> None:
            take()
            inside.set(me)
            assert inside.get() == me
            give()

        return run(m, lambda: body(0), lambda: body(1))

    return program


def treiber_pops(n: int) -> Program:
    """n threads pop of a stack of n."""

    def program(m: Machine) -> object:
        top = Awaited(n)

        def pop() -> None:
            seen = top.get()
            if seen:
                top.cas(seen, seen - 1)

        return run(m, *[pop] * n)

    return program


def safestack(*, commute: bool) -> Program:
    """SCTBench: one thread pops and pushes, another one pops."""

    def program(m: Machine) -> object:
        following, values = awaited(1, 2, -1), awaited(0, 0, 0)
        head, count = awaited(0, 3)
        add = count.add if commute else count.fetch_add

        def pop() -> int:
            while count.get() > 1:
                first = head.get()
                second = following[first].swap(-1)
                if second == -1:
                    break
                if head.cas(first, second):
                    add(-1)
                    return first
                following[first].swap(second)
            return -1

        def push(index: int) -> None:
            first = head.get()
            following[index].set(first)
            while (found := head.swap_if(first, index)) != first:
                first = found
                following[index].set(first)
            add(1)

        def body(me: int) -> None:
            mine = pop()
            if mine >= 0:
                values[mine].set(me)
                assert values[mine].get() == me
                if me == 0:
                    push(mine)

        return run(m, lambda: body(0), lambda: body(1))

    return program


# -- locks that threads queue for ---------------------------------------------------


def ticket_lock(n: int) -> Program:
    """Everybody takes a number, and waits until it is served."""

    def program(m: Machine) -> object:
        following, serving = awaited(0, 0)

        def body() -> int:
            mine = following.fetch_add()
            serving.wait_for(mine)
            serving.fetch_add()
            return mine

        return run(m, *[body] * n)

    return program


def mcs_lock(n: int) -> Program:
    """Mellor-Crummey and Scott: everybody waits at a gate that the one before opens."""

    def program(m: Machine) -> object:
        tail, after, gates = Awaited(-1), awaited(*[-1] * n), awaited(*[0] * n)

        def take(me: int) -> None:
            before = tail.swap(me)
            if before >= 0:
                after[before].set(me)
                gates[me].wait_for(1)

        def give(me: int) -> None:
            if after[me].get() < 0:
                if tail.cas(me, -1):
                    return
                after[me].wait(partial(after[me]._is_not, -1))
            gates[after[me].get()].set(1)

        return run(m, *[lambda me=me: (take(me), give(me)) for me in range(n)])

    return program
