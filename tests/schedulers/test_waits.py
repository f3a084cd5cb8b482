# SPDX-License-Identifier: GPL-2.0-only
"""Where threads wait for each other, no execution is run in vain.

An execution in vain is one that reduction begins and then gives up, because a thread
that it counted on has to wait. The programs are random; they wait in all the ways that
there are, and bugs end none of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.engine import current_machine, current_thread
from pykmm.linux.completion import (
    complete,
    complete_all,
    completion,
    try_wait_for_completion,
    wait_for_completion,
)
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.wait import wait_event, wait_queue_head_t, wake_up
from pykmm.schedulers import Dfs, Dpor
from tests.schedulers.reference import explore_all
from tests.schedulers.test_dpor_against_dfs import (
    PROGRAMS,
    TWO,
    World,
    program,
    programs,
)


@define
class Waits(World):
    """Two more objects of each sort that Linux waits for."""

    done: list[completion] = field(factory=lambda: [completion() for _ in TWO])
    queues: list[wait_queue_head_t] = field(
        factory=lambda: [wait_queue_head_t() for _ in TWO]
    )
    mutexes: list[mutex] = field(factory=lambda: [mutex() for _ in TWO])

    def do_complete(self, me, o, out):
        complete(self.done[o])

    def do_complete_all(self, me, o, out):
        complete_all(self.done[o])

    def do_await(self, me, o, out):
        wait_for_completion(self.done[o])

    def do_try_await(self, me, o, out):
        return try_wait_for_completion(self.done[o])

    def do_wait_event(self, me, o, out):
        wait_event(self.queues[o], self.cells[o].get)

    def do_wake_up(self, me, o, out):
        self.cells[o].set(me + 1)
        wake_up(self.queues[o])

    def do_join(self, me, o, out, ops):
        ended = completion()

        def child() -> None:
            self.all(me, ops, out)
            complete(ended)

        current_machine().thread("child", child)
        self.all(me, ops, out)
        wait_for_completion(ended)

    def do_mutex(self, me, o, out, ops):
        if self.mutexes[o] not in current_thread().held:
            mutex_lock(self.mutexes[o])
            self.all(me, ops, out)
            mutex_unlock(self.mutexes[o])

    def left(self) -> list[object]:
        return [*super().left(), [x.done for x in self.done]]


SORTS = {
    "semaphores": "up down wait_for read",
    "full ones": "up wait_room down write",
    "counts": "inc dec wait_low read",
    "mutexes": "mutex lock try read write",
    "read-write semaphores": "down_read down_write down_try read write",
    "completions": "complete complete_all await try_await read",
    "conditions": "wait_event wake_up read",
    "flags": "raise lower wait take read",
    "joins": "join read write complete await",
    "everything": "up down mutex complete await join wait_event wake_up take share",
}


@pytest.mark.slow
@pytest.mark.parametrize("names", SORTS.values(), ids=SORTS)
@settings(max_examples=PROGRAMS // len(SORTS) or 15)
@given(data=st.data())
def test_waits_are_reduced_without_loss(names: str, data: Any) -> None:
    made = program(data.draw(programs(names)), make=Waits)
    brute = explore_all(made, Dfs())
    clever = explore_all(made, Dpor())
    assert clever.outcomes == brute.outcomes
    assert clever.orders.keys() == brute.orders.keys()
    assert set(clever.orders.values()) <= {1}


@pytest.mark.slow
@pytest.mark.parametrize("names", SORTS.values(), ids=SORTS)
@settings(max_examples=PROGRAMS // len(SORTS) or 40)
@given(data=st.data())
def test_nothing_is_run_in_vain(names: str, data: Any) -> None:
    made = program(data.draw(programs(names)), make=Waits)
    assert explore_all(made, Dpor()).redundant == 0
