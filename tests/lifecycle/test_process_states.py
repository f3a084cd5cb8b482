# SPDX-License-Identifier: GPL-2.0-only
"""The page of a process's states says what the machine does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_GENERATOR = Path(__file__).with_name("process_states.py")


def test_the_page_of_states_is_what_the_machine_does() -> None:
    spec = importlib.util.spec_from_file_location("process_states", _GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    states = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(states)
    assert states.PAGE.read_text(encoding="utf-8") == states.page()
