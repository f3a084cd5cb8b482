# SPDX-License-Identifier: GPL-2.0-only
"""Nothing in the tree depends on where it was written, or names it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.repo.conftest import Check, Source

#: Patterns that do not match themselves, so that this file is read, too.
FORBIDDEN = {
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:wor[k]|far[m]|hom[e]|roo[t])/\w"
    ),
    "a scratch directory": re.compile(r"(?<![\w.])/tm[p]/\w"),
    "a drive": re.compile(r"\b[C-Z]:\\\w"),
    "a package registry": re.compile(
        r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|crates[.]io|debian[.]org"
    ),
    "a writing tool": re.compile(
        r"(?i)\b(?:clau[d]e|anthropi[c]|chatgp[t]|copilo[t])\b"
    ),
}
TEXT = (".py", ".pyi", ".md", ".toml", ".sh", ".txt", ".cfg", ".json", ".out", ".yml")
DIRECTORIES = ("pykmm", "tests", "examples", "docs", ".ci")

#: Other machines' logs, stored as they were written.
FOREIGN = ("tests/report/data/*.log",)

VARIANT = re.compile(r"version|patch|mutant|design", re.IGNORECASE)


def _texts(root: Path) -> Iterator[Path]:
    yield from (path for path in root.iterdir() if path.suffix in TEXT)
    for directory in DIRECTORIES:
        for path in (root / directory).rglob("*"):
            if path.suffix in TEXT or path.parent == root / ".ci":
                yield path


def _findings(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in FORBIDDEN.items():
            if pattern.search(line):
                yield number, what


def test_no_file_names_its_birthplace(root: Path, assert_none: Check) -> None:
    found = sorted(_texts(root))
    assert len(found) > 100
    assert_none(
        f"{path.relative_to(root)}:{number}: {what}"
        for path in found
        for number, what in _findings(path.read_text(encoding="utf-8"))
    )


def test_stored_logs_are_the_only_foreign_texts(root: Path) -> None:
    assert all(list(root.glob(pattern)) for pattern in FOREIGN)
    assert not [
        p for pattern in FOREIGN for p in root.glob(pattern) if p.suffix in TEXT
    ]


@pytest.mark.parametrize(
    "line",
    [
        "cd /wor" + "k/main",
        "open('/tm" + "p/x.txt')",
        "/hom" + "e/somebody",
        "https://pypi" + ".org/project/attrs",
        "deb http://deb.debian" + ".org/debian",
        "C:" + r"\Users\somebody",
    ],
)
def test_leak_is_found(line: str) -> None:
    assert list(_findings(line))


@pytest.mark.parametrize(
    "line", ["fs/work/x", "./work/here", "a/tmp/b", "tmp_path / 'x'"]
)
def test_innocent_line_is_not(line: str) -> None:
    assert list(_findings(line)) == []


def _variant_tests(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield conditions in which a variant of the kernel is named."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            for name in ast.walk(node.test):
                word = getattr(name, "id", None) or getattr(name, "attr", None) or ""
                if VARIANT.search(word):
                    yield node.lineno, word


def test_baseline_code_tests_for_no_variant(
    mirrored: list[Source], assert_none: Check
) -> None:
    assert_none(
        source.at(line, f"asks for {word}")
        for source in mirrored
        for line, word in _variant_tests(source.tree)
    )


def test_variant_test_is_found() -> None:
    code = "if config.kernel_version >= (6, 12): walk_down()"
    assert list(_variant_tests(ast.parse(code))) == [(1, "kernel_version")]
