# SPDX-License-Identifier: GPL-2.0-only
"""Nothing is lost where a step does something else than was guessed."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm.engine import Cell, Machine
from pykmm.runner import explore
from tests.litmus.classes import check
from tests.litmus.harness import Program, litmus, run

#: Which cell, and what: nothing is a look, one value a write, two a swap.
Op = tuple[int, tuple[int, ...]]
#: How many steps each thread takes.
SHAPES = [(2, 1, 1, 1), (1, 1, 1, 1), (2, 2, 1), (3, 1, 1)]
PROGRAMS = int(os.environ.get("PYKMM_PROGRAMS", "0"))


def program(threads: Sequence[Sequence[Op]]) -> Program:
    def do(cell: Cell[int], values: tuple[int, ...]) -> object:
        if len(values) == 2:
            return cell.cas(*values)
        return cell.set(*values) if values else cell.get()

    def made(m: Machine) -> object:
        cells = [Cell(0), Cell(0)]
        return run(
            m,
            *[
                lambda ops=ops: [do(cells[which], values) for which, values in ops]
                for ops in threads
            ],
        )

    return made


LOOK, ZERO, ONE, TWO = (0, ()), (0, (0,)), (0, (1,)), (0, (2,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "threads",
    [
        # A swap that fails commutes with the swap that sleeps: it covers no more.
        [[ZERO, ONE], [(0, (2, 3))], [(0, (1, 2))], [LOOK]],
        # A swap that fails leads to the looks that were planned beside it.
        [[ZERO, (0, (0, 2))], [(0, (2, 1))], [LOOK], [LOOK]],
        [[ONE, ZERO], [LOOK], [(0, (1, 2))], [(0, (2, 0))]],
    ],
)
def test_swaps_that_were_taken_for_writes(threads: list[list[Op]]) -> None:
    check(program(threads))


@pytest.mark.parametrize(
    ("threads", "orders"),
    [
        ([[(0, (2, 3)), TWO], [(0, (1, 2))], [(0, (2, 0))], [(0, (1, 0))]], 13),
        ([[(0, (0, 2))], [(0, (1, 0))], [(0, (2, 0))], [(0, (1, 2))]], 13),
        ([[(0, (0, 1)), (0, (1, 2))], [(0, (0, 2))], [(0, (2, 0))], [(0, (0, 2))]], 38),
    ],
)
def test_a_swap_is_asked_what_it_would_do(threads: list[list[Op]], orders: int) -> None:
    result = explore(litmus(program(threads)))
    assert (result.executions, result.blocked) == (orders, 0)


@pytest.mark.parametrize("value", [("a", (1, None)), "a", None, 1.5])
def test_what_a_cell_holds_may_be_anything(value: object) -> None:
    def made(m: Machine) -> object:
        cell: Cell[object] = Cell(value)
        return run(m, lambda: cell.cas(value, 2), lambda: cell.cas(2, value))

    assert set(explore(litmus(made)).values) == {(True, False), (True, True)}


def operations() -> st.SearchStrategy[Op]:
    value = st.integers(0, 2)
    swap = st.tuples(value, value).filter(lambda pair: pair[0] != pair[1])
    write = st.tuples(value)
    return st.tuples(st.sampled_from((0, 0, 0, 1)), st.one_of(st.just(()), write, swap))


def threads(shape: tuple[int, ...]) -> st.SearchStrategy[list[list[Op]]]:
    op = operations()
    return st.tuples(*[st.lists(op, min_size=n, max_size=n) for n in shape]).map(list)


@pytest.mark.slow
@settings(max_examples=PROGRAMS or 15)
@given(threads=st.sampled_from(SHAPES).flatmap(threads))
def test_looks_writes_and_swaps(threads: list[list[Op]]) -> None:
    check(program(threads))
