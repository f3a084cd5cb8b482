# SPDX-License-Identifier: GPL-2.0-only
"""Suites that do not use the plugin pay nothing for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.pytest_plugin.conftest import ROOT

if TYPE_CHECKING:
    from tests.pytest_plugin.conftest import Suite

pytestmark = pytest.mark.slow

THEIRS = """
import sys

def test_theirs():
    assert True

def test_zz_what_is_there():
    there = sorted(name for name in sys.modules if name.split(".")[0] == "pykmm")
    assert there == ["pykmm", "pykmm.pytest_plugin"]
"""


def test_a_suite_without_the_mark_imports_nothing_of_pykmm(suite: Suite) -> None:
    suite(THEIRS, begin=False, apart=True).assert_outcomes(passed=2)


def test_the_plugin_imports_nothing_that_pytest_has_not() -> None:
    code = (
        "import pytest, typing, collections.abc, sys; before = set(sys.modules);"
        "import pykmm.pytest_plugin; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["pykmm", "pykmm.pytest_plugin"]


def test_the_entry_point_names_the_plugin() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\npykmm = "pykmm.pytest_plugin"\n' in text


def test_help_and_marks_say_what_there_is(suite: Suite) -> None:
    shown = suite("", "--help").stdout.str()
    for option in ("executions", "seconds", "bound", "seed", "replay"):
        assert f"--kmm-{option}" in shown
    marks = suite("", "--markers").stdout
    marks.fnmatch_lines(["@pytest.mark.kmm_explore(bound=, executions=, *"])
