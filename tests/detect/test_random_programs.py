# SPDX-License-Identifier: GPL-2.0-only
"""Programs made by dice: correct ones are not blamed, and races are exactly those
that a second, slower definition finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from pykmm.detect import DETECTORS, Kcsan
from pykmm.engine import (
    Access,
    Cell,
    Counter,
    Event,
    Machine,
    Mutex,
    PlainCell,
    RWLock,
)
from pykmm.linux.compiler import READ_ONCE, WRITE_ONCE, data_race
from pykmm.runner import explore
from pykmm.scenario import Scenario
from pykmm.schedulers import RandomWalk
from tests.detect.actor import MISTAKES
from tests.detect.correct import Program, watched
from tests.detect.world import buffer

#: How many programs of each sort.
MANY = 500

#: What the programs do, by kinds of steps; each primitive there is, and how it fails.
KINDS = """
    READ_ONCE WRITE_ONCE read write lock unlock trylock read_lock read_unlock write_lock
    write_unlock cas load_acquire store_release
    atomic_cmpxchg atomic_dec_and_test atomic_xchg set_bit test_and_clear_bit
    test_and_set_bit refcount_dec_and_test refcount_inc refcount_inc_not_zero
    mutex_lock mutex_trylock mutex_unlock spin_lock spin_trylock spin_unlock
    spin_lock_bh spin_lock_irq spin_lock_irqsave
    spin_unlock_bh spin_unlock_irq spin_unlock_irqrestore
    down_read down_read_trylock down_read_wait down_write down_write_trylock
    down_write_wait downgrade_write up_read up_write
    complete_all completion_done wait_for_completion
    finish_wait prepare_to_wait schedule schedule_timeout wake_up
    call_rcu grace_period list_add_rcu list_del_rcu rcu_dereference rcu_read_lock
    rcu_read_unlock synchronize_rcu synchronize_rcu_wait
    srcu_read_lock srcu_read_unlock synchronize_srcu synchronize_srcu_wait
    mod_timer schedule_timeout_uninterruptible tick timer_delete_sync timer_done
    timer_fire process_one_work queue_work work_done start
