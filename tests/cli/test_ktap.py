# SPDX-License-Identifier: GPL-2.0-only
"""KTAP: what is written is what an independent reader understands."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykmm.cli.ktap import Case, ktap
from pykmm.engine import Cell, Machine, Mutex
from pykmm.errors import kinds
from pykmm.runner import Scenario
from pykmm.scenarios import SCENARIOS
from tests.cli.ktap_parser import Found, parse

Cli = Callable[..., Any]

#: A Linux source directory, for whoever has one.
LINUX = os.environ.get("PYKMM_LINUX_SOURCE", "")


def two_locks(m: Machine) -> str:
    """Let two threads take two locks in opposite orders."""
    first, second, seen = Mutex(), Mutex(), Cell(0)

    def take(one: Mutex, other: Mutex) -> None:
        with one, other:
            seen.set(1)

    m.thread("one", lambda: take(first, second))
    m.thread("two", lambda: take(second, first))
    m.run()
    return "fine"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the deadlock among the scenarios."""
    scenario = Scenario(name="broken", function=two_locks, summary="two locks")
    monkeypatch.setitem(SCENARIOS, "broken", scenario)
    return "broken"


# -- explorations ---------------------------------------------------------------------


def test_each_kind_of_report_is_a_subtest_and_so_is_completeness(cli: Cli) -> None:
    answer = cli("explore", "mrelease-alive", "--ktap")
    assert (answer.status, answer.err) == (0, "")
    (test,) = parse(answer.out)
    assert (test.name, test.ok) == ("mrelease-alive", True)
    assert [part.name for part in test.parts] == [*kinds(), "complete"]
    assert all(part.ok and not part.directive for part in test.parts)
    assert test.told[0].startswith("outcome -EINVAL: ")
    assert "python -m pykmm replay mrelease-alive" in test.told[0]


def test_bugs_fail_their_kinds_and_are_told_before_them(cli: Cli, broken: str) -> None:
    answer = cli("explore", broken, "--ktap")
    assert answer.status == 1
    (test,) = parse(answer.out)
    failed = [part.name for part in test.parts if not part.ok]
    assert failed == ["deadlock", "lock-inversion"]
    told = test.part("deadlock").told
    assert told[0] == "BUG: deadlock"
    assert told[-1].startswith("replay: python -m pykmm replay broken ")
    assert test.part("complete").directive == ""
    assert test.data == "1 outcome, 3 executions"


def test_a_limit_is_no_pass_and_neither_is_a_detector_that_is_off(
    cli: Cli, broken: str
) -> None:
    answer = cli("explore", broken, "--ktap", "--executions", "1", "--detect", "kcsan")
    (test,) = parse(answer.out)
    last = test.part("complete")
    assert (last.ok, last.directive) == (True, "SKIP")
    assert last.data == "budget spent after 1 execution"
    skipped = {part.name: part.data for part in test.parts if part.directive}
    assert skipped == {
        "complete": "budget spent after 1 execution",
        "hung-task": "detector hung_task is off",
        "livelock": "detector hung_task is off",
        "lock-inversion": "detector lockdep is off",
    }


def test_only_one_format_at_a_time(cli: Cli, broken: str) -> None:
    answer = cli("explore", broken, "--ktap", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "pykmm: --ktap does not go with --json: drop one of them\n"


# -- the text -------------------------------------------------------------------------

_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")))


def _cases(parts: st.SearchStrategy[list[Case]]) -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        name=_WORDS,
        passed=st.booleans(),
        note=_WORDS.map(lambda text: f"remark {text}"),
        told=st.lists(st.text(), max_size=2),
        parts=parts,
    )


@given(
    st.lists(
        st.recursive(
            _cases(st.just([])), lambda inner: _cases(st.lists(inner, max_size=3))
        ),
        max_size=3,
    )
)
def test_whatever_is_said_can_be_read(cases: list[Case]) -> None:
    found = parse(ktap(cases))
    assert [_shape(case) for case in cases] == [_shape(test) for test in found]


def _shape(test: Case | Found) -> object:
    return test.ok, [_shape(part) for part in test.parts]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1..0\n", "no version"),
        ("KTAP version 1\nok 1 a\n", "no plan"),
        ("KTAP version 1\n1..1\nok 2 a\n", "no result of test 1"),
        ("KTAP version 1\n1..2\nok 1 a\n", "no result of test 2"),
        ("KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "behind the last test"),
        ("KTAP version 1\n1..1\nok 1 a", "does not end"),
        ("KTAP version 1\n1..1\nok 1 a # ERROR b\n", "passed with ERROR"),
        (
            "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 b\nok 1 a\n",
            "one of its subtests did not",
        ),
    ],
)
def test_the_reader_is_strict(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse(text)


@pytest.mark.skipif(not LINUX, reason="PYKMM_LINUX_SOURCE names no Linux source")
def test_the_kernels_own_parser_understands_it(
    cli: Cli, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(Path(LINUX) / "tools/testing/kunit")
    parser = importlib.import_module("kunit_parser")
    printer = importlib.import_module("kunit_printer").Printer(io.StringIO())
    text = cli("explore", broken, "--ktap", "--no-detect").out
    tree = parser.parse_run_tests(text.splitlines(keepends=True), printer)
    (test,) = tree.subtests
    statuses = {part.name: part.status.name for part in test.subtests}
    assert test.name == "broken"
    assert statuses["deadlock"] == "FAILURE"
    assert statuses["data-race"] == "SKIPPED"
    assert statuses["complete"] == "SUCCESS"
    assert not tree.counts.errors
