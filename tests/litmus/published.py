# SPDX-License-Identifier: GPL-2.0-only
"""Programs for which a paper or a tool's own tests print how many traces there are.

They are written anew over cells and mutexes, from what the programs of that name do.
A loop that waits looks *n* times and gives up, as in the originals.
"""

from __future__ import annotations

from collections.abc import Callable

from pykmm.engine import Cell, Counter, Machine, Mutex
from tests.litmus.harness import Program, run

Number = Cell[int]


def numbers(n: int) -> list[Number]:
    return [Cell(0) for _ in range(n)]


def tries(n: int, holds: Callable[[], bool]) -> bool:
    """Look up to *n* times whether something holds."""
    return any(holds() for _ in range(n))


# -- GenMC's tests ----------------------------------------------------------------


def coa(n: int) -> Program:
    """Two writers that look at what the n - 1 others did to two variables in turn."""

    def program(m: Machine) -> object:
        x, y, z = numbers(3)

        def one(me: int, other: Number) -> object:
            x.set(me)
            return other.get(), x.get()

        def many(i: int) -> None:
            y.set(i)
            z.set(i)

        rest = [lambda i=i: many(i) for i in range(n - 1)]
        return run(m, lambda: one(1, y), lambda: one(2, z), *rest)

    return program


def cinc(n: int) -> Program:
    """Everybody fetch-adds to three counters in the same order."""

    def program(m: Machine) -> object:
        counters = [Counter(0) for _ in range(3)]
        return run(m, *[lambda: [c.fetch_add() for c in counters]] * n)

    return program


def cas_once(n: int) -> Program:
    """Everybody swaps the first value for their own."""

    def program(m: Machine) -> object:
        x = Cell(0)
        return run(m, *[lambda i=i: x.cas(0, i + 1) for i in range(n)])

    return program


def wcas(n: int) -> Program:
    """A writer, and n threads of which one finds what it wrote."""

    def program(m: Machine) -> object:
        x = Cell(0)
        return run(m, lambda: x.set(1), *[lambda: x.cas(1, 2)] * n)

    return program


def wainc(n: int) -> Program:
    """A writer, and n threads that fetch-add."""

    def program(m: Machine) -> object:
        x = Counter(0)
        return run(m, lambda: x.set(1), *[x.fetch_add] * n)

    return program


def iriwish(m: Machine) -> object:
    x, y = numbers(2)
    return run(
        m,
        lambda: x.set(1),
        lambda: y.set(x.get()),
        lambda: (x.get(), y.get()),
        lambda: (y.get(), x.get()),
    )


def read_and_read_twice(m: Machine) -> object:
    """CoRR1: two writers, somebody who reads twice, and somebody who reads once."""
    x = Cell(0)
    return run(m, lambda: x.set(1), lambda: x.set(2), lambda: (x.get(), x.get()), x.get)


def both_read_twice(m: Machine) -> object:
    """CoRR2: two writers, and two who read twice."""
    x = Cell(0)
    return run(m, lambda: x.set(1), lambda: x.set(2), *[lambda: (x.get(), x.get())] * 2)


def passed_by_updates(m: Machine) -> object:
    """MPU2: a message that two compare-and-swaps hand on."""
    x, y = numbers(2)

    def last() -> None:
        if y.get() > 2:
            x.set(2)

    return run(
        m,
        lambda: (x.set(1), y.set(0), y.set(1)),
        lambda: y.cas(2, 3),
        lambda: y.cas(1, 2),
        last,
    )


def own_and_shared(n: int) -> Program:
    """par_length: much that is one's own, and then a cell that two share."""

    def program(m: Machine) -> object:
        own, shared = numbers(2), Cell(0)

        def body(me: int) -> int:
            for i in range(n):
                own[me].set(i)
                own[me].get()
            shared.set(me)
            return shared.get()

        return run(m, lambda: body(0), lambda: body(1))

    return program


def write_and_rewrites(n: int) -> Program:
    """wrw: a writer, and n threads that read and write."""

    def program(m: Machine) -> object:
        x = Cell(0)
        return run(
            m, lambda: x.set(1), *[lambda i=i: (x.get(), x.set(i)) for i in range(n)]
        )

    return program


def writes_and_four_reads(m: Machine) -> object:
    """fr+w+w+w+reads: three writers, and somebody who reads four times."""
    x = Cell(0)
    writers = [lambda i=i: x.set(i) for i in (1, 2, 3)]
    return run(m, *writers, lambda: [x.get() for _ in range(4)])


def release_sequence(m: Machine) -> object:
    """viktor-relseq: two fetch-add twice, and two once."""
    x = Counter(0)
    twice, once = lambda: (x.fetch_add(), x.fetch_add()), x.fetch_add
    return run(m, twice, twice, once, once)


# -- Nidhugg's benchmarks -----------------------------------------------------------


