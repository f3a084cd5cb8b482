# SPDX-License-Identifier: GPL-2.0-only
"""Queues, stacks and work that is handed out, as GenMC and Nidhugg are tested with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykmm.engine import Cell, Machine, Mutex
from tests.litmus.awaited import Awaited
from tests.litmus.harness import Body, Program, run
from tests.litmus.published import Number, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

# -- GenMC's tests ----------------------------------------------------------------


def eratosthenes(n: int) -> Program:
    """Two threads sieve the same n numbers."""

    def program(m: Machine) -> object:
        naturals = numbers(n)

        def sieve() -> None:
            for i in range(n):
                if naturals[i].get() == 0:
                    naturals[i].set(1)
                    for multiple in naturals[2 * i + 2 :: i + 2]:
                        multiple.set(2)

        run(m, sieve, sieve)
        return [cell.peek() for cell in naturals]

    return program


def chase_lev(m: Machine) -> object:
    """A deque: its owner pushes five, pops three and pushes two; a thief steals one."""
    bottom, top, buffer = Cell(0), Cell(0), numbers(10)

    def push(value: int) -> None:
        low, high = bottom.get(), top.get()
        if low - high < len(buffer):
            buffer[low % 10].set(value)
            bottom.set(low + 1)

    def pop() -> int:
        low = bottom.get()
        bottom.set(low - 1)
        high = top.get()
        if low - high <= 0:
            bottom.set(low)
            return 0
        value = buffer[(low - 1) % 10].get()
        if low - high == 1:
            value *= top.cas(high, high + 1)
            bottom.set(low)
        return value

    def steal() -> int:
        high, low = top.get(), bottom.get()
        if low <= high:
            return 0
        value = buffer[high % 10].get()
        return value * top.cas(high, high + 1)

    def own() -> list[int]:
        for value in (1, 2, 3, 4, 5):
            push(value)
        popped = [pop() for _ in range(3)]
        for value in (6, 7):
            push(value)
        return popped

    return run(m, own, steal)


def shared_pointer(n: int) -> Program:
    """Two let a pointer show the other's cell, read their own, and add through it."""

    def program(m: Machine) -> object:
        x, y = Cell(3), Cell(4)
        pointer = Cell(x)

        def body(mine: Number, other: Number) -> None:
            pointer.set(other)
            for _ in range(n):
                mine.get()
            shown = pointer.get()
            shown.set(shown.get() + 3)

        run(m, lambda: body(x, y), lambda: body(y, x))
        return x.peek(), y.peek()

    return program


# -- Nidhugg's benchmarks -----------------------------------------------------------


def stack_true(m: Machine) -> object:
    """A stack of four under a lock: four pushes beside four pops."""
    top, cells, lock = Cell(0), numbers(4), Mutex()

    def push() -> None:
        if top.get() < 4:
            cells[top.get()].set(1)
            top.set(top.get() + 1)

    def pop() -> None:
        if top.get() > 0:
            top.set(top.get() - 1)
            cells[top.get()].get()

    def four(what: Body) -> None:
        for _ in range(4):
            with lock:
                what()

    return run(m, lambda: four(push), lambda: four(pop))


def queue_ok(n: int) -> Program:
    """n threads fill a queue, and n empty it; flags tell whose turn it is."""

    def program(m: Machine) -> object:
        elements, lock = numbers(4), Mutex()
        fill, drain = Cell(True), Cell(False)

        def enqueue(me: int) -> None:
            with lock:
                if fill.get():
                    for element in elements:
                        element.set(me)
                    fill.set(False)
                    drain.set(True)

        def dequeue() -> object:
            with lock:
                if not drain.get():
                    return None
                found = [element.get() for element in elements]
                drain.set(False)
                fill.set(True)
                return found

        putters = [lambda i=i: enqueue(i) for i in range(n)]
        return run(m, *putters, *[dequeue] * n)[n:]

    return program


def producers(n: int) -> Program:
    """multiprodcon: n producers agree on a worker each; n workers look twice."""

    def program(m: Machine) -> object:
        locks = [Mutex() for _ in range(n)]
        requests, done = numbers(n), numbers(n)
        agree, number = Mutex(), Cell(0)

        def worker(me: int) -> None:
            for _ in range(2):
                with locks[me]:
                    if work := requests[me].get():
                        requests[me].set(work - 1)
                if work:
                    done[me].set(done[me].get() + 1)

        def producer(me: int) -> None:
            with agree:
                number.set(number.get() * n + me)
                whom = number.get() % n
            with locks[whom]:
                requests[whom].set(requests[whom].get() + 1)

        workers = [lambda i=i: worker(i) for i in range(n)]
        return run(m, *workers, *[lambda i=i: producer(i) for i in range(n)])

    return program


def locked_sums(m: Machine) -> object:
    """pthread_demo: two threads add five times under a lock."""
    x, lock = Cell(0), Mutex()

    def body() -> None:
        for _ in range(5):
            with lock:
                x.set(x.get() + 1)

    run(m, body, body)
    return x.peek()


def dispatcher(n: int) -> Program:
    """n requests are sent to servers that a thread picks; a server looks once."""

    def program(m: Machine) -> object:
        locks = [Mutex() for _ in range(n)]
        sent, done = numbers(n), numbers(n)
        choosing, chosen = Mutex(), Cell(0)

        def serve(me: int) -> None:
            with locks[me]:
                if sent[me].get() > 0:
                    done[me].set(sent[me].get())

        def pick(ended: Awaited) -> None:
            for server in range(n):
                with choosing:
                    chosen.set(server)
            ended.set(1)

        def main() -> None:
            for server in range(n):
                m.thread("server", lambda server=server: serve(server))
            for _ in range(n):
                ended = Awaited(0)
                m.thread("picker", lambda ended=ended: pick(ended))
                with choosing:
                    whom = chosen.get()
                with locks[whom]:
                    sent[whom].set(sent[whom].get() + 1)
                ended.wait_for(1)

        run(m, main)
        return [cell.peek() for cell in sent]

    return program


def poke(n: int) -> Program:
    """n workers mark that they are done; four times somebody looks at one of them."""

    def program(m: Machine) -> object:
        marks, locks = numbers(n), [Mutex() for _ in range(n)]
        chosen, choosing, count = Cell(0), Mutex(), Cell(0)

        def begin(body: Callable[[], None]) -> Awaited:
            ended = Awaited(0)
            m.thread("t", lambda: (body(), ended.set(1)))
            return ended

        def work(me: int) -> None:
            with locks[me]:
                marks[me].set(1)

        def choose() -> None:
            for worker in range(1, n):
                with choosing:
                    chosen.set(worker)

        def look() -> None:
            with choosing:
                whom = chosen.get()
            with locks[whom]:
                if marks[whom].get():
                    count.set(count.get() + 1)
                    marks[whom].set(0)

        def main() -> None:
            workers = [begin(lambda i=i: work(i)) for i in range(n)]
            for _ in range(4):
                for ended in [begin(choose), begin(look)]:
                    ended.wait_for(1)
            for ended in workers:
                ended.wait_for(1)

        run(m, main)
        return count.peek() + sum(mark.peek() for mark in marks)

    return program
