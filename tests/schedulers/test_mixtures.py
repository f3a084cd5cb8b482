# SPDX-License-Identifier: GPL-2.0-only
"""Reduction loses nothing of random programs that loop, branch, time out and fail.

What a thread does depends on what it has seen here, its exceptions leave locks behind
or give them back, and timers come in between.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.engine import Machine, current_thread
from pykmm.linux.timer import mod_timer, timer_delete, timer_list, timer_setup
from tests.litmus.harness import explore_bare as explore
from tests.litmus.harness import litmus, run
from tests.litmus.programs import forget
from tests.schedulers.test_dpor_against_dfs import PROGRAMS, TWO, check, program
from tests.schedulers.test_dpor_against_dfs import programs as drawn
from tests.schedulers.test_waits import Waits


class Thrown(Exception):
    """What a program throws, and catches further up."""


@define
class Mixture(Waits):
    """Two timers more, which write to a cell."""

    timers: list[timer_list] = field(factory=lambda: [timer_list() for _ in TWO])

    def __attrs_post_init__(self) -> None:
        for timer, cell in zip(self.timers, self.cells, strict=True):
            timer_setup(timer, lambda _, cell=cell: cell.set(5))

    def do_swap(self, me, o, out):
        return self.cells[o].cas(me, me + 1)

    def do_increment(self, me, o, out):
        """Compare and swap, again and again, but not for ever."""
        for _ in range(2):
            seen = self.cells[o].get()
            if self.cells[o].cas(seen, seen + 1):
                return "added"
        return "gave up"

    def do_repeat(self, me, o, out, ops):
        """Do it again unless somebody has written meanwhile."""
        for _ in range(2):
            self.all(me, ops, out)
            if self.cells[o].get():
                break

    def do_either(self, me, o, out, ops):
        if self.cells[o].get() > me:
            self.all(me, ops, out)
        else:
            self.cells[1 - o].set(me + 1)

    def do_try_or_swap(self, me, o, out, ops):
        """Do it under a lock, or else something that needs none."""
        if self.locks[o].trylock():
            self.all(me, ops, out)
            self.locks[o].unlock()
        else:
            out.append(self.do_swap(me, o, out))

    def do_catch(self, me, o, out, ops):
        """Give up in the middle of a section, which ends the section."""
        if self.locks[o] in current_thread().held:
            return
        try:
            with self.locks[o]:
                if self.cells[o].get():
                    raise Thrown
                self.all(me, ops, out)
        except Thrown:
            out.append("thrown")

    def do_die(self, me, o, out):
        """End without giving back what is held: the others wait for ever."""
        if self.locks[o] not in current_thread().held:
            self.locks[o].lock()
            forget(self.locks[o])

    def do_timer(self, me, o, out):
        return mod_timer(self.timers[o], 1010 + me)

    def do_cancel(self, me, o, out):
        return timer_delete(self.timers[o])


SORTS = {
    "swaps": "swap increment read write",
    "branches": "repeat either swap read write",
    "tries": "try_or_swap lock try swap read write",
    "exceptions": "catch fail lock swap read write",
    "the dead": "die lock catch try_or_swap read write",
    "spawning": "spawn join swap read write lock",
    "readers": "rcu call swap get put_one read",
    "mixtures": "repeat either catch try_or_swap increment swap die up down rcu read "
    "write spawn complete await get share own inc dec",
}


@pytest.mark.slow
@pytest.mark.parametrize("names", SORTS.values(), ids=SORTS)
@settings(max_examples=PROGRAMS // len(SORTS) or 12)
@given(data=st.data())
def test_nothing_is_lost_and_nothing_repeated(names: str, data: Any) -> None:
    check(program(data.draw(drawn(names)), make=Mixture))


@pytest.mark.slow
@settings(max_examples=PROGRAMS // len(SORTS) or 12)
@given(
    threads=drawn(
        "repeat either catch swap timer wait_event wake_up down_read down_write read"
    )
)
def test_outcomes_where_guards_look_at_more(threads: list[list[Any]]) -> None:
    # As in test_dpor_against_dfs: orders differ in more than the reference can see.
    check(program(threads, make=Mixture), exact=False)


def test_a_timer_fires_before_one_that_is_due_earlier_is_armed() -> None:
    """It has to wait for those that are armed, so arming one shuts the guard.

    The steps that arm two timers have no object in common, so the guard says so itself.
    """

    def made(m: Machine) -> str:
        fired: list[str] = []
        early, late = timer_list(), timer_list()
        timer_setup(early, lambda _: fired.append("early"))
        timer_setup(late, lambda _: fired.append("late"))
        run(m, lambda: mod_timer(early, 1010), lambda: mod_timer(late, 1020))
        return " ".join(fired)

    assert set(explore(litmus(made)).values) == {"early late", "late early"}
