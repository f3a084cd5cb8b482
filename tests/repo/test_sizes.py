# SPDX-License-Identifier: GPL-2.0-only
"""Short files, short functions; what is longer has a reason here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.repo.conftest import Check, Source

FILE_LINES = 400
FUNCTION_LINES = 60
MEDIAN_LINES = 8
P90_LINES = 30

#: Files and functions that may be longer, and why.
LONGER: dict[str, str] = {}


def _functions(source: Source) -> Iterator[tuple[str, int]]:
    """Yield each function's name and its lines, docstring and decorators apart."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = _span(node)
            if ast.get_docstring(node) is not None:
                lines -= _span(node.body[0])
            yield f"{source.path}:{node.name}", lines


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _lengths(package: dict[str, Source]) -> list[tuple[str, int]]:
    return [pair for source in package.values() for pair in _functions(source)]


def _files(package: dict[str, Source]) -> list[tuple[str, int]]:
    return [(s.path, _lines(s.text)) for s in package.values()]


def _lines(text: str) -> int:
    return len(text.splitlines())


def test_files_are_short(package: dict[str, Source], assert_none: Check) -> None:
    assert_none(
        f"{path}: {lines} lines"
        for path, lines in _files(package)
        if lines > FILE_LINES and path not in LONGER
    )


def test_files_of_tests_are_short(root: Path, assert_none: Check) -> None:
    assert_none(
        f"{path.relative_to(root)}: {lines} lines"
        for path in sorted((root / "tests").rglob("*.py"))
        if (lines := _lines(path.read_text(encoding="utf-8"))) > FILE_LINES
    )


def test_functions_are_short(package: dict[str, Source], assert_none: Check) -> None:
    assert_none(
        f"{name}: {lines} lines"
        for name, lines in _lengths(package)
        if lines > FUNCTION_LINES and name not in LONGER
    )


def test_most_functions_are_very_short(package: dict[str, Source]) -> None:
    lengths = sorted(lines for _, lines in _lengths(package))
    assert median(lengths) <= MEDIAN_LINES
    assert lengths[len(lengths) * 9 // 10] <= P90_LINES


def test_exceptions_are_still_needed(
    package: dict[str, Source], assert_none: Check
) -> None:
    long = {path for path, lines in _files(package) if lines > FILE_LINES}
    long |= {name for name, lines in _lengths(package) if lines > FUNCTION_LINES}
    assert_none(sorted(LONGER.keys() - long))
    assert all(reason.strip() for reason in LONGER.values())


def test_docstrings_and_decorators_do_not_count(package: dict[str, Source]) -> None:
    code = '@wrapped\ndef f() -> int:\n    """One.\n\n    Two.\n    """\n    return 1\n'
    source = type(next(iter(package.values())))("f.py", "f", code, ast.parse(code))
    assert list(_functions(source)) == [("f.py:f", 2)]
