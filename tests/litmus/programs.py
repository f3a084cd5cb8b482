# SPDX-License-Identifier: GPL-2.0-only
"""Small programs from the literature on exploration, over cells and locks.

How many executions differ in more than irrelevant order is known for all of them; a
failed compare-and-swap and a failed trylock count as reads.
"""

from __future__ import annotations

from pykmm.engine import Cell, Counter, Machine, Mutex, RWLock, current_thread
from tests.litmus.harness import Program, run


def forget(lock: Mutex) -> None:
    """End without giving *lock* back; the machine would report that."""
    current_thread().held.remove(lock)


# -- cells ----------------------------------------------------------------------


def readers(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Cell(0)
        return run(m, lambda: x.set(1), *[x.get] * n)

    return program


def writers(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Cell(0)
        run(m, *[lambda i=i: x.set(i) for i in range(n)])
        return x.peek()

    return program


def fetch_adds(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Counter(0)
        return run(m, *[x.fetch_add] * n)

    return program


def adds(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Counter(0)
        run(m, *[x.add] * n)
        return x.peek()

    return program


def n_writers_a_reader(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Cell(-1)
        return run(m, *[lambda i=i: x.set(i) for i in range(n)], x.get)[-1]

    return program


def alpha1(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Cell(-1)
        return run(
            m, *[lambda i=i: x.set(i) for i in range(n)], lambda: (x.get(), x.get())
        )[-1]

    return program


def lost_update(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Cell(0)
        run(m, *[lambda: x.set(x.get() + 1)] * n)
        return x.peek()

    return program


def writes_and_reads(n: int) -> Program:
    """Each thread writes, then reads."""

    def program(m: Machine) -> object:
        x = Cell(-1)
        return run(m, *[lambda i=i: (x.set(i), x.get())[1] for i in range(n)])

    return program


def two_counters(n: int) -> Program:
    """Each thread fetch-adds to two counters."""

    def program(m: Machine) -> object:
        x, y = Counter(0), Counter(0)
        return run(m, *[lambda: (x.fetch_add(), y.fetch_add())] * n)

    return program


def n_writes_and_a_read(n: int) -> Program:
    """Two threads write n times and read once."""

    def program(m: Machine) -> object:
        x = Cell((0, 0))

        def body(me: int) -> object:
            for i in range(n):
                x.set((me, i))
            return x.get()

        return run(m, lambda: body(1), lambda: body(2))

    return program


def redundant_co(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Cell(0)

        def write() -> None:
            for i in range(n):
                x.set(i)

        return run(m, write, write, lambda: (x.get(), x.get()))[-1]

    return program


def lastzero(n: int) -> Program:
    def program(m: Machine) -> object:
        a = [Cell(0) for _ in range(n + 1)]

        def scan() -> int:
            i = n
            while a[i].get() != 0:
                i -= 1
            return i

        def follow(j: int) -> None:
            a[j].set(a[j - 1].get() + 1)

        return run(m, scan, *[lambda j=j: follow(j) for j in range(1, n + 1)])[0]

    return program


def casrot(n: int) -> Program:
    def program(m: Machine) -> object:
        x = Cell(0)
        return run(m, *[lambda i=i: x.cas(i, i + 1) for i in range(n)])

    return program


def indexer(n: int) -> Program:
    def program(m: Machine) -> object:
        table = [Cell(0) for _ in range(128)]

        def insert(t: int) -> None:
            for k in range(1, 5):
                w = 11 * k + t
                h = 7 * w % 128
                while not table[h].cas(0, w):
                    h = (h + 1) % 128

        run(m, *[lambda t=t: insert(t) for t in range(n)])
        return [cell.peek() for cell in table]

    return program


def store_buffering(m: Machine) -> object:
    x, y = Cell(0), Cell(0)
    return run(m, lambda: (x.set(1), y.get())[1], lambda: (y.set(1), x.get())[1])


def message_passing(m: Machine) -> object:
    x, y = Cell(0), Cell(0)
    return run(m, lambda: (x.set(1), y.set(1)), lambda: (y.get(), x.get()))[1]


def load_buffering(m: Machine) -> object:
    x, y = Cell(0), Cell(0)
    return run(m, lambda: (x.get(), y.set(1))[0], lambda: (y.get(), x.set(1))[0])


def two_plus_two_writes(m: Machine) -> object:
    x, y = Cell(0), Cell(0)
    run(m, lambda: (x.set(1), y.set(2)), lambda: (y.set(1), x.set(2)))
    return x.peek(), y.peek()


def refcount(puts: int, gets: int, *, checked: bool = True) -> Program:
    """Some give their reference back, others take one if it is not too late."""

    def program(m: Machine) -> object:
        count, freed = Counter(puts), Cell(0)

        def put() -> None:
            if count.fetch_add(-1) == 1:
                freed.set(1)

        def get_unless_zero() -> bool:
            while (v := count.get()) != 0:
                if count.cas(v, v + 1):
                    return True
            return False

        def use() -> object:
            if not checked:
                count.fetch_add()
            elif not get_unless_zero():
                return None
            found = freed.get()
            put()
            return found

        return run(m, *[put] * puts, *[use] * gets)[puts:]

    return program


# -- locks ----------------------------------------------------------------------


def locked_inc(threads: int, times: int) -> Program:
    def program(m: Machine) -> object:
        lock, x = Mutex(), Cell(0)

        def body() -> None:
            for _ in range(times):
                with lock:
                    x.set(x.get() + 1)

        run(m, *[body] * threads)
        return x.peek()

    return program


def lock_order(n: int) -> Program:
    """Who is first, second, and so on?"""

    def program(m: Machine) -> object:
        lock, log = Mutex(), Cell("")

        def body(me: str) -> None:
            with lock:
                log.set(log.get() + me)

        run(m, *[lambda i=i: body(str(i)) for i in range(n)])
        return log.peek()

    return program


def mutex_deadlock(n: int) -> Program:
    """Everybody takes the lock, and nobody gives it back."""

    def program(m: Machine) -> object:
        lock = Mutex()

        def body() -> None:
            lock.lock()
            forget(lock)

        return run(m, *[body] * n)

    return program


def philosophers(n: int) -> Program:
    def program(m: Machine) -> object:
        forks = [Mutex() for _ in range(n)]

        def eat(i: int) -> None:
            with forks[i], forks[(i + 1) % n]:
                pass

        return run(m, *[lambda i=i: eat(i) for i in range(n)])

    return program


def abba(times: int) -> Program:
    def program(m: Machine) -> object:
        a, b = Mutex(), Mutex()

        def nest(outer: Mutex, inner: Mutex) -> None:
            for _ in range(times):
                with outer, inner:
                    pass

        return run(m, lambda: nest(a, b), lambda: nest(b, a))

    return program


def circular_buffer(n: int) -> Program:
    def program(m: Machine) -> object:
        lock, buffer = Mutex(), Cell(())

        def produce() -> None:
            for i in range(n):
                with lock:
                    if len(found := buffer.get()) < 2:
                        buffer.set((*found, i))

        def consume() -> object:
            got = []
            for _ in range(n):
                with lock:
                    if found := buffer.get():
                        got.append(found[0])
                        buffer.set(found[1:])
            return got

        return run(m, produce, consume)[1]

    return program


def rwsem(readers: int, writers: int) -> Program:
    def program(m: Machine) -> object:
        lock = RWLock()

        def read() -> None:
            lock.read_lock()
            lock.read_unlock()

        def write() -> None:
            lock.write_lock()
            lock.write_unlock()

        return run(m, *[read] * readers, *[write] * writers)

    return program


def trylocks(n: int) -> Program:
    """Everybody tries; who succeeds counts, and keeps the lock."""

    def program(m: Machine) -> object:
        lock, x = Mutex(), Cell(0)

        def body() -> bool:
            got = lock.trylock()
            if got:
                x.set(x.get() + 1)
                forget(lock)
            return got

        return run(m, *[body] * n)

    return program


def filesystem(n: int) -> Program:
    def program(m: Machine) -> object:
        locki = [Mutex() for _ in range(32)]
        lockb = [Mutex() for _ in range(26)]
        inode = [Cell(0) for _ in range(32)]
        busy = [Cell(False) for _ in range(26)]

        def block_for(i: int) -> int:
            b = 2 * i % 26
            while True:
                with lockb[b]:
                    if not busy[b].get():
                        busy[b].set(True)
                        return b
                b = (b + 1) % 26

        def body(t: int) -> None:
            i = t % 32
            with locki[i]:
                if inode[i].get() == 0:
                    inode[i].set(block_for(i) + 1)

        run(m, *[lambda t=t: body(t) for t in range(n)])
        return [cell.peek() for cell in inode]

    return program
