# SPDX-License-Identifier: GPL-2.0-only
"""What holds for every test: deterministic, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

# Hypothesis caches what it learns of the code in a directory of its own, from the
# first import of a test on: it must not be one of the tree's.
_HOME = TemporaryDirectory(prefix="pykmm-tests-")
set_hypothesis_home_dir(_HOME.name)

settings.register_profile("pykmm", derandomize=True, database=None, deadline=None)
settings.load_profile("pykmm")


def pytest_unconfigure() -> None:
    """Remove what hypothesis has stored."""
    _HOME.cleanup()


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind() -> Iterator[None]:
    """Fail a test that does not end the OS threads it began: close the machine.

    Threads that were there before, such as the test runner's own, do not count.
    """
    before = threading.enumerate()
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert left == [], "the test left threads behind: close its machines and pools"
