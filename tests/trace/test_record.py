# SPDX-License-Identifier: GPL-2.0-only
"""Traces are values: equal for equal runs, storable, free of addresses."""

from __future__ import annotations

import pickle
import subprocess
import sys
from enum import IntFlag
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs.exceptions import FrozenInstanceError

from pykmm.engine import Access, Cell, Machine
from pykmm.errors import UsageError
from pykmm.trace import Ending, Life, Step, Trace, Waiter
from pykmm.trace.record import meet
from pykmm.trace.values import text_of

if TYPE_CHECKING:
    from types import ModuleType

UAF = "victim*9 victim/2*2 lmkd*2 victim/2*20"


def test_steps_tell_who_did_what(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.lost_update, "a*2 b*3 a")
    assert trace.threads == ("a", "b")
    assert [step.thread for step in trace.steps] == ["a", "a", "b", "b", "b", "a"]
    assert trace.steps[4] == Step(
        4, "b", "write", "Counter#1", "Counter#1", Access.WRITE, "1", ("add",)
    )
    assert trace.ending is None


def test_preemptions_are_marked_where_the_other_thread_goes_on(
    toys: ModuleType,
) -> None:
    trace, _ = toys.run(toys.lost_update, "a*2 b*3 a")
    assert [step.index for step in trace.steps if step.preempts] == [2]
    assert trace.preemptions == 1


def test_an_uninterrupted_run_has_no_preemption(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.lost_update)
    assert trace.preemptions == 0


def test_giving_way_because_one_must_wait_is_no_preemption(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.lock_sections, "releaser*2 watcher releaser*20")
    # The watcher preempts once; it then waits for the lock, which is nobody's fault.
    assert [step.index for step in trace.steps if step.preempts] == [2]


def test_two_runs_of_one_schedule_make_equal_traces(toys: ModuleType) -> None:
    first, _ = toys.run(toys.mm_life, UAF)
    second, _ = toys.run(toys.mm_life, UAF)
    other, _ = toys.run(toys.mm_life, "lmkd*9")
    assert first == second
    assert hash(first) == hash(second)
    assert str(first) == str(second)
    assert first != other


def test_a_trace_survives_pickle_and_json(toys: ModuleType) -> None:
    for program in (toys.mm_life, toys.two_locks, toys.sleeper):
        trace, _ = toys.run(program, "one*3 two*3")
        assert pickle.loads(pickle.dumps(trace)) == trace
        assert Trace.from_json(trace.to_json()) == trace