"""


@pytest.mark.parametrize("block", range(10))
def test_correct_programs_are_not_blamed(block: int) -> None:
    for seed in range(block * MANY // 10, (block + 1) * MANY // 10):
        for way in (2 * seed, 2 * seed + 1):  # by priorities, and by walking
            report = watched(Program(seed), way)
            assert report is None, f"seed {seed}\n{report.render()}"


@pytest.mark.parametrize("seed", range(30))
def test_correct_programs_are_not_blamed_for_what_their_executions_are_together(
    seed: int,
) -> None:
    program = Program(seed)

    def function(m: Machine) -> None:
        world = program.start(m)
        m.run()
        del world  # what is kept is kept from here

    scenario = Scenario(name="correct", function=function, machine=Machine)
    result = explore(scenario, executions=30)
    assert [report.render() for report in result.reports] == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_and_its_programs_without_it_are_not_blamed(
    name: str,
) -> None:
    """The detector in question finds it, and nothing else would in all of them."""
    mistake = MISTAKES[name]
    alone = (mistake.detector,) if mistake.detector else ()
    found, anyway = [], 0
    for seed in range(MANY):
        program = Program(seed, mistake.actions, name)
        report = watched(program, seed, alone)
        found += [report.kind] if report is not None else []
        anyway += watched(program, seed, ()) is not None
        if len(found) >= 5 and (anyway < len(found) or not mistake.detector):
            break
    else:
        pytest.fail(f"{name}: {found}, {anyway} of them without {alone}")
    assert set(found) <= mistake.kinds
    for seed in range(MANY):
        report = watched(Program(seed, mistake.actions), seed)
        assert report is None, f"seed {seed}\n{report.render()}"


def test_every_detector_has_a_mistake_to_find() -> None:
    assert {mistake.detector for mistake in MISTAKES.values()} == {"", *DETECTORS}


def test_programs_do_everything_there_is() -> None:
    seen: dict[str, None] = {}

    class Kinds:
        """Notes what is done."""

        def event(self, event: Event) -> None:
            seen[event.kind] = None

        def at_rest(self, machine: Machine) -> None:
            """Nothing to note."""

    for seed in range(MANY):
        with Machine(scheduler=RandomWalk(str(seed)), observers=[Kinds()]) as m:
            Program(seed).start(m)
            m.run()
    assert sorted(set(KINDS.split()) - set(seen)) == []


# -- against another definition -----------------------------------------------------


class Mess:
    """Threads that access and synchronise at random."""

    def __init__(self) -> None:
        self.plain = [PlainCell(0), PlainCell(0)]
        self.box = buffer()
        self.cells = [Cell(0), Cell(0)]
        self.turn = Counter(0)
        self.mutex = Mutex()
        self.rw = RWLock()

    def actions(self, dice: random.Random) -> list[Callable[[], object]]:
        """Return everything that a thread may do, to choose from."""
        x = dice.choice(self.plain)
        cell = dice.choice(self.cells)
        box = self.box

        def mark() -> None:
            WRITE_ONCE(box).hint = 1

        def write() -> None:
            box.hint = 2

        return [
            x.get,
            lambda: x.set(1),
            lambda: box.hint,
            write,
            lambda: READ_ONCE(box).hint,
            mark,
            lambda: data_race(box).hint,
            cell.get,
            lambda: cell.set(1),
            lambda: cell.store_release(2),
            cell.load_acquire,
            lambda: cell.cas(2, 3),
            self.turn.fetch_add,
            self.turn.add,
        ]

    def thread(self, dice: random.Random) -> Callable[[], None]:
        """Make a thread that does a few things, some of them under a lock."""
        sections = [
            (dice.randrange(5), dice.choices(self.actions(dice), k=dice.randint(1, 3)))
            for _ in range(dice.randint(1, 5))
        ]

        def body() -> None:
            for lock, actions in sections:
                take, give = {
                    0: (self.mutex.lock, self.mutex.unlock),
                    1: (self.rw.read_lock, self.rw.read_unlock),
                    2: (self.rw.write_lock, self.rw.write_unlock),
                }.get(lock, (int, int))
                take()
                for action in actions:
                    action()
                give()

        return body


def edges(events: Sequence[Event], at: int) -> list[int]:
    """Return earlier events right behind which event *at* comes."""
    event = events[at]
    before = [i for i in range(at) if events[i].thread is event.thread][-1:]
    mine = [i for i in range(at) if events[i].obj is event.obj]
    if event.access in (Access.ACQUIRE, Access.SHARE):
        gives = [Access.RELEASE]
        if event.access is Access.ACQUIRE:
            gives.append(Access.UNSHARE)
        before += [i for i in mine if events[i].access in gives]
    elif event.kind == "load_acquire" or _is_full(event):
        releases = [
            i for i in mine if events[i].kind == "store_release" or _is_full(events[i])
        ]
        before += releases[-1:]
    return before


def _is_full(event: Event) -> bool:
    return event.kind in ("cas", "fetch_add") and event.access is Access.WRITE


def racing_objects(events: Sequence[Event], *, strict: bool) -> set[str]:
    """Compare all pairs of accesses, by the transitive closure of what orders them."""
    before: list[int] = []
    found: set[str] = set()
    for at, event in enumerate(events):
        mask = 0
        for i in edges(events, at):
            mask |= before[i] | 1 << i
        before.append(mask)
        for i in range(at):
            if not mask >> i & 1 and race(events[i], event, strict=strict):
                found.add(event.obj.name)
    return found


def race(a: Event, b: Event, *, strict: bool) -> bool:
    if a.obj is not b.obj or not a.obj.plain or a.thread is b.thread:
        return False
    if "data_race" in (a.kind, b.kind):
        return False
    writes = [e for e in (a, b) if e.access is Access.WRITE]
    plain = [e for e in (a, b) if e.kind in ("read", "write")]
    if not writes or not plain:
        return False
    marked_read = any(e.kind == "READ_ONCE" for e in (a, b))
    return strict or not marked_read


def mess_about(seed: int, *, strict: bool) -> tuple[list[str], set[str]]:
    """Return what the detector says, and which objects race by the definition."""
    dice = random.Random(seed)
    seen: list[str] = []
    watch = Kcsan(lambda report: seen.append(report.summary), strict=strict)
    with Machine(scheduler=RandomWalk(str(seed)), observers=[watch]) as m:
        mess = Mess()
        for number in range(dice.choice([2, 3, 4])):
            m.thread(f"t{number}", mess.thread(dice))
        m.run()
    return seen, racing_objects(m.events, strict=strict)


@pytest.mark.parametrize("strict", [False, True])
def test_races_are_those_of_the_definition(strict: bool) -> None:
    racy = 0
    for seed in range(300):
        seen, wanted = mess_about(seed, strict=strict)
        found = {name for name in wanted if any(name in text for text in seen)}
        assert found == wanted, f"seed {seed}"
        assert all(any(name in text for name in wanted) for text in seen)
        racy += bool(wanted)
    assert 50 < racy < 290
