# SPDX-License-Identifier: GPL-2.0-only
"""Touching what is dead: with a step, and without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import Kasan
from pykmm.engine import Cell, Machine, Struct
from pykmm.engine.fields import const, embedded, kernel_struct
from pykmm.errors import UseAfterFree
from pykmm.linux.atomic import atomic_inc, atomic_t
from tests.detect.programs import Body, found


@kernel_struct
class thing(Struct):
    """Something that dies."""

    number: int = const(default=7)
    _own: int = const(default=8)
    count: atomic_t = embedded(lambda it: atomic_t(1, it))


class undeclared(Struct):
    """Something that dies and has no field rules."""

    def __init__(self) -> None:
        self._register()
        self.number = 7
        self.parts = [atomic_t(1, self)]


def use(it: thing | undeclared, touch: Callable[..., object]) -> Callable[[], None]:
    def body() -> None:
        cell = Cell(0)
        it._free()
        cell.set(1)  # a step later, by whomever
        touch(it)

    return body


def read(it: thing) -> int:
    return it.number


def write(it: thing) -> None:
    it.number = 9


def step(it: thing) -> None:
    atomic_inc(it.count)


TOUCHES = [
    (thing, read, "thing#1 was read (number)"),
    (thing, write, "thing#1 was written (number)"),
    (thing, step, "thing#1 was touched"),
    (undeclared, read, "undeclared#1 was read (number)"),
    (undeclared, write, "undeclared#1 was written (number)"),
    (undeclared, lambda it: atomic_inc(it.parts[0]), "undeclared#1 was touched"),
]


@pytest.mark.parametrize(("kind", "touch", "words"), TOUCHES)
def test_the_dead_are_not_touched(
    kind: type[thing], touch: Callable[..., object], words: str
) -> None:
    with Machine(observers=[Kasan()]) as m:
        it = kind()
        m.thread("t", use(it, touch))
        with pytest.raises(UseAfterFree) as caught:
            m.run()
    assert words in caught.value.summary
    facts = dict(caught.value.facts)
    assert facts["freed"].startswith("by t at step ")


@pytest.mark.parametrize("kind", [thing, undeclared])
def test_the_living_are(kind: type[thing]) -> None:
    with Machine(observers=[Kasan()]) as m:
        it, other = kind(), kind()

        def body() -> None:
            Cell(0).set(1)
            it._free()
            Cell(0).set(1)
            assert other.number == 7
            other.number = 9

        m.thread("t", body)
        m.run()
        assert other.number == 9


def test_birth_and_death_are_told_with_the_calls_they_happened_in() -> None:
    """Not with those of the step before, which was about something else."""

    def make() -> thing:
        return thing()

    def let_go(it: thing) -> None:
        it._free()

    def setup(_: Machine) -> Sequence[Body]:
        def work() -> None:
            it, cell = make(), Cell(0)
            cell.set(1)
            let_go(it)
            cell.set(2)
            step(it)

        return [work]

    report = found(setup)
    assert report is not None
    facts = dict(report.facts)
    assert facts["allocated"] == "by t0 at step 0  make < work"
    assert facts["freed"] == "by t0 at step 1  let_go < work"
    assert facts["touched"] == "by t0 at step 3  atomic_inc (thing#1.count)"


def test_names_of_the_dead_can_be_told_and_the_host_may_look() -> None:
    with Machine(observers=[Kasan(), Kasan()]) as m:
        it = thing()

        def body() -> tuple[str, str, int]:
            it._free()
            Cell(0).set(1)
            return it.name, repr(it), it._own

        t = m.thread("t", body)
        m.run()
        assert t.result == ("thing#1", "thing#1", 8)
        assert it.number == 7
        assert isinstance(it, thing)
        assert type(it).__name__ == "thing"
