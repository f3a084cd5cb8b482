# SPDX-License-Identifier: GPL-2.0-only
"""Reduction loses nothing and repeats nothing: random programs, both ways."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.engine import (
    Counter,
    Machine,
    Mutex,
    RWLock,
    current_machine,
    current_thread,
)
from pykmm.errors import Report
from pykmm.linux.rcupdate import _put_and_call_rcu, call_rcu, rcu
from pykmm.linux.refcount import (
    refcount_dec_and_test,
    refcount_inc_not_zero,
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
from pykmm.schedulers import Dfs, Dpor
from tests.litmus.harness import Program
from tests.schedulers.primitives import Box, Flag, Ref, Semaphore
from tests.schedulers.reference import explore_all

#: An operation: its name, which of two objects, and a body if it has one.
Op = tuple[Any, ...]
TWO = (0, 1)
#: Programs in all, where somebody wants more than a sample of each sort.
PROGRAMS = int(os.environ.get("PYKMM_PROGRAMS", "0"))


@define
class World:
    """Two objects of each sort, and what the threads saw."""

    cells: list[Counter] = field(factory=lambda: [Counter(0) for _ in TWO])
    locks: list[Mutex] = field(factory=lambda: [Mutex() for _ in TWO])
    rws: list[RWLock] = field(factory=lambda: [RWLock() for _ in TWO])
    refs: list[Ref] = field(factory=lambda: [Ref(2) for _ in TWO])
    flags: list[Flag] = field(factory=lambda: [Flag() for _ in TWO])
    sems: list[Semaphore] = field(factory=lambda: [Semaphore() for _ in TWO])
    boxes: list[Box] = field(factory=lambda: [Box() for _ in TWO])
    counts: list[refcount_t] = field(factory=lambda: [refcount_t(2) for _ in TWO])
    sems_rw: list[rw_semaphore] = field(factory=lambda: [rw_semaphore() for _ in TWO])
    log: dict[object, list[object]] = field(factory=dict)

    def body(self, me: int, ops: Sequence[Op], key: object) -> Callable[[], None]:
        """Return what a thread does, and make room for what it will see."""
        out = self.log[key] = []
        return lambda: self.all(me, ops, out)

    def all(self, me: int, ops: Sequence[Op], out: list[object]) -> None:
        for name, which, *rest in ops:
            found = getattr(self, f"do_{name}")(me, which, out, *rest)
            if found is not None:
                out.append(found)

    def do_read(self, me, o, out):
        return self.cells[o].get()

    def do_write(self, me, o, out):
        self.cells[o].set(me + 1)

    def do_cas(self, me, o, out):
        return self.cells[o].cas(0, me + 1)

    def do_add(self, me, o, out):
        self.cells[o].add()

    def do_fetch_add(self, me, o, out):
        return self.cells[o].fetch_add()

    def do_inc(self, me, o, out):
        self.refs[o].inc()

    def do_dec(self, me, o, out):
        return self.refs[o].dec()

    def do_wait_low(self, me, o, out):
        self.refs[o].wait_low()

    def do_if(self, me, o, out, ops):
        if self.cells[o].get():
            self.all(me, ops, out)

    def do_lock(self, me, o, out, ops):
        if self.locks[o] not in current_thread().held:
            with self.locks[o]:
                self.all(me, ops, out)

    def do_try(self, me, o, out, ops):
        got = self.locks[o].trylock()
        if got:
            self.all(me, ops, out)
            self.locks[o].unlock()
        return got

    def do_share(self, me, o, out, ops):
        if self.rws[o] not in current_thread().held:
            self.rws[o].read_lock()
            self.all(me, ops, out)
            self.rws[o].read_unlock()

    def do_own(self, me, o, out, ops):
        if self.rws[o] not in current_thread().held:
            self.rws[o].write_lock()
            self.all(me, ops, out)
            self.rws[o].write_unlock()

    def do_raise(self, me, o, out):
        return self.flags[o].raise_()

    def do_lower(self, me, o, out):
        self.flags[o].lower()

    def do_wait(self, me, o, out):
        self.flags[o].wait()

    def do_take(self, me, o, out):
        self.flags[o].take()

    def do_wait_or(self, me, o, out):
        self.flags[o].wait_or(self.flags[1 - o])

    def do_up(self, me, o, out):
        self.sems[o].up()

    def do_up_two(self, me, o, out):
        self.sems[o].up_two()

    def do_down(self, me, o, out):
        self.sems[o].down()

    def do_wait_for(self, me, o, out):
        self.sems[o].wait_for(2)

    def do_wait_room(self, me, o, out):
        self.sems[o].wait_room(2)

    def do_spawn(self, me, o, out, ops):
        t = current_thread()
        body = self.body(me, ops, (*t.key, t.children + 1))
        current_machine().thread("child", body)

    def do_fail(self, me, o, out):
        if self.cells[o].get() == me:
            raise Report(f"bug of {me}")

    def do_use(self, me, o, out):
        return self.boxes[o].read()

    def do_change(self, me, o, out):
        self.boxes[o].write(me)

    def do_put(self, me, o, out):
        if self.refs[o].dec():
            self.boxes[o].free()

    def do_get(self, me, o, out):
        return refcount_inc_not_zero(self.counts[o])

    def do_put_one(self, me, o, out):
        if refcount_dec_and_test(self.counts[o]):
            self.cells[o].set(8)

    def do_drop(self, me, o, out):
        _put_and_call_rcu(self.counts[o], lambda: self.cells[o].set(9), "free")

    def do_rcu(self, me, o, out, ops):
        with rcu():
            self.all(me, ops, out)

    def do_call(self, me, o, out):
        call_rcu(lambda: self.cells[o].set(7))

    def do_down_read(self, me, o, out, ops):
        if self.sems_rw[o] not in current_thread().held:
            down_read(self.sems_rw[o])
            self.all(me, ops, out)
            up_read(self.sems_rw[o])

    def do_down_write(self, me, o, out, ops):
        if self.sems_rw[o] not in current_thread().held:
            down_write(self.sems_rw[o])
            self.all(me, ops, out)
            up_write(self.sems_rw[o])

    def do_down_try(self, me, o, out, ops):
        got = down_read_trylock(self.sems_rw[o])
        if got:
            self.all(me, ops, out)
            up_read(self.sems_rw[o])
        return got

    def left(self) -> list[object]:
        return [
            [cell.peek() for cell in self.cells],
            [ref.count for ref in self.refs],
            [flag.up for flag in self.flags],
            [sem.permits for sem in self.sems],
            [count.refs for count in self.counts],
        ]


def program(
    threads: Sequence[Sequence[Op]],
    then: Sequence[Op] = (),
    make: Callable[[], World] = World,
) -> Program:
    """Make a program of *threads*; *then* runs when they have come to rest."""

    def run(m: Machine) -> object:
        world = make()
        for number, ops in enumerate(threads):
            m.thread(f"t{number}", world.body(number, ops, number))
        m.run()
        if then:
            m.thread("late", world.body(len(threads), then, "late"))
            m.run()
        return sorted(world.log.items(), key=repr), world.left()

    return run


#: What makes a thread that takes steps of its own.
HEAVY = {"call": 4, "drop": 2, "wait_event": 3, "wake_up": 2, "join": 5}
HEAVY |= {"increment": 3, "timer": 3, "cancel": 1, "repeat": 4, "either": 3, "catch": 3}
NESTING = (
    *("if", "lock", "try", "share", "own", "spawn", "rcu"),
    *("down_read", "down_write", "down_try"),
    *("mutex", "join"),
    *("repeat", "either", "catch", "try_or_swap"),
)


def operation(names: Sequence[str]) -> st.SearchStrategy[Op]:
    flat = [name for name in names if name not in NESTING]
    nesting = [name for name in names if name in NESTING]
    which = st.sampled_from(TWO)
    simple = st.tuples(st.sampled_from(flat), which)
    if not nesting:
        return simple
    inner = st.lists(simple, max_size=1)
    return st.one_of(simple, st.tuples(st.sampled_from(nesting), which, inner))


def weight(ops: Sequence[Op]) -> int:
    return sum(
        HEAVY.get(name, 1 + len(rest)) + sum(map(weight, rest))
        for name, _, *rest in ops
    )


def programs(names: str) -> st.SearchStrategy[list[list[Op]]]:
    """Draw two or three threads that make few enough interleavings for brute force."""
    op = operation(names.split())
    two = st.lists(st.lists(op, min_size=1, max_size=4), min_size=2, max_size=2)
    three = st.lists(st.lists(op, min_size=1, max_size=2), min_size=3, max_size=3)
    return st.one_of(
        two.filter(lambda ops: sum(map(weight, ops)) <= 8),
        three.filter(lambda ops: sum(map(weight, ops)) <= 5),
    )


def check(made: Program, *, exact: bool = True) -> None:
    brute = explore_all(made, Dfs())
    clever = explore_all(made, Dpor())
    assert clever.outcomes == brute.outcomes
    if exact:
        assert clever.orders.keys() == brute.orders.keys()
        assert set(clever.orders.values()) <= {1}, "one execution for each order"


SORTS = {
    "cells": "read write cas add fetch_add if",
    "counts": "inc dec read write",
    "locks": "lock try read write if",
    "shared locks": "share own read write",
    "everything": "read write cas fetch_add inc dec lock try share own raise wait take",
    "flags": "raise lower wait take read write",
    "semaphores": "up down wait_for read",
    "threads": "spawn raise wait take read write lock if",
    "deaths": "use change put put inc read",
    "bugs": "fail write lock raise wait",
    "references": "get put_one read",
    "nobody's references": "drop get read",
    "grace periods": "rcu call read write",
    "grace periods of references": "rcu drop read",
}


@pytest.mark.slow
@pytest.mark.parametrize("names", SORTS.values(), ids=SORTS)
@settings(max_examples=PROGRAMS // len(SORTS) or 40)
@given(data=st.data())
def test_reduction_loses_nothing_and_repeats_nothing(names: str, data: Any) -> None:
    check(program(data.draw(programs(names))))


@pytest.mark.slow
@settings(max_examples=30)
@given(threads=programs("wait_or raise lower read write"))
def test_guards_on_two_objects(threads: list[list[Op]]) -> None:
    # What such a guard looks at is more than its event says, so orders differ in
    # more than the reference can see; outcomes are what counts.
    check(program(threads), exact=False)


@pytest.mark.slow
@settings(max_examples=PROGRAMS // 10 or 20)
@given(threads=programs("down_read down_write down_try read write"))
def test_semaphores_with_a_queue(threads: list[list[Op]]) -> None:
    check(program(threads), exact=False)


@pytest.mark.slow
@settings(max_examples=40)
@given(threads=programs("raise take up down read write"), data=st.data())
def test_a_second_run(threads: list[list[Op]], data: Any) -> None:
    then = data.draw(st.lists(operation(["raise", "take", "up", "read"]), max_size=2))
    check(program(threads, then))
