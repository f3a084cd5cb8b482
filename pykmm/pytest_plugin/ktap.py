# SPDX-License-Identifier: GPL-2.0-only
"""The results of a test suite as KTAP, in a file beside pytest's own words.

Each file of tests is a test, and its tests are the subtests, in the order in which
they are written, however many processes ran them.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..cli.ktap import Case, ktap

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Recorder"]

#: Where a test stands: its file, its line, and its name.
_Place = tuple[str, int, str]


class Recorder:
    """Collects what pytest reports, and writes it in the end."""

    def __init__(self, path: Path) -> None:
        if not path.absolute().parent.is_dir():
            raise pytest.UsageError(
                f"--kmm-ktap {path} is in no directory: name another file"
            )
        self.path = path
        self.cases: dict[_Place, Case] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test went; what went wrong around it counts more than itself."""
        file, line, name = report.location
        place = file, line or 0, name
        if report.when == "call" or not report.passed:
            self.cases[place] = _case(name, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not even be read."""
        if report.failed:
            case = Case("import", False, "ERROR not collected", (report.longreprtext,))
            self.cases[report.nodeid, -1, case.name] = case

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        places = sorted(self.cases)
        files = groupby(places, key=lambda place: place[0])
        cases = [self._file(name, group) for name, group in files]
        self.path.write_text(ktap(cases), encoding="utf-8")

    def _file(self, name: str, places: Iterable[_Place]) -> Case:
        return Case(name, parts=[self.cases[place] for place in places])


def _case(name: str, report: pytest.TestReport) -> Case:
    told = [text for title, text in report.sections if title == "pykmm"]
    expected: str | None = getattr(report, "wasxfail", None)
    if report.failed:
        note = "" if report.when == "call" else f"ERROR in {report.when}"
        return Case(name, False, note, (report.longreprtext, *told))
    if expected is not None:
        why = expected.removeprefix("reason: ")
        note = f"XFAIL {why}" if report.skipped else "passed, which was not expected"
        return Case(name, note=note, told=told)
    if report.skipped:
        return Case(name, note=f"SKIP {_why(report)}")
    reasons = [str(text) for key, text in report.user_properties if key == "pykmm"]
    return Case(name, note=" ".join(reasons), told=told)


def _why(report: pytest.TestReport) -> str:
    """Say why a test was skipped; pytest keeps that as file, line and reason."""
    found = report.longrepr
    text = found[2] if isinstance(found, tuple) else report.longreprtext
    return text.removeprefix("Skipped: ")
