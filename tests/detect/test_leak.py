# SPDX-License-Identifier: GPL-2.0-only
"""Structures that are alive and lost, and who forgot them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import LeakDetector
from pykmm.engine import Cell, Machine, MachineLocal, Root, Struct
from pykmm.engine.fields import const, embedded, kernel_struct
from pykmm.errors import Leak
from pykmm.linux.refcount import refcount_dec_and_test, refcount_inc, refcount_t
from pykmm.linux.wait import wait_event_interruptible, wait_queue_head_t
from tests.detect.programs import Body, explored, found


@kernel_struct
class buffer(Struct):
    """Something counted."""

    next: buffer | None = const(default=None)
    count: refcount_t = embedded(lambda it: refcount_t(1, it))


def get(it: buffer) -> buffer:
    refcount_inc(it.count)
    return it


def put(it: buffer) -> None:
    if refcount_dec_and_test(it.count):
        it._free()


class _Statics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.kept: buffer | None = None


statics = MachineLocal(_Statics)


# -- lost ---------------------------------------------------------------------------


def one_put_is_missing(_: Machine) -> Sequence[Body]:
    def work() -> None:
        it = buffer()
        get(it)
        put(it)

    return [work]


def one_get_too_many(m: Machine) -> Sequence[Body]:
    """One thread takes two and gives none back; another one drops the first."""

    def work() -> None:
        it = buffer()
        get(it)
        m.thread("user", lambda: put(it))

    return [work]


def an_early_return(m: Machine) -> Sequence[Body]:
    """One path gives both references back, the other forgets one."""
    flag = Cell(0)

    def user(it: buffer) -> None:
        get(it)
        if not flag.get():
            put(it)
        put(it)

    def owner() -> None:
        it = get(buffer())
        m.thread("user", lambda: user(it))
        flag.set(1)
        put(it)

    return [owner]


def a_circle(_: Machine) -> Sequence[Body]:
    """Two refer to each other, and nobody to them."""

    def work() -> None:
        one, two = buffer(), buffer()
        one.next, two.next = get(two), get(one)
        put(one)
        put(two)

    return [work]


@pytest.mark.parametrize("program", [one_put_is_missing, a_circle])
def test_what_nothing_leads_to_is_lost(
    program: Callable[[Machine], Sequence[Body]],
) -> None:
    report = found(program, detectors="leak")
    assert isinstance(report, Leak)
    assert report.summary.endswith(" is alive, but nothing leads to it")


def test_the_one_order_that_leaks_is_found() -> None:
    result = explored(an_early_return, detectors="leak")
    (report,) = result.reports
    assert report.kind == "leak"
    facts = dict(report.facts)
    assert facts["counter"] == "buffer#1.count"
    assert facts["t0"].startswith("took one at step ")
    assert "gave one back at step" in facts["user"]
    assert result.outcomes


def test_who_took_what_was_never_given_back_is_named() -> None:
    report = found(one_get_too_many, detectors="leak")
    assert report is not None
    facts = dict(report.facts)
    assert facts["counter"] == "buffer#1.count"
    assert facts["taken"].startswith("by t0 at step ")
    assert "(refcount_inc), and not given back by it" in facts["taken"]
    assert "one_get_too_many" not in facts["taken"].split("  ")[0]
    assert "work" in facts["taken"]


# -- kept ---------------------------------------------------------------------------


def kept_by_statics(_: Machine) -> Sequence[Body]:
    def work() -> None:
        statics().kept = get(buffer())

    return [work]


def kept_through_another(_: Machine) -> Sequence[Body]:
    def work() -> None:
        outer = get(buffer())
        outer.next = get(buffer())
        statics().kept = outer

    return [work]


def kept_by_a_sleeper(_: Machine) -> Sequence[Body]:
    queue = wait_queue_head_t()

    def work() -> None:
        it = get(buffer())
        wait_event_interruptible(queue, lambda: False)
        put(it)

    return [work]


def kept_by_a_callback(m: Machine) -> Sequence[Body]:
    queue = wait_queue_head_t()

    def work() -> None:
        it = get(buffer())

        def later() -> None:
            wait_event_interruptible(queue, lambda: False)
            put(it)

        m.thread("later", later)

    return [work]


def given_as_a_result(_: Machine) -> Sequence[Body]:
    return [lambda: get(buffer())]


def all_put(_: Machine) -> Sequence[Body]:
    it = buffer()

    def work() -> None:
        put(get(it))

    return [work, work]


@pytest.mark.parametrize(
    "program",
    [
        kept_by_statics,
        kept_through_another,
        kept_by_a_sleeper,
        kept_by_a_callback,
        given_as_a_result,
        all_put,
    ],
)
def test_what_something_leads_to_is_not(
    program: Callable[[Machine], Sequence[Body]],
) -> None:
    assert found(program, detectors="leak") is None


def test_what_the_host_has_in_hand_is_not_lost() -> None:
    with Machine(observers=[LeakDetector()]) as m:
        made = buffer()
        m.thread("t", lambda: get(made))
        m.run()
        put(made)
        put(made)


def test_a_handed_over_reference_is_no_leak() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        box = Cell[buffer | None](None)

        def giver() -> None:
            box.store_release(get(buffer()))

        def taker() -> None:
            it = box.load_acquire()
            if it is not None:
                put(it)
                put(it)
                box.set(None)

        return [giver, taker]

    assert explored(setup, detectors="leak").reports == ()