def fibonacci(n: int) -> Program:
    """Two threads add two numbers to each other, and a third one looks at them."""

    def program(m: Machine) -> object:
        i, j = Cell(1), Cell(1)

        def add(to: Number, what: Number) -> None:
            for _ in range(n):
                to.set(to.get() + what.get())

        return run(m, lambda: add(i, j), lambda: add(j, i), lambda: (i.get(), j.get()))[
            2
        ]

    return program


def _n_times_inside(n: int, enter: Callable[[], bool], inside: Number, me: int) -> None:
    for _ in range(n):
        if enter():
            inside.set(me)
            assert inside.get() == me


def linuxlock(n: int) -> Program:
    """Two threads try a lock of one bit, n times each."""

    def program(m: Machine) -> object:
        lock, inside = numbers(2)

        def body(me: int) -> None:
            for _ in range(n):
                if lock.cas(0, 1):
                    inside.set(me)
                    assert inside.get() == me
                    lock.set(0)

        return run(m, lambda: body(1), lambda: body(2))

    return program


def linuxrwlock(n: int) -> Program:
    """Two threads try a lock that is a number, and put back what they took in vain."""

    def program(m: Machine) -> object:
        bias = 0x100000
        lock, inside = Counter(bias), Cell(0)

        def body(me: int) -> None:
            for _ in range(n):
                if lock.fetch_add(-bias) == bias:
                    inside.set(me)
                    assert inside.get() == me
                lock.fetch_add(bias)

        return run(m, lambda: body(1), lambda: body(2))

    return program


def write_twice(n: int) -> Program:
    """CO-2+2W: everybody writes to the same variable twice."""

    def program(m: Machine) -> object:
        x = Cell(0)
        run(m, *[lambda i=i: (x.set(i), x.set(i)) for i in range(n)])
        return x.peek()

    return program


def pgsql(n: int) -> Program:
    """Three workers hand a latch round, and look n times for it."""

    def program(m: Machine) -> object:
        latch, flag = numbers(3), numbers(3)

        def worker(me: int) -> None:
            after = (me + 1) % 3
            for _ in range(n):
                if not tries(n, lambda: latch[me].get() == 1):
                    return
                assert latch[me].get() == 0 or flag[me].get() == 1
                latch[me].set(0)
                if flag[me].get() == 1:
                    flag[me].set(0)
                    flag[after].set(1)
                    latch[after].set(1)

        latch[0], flag[0] = Cell(1), Cell(1)
        return run(m, *[lambda me=me: worker(me) for me in range(3)])

    return program


def airline(n: int) -> Program:
    """n sellers of n - 1 seats; who finds them sold stops the sale."""

    def program(m: Machine) -> object:
        sold, stop = numbers(2)

        def sell() -> None:
            if not stop.get():
                seen = sold.get()
                if seen >= n - 1:
                    stop.set(1)
                else:
                    sold.set(seen + 1)

        run(m, *[sell] * n)
        return sold.peek(), stop.peek()

    return program


def sigma_atomic(n: int) -> Program:
    """Threads mark the place that an index shows while their maker moves it on."""

    def program(m: Machine) -> object:
        array, index = numbers(n), Cell(-1)

        def make() -> None:
            for _ in range(n):
                index.set(index.get() + 1)
                m.thread("marker", lambda: array[index.get()].set(1))

        run(m, make)
        return [cell.peek() for cell in array]

    return program


def control_flow(n: int) -> Program:
    """JACM 2017, Figure 8: what is read last depends on what was read first."""

    def program(m: Machine) -> object:
        x, y, z = numbers(3)

        def r() -> None:
            if y.get() == 0:
                z.set(1)

        def s() -> None:
            if z.get() == 1 and y.get() == 0:
                x.set(1)

        return run(m, *[x.get] * n, *[lambda: y.set(1)] * n, r, s)[:n]

    return program


def exponential_bug(n: int) -> Program:
    """PLDI 2015, Figure 2: a value that needs many switches to come about."""

    def program(m: Machine) -> object:
        x, y = numbers(2)
        lock = Mutex()

        def one() -> None:
            for _ in range(2):
                with lock:
                    x.set(1)
                    for _ in range(n):
                        y.set(1)

        def two() -> None:
            for _ in range(2):
                with lock:
                    x.set(0)
                if x.get() > 0:
                    y.set(y.get() + 1)
                    x.set(2)

        def three() -> None:
            for _ in range(2):
                if x.get() > 1:
                    if y.get() == 3:
                        return
                    y.set(2)

        return run(m, one, two, three)

    return program


def rungs(n: int) -> Program:
    """cmpxhg_test: thread i swaps i for i + 1."""

    def program(m: Machine) -> object:
        x = Cell(0)
        return run(m, *[lambda i=i: x.cas(i, i + 1) for i in range(n)])

    return program


def two_writers(n: int) -> Program:
    """bug_after_1k: two threads write n times; one of them has read before."""

    def program(m: Machine) -> object:
        x = Cell(0)

        def write() -> None:
            for i in range(n):
                x.set(i)

        return run(m, write, lambda: (x.get(), write()))[1]

    return program
