# SPDX-License-Identifier: GPL-2.0-only
"""Reduction loses and repeats nothing of programs too large for brute force.

A walk over the classes of prefixes takes its place, with the engine's own word for
what commutes. Nothing is run in vain either, but where it is guessed what a waker does,
or who tries for a semaphore.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.litmus.classes import TooMany, by_class, check
from tests.schedulers.test_dpor_against_dfs import (
    PROGRAMS,
    Op,
    operation,
    program,
    weight,
)
from tests.schedulers.test_mixtures import Mixture

SORTS = {
    "counts": "inc dec wait_low read",
    "semaphores": "up down wait_for wait_room read",
    "locks": "lock try mutex cas read",
    "read-write semaphores": "down_read down_write down_try mutex read",
    "completions": "complete complete_all await try_await read write",
    "conditions": "wait_event wake_up read",
    "flags": "raise lower wait take read write",
    "everything": "up down mutex complete await wait_event wake_up take share lock cas",
}


def larger(names: str) -> st.SearchStrategy[list[list[Op]]]:
    """Draw three or four threads that take ten to fifteen steps together."""
    op = operation(names.split())
    ops = st.lists(op, min_size=1, max_size=5)
    threads = st.lists(ops, min_size=3, max_size=4)
    return threads.filter(lambda made: 7 <= sum(map(weight, made)) <= 12)


@pytest.mark.slow
@pytest.mark.parametrize("names", SORTS.values(), ids=SORTS)
@settings(max_examples=PROGRAMS // len(SORTS) or 10)
@given(data=st.data())
def test_nothing_is_lost_repeated_or_run_in_vain(names: str, data: Any) -> None:
    made = program(data.draw(larger(names)), make=Mixture)
    try:
        found = check(made, by_class, at_most=3000)
    except TooMany:
        assume(False)
    assert found.in_vain == 0 or "wake_up" in names or "down_try" in names
