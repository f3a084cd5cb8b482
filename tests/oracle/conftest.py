# SPDX-License-Identifier: GPL-2.0-only
"""Small worlds, and short ways to ask about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pykmm.oracle import answer

World = dict[str, Any]


def world(*calls: World, **parts: Any) -> World:
    """A world of init and one large process, 7, with what *parts* say."""
    return {
        "format": "pykmm-world/1",
        "mms": [{"id": "big", "anon": 1000}],
        "tasks": [{"pid": 1}, {"pid": 7, "comm": "hog", "mm": "big"}],
        "calls": list(calls),
        **parts,
    }


def ask(*calls: World, **parts: Any) -> World:
    """Answer such a world; it must be one."""
    found = answer(world(*calls, **parts))
    assert "error" not in found, found
    return found


def refuse(value: object) -> tuple[str, str]:
    """Return where and why *value* is no world."""
    found = answer(value)
    assert list(found) == ["error"]
    error: Any = found["error"]
    assert list(error) == ["where", "what"]
    return error["where"], error["what"]


@pytest.fixture(name="world")
def _world() -> Callable[..., World]:
    return world


@pytest.fixture(name="ask")
def _ask() -> Callable[..., World]:
    return ask


@pytest.fixture(name="refuse")
def _refuse() -> Callable[[object], tuple[str, str]]:
    return refuse
