# SPDX-License-Identifier: GPL-2.0-only
"""As many executions of programs that wait as Nidhugg's own tests name.

The numbers are those of ``tests/smoke`` in Nidhugg's repository, for optimal
exploration with awaits: B. Jonsson, M. Lång and K. Sagonas, "Awaiting for Godot"
(FMCAD 2022). There as here a thread that waits for ever makes an execution of its own,
and a compare-and-swap that fails is a read. Where Nidhugg lets read-modify-writes
commute whose results nobody uses, they are additions here.
"""

from __future__ import annotations

from functools import partial
from math import factorial

import pytest

from tests.litmus import awaits as p
from tests.litmus.classes import check
from tests.litmus.harness import Program, litmus
from tests.litmus.harness import explore_bare as explore

COUNTS = [
    ("simplified_dekker", p.simplified_dekker, 3),
    ("broken_mutual_exclusion", p.broken_mutual_exclusion, 4),
    ("revealed_write", p.revealed_write, 2),
    ("lock_and_trylock", p.lock_and_trylock, 4),
    ("parker", p.parker, 7),
    ("mud", p.mud(deeper=False), 3),
    ("deeper mud", p.mud(deeper=True), 4),
    ("swap unless 1", p.swap_and_chain(lambda a: partial(a._is_not, 1)), 3),
    ("swap unless 2", p.swap_and_chain(lambda a: partial(a._is_not, 2)), 3),
    ("swap below 2", p.swap_and_chain(lambda a: partial(a._is_below, 2)), 3),
    *[
        (f"swaps{sizes}", p.swaps(*sizes), count)
        for sizes, count in (
            ((1, 0, 0), 1),
            ((2, 1, 0), 5),
            ((2, 0, 1), 4),
            ((2, 2, 2), 398),
        )
    ],
    ("rwlocks", p.rwlocks(commute=False), 17),
    ("burns", p.burns, 9),
    ("last_of_four", p.last_of_four, 1),
    ("seqlock", p.seqlock(awaits=False), 7),
    ("seqlock that waits", p.seqlock(awaits=True), 5),
    ("futex_mutex", p.futex_mutex(commute=True), 10),
    ("treiber_pops(3)", p.treiber_pops(3), 27),
    ("safestack", p.safestack(commute=False), 36),
    ("safestack, commuting", p.safestack(commute=True), 21),
]
#: The first is GenMC's ``mutex``, with its number; the others are counted here only.
LOCKS = [
    ("futex_mutex, ordered", p.futex_mutex(commute=False), 12),
    *[(f"ticket_lock({n})", p.ticket_lock(n), factorial(n)) for n in (2, 3, 4)],
    *[(f"mcs_lock({n})", p.mcs_lock(n), count) for n, count in ((2, 6), (3, 66))],
]
#: The guard looks at a sum of different amounts. What it would say of sums that no
#: execution has come by is guessed, so that some executions are in vain.
GUESSED = [
    ("2 + 4 + 3 + 1 for 7", p.awaited_sum(7, 2, 4, 3, 1), 3, 7),
    ("2 + 4 + 1 + 3 for 7", p.awaited_sum(7, 2, 4, 1, 3), 3, 9),
    ("a chain for 10", p.awaited_sum(10, 3, 3, 4, chain=(1, 1, 8)), 3, 9),
    ("a swap for 7", p.awaited_sum(7, 2, 4, 3, 1, swaps=True), 3, 7),
    ("rwlocks, commuting", p.rwlocks(commute=True), 12, 1),
]


@pytest.mark.parametrize(
    ("program", "traces", "in_vain"),
    [
        pytest.param(program, traces, sum(more), id=name)
        for name, program, traces, *more in [*COUNTS, *LOCKS, *GUESSED]
    ],
)
def test_number_of_executions(program: Program, traces: int, in_vain: int) -> None:
    result = explore(litmus(program))
    assert (result.executions, result.blocked) == (traces, in_vain)
    assert result.complete
    assert result.reports == ()
    assert len(check(program).traces) == traces
