# SPDX-License-Identifier: GPL-2.0-only
"""Suites of others, which have the plugin as if pykmm were installed for them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
from collections.abc import Callable
from pathlib import Path

import pytest

import pykmm.pytest_plugin

ROOT = Path(__file__).parents[2]

#: Runs the tests of a module's text with arguments of pytest's.
Suite = Callable[..., pytest.RunResult]

#: What the modules under test begin with: a race whose outcomes are known.
BEGINNING = """
import pytest

from pykmm.engine import Cell


def count(m):
    total = Cell(0)

    def add():
        seen = total.get()
        total.set(seen + 1)

    m.thread("ann", add)
    m.thread("bob", add)
    m.run()
    return total.get()

"""


@pytest.fixture(scope="session")
def _everything_is_imported() -> None:
    """Import all of pykmm: a suite run in this process takes its own imports along."""
    left_out = ["__main__"]
    if importlib.util.find_spec("greenlet") is None:
        left_out.append("greenlets")
    for module in pkgutil.walk_packages(pykmm.__path__, "pykmm."):
        if module.name.rpartition(".")[2] not in left_out:
            importlib.import_module(module.name)


@pytest.fixture
def suite(
    _everything_is_imported: None,
    pytester: pytest.Pytester,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> Suite:
    """Run a module's tests, in this process unless *apart* is said."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    installed = pytestconfig.pluginmanager.hasplugin("pykmm")

    def run(
        text: str, *arguments: str, begin: bool = True, apart: bool = False
    ) -> pytest.RunResult:
        pytester.makepyfile(test_it=(BEGINNING if begin else "") + text)
        arguments = ("-p", "no:cacheprovider", *arguments)
        plugins = [] if installed else [pykmm.pytest_plugin]
        if not apart:
            return pytester.runpytest_inprocess(*arguments, plugins=plugins)
        named = [word for plugin in plugins for word in ("-p", plugin.__name__)]
        return pytester.runpytest_subprocess(*named, *arguments)

    return run
