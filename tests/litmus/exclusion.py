# SPDX-License-Identifier: GPL-2.0-only
"""Classic algorithms that let one of two threads in, as in Nidhugg's benchmarks.

A thread looks n times, and gives up if it would have to wait on.
"""

from __future__ import annotations

from pykmm.engine import Cell, Machine
from tests.litmus.harness import Program, run
from tests.litmus.published import Number, numbers, tries


def dekker_fixed(m: Machine) -> object:
    """Two who cannot both go first, and two who look for that."""
    x, y, z, w = numbers(4)

    def enter(mine: Number, other: Number, told: Number) -> None:
        mine.set(1)
        if not other.get():
            told.set(1)

    def look() -> bool:
        return z.get() == 1 == w.get()

    seen = run(m, lambda: enter(y, x, z), lambda: enter(x, y, w), look, look)
    assert not any(seen)
    return seen


def dekker(n: int) -> Program:
    """Dekker's algorithm, n times each; who would have to wait gives up."""

    def program(m: Machine) -> object:
        flags, turn, inside = numbers(2), Cell(0), Cell(0)

        def enters(me: int) -> bool:
            flags[me].set(1)
            while flags[1 - me].get():
                if turn.get() == me:
                    return False
                flags[me].set(0)
                if turn.get() != me:
                    return False
                flags[me].set(1)
            return True

        def body(me: int) -> None:
            for _ in range(n):
                if not enters(me):
                    return
                inside.set(me)
                assert inside.get() == me
                turn.set(1 - me)
                flags[me].set(0)

        return run(m, lambda: body(0), lambda: body(1))

    return program


def bakery(n: int) -> Program:
    """Lamport's bakery, of two customers who look n times."""

    def program(m: Machine) -> object:
        tickets, choosing, resource = numbers(2), numbers(2), Cell(0)

        def passes(me: int, other: int) -> bool:
            def is_behind() -> bool:
                theirs, mine = tickets[other].get(), tickets[me].get()
                return theirs == 0 or (theirs, other) >= (mine, me)

            return tries(n, lambda: not choosing[other].get()) and tries(n, is_behind)

        def body(me: int) -> None:
            choosing[me].set(1)
            highest = max([ticket.get() for ticket in tickets])
            tickets[me].set(highest + 1)
            choosing[me].set(0)
            if all(passes(me, other) for other in range(2)):
                assert resource.get() == 0
                resource.set(me)
                resource.set(0)
                tickets[me].set(0)

        return run(m, lambda: body(0), lambda: body(1))

    return program


def dijkstra(n: int) -> Program:
    """Dijkstra's algorithm, of two threads that try n times."""

    def program(m: Machine) -> object:
        wants, passed, k, inside = numbers(2), numbers(2), Cell(0), Cell(0)

        def turn_is(me: int) -> bool:
            whose = k.get()
            if whose != me and wants[whose].get() == 0:
                k.set(me)
            return whose == me

        def enters(me: int) -> bool:
            for _ in range(n):
                if not tries(n, lambda: turn_is(me)):
                    return False
                passed[me].set(1)
                if not passed[1 - me].get():
                    return True
                passed[me].set(0)
            return False

        def body(me: int) -> None:
            wants[me].set(1)
            if enters(me):
                inside.set(me)
                assert inside.get() == me
                passed[me].set(0)
                wants[me].set(0)

        return run(m, lambda: body(0), lambda: body(1))

    return program


def szymanski(n: int) -> Program:
    """Szymanski's algorithm, twice each, of two threads that look n times."""

    def program(m: Machine) -> object:
        flags, inside = numbers(2), Cell(0)

        def once(me: int) -> bool:
            mine, other = flags[me], flags[1 - me]
            mine.set(1)
            if not tries(n, lambda: other.get() < 3):
                return False
            mine.set(3)
            if other.get() == 1:
                mine.set(2)
                if not tries(n, lambda: other.get() == 4):
                    return False
            mine.set(4)
            if not tries(n, lambda: other.get() < 2):
                return False
            inside.set(me)
            assert inside.get() == me
            if not tries(n, lambda: other.get() < 2 or other.get() > 3):
                return False
            mine.set(0)
            return True

        return run(m, *[lambda me=me: once(me) and once(me) for me in range(2)])

    return program


def peterson(n: int) -> Program:
    """Peterson's algorithm, twice each, of two threads that look n times."""

    def program(m: Machine) -> object:
        flags, turn, inside = numbers(2), Cell(0), Cell(0)

        def free(me: int) -> bool:
            other, whose = flags[1 - me].get(), turn.get()
            return other != 1 or whose == me

        def once(me: int) -> bool:
            flags[me].set(1)
            turn.set(1 - me)
            if not tries(n, lambda: free(me)):
                return False
            inside.set(me)
            assert inside.get() == me
            flags[me].set(0)
            return True

        return run(m, *[lambda me=me: once(me) and once(me) for me in range(2)])

    return program


def lamport(n: int) -> Program:
    """Lamport's fast algorithm, twice each, of two threads that look n times."""

    def program(m: Machine) -> object:
        x, y, inside, busy = Cell(0), Cell(0), Cell(0), numbers(2)

        def is_free() -> bool:
            return tries(n, lambda: y.get() == 0)

        def enters(me: int) -> bool:
            mine, other = busy[me], busy[1 - me]
            for _ in range(n):
                mine.set(1)
                x.set(me + 1)
                if y.get() == 0:
                    y.set(me + 1)
                    if x.get() == me + 1:
                        return True
                    mine.set(0)
                    if not tries(n, lambda: other.get() == 0):
                        return False
                    if y.get() == me + 1:
                        return True
                else:
                    mine.set(0)
                if not is_free():
                    return False
            return False

        def once(me: int) -> bool:
            if not enters(me):
                return False
            inside.set(me)
            assert inside.get() == me
            y.set(0)
            busy[me].set(0)
            return True

        return run(m, *[lambda me=me: once(me) and once(me) for me in range(2)])

    return program


def burns(n: int) -> Program:
    """Burns and Lynch: one bit a process, and the lower number goes first."""

    def program(m: Machine) -> object:
        flags, x = numbers(2), Cell(0)

        def free(i: int) -> bool:
            return tries(n, lambda: flags[i].get() == 0)

        def down_and_up(me: int) -> bool:
            flags[me].set(0)
            if not all(free(i) for i in range(me)):
                raise GivenUp
            flags[me].set(1)
            return all(free(i) for i in range(me))

        def body(me: int) -> object:
            restarted = False
            for _ in range(n):
                try:
                    restarted |= not down_and_up(me)
                except GivenUp:
                    return None
                if not restarted:
                    break
            else:
                return None
            if not all(free(i) for i in range(me + 1, 2)):
                return None
            x.set(me)
            assert x.get() == me
            flags[me].set(0)
            return me

        return run(m, lambda: body(0), lambda: body(1))

    return program


class GivenUp(Exception):
    """Somebody has looked often enough."""
