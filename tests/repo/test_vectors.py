# SPDX-License-Identifier: GPL-2.0-only
"""Every numbered statement about the life of processes and memory has its test.

The vectors of the life-cycle specification are numbered from 1. A test carries the
numbers of those that it asserts in front of its name: ``test_l7_l8_...``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

LAST = 167

#: Vectors whose tests are still to come, and with what.
AWAITED: dict[int, str] = {}

_NAME = re.compile(r"test_((?:l\d+_)+)[a-z]")


def vectors_of(name: str) -> list[int]:
    """Return the vectors that a test of this name asserts."""
    found = _NAME.match(name)
    return [int(n[1:]) for n in found[1].split("_")[:-1]] if found else []


def _tested(root: Path) -> set[int]:
    """Return the vectors that some test in the repository asserts."""
    return {
        vector
        for path in (root / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for vector in vectors_of(node.name)
    }


def test_a_name_says_which_vectors_it_asserts() -> None:
    assert vectors_of("test_l7_l8_the_status_is_the_group_s") == [7, 8]
    assert vectors_of("test_l41_a_second_sigkill") == [41]
    assert vectors_of("test_l4_5_levels") == []
    assert vectors_of("test_lists") == []


def test_every_vector_has_a_test(root: Path) -> None:
    wanted = set(range(1, LAST + 1)) - AWAITED.keys()
    assert sorted(wanted - _tested(root)) == []


def test_what_is_awaited_is_not_there_yet(root: Path) -> None:
    """Who adds one of these tests takes its number off the table above."""
    assert sorted(AWAITED.keys() & _tested(root)) == []
