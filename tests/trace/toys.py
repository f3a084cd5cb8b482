# SPDX-License-Identifier: GPL-2.0-only
"""Small programs to record and draw: plain cells and locks, and a toy mm.

Used by the tests of this directory and by ``tests/golden``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pykmm.engine import (
    Access,
    Cell,
    Counter,
    Field,
    Machine,
    Mutex,
    Schedule,
    Sleep,
    Struct,
    Thread,
    enter,
    leave,
)
from pykmm.errors import KernelBug, Report
from pykmm.trace import Trace

Setup = Callable[[Machine], object]


class Follow:
    """Take the steps of a schedule, then go on with whoever runs."""

    def __init__(self, text: str) -> None:
        self.steps = iter(Schedule.parse(text).steps)

    def choose(self, enabled: Sequence[Thread], running: Thread | None) -> Thread:
        """Return the next thread of the schedule if it can run."""
        name = next(self.steps, None)
        named = [t for t in enabled if t.name == name]
        return named[0] if named else running or enabled[0]


def run(setup: Setup, schedule: str = "") -> tuple[Trace, Report | None]:
    """Run *setup*'s threads by *schedule*; return the trace and what went wrong."""
    with Machine(scheduler=Follow(schedule), stacks=True) as machine:
        setup(machine)
        found = None
        try:
            machine.run()
        except Report as report:
            found = report
        return Trace.of(machine), found


class Count(Field):
    """A reference count inside a structure."""

    def __init__(self, owner: Struct, field: str, value: int) -> None:
        super().__init__(owner, field)
        self.value = value

    def read(self) -> int:
        """Read the count."""
        t = enter(self, "read")
        leave(t, self, Access.READ, self.value)
        return self.value

    def dec_and_test(self) -> bool:
        """Drop a reference; tell whether it was the last."""
        t = enter(self, "dec_and_test")
        self.value -= 1
        access = Access.DEC if self.value else Access.WRITE
        leave(t, self, access, self.value)
        return self.value == 0


class toy_mm(Struct):
    """Two counts and some flags."""

    def __init__(self, users: int) -> None:
        self._register()
        self.mm_users = Count(self, "mm_users", users)
        self.mm_count = Count(self, "mm_count", 1)
        self.flags = Count(self, "flags", 0)


def lost_update(m: Machine) -> Counter:
    """Two threads add one, without a lock."""
    x = Counter(0)

    def add() -> None:
        value = x.get()
        x.set(value + 1)

    m.thread("a", add)
    m.thread("b", add)
    return x


def two_locks(m: Machine) -> None:
    """Two threads take two locks in opposite orders."""
    first, second = Mutex(), Mutex()
    total = Counter(0)

    def take(one: Mutex, other: Mutex) -> None:
        with one:
            total.add()
            with other:
                total.add()

    m.thread("one", lambda: take(first, second))
    m.thread("two", lambda: take(second, first))


def mm_life(m: Machine) -> None:
    """One thread drops an mm that another looks at: a use after free."""
    mm = toy_mm(2)
    pages = Counter(0)

    def mmdrop() -> None:
        if mm.mm_count.dec_and_test():
            mm._free()

    def mmput() -> None:
        if mm.mm_users.dec_and_test():
            for _ in range(3):
                pages.add(-1)
            mmdrop()

    def exit_mm() -> None:
        pages.add()
        mmput()

    def do_exit() -> None:
        pages.add()
        exit_mm()

    def task_will_free_mem() -> int:
        return mm.flags.read() if mm.mm_users.read() else 0

    def process_mrelease() -> int:
        return task_will_free_mem()

    m.thread("victim", do_exit)
    m.thread("victim", do_exit)
    m.thread("lmkd", process_mrelease)


def sleeper(m: Machine) -> None:
    """A thread that sleeps for ever, as idle daemons do, and one that ends."""
    bell = Cell(0)

    def wait() -> None:
        t = enter(bell, "wait_event", lambda: False, Sleep.INTERRUPTIBLE)
        leave(t, bell, Access.WAIT, blocking=True)

    m.thread("daemon", wait)
    m.thread("app", bell.get)


def crowd(m: Machine) -> None:
    """Nine threads that do a little, and two that do more."""
    total = Counter(0)

    def work(times: int) -> None:
        for _ in range(times):
            total.fetch_add()

    m.thread("long", lambda: work(4))
    for _ in range(9):
        m.thread("short", lambda: work(1))
    m.thread("longer", lambda: work(6))


def lock_sections(m: Machine) -> None:
    """Two threads meet in a lock and in a value; most of what they do is private."""
    lock = Mutex()
    flag, private = Cell(False), Cell("")

    def count_pages() -> None:
        for word in ("one", "two", "three"):
            private.set(word)

    def prepare() -> None:
        with lock:
            private.get()

    def release() -> None:
        prepare()
        count_pages()
        flag.set(True)
        count_pages()

    def look() -> bool:
        with lock:
            pass
        return flag.get()

    m.thread("releaser", release)
    m.thread("watcher", look)


def late_reader(m: Machine) -> None:
    """A thread looks at an mm that another has dropped."""
    mm = toy_mm(1)
    lock, others = Mutex(), [Counter(0) for _ in range(4)]

    def mmdrop() -> None:
        if mm.mm_count.dec_and_test():
            mm._free()

    def do_exit() -> None:
        mmdrop()

    def task_will_free_mem() -> int:
        for other in others:
            other.add()
        with lock:
            return mm.flags.read()

    m.thread("victim", do_exit)
    m.thread("lmkd", task_will_free_mem)


def wrong_unlock(m: Machine) -> None:
    """A thread gives back a lock that it does not hold."""
    lock = Mutex()

    def tidy_up() -> None:
        lock.unlock()

    m.thread("thief", tidy_up)


def bug_on(m: Machine) -> None:
    """A thread finds, between two steps, that something cannot be."""
    users = Counter(0)

    def exit_mmap() -> None:
        if users.get() == 0:
            raise KernelBug("kernel BUG: users is 0")

    m.thread("app", exit_mmap)
