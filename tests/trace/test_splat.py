# SPDX-License-Identifier: GPL-2.0-only
"""The grammar of a bug report: first what, then who, last how to see it again."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from pykmm.engine import Machine
from pykmm.errors import Deadlock, InvariantViolation, Leak, Report, UseAfterFree
from pykmm.trace import Trace, complete, splat

if TYPE_CHECKING:
    from types import ModuleType

    from pykmm.engine import Event


def found(toys: ModuleType) -> tuple[str, Report]:
    """Run the program above; return the report's text and the report."""
    trace, report = toys.run(toys.late_reader)
    assert isinstance(report, UseAfterFree)
    return splat(report, trace, replay='pykmm.replay(x, "victim*2 lmkd*7")'), report


def test_kind_and_both_functions_come_first(toys: ModuleType) -> None:
    text, _ = found(toys)
    assert text.splitlines()[0] == (
        "BUG: use-after-free in task_will_free_mem() / mmdrop()"
    )


def test_the_last_line_replays(toys: ModuleType) -> None:
    text, _ = found(toys)
    assert text.splitlines()[-1] == 'replay: pykmm.replay(x, "victim*2 lmkd*7")'


def test_without_a_caller_the_last_line_is_the_schedule(toys: ModuleType) -> None:
    trace, report = toys.run(toys.late_reader)
    text = splat(report, trace)
    assert text.splitlines()[-1] == "replay: victim*2 lmkd*7"


def test_both_sides_birth_death_and_locks_are_told(toys: ModuleType) -> None:
    text, _ = found(toys)
    facts = [line.strip().split("  ")[0] for line in text.split("\n\n")[2].splitlines()]
    assert facts == [
        "touched",
        "freed",
        "allocated",
        "protected",
        "found in",
        "held there",
    ]
    assert "mmdrop < do_exit" in text


def test_the_counts_of_the_object_at_fault_stand_left_of_all_others(
    toys: ModuleType,
) -> None:
    text, _ = found(toys)
    heading = next(line for line in text.splitlines() if line.startswith("step"))
    assert heading.split()[1] == "mm_count"
    assert len(heading.split()) == 1 + 4 + 2


def test_the_failing_step_is_marked_and_the_dead_counts_are_gone(
    toys: ModuleType,
) -> None:
    text, _ = found(toys)
    last = next(line for line in text.splitlines() if "<--" in line)
    assert last.split()[:2] == ["8", "-"]
    assert last.endswith("read toy_mm#1.flags  <-- use-after-free")


def test_a_deadlock_has_no_function_in_its_headline(toys: ModuleType) -> None:
    trace, report = toys.run(toys.two_locks, "one*3 two*3")
    assert isinstance(report, Deadlock)
    assert splat(report, trace).splitlines()[0] == "BUG: deadlock"


def test_functions_that_a_detector_named_stay(toys: ModuleType) -> None:
    trace, report = toys.run(toys.late_reader)
    assert report is not None
    report.functions = ("reader", "writer")
    complete(report, trace)
    assert report.render().startswith("BUG: use-after-free in reader() / writer()\n")


def test_a_long_history_is_cut_to_its_end(toys: ModuleType) -> None:
    def program(m: Machine) -> None:
        total = toys.Counter(0)
        mm = toys.toy_mm(1)

        def work(last: bool) -> None:
            for _ in range(30):
                total.fetch_add()
            if last:
                mm._free()
                mm.flags.read()

        m.thread("a", lambda: work(False))
        m.thread("b", lambda: work(True))

    trace, report = toys.run(program, "a b " * 32)
    text = splat(report, trace)
    assert "23 rows before" in text
    assert len(text.splitlines()) < 60


def test_a_completed_report_survives_pickle(toys: ModuleType) -> None:
    text, report = found(toys)
    again = pickle.loads(pickle.dumps(report))
    assert again.render() == text


def test_what_the_report_names_is_watched_first_even_if_it_did_not_change(
    toys: ModuleType,
) -> None:
    def program(m: Machine) -> None:
        mm = toys.toy_mm(1)

        def leak() -> None:
            mm.mm_count.dec_and_test()
            if mm.mm_users.read() == 1:
                raise Leak("toy_mm#1.mm_users is 1 at rest, but nobody owns it")

        m.thread("app", leak)

    trace, report = toys.run(program)
    heading = next(x for x in splat(report, trace).splitlines() if x[:4] == "step")
    assert heading.split()[1:3] == ["mm_users", "mm_count"]


def test_a_report_found_in_the_last_step_marks_that_step(toys: ModuleType) -> None:
    class Judge:
        """Finds the third step unlawful."""

        def event(self, event: Event) -> None:
            """Look at *event*."""
            if event.index == 2:
                raise InvariantViolation("there are no third steps")

        def at_rest(self, machine: Machine) -> None:
            """Find nothing."""

    with Machine(stacks=True, observers=[Judge()]) as machine:
        cell = toys.Cell(0)

        def walk() -> None:
            cell.get()
            cell.set(1)

        machine.thread("app", walk)
        with pytest.raises(InvariantViolation) as found:
            machine.run()
        text = splat(found.value, Trace.of(machine))
    marked = [line for line in text.splitlines() if "<--" in line]
    assert len(marked) == 1
    assert marked[0].endswith("write Cell#1 0 -> 1  <-- invariant")
