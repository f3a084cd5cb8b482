# SPDX-License-Identifier: GPL-2.0-only
"""Every source file names its licence first, and the licence is here."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.repo.conftest import Check

TAG = "# SPDX-License-Identifier: GPL-2.0-only"
SUFFIXES = (".py", ".sh", ".toml")
DIRECTORIES = ("pykmm", "tests", "examples", "docs", ".ci")

#: Of the words of the GNU General Public License, version 2, one space between them.
GPL_2 = "29aca396a145fe071fdbe77a984128ac894c96731cff188c4f9c24c251641bd8"


def _sources(root: Path) -> Iterator[Path]:
    yield from (path for path in root.iterdir() if path.suffix in SUFFIXES)
    for directory in DIRECTORIES:
        for path in (root / directory).rglob("*"):
            script = directory == ".ci" and path.is_file()
            if path.suffix in SUFFIXES or script:
                yield path


def _tag_of(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if not line.startswith("#!")), "")


def test_the_first_line_is_the_licence(root: Path, assert_none: Check) -> None:
    found = sorted(_sources(root))
    assert len(found) > 100
    assert_none(str(p.relative_to(root)) for p in found if _tag_of(p) != TAG)


def test_copying_is_the_whole_licence(root: Path) -> None:
    words = (root / "COPYING").read_text(encoding="utf-8").split()
    assert words[:7] == ["GNU", "GENERAL", "PUBLIC", "LICENSE", "Version", "2,", "June"]
    assert sha256(" ".join(words).encode()).hexdigest() == GPL_2
