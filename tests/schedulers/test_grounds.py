# SPDX-License-Identifier: GPL-2.0-only
"""What is learned late throws away only what rests on the contrary."""

from __future__ import annotations

import pytest

from pykmm.engine import Access, Cell, Machine
from pykmm.runner import explore
from pykmm.scenarios import SCENARIOS
from pykmm.schedulers import Dpor, Subtree, Verdict
from pykmm.schedulers.grounds import Grounds
from pykmm.schedulers.steps import Step
from tests.litmus.classes import check
from tests.litmus.harness import litmus, run
from tests.schedulers.primitives import Box
from tests.schedulers.reference import explore_all

READ, WRITE = 1 << Access.READ, 1 << Access.WRITE
SHARE, ACQUIRE = 1 << Access.SHARE, 1 << Access.ACQUIRE


def guess(bits: int, oid: int = 2) -> Step:
    step = Step(1, "try", oid, bits)
    step.guessed = True
    return step


def test_a_class_spoils_what_it_conflicts_with() -> None:
    grounds = Grounds()
    grounds.commute(guess(READ), Step(2, "look", 2, READ))
    assert grounds.rest_on_classes("try", READ, WRITE)
    assert not grounds.rest_on_classes("look", READ, WRITE)  # that was no guess


def test_a_class_that_conflicts_with_nothing_more_spoils_nothing() -> None:
    grounds = Grounds()
    grounds.commute(guess(ACQUIRE), Step(2, "look", 4, READ))
    assert not grounds.rest_on_classes("try", ACQUIRE, WRITE)
    assert not grounds.rest_on_classes("try", SHARE, WRITE)  # another object


def test_a_step_that_was_never_taken_was_held_against_all() -> None:
    grounds = Grounds()
    grounds.look_back(guess(SHARE), [(0, SHARE), (1, READ)])
    assert grounds.rest_on_classes("try", SHARE, WRITE)
    assert not Grounds().rest_on_classes("try", SHARE, WRITE)


def test_an_end_spoils_what_was_planned_beside_a_use() -> None:
    grounds = Grounds()
    grounds.commute(guess(WRITE), Step(2, "use", 6, READ, more=((9, READ),)))
    assert grounds.rest_on_life("try", 2, 9, mortal=True)
    assert not grounds.rest_on_life("try", 2, 11, mortal=True)
    assert grounds.rest_on_life("try", 2, 11, mortal=False)
    assert not grounds.rest_on_life("try", 4, 9, mortal=False)


def test_grounds_add_up() -> None:
    one, other = Grounds(), Grounds()
    other.commute(guess(READ), Step(2, "look", 2, READ))
    other.look_back(guess(SHARE, 8), [(0, SHARE)])
    other.meet([guess(READ)])
    one.add(other)
    assert (one.beside, one.behind, one.met) == (
        other.beside,
        other.behind,
        other.met,
    )


def test_all_begins_anew_where_a_swap_was_taken_for_less() -> None:
    def program(m: Machine) -> object:
        cell = Cell(0)

        def look_and_set() -> None:
            cell.get()
            cell.set(2)

        return run(m, look_and_set, cell.get, lambda: cell.cas(0, 1), cell.get)

    check(program)
    assert explore_all(program, Dpor()).restarts > 0


class Counted(Subtree):
    """Counts what it runs."""

    runs = 0

    def end(self, machine: Machine) -> Verdict:
        self.runs += 1
        return super().end(machine)


#: Those that are explored to their end within a second, and have more than one order.
QUICK = ("mrelease-vs-exit", "mrelease-pinned", "oom-kill-itself", "S0", "S2", "S12")


@pytest.mark.parametrize("name", QUICK)
def test_hardly_anything_of_a_kernel_is_run_in_vain(name: str) -> None:
    search = Counted()
    result = explore(SCENARIOS[name], scheduler=search, detectors=())
    assert result.complete
    assert result.executions <= search.runs < 1.3 * result.executions


def test_who_slept_because_an_end_was_not_known_is_woken() -> None:
    # What frees the box is learned in an execution that is given up, because whoever
    # touches it, where a bug was found before, seems to have been seen already.
    def program(m: Machine) -> object:
        box = Box()

        def touch() -> None:
            box.read()
            raise ValueError("touched")

        return run(m, touch, box.free)

    result = explore(litmus(program), detectors=())
    assert [report.kind for report in result.reports] == [
        "kernel-bug",
        "use-after-free",
    ]
