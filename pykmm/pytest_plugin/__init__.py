# SPDX-License-Identifier: GPL-2.0-only
"""Tests whose body is run in every order of its threads' steps.

pytest loads this module in every suite of an environment that has pykmm, so it
imports nothing of it: what explores is in :mod:`.exploring`, which the first test
that asks for it imports.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

__all__ = ["PartlyExplored", "kmm_machine"]

MARK = "kmm_explore"
#: What a test has to say about how its exploration went.
_STORY = pytest.StashKey[str]()


class PartlyExplored(pytest.PytestWarning):
    """A test has passed, but not in every order, and nobody had asked for less."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer bounds, a seed, and the replay of one schedule."""
    group = parser.getgroup("kmm", "exploring the interleavings of kernel code")
    group.addoption(
        "--kmm-executions",
        type=int,
        metavar="N",
        help="give each explored test at most N executions",
    )
    group.addoption(
        "--kmm-seconds",
        type=float,
        metavar="S",
        help="give each explored test at most S seconds",
    )
    group.addoption(
        "--kmm-bound",
        type=int,
        metavar="N",
        help="explore executions of at most N preemptions",
    )
    group.addoption(
        "--kmm-seed", type=int, metavar="N", help="seed of the tests that draw orders"
    )
    group.addoption(
        "--kmm-replay",
        metavar="SCHEDULE",
        help="run explored tests in this one order, as a failure's last line says",
    )
    group.addoption(
        "--kmm-ktap",
        metavar="FILE",
        help="write the results as KTAP, for the kernel's test tools",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(bound=, executions=, seconds=, outcomes=, ...): run the test's body "
        "on a new kmm_machine in every order of its threads' steps (pykmm)",
    )
    ktap = config.getoption("--kmm-ktap")
    if ktap is not None and not hasattr(config, "workerinput"):  # one process writes
        from .ktap import Recorder

        config.pluginmanager.register(Recorder(Path(ktap)))


@pytest.fixture
def kmm_machine(request: pytest.FixtureRequest) -> Iterator[object]:
    """A small Linux, booted; in a test that is explored, one for each execution."""
    if request.node.get_closest_marker(MARK) is not None:
        from .exploring import ForEachExecution

        yield ForEachExecution()
        return
    from ..workbench import Machine

    with Machine() as machine:
        machine.ready()
        yield machine


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a mark that says nothing sensible before anything is set up for it."""
    mark = item.get_closest_marker(MARK)
    if mark is not None:
        from .exploring import check

        check(item, mark)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(
    pyfuncitem: pytest.Function,
) -> Generator[None, object, object]:
    """Put the exploration of a marked test's body in the place of the body."""
    mark = pyfuncitem.get_closest_marker(MARK)
    if mark is None:
        return (yield)
    from .exploring import explored

    body = pyfuncitem.obj
    pyfuncitem.obj = explored(pyfuncitem, mark)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = body


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report how the exploration went."""
    report = yield
    story = item.stash.get(_STORY, None)
    if story is not None and call.when == "call":
        report.sections.append(("pykmm", story))
    return report


def tell(item: pytest.Item, story: str) -> None:
    """Have *story* shown with the result of *item*."""
    item.stash[_STORY] = story
