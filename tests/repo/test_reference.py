# SPDX-License-Identifier: GPL-2.0-only
"""The reference pages are those that the code makes now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
REMEDY = "run 'python docs/reference/generate.py', and read the difference"
PAGES = sorted(
    page.name
    for page in REFERENCE.glob("*.md")
    if "generate.py" in page.read_text(encoding="utf-8").partition("\n")[0]
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages made by a process of their own: tests add structures to the tables."""
    directory = tmp_path_factory.mktemp("reference")
    command = [sys.executable, str(REFERENCE / "generate.py"), str(directory)]
    subprocess.run(command, check=True)
    return directory


def test_every_page_is_stored(made: Path) -> None:
    assert sorted(page.name for page in made.iterdir()) == PAGES, REMEDY


@pytest.mark.parametrize("name", PAGES)
def test_page_is_the_one_that_the_code_makes(name: str, made: Path) -> None:
    new, stored = (
        (directory / name).read_text(encoding="utf-8")
        for directory in (made, REFERENCE)
    )
    assert stored == new, REMEDY


def test_fidelity_says_what_abridged_functions_leave_out(made: Path) -> None:
    rows = [
        line.split(" | ")
        for line in (made / "fidelity.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    assert rows
    for row in rows:
        needs_reason = not row[2].startswith("faithful")
        assert bool(re.search(r"\w", row[3])) == needs_reason, row
