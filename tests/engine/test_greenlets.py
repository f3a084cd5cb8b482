# SPDX-License-Identifier: GPL-2.0-only
"""Greenlets take the same steps as OS threads, and leave as little behind."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from attrs import evolve

from pykmm.engine import Cell, Machine, Mutex, Pool, current_thread
from pykmm.errors import Deadlock, KernelBug, UsageError
from pykmm.patches.bugs import BUGS
from pykmm.runner import Scenario, explore
from pykmm.runner.once import execute
from pykmm.scenarios import SCENARIOS
from pykmm.schedulers import RandomWalk, RoundRobin
from tests.litmus import programs as p
from tests.litmus.harness import Program, litmus, run

greenlet = pytest.importorskip("greenlet")
from pykmm.engine.greenlets import Greenlets  # noqa: E402 -- needs the package

PROGRAMS = [
    p.lost_update(3),
    p.locked_inc(3, 2),
    p.abba(2),
    p.philosophers(3),
    p.refcount(2, 1, checked=False),
    p.rwsem(2, 2),
    p.trylocks(3),
    p.circular_buffer(2),
]


def on_greenlets(scenario: Scenario) -> Scenario:
    return scenario.but(machine=partial(scenario.machine, baton=Greenlets))


def same(scenario: Scenario, seed: int) -> None:
    """Compare all that can be seen of one execution."""
    one = execute(scenario, RandomWalk(seed), stacks=True)
    other = execute(on_greenlets(scenario), RandomWalk(seed), stacks=True)
    assert str(other.trace) == str(one.trace)
    assert [e.stack for e in other.events] == [e.stack for e in one.events]
    assert other.label == one.label
    assert other.machine.preemptions == one.machine.preemptions
    if one.report is not None:
        assert other.report is not None
        assert other.report.render() == one.report.render()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_seed_makes_the_same_trace(program: Program) -> None:
    for seed in range(10):
        same(litmus(program), seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_kernels_run_alike(name: str) -> None:
    for seed in range(3):
        same(SCENARIOS[name], seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_buggy_kernels_come_down_alike(name: str) -> None:
    scenario = SCENARIOS[BUGS[name].scenario].but(patches=(BUGS[name],))
    for seed in range(10):
        same(scenario, seed)


@pytest.mark.parametrize("program", PROGRAMS[:5])
def test_explorations_come_to_the_same(program: Program) -> None:
    scenario = litmus(program)
    one, other = explore(scenario), explore(scenario, carrier="greenlets")
    assert evolve(other, seconds=0.0).as_dict() == evolve(one, seconds=0.0).as_dict()


def test_a_carrier_that_nobody_knows_is_refused() -> None:
    scenario = litmus(p.lost_update(2))
    with pytest.raises(UsageError, match=r"carrier='ferry' must be .*greenlets"):
        explore(scenario, carrier="ferry")


def test_a_carrier_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pykmm.engine.greenlets", None)
    with pytest.raises(UsageError, match=r"install pykmm\[fast\]"):
        explore(litmus(p.lost_update(2)), carrier="greenlets")


def test_there_are_no_os_threads() -> None:
    seen = set()

    def program(m: Machine) -> object:
        x = Cell(0)

        def body() -> None:
            for _ in range(3):
                x.get()
                seen.add(threading.get_ident())

        return run(m, body, body)

    execute(on_greenlets(litmus(program)), RoundRobin())
    assert seen == {threading.get_ident()}


def test_each_flow_knows_who_it_is() -> None:
    def program(m: Machine) -> object:
        x = Cell(0)

        def body() -> list[str]:
            return [current_thread().name for _ in range(3) if x.get() == 0]

        return run(m, body, body)

    execution = execute(on_greenlets(litmus(program)), RoundRobin())
    assert execution.outcome == (["t0"] * 3, ["t1"] * 3)


def test_a_machine_within_a_machine() -> None:
    def inner() -> int:
        with Machine(baton=Greenlets, scheduler=RoundRobin()) as m:
            return p.lost_update(2)(m)

    def program(m: Machine) -> object:
        x = Cell(0)

        def body() -> tuple[int, str]:
            x.get()
            found = inner()
            x.get()
            return found, current_thread().name

        return run(m, body, body)

    execution = execute(on_greenlets(litmus(program)), RoundRobin())
    assert execution.outcome == ((1, "t0"), (1, "t1"))


def test_runs_follow_one_another() -> None:
    with Machine(baton=Greenlets) as m:
        x = Cell(0)
        for number in range(3):
            m.thread("t", lambda: x.set(x.get() + 1))
            m.run()
            assert x.peek() == number + 1


def test_flows_are_used_again() -> None:
    seen = set()

    def program(m: Machine) -> object:
        x = Cell(0)

        def body() -> None:
            x.get()
            seen.add(greenlet.getcurrent())
            x.get()

        return run(m, body, body)

    with Pool() as pool:
        for _ in range(5):
            execute(on_greenlets(litmus(program)), RoundRobin(), pool=pool)
        assert len(seen) == 2
        assert not any(flow.dead for flow in seen)
        with Machine(baton=Greenlets, pool=pool) as m:
            weak = weakref.ref(m)
            m.thread("t", Cell(0).get)
            m.run()
        del m
        gc.collect()
        assert weak() is None  # who waits for work keeps no machine
    seen.clear()
    gc.collect()
    assert _alive() == []


def _alive() -> list[object]:
    """Return the greenlets that have not ended, this one apart."""
    flows = [x for x in gc.get_objects() if isinstance(x, greenlet.greenlet)]
    return [x for x in flows if x is not greenlet.getcurrent() and not x.dead]


def test_threads_share_a_pool_and_not_its_flows() -> None:
    scenario = on_greenlets(litmus(p.lost_update(2)))
    with Pool() as pool:
        one = execute(scenario, RoundRobin(), pool=pool)
        with ThreadPoolExecutor(1) as others:
            other = others.submit(execute, scenario, RoundRobin(), pool=pool).result()
    assert str(other.trace) == str(one.trace)
    assert other.report is one.report is None


def test_finally_runs_and_nothing_is_left() -> None:
    ended: list[str] = []
    with Machine(baton=Greenlets, scheduler=RoundRobin()) as m:
        a, b = Mutex(), Mutex()

        def take(name: str, one: Mutex, other: Mutex) -> None:
            try:
                with one, other:
                    pass
            finally:
                ended.append(name)

        m.thread("one", lambda: take("one", a, b))
        m.thread("two", lambda: take("two", b, a))
        with pytest.raises(Deadlock):
            m.run()
    assert ended == ["one", "two"]
    gc.collect()
    assert _alive() == []


def test_a_bug_is_the_machine_s_failure() -> None:
    with Machine(baton=Greenlets) as m:
        x = Cell(0)

        def body() -> None:
            x.get()
            raise KernelBug("seen")

        m.thread("t0", x.get)
        m.thread("t1", body)
        with pytest.raises(KernelBug, match="seen") as caught:
            m.run()
    assert caught.value.schedule == "t0*2 t1*2"
