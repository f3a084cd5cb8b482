# SPDX-License-Identifier: GPL-2.0-only
"""The drawing: what it folds, what it must show, and that it stays in its width."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from pykmm.engine import Access
from pykmm.errors import UsageError
from pykmm.trace import Ending, Step, Trace, Waiter, draw
from pykmm.trace.sections import rows
from pykmm.trace.watch import before, choose, short_names, timeline

if TYPE_CHECKING:
    from types import ModuleType


def steps(*rows: tuple[str, str, Access, str], stack: tuple[str, ...] = ()) -> Trace:
    """Make a trace of (thread, object, access, value) rows."""
    made = tuple(
        Step(
            i, thread, access.name.lower(), obj, obj.split(".")[0], access, value, stack
        )
        for i, (thread, obj, access, value) in enumerate(rows)
    )
    return Trace(tuple(dict.fromkeys(step.thread for step in made)), made)


def body(drawing: str) -> list[str]:
    """Return the rows of *drawing*, without heading and legend."""
    return drawing.split("\n\n", maxsplit=1)[0].splitlines()[2:]


def test_one_column_for_each_thread_and_values_after_the_step(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.lost_update, "a*2 b*3 a")
    assert draw(trace, full=True).splitlines() == [
        "step   Counter#1  a                         b",
        "----   ---------  ------------------------  ------------------------",
        "   0           0  starts",
        "   1           0  add: read Counter#1 = 0",
        "   2*          0                            starts",
        "   3           0                            add: read Counter#1 = 0",
        "   4           1                              write Counter#1 0 -> 1",
        "   5           1    write Counter#1 1 -> 1",
        "",
        "values: after the row; *: a preemption, the thread before could have gone on",
    ]


def test_nothing_is_said_of_nothing() -> None:
    assert draw(Trace()) == "nothing happened\n"


def test_a_short_trace_shows_each_step_but_a_start(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.lost_update, "a*2 b*3 a")
    numbers = [line.split()[0] for line in body(draw(trace))]
    assert numbers == ["0-1", "2-3*", "4", "5"]


def test_values_give_way_to_threads_unless_they_were_asked_for() -> None:
    names = [f"x#{i}.a_n" for i in range(4)]
    trace = steps(*((t, n, Access.INC, "1") for n in names for t in ("a", "b", "c")))
    heading = draw(trace).splitlines()[0]
    assert [name in heading for name in names] == [True, True, False, False]
    heading = draw(trace, watch=names).splitlines()[0]
    assert len(heading.split()) == 1 + 4 + 3


def test_the_columns_go_to_the_threads_with_most_to_show(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.crowd)
    assert draw(trace).splitlines()[0].split() == [
        "step",
        "Counter#1",
        "long",
        "longer",
        "others",
    ]


def test_every_step_is_in_exactly_one_row(toys: ModuleType) -> None:
    for program in (toys.lost_update, toys.mm_life, toys.crowd, toys.lock_sections):
        trace, _ = toys.run(program, "victim*3 lmkd*9 releaser*5 watcher long*2")
        for full in (False, True):
            table = rows(trace, choose(trace), full=full)
            covered = [
                index
                for row in table
                if row.first is not None and row.last is not None
                for index in range(row.first, row.last + 1)
            ]
            assert covered == [step.index for step in trace.steps]


# -- values -------------------------------------------------------------------------


def test_counters_that_changed_are_watched_most_shared_first() -> None:
    trace = steps(
        ("a", "text", Access.WRITE, "on"),
        ("a", "still", Access.READ, "1"),
        *(("a", f"own{i}", Access.INC, "1") for i in range(5)),
        ("a", "both", Access.INC, "1"),
        ("b", "both", Access.INC, "2"),
    )
    assert choose(trace) == ("both", "own0", "own1", "own2")


def test_the_caller_says_what_to_watch(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.mm_life)
    drawing = draw(trace, watch=["mm_count", "Counter#1"])
    assert drawing.splitlines()[0].split()[:3] == ["step", "mm_count", "Counter#1"]
    assert draw(trace, watch=[]).splitlines()[0].split()[1] == "victim"


def test_watching_what_nobody_touched_is_the_callers_mistake(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.mm_life)
    with pytest.raises(UsageError, match="watch='pages' was not touched"):
        draw(trace, watch=["pages"])


def test_watching_an_ambiguous_field_is_the_callers_mistake() -> None:
    trace = steps(
        ("a", "mm#1.flags", Access.READ, "0"), ("a", "mm#2.flags", Access.READ, "0")
    )
    with pytest.raises(UsageError, match=r"could be mm#1\.flags or mm#2\.flags"):
        draw(trace, watch=["flags"])


@pytest.mark.parametrize(
    ("kind", "access", "value", "old"),
    [
        ("atomic_read", Access.READ, "4", "4"),
        ("atomic_inc", Access.INC, "4", "3"),
        ("refcount_dec_and_test", Access.WRITE, "0", "1"),
        ("refcount_inc_not_zero", Access.READ, "0", "0"),
        ("atomic_add", Access.ADD, "4", "?"),
        ("write", Access.WRITE, "4", "?"),
        ("inc", Access.INC, "on", "?"),
    ],
)
def test_what_a_step_tells_of_the_value_before_it(
    kind: str, access: Access, value: str, old: str
) -> None:
    assert before(Step(0, "a", kind, "x", "x", access, value)) == old


def test_values_before_the_first_step_and_after_death(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.mm_life, "lmkd*9")
    assert timeline(trace, "toy_mm#1.mm_count")[0] == "1"
    assert timeline(trace, "toy_mm#1.mm_count")[-1] == "0"
    dead = toys.run(after_death(toys))[0]
    assert timeline(dead, "toy_mm#1.mm_count") == ["1", "0", "-", "-"]


def test_the_row_in_which_a_structure_dies_shows_it_unless_the_host_freed_it(
    toys: ModuleType,
) -> None:
    dead = toys.run(after_death(toys))[0]
    for freed_at, by, values in (
        (4, "victim", ["1", "0", "0", "-"]),
        (4, "boot", ["1", "0", "0", "0"]),
        (2, "victim", ["1", "0", "-", "-"]),
    ):
        life = evolve(dead.lives[0], freed_at=freed_at, freed_by=by)
        told = timeline(evolve(dead, lives=(life,)), "toy_mm#1.mm_count")
        assert told == values


def after_death(toys: ModuleType) -> object:
    """Make a program that goes on after an mm has died."""

    def program(m: object) -> None:
        mm = toys.toy_mm(1)
        other = toys.Counter(0)

        def mmdrop() -> None:
            if mm.mm_count.dec_and_test():
                mm._free()
            other.add()
            other.add()

        m.thread("victim", mmdrop)  # type: ignore[attr-defined]  # a Machine

    return program


def test_a_field_alone_only_where_it_is_unique_and_tells() -> None:
    trace = steps(
        ("a", "mm#1.flags", Access.READ, ""),
        ("a", "mm#2.flags", Access.READ, ""),
        ("a", "mm#2.mm_users", Access.READ, ""),
        ("a", "mm_struct#2.users", Access.READ, ""),
        ("a", "Cell#1", Access.READ, ""),
    )
    assert short_names(trace) == {
        "mm#1.flags": "mm#1.flags",
        "mm#2.flags": "mm#2.flags",
        "mm#2.mm_users": "mm_users",
        "mm_struct#2.users": "mm#2.users",
        "Cell#1": "Cell#1",
    }


# -- layout -------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("full", [False, True])
def test_a_drawing_keeps_its_width(toys: ModuleType, width: int, full: bool) -> None:
    for program in (toys.lost_update, toys.mm_life, toys.crowd, toys.lock_sections):
        trace, _ = toys.run(program, "victim*3 lmkd*9 releaser*5 watcher long*2")
        widest = max(map(len, draw(trace, width=width, full=full).splitlines()))
        assert widest <= width


def test_no_line_ends_in_a_space(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.mm_life, "victim*3 lmkd*9")
    assert not re.search(r" $", draw(trace), re.MULTILINE)


def test_threads_that_do_not_fit_share_a_column_and_are_named_there(
    toys: ModuleType,
) -> None:
    trace, _ = toys.run(toys.crowd)
    drawing = draw(trace)
    assert drawing.splitlines()[0].split()[-1] == "others"
    for number in range(3, 10):
        assert f"short/{number}: " in drawing


def test_a_function_is_named_when_it_changes_and_not_again(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.mm_life)
    named = re.findall(r"(\w+):", "\n".join(body(draw(trace))))
    assert named
    assert all(a != b for a, b in pairwise(named))


def test_long_text_keeps_both_ends() -> None:
    name = "a_very_long_structure_name#12.with_a_long_field_name"
    drawing = draw(
        steps(
            ("a", name, Access.READ, "set"),
            ("b", name, Access.WRITE, "unset"),
        ),
        width=40,
    )
    assert body(drawing) == [
        "       read with_…_name",
        "   0     = set",
        "                         with_a_lon…_name",
        "   1                       set -> unset",
    ]


def test_names_in_a_shared_column_are_broken_rather_than_cut() -> None:
    names = [f"rcu:delayed_put_task_struct/{number}" for number in range(12)]
    looks = [(name, "x#1", Access.READ, "1") for name in names for _ in range(3)]
    drawing = draw(steps(*looks, stack=("look", "exit_to_user_mode_to_look")))
    shared = " +rcu:delayed_put_task_\n +  struct/11:\n"
    function = " +exit_to_user_mode_to_\n +  look:\n"
    assert re.search(shared + function, drawing)


def test_no_value_is_parted_from_what_it_is_the_value_of() -> None:
    drawing = draw(
        steps(
            ("a", "thing#1.quite_long_name", Access.WRITE, "before"),
            ("a", "thing#1.quite_long_name", Access.WRITE, "behind"),
            ("b", "thing#1.a_long_name", Access.READ, "seven"),
        ),
        width=48,
    )
    text = "\n".join(body(drawing))
    assert "quite_long_name\n   1     before -> behind\n" in text
    assert "read a_long_name\n" in text
    assert text.endswith(" = seven")


def test_parts_are_named_after_what_they_are_in_whatever_they_die_with() -> None:
    """A mapping's count dies with the address space, which has another name."""
    row = Step(
        0,
        "a",
        "vma_start_read",
        "vm_area_struct#2.vm_refcnt",
        "mm_struct#2",
        Access.SHARE,
        "1",
    )
    again = evolve(row, index=1, obj="vm_area_struct#3.vm_refcnt")
    trace = Trace(("a",), (row, again))
    assert short_names(trace) == {
        "vm_area_struct#2.vm_refcnt": "vm_area#2.vm_refcnt",
        "vm_area_struct#3.vm_refcnt": "vm_area#3.vm_refcnt",
    }


