# SPDX-License-Identifier: GPL-2.0-only
"""Ten times in five seconds, and then a word about the rest."""

from __future__ import annotations

from pykmm.engine import Config, Machine
from pykmm.lib.ratelimit import ___ratelimit, ratelimit_state
from pykmm.linux.printk import console


def test_a_burst_and_what_was_suppressed() -> None:
    with Machine(Config(hz=100)) as machine:
        rs = ratelimit_state()
        assert [___ratelimit(rs, "f") for _ in range(13)] == [True] * 10 + [False] * 3
        assert rs.begin is not None
        # The window is over when more than five seconds have passed.
        machine.clock.now = rs.begin + 500
        assert not ___ratelimit(rs, "f")
        machine.clock.now += 1
        assert ___ratelimit(rs, "f")
        assert console().verdicts() == ["f: 4 callbacks suppressed"]
        machine.clock.now += 501
        assert ___ratelimit(rs, "f")
        assert len(console().lines) == 1


def test_the_window_begins_with_the_first_word() -> None:
    with Machine(Config(hz=100)) as machine:
        rs = ratelimit_state()
        machine.clock.now = 10_000
        assert ___ratelimit(rs, "f")
        assert rs.begin == 10_000
