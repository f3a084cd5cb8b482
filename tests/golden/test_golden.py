# SPDX-License-Identifier: GPL-2.0-only
"""What users read is what is stored; ``regenerate.py`` beside this changes it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def _load() -> ModuleType:
    path = HERE / "regenerate.py"
    spec = importlib.util.spec_from_file_location("pykmm_tests_golden_regenerate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REGENERATE = _load()
CASES = REGENERATE.cases()


@pytest.mark.parametrize("name", CASES)
def test_text_is_what_is_stored(name: str) -> None:
    path = REGENERATE.stored(name)
    assert path.exists(), f"{path.name} is missing: run tests/golden/regenerate.py"
    assert CASES[name]() == path.read_text(encoding="utf-8"), (
        f"{path.name} differs: if that is what users should read from now on, run "
        "tests/golden/regenerate.py and commit the difference"
    )


def test_nothing_is_stored_that_no_case_makes() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(CASES)
