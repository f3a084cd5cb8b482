# SPDX-License-Identifier: GPL-2.0-only
"""The unpatched kernel does nothing that the model cannot explain.

``PYKMM_ORDERS=5000`` runs so many stories instead of a few.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from attrs import frozen
from hypothesis.stateful import rule

from pykmm import stateful
from pykmm.errno import ESRCH
from pykmm.errors import Report
from pykmm.stateful import (
    Call,
    CallOrders,
    Fork,
    Hold,
    Kill,
    LetGo,
    Mmap,
    Mrelease,
    Munmap,
    Phase,
    RacingCallOrders,
    Refuse,
    Shortage,
    Spawn,
    State,
    Switch,
    Together,
    Touch,
    Unexplained,
    Wait,
    fuzz,
    retell,
    shorten,
)

EXAMPLES = int(os.environ.get("PYKMM_ORDERS", "60"))


@pytest.mark.slow
@pytest.mark.parametrize("orders", [CallOrders, RacingCallOrders])
def test_every_story_can_be_explained(orders: type[RacingCallOrders]) -> None:
    fuzz(orders, examples=EXAMPLES)


def test_a_killed_process_is_waited_for_by_init() -> None:
    state = retell([Spawn(pages=2), Spawn(), Together(Kill(by=1, whom=0))])
    assert len(state.procs) == 1


def test_a_child_is_a_zombie_until_its_parent_waits() -> None:
    story = [Spawn(pages=2), Together(Fork()), Together(Kill(by=0, whom=1))]
    child = retell(story).procs[-1]
    assert child.phase is Phase.ZOMBIE
    assert child.pid not in [p.pid for p in retell([*story, Together(Wait())]).procs]


def test_pages_come_and_go() -> None:
    story = [Spawn(), Together(Mmap(pages=3)), Together(Touch(page=1))]
    (space,) = retell(story).spaces
    assert (len(space.mapped), len(space.present)) == (3, 1)
    (space,) = retell([*story, Together(Munmap(page=1))]).spaces
    assert (len(space.mapped), len(space.present)) == (2, 0)


def test_a_reader_keeps_memory_until_it_is_reaped() -> None:
    story = [Spawn(pages=4), Spawn(), Hold(whom=0), Together(Kill(by=1, whom=0))]
    assert len(retell(story).spaces[0].present) == 4
    assert len(retell([*story, LetGo()]).spaces) == 1
    story[-1] = Together(Shortage(by=1))
    assert retell(story).spaces[0].skip
    assert not retell(story).spaces[0].present


def test_a_device_that_refuses_leaves_pages_to_the_exit() -> None:
    story = [Spawn(pages=4), Spawn(), Hold(whom=0), Refuse(whom=0)]
    release = Together(Kill(by=1, whom=0), Mrelease(by=1, whom=0))
    assert len(retell([*story, release]).spaces[0].present) == 4


def test_a_story_prints_as_it_is_written() -> None:
    switches = [Switch(after=3, to=1), Switch(after=2, to=0, releases=False)]
    step = Together(Kill(by=1), Mrelease(by=1, flags=1), switches=switches)
    assert repr(eval(repr(step), vars(stateful))) == repr(step)


@frozen
class Lying(Call):
    """A call of which the model expects what the kernel never says."""

    def perform(self, seat: stateful.Seat) -> object:
        return -ESRCH

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        if answer == 0:
            yield state


def test_an_answer_that_no_order_explains_is_told_with_what_was_asked() -> None:
    with pytest.raises(Unexplained) as caught:
        retell([Spawn(pages=2), Together(Lying())])
    text = caught.value.render()
    assert "no order explains process" in text
    assert "Lying(by=" in text
    assert "2 pages mapped, 2 there" in text
    assert "retell([\n    Spawn(pages=2, grouped=0),\n" in text
    assert "    Together(Lying(by=0)),\n])" in text


def test_stories_are_shortened_to_what_matters() -> None:
    def fails(story: object) -> bool:
        return "Mmap(by=0, pages=3" in repr(story) or "pages=4)" in repr(story)

    long = [Spawn(pages=9), Together(Touch(), Mmap(pages=4)), Spawn(), LetGo(which=2)]
    assert repr(shorten(long, fails)) == "[Together(Mmap(by=0, pages=3))]"


def test_a_machine_of_ones_own_rules_says_how_to_tell_its_story() -> None:
    class Orders(CallOrders):
        pass

    with pytest.raises(Report) as caught:
        Orders.retell([Spawn(), Together(Lying())])
    assert caught.value.replay.startswith("Orders.retell([\n")


def test_the_same_seed_finds_the_same() -> None:
    replays = []
    for _ in range(2):
        with pytest.raises(Report) as caught:
            fuzz(_Lied)
        replays.append(caught.value.replay)
    assert replays[0] == replays[1]


class _Lied(RacingCallOrders):
    """A machine that asks for a call which the model does not believe."""

    @rule()
    def lie(self) -> None:
        """Lie, when there is somebody who can."""
        self.take(Together(Lying()))