def test_pointers_are_named_as_what_they_point_to_is_elsewhere() -> None:
    drawing = draw(steps(("a", "thing#1.some_field", Access.READ, "mm_struct#7")))
    assert body(drawing) == ["   0   read some_field = mm#7"]


def test_the_tail_says_how_much_it_leaves_out(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.crowd)
    end = body(draw(trace, tail=3))
    left_out = len(rows(trace, choose(trace))) - 3
    assert end[0].split() == ["…", str(left_out), "rows", "before"]
    assert [line.split()[0] for line in end[1:]] == ["27", "28", "29"]


def test_a_failure_between_steps_has_a_row_of_its_own() -> None:
    trace = steps(("a", "x", Access.WRITE, "1"), stack=("do_exit",))
    ended = Trace(
        trace.threads,
        trace.steps,
        ending=Ending("kernel-bug", "BUG_ON", "a", stack=("exit_mm",)),
    )
    assert body(draw(ended))[-1] == " end   1  exit_mm: stops here  <-- kernel-bug"


def test_a_failure_found_at_rest_has_a_row_without_a_thread() -> None:
    trace = steps(("a", "x", Access.WRITE, "1"))
    ended = Trace(trace.threads, trace.steps, ending=Ending("leak", "x is held"))
    assert body(draw(ended))[-1] == " end   1  <-- leak"


def test_waiters_that_share_a_column_stand_in_rows_of_their_own() -> None:
    names = [f"t{number}" for number in range(12)]
    trace = steps(*((name, "x#1", Access.READ, "1") for name in names for _ in "ab"))
    waiting = tuple(Waiter(name, "wait", "x#1", "x#1", "S") for name in names)
    rows = body(draw(evolve(trace, waiting=waiting)))
    ends = [row for row in rows if row.split()[0] == "end"]
    assert [row.split("  ")[-1].strip() for row in ends] == [
        f"{name}: sleeps: wait x#1" for name in names[3:]
    ]
    assert ends[0].count("sleeps") == 4


def test_waiters_stand_in_one_row(toys: ModuleType) -> None:
    trace, _ = toys.run(toys.two_locks, "one*3 two*3")
    assert body(draw(trace))[-1] == (
        " end           2  waits: lock Mutex#2  waits: lock Mutex#1  <-- deadlock"
    )
