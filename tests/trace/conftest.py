# SPDX-License-Identifier: GPL-2.0-only
"""Give tests the toy programs without making a package of this directory."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

_NAME = "pykmm_tests_trace_toys"


@pytest.fixture(scope="session")
def toys() -> ModuleType:
    """The module of toy programs."""
    if _NAME not in sys.modules:
        path = Path(__file__).with_name("toys.py")
        spec = importlib.util.spec_from_file_location(_NAME, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[_NAME] = module
        spec.loader.exec_module(module)
    return sys.modules[_NAME]
