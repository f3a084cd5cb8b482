# SPDX-License-Identifier: GPL-2.0-only
"""What came later by accident: steps that conflict, and order nothing all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from pykmm.engine import Machine, PlainCell, Struct
from pykmm.engine.fields import kernel_struct, owned, shared, step_write
from pykmm.errors import DataRace
from pykmm.linux.atomic import (
    atomic_cmpxchg,
    atomic_dec,
    atomic_inc,
    atomic_t,
)
from pykmm.linux.completion import (
    complete,
    completion,
    completion_done,
    try_wait_for_completion,
    wait_for_completion,
)
from pykmm.linux.rcupdate import (
    rcu_read_lock,
    rcu_read_unlock,
    synchronize_rcu,
)
from pykmm.linux.refcount import (
    refcount_inc,
    refcount_inc_not_zero,
    refcount_t,
)
from pykmm.linux.rwsem import (
    down_read,
    rw_semaphore,
    up_read,
)
from pykmm.linux.timer import mod_timer, timer_delete, timer_list, timer_setup
from tests.detect.programs import Body, between, found


@kernel_struct
class box(Struct):
    """Something with a lockless field."""

    value: int = shared(default=0)
    mine: int = owned(default=0)


def not_done() -> tuple[Body, Body]:
    """The other one has consumed what it completed."""
    done = completion()

    def work() -> None:
        complete(done)
        wait_for_completion(done)

    return work, lambda: completion_done(done)


def nothing_to_consume() -> tuple[Body, Body]:
    done = completion()

    def consume() -> None:
        complete(done)
        wait_for_completion(done)

    return consume, lambda: try_wait_for_completion(done)


def stores_that_look_at_nothing(kind: str) -> Callable[[], tuple[Body, Body]]:
    def pair() -> tuple[Body, Body]:
        it = box()
        store = partial(step_write, it, "value", 1, kind)
        return store, store

    return pair


def timer_not_armed() -> tuple[Body, Body]:
    timer = timer_list()
    timer_setup(timer, lambda _: None)

    def arm() -> None:
        mod_timer(timer, 2000)
        timer_delete(timer)

    return arm, lambda: timer_delete(timer)


def two_sections() -> tuple[Body, Body]:
    def section() -> None:
        rcu_read_lock()
        rcu_read_unlock()

    return section, section


def grace_period_behind_no_section() -> tuple[Body, Body]:
    """Grace periods wait for sections, not for each other."""
    return synchronize_rcu, synchronize_rcu


def failed_exchange() -> tuple[Body, Body]:
    v = atomic_t(0)
    return lambda: atomic_cmpxchg(v, 0, 1), lambda: atomic_cmpxchg(v, 0, 2)


def counting() -> tuple[Body, Body]:
    v = atomic_t(5)
    return lambda: atomic_dec(v), lambda: atomic_inc(v)


def reference_got() -> tuple[Body, Body]:
    count = refcount_t(1)
    return lambda: refcount_inc(count), lambda: refcount_inc_not_zero(count)


def two_readers() -> tuple[Body, Body]:
    sem = rw_semaphore()
    look = between(lambda: down_read(sem), lambda: up_read(sem), int)
    return look, look


@pytest.mark.parametrize(
    "pair",
    [
        not_done,
        nothing_to_consume,
        stores_that_look_at_nothing("smp_store_release"),
        stores_that_look_at_nothing("rcu_assign_pointer"),
        stores_that_look_at_nothing("i_size_write"),
        timer_not_armed,
        two_sections,
        grace_period_behind_no_section,
        failed_exchange,
        counting,
        reference_got,
        two_readers,
    ],
)
def test_what_happened_to_come_later_is_not_ordered(
    pair: Callable[[], tuple[Body, Body]],
) -> None:
    """All that *write* does comes first, and nothing says that it had to."""

    def setup(_: Machine) -> Sequence[Body]:
        x = PlainCell(0)
        first, second = pair()

        def write() -> None:
            x.set(1)
            first()

        def read() -> None:
            second()
            x.get()

        return [write, read]

    report = found(setup, detectors="kcsan")
    assert isinstance(report, DataRace)
