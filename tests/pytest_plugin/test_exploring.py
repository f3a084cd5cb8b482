# SPDX-License-Identifier: GPL-2.0-only
"""A marked test's body is run in every order, and a failure says in which."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.pytest_plugin.conftest import ROOT

if TYPE_CHECKING:
    from tests.pytest_plugin.conftest import Suite

pytestmark = pytest.mark.slow

GOOD = """
@pytest.mark.kmm_explore(outcomes=[1, 2])
def test_both(kmm_machine):
    return count(kmm_machine)

@pytest.mark.kmm_explore(bound=0, outcomes=[2])
def test_nobody_interrupts(kmm_machine):
    return count(kmm_machine)

@pytest.mark.kmm_explore(scheduler="random", executions=40, outcomes=[1, 2])
def test_at_random(kmm_machine):
    return count(kmm_machine)

@pytest.mark.kmm_explore
@pytest.mark.parametrize("most", [2, 3])
def test_arguments(kmm_machine, most, tmp_path):
    assert count(kmm_machine) <= most and tmp_path.is_dir()

class TestInAClass:
    @pytest.mark.kmm_explore
    def test_it(self, kmm_machine):
        assert count(kmm_machine) > 0

@pytest.mark.kmm_explore
def test_skips(kmm_machine):
    pytest.skip("not today")

@pytest.mark.xfail(raises=AssertionError, strict=True)
@pytest.mark.kmm_explore
def test_is_known_to_fail(kmm_machine):
    assert count(kmm_machine) == 2

def test_one_execution(kmm_machine):
    app = kmm_machine.spawn("app", anon="64K")
    assert (app.pid, count(kmm_machine)) == (3, 2)
"""

BAD = """
@pytest.mark.kmm_explore
def test_asserts(kmm_machine):
    total = count(kmm_machine)
    assert total == 2, "an addition was lost"

@pytest.mark.kmm_explore
def test_fails(kmm_machine):
    if count(kmm_machine) != 2:
        pytest.fail("an addition was lost")

@pytest.mark.kmm_explore(outcomes=[2])
def test_comes_out(kmm_machine):
    return count(kmm_machine)

class TestInAClass:
    @pytest.mark.kmm_explore
    @pytest.mark.parametrize("total", ["a b"])
    def test_it(self, kmm_machine, total):
        assert count(kmm_machine) != 1, total
"""
LINE = 'replay: python -m pytest {} --kmm-replay "ann[*]2 bob[*]3 ann"'

KERNEL = """
from pykmm.linux.uapi import SIGKILL
from pykmm.patches.bugs import BUGS
from pykmm.syscalls import kill, pidfd_open, process_mrelease

@pytest.mark.kmm_explore(patches=(BUGS["mrelease-no-mmgrab"],))
def test_race(kmm_machine):
    app = kmm_machine.spawn("app", anon="64K")
    lmkd = kmm_machine.spawn("lmkd")

    @lmkd.runs
    def _():
        fd = pidfd_open(app.pid, 0)
        kill(app.pid, SIGKILL)
        process_mrelease(fd, 0)

    kmm_machine.run()
"""


def test_bodies_that_are_right_in_every_order_pass(suite: Suite) -> None:
    result = suite(GOOD, "-rP", "-W", "error")
    result.assert_outcomes(passed=7, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(
        ["test_both: 2 outcomes", "  2  * x  0 preemptions: *", "complete: *"]
    )


def test_a_failure_shows_the_body_the_columns_and_the_line(suite: Suite) -> None:
    result = suite(BAD)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            ">       assert total == 2, *",
            "E       AssertionError: an addition was lost",
            "*- pykmm -*",
            "   5        1    write Cell#1 1 -> 1",
            LINE.format("test_it.py::test_asserts"),
            ">           pytest.fail(*",
            "E           Failed: an addition was lost",
            LINE.format("test_it.py::test_fails"),
            "an execution came out as 1, and not as 2",
            LINE.format("test_it.py::test_comes_out"),
            LINE.format("'test_it.py::TestInAClass::test_it[[]a b]'"),
        ]
    )
    # Who reads it wants to see the test, and not how pykmm runs it.
    result.stdout.no_fnmatch_line("*exploring.py*")
    result.stdout.no_fnmatch_line("*direct cause*")


def test_the_line_reproduces_what_it_was_printed_for(suite: Suite) -> None:
    text = suite(BAD).stdout.str()
    lines = [s for s in text.splitlines() if s.startswith("replay: ")]
    assert len(lines) == 4
    for line in lines:
        arguments = shlex.split(line)[4:]
        again = suite(BAD, *arguments)
        again.assert_outcomes(failed=1)
        assert line in again.stdout.str()


def test_a_kernel_bug_is_a_whole_report(suite: Suite) -> None:
    first = suite(KERNEL)
    for result in (first, suite(KERNEL, "--kmm-replay", "lmkd*55")):
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "E       pykmm.errors.RefcountError: the last reference on *",
                "BUG: refcount in process_mrelease()",
                "  in use    by task_struct#3 (app)",
                "*stops here  <-- refcount",
                'replay: * test_it.py::test_race --kmm-replay "lmkd[*]56"',
            ]
        )


def test_a_replay_is_one_execution(suite: Suite) -> None:
    schedule = ("--kmm-replay", "bob*3 ann*3", "-rP")
    result = suite(GOOD, *schedule, "-k", "test_both")
    result.assert_outcomes(passed=1, deselected=8)
    result.stdout.fnmatch_lines(["   5        2    write Cell#1 1 -> 2"])


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("carl", "*kmm_explore: the schedule runs 'carl' at step 0, but there *"),
        ("ann*", "*kmm_explore: *'ann[*]'*"),
    ],
)
def test_a_schedule_that_does_not_fit_is_one_sentence(
    suite: Suite, schedule: str, says: str
) -> None:
    result = suite(GOOD, "-k", "test_both", "--kmm-replay", schedule)
    result.assert_outcomes(failed=1, deselected=8)
    result.stdout.fnmatch_lines([says])
    result.stdout.no_fnmatch_line("*exploring.py*")


def test_workers_of_xdist_say_the_same(suite: Suite) -> None:
    pytest.importorskip("xdist")
    result = suite(BAD, "-n", "2", "-p", "xdist", apart=True)
    result.assert_outcomes(failed=4)
    assert result.stdout.str().count('--kmm-replay "ann*2 bob*3 ann"') == 4


def test_the_page_about_it_is_true(suite: Suite) -> None:
    page = (ROOT / "docs" / "how-to" / "test-with-pytest.md").read_text(
        encoding="utf-8"
    )
    shown = {"python": "", "text": ""}
    for language, text in re.findall(
        r"^```(python|text)\n(.*?)^```$", page, re.M | re.S
    ):
        shown[language] += text
    result = suite(shown["python"], begin=False)
    result.assert_outcomes(passed=1, failed=1)
    printed = result.stdout.str().replace("test_it.py", "test_race.py")
    for line in shown["text"].splitlines():
        assert line.partition("--kmm-replay")[0] in printed
