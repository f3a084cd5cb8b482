# SPDX-License-Identifier: GPL-2.0-only
"""Locks that interrupts take: who may hold them, and with what kept away."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import Lockdep, Serialized
from pykmm.engine import Backend, Cell, Machine
from pykmm.engine.annotate import original
from pykmm.errors import LockInversion
from pykmm.linux.irqflags import local_irq_disable, local_irq_enable
from pykmm.linux.preempt import HARDIRQ, _run_as
from pykmm.linux.rcupdate import call_rcu
from pykmm.linux.sched import task_struct
from pykmm.linux.spinlock import (
    read_lock,
    read_unlock,
    rwlock_t,
    spin_lock,
    spin_lock_bh,
    spin_lock_irq,
    spin_lock_irqsave,
    spin_lock_nested,
    spin_trylock,
    spin_unlock,
    spin_unlock_bh,
    spin_unlock_irq,
    spin_unlock_irqrestore,
    spinlock_t,
    write_lock,
    write_lock_irq,
    write_unlock,
    write_unlock_irq,
)
from pykmm.linux.timer import mod_timer, timer_list, timer_setup
from pykmm.mm.oom_kill_reaper import queue_oom_reaper
from pykmm.mm.oom_kill_victim import oom
from pykmm.patches.patch import Patch
from pykmm.runner import explore
from pykmm.scenario import Scenario
from pykmm.scenarios import SCENARIOS
from tests.detect.locks import nest
from tests.detect.programs import Body, Setup, explored, found

#: Ways to take a spinlock and give it back, and whether softirqs stay away meanwhile.
WAYS = {
    "plain": (spin_lock, spin_unlock, False),
    "bh": (spin_lock_bh, spin_unlock_bh, True),
    "irq": (spin_lock_irq, spin_unlock_irq, True),
    "irqsave": (spin_lock_irqsave, spin_unlock_irqrestore, True),
}


def hold(way: str, lock: spinlock_t, inside: Body = int) -> None:
    take, give, _ = WAYS[way]
    take(lock)
    inside()
    give(lock)


def in_softirq(handler: Body) -> None:
    """Have a timer call *handler*, some time."""
    timer = timer_list()
    timer_setup(timer, lambda _: handler())
    mod_timer(timer, 2000)


def summaries(setup: Setup) -> list[str]:
    return [report.summary for report in explored(setup).reports]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arrange", [in_softirq, call_rcu])
def test_who_shares_a_lock_with_softirqs_keeps_them_away(
    arrange: Callable[[Body], None], way: str
) -> None:
    def setup(_: Machine) -> Sequence[Body]:
        lock = spinlock_t()
        return [lambda: hold(way, lock), lambda: arrange(lambda: hold("plain", lock))]

    wanted = "inconsistent lock state: spinlock_t#1 {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W}"
    assert summaries(setup) == ([] if WAYS[way][2] else [wanted])


def test_both_sides_are_told_whoever_came_first() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        lock = spinlock_t()

        def work() -> None:
            call_rcu(lambda: hold("plain", lock))
            hold("plain", lock)

        return [work]

    told = []
    for schedule in ("0000", "0"):
        report = found(setup, schedule, detectors="lockdep")
        assert isinstance(report, LockInversion)
        told.append([label for label, _ in report.facts])
        texts = dict(report.facts)
        on, used = told[-1]
        assert texts[on].startswith("t0 takes spinlock_t#1 at step ")
        assert texts[on].endswith("  hold < work")
        assert texts[used].startswith("rcu:rcu takes spinlock_t#1 at step ")
    wanted = ["spinlock_t#1 {SOFTIRQ-ON-W}", "spinlock_t#1 {IN-SOFTIRQ-W}"]
    assert told == [wanted, wanted]


def test_a_lock_that_softirqs_take_does_not_lead_to_one_held_with_softirqs_on() -> None:
    def program(other: str) -> Setup:
        def setup(_: Machine) -> Sequence[Body]:
            safe, between, unsafe = spinlock_t(), spinlock_t(), spinlock_t()
            return [
                lambda: in_softirq(lambda: hold("plain", safe)),
                lambda: hold("bh", safe, lambda: hold("plain", between)),
                lambda: hold("bh", between, lambda: hold("plain", unsafe)),
                lambda: hold(other, unsafe),
            ]

        return setup

    assert found(program("irq"), detectors="lockdep") is None
    report = found(program("plain"), detectors="lockdep")
    assert report is not None
    assert report.summary == (
        "SOFTIRQ-safe -> SOFTIRQ-unsafe lock order: "
        "spinlock_t#1 -> spinlock_t#2 -> spinlock_t#3"
    )
    assert [label for label, _ in report.facts if label] == [
        "spinlock_t#3 {SOFTIRQ-ON-W}",
        "spinlock_t#1 {IN-SOFTIRQ-W}",
        "spinlock_t#1 -> spinlock_t#2",
        "spinlock_t#2 -> spinlock_t#3",
    ]


def test_sides_that_no_execution_shows_together_make_a_report_in_the_end() -> None:
    def program(m: Machine) -> None:
        lock, flag = spinlock_t(), Cell(0)

        def work() -> None:
            if flag.get():
                hold("plain", lock)
            else:
                call_rcu(lambda: hold("plain", lock))

        m.thread("set", lambda: flag.set(1))
        m.thread("work", work)
        m.run()

    (report,) = explore(Scenario(name="apart", function=program)).reports
    assert report.summary == (
        "inconsistent lock state: spinlock_t#1 {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W}, "
        "in executions that each show a part of it"
    )


@pytest.mark.parametrize(
    ("inside", "outside", "clean"),
    [("trylock", "plain", True), ("plain", "trylock", False)],
)
def test_who_only_tries_waits_for_nobody_but_may_be_waited_for(
    inside: str, outside: str, clean: bool
) -> None:
    def setup(_: Machine) -> Sequence[Body]:
        lock = spinlock_t()

        def take(way: str) -> None:
            if way == "plain":
                spin_lock(lock)
            elif not spin_trylock(lock):
                return
            spin_unlock(lock)

        return [lambda: take(outside), lambda: in_softirq(lambda: take(inside))]

    assert (summaries(setup) == []) is clean


RW = {
    "read": (read_lock, read_unlock),
    "write": (write_lock, write_unlock),
    "write_irq": (write_lock_irq, write_unlock_irq),
}


@pytest.mark.parametrize(
    ("inside", "outside", "states"),
    [
        ("read", "read", ""),
        ("read", "write_irq", ""),
        ("read", "write", "{SOFTIRQ-ON-W} -> {IN-SOFTIRQ-R}"),
        ("write", "read", "{SOFTIRQ-ON-R} -> {IN-SOFTIRQ-W}"),
    ],
)
def test_softirqs_that_read_do_not_wait_for_readers(
    inside: str, outside: str, states: str
) -> None:
    def setup(_: Machine) -> Sequence[Body]:
        lock = rwlock_t()

        def use(way: str) -> None:
            RW[way][0](lock)
            RW[way][1](lock)

        return [lambda: use(outside), lambda: in_softirq(lambda: use(inside))]

    wanted = [f"inconsistent lock state: rwlock_t#1 {states}"] if states else []
    assert summaries(setup) == wanted


def test_letting_interrupts_in_with_a_lock_is_holding_it_with_them_on() -> None:
    def program(enable: Body) -> Setup:
        def setup(_: Machine) -> Sequence[Body]:
            lock = spinlock_t()

            def work() -> None:
                local_irq_disable()
                hold("plain", lock, enable)
                local_irq_enable()

            return [work, lambda: in_softirq(lambda: hold("plain", lock))]

        return setup

    assert found(program(int), detectors="lockdep") is None
    report = found(program(local_irq_enable), detectors="lockdep")
    assert report is not None
    assert report.facts[:2] == [
        (
            "spinlock_t#1 {SOFTIRQ-ON-W}",
            "t0 holds spinlock_t#1 since step 1  hold < work",
        ),
        ("", "lets HARDIRQ in at step 1  hold < work"),
    ]


def test_free_running_threads_are_listened_to() -> None:
    watching = Serialized(Lockdep())
    with Machine(backend=Backend.FREE, observers=[watching]) as m:
        lock = spinlock_t()

        def work() -> None:
            local_irq_disable()
            hold("plain", lock, local_irq_enable)

        m.thread("work", work)
        m.run()
        m.thread("callback", lambda: call_rcu(lambda: hold("plain", lock)))
        with pytest.raises(LockInversion, match="inconsistent lock state"):
            m.run()


def test_what_a_nested_lock_lets_in_is_not_known_of_the_others() -> None:
    """Who nests a lock may keep nothing away, if nobody in a softirq nests it."""

    def setup(_: Machine) -> Sequence[Body]:
        outer, inner = spinlock_t(), spinlock_t()

        def nested() -> None:
            spin_lock(outer)
            spin_lock_nested(inner, 1)
            spin_unlock(inner)
            spin_unlock(outer)
            hold("plain", inner)

        return [nested, lambda: call_rcu(lambda: hold("plain", inner))]

    assert summaries(setup) == [
        "inconsistent lock state: spinlock_t#2 {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W}"
    ]


def test_hard_interrupts_come_in_where_only_softirqs_are_kept_away() -> None:
    def program(way: str) -> Setup:
        def setup(_: Machine) -> Sequence[Body]:
            lock = spinlock_t()
            handler = lambda: hold("plain", lock)  # noqa: E731 -- it has to say so
            return [lambda: hold(way, lock), lambda: _run_as(HARDIRQ, handler)]

        return setup

    assert summaries(program("irq")) == []
    for way in ("bh", "plain"):
        assert summaries(program(way)) == [
            "inconsistent lock state: spinlock_t#1 {HARDIRQ-ON-W} -> {IN-HARDIRQ-W}"
        ]


def test_a_softirq_lets_hard_interrupts_in() -> None:
    def setup(_: Machine) -> Sequence[Body]:
        lock = spinlock_t()
        return [
            lambda: in_softirq(lambda: hold("plain", lock)),
            lambda: _run_as(HARDIRQ, lambda: hold("plain", lock)),
        ]

    assert summaries(setup) == [
        "inconsistent lock state: spinlock_t#1 {HARDIRQ-ON-W} -> {IN-HARDIRQ-W}"
    ]


# -- against the definition -----------------------------------------------------------

_Plan = tuple[bool, list[tuple[str, int]]]


def plans(seed: int) -> list[_Plan]:
    """Make three flows, softirqs or not, that nest locks by their numbers."""
    dice = random.Random(seed)
    made: list[_Plan] = []
    for _ in range(3):
        locks = sorted(dice.sample(range(4), dice.choice([1, 2, 2])))
        softirq = dice.random() < 0.4
        outer = dice.choice(["plain", "plain", "bh", "irqsave"])
        ways = ["plain" if softirq else outer, "plain"][: len(locks)]
        made.append((softirq, list(zip(ways, locks, strict=True))))
    return made


def is_wrong(made: Sequence[_Plan]) -> bool:
    """Tell whether a lock that softirqs take leads to one that lets them in."""
    leads = {(lock, lock) for _, plan in made for _, lock in plan}
    used, let_in = set(), set()
    for softirq, plan in made:
        masked = softirq
        for at, (way, lock) in enumerate(plan):
            masked = masked or way != "plain"
            leads |= {(before, lock) for _, before in plan[:at]}
            if softirq:
                used.add(lock)
            if not masked:
                let_in.add(lock)
    for _ in range(4):
        leads |= {(a, d) for a, b in leads for c, d in leads if b == c}
    return any((a, b) in leads for a in used for b in let_in)


def test_orders_are_wrong_exactly_if_the_definition_says_so() -> None:
    wrong = 0
    for seed in range(200):
        made = plans(seed)

        def setup(_: Machine, made: Sequence[_Plan] = made) -> Sequence[Body]:
            locks = [spinlock_t() for _ in range(4)]

            def flow(plan: list[tuple[str, int]]) -> None:
                if plan:
                    (way, lock), *rest = plan
                    hold(way, locks[lock], lambda: flow(rest))

            def start(softirq: bool, plan: list[tuple[str, int]]) -> None:
                if softirq:
                    in_softirq(lambda: flow(plan))
                else:
                    flow(plan)

            return [lambda each=each: start(*each) for each in made]

        report = found(setup, detectors="lockdep")
        assert (report is not None) == is_wrong(made), f"seed {seed}"
        wrong += report is not None
    assert 40 < wrong < 160


# -- the kernel -----------------------------------------------------------------------


def test_the_reapers_list_is_not_touched_with_softirqs_on() -> None:
    """Its timer takes the lock, so who queues a victim elsewhere has to mind that."""
    patch = Patch("softirqs-on", kind="bug", summary="no irqsave", origin="this test")

    @patch.replaces(queue_oom_reaper)
    def queue(tsk: task_struct) -> None:
        nest(("spin", oom().oom_reaper_lock))
        original(queue_oom_reaper)(tsk)

    scenario = SCENARIOS["oom-kill-stuck"]
    assert explore(scenario, executions=5, detectors=["lockdep"]).reports == ()
    changed = Scenario(
        name="softirqs-on",
        function=scenario.function,
        config=scenario.config,
        patches=(patch,),
    )
    reports = explore(changed, executions=5, detectors=["lockdep"]).reports
    assert [report.summary for report in reports] == [
        "inconsistent lock state: OomStatics.oom_reaper_lock "
        "{SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W}"
    ]
