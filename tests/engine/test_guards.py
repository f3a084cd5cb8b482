# SPDX-License-Identifier: GPL-2.0-only
"""What a guard can be asked when nobody waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pykmm.engine import AllOf, AnyOf, Cell, Field, Machine, Root, Thread
from pykmm.engine.guards import answer, is_thread, one_way, questions
from pykmm.schedulers.frontier import _hashable


class Flags(Root):
    """Two flags in one field."""

    def __init__(self) -> None:
        super().__init__()
        self.up = [False, True]

    def is_up(self, which: int) -> bool:
        return self.up[which]

    @one_way
    def is_for(self, thread: Thread) -> bool:
        return thread.name == "a"


def _is_up(flags: Flags, which: int) -> bool:
    return flags.up[which]


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("guard", [Flags.is_up, _is_up])
def test_what_is_asked_of_a_structure_is_asked_of_its_field(
    m: Machine, guard: Callable[[Flags, int], bool], which: int
) -> None:
    flags = Flags()
    method = flags.is_up if guard is Flags.is_up else partial(guard, flags)
    (question,) = questions(partial(method, which), Field(flags, "up"))
    assert question.door is not None
    assert question.door[0] == "Flags.up"
    assert question.door[-1] == which
    other = Flags()
    other.up = [True, False]
    asked = answer(Field(other, "up"), question.door, lambda _: None)
    assert asked is other.up[which]


def test_a_thread_is_found_by_its_key(m: Machine) -> None:
    flags, a = Flags(), m.thread("a", lambda: None)
    (question,) = questions(partial(flags.is_for, a), flags)
    assert question.door is not None
    place, name, arg = question.door
    assert (place, name, is_thread(arg)) == ("Flags", "is_for", True)
    assert answer(flags, question.door, {a.key: a}.get)
    assert not answer(flags, question.door, lambda _: None)
    m.run()


def test_a_closure_and_a_method_of_another_object_cannot_be_asked(m: Machine) -> None:
    flags, cell = Flags(), Cell(0)
    for guard in (
        lambda: flags.up[0],
        partial(flags.is_up, 0),
        partial(_is_up, flags, 0),
        partial(bool, 1),
    ):
        (question,) = questions(guard, cell)
        assert question.door is None
    (question,) = questions(partial(_is_up, flags, which=0), flags)
    assert question.door is None


def test_one_of_several_is_enough(m: Machine) -> None:
    flags, cell = Flags(), Cell(0)
    guard = AnyOf((cell, cell.peek), (flags, partial(flags.is_up, 0)))
    assert not guard()
    flags.up[0] = True
    assert guard()
    one, two = questions(guard, cell)
    assert (one.obj, one.door) == (cell, ("Cell", "peek"))
    assert (two.obj, two.door) == (flags, ("Flags", "is_up", 0))


def test_all_of_several_are_needed(m: Machine) -> None:
    flags, cell = Flags(), Cell(1)
    parts = [(cell, cell.peek)]
    guard = AllOf(lambda: parts, [flags])
    assert guard()
    parts.append((flags, partial(flags.is_up, 0)))
    assert not guard()
    flags.up[0] = True
    assert guard()
    one, two = questions(guard, cell)
    assert (one.obj, one.door) == (cell, ("Cell", "peek"))
    assert (two.obj, two.door) == (flags, ("Flags", "is_up", 0))


def test_a_guard_says_whether_others_can_shut_it(m: Machine) -> None:
    flags = Flags()
    (asked,) = questions(partial(flags.is_for, m.boot), flags)
    (other,) = questions(partial(flags.is_up, 0), flags)
    assert (asked.one_way, other.one_way) == (True, False)


def test_a_door_is_the_same_when_it_has_been_written_down(m: Machine) -> None:
    """Explorations are continued elsewhere, from text, with all that they know."""
    flags, a = Flags(), m.thread("a", lambda: None)
    (question,) = questions(partial(flags.is_for, a), flags)
    assert question.door is not None
    door = _hashable(json.loads(json.dumps(question.door)))
    assert door == question.door
    assert answer(flags, door, {a.key: a}.get)
    m.run()
