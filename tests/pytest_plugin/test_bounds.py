# SPDX-License-Identifier: GPL-2.0-only
"""How far a test is explored, by whose word, and what cannot be explored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pykmm.pytest_plugin import exploring

if TYPE_CHECKING:
    from tests.pytest_plugin.conftest import Suite

pytestmark = pytest.mark.slow

MISSING = """
@pytest.mark.kmm_explore(outcomes=[1, 2, 3])
def test_three(kmm_machine):
    return count(kmm_machine)
"""
#: Two threads that write to the same cell nine times each: 48,620 orders.
LARGE = """
@pytest.mark.kmm_explore
def test_large(kmm_machine):
    total = Cell(0)

    def write(n):
        for _ in range(9):
            total.set(n)

    kmm_machine.thread("ann", lambda: write(1))
    kmm_machine.thread("bob", lambda: write(2))
    kmm_machine.run()
"""

REFUSED = """
import unittest

from hypothesis import given, strategies as st

@pytest.mark.kmm_explore(2)
def test_unnamed(kmm_machine): ...

@pytest.mark.kmm_explore(bond=2)
def test_unknown(kmm_machine): ...

@pytest.mark.kmm_explore(bound=-1)
def test_below_zero(kmm_machine): ...

@pytest.mark.kmm_explore(max_steps=0)
def test_no_steps(kmm_machine): ...

@pytest.mark.kmm_explore(scheduler="dice")
def test_no_such_scheduler(kmm_machine): ...

@pytest.mark.kmm_explore(outcomes=2)
def test_no_list(kmm_machine): ...

@pytest.mark.kmm_explore(outcomes=[])
def test_an_empty_list(kmm_machine): ...

@pytest.mark.kmm_explore
def test_takes_no_machine(tmp_path): ...

@pytest.mark.kmm_explore
@given(n=st.integers())
def test_given(kmm_machine, n): ...

@pytest.mark.kmm_explore
async def test_async(kmm_machine): ...

class TestUnit(unittest.TestCase):
    @pytest.mark.kmm_explore
    def test_unit(self): ...
"""
SENTENCES = (
    "2 has no name: name each argument, as in bound=2",
    "there is no argument 'bond': known are bound, config, depth, *",
    "outcomes=2 must be a list of what the body may return",
    "outcomes=[[][]] must be a list of what the body may return",
    "test_takes_no_machine does not take kmm_machine: make it an argument",
    "test_given is a test of @given, which runs its body by itself: call *",
    "test_async is async: give the machine's processes programs instead",
    "test_unit does not take kmm_machine: make it an argument",
    "bound=-1 must be a whole number, 0 or more",
    "Scenario: max_steps=0 must be a whole number, 1 or more",
    "scheduler='dice' must be *",
)

ELSEWHERE = """
@pytest.fixture
def app(kmm_machine):
    return kmm_machine.spawn("app")

@pytest.mark.kmm_explore
def test_of_a_fixture(kmm_machine, app): ...

@pytest.mark.kmm_explore
def test_of_a_wrong_call(kmm_machine):
    kmm_machine.spawn("a b")
"""


def test_an_outcome_that_is_missing_fails(suite: Suite) -> None:
    result = suite(MISSING)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["no execution came out as 3, but as 2 or 1 (complete)", "complete: *"]
    )


def test_the_command_line_beats_the_mark(suite: Suite) -> None:
    for option, reason in (
        ("--kmm-bound=0", "complete within bound 0"),
        ("--kmm-executions=1", "budget spent after 1 execution"),
        ("--kmm-seconds=1e-9", "budget spent after 1e-09 s"),
    ):
        result = suite(MISSING, option)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"no execution came out as *({reason})"])


def test_a_seed_is_for_tests_that_draw(suite: Suite) -> None:
    drawn = MISSING.replace("outcomes", 'scheduler="random", executions=1, outcomes')
    met = {
        next(
            line for line in suite(drawn, f"--kmm-seed={n}").outlines if "came" in line
        )
        for n in range(4)
    }
    assert len(met) == 2
    # A bound of the command line is not for them.
    suite(drawn, "--kmm-bound=1").stdout.fnmatch_lines(["no execution came out *"])


def test_who_says_nothing_is_told_that_there_was_more(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exploring, "_EXECUTIONS", 30)
    result = suite(LARGE, "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*PartlyExplored: test_large was explored only in part: budget spent after "
            "30 executions; say with kmm_explore(executions=) or (bound=) how far *"
        ]
    )
    suite(LARGE, "--kmm-executions=20").assert_outcomes(passed=1, warnings=0)


def test_wrong_marks_are_one_sentence_each(suite: Suite) -> None:
    result = suite(REFUSED, "-p", "no:unraisableexception")
    result.assert_outcomes(failed=3, errors=8)
    result.stdout.fnmatch_lines([f"kmm_explore: {says}" for says in SENTENCES])
    result.stdout.no_fnmatch_line("*.py:[0-9]*")


def test_a_machine_is_only_there_in_the_body(suite: Suite) -> None:
    result = suite(ELSEWHERE)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E  *UsageError: kmm_machine.spawn is asked for outside of the body *",
            ">       kmm_machine.spawn(*",
            "E  *UsageError: spawn(): name='a b' must hold no spaces and no '[*]'",
        ]
    )