def test_a_trace_cannot_be_changed(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.lost_update)
    with pytest.raises(FrozenInstanceError):
        trace.steps = ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"),
        ("[]", "must be an object of format"),
        ('{"format": "pykmm-trace/0"}', "must be an object of format"),
        ('{"format": "pykmm-trace/1"}', "'steps'"),
        (
            '{"format": "pykmm-trace/1", "threads": [], "lives": [], "waiting": [],'
            ' "ending": null, "steps": [{"access": "PEEK"}]}',
            "'PEEK'",
        ),
    ],
)
def test_json_that_is_no_trace_is_the_callers_mistake(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Trace.from_json(text)


def test_a_use_after_free_ends_a_trace_with_the_step_that_did_it(
    toys: ModuleType,
) -> None:
    def program(m: Machine) -> None:
        mm = toys.toy_mm(1)

        def mmdrop() -> None:
            if mm.mm_count.dec_and_test():
                mm._free()

        m.thread("victim", mmdrop)
        m.thread("late", mm.flags.read)

    trace, report = toys.run(program)
    assert report is not None
    assert trace.ending == Ending(
        "use-after-free",
        report.summary,
        "late",
        "read",
        "toy_mm#1.flags",
        "toy_mm#1",
        report.stack,
    )
    assert trace.life("toy_mm#1") == Life(
        "toy_mm#1", "boot", 0, "victim", 2, ("mmdrop",)
    )
    assert trace.life("toy_mm#2") is None


def test_sleepers_at_rest_are_named(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.sleeper)
    assert trace.waiting == (Waiter("daemon", "wait_event", "Cell#1", "Cell#1", "S"),)
    assert trace.ending is None


def test_a_deadlock_names_both_waiters(toys: ModuleType) -> None:
    trace, report = toys.run(toys.two_locks, "one*3 two*3")
    assert report is not None
    assert [w.thread for w in trace.waiting] == ["one", "two"]
    assert trace.ending == Ending("deadlock", report.summary)


def test_an_exception_of_the_program_ends_the_trace_with_its_name() -> None:
    def crash() -> None:
        raise ValueError("no such page")

    with Machine() as machine:
        machine.thread("app", crash)
        with pytest.raises(ValueError, match="no such page"):
            machine.run()
        trace = Trace.of(machine)
    assert trace.ending == Ending("ValueError", "no such page", "app")


def test_the_full_text_has_a_line_for_each_step(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.two_locks, "one*3 two*3")
    assert str(trace).splitlines() == [
        "    0  one: start one (READ)",
        "    1  one: lock Mutex#1 = one (ACQUIRE)  take < <lambda>",
        "    2  one: add Counter#1 = 1 (ADD)  take < <lambda>",
        "    3* two: start two (READ)",
        "    4  two: lock Mutex#2 = two (ACQUIRE)  take < <lambda>",
        "    5  two: add Counter#1 = 2 (ADD)  take < <lambda>",
        "    at rest one: waits in lock Mutex#2 (D)",
        "    at rest two: waits in lock Mutex#1 (D)",
        "    at rest deadlock: one and two can never go on",
    ]


def test_which_steps_meet() -> None:
    def step(thread: str, obj: str, access: Access) -> Step:
        return Step(0, thread, "touch", obj, obj, access, "")

    write = step("a", "x", Access.WRITE)
    assert meet(write, step("b", "x", Access.READ))
    assert not meet(write, step("a", "x", Access.READ))
    assert not meet(write, step("b", "y", Access.WRITE))
    assert not meet(step("a", "x", Access.INC), step("b", "x", Access.INC))
    assert meet(write, step("b", "y", Access.BARRIER))


class _Flags(IntFlag):
    OLD = 1
    NEW = 2


class _Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (3, "3"),
        (False, "False"),
        ("plain", "plain"),
        ("two\nlines", "two\\nlines"),
        (_Flags.NEW, "NEW"),
        (_Flags.OLD | _Flags.NEW, "OLD|NEW"),
        ((1, None), "(1, None)"),
        ([_Flags.OLD, "x"], "[OLD, 'x']"),
        ({"b", "a", "c"}, "{'a', 'b', 'c'}"),
        ({"k": {3, 1, 2}}, "{'k': {1, 2, 3}}"),
        (len, "len"),
        (_Opaque, "_Opaque"),
    ],
)
def test_values_are_spelt_the_same_in_every_run(value: object, text: str) -> None:
    assert text_of(value) == text


def test_no_address_gets_into_a_trace() -> None:
    assert " at 0x" in repr(_Opaque())
    assert " at 0x" not in text_of(_Opaque())
    assert " at 0x" not in text_of([_Opaque()])
    assert " at 0x" not in text_of([[[[[_Opaque()]]]]])


_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import toys
from pykmm.trace import draw
for program in (toys.lost_update, toys.two_locks, toys.mm_life, toys.lock_sections):
    trace, report = toys.run(program, "one*3 two*2 victim*3 lmkd*9")
    print(trace, draw(trace), trace.to_json())
"""


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    here = Path(__file__).parent
    texts = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(here)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(here.parents[1])},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(texts) == 1
    assert len(texts.pop()) > 1000


def test_cells_of_any_content_can_be_recorded() -> None:
    with Machine() as machine:
        cell: Cell[object] = Cell({"a": {2, 1}})
        machine.thread("app", cell.get)
        machine.run()
        trace = Trace.of(machine)
    assert trace.steps[1].value == "{'a': {1, 2}}"
