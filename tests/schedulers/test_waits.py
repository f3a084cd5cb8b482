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

from pykmm.engine import (
    Access,
    Root,
    Sleep,
    current_machine,
    current_thread,
    enter,
    leave,
)
from pykmm.linux.bitops import Bit, Bits, clear_bit, set_bit
from pykmm.linux.completion import (
    complete,
    complete_all,
    completion,
    try_wait_for_completion,
    wait_for_completion,
    wait_for_completion_killable,
)
from pykmm.linux.mutex import mutex, mutex_lock, mutex_unlock
from pykmm.linux.wait import (
    wait_event,
    wait_event_killable,
    wait_queue_head_t,
    wake_up,
)
from pykmm.schedulers import Dfs, Dpor
from tests.schedulers.reference import explore_all
from tests.schedulers.test_dpor_against_dfs import (
    PROGRAMS,
    TWO,
    World,
    program,
    programs,
)


class Task(Root):
    """Whom signals are sent to; all of them are fatal."""

    def __init__(self) -> None:
        super().__init__()
        self.flags = Bits(self)

    @property
    def _signal_object(self) -> Bit:
        return self.flags.bit(0)

    def _signal_pending(self) -> bool:
        return self.flags._has(0)

    _fatal_signal_pending = _signal_pending


@define
class Waits(World):
    """Two more objects of each sort that Linux waits for."""

    done: list[completion] = field(factory=lambda: [completion() for _ in TWO])
    queues: list[wait_queue_head_t] = field(
        factory=lambda: [wait_queue_head_t() for _ in TWO]
    )
    mutexes: list[mutex] = field(factory=lambda: [mutex() for _ in TWO])
    tasks: list[Task] = field(factory=lambda: [Task() for _ in TWO])
    words: list[Bits] = field(factory=lambda: [Bits() for _ in TWO])

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

    def do_kill(self, me, o, out):
        set_bit(0, self.tasks[o].flags)

    def do_await_killable(self, me, o, out):
        current_thread().task = self.tasks[me % 2]
        return wait_for_completion_killable(self.done[o])

    def do_wait_killable(self, me, o, out):
        current_thread().task = self.tasks[me % 2]
        return wait_event_killable(self.queues[o], self.cells[o].get)

    def do_freeze(self, me, o, out):
        set_bit(0, self.words[o])

    def do_thaw(self, me, o, out):
        clear_bit(0, self.words[o])

    def do_stand(self, me, o, out):
        bit = self.words[o].bit(0)
        t = enter(bit, "schedule", bit._is_clear, Sleep.INTERRUPTIBLE)
        leave(t, bit, Access.WAIT, 0, True)

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
    "frozen ones": "freeze thaw stand read write",
    "killable ones": "kill await_killable complete await read",
    "everything": "up down mutex complete await join wait_event wake_up take share",
}


#: Those in which orders differ in more than events tell, or that are too large.
MORE = {
    "either of two": "wait_or raise lower read write",
    "killable conditions": "kill wait_killable wake_up read",
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
@pytest.mark.parametrize("threads", ["r r w", "rr r w", "wr r r", "rw r r"])
def test_readers_who_queue_are_let_in_by_others_only(threads: str) -> None:
    """How it would be to queue without another reader was seen in no execution yet."""
    ways = {"r": ("down_read", 0, []), "w": ("down_write", 0, [])}
    made = program([[ways[o] for o in ops] for ops in threads.split()], make=Waits)
    clever = explore_all(made, Dpor())
    assert clever.orders.keys() == explore_all(made, Dfs()).orders.keys()
    assert set(clever.orders.values()) == {1}
    assert clever.redundant == 0


@pytest.mark.slow
@pytest.mark.parametrize("names", (SORTS | MORE).values(), ids=SORTS | MORE)
@settings(max_examples=PROGRAMS // len(SORTS) or 40)
@given(data=st.data())
def test_nothing_is_run_in_vain(names: str, data: Any) -> None:
    made = program(data.draw(programs(names)), make=Waits)
    assert explore_all(made, Dpor()).redundant == 0
