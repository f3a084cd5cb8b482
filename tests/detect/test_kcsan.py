# SPDX-License-Identifier: GPL-2.0-only
"""Which accesses race: what looks like an order and is none, and marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import Kcsan
from pykmm.engine import Cell, Machine, Mutex, PlainCell, Struct
from pykmm.engine.fields import kernel_struct, owned, shared
from pykmm.engine.thread import current_thread
from pykmm.errors import DataRace
from pykmm.linux import bitops
from pykmm.linux.atomic import (
    atomic_inc,
    atomic_read,
    atomic_t,
)
from pykmm.linux.bitops import Bits, set_bit
from pykmm.linux.compiler import READ_ONCE, WRITE_ONCE, data_race
from pykmm.linux.rcupdate import (
    rcu_read_lock,
    rcu_read_unlock,
    synchronize_rcu,
)
from pykmm.linux.refcount import (
    refcount_dec_and_test,
    refcount_inc,
    refcount_t,
)
from pykmm.linux.rwsem import (
    down_read,
    down_read_trylock,
    down_write,
    rw_semaphore,
    up_read,
    up_write,
)
from pykmm.workbench import Machine as Workbench
from tests.detect.programs import Body, Setup, between, found, races


@kernel_struct
class box(Struct):
    """Something with a lockless field."""

    value: int = shared(default=0)
    mine: int = owned(default=0)


# -- what does not ------------------------------------------------------------------


def nothing(_: Machine) -> Sequence[Body]:
    x = PlainCell(0)
    return [lambda: x.set(1), x.get]


def two_locks(_: Machine) -> Sequence[Body]:
    x, locks = PlainCell(0), [Mutex(), Mutex()]

    def write(lock: Mutex) -> None:
        with lock:
            x.set(1)

    return [lambda: write(locks[0]), lambda: write(locks[1])]


def writing_as_a_reader(_: Machine) -> Sequence[Body]:
    x, sem = PlainCell(0), rw_semaphore()
    write = between(lambda: down_read(sem), lambda: up_read(sem), lambda: x.set(1))
    return [write, write]


def relaxed_flag(_: Machine) -> Sequence[Body]:
    x, flag = PlainCell(0), Cell(0)

    def put() -> None:
        x.set(1)
        flag.set(1)

    return [put, lambda: flag.get() and x.get()]


def released_but_not_acquired(_: Machine) -> Sequence[Body]:
    x, flag = PlainCell(0), Cell(0)

    def put() -> None:
        x.set(1)
        flag.store_release(1)

    return [put, lambda: flag.get() and x.get()]


def acquired_but_not_released(_: Machine) -> Sequence[Body]:
    x, flag = PlainCell(0), Cell(0)

    def put() -> None:
        x.set(1)
        flag.set(1)

    return [put, lambda: flag.load_acquire() and x.get()]


def counted_without_looking(_: Machine) -> Sequence[Body]:
    x, v = PlainCell(0), atomic_t(0)

    def put() -> None:
        x.set(1)
        atomic_inc(v)

    return [put, lambda: atomic_read(v) and x.get()]


def bit_flag(_: Machine) -> Sequence[Body]:
    x, word = PlainCell(0), Bits()

    def put() -> None:
        x.set(1)
        set_bit(0, word)

    return [put, lambda: bitops.test_bit(0, word) and x.get()]


def failed_trylock(_: Machine) -> Sequence[Body]:
    x, sem = PlainCell(0), rw_semaphore()

    def write() -> None:
        down_write(sem)
        x.set(1)
        up_write(sem)

    def look() -> None:
        if down_read_trylock(sem):
            up_read(sem)
        else:
            x.get()

    return [write, look]


def after_the_last_put(_: Machine) -> Sequence[Body]:
    x, count = PlainCell(0), refcount_t(2)

    def put_and_write() -> None:
        refcount_dec_and_test(count)
        x.set(1)

    return [put_and_write, lambda: refcount_dec_and_test(count) and x.get()]


def before_a_get(_: Machine) -> Sequence[Body]:
    """Taking a reference orders nothing."""
    x, count = PlainCell(0), refcount_t(1)

    def write_and_get() -> None:
        x.set(1)
        refcount_inc(count)

    def get_and_read() -> None:
        refcount_inc(count)
        x.get()

    return [write_and_get, get_and_read]


def reading_behind_a_section(_: Machine) -> Sequence[Body]:
    x, published = PlainCell(0), Cell(1)

    def look() -> None:
        rcu_read_lock()
        there = published.load_acquire()
        rcu_read_unlock()
        if there:
            x.get()

    def retire() -> None:
        published.set(0)
        synchronize_rcu()
        x.set(-1)

    return [look, retire]


def after_the_creation(m: Machine) -> Sequence[Body]:
    x = PlainCell(0)

    def parent() -> None:
        m.thread("child", x.get)
        x.set(1)

    return [parent]


def plain_read_of_a_marked_write(_: Machine) -> Sequence[Body]:
    it = box()

    def write() -> None:
        WRITE_ONCE(it).value = 1

    return [write, lambda: it.value]


def plain_field(_: Machine) -> Sequence[Body]:
    it = box()

    def write() -> None:
        it.value = 1

    return [write, lambda: it.value]


RACY = (
    nothing,
    two_locks,
    writing_as_a_reader,
    relaxed_flag,
    released_but_not_acquired,
    acquired_but_not_released,
    counted_without_looking,
    bit_flag,
    failed_trylock,
    after_the_last_put,
    before_a_get,
    reading_behind_a_section,
    after_the_creation,
    plain_read_of_a_marked_write,
    plain_field,
)


@pytest.mark.parametrize("program", RACY, ids=lambda f: f.__name__)
def test_unordered_accesses_race(program: Setup) -> None:
    (summary,) = races(program)
    assert "nothing orders the two" in summary


# -- marks --------------------------------------------------------------------------


def marked(_: Machine) -> Sequence[Body]:
    it = box()

    def write() -> None:
        WRITE_ONCE(it).value = 1

    return [write, write, lambda: READ_ONCE(it).value]


def excused(_: Machine) -> Sequence[Body]:
    it = box()

    def write() -> None:
        it.value = 1

    return [write, lambda: data_race(it).value]


def plain_write_marked_read(_: Machine) -> Sequence[Body]:
    it = box()

    def write() -> None:
        it.value = 1

    return [write, lambda: READ_ONCE(it).value]


def two_plain_reads(_: Machine) -> Sequence[Body]:
    it = box()
    return [lambda: it.value, lambda: it.value]


@pytest.mark.parametrize("program", [marked, excused, two_plain_reads])
def test_marked_and_excused_accesses_and_reads_do_not_race(program: Setup) -> None:
    assert races(program) == []
    assert found(program, detectors="kcsan") is None


def test_a_plain_write_may_meet_a_marked_read_unless_one_is_strict() -> None:
    assert races(plain_write_marked_read) == []
    with Machine(observers=[Kcsan(strict=True)]) as m:
        for number, body in enumerate(plain_write_marked_read(m)):
            m.thread(f"t{number}", body)
        with pytest.raises(DataRace, match="reads \\(READ_ONCE\\) it"):
            m.run()


def test_a_task_that_another_looks_at_plainly() -> None:
    """What Linux excuses with ``data_race()`` would be a race without it."""

    def run(view: Callable[[box], box]) -> list[str]:
        seen: list[str] = []
        with Workbench(
            observers=[Kcsan(lambda report: seen.append(report.summary))], reaper=False
        ) as m:
            app, other = m.spawn("app"), m.spawn("other")

            @app.runs
            def _() -> None:
                task = current_thread().task
                task.flags |= 4  # type: ignore[attr-defined]  # it is a task_struct

            @other.runs
            def _() -> int:
                return view(app.task).flags  # type: ignore[attr-defined, arg-type]

            m.run()
        return seen

    assert run(data_race) == []
    assert len(run(lambda task: task)) == 1
