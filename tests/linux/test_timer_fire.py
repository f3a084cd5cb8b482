# SPDX-License-Identifier: GPL-2.0-only
"""The host can have a timer's time come, without a run."""

from __future__ import annotations

from pykmm.engine import Config, Machine, Timers
from pykmm.linux.timer import _fire_now, mod_timer, timer_list, timer_setup


def test_only_an_armed_timer_fires_and_only_once() -> None:
    with Machine(Config(timers=Timers.IDLE)) as machine:
        timer, fired = timer_list(), []
        timer_setup(timer, fired.append)
        assert not _fire_now(timer)
        mod_timer(timer, 5000)
        assert _fire_now(timer)
        assert fired == [timer]
        assert machine.clock.now == 5000
        assert not _fire_now(timer)
        machine.run()
        assert fired == [timer]


def test_timers_fire_in_the_order_that_the_host_likes() -> None:
    with Machine(Config(timers=Timers.IDLE)) as machine:
        early, late, fired = timer_list(), timer_list(), []
        for timer, expires in ((early, 2000), (late, 3000)):
            timer_setup(timer, fired.append)
            mod_timer(timer, expires)
        assert _fire_now(late)
        assert _fire_now(early)
        assert fired == [late, early]
        assert machine.clock.now == 3000
