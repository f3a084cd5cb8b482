# SPDX-License-Identifier: GPL-2.0-only
"""What keeps interrupts away, until when, and what must not be done meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.engine import Machine, current_thread
from pykmm.errors import ContextError
from pykmm.linux.bottom_half import local_bh_disable, local_bh_enable
from pykmm.linux.irqflags import (
    irqs_disabled,
    local_irq_disable,
    local_irq_enable,
    local_irq_restore,
    local_irq_save,
)
from pykmm.linux.kernel import might_sleep
from pykmm.linux.preempt import HARDIRQ, SOFTIRQ
from pykmm.linux.rcupdate import call_rcu
from pykmm.linux.timer import mod_timer, timer_list, timer_setup


def run(body: Callable[[], object]) -> Machine:
    with Machine() as m:
        m.thread("t", body)
        m.run()
    return m


def test_switching_interrupts_off_and_on_is_no_step() -> None:
    def body() -> None:
        local_irq_disable()
        assert irqs_disabled()
        outer = local_irq_save()
        local_irq_restore(outer)
        assert irqs_disabled()
        local_irq_enable()
        assert not irqs_disabled()
        flags = local_irq_save()
        assert irqs_disabled()
        local_irq_restore(flags)
        assert not irqs_disabled()

    assert [event.kind for event in run(body).events] == ["start"]


def test_softirqs_are_kept_away_by_a_count_of_their_own() -> None:
    def body() -> None:
        t = current_thread()
        local_bh_disable()
        local_bh_disable()
        local_irq_disable()
        local_irq_enable()
        assert 0 < t.masked < HARDIRQ.level
        local_bh_enable()
        assert t.masked
        local_bh_enable()
        assert not t.masked

    run(body)


@pytest.mark.parametrize("arrange", ["timer", "callback"])
def test_timers_and_callbacks_are_softirqs(arrange: str) -> None:
    seen: list[object] = []

    def handler() -> None:
        t = current_thread()
        seen.extend((t.interrupt, t.masked == SOFTIRQ.level))

    def body() -> None:
        if arrange == "callback":
            call_rcu(handler)
            return
        timer = timer_list()
        timer_setup(timer, lambda _: handler())
        mod_timer(timer, 2000)

    run(body)
    assert seen == [SOFTIRQ, True]


@pytest.mark.parametrize("off", [local_irq_disable, local_bh_disable])
def test_nobody_sleeps_or_ends_without_interrupts(off: Callable[[], None]) -> None:
    def sleep() -> None:
        off()
        might_sleep()

    with pytest.raises(ContextError, match=r"it keeps interrupts away$"):
        run(sleep)
    with pytest.raises(ContextError, match="t ended while it held off interrupts"):
        run(off)


def test_letting_softirqs_in_too_often_is_reported() -> None:
    with pytest.raises(ContextError, match="without having kept them away"):
        run(local_bh_enable)


def test_letting_softirqs_in_with_interrupts_off_is_reported() -> None:
    def body() -> None:
        local_bh_disable()
        local_irq_disable()
        local_bh_enable()

    with pytest.raises(ContextError, match="t lets softirqs in with interrupts off"):
        run(body)
