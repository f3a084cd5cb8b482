# SPDX-License-Identifier: GPL-2.0-only
"""Classic programs: litmus tests, mutual exclusion, and benchmarks.

They are small versions of what the literature explores (SV-COMP, SCTBench, the tests
of Nidhugg and GenMC, textbooks): loops that wait are one try, so that all ends.
"""

from __future__ import annotations

from pykmm.engine import Cell, Counter, Machine, Mutex
from tests.litmus.harness import Program, run

# -- litmus tests ---------------------------------------------------------------


def store_buffering_ring(n: int) -> Program:
    """Everybody writes their own cell and reads the next one."""

    def program(m: Machine) -> object:
        x = [Cell(0) for _ in range(n)]

        def body(i: int) -> object:
            x[i].set(1)
            return x[(i + 1) % n].get()

        return run(m, *[lambda i=i: body(i) for i in range(n)])

    return program


def independent_reads(m: Machine) -> object:
    """IRIW: two readers see two writes in either order, but not in both."""
    x, y = Cell(0), Cell(0)
    return run(
        m,
        lambda: x.set(1),
        lambda: y.set(1),
        lambda: (x.get(), y.get()),
        lambda: (y.get(), x.get()),
    )[2:]


def write_to_read(m: Machine) -> object:
    """WRC: what was read before a message was sent is there when it comes."""
    x, y = Cell(0), Cell(0)
    return run(
        m,
        lambda: x.set(1),
        lambda: (x.get(), y.set(1))[0],
        lambda: (y.get(), x.get()),
    )[1:]


def chain(m: Machine) -> object:
    """ISA2: a message that goes through a third thread."""
    x, y, z = Cell(0), Cell(0), Cell(0)
    return run(
        m,
        lambda: (x.set(1), y.set(1)),
        lambda: (y.get(), z.set(1))[0],
        lambda: (z.get(), x.get()),
    )[1:]


def read_twice(readers: int) -> Program:
    """CoRR: nobody sees the old value after the new one."""

    def program(m: Machine) -> object:
        x = Cell(0)
        return run(m, lambda: x.set(1), *[lambda: (x.get(), x.get())] * readers)[1:]

    return program


# -- mutual exclusion -----------------------------------------------------------


def peterson(m: Machine) -> object:
    flags, turn, inside = [Cell(0), Cell(0)], Cell(0), Counter(0)

    def body(me: int) -> object:
        flags[me].set(1)
        turn.set(1 - me)
        if flags[1 - me].get() and turn.get() == 1 - me:
            return "gave up"
        found = inside.fetch_add()
        inside.fetch_add(-1)
        flags[me].set(0)
        return found

    return run(m, lambda: body(0), lambda: body(1))


def dekker(m: Machine) -> object:
    flags, turn, inside = [Cell(0), Cell(0)], Cell(0), Counter(0)

    def body(me: int) -> object:
        flags[me].set(1)
        if flags[1 - me].get():
            if turn.get() != me:
                flags[me].set(0)
            return "gave up"
        found = inside.fetch_add()
        inside.fetch_add(-1)
        turn.set(1 - me)
        flags[me].set(0)
        return found

    return run(m, lambda: body(0), lambda: body(1))


def bakery(m: Machine) -> object:
    """Lamport's bakery, of two customers who look once."""
    choosing, number = [Cell(0), Cell(0)], [Cell(0), Cell(0)]

    def body(me: int) -> object:
        other = 1 - me
        choosing[me].set(1)
        mine = number[other].get() + 1
        number[me].set(mine)
        choosing[me].set(0)
        if choosing[other].get():
            return "gave up"
        theirs = number[other].get()
        return "went in" if not theirs or (mine, me) < (theirs, other) else "gave up"

    return run(m, lambda: body(0), lambda: body(1))


def szymanski_door(m: Machine) -> object:
    """The waiting room of Szymanski's algorithm: who closes the door?"""
    flags = [Cell(0), Cell(0)]

    def body(me: int) -> object:
        flags[me].set(1)
        if flags[1 - me].get() >= 3:
            return "outside"
        flags[me].set(3)
        if flags[1 - me].get() == 1:
            flags[me].set(2)
            return "waits"
        flags[me].set(4)
        return "closes"

    return run(m, lambda: body(0), lambda: body(1))


def ticket_lock(n: int) -> Program:
    def program(m: Machine) -> object:
        following, serving = Counter(0), Counter(0)

        def body() -> object:
            mine = following.fetch_add()
            if serving.get() != mine:
                return "gave up"
            serving.fetch_add()
            return mine

        return run(m, *[body] * n)

    return program


