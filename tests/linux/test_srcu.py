# SPDX-License-Identifier: GPL-2.0-only
"""Sleepable RCU: whoever was inside is waited for, and nobody else."""

from __future__ import annotations

import pytest

from pykmm.engine import Machine
from pykmm.errors import ContextError, Deadlock, UsageError
from pykmm.linux.rcupdate import rcu_read_lock
from pykmm.linux.srcu import (
    srcu_read_lock,
    srcu_read_unlock,
    srcu_struct,
    synchronize_srcu,
)
from pykmm.schedulers import RandomWalk


def test_nobody_inside():
    with Machine():
        ssp = srcu_struct()
        synchronize_srcu(ssp)
        idx = srcu_read_lock(ssp)
        srcu_read_unlock(ssp, idx)
        synchronize_srcu(ssp)


def test_sections_nest_and_are_closed_by_number():
    with Machine():
        ssp = srcu_struct()
        outer, inner = srcu_read_lock(ssp), srcu_read_lock(ssp)
        assert outer != inner
        srcu_read_unlock(ssp, outer)
        assert [section.left for section in ssp.sections.values()] == [True, False]
        srcu_read_unlock(ssp, inner)


def test_a_section_that_was_open_is_waited_for():
    seen = set()
    for seed in range(80):
        with Machine(scheduler=RandomWalk(seed)) as machine:
            ssp = srcu_struct()
            log = []

            def reader(name, ssp=ssp, log=log):
                idx = srcu_read_lock(ssp)
                log.append(f"{name} in")
                srcu_read_unlock(ssp, idx)
                log.append(f"{name} out")

            def writer(ssp=ssp, log=log):
                log.append("waits")
                before = list(ssp.sections.values())
                synchronize_srcu(ssp)
                assert all(section.left for section in before)
                log.append("goes on")

            machine.thread("writer", writer)
            for name in ("a", "b"):
                machine.thread(name, lambda name=name, reader=reader: reader(name))
            machine.run()
            seen.add(tuple(log))
    # A reader that came later does not hold the writer up.
    assert any(log.index("goes on") < log.index("b out") for log in map(list, seen))
    assert any("a in" in log[: log.index("waits")] for log in map(list, seen))


def test_waiting_inside_a_section_never_ends():
    def body():
        srcu_read_lock(ssp)
        synchronize_srcu(ssp)

    with Machine() as machine:
        ssp = srcu_struct()
        machine.thread("self", body)
        with pytest.raises(Deadlock):
            machine.run()


def test_waiting_may_sleep():
    def body():
        rcu_read_lock()
        synchronize_srcu(ssp)

    with Machine() as machine:
        ssp = srcu_struct()
        machine.thread("atomic", body)
        with pytest.raises(ContextError, match="might sleep"):
            machine.run()


def test_the_host_cannot_wait():
    with Machine():
        ssp = srcu_struct()
        srcu_read_lock(ssp)
        with pytest.raises(UsageError, match="host code would have to wait"):
            synchronize_srcu(ssp)
