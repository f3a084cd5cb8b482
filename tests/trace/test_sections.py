# SPDX-License-Identifier: GPL-2.0-only
"""Folding: what weighs much has a row, what weighs little shares one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pykmm.engine import Access
from pykmm.errors import named_frames
from pykmm.trace import Step, Trace
from pykmm.trace.calls import Calls
from pykmm.trace.phrases import Row
from pykmm.trace.sections import rows
from pykmm.trace.weights import family, weigh, weight_of

if TYPE_CHECKING:
    from types import ModuleType

READ, WRITE = Access.READ, Access.WRITE


def steps(
    *given: tuple[str, str, Access, str], preempts: tuple[int, ...] = ()
) -> Trace:
    """Make a trace of (thread, object, access, calls outermost first) steps."""
    made = tuple(
        Step(
            index,
            thread,
            access.name.lower(),
            obj,
            obj,
            access,
            "1",
            tuple(reversed(calls.split())),
            index in preempts,
        )
        for index, (thread, obj, access, calls) in enumerate(given)
    )
    return Trace(tuple(dict.fromkeys(step.thread for step in made)), made)


def said(row: Row) -> tuple[str, str]:
    """Return function and longest text of the one cell of *row*."""
    ((_, cell),) = row.cells
    return cell.function, cell.texts[0]


# -- weights ------------------------------------------------------------------------


def test_a_value_that_passes_between_threads_weighs_most_of_what_is_not_watched() -> (
    None
):
    trace = steps(
        ("a", "passed", WRITE, ""),
        ("a", "only ordered", READ, ""),
        ("a", "own", WRITE, ""),
        ("b", "passed", READ, ""),
        ("b", "only ordered", WRITE, ""),
        ("b", "read by both", READ, ""),
        ("a", "read by both", READ, ""),
    )
    passed, ordered, own, passed_to, ordered_to, *both = weigh(trace, ())
    assert passed == passed_to > ordered == ordered_to > own
    assert both == [own, own]


def test_a_watched_value_weighs_where_it_changes_only() -> None:
    trace = steps(
        ("a", "x", WRITE, ""),
        ("a", "x", READ, ""),
        ("a", "y", WRITE, ""),
    )
    change, look, other = weigh(trace, ("x",))
    assert change > look == other


def test_commuting_accesses_do_not_weigh() -> None:
    trace = steps(
        ("a", "x", Access.INC, ""),
        ("b", "x", Access.INC, ""),
        ("a", "own", WRITE, ""),
    )
    assert len(set(weigh(trace, ()))) == 1


def test_a_lock_weighs_where_it_changes_hands() -> None:
    trace = steps(
        ("a", "lock", Access.ACQUIRE, ""),
        ("a", "lock", Access.RELEASE, ""),
        ("a", "lock", Access.ACQUIRE, ""),
        ("a", "lock", Access.RELEASE, ""),
        ("b", "lock", Access.ACQUIRE, ""),
        ("b", "lock", Access.RELEASE, ""),
    )
    first, *_, give, take, last = weigh(trace, ())
    assert give == take > first == last


def test_readers_do_not_take_a_lock_from_each_other() -> None:
    trace = steps(
        ("a", "sem", Access.SHARE, ""),
        ("b", "sem", Access.SHARE, ""),
        ("b", "sem", Access.UNSHARE, ""),
        ("a", "sem", Access.UNSHARE, ""),
        ("w", "sem", Access.ACQUIRE, ""),
    )
    weights = weigh(trace, ())
    assert weights[0] == weights[1] == weights[2] < weights[3] == weights[4]


def test_where_a_thread_is_preempted_weighs() -> None:
    trace = steps(
        ("a", "own", WRITE, ""),
        ("a", "own", WRITE, ""),
        ("b", "other", WRITE, ""),
        preempts=(2,),
    )
    weights = weigh(trace, ())
    assert weights[1] > weights[0] == weights[2]


def test_a_jump_of_the_clock_weighs_as_what_is_passed_on() -> None:
    trace = steps(
        ("a", "jiffies", Access.BARRIER, ""),
        ("a", "own", WRITE, ""),
        ("a", "passed", WRITE, ""),
        ("b", "passed", READ, ""),
    )
    jump, own, *passed = weigh(trace, ())
    assert passed == [jump, jump]
    assert jump > own


def test_alike_objects_count_once() -> None:
    trace = steps(
        ("a", "mm#1.pte[0x8000].ptl", WRITE, ""),
        ("a", "mm#1.pte[0x8001].ptl", WRITE, ""),
        ("a", "mm#1.pgd", WRITE, ""),
    )
    weights = weigh(trace, ())
    assert family(trace.steps[0].obj) == family(trace.steps[1].obj)
    assert weight_of(trace.steps, weights) == weights[0] + weights[2]


def test_each_change_of_a_watched_value_counts() -> None:
    trace = steps(("a", "x", WRITE, ""), ("a", "x", WRITE, ""))
    weights = weigh(trace, ("x",))
    assert weight_of(trace.steps, weights) == sum(weights)


# -- calls --------------------------------------------------------------------------


def test_frames_without_a_telling_name_are_dropped() -> None:
    stack = ("__mmput", "_helper", "<lambda>", "_", "mmput")
    assert named_frames(stack) == ("__mmput", "mmput")


def test_a_function_of_one_step_says_what_is_done_not_where() -> None:
    trace = steps(
        ("a", "x", READ, "do_exit exit_mm mmget"),
        ("a", "y", READ, "do_exit exit_mm"),
        ("a", "z", READ, "do_exit exit_mm task_lock spin_lock"),
    )
    calls = Calls(trace)
    assert [calls.path(s)[-1] for s in trace.steps] == ["exit_mm"] * 3
    assert [calls.verb(s) for s in trace.steps] == ["mmget", "read", "task_lock"]


def test_a_wrapper_that_is_called_again_and_again_stays_one() -> None:
    trace = steps(
        ("a", "x#1", READ, "walk next"),
        ("a", "x#2", READ, "walk next"),
        ("a", "z", WRITE, "walk"),
    )
    assert [Calls(trace).verb(s) for s in trace.steps] == ["next", "next", "write"]


def test_the_outermost_function_is_never_a_wrapper() -> None:
    trace = steps(("a", "x", READ, "work"))
    assert Calls(trace).path(trace.steps[0]) == ("work",)


def test_the_tree_of_an_uninterrupted_run() -> None:
    trace = steps(
        ("a", "x", READ, "f g"),
        ("a", "y", READ, "f g"),
        ("a", "z", READ, "f"),
        ("a", "z", WRITE, "f"),
    )
    (f,) = Calls(trace).tree(trace.steps).parts
    assert f.function == "f"
    assert [part.function for part in f.parts] == ["g", "f", "f"]
    assert [len(part.steps) for part in f.parts] == [2, 1, 1]


# -- rows ---------------------------------------------------------------------------


def long_trace() -> Trace:
    """Make a trace of much private work with one value that is passed on."""
    private = [("a", f"own{i % 7}", WRITE, f"f work{i // 10}") for i in range(60)]
    return steps(
        *private[:30],
        ("a", "flag", WRITE, "f finish"),
        ("a", "own", WRITE, "f finish"),
        *private[30:],
        ("b", "flag", READ, "g"),
    )


def test_a_trace_that_fits_has_a_row_for_each_step() -> None:
    trace = long_trace()
    table = rows(trace, (), at_most=len(trace.steps))
    assert [row.first for row in table] == list(range(len(trace.steps)))


def test_a_long_trace_keeps_the_steps_that_threads_meet_in() -> None:
    trace = long_trace()
    table = rows(trace, (), at_most=4)
    assert len(table) <= 4
    texts = [said(row)[1] for row in table]
    assert any("flag = 1" in text for text in texts)
    assert any("read flag = 1" in text for text in texts)


@pytest.mark.parametrize("at_most", [1, 2, 5, 10, 40, 1000])
def test_every_step_is_in_exactly_one_row(at_most: int) -> None:
    trace = long_trace()
    table = rows(trace, ("own3",), at_most=at_most)
    covered = [i for r in table for i in range(r.first or 0, (r.last or 0) + 1)]
    assert covered == list(range(len(trace.steps)))


def test_more_room_is_never_less_detail() -> None:
    trace = long_trace()
    counts = [len(rows(trace, (), at_most=n)) for n in range(1, 70)]
    assert counts == sorted(counts)


def test_a_folded_row_lists_the_calls_in_it() -> None:
    trace = steps(
        ("a", "own", WRITE, "do_exit exit_mm"),
        ("a", "other", WRITE, "do_exit exit_mm"),
        ("a", "own", WRITE, "do_exit exit_fs"),
        ("a", "other", WRITE, "do_exit exit_fs"),
        ("a", "last", WRITE, "do_exit"),
    )
    (row,) = rows(trace, (), at_most=1)
    assert said(row) == ("do_exit", "exit_mm, exit_fs, write last")


def test_a_list_drops_its_lightest_items_first() -> None:
    trace = steps(
        ("a", "own1", WRITE, "f"),
        ("a", "flag", WRITE, "f"),
        ("a", "own2", WRITE, "f"),
        ("b", "flag", READ, "g"),
        ("b", "own3", WRITE, "g"),
    )
    ((_, cell),) = rows(trace, (), at_most=1)[0].cells
    assert cell.texts == (
        "write own1, flag = 1, write own2",
        "write own1, flag = 1 …",
        "flag = 1 …",
    )


def test_a_tasks_own_things_need_no_owner(toys: ModuleType) -> None:
    task = Step(0, "app", "read", "task#3.usage", "task#3", READ, "1", ("f",))
    other = Step(1, "lmkd", "read", "task#3.usage", "task#3", READ, "1", ("f",))
    trace = Trace(("app", "lmkd"), (task, other), (("task#3", "app"),))
    texts = [said(row)[1] for row in rows(trace, ())]
    assert texts == ["read usage = 1", "read app.usage = 1"]