def swap_lock(n: int) -> Program:
    """Test and set: whoever swaps first goes in, the others give up."""

    def program(m: Machine) -> object:
        lock, x = Cell(0), Cell(0)

        def body() -> bool:
            if not lock.cas(0, 1):
                return False
            x.set(x.get() + 1)
            lock.set(0)
            return True

        return run(m, *[body] * n), x.peek()

    return program


# -- counters, barriers and sums ------------------------------------------------


def cas_counter(n: int) -> Program:
    """Add one by compare-and-swap, again and again until it succeeds."""

    def program(m: Machine) -> object:
        x = Cell(0)

        def body() -> None:
            while not x.cas(seen := x.get(), seen + 1):
                pass

        run(m, *[body] * n)
        return x.peek()

    return program


def fib_bench(n: int) -> Program:
    """SV-COMP: two threads add two numbers to each other."""

    def program(m: Machine) -> object:
        i, j = Cell(1), Cell(1)

        def add(to: Cell[int], what: Cell[int]) -> None:
            for _ in range(n):
                to.set(to.get() + what.get())

        run(m, lambda: add(i, j), lambda: add(j, i))
        return i.peek(), j.peek()

    return program


def sigma(n: int) -> Program:
    """SV-COMP: everybody takes a place and marks it; the index is not atomic."""

    def program(m: Machine) -> object:
        array, index = [Cell(0) for _ in range(n)], Cell(0)

        def body() -> None:
            mine = index.get()
            array[mine].set(1)
            index.set(mine + 1)

        run(m, *[body] * n)
        return sum(cell.peek() for cell in array)

    return program


def barrier(n: int) -> Program:
    """The last one to come opens; the others look once."""

    def program(m: Machine) -> object:
        came, opened = Counter(0), Cell(0)

        def body() -> object:
            if came.fetch_add() == n - 1:
                opened.set(1)
                return "opened"
            return opened.get()

        return run(m, *[body] * n)

    return program


def lazy(m: Machine) -> object:
    """SCTBench's lazy01: one and two are added under a lock, and looked at."""
    lock, data = Mutex(), Cell(0)

    def add(what: int) -> None:
        with lock:
            data.set(data.get() + what)

    def look() -> bool:
        with lock:
            return data.get() >= 3

    return run(m, lambda: add(1), lambda: add(2), look)[2]


def account(m: Machine) -> object:
    """SCTBench's account: a deposit and a withdrawal, without a lock, beside a look."""
    balance = Cell(10)
    return run(
        m,
        lambda: balance.set(balance.get() + 5),
        lambda: balance.set(balance.get() - 3),
        balance.get,
    )[2], balance.peek()


def reorder(m: Machine) -> object:
    """SCTBench's reorder: two setters, and a checker between their writes."""
    a, b = Cell(0), Cell(0)

    def put() -> None:
        a.set(1)
        b.set(-1)

    return run(m, put, put, lambda: (a.get(), b.get()))[2]


def token_ring(m: Machine) -> object:
    """SCTBench's token_ring: three stations that copy each other, under a lock."""
    lock, x = Mutex(), [Cell(0) for _ in range(3)]

    def station(i: int) -> None:
        with lock:
            x[i].set((x[i - 1].get() + (i == 0)) % 4)

    run(m, *[lambda i=i: station(i) for i in range(3)])
    return [cell.peek() for cell in x]


def two_stages(m: Machine) -> object:
    """SCTBench's twostage: a value and what follows from it, under a lock each."""
    one, other = Mutex(), Mutex()
    first, second = Cell(0), Cell(0)

    def write() -> None:
        with one:
            first.set(1)
        with other:
            second.set(first.get() + 1)

    def read() -> object:
        with one:
            if first.get() == 0:
                return None
        with other:
            return second.get()

    return run(m, write, read)[1]


def wrong_lock(m: Machine) -> object:
    """SCTBench's wronglock: three increments, one of them under another lock."""
    right, wrong, x = Mutex(), Mutex(), Cell(0)

    def add(lock: Mutex) -> None:
        with lock:
            x.set(x.get() + 1)

    run(m, lambda: add(right), lambda: add(right), lambda: add(wrong))
    return x.peek()


def double_check(n: int) -> Program:
    """Look, take the lock, look again, make."""

    def program(m: Machine) -> object:
        lock, made = Mutex(), Cell(0)

        def body(me: int) -> object:
            if not made.get():
                with lock:
                    if not made.get():
                        made.set(me)
            return made.get()

        return run(m, *[lambda me=me: body(me) for me in range(1, n + 1)])

    return program
