# SPDX-License-Identifier: GPL-2.0-only
"""What ``import pykmm`` gives, and what it does not cost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pykmm

if TYPE_CHECKING:
    from tests.repo.conftest import Check

PUBLIC = [
    "BASELINE",
    "Config",
    "Machine",
    "Report",
    "Scenario",
    "Schedule",
    "Trace",
    "UsageError",
    "__version__",
    "compare",
    "explore",
    "replay",
]

#: What a program that only imports pykmm must not pay for.
NOT_IMPORTED = (
    "greenlet",
    "hypothesis",
    "multiprocessing",
    "pykmm.kernel",
    "pykmm.linux",
    "pykmm.mm",
    "pytest",
    "sortedcontainers",
)


def test_the_public_names_are_exactly_these() -> None:
    assert pykmm.__all__ == PUBLIC
    assert dir(pykmm) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_there(name: str) -> None:
    assert getattr(pykmm, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'mm_struct'"):
        pykmm.mm_struct


def _imported_by(statement: str, root: Path) -> list[str]:
    code = f"import sys; before = set(sys.modules); {statement}\n"
    code += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_importing_pykmm_imports_little(root: Path, assert_none: Check) -> None:
    imported = _imported_by("import pykmm", root)
    assert "pykmm" in imported
    assert_none(name for name in imported if name.startswith(NOT_IMPORTED))


def test_asking_for_a_name_imports_its_module_then(root: Path) -> None:
    imported = _imported_by("import pykmm; pykmm.UsageError", root)
    assert "pykmm.errors" in imported
    assert "pykmm.mm" not in imported
